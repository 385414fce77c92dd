"""Adapters in use: a Trainer that trains them, folders that hold them alone, methods of every model."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from test_trainer import arguments, losses, rows, same, weights, written

import qkv
from qkv import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoPeftModel, pipeline
from qkv.training.adapters.lora import LoraConfig, PeftModel, get_peft_model, load_adapter
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_text import make_text

BERT, GPT2 = GOLDENS / "bert" / "ForSequenceClassification", GOLDENS / "gpt2" / "LMHeadModel"
IDS = torch.tensor([[5, 6, 7, 8, 9], [9, 3, 2, 8, 11]])


def bert(**given):
    model = AutoModelForSequenceClassification.from_pretrained(BERT, id2label={0: "no", 1: "maybe", 2: "yes"})
    return get_peft_model(model, LoraConfig(task_type="SEQ_CLS", lora_dropout=0.1, **given))


def parts():
    """Each part of GPT-2's c_attn with a matrix of its own, which PEFT's files join."""
    model = AutoModelForCausalLM.from_pretrained(GPT2)
    return get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], alpha_pattern={"v_proj": 3}))


def two():
    model = bert(use_dora=True)
    model.add_adapter(LoraConfig(r=2, target_modules=["key"]), "other")
    model.set_adapter(["default", "other"])
    return model


def thawed():
    model = bert(target_modules="all-linear", use_rslora=True)
    model.get_parameter("bert.embeddings.LayerNorm.weight").requires_grad_(True)
    return model


def quantised():
    model = AutoModelForCausalLM.from_pretrained(GPT2, quantize="int8")
    return get_peft_model(model, LoraConfig(target_modules="all-linear", use_dora=True))


def logits(model):
    with torch.inference_mode():
        return model.eval()(IDS).logits


@pytest.mark.parametrize("make", [bert, parts, two, thawed, quantised])
def test_a_run_resumed_is_the_run(make, tmp_path):
    data = written(11) if make in (parts, quantised) else rows(11)
    given = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "save_steps": 1}
    torch.manual_seed(3)
    whole = Trainer(make(), arguments(tmp_path / "whole", **given), train_dataset=data)
    start = weights(whole.model)
    whole.train()
    moved = {name for name, p in whole.model.named_parameters() if not torch.equal(p, start[name])}
    assert moved == {name for name, p in whole.model.named_parameters() if p.requires_grad}
    for step in (1, 4):
        folder = tmp_path / f"from-{step}"
        shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", folder / f"checkpoint-{step}")
        torch.manual_seed(step)
        again = Trainer(make(), arguments(folder, **given), train_dataset=data)
        again.train(resume_from_checkpoint=True)
        assert same(weights(whole.model), weights(again.model)) and losses(whole) == losses(again)
        for name in ("optimizer.safetensors", "adapter_model.safetensors"):
            last = f"checkpoint-6/{name}"
            assert (folder / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()
    files = {path.name for path in (tmp_path / "whole" / "checkpoint-6").iterdir()}
    assert "model.safetensors" not in files and files >= {"adapter_model.safetensors", "base_config.json"}
    assert ("trained.json" in files) == (make in (parts, thawed)) and ("other" in files) == (make is two)


def test_the_best_adapter_comes_back(tmp_path):
    given = {"num_train_epochs": 4, "eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
    given |= {"greater_is_better": True}  # so that an early one is best
    trainer = Trainer(
        bert(), arguments(tmp_path, learning_rate=0.1, save_total_limit=1, **given), train_dataset=rows(8),
        eval_dataset=rows(6, seed=3),
    )  # fmt: skip
    trainer.train()
    values = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert trainer.state.best_metric == max(values) != values[-1]
    assert trainer.evaluate()["eval_loss"] == pytest.approx(max(values), abs=1e-6)


def test_what_was_trained_loads_everywhere(tmp_path):
    """With the base that it names, its labels, and the tokenizer of either folder."""
    base = make_text(tmp_path / "base", "gpt2/LMHeadModel")
    model = AutoModelForSequenceClassification.from_pretrained(
        base, id2label={0: "no", 1: "maybe", 2: "yes"}, pad_token_id=0
    )
    get_peft_model(model, LoraConfig(task_type="SEQ_CLS"))
    args = arguments(tmp_path / "run", max_steps=3, save_strategy="no", learning_rate=0.05)
    trainer = Trainer(model, args, train_dataset=rows(8))
    trainer.train()
    trainer.save_model(str(tmp_path / "out"))
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert "model.safetensors" not in files
    assert files >= {"adapter_config.json", "adapter_model.safetensors", "base_config.json", "training_args.json"}
    wanted = logits(model)
    load = AutoModelForSequenceClassification.from_pretrained
    auto = qkv.AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "out", is_trainable=True)
    for found in (load(tmp_path / "out"), AutoPeftModel.from_pretrained(tmp_path / "out"), auto):
        assert isinstance(found, PeftModel) and isinstance(found, qkv.GPT2ForSequenceClassification)
        assert torch.equal(logits(found), wanted) and found.config.id2label[2] == "yes"
    assert any(p.requires_grad for p in found.parameters())
    for label in pipeline("text-classification", str(tmp_path / "out"))("the end of it", top_k=None):
        assert label["label"] in ("no", "maybe", "yes")
    merged = load(tmp_path / "out").merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    assert (logits(load(tmp_path / "merged")) - wanted).abs().max() < 1e-4

    (tmp_path / "out" / "base_config.json").unlink()  # as PEFT writes it
    again = load(tmp_path / "out")
    assert torch.equal(logits(again), wanted) and again.config.num_labels == 3
    with pytest.raises(OSError, match="no adapter"):
        AutoPeftModel.from_pretrained(base)
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    (tmp_path / "out" / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}))
    with pytest.raises(ValueError, match="does not name its base"):
        load(tmp_path / "out")


def test_a_base_that_was_saved_beside_its_adapter(tmp_path):
    """The folder is its own base; without the adapter it is the plain model."""
    AutoModelForSequenceClassification.from_pretrained(BERT).save_pretrained(tmp_path)
    load = AutoModelForSequenceClassification.from_pretrained
    model = get_peft_model(load(tmp_path), LoraConfig(task_type="SEQ_CLS", init_lora_weights=False))
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(load(tmp_path)), logits(model))
    assert torch.equal(logits(load(tmp_path, adapter=False)), logits(load(BERT)))


def test_methods_of_every_model(tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(BERT)
    plain = logits(model)
    for act in (lambda: model.set_adapter("default"), lambda: model.disable_adapters(), lambda: model.active_adapters):
        with pytest.raises(ValueError, match="add_adapter"):
            act()
    model.add_adapter(LoraConfig(init_lora_weights=False), adapter_name="one")
    assert model.active_adapters() == ["one"] == model.active_adapters and isinstance(model, PeftModel)
    one = logits(model)
    model.save_pretrained(tmp_path)
    other = AutoModelForSequenceClassification.from_pretrained(BERT)
    other.load_adapter(tmp_path / "one", adapter_name="uno")
    assert torch.equal(logits(other), one) and (one - plain).abs().max() > 1e-3
    other.load_adapter(tmp_path / "one", adapter_name="due")
    other.set_adapter("due")
    other.disable_adapters()
    torch.testing.assert_close(logits(other), plain)
    other.enable_adapters()
    other.delete_adapter("uno")
    assert other.active_adapters() == ["due"]


def test_checkpoints_of_another_kind(tmp_path):
    trainer = Trainer(bert(), arguments(tmp_path / "a", max_steps=1), train_dataset=rows(8))
    trainer.train()
    plain = AutoModelForSequenceClassification.from_pretrained(BERT)
    for model, folder, say in (
        (plain, "a", "get_peft_model"), (bert(r=4), "a", "shape"), (bert(target_modules=["key"]), "a", "no place"),
    ):  # fmt: skip
        other = Trainer(model, arguments(tmp_path / "b", max_steps=1), train_dataset=rows(8))
        with pytest.raises(ValueError, match=say):
            other.train(resume_from_checkpoint=str(tmp_path / folder / "checkpoint-1"))
    Trainer(plain, arguments(tmp_path / "c", max_steps=1), train_dataset=rows(8)).train()
    with pytest.raises(ValueError, match="holds a whole model, and this one has adapters"):
        Trainer(bert(), arguments(tmp_path / "b", max_steps=1), train_dataset=rows(8)).train(
            resume_from_checkpoint=str(tmp_path / "c" / "checkpoint-1")
        )


def test_adapters_are_found_and_tried(tmp_path):
    """lr_find and dry_run of a model with adapters; a checkpoint of a run is an adapter for PEFT's loader too."""
    trainer = Trainer(bert(), arguments(tmp_path, max_steps=2, save_steps=2), train_dataset=rows(8))
    before = weights(trainer.model)
    found = trainer.dry_run()
    assert found.trained < found.parameters / 3 and found.checkpoint_bytes < 150_000
    trainer.lr_find(num_training=5)
    assert same(before, weights(trainer.model))
    trainer.train()
    again = load_adapter(AutoModelForSequenceClassification.from_pretrained(BERT), tmp_path / "checkpoint-2")
    assert torch.equal(logits(again), logits(trainer.model))
    keys = load_file(tmp_path / "checkpoint-2" / "adapter_model.safetensors")
    assert all(key.startswith("base_model.model.") for key in keys)
