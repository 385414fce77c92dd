"""Half precision: refused where it does not pay, else close to float32; what is scaled, skipped and kept in fp16."""

import math
import shutil

import pytest
import torch

from qkv import AutoModelForCausalLM, AutoModelForSequenceClassification, Trainer, TrainerCallback, TrainingArguments
from qkv.training import precision
from tiny import GOLDENS
from tiny_training import rows


def classifier():
    return AutoModelForSequenceClassification.from_pretrained(
        GOLDENS / "bert" / "ForSequenceClassification", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )


def writer():
    return AutoModelForCausalLM.from_pretrained(GOLDENS / "llama" / "ForCausalLM")


def trainer(folder, make=classifier, **given):
    kind = "classes" if make is classifier else "words"
    args = TrainingArguments(
        str(folder),
        **{"max_steps": 4, "per_device_train_batch_size": 4, "logging_steps": 1, "disable_tqdm": True} | given,
    )
    return Trainer(make(), args, train_dataset=rows(16, kind=kind), eval_dataset=rows(6, seed=1, kind=kind))


def losses(run):
    return [log["loss"] for log in run.state.log_history if "loss" in log]


def test_a_cpu_that_is_slower_refuses(tmp_path, monkeypatch):
    monkeypatch.delenv(precision.ANYWAY, raising=False)
    monkeypatch.setattr(precision, "bf16_factor", lambda: 43.7)
    for name in ("bf16", "bf16_full_eval"):
        with pytest.raises(ValueError, match=f"{name}=True.*43.7 times.*{precision.ANYWAY}=1"):
            trainer(tmp_path, **{name: True}, use_cpu=True)
    monkeypatch.setenv(precision.ANYWAY, "1")
    trainer(tmp_path, bf16=True, use_cpu=True)


def test_the_cpu_is_asked():
    precision.bf16_factor.cache_clear()
    assert 0 < precision.bf16_factor() < 10_000


@pytest.mark.parametrize("make", [classifier, writer])
def test_bfloat16_is_close_and_weights_stay_float32(make, tmp_path, monkeypatch):
    monkeypatch.setenv(precision.ANYWAY, "1")
    plain, half = (trainer(tmp_path, make, bf16=on, use_cpu=True, save_strategy="no") for on in (False, True))
    found = []
    half.model.base_model.layers[0].mlp.up_proj.register_forward_hook(lambda m, i, out: found.append(out.dtype))
    plain.train()
    half.train()
    assert losses(half) == pytest.approx(losses(plain), abs=0.05) and losses(half) != losses(plain)
    assert set(found) == {torch.bfloat16} and {p.dtype for p in half.model.parameters()} == {torch.float32}
    found.clear()
    half.evaluate()
    assert set(found) == {torch.bfloat16}


def test_full_evaluation_gives_the_weights_back(tmp_path, monkeypatch):
    monkeypatch.setenv(precision.ANYWAY, "1")
    plain, half = (trainer(tmp_path, writer, bf16_full_eval=on, use_cpu=True) for on in (False, True))
    before, found = {name: p.clone() for name, p in half.model.named_parameters()}, []
    half.model.register_forward_pre_hook(lambda model, _: found.append(model.dtype))
    values = [run.evaluate()["eval_loss"] for run in (plain, half)]
    assert values[1] == pytest.approx(values[0], abs=0.05) and values[1] != values[0]
    assert set(found) == {torch.bfloat16}
    assert all(torch.equal(p, before[name]) for name, p in half.model.named_parameters())
    assert plain.evaluate()["eval_loss"] == values[0]


def fp16(folder, monkeypatch, **given):
    """In fp16 on the CPU, which users are refused: it has all that CUDA has but speed."""
    monkeypatch.setattr(TrainingArguments, "_check_precision", lambda self: None)
    run = trainer(folder, fp16=True, use_cpu=True, save_steps=12, **given)
    run.precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**28, growth_interval=2)
    return run


class Watch(TrainerCallback):
    def __init__(self):
        self.rates = []

    def on_step_end(self, args, state, control, lr_scheduler=None, **kwargs):
        self.rates.append(lr_scheduler.last_epoch)


def test_infinite_gradients_are_left_out_and_the_scale_is_resumed(tmp_path, monkeypatch):
    run = fp16(tmp_path / "whole", monkeypatch, max_steps=24)
    first = {name: p.clone() for name, p in run.model.named_parameters()}
    watch = Watch()
    run.add_callback(watch)
    run.train()
    assert watch.rates[0] == 0 and 5 < watch.rates.count(0) < 24  # the schedule waits with the weights
    assert watch.rates[-1] < 24 and math.isfinite(losses(run)[-1])
    assert any(not torch.equal(p, first[name]) for name, p in run.model.named_parameters())
    shutil.copytree(tmp_path / "whole" / "checkpoint-12", tmp_path / "again" / "checkpoint-12")
    again = fp16(tmp_path / "again", monkeypatch, max_steps=24)
    again.train(resume_from_checkpoint=True)
    assert again.precision.scaler.state_dict() == run.precision.scaler.state_dict()
    assert all(torch.equal(p, dict(again.model.named_parameters())[n]) for n, p in run.model.named_parameters())


@pytest.mark.parametrize("name", ["fp16", "fp16_full_eval", "tf32"])
def test_without_cuda_some_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match=f"{name}=True needs a CUDA device"):
        TrainingArguments(str(tmp_path), use_cpu=True, **{name: True})
