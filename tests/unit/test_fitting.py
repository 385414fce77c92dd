"""auto_find_batch_size: what does not fit is made of smaller batches, and the run is the one that was asked for."""

import shutil

import numpy as np
import pytest
import torch

from qkv import AutoModelForSequenceClassification, Trainer, TrainingArguments
from qkv.training.batch_size import TooLarge, check_alone, divide, is_out_of_memory, watching
from tiny import GOLDENS
from tiny_training import rows


class Small(Trainer):
    """There is memory for so many rows at a time from a step on."""

    room, since = 2, 0

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if len(inputs["labels"]) > self.room and self.state.global_step >= self.since:
            torch.empty(2**60)  # torch's own error
        return found


def trainer(folder, dropout=0.1, data=None, **given):
    model = AutoModelForSequenceClassification.from_pretrained(
        GOLDENS / "bert" / "ForSequenceClassification",
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    args = TrainingArguments(
        str(folder), **{
            "num_train_epochs": 2, "per_device_train_batch_size": 8, "logging_steps": 1, "disable_tqdm": True,
            "use_cpu": True, "auto_find_batch_size": True, "learning_rate": 1e-3, "save_steps": 1,
        } | given,
    )  # fmt: skip
    return Small(model, args, train_dataset=rows(27) if data is None else data)


def weights(run):
    return {name: p.detach().clone() for name, p in run.model.named_parameters()}


def losses(run):
    return [(log["step"], log["loss"]) for log in run.state.log_history if "loss" in log]


def same(one, other):
    return all(torch.equal(weight, weights(other)[name]) for name, weight in weights(one).items())


@pytest.mark.parametrize("sampling", ["random", "group_by_length"])
def test_it_is_the_run_with_the_size_that_fits(sampling, tmp_path, caplog):
    found = trainer(tmp_path / "found", train_sampling_strategy=sampling)
    found.train()
    sizes = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    told = trainer(tmp_path / "told", train_sampling_strategy=sampling, auto_find_batch_size=False, **sizes)
    told.train()
    assert {name: getattr(found.args, name) for name in sizes} == sizes
    assert losses(found) == losses(told) and len(losses(found)) == 8 and same(found, told)
    assert "per_device_train_batch_size=2 and gradient_accumulation_steps=4" in caplog.text


def test_a_step_in_the_middle_is_made_again(tmp_path):
    """Without dropout it is the run with whole batches; a run resumed from any checkpoint is the run, bit for bit."""
    Small.since = 5
    try:
        whole = trainer(tmp_path / "plain", dropout=0.0)
        whole.room = 8
        whole.train()
        found = trainer(tmp_path / "found", dropout=0.0)
        found.train()
        np.testing.assert_allclose(losses(found), losses(whole), rtol=1e-5)
        dropped = trainer(tmp_path / "dropped")
        dropped.train()
        for step in (3, 6):
            shutil.copytree(tmp_path / "dropped" / f"checkpoint-{step}", tmp_path / str(step) / f"checkpoint-{step}")
            again = trainer(tmp_path / str(step))
            again.train(resume_from_checkpoint=True)
            assert same(dropped, again) and losses(dropped) == losses(again)
            assert again.args.per_device_train_batch_size == 2
    finally:
        Small.since = 0


def test_an_iterable_keeps_its_order(tmp_path):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            data = rows(48)
            return iter([data[i] for i in torch.randperm(48)])  # drawn when it begins

    found = trainer(tmp_path / "found", data=Stream(), max_steps=4)
    found.train()
    told = trainer(
        tmp_path / "told", data=Stream(), max_steps=4, per_device_train_batch_size=2, gradient_accumulation_steps=4
    )
    told.train()
    assert same(found, told)


def test_one_row_that_does_not_fit(tmp_path):
    run = trainer(tmp_path)
    run.room = 0
    with pytest.raises(MemoryError, match="gradient_checkpointing=True"):
        run.train()


def test_without_it_the_error_is_torchs_own(tmp_path):
    with pytest.raises(RuntimeError, match="memory"):
        trainer(tmp_path, auto_find_batch_size=False).train()


@pytest.mark.parametrize(("size", "parts"), [(8, (4, 2)), (9, (3, 3)), (7, (1, 7)), (15, (5, 3))])
def test_the_rows_of_a_step_stay(size, parts, tmp_path):
    args = TrainingArguments(str(tmp_path), per_device_train_batch_size=size)
    divide(args, TooLarge("x"))
    assert (args.per_device_train_batch_size, args.gradient_accumulation_steps) == parts


def test_it_is_for_one_process(tmp_path):
    with pytest.raises(ValueError, match="is for one process, and there are 2"):
        check_alone(TrainingArguments(str(tmp_path), auto_find_batch_size=True), 2)
    check_alone(TrainingArguments(str(tmp_path)), 2)


def test_what_is_an_end_of_memory():
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(ValueError, match="other"), watching(True):
        raise ValueError("other")
