"""Resuming: what survives torn files and full disks, exactness that is easily lost, changed arguments, bad input."""

import json
import os
import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset

import qkv.files
from qkv import AutoModelForCausalLM, AutoModelForSequenceClassification
from qkv.training import checkpoint as checkpoints
from qkv.training.arguments import TrainingArguments
from qkv.training.callbacks import EarlyStoppingCallback, TrainerCallback
from qkv.training.data import loader
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_training import rows

GIVEN = {"num_train_epochs": 2, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "save_steps": 1}


def make(folder, data=None, callbacks=None, dropout=0.1, **given):
    model = AutoModelForSequenceClassification.from_pretrained(
        GOLDENS / "bert" / "ForSequenceClassification",
        hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    usual = {"learning_rate": 1e-3, "disable_tqdm": True, "use_cpu": True, "logging_steps": 1} | GIVEN
    args = TrainingArguments(str(folder), **(usual | given))
    data = rows(11) if data is None else data
    return Trainer(model, args, train_dataset=data, eval_dataset=rows(4, seed=1), callbacks=callbacks)


def weights(trainer):
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters()}


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(other).values(), strict=True))


def log(folder):
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in entry.items() if "runtime" not in k and "per_second" not in k} for entry in entries]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 6 steps, 3 an epoch, with a checkpoint of each."""
    folder = tmp_path_factory.mktemp("run")
    trainer = make(folder)
    trainer.train()
    return folder, trainer


@pytest.fixture
def folder(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "out")
    return tmp_path / "out"


class Hostile:
    def __reduce__(self):
        return Path.touch, (Path("ran"),)


# ------------------------------------------------------------------------------------------------- damaged storage


def cut(path):
    (path / "optimizer.safetensors").write_bytes((path / "optimizer.safetensors").read_bytes()[:-1])


def flip(path):
    content = bytearray((path / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (path / "model.safetensors").write_bytes(content)


def lose(path):
    (path / "scheduler.json").unlink()


def unlist(path):
    (path / "manifest.json").unlink()


def half(path):
    (path / "manifest.json").write_bytes((path / "manifest.json").read_bytes()[:50])


def leave(path):
    facts = {"step": 6, "time": 1e12, "files": {"../../secret": {"size": 0, "sha256": ""}}}
    (path / "manifest.json").write_text(json.dumps(facts))


def link(path):
    elsewhere = path.parent.parent / "elsewhere.json"
    os.replace(path / "rng.json", elsewhere)
    (path / "rng.json").symlink_to(elsewhere)


def forget(path):
    (path / "trainer_state.json").unlink()


@pytest.mark.parametrize(
    ("damage", "say"),
    [
        (cut, "optimizer.safetensors has"), (flip, "SHA-256"), (lose, "scheduler.json"), (unlist, "no manifest.json"),
        (half, "not JSON"), (leave, "secret"), (link, "a link that leaves"), (forget, "no trainer_state.json"),
    ],
)  # fmt: skip
def test_a_damaged_checkpoint_is_passed_over(damage, say, run, folder, caplog):
    damage(folder / "checkpoint-6")
    trainer = make(folder)
    trainer.train(resume_from_checkpoint=True)
    assert "checkpoint-5" in caplog.text and "checkpoint-6" in caplog.text and say in caplog.text
    assert same(trainer, run[1])  # from the one before, to the same end
    damage(folder / "checkpoint-4")
    with pytest.raises((OSError, ValueError), match="checkpoint-4") as raised:
        make(folder).train(resume_from_checkpoint=str(folder / "checkpoint-4"))
    assert say in str(raised.value) and len(str(raised.value)) < 400


def test_pickles_in_a_checkpoint_are_not_read(run, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for name in ("rng_state.pth", "optimizer.pt", "scheduler.pt", "training_args.bin", "pytorch_model.bin"):
        (folder / "checkpoint-3" / name).write_bytes(pickle.dumps(Hostile()))
    trainer = make(folder)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-3"))
    assert same(trainer, run[1]) and not (folder.parent / "ran").exists()


def test_a_full_disk_at_each_write(tmp_path, monkeypatch):
    """Whichever write or rename fails, the checkpoint before is whole, nothing else is left, and the run goes on."""
    trainer = make(tmp_path, max_steps=1)
    trainer.train()
    usual, made = {"sync": qkv.files.sync, "replace": os.replace}, []

    def counted(name):
        def call(*given):
            made.append(given)
            if len(made) == failing:
                raise OSError(28, "No space left on device")
            return usual[name](*given)

        return call

    monkeypatch.setattr(qkv.files, "sync", counted("sync"))
    monkeypatch.setattr(checkpoints, "sync", counted("sync"))
    monkeypatch.setattr(os, "replace", counted("replace"))
    trainer.state.global_step, failing = 2, 1
    for failing in range(1, 100):
        made.clear()
        try:
            trainer._save_checkpoint()
        except OSError as error:
            assert "checkpoint-2 was not saved" in str(error) and "resume_from_checkpoint=True" in str(error)
        else:
            break
        left = sorted(path.name for path in tmp_path.iterdir())
        if left != ["checkpoint-1", "checkpoint-2", "log.jsonl"]:  # renamed, and only then the disk was full
            assert left == ["checkpoint-1", "log.jsonl"], failing
        assert [checkpoints.problem(path, thorough=True) for path in checkpoints.named(tmp_path)] == [None] * (
            len(left) - 1
        )
    assert 30 < failing < 99
    assert checkpoints.get_last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-2")


def test_what_a_killed_process_left_is_mended(folder, run):
    """Half written: removed. Renamed, and killed before the new one had its name: it gets it back."""
    shutil.copytree(folder / "checkpoint-3", folder / ".checkpoint-7.0123abcd")
    (folder / ".checkpoint-7.0123abcd" / "manifest.json").unlink()
    os.replace(folder / "checkpoint-6", folder / ".checkpoint-6.0123abcd")
    (folder / ".checkpoint-mine").mkdir()  # not ours
    make(folder).train(resume_from_checkpoint=True)
    names = {path.name for path in folder.iterdir()} - {".checkpoint-mine"}
    assert names == {"log.jsonl", *(f"checkpoint-{step}" for step in range(1, 7))}
    assert (folder / ".checkpoint-mine").is_dir()


def test_the_newest_is_the_one_saved_last(folder, tmp_path, caplog):
    """A new run in the folder of a longer one: neither resumed from the old run, nor rotated away by it. It says so,
    and rotates nothing away that is not its own, also after it was resumed."""
    given = {"save_steps": 2, "learning_rate": 1e-2, "save_total_limit": 1}
    make(folder, max_steps=4, **given).train()
    assert "has checkpoints of an earlier run (checkpoint-6)" in caplog.text
    assert checkpoints.get_last_checkpoint(folder) == str(folder / "checkpoint-4")
    assert [path.name for path in checkpoints.checkpoints(folder)] == [f"checkpoint-{i}" for i in (1, 3, 5, 6, 4)]
    assert [entry["step"] for entry in log(folder)] == [1, 2, 3, 4, 4]
    make(folder, max_steps=6, **given).train(resume_from_checkpoint=True)
    assert [path.name for path in checkpoints.checkpoints(folder)] == [f"checkpoint-{i}" for i in (1, 3, 5, 6)]


def test_a_folder_that_was_moved_keeps_its_best_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"eval_strategy": "steps", "eval_steps": 1, "load_best_model_at_end": True, "save_total_limit": 2}
    given |= {"learning_rate": 0.05, "metric_for_best_model": "loss", "greater_is_better": True}  # the first is best
    first = make("out", **given, callbacks=[Stop(4)])
    first.train()
    whole = make("whole", **given)
    whole.train()
    best = first.state.best_global_step
    assert best < 3 and first.state.best_metric == whole.state.best_metric  # what rotation could take
    os.replace("out", "moved")
    again = make(tmp_path / "moved", **given)  # another spelling of the path, too
    again.train(resume_from_checkpoint=True)
    assert Path(again.state.best_model_checkpoint) == tmp_path / "moved" / f"checkpoint-{best}"
    assert same(again, whole)


# ------------------------------------------------------------------------------------------------- exactness


class Stop(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step >= self.step


def from_each(tmp_path, steps, **given):
    """A run, and that it is the same from each of these steps on: weights, generators, log."""
    whole = make(tmp_path / "whole", **given)
    whole.train()
    last = f"checkpoint-{whole.state.global_step}"
    for step in steps:
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", folder / f"checkpoint-{step}")
        for draw in (random.seed, np.random.seed, torch.manual_seed):
            draw(step)
        again = make(folder, **given)
        again.train(resume_from_checkpoint=True)
        assert same(again, whole) and log(folder) == log(tmp_path / "whole"), step
        for name in ("rng.json", "rng.safetensors", "optimizer.safetensors", "scheduler.json"):
            assert (folder / last / name).read_bytes() == (tmp_path / "whole" / last / name).read_bytes(), (step, name)
    return whole


class Augmented(torch.utils.data.Dataset):
    """Tokens drawn anew whenever a row is read, by all three generators."""

    def __init__(self, count=11):
        self.rows = rows(count)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = self.rows[index]
        drawn = [random.randrange(5, 90), int(np.random.randint(5, 90)), int(torch.randint(5, 90, ()))]
        return {**row, "input_ids": [*drawn[:2], *row["input_ids"][2:-1], drawn[2]]}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_dataset_that_draws(workers, tmp_path):
    from_each(tmp_path, (1, 3, 4), data=Augmented(), dataloader_num_workers=workers)


class Stream(IterableDataset):
    """In an order that is drawn when a pass begins, with tokens drawn on the way."""

    def __iter__(self):
        augmented = Augmented(9)
        order = list(range(9))
        random.shuffle(order)
        return (augmented[index] for index in order)


def test_an_iterable_that_draws(tmp_path):
    """3 steps a pass, so 7 are more than two passes."""
    from_each(tmp_path, (1, 2, 3, 4, 5), data=Stream(), max_steps=7)


def test_the_evaluation_at_the_end_of_an_epoch_is_not_lost(tmp_path):
    """Killed after the last step of an epoch was saved, and before what follows it."""
    whole = from_each(tmp_path, (2, 3, 4, 6), eval_strategy="epoch")
    assert sum("eval_loss" in entry for entry in whole.state.log_history) == 2


class ShortEpochs(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        control.should_epoch_stop = state.global_step % 2 == 0


def test_epochs_that_a_callback_cut_short(tmp_path):
    from_each(tmp_path, (1, 2, 3, 4, 5), callbacks=[ShortEpochs()])


@pytest.mark.parametrize("options", [{"group_by_length": True}, {"dataloader_drop_last": True}, {"optim": "adafactor"}])
def test_other_orders_and_optimisers(options, tmp_path):
    from_each(tmp_path, (2, 3, 5) if "dataloader_drop_last" not in options else (2, 4), **options)


def test_a_plateau_goes_on(tmp_path):
    options = {"lr_scheduler_type": "reduce_lr_on_plateau", "lr_scheduler_kwargs": {"patience": 0, "threshold": 10.0}}
    whole = from_each(tmp_path, (2, 4), eval_strategy="steps", eval_steps=1, **options)
    assert rates(whole)[6] < 1e-4


def test_an_optimiser_and_a_schedule_of_ones_own(tmp_path):
    def own(folder):
        trainer = make(folder)
        optimizer = torch.optim.SGD(trainer.model.parameters(), lr=0.1, momentum=0.9)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        given = (optimizer, schedule)
        return Trainer(trainer.model, trainer.args, train_dataset=rows(11), optimizers=given)

    whole = own(tmp_path / "a")
    whole.train()
    again = own(tmp_path / "b")
    again.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-3"))
    assert same(whole, again) and again.state.log_history[-2]["learning_rate"] == 0.025


def test_an_interrupted_step_leaves_nothing(tmp_path, caplog):
    """Ctrl-C between two batches of a step: what they had accumulated is not in the step that is made again."""

    class Interrupt(TrainerCallback):
        def on_substep_end(self, args, state, control, **kwargs):
            if state.global_step == 3:
                raise KeyboardInterrupt

    trainer = make(tmp_path, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert "after step 3" in caplog.text and "checkpoint-3" in caplog.text
    trainer.remove_callback(Interrupt)
    trainer.train(resume_from_checkpoint=True)
    whole = make(tmp_path / "whole")
    whole.train()
    assert same(trainer, whole) and log(tmp_path) == log(tmp_path / "whole")


def test_a_second_run_has_a_schedule_of_its_own(tmp_path):
    trainer = make(tmp_path, callbacks=[EarlyStoppingCallback(9)], metric_for_best_model="loss", eval_strategy="epoch")
    for _ in range(2):
        trainer.train()
        rates = [entry["learning_rate"] for entry in trainer.state.log_history if "loss" in entry]
        assert rates[0] == 1e-3 and len(rates) == 6


# ------------------------------------------------------------------------------------------------- changed arguments


def rates(trainer):
    return {entry["step"]: entry["learning_rate"] for entry in trainer.state.log_history if "loss" in entry}


def test_a_step_divided_otherwise_is_the_same_run(run, folder, caplog):
    trainer = make(folder, per_device_train_batch_size=4, gradient_accumulation_steps=1, dropout=0.0)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-2"))
    assert trainer.state.global_step == 6 and rates(trainer) == rates(run[1])
    assert "per_device_train_batch_size=4 (was 2)" in caplog.text


@pytest.mark.parametrize(("size", "left"), [(1, 11), (4, 3), (11, 2)])
def test_batches_of_another_size(size, left, folder, monkeypatch):
    """From step 2, after 8 rows of 11: each row of the epoch once, then the epochs that are left."""
    seen, usual = [], loader.load

    def load(dataset, batches, *given, **more):
        seen.append(sum(batches, []))
        return usual(dataset, batches, *given, **more)

    monkeypatch.setattr("qkv.training.planning.load", load)
    trainer = make(folder, per_device_train_batch_size=size, gradient_accumulation_steps=1)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-2"))
    order = [row for batch in trainer._order().batches(0) for row in batch]
    assert seen[0] == order[8:] and sorted(seen[1]) == list(range(11)) and len(seen) == 2
    steps = -(-3 // size) + -(-11 // size)
    assert trainer.state.global_step == trainer.state.max_steps == 2 + steps
    assert trainer.state.epoch == 2.0


def test_more_epochs_and_another_rate(folder, caplog):
    trainer = make(folder, num_train_epochs=4, learning_rate=1e-4)
    trainer.train(resume_from_checkpoint=True)
    assert trainer.state.global_step == 12
    found = rates(trainer)
    assert found[7] == pytest.approx(1e-4 * 6 / 12) and found[12] == pytest.approx(1e-4 / 12)
    assert all(group["weight_decay"] == 0 for group in trainer.optimizer.param_groups)
    assert "learning_rate=0.0001 (was 0.001)" in caplog.text and "num_train_epochs=4 (was 2)" in caplog.text


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_that_is_complete_returns_at_once(epochs, run, folder):
    trainer = make(folder, num_train_epochs=epochs)
    output = trainer.train(resume_from_checkpoint=True)
    assert output.global_step == 6 and same(trainer, run[1])
    assert output.training_loss == pytest.approx(run[1].state.log_history[-1]["train_loss"])


def test_a_run_that_early_stopping_ended_stays_ended(tmp_path):
    given = {"eval_strategy": "epoch", "save_strategy": "epoch", "metric_for_best_model": "loss", "learning_rate": 0.0}
    given |= {"num_train_epochs": 9}
    make(tmp_path, **given, callbacks=[EarlyStoppingCallback(2)]).train()
    again = make(tmp_path, **given, callbacks=[EarlyStoppingCallback(2)])
    assert again.train(resume_from_checkpoint=True).global_step == 9
    patient = make(tmp_path, **given, callbacks=[EarlyStoppingCallback(4)])
    assert patient.train(resume_from_checkpoint=True).global_step == 15


def test_weights_alone_keep_the_schedule(tmp_path, caplog):
    make(tmp_path, save_only_model=True, callbacks=[Stop(4)]).train()
    trainer = make(tmp_path, save_only_model=True)
    trainer.train(resume_from_checkpoint=True)
    assert rates(trainer)[5] == pytest.approx(1e-3 * 2 / 6) and "save_only_model=True" in caplog.text


def test_another_number_of_rows(folder, caplog):
    trainer = make(folder, data=rows(30))
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-4"))
    assert "30 rows (had 11)" in caplog.text and trainer.state.global_step == 16


def test_skipping_nothing(folder):
    trainer = make(folder, ignore_data_skip=True, max_steps=6)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-4"))
    assert trainer.state.global_step == 6 and trainer.state.rows_done == 8  # of the epoch from its start


def freeze(trainer):
    next(trainer.model.parameters()).requires_grad_(False)
    return trainer


def writer(folder):
    model = AutoModelForCausalLM.from_pretrained(GOLDENS / "gpt2" / "LMHeadModel")
    args = TrainingArguments(str(folder), max_steps=2, disable_tqdm=True, use_cpu=True)
    return Trainer(model, args, train_dataset=rows(4, kind="words"))


def wider(folder):
    model = AutoModelForSequenceClassification.from_pretrained(
        GOLDENS / "bert" / "ForSequenceClassification", num_labels=5, ignore_mismatched_sizes=True
    )
    return Trainer(model, TrainingArguments(str(folder), use_cpu=True, disable_tqdm=True), train_dataset=rows(11))


@pytest.mark.parametrize(
    ("build", "resume", "error", "say"),
    [
        (lambda folder: make(folder, optim="sgd"), True, ValueError, "is AdamW's, this run's is SGD"),
        (lambda folder: freeze(make(folder)), True, ValueError, "same weights frozen"),
        (writer, True, ValueError, "another model than GPT2LMHeadModel"),
        (wider, True, ValueError, "size mismatch"),
        (make, "nowhere", ValueError, "no trainer_state.json"),
        (make, "{out}", ValueError, "checkpoint-6'"),
        (make, 3, TypeError, "resume_from_checkpoint=3"),
        (lambda folder: make(folder / "new"), True, ValueError, "no whole checkpoint"),
        (lambda folder: make(folder, data=[]), True, ValueError, "no rows"),
        (lambda folder: make(folder, num_train_epochs=0), True, ValueError, "num_train_epochs=0"),
        (lambda folder: make(folder, data=[{**r, "labels": "good"} for r in rows(11)]), None, ValueError, "'good'"),
        (lambda folder: make(folder, data=[{**r, "labels": 9} for r in rows(11)]), None, ValueError, "num_labels=10"),
        (lambda folder: make(folder, data=[{**r, "labels": -1} for r in rows(11)]), None, ValueError, "-1"),
    ],
)
def test_what_does_not_fit_is_named(build, resume, error, say, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if "log" not in path.name}
    given = str(folder) if resume == "{out}" else resume
    with pytest.raises(error) as raised:
        build(folder).train(resume_from_checkpoint=given)
    assert say in str(raised.value) and len(str(raised.value)) < 400
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if "log" not in path.name} == before


def test_auto_begins_where_there_is_nothing(tmp_path):
    assert make(tmp_path).train(resume_from_checkpoint="auto").global_step == 6
    assert make(tmp_path, num_train_epochs=3).train(resume_from_checkpoint="auto").global_step == 9


# ------------------------------------------------------------------------------------------------- poison


def test_a_gradient_that_is_no_number_poisons_no_checkpoint(tmp_path):
    """The loss is finite, its gradient is not: sqrt at 0. The weights stay, and the last checkpoint is good."""
    trainer = make(tmp_path)

    def loss(outputs, labels, num_items_in_batch=None):
        usual = torch.nn.functional.cross_entropy(outputs.logits, labels, reduction="sum") / num_items_in_batch
        return usual + (outputs.logits * 0).sum().sqrt() if trainer.state.global_step == 3 else usual

    trainer.compute_loss_func = loss
    with pytest.raises(FloatingPointError, match=r"gradient is nan at step 4.*checkpoint-3"):
        trainer.train()
    assert all(p.isfinite().all() for p in trainer.model.parameters())
    assert checkpoints.get_last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-3")
    trainer.compute_loss_func = None
    assert trainer.train(resume_from_checkpoint=True).global_step == 6


@pytest.mark.parametrize("kind", ["map", "iterable"])
def test_datasets_of_the_library(kind, tmp_path):
    """`datasets`: rows by index, and a stream whose buffer is shuffled anew each epoch; both go on exactly."""
    library = pytest.importorskip("datasets")
    data = library.Dataset.from_list(rows(11))
    if kind == "iterable":
        data = data.to_iterable_dataset(num_shards=2).shuffle(seed=3, buffer_size=5)
    from_each(tmp_path, (1, 3, 4), data=data, max_steps=6)
