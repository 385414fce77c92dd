"""The card of a model: front matter that the Hub's own package reads, the facts, and cards that people changed."""

import random

import pytest
import torch
from huggingface_hub import ModelCard

from qkv import AutoModelForCausalLM, AutoModelForSequenceClassification
from qkv.training.adapters.lora import LoraConfig, get_peft_model
from qkv.training.arguments import TrainingArguments
from qkv.training.reporting.card import is_own, yaml
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_training import rows


def classifier(base="org/base"):
    model = AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")
    object.__setattr__(model.config, "name_or_path", base)
    model.config.id2label = {0: "bad", 1: "a|b", 2: "<i>good"}
    return model


def trained(folder, model=None, **given):
    given = {"max_steps": 4, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "no"} | given
    args = TrainingArguments(str(folder), use_cpu=True, disable_tqdm=True, **given)
    trainer = Trainer(
        classifier() if model is None else model, args, train_dataset=rows(8), eval_dataset=rows(6),
        compute_metrics=lambda found: {"accuracy": 0.5, "f1": float("nan")},
    )  # fmt: skip
    trainer.train()
    return trainer


def test_the_hub_reads_its_front_matter(tmp_path):
    trainer = trained(tmp_path / "mine")
    trainer.create_model_card(
        language="en", license="apache-2.0", tags="x", dataset_tags="glue", dataset="GLUE MRPC", dataset_args="mrpc"
    )
    data = ModelCard.load(tmp_path / "mine" / "README.md").data
    assert (data.library_name, data.base_model, data.license, data.language) == (
        "transformers", "org/base", "apache-2.0", ["en"],
    )  # fmt: skip
    assert data.tags == ["x", "generated_from_trainer", "qkv"] and data.datasets == ["glue"]
    assert data.metrics == ["accuracy"] and data.model_name == "mine"
    results = {result.metric_type: result for result in data.eval_results}
    assert set(results) == {"loss", "accuracy"} and results["accuracy"].metric_value == 0.5
    assert results["loss"].metric_value == trainer.history.evaluations[-1]["eval_loss"]
    assert results["loss"].task_type == "text-classification"
    assert (results["loss"].dataset_type, results["loss"].dataset_name) == ("glue", "GLUE MRPC")


def test_the_facts(tmp_path):
    trained(tmp_path / "mine", learning_rate=1e-3).save_model()
    text = (tmp_path / "mine" / "README.md").read_text()
    assert "trained from [org/base](https://huggingface.co/org/base) for 4 epochs." in text
    assert "| training | 8 | `input_ids`, `attention_mask`, `labels` |" in text and "| evaluation | 6 |" in text
    assert "Labels: bad (0), a b (1), i good (2)." in text  # no markup from outside
    assert "| `learning_rate` | `0.001` |" in text and "| `max_steps` | `4` |" in text
    assert "weight_decay" not in text and "output_dir" not in text and str(tmp_path) not in text
    assert 'pipeline("text-classification", "mine")' in text and f"PyTorch {torch.__version__}" in text
    table = [line for line in text.splitlines() if line.startswith(("| step", "| 2 ", "| **2**", "| 4 ", "| **4**"))]
    assert table[0] == "| step | epoch | eval loss | accuracy | f1 |" and len(table) == 3


def test_a_folder_is_named_without_its_path(tmp_path):
    (tmp_path / "secret" / "base").mkdir(parents=True)
    trained(tmp_path / "mine", classifier(str(tmp_path / "secret" / "base"))).save_model()
    text = (tmp_path / "mine" / "README.md").read_text()
    assert "trained from `base`" in text and "secret" not in text and "base_model" not in text


def test_the_results_are_of_the_model_that_is_saved(tmp_path):
    found = iter([0.75, 0.25, 0.5])
    given = {"save_strategy": "steps", "save_steps": 2, "load_best_model_at_end": True}
    args = {"metric_for_best_model": "accuracy", "eval_strategy": "steps", "eval_steps": 2, "max_steps": 4}
    trainer = Trainer(
        classifier(), TrainingArguments(str(tmp_path), use_cpu=True, disable_tqdm=True, **given, **args),
        train_dataset=rows(8), eval_dataset=rows(6), compute_metrics=lambda _: {"accuracy": next(found)},
    )  # fmt: skip

    def said():
        trainer.save_model()
        return [r.metric_value for r in ModelCard.load(tmp_path / "README.md").data.eval_results][1]

    trainer.train()
    assert said() == 0.75
    trainer.evaluate()
    assert said() == 0.5


def test_a_card_that_was_changed_is_kept(tmp_path, caplog):
    trainer = trained(tmp_path / "mine", save_strategy="no")
    card = tmp_path / "mine" / "README.md"
    trainer.save_model()
    first = card.read_text()
    assert is_own(first)
    trainer.create_model_card(license="mit")
    assert "mit" in card.read_text() and not caplog.records  # as nobody changed it
    card.write_text(card.read_text().replace("To be written by those who publish it.", "Not for medicine."))
    changed = card.read_text()
    trainer.save_model()
    assert card.read_text() == changed and not caplog.records
    trainer.create_model_card(license="apache-2.0")
    assert card.read_text() == changed and "Delete it to have it written" in caplog.text
    trainer.save_model(str(tmp_path / "other"))
    assert (tmp_path / "other" / "README.md").read_text() == changed
    card.write_text("# Mine")
    trainer.save_model()
    assert card.read_text() == "# Mine"


def test_models_of_other_kinds(tmp_path):
    writer = AutoModelForCausalLM.from_pretrained(GOLDENS / "gpt2" / "LMHeadModel")
    data = rows(4, kind="words")
    args = TrainingArguments(str(tmp_path / "writer"), max_steps=1, use_cpu=True, disable_tqdm=True, save_strategy="no")
    Trainer(writer, args, train_dataset=data).save_model()
    data = ModelCard.load(tmp_path / "writer" / "README.md").data
    assert data.pipeline_tag == "text-generation" and data.eval_results is None
    adapted = get_peft_model(classifier(), LoraConfig(task_type="SEQ_CLS", target_modules="all-linear"))
    trained(tmp_path / "adapted", adapted).save_model()
    data = ModelCard.load(tmp_path / "adapted" / "README.md").data
    assert (data.library_name, data.base_model, data.pipeline_tag) == ("peft", "org/base", "text-classification")
    plain = Trainer(torch.nn.Linear(2, 2), TrainingArguments(str(tmp_path / "plain"), use_cpu=True, disable_tqdm=True))
    plain.save_model()
    assert "`Linear`, trained from random weights." in (tmp_path / "plain" / "README.md").read_text()


def test_nothing_is_drawn_for_it(tmp_path):
    trainer = trained(tmp_path)

    class Noisy(list):
        def __getitem__(self, index):
            torch.rand(())
            random.random()
            return super().__getitem__(index)

    trainer.train_dataset = Noisy(rows(3))
    before = torch.get_rng_state(), random.getstate()
    trainer.save_model()
    assert torch.equal(before[0], torch.get_rng_state()) and before[1] == random.getstate()


def test_pushing_says_what_the_card_is_told(tmp_path, monkeypatch):
    sent = {}

    def push(folder, name, **options):
        sent.update(options, name=name, card=(folder / "README.md").read_text())

    monkeypatch.setattr("qkv.hub.push_folder", push)
    trainer = trained(tmp_path / "mine", hub_model_id="org/named")
    trainer.push_to_hub(language="fr", dataset_tags="imdb", blocking=True, private=True)
    assert (sent["name"], sent["private"], "blocking" in sent, "language" in sent) == ("org/named", True, False, False)
    assert "# named" in sent["card"] and '- "fr"' in sent["card"] and '- "imdb"' in sent["card"]


@pytest.mark.parametrize("text", ["plain", "yes", "1.0", "null", "a: b", "- x", "#", "é\n'\"", "\u2028", "{}"])
def test_yaml(text):
    reader = pytest.importorskip("yaml")
    value = {"a": [text, {"b": text, "c": [1, 2.5, 1e-05, 2.5e20, True], "d": {"e": [{"f": text, "g": [text]}]}}]}
    assert reader.safe_load(yaml(value)) == value
