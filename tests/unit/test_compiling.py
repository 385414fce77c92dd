"""torch.compile: one graph for a call, the same losses, weights under their names; a clear word where it cannot be."""

import pytest
import torch

from qkv import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    Trainer,
    TrainingArguments,
)
from tiny import GOLDENS
from tiny_training import rows


def classifier():
    return AutoModelForSequenceClassification.from_pretrained(
        GOLDENS / "bert" / "ForSequenceClassification", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )


def writer():
    return AutoModelForCausalLM.from_pretrained(GOLDENS / "llama" / "ForCausalLM", attention_dropout=0.0)


@pytest.mark.parametrize(("make", "again"), [(classifier, True), (writer, False)])
def test_a_call_is_one_graph(make, again):
    torch._dynamo.reset()
    model, data = make().train(), rows(2, kind="classes" if make is classifier else "words")
    batch = {key: torch.tensor([row[key] for row in data]) for key in data[0]}
    plain = model(**batch).loss
    if again:
        model.gradient_checkpointing_enable()
    torch.testing.assert_close(torch.compile(model, backend="eager", fullgraph=True)(**batch).loss, plain)


def trained(folder, **given):
    args = TrainingArguments(
        str(folder), max_steps=3, per_device_train_batch_size=4, logging_steps=1, disable_tqdm=True, use_cpu=True,
        **given,
    )  # fmt: skip
    trainer = Trainer(classifier(), args, train_dataset=rows(12), eval_dataset=rows(4))
    trainer.train()
    return [log["loss"] for log in trainer.state.log_history if "loss" in log], trainer


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param(None, marks=pytest.mark.slow)])
def test_a_run_is_compiled_and_saved_as_ever(backend, tmp_path):
    """None is torch's own choice, which needs a C++ compiler, and half a minute."""
    torch._dynamo.reset()
    plain, _ = trained(tmp_path / "plain")
    torch._dynamo.utils.counters.clear()
    losses, trainer = trained(tmp_path / "compiled", torch_compile=True, torch_compile_backend=backend)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert losses == pytest.approx(plain, abs=1e-5)
    assert trainer.args.torch_compile and trainer.model._compiled_call_impl is None
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "compiled" / "checkpoint-3")


@pytest.mark.parametrize(
    ("given", "error", "say"),
    [
        ({"torch_compile_backend": "indctor"}, ValueError, "inductor"),
        ({"torch_compile_mode": "fast"}, ValueError, "default"),
        ({"torch_compile": True}, RuntimeError, r"C\+\+ compiler"),
    ],
)
def test_what_cannot_be_is_named(given, error, say, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(error, match=say):
        trained(tmp_path, **given)
