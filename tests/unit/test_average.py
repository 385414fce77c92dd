"""weight_average: the mean is what is evaluated, saved, and there at the end; the run goes on exactly with it."""

import json
import shutil

import pytest
import torch

from qkv import (
    AutoModelForSequenceClassification,
    LoraConfig,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_peft_model,
)
from tiny import GOLDENS
from tiny_training import rows

FOLDER = GOLDENS / "bert" / "ForSequenceClassification"


class Follow(TrainerCallback):
    """The mean by its formula, of the weights after each step."""

    def __init__(self, decay):
        self.decay, self.mean, self.n = decay, None, 0

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.mean = {name: p.detach().clone() for name, p in model.named_parameters()}

    def on_step_end(self, args, state, control, model=None, **kwargs):
        decay = min(self.decay, (1 + self.n) / (10 + self.n))
        self.n += 1
        for name, p in model.named_parameters():
            self.mean[name] = decay * self.mean[name] + (1 - decay) * p.detach()


def trainer(folder, model=None, **given):
    args = TrainingArguments(
        str(folder), **{
            "max_steps": 6, "per_device_train_batch_size": 4, "logging_steps": 1, "disable_tqdm": True, "use_cpu": True,
            "learning_rate": 1e-2, "weight_average": 0.9, "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2,
        } | given,
    )  # fmt: skip
    model = AutoModelForSequenceClassification.from_pretrained(FOLDER) if model is None else model
    return Trainer(model, args, train_dataset=rows(16), eval_dataset=rows(6, seed=1))


def evaluations(run):
    return [log["eval_loss"] for log in run.state.log_history if "eval_loss" in log]


def test_the_mean_is_evaluated_saved_and_kept(tmp_path):
    run, follow = trainer(tmp_path), Follow(0.9)
    run.add_callback(follow)
    run.train()
    for name, p in run.model.named_parameters():
        torch.testing.assert_close(p, follow.mean[name], rtol=0, atol=1e-6)
    for step, value in zip((2, 4, 6), evaluations(run), strict=True):
        saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / f"checkpoint-{step}")
        plain = trainer(tmp_path / "x", saved, weight_average=None)
        assert plain.evaluate()["eval_loss"] == value
    assert run.evaluate()["eval_loss"] == evaluations(run)[2]  # of a model that has it for good


def test_a_run_resumed_is_the_run(tmp_path):
    whole = trainer(tmp_path / "whole")
    whole.train()
    for step in (2, 4):
        shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", tmp_path / str(step) / f"checkpoint-{step}")
        again = trainer(tmp_path / str(step))
        again.train(resume_from_checkpoint=True)
        for name, p in whole.model.named_parameters():
            assert torch.equal(p, dict(again.model.named_parameters())[name])
        assert evaluations(again) == evaluations(whole)
        for name in ("optimizer.safetensors", "average.safetensors", "model.safetensors"):
            one, other = (tmp_path / x / "checkpoint-6" / name for x in ("whole", str(step)))
            assert one.read_bytes() == other.read_bytes()


def test_a_run_without_it_goes_on_from_the_weights_themselves(tmp_path, caplog):
    whole = trainer(tmp_path / "plain", weight_average=None)
    whole.train()
    trainer(tmp_path / "some").train()
    shutil.rmtree(tmp_path / "some" / "checkpoint-6")
    again = trainer(tmp_path / "some", weight_average=None)
    again.train(resume_from_checkpoint=True)
    for name, p in whole.model.named_parameters():
        assert torch.equal(p, dict(again.model.named_parameters())[name])
    assert "weight_average=None (was 0.9)" in caplog.text


def test_the_best_mean_comes_back(tmp_path):
    run = trainer(tmp_path, load_best_model_at_end=True, learning_rate=0.05)
    run.train()
    assert run.evaluate()["eval_loss"] == pytest.approx(min(evaluations(run)), abs=1e-6)


def test_of_adapters_alone(tmp_path):
    model = get_peft_model(
        AutoModelForSequenceClassification.from_pretrained(FOLDER), LoraConfig(task_type="SEQ_CLS", r=2)
    )
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    trainer(tmp_path, model, save_strategy="no").train()
    assert all(torch.equal(p, frozen[name]) for name, p in model.named_parameters() if name in frozen)


def test_a_decay_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="decay=1.5"):
        trainer(tmp_path, weight_average=1.5).train()
    assert json.loads(TrainingArguments(str(tmp_path), weight_average=0.99).to_json_string())["weight_average"] == 0.99
