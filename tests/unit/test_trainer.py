"""Trainer: one true loss, exact resuming, complete or absent checkpoints, what callbacks may ask for, bad input."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from qkv import AutoModelForCausalLM, AutoModelForSequenceClassification
from qkv.training import checkpoint as checkpoints
from qkv.training import state_files
from qkv.training.arguments import TrainingArguments
from qkv.training.callbacks import EarlyStoppingCallback, TrainerCallback
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_training import rows


def written(count):
    return rows(count, kind="words")


def classifier(dropout=0.1):
    folder = GOLDENS / "bert" / "ForSequenceClassification"
    return AutoModelForSequenceClassification.from_pretrained(
        folder, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout
    )


def writer():
    return AutoModelForCausalLM.from_pretrained(
        GOLDENS / "gpt2" / "LMHeadModel", resid_pdrop=0.0, attn_pdrop=0.0, embd_pdrop=0.0
    )


def arguments(folder, **given):
    return TrainingArguments(
        str(folder), **{"learning_rate": 1e-3, "disable_tqdm": True, "use_cpu": True, "logging_steps": 1} | given
    )


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def losses(trainer):
    return [
        (entry["step"], entry["loss"], entry["grad_norm"]) for entry in trainer.state.log_history if "loss" in entry
    ]


def test_a_run_resumed_at_any_step_is_the_run(tmp_path):
    """Dropout, shuffling, accumulation, a smaller last step of an epoch; weights, moments and log bit for bit."""
    given = {"num_train_epochs": 3, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "save_steps": 1}
    given |= {"warmup_steps": 3, "weight_decay": 0.1, "lr_scheduler_type": "cosine"}
    whole = Trainer(classifier(), arguments(tmp_path / "whole", **given), train_dataset=rows(11))
    whole.train()
    assert whole.state.global_step == 9 and len(losses(whole)) == 9
    last = tmp_path / "whole" / "checkpoint-9"
    for step in range(1, 9):
        folder = tmp_path / f"from-{step}"
        shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", folder / f"checkpoint-{step}")
        torch.manual_seed(step)  # nothing of before matters
        again = Trainer(classifier(), arguments(folder, **given), train_dataset=rows(11))
        again.train(resume_from_checkpoint=True)
        assert same(weights(whole.model), weights(again.model)), step
        assert losses(again) == losses(whole)
        for name in ("optimizer.safetensors", "rng.safetensors"):
            assert (folder / "checkpoint-9" / name).read_bytes() == (last / name).read_bytes()
        for name in ("optimizer.json", "scheduler.json", "rng.json"):
            assert (folder / "checkpoint-9" / name).read_text() == (last / name).read_text()


@pytest.mark.parametrize("make", [(classifier, rows), (writer, written)])
def test_accumulation_is_one_true_loss(make, tmp_path):
    """The same 16 rows of unequal length as one batch and as several: the same losses, norms and weights. By SGD: Adam
    divides by a gradient's size, which of a key's bias is nothing but rounding."""
    build, data = make
    found = []
    for size, steps in ((16, 1), (4, 4), (1, 16)):
        model = build(0.0) if build is classifier else build()
        given = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps, "max_steps": 10}
        given |= {"optim": "sgd", "learning_rate": 0.02}
        trainer = Trainer(model, arguments(tmp_path / str(size), save_strategy="no", **given), train_dataset=data(64))
        trainer.train()
        found.append((losses(trainer), weights(model)))
    for log, parameters in found[1:]:
        np.testing.assert_allclose(log, found[0][0], rtol=1e-5, atol=1e-6)
        for name, tensor in parameters.items():
            torch.testing.assert_close(tensor, found[0][1][name], rtol=0, atol=1e-6)


def test_what_is_saved_and_rotated(tmp_path):
    given = {"max_steps": 6, "save_steps": 2, "save_total_limit": 2, "per_device_train_batch_size": 4}
    Trainer(classifier(), arguments(tmp_path, **given), train_dataset=rows(8)).train()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-4", "checkpoint-6", "log.jsonl"]
    assert checkpoints.get_last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-6")
    (tmp_path / "checkpoint-6" / "optimizer.safetensors").write_bytes(b"torn")
    assert checkpoints.get_last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-4")
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "checkpoint-4")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6, 6] and "train_loss" in lines[-1]


def test_saving_that_fails_leaves_what_there_was(tmp_path, monkeypatch):
    given = {"max_steps": 4, "save_steps": 2, "per_device_train_batch_size": 4}
    trainer = Trainer(classifier(), arguments(tmp_path, **given), train_dataset=rows(8))
    write = state_files.write_part

    def full(folder, name, value):
        if "checkpoint-4" in folder.name and name == "scheduler":
            raise OSError(28, "No space left on device")
        write(folder, name, value)

    monkeypatch.setattr(state_files, "write_part", full)
    with pytest.raises(OSError, match="No space"):
        trainer.train()
    assert [path.name for path in checkpoints.checkpoints(tmp_path)] == ["checkpoint-2"]
    assert not list(tmp_path.glob(".checkpoint*"))


def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def test_evaluation_is_that_of_the_whole_set(tmp_path):
    model = classifier(0.0)
    trainer = Trainer(
        model,
        arguments(tmp_path, per_device_eval_batch_size=4),
        eval_dataset=rows(11, seed=1),
        compute_metrics=accuracy,
    )
    found = trainer.evaluate()
    batch = {key: torch.tensor([row[key] for row in rows(11, seed=1)]) for key in rows(1)[0]}
    with torch.no_grad():
        out = model.eval()(**batch)
    assert found["eval_loss"] == pytest.approx(float(out.loss), abs=1e-6)
    assert found["eval_accuracy"] == float((out.logits.argmax(-1) == batch["labels"]).double().mean())
    predicted = trainer.predict(rows(11, seed=1))
    np.testing.assert_allclose(predicted.predictions, out.logits.numpy(), atol=1e-5)
    assert predicted.metrics["test_accuracy"] == found["eval_accuracy"] and predicted.label_ids.tolist() == [
        i % 3 for i in range(11)
    ]


def test_the_best_model_comes_back(tmp_path):
    given = {"num_train_epochs": 4, "eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
    given |= {"learning_rate": 0.05, "save_total_limit": 1}
    trainer = Trainer(
        classifier(0.0), arguments(tmp_path, **given), train_dataset=rows(8), eval_dataset=rows(6, seed=3)
    )
    trainer.train()
    values = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert len(values) == 4 and trainer.state.best_metric == min(values)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(values), abs=1e-6)
    assert Path(trainer.state.best_model_checkpoint).is_dir()


def test_early_stopping_waits_across_a_resume(tmp_path):
    given = {"num_train_epochs": 20, "eval_strategy": "epoch", "save_strategy": "epoch", "learning_rate": 0.0}
    given |= {"metric_for_best_model": "loss", "load_best_model_at_end": True}
    stop = EarlyStoppingCallback(early_stopping_patience=3)
    trainer = Trainer(
        classifier(0.0), arguments(tmp_path, **given), train_dataset=rows(8), eval_dataset=rows(4), callbacks=[stop]
    )
    trainer.train()
    assert trainer.state.global_step == 4  # the first is best, then three without improvement
    again = Trainer(
        classifier(0.0), arguments(tmp_path, **given), train_dataset=rows(8), eval_dataset=rows(4),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=3)],
    )  # fmt: skip
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert again.state.global_step == 4


class Told(TrainerCallback):
    def __init__(self):
        self.events = []

    def on_step_end(self, args, state, control, **kwargs):
        self.events.append(state.global_step)
        if state.global_step == 3:
            control.should_evaluate = control.should_save = control.should_training_stop = True

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        self.events.append(sorted(metrics))

    def on_save(self, args, state, control, **kwargs):
        self.events.append("saved")


def test_a_callback_may_ask_for_evaluation_saving_and_the_end(tmp_path):
    told = Told()
    trainer = Trainer(
        classifier(), arguments(tmp_path, max_steps=9), train_dataset=rows(8), eval_dataset=rows(4), callbacks=[told]
    )
    assert trainer.train().global_step == 3
    names = ["epoch", "eval_loss", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second"]
    assert told.events == [1, 2, 3, names, "saved"]


def test_a_log_of_ones_own_as_the_field_writes_it(tmp_path):
    class Louder(Trainer):
        def log(self, logs, start_time=None):
            logs["more"] = 1.0
            self.state.log_history.append({**logs, "step": self.state.global_step})
            self.control = self.callback_handler.on_log(self.args, self.state, self.control, logs)

    class Stop(TrainerCallback):
        state = None  # a field of its own

        def on_log(self, args, state, control, logs=None, **kwargs):
            control.should_training_stop = logs["more"] == 1.0 and kwargs["model"] is not None

    trainer = Louder(classifier(), arguments(tmp_path, max_steps=9), train_dataset=rows(8), callbacks=[Stop])
    trainer.train()
    assert trainer.state.global_step == 1
    with pytest.raises(AttributeError, match="no attribute 'on_lag'"):
        trainer.callback_handler.on_lag  # noqa: B018


def test_a_loss_and_a_collator_of_ones_own(tmp_path):
    class Weighted(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False):  # as written for older versions
            labels = inputs.pop("labels")
            outputs = model(**inputs)
            loss = torch.nn.functional.cross_entropy(outputs.logits, labels, weight=torch.tensor([1.0, 2.0, 3.0]))
            return (loss, outputs) if return_outputs else loss

    trainer = Weighted(classifier(), arguments(tmp_path, max_steps=2, save_strategy="no"), train_dataset=rows(8))
    trainer.train()
    assert len(losses(trainer)) == 2

    def summed(outputs, labels, num_items_in_batch=None):
        return torch.nn.functional.cross_entropy(outputs.logits, labels, reduction="sum") / num_items_in_batch

    found = []
    for function in (None, summed):
        given = {
            "max_steps": 3,
            "save_strategy": "no",
            "gradient_accumulation_steps": 2,
            "per_device_train_batch_size": 3,
        }
        trainer = Trainer(
            classifier(0.0), arguments(tmp_path, **given), train_dataset=rows(8), compute_loss_func=function
        )
        trainer.train()
        found.append(losses(trainer))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_an_iterable_goes_on_where_it_stopped(tmp_path):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(rows(40))

    given = {"max_steps": 6, "per_device_train_batch_size": 4, "save_steps": 2}
    whole = Trainer(classifier(), arguments(tmp_path / "a", **given), train_dataset=Stream())
    whole.train()
    again = Trainer(classifier(), arguments(tmp_path / "b", **given), train_dataset=Stream())
    again.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-4"))
    assert same(weights(whole.model), weights(again.model))


@pytest.mark.parametrize(
    ("given", "error", "say"),
    [
        ({"train_dataset": []}, ValueError, "no rows"),
        ({"train_dataset": 3}, TypeError, "train_dataset=3"),
        ({"train_dataset": None}, TypeError, "train_dataset"),
        ({"train_dataset": [{"input_ids": [5, 6]}] * 4}, ValueError, "label"),
        ({"train_dataset": [{"input_ids": [5, 6], "labels": 7}] * 4}, ValueError, "num_labels=8"),
        ({"train_dataset": iter([])}, ValueError, "max_steps"),
        ({"train_dataset": rows(4), "num_train_epochs": 0}, ValueError, "num_train_epochs=0"),
    ],
)
def test_bad_data_is_named(given, error, say, tmp_path):
    given = dict(given)
    trainer = Trainer(classifier(), train_dataset=given.pop("train_dataset"), args=arguments(tmp_path, **given))
    with pytest.raises(error, match=say):
        trainer.train()


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    model = classifier()
    trainer = Trainer(model, arguments(tmp_path, max_steps=4, save_steps=1), train_dataset=rows(8))

    class Poison(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 2:
                with torch.no_grad():
                    next(model.parameters()).fill_(float("nan"))

    trainer.add_callback(Poison)
    with pytest.raises(FloatingPointError, match=r"step 3.*checkpoint-2"):
        trainer.train()


@pytest.mark.parametrize(
    ("given", "error", "say"),
    [
        ({"learning_rat": 1}, TypeError, "learning_rate"),
        ({"eval_strategy": "step"}, ValueError, "steps"),
        ({"per_device_train_batch_size": 0}, ValueError, "at least 1"),
        ({"fp16": True, "bf16": True}, ValueError, "exclude"),
        ({"load_best_model_at_end": True}, ValueError, "eval_strategy"),
        ({"optim": "adamw"}, ValueError, "adamw_torch"),
        ({"use_liger_kernel": True}, ValueError, "torch_compile=True"),
        ({"debug": "underflow_overflow"}, ValueError, "step and rows"),
    ],
)
def test_bad_arguments_are_named(given, error, say, tmp_path):
    with pytest.raises(error, match=say):
        Trainer(classifier(), TrainingArguments(str(tmp_path), **given), train_dataset=rows(4)).train()


def test_both_generations_of_spelling(tmp_path):
    args = TrainingArguments(
        str(tmp_path), evaluation_strategy="epoch", warmup_ratio=0.1, no_cuda=True, group_by_length=True,
        overwrite_output_dir=True, logging_dir="x", report_to="none",
    )  # fmt: skip
    assert (args.eval_strategy, args.get_warmup_steps(50), args.use_cpu) == ("epoch", 5, True)
    assert TrainingArguments(str(tmp_path), warmup_steps=0.1).get_warmup_steps(50) == 5
    assert args.train_sampling_strategy == "group_by_length"


@pytest.mark.parametrize("what", ["missing", "other"])
def test_resuming_what_is_not_there(what, tmp_path):
    trainer = Trainer(classifier(), arguments(tmp_path, max_steps=2), train_dataset=rows(8))
    if what == "missing":
        with pytest.raises(ValueError, match="no whole checkpoint"):
            trainer.train(resume_from_checkpoint=True)
        return
    Trainer(writer(), arguments(tmp_path, max_steps=2, save_steps=1), train_dataset=written(8)).train()
    with pytest.raises(ValueError, match="another model"):
        trainer.train(resume_from_checkpoint=True)
