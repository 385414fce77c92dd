"""lr_find, dry_run: what they find, and that they leave everything as it was."""

import math
import random
from io import StringIO

import numpy as np
import pytest
import torch
from rich.console import Console
from test_trainer import arguments, classifier, losses, rows, same, weights

from qkv.training import state_files
from qkv.training.callbacks import TrainerCallback
from qkv.training.trainer import Trainer
from qkv.training.tuning.lr_find import LearningRates, longest_fall


class Deaf(TrainerCallback):
    """Is told nothing."""

    def on_step_end(self, *_, **__):
        raise AssertionError


def everything(trainer):
    """All that a rehearsal might have changed."""
    optimizer = trainer.optimizer and state_files._pack(trainer.optimizer.state_dict(), "", tensors := {})
    tensors = {name: tensor.clone() for name, tensor in tensors.items()} if optimizer else {}
    return {
        "weights": weights(trainer.model) | {k: b.clone() for k, b in trainer.model.named_buffers()} | tensors,
        "modes": [module.training for module in trainer.model.modules()],
        "rest": (trainer.args, trainer.state, trainer.control, optimizer, trainer.callback_handler),
        "drawn": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "schedule": trainer.lr_scheduler and trainer.lr_scheduler.state_dict(),
    }


def unchanged(before, after):
    assert same(before["weights"], after["weights"])
    assert {k: v for k, v in before.items() if k != "weights"} == {k: v for k, v in after.items() if k != "weights"}


@pytest.mark.parametrize("what", ["lr_find", "dry_run"])
@pytest.mark.parametrize("when", ["before", "after", "given"])
def test_it_leaves_no_trace(when, what, tmp_path):
    given = {"max_steps": 4, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "save_strategy": "no"}
    optimizers = (None, None)
    model = classifier()
    if when == "given":
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        optimizers = optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2)
    trainer = Trainer(
        model, arguments(tmp_path, **given), train_dataset=rows(11), optimizers=optimizers, eval_dataset=rows(5)
    )
    if when == "after":
        trainer.train()
    trainer.add_callback(Deaf)
    before = everything(trainer)
    files = sorted(tmp_path.rglob("*"))
    trainer.lr_find(num_training=12) if what == "lr_find" else trainer.dry_run()
    unchanged(before, everything(trainer))
    assert sorted(tmp_path.rglob("*")) == files and all(p.grad is None for p in model.parameters())
    if when == "before":
        trainer.remove_callback(Deaf)
        trainer.train()
        plain = Trainer(classifier(), arguments(tmp_path, **given), train_dataset=rows(11))
        plain.train()
        assert losses(trainer) == losses(plain) and same(weights(trainer.model), weights(plain.model))


def clear(count):
    """Rows whose first token says the class."""
    return [{**row, "input_ids": [5 + row["labels"], *row["input_ids"][1:]]} for row in rows(count)]


def test_a_rate_is_found(tmp_path):
    """Rates below the one that is suggested learn slowly, rates far above it not at all."""
    trainer = Trainer(
        classifier(0.0), arguments(tmp_path, per_device_train_batch_size=16, optim="sgd"), train_dataset=clear(64)
    )
    found = trainer.lr_find(1e-4, 1e3, num_training=80)
    assert found.diverged and 20 < len(found) < 80
    np.testing.assert_allclose(np.diff(np.log(found.lrs)), math.log(1e7) / 79)
    assert found.lrs[0] == 1e-4

    def after(rate):
        args = arguments(
            tmp_path, max_steps=60, learning_rate=rate, optim="sgd", per_device_train_batch_size=16, save_strategy="no"
        )
        run = Trainer(classifier(0.0), args, train_dataset=clear(64), eval_dataset=clear(64))
        run.train()
        return run.evaluate()["eval_loss"]

    for rate in (found.suggestion, found.steepest):
        assert after(rate) < after(rate / 100) - 1e-3
    assert "suggestion" in str(found) and "<svg" in found._repr_html_()
    console = Console(width=80, record=True, file=StringIO())
    console.print(found)
    assert "▁" in console.export_text()


def test_what_suggests_nothing():
    rising = LearningRates([10.0**i for i in range(-20, 0)], [float(i) for i in range(20)], False)
    assert rising.suggestion is None and rising.steepest is None and "did not fall" in str(rising)
    assert LearningRates([1e-3, 1e-2], [2.0, 1.0], False).suggestion is None
    falling = LearningRates([10.0**i for i in range(-20, 0)], [20.0 - i for i in range(20)], True)
    assert falling.suggestion == 10.0**-10 and falling.steepest is not None
    assert longest_fall([3.0, 5.0, 4.0, 1.0, 2.0, 0.5]) in ([1, 2, 3, 5], [1, 2, 4, 5])
    assert longest_fall([]) == []


def test_bad_rates(tmp_path):
    trainer = Trainer(classifier(), arguments(tmp_path), train_dataset=rows(8))
    for given in ({"min_lr": 0}, {"min_lr": 1, "max_lr": 0.1}, {"max_lr": math.inf}, {"num_training": 1}):
        with pytest.raises(ValueError, match=r"min_lr|num_training"):
            trainer.lr_find(**given)
    trainer.processes.count = 2
    for act in (trainer.lr_find, trainer.dry_run):
        with pytest.raises(ValueError, match="torchrun"):
            act()
    trainer.processes.count = 1
    trainer.train_dataset = (row for row in rows(8))
    with pytest.raises(ValueError, match="again"):
        trainer.lr_find()


def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def test_what_a_dry_run_says(tmp_path, capsys, caplog):
    train = [{**row, "idx": i} for i, row in enumerate(rows(50))]
    given = {"per_device_train_batch_size": 4, "num_train_epochs": 2, "gradient_accumulation_steps": 2}
    given |= {"eval_strategy": "epoch", "save_steps": 5, "save_total_limit": 2, "warmup_steps": 3}
    trainer = Trainer(
        classifier(0.0), arguments(tmp_path / "out", **given), train_dataset=train,
        eval_dataset={"one": rows(9), "two": rows(30, seed=1)}, compute_metrics=accuracy,
    )  # fmt: skip
    found = trainer.dry_run()
    lengths = [sum(row["attention_mask"]) for row in train]
    assert found.train.lengths == lengths and (found.train.count, found.train.seen) == (50, 50)
    assert found.train.columns == ["input_ids", "attention_mask", "labels"] and found.train.dropped == ["idx"]
    assert caplog.text.count("idx") == 1
    assert found.train.labels == {"LABEL_0": 17, "LABEL_1": 17, "LABEL_2": 16}
    assert [lengths[i] for i, _ in found.train.longest] == sorted(lengths, reverse=True)[:4]
    assert found.shapes == {"input_ids": (4, 9), "attention_mask": (4, 9), "labels": (4,)}
    assert (found.steps, found.steps_per_epoch, found.rows_per_step) == (14, 7, 8)
    assert (found.evaluations, found.saves, found.checkpoints) == (2, 3, 2)
    assert found.parameters == found.trained == trainer.model.num_parameters()
    assert found.checkpoint_bytes > 3 * 4 * found.parameters and found.peak_memory > 1e7
    assert sorted(found.metrics) == [
        f"eval_{name}" for name in ("one_accuracy", "one_loss", "two_accuracy", "two_loss")
    ]
    assert found.seconds > found.steps * found.seconds_per_step > 0 and not found.warnings
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".dry*"))
    for shown in (str(found), found._repr_html_()):
        assert "left out: idx" in shown and "LABEL_2 16 (32%)" in shown and "14 of 8 rows" in shown

    trainer.args.dry_run = True
    assert trainer.train().global_step == 0 and trainer.state.global_step == 0
    trainer.save_model()
    assert "input_ids (4, 9)" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_a_dry_run_of_rows_that_come_one_by_one(tmp_path):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(rows(40))

    trainer = Trainer(classifier(), arguments(tmp_path, max_steps=6), train_dataset=Stream(), eval_dataset=Stream())
    found = trainer.dry_run(rows=16)
    assert (found.train.count, found.train.seen, found.steps) == (None, 16, 6) and "eval_loss" in found.metrics


def broken(kind):
    """40 rows, of which number 13 is bad."""

    class Rows(list):
        def __getitem__(self, i):
            if kind == "unreadable" and i == 13:
                raise KeyError("no such file")
            return list.__getitem__(self, i)

    found = Rows(rows(40))
    spoilt = {
        "label": {"labels": 7},
        "word": {"labels": "positive"},
        "token": {"input_ids": [5, 600, *[0] * 7]},
        "long": {"input_ids": [5] * 41, "attention_mask": [1] * 41},
        "none": {"input_ids": None},
    }
    list.__setitem__(found, 13, {**found[12], **spoilt.get(kind, {})})
    return found


@pytest.mark.parametrize(
    ("kind", "say"),
    [
        ("label", "num_labels=8"), ("word", "label2id"), ("token", "600"), ("long", "max_length=40"),
        ("unreadable", "no such file"), ("none", "input_ids"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["train_dataset", "eval_dataset"])
def test_a_dry_run_names_the_row(kind, say, where, tmp_path):
    data = {"train_dataset": rows(8), "eval_dataset": rows(8)} | {where: broken(kind)}
    trainer = Trainer(classifier(), arguments(tmp_path), **data)
    before = everything(trainer)
    with pytest.raises(ValueError, match=say) as error:
        trainer.dry_run()
    number = 12 if kind == "unreadable" else 13  # the last that could be read
    assert f"row {number}" in str(error.value) and where in str(error.value) and len(str(error.value)) < 400
    unchanged(before, everything(trainer))


def test_a_dry_run_says_what_is_odd(tmp_path, monkeypatch):
    train = [row for row in rows(60) if row["labels"] != 2]
    for row in train[:20]:
        row["attention_mask"] = [1] * 9
    trainer = Trainer(classifier(), arguments(tmp_path), train_dataset=train, eval_dataset=rows(9))
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    found = trainer.dry_run()
    assert found.train.cut == 20 and "20 rows have the most" in str(found)
    assert "no room" in found.warnings[0] and "LABEL_2" in found.warnings[1]

    load = Trainer._load_weights

    def torn(self, folder):
        load(self, folder)
        with torch.no_grad():
            next(self.model.parameters()).add_(1)

    monkeypatch.setattr(Trainer, "_load_weights", torn)
    before = everything(trainer)
    with pytest.raises(OSError, match="give back"):
        trainer.dry_run()
    unchanged(before, everything(trainer))
