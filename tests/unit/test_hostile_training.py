"""Training with what is wrong: each mistake is an error that says so before torch does, and nothing is lost by it."""

import json
import math
from pathlib import Path

import pytest
import torch

from commands import failed, qkv
from qkv import (
    AutoModelForSequenceClassification,
    EarlyStoppingCallback,
    LoraConfig,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    compute_metrics_for,
    get_peft_model,
    prepare_training,
    read_rows,
)
from qkv.training import checkpoint as checkpoints
from qkv.training.data.columns import UsedColumns
from qkv.training.metrics import EvalPrediction
from tiny import GOLDENS, make
from tiny_training import rows


def bert():
    return AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")


def trainer(folder, data=None, **given):
    own = {name: given.pop(name) for name in ("compute_loss_func", "compute_metrics", "data_collator", "callbacks",
                                              "eval_dataset") if name in given}  # fmt: skip
    usual = {"use_cpu": True, "disable_tqdm": True, "num_train_epochs": 1, "per_device_train_batch_size": 2}
    args = TrainingArguments(str(folder), **usual | given)
    return Trainer(bert(), args, train_dataset=rows(8) if data is None else data, **own)


# ------------------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("given", "say"),
    [
        ({"learning_rate": "1e-3"}, "learning_rate='1e-3' must be a number of at least 0."),
        ({"learning_rate": -1}, "learning_rate=-1 must be a number of at least 0."),
        ({"learning_rate": None}, "learning_rate=None must be a number of at least 0."),
        ({"num_train_epochs": math.nan}, "num_train_epochs=nan must be a number of at least 0."),
        ({"num_train_epochs": math.inf}, "num_train_epochs=inf must be a number of at least 0."),
        ({"per_device_train_batch_size": 2.5}, "per_device_train_batch_size=2.5 must be a whole number of at least 1."),
        ({"adam_beta1": 1.5}, "adam_beta1=1.5 must be a number from 0 to 0.999999."),
        ({"label_smoothing_factor": 3}, "label_smoothing_factor=3 must be a number from 0 to 1."),
        ({"dataloader_num_workers": -1}, "dataloader_num_workers=-1 must be a whole number of at least 0."),
        ({"save_steps": "10"}, "save_steps='10' must be a number of at least 0."),
        ({"save_steps": 0}, "save_steps=0 is no number of steps: give one from 1"),
        ({"seed": 2**64}, "must be a whole number from"),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, "follows evaluations: say eval_strategy= too"),
    ],
)
def test_numbers_that_mean_nothing(given, say):
    with pytest.raises(ValueError) as raised:
        TrainingArguments("out", **given)
    assert say in str(raised.value)


def test_what_is_not_even_used_may_be_anything():
    assert TrainingArguments("out", logging_steps=0, logging_strategy="no").logging_steps == 0
    assert TrainingArguments("out", label_names="labels").label_names == ["labels"]
    assert TrainingArguments("out", save_total_limit=None, max_grad_norm=None, data_seed=None).data_seed is None
    assert repr(TrainingArguments("out", max_steps=100.0).max_steps) == "100"
    with pytest.raises(TypeError, match="output_dir=5 must be the name of a folder"):
        TrainingArguments(5)  # type: ignore[arg-type]


def test_the_whole_of_a_run_may_be_warmup():
    assert TrainingArguments("out", warmup_ratio=1.0).get_warmup_steps(50) == 50
    assert TrainingArguments("out", warmup_steps=1).get_warmup_steps(50) == 1


@pytest.mark.parametrize("args", ["out", {"output_dir": "out"}])
def test_arguments_that_are_none(args):
    with pytest.raises(TypeError, match=r"is no TrainingArguments; give TrainingArguments\(output_dir, …\)"):
        Trainer(bert(), args)
    with pytest.raises(TypeError, match=r"is no list; give callbacks=\["):
        Trainer(bert(), TrainingArguments("out", use_cpu=True), callbacks=EarlyStoppingCallback())


# ------------------------------------------------------------------------------------------------------- data


@pytest.mark.parametrize(
    ("data", "error", "say"),
    [
        ("reviews.csv", TypeError, "train_dataset='reviews.csv' is a text; give rows, such as read_rows"),
        ({"train": rows(4)}, TypeError, r"mapping of \['train'\]. Of several .* dataset\['train'\]"),
        ([{"text": "a", "label": 1}] * 3, ValueError, "no column that BertFor.* reads.*Tokenize it first"),
        ([{"input_ids": [], "labels": 1}] * 2, ValueError, "input_ids must be integers of shape"),
    ],
)  # fmt: skip
def test_data_that_are_no_rows(data, error, say, tmp_path):
    with pytest.raises(error, match=say):
        trainer(tmp_path, data).train()


def test_a_mask_that_one_row_lacks_is_not_left_out_of_all(tmp_path):
    """Whichever row comes first in its batch."""
    data = rows(8)
    del data[3]["attention_mask"]
    for seed in range(4):
        with pytest.raises(ValueError, match="a row without 'attention_mask', which others of the batch have"):
            trainer(tmp_path, data, per_device_train_batch_size=8, seed=seed).train()
    used = UsedColumns(lambda rows: {"labels": [row["labels"] for row in rows]}, bert())
    assert used([{**data[0], "note": "x"}, data[1]])["labels"] == [0, 1]  # nothing reads the note


def test_a_batch_that_is_none(tmp_path):
    with pytest.raises(TypeError, match=r"data_collator gave \[.*; a batch is a dictionary of tensors"):
        trainer(tmp_path, data_collator=list, remove_unused_columns=False).train()
    with pytest.raises(ValueError, match="less than a batch with drop_last"):
        trainer(tmp_path, rows(1), dataloader_drop_last=True).train()


def test_nothing_to_evaluate_is_said_before_the_first_step(tmp_path):
    made = trainer(tmp_path, eval_strategy="epoch")
    with pytest.raises(ValueError, match="there is nothing to evaluate; give eval_dataset="):
        made.train()
    assert made.state.global_step == 0
    with pytest.raises(ValueError, match="eval_b_dataset has no rows"):
        trainer(tmp_path, eval_strategy="epoch", eval_dataset={"a": rows(2), "b": []}).train()
    best = {"save_strategy": "epoch", "load_best_model_at_end": True}
    with pytest.raises(
        ValueError, match="metric_for_best_model='eval_loss' is of none of several.*; say a_loss, b_loss"
    ):
        trainer(tmp_path, eval_strategy="epoch", eval_dataset={"a": rows(2), "b": rows(2)}, **best).train()


def test_rows_that_can_be_read_once(tmp_path):
    with pytest.raises(ValueError, match="or an iterator that is spent"):
        trainer(tmp_path, iter(rows(8)), max_steps=5).train()


# ------------------------------------------------------------------------------------------------------- own functions


def test_an_optimiser_of_another_model(tmp_path):
    args = TrainingArguments(str(tmp_path), use_cpu=True)
    other = torch.optim.SGD(bert().parameters(), lr=0.1)
    with pytest.raises(ValueError, match="has no parameter of this model, so it would train nothing"):
        Trainer(bert(), args, train_dataset=rows(4), optimizers=(other, None)).train()
    with pytest.raises(TypeError, match=r"is no pair; give \(optimizer, scheduler\)"):
        Trainer(bert(), args, optimizers=other)  # type: ignore[arg-type]


def test_a_callback_that_returns_something_else(tmp_path):
    class Returns(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            return state.global_step

    assert trainer(tmp_path, callbacks=[Returns()]).train().global_step == 4

    class Keeps(TrainerCallback):
        def state(self):
            return {"seen": {1, 2}}

    with pytest.raises(TypeError, match=r"Keeps.state\(\) gave .*, which is not JSON"):
        trainer(tmp_path, callbacks=[Keeps()]).train()


@pytest.mark.parametrize(
    ("loss", "say"),
    [
        (lambda outputs: outputs["logits"], r"the loss is a tensor of shape \(2, 3\)"),
        (lambda outputs: outputs["logits"].sum().detach(), r"a tensor of shape \(\); it must be one number with"),
        (lambda outputs: None, "the loss is None"),
    ],
)  # fmt: skip
def test_a_loss_that_is_none(loss, say, tmp_path):
    made = trainer(tmp_path, compute_loss_func=lambda outputs, labels, num_items_in_batch=None: loss(outputs))
    with pytest.raises(ValueError, match=say):
        made.train()


def test_metrics_that_are_none(tmp_path):
    made = trainer(tmp_path, eval_dataset=rows(4), compute_metrics=lambda prediction: 0.5)
    with pytest.raises(TypeError, match="compute_metrics gave 0.5; expected a dictionary"):
        made.evaluate()


def test_a_metric_that_is_not_a_number_is_never_the_best(tmp_path):
    """The first of them would be, for good: nothing is more than it, or less."""
    values = iter([math.nan, 0.5, math.nan, 0.4])
    given = {"eval_strategy": "steps", "eval_steps": 1, "save_steps": 1, "load_best_model_at_end": True}
    made = trainer(
        tmp_path, eval_dataset=rows(2), compute_metrics=lambda prediction: {"score": next(values)},
        callbacks=[EarlyStoppingCallback(9)], metric_for_best_model="score", **given,
    )  # fmt: skip
    made.train()
    assert (made.state.best_metric, made.state.best_global_step) == (0.5, 2)
    early = next(one for one in made.callback_handler.callbacks if isinstance(one, EarlyStoppingCallback))
    assert (early.best, early.waited) == (0.5, 2)


def test_of_one_number_there_is_no_correlation():
    compute = compute_metrics_for("text-classification")
    one = EvalPrediction(torch.tensor([[0.5]]).numpy(), torch.tensor([1.5]).numpy())
    assert compute(one) == {"mse": 1.0}
    two = EvalPrediction(torch.tensor([[0.5], [1.0]]).numpy(), torch.tensor([1.5, 2.0]).numpy())
    assert compute(two) == {"mse": 1.0, "pearson": pytest.approx(1), "spearman": pytest.approx(1)}


# ------------------------------------------------------------------------------------------------------- folders


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for start in (Trainer.train, lambda made: made.save_model(str(tmp_path / "mine"))):
        with pytest.raises(NotADirectoryError, match="is a file; name a folder to write into"):
            start(trainer(tmp_path / "mine"))
    assert (tmp_path / "mine").read_text() == "mine"


def test_what_is_called_a_checkpoint_and_is_somebodys_own(tmp_path):
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / "notes.txt").write_text("mine")
    (tmp_path / "checkpoint-4").write_text("mine too")
    trainer(tmp_path, save_steps=2).train()
    assert [path.name for path in checkpoints.checkpoints(tmp_path)] == ["checkpoint-2", "checkpoint-4"]
    assert [path.read_text() for path in tmp_path.glob("checkpoint-2.kept-*/notes.txt")] == ["mine"]
    assert [path.read_text() for path in tmp_path.glob("checkpoint-4.kept-*")] == ["mine too"]


def damaged(folder, name, change):
    """A part of a checkpoint with other content, of which its manifest knows."""
    path = folder / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = checkpoints._facts(path)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "change", "say"),
    [
        ("trainer_state.json", lambda state: state | {"epoch": "x"}, "damaged: epoch is 'x'. Use another"),
        ("trainer_state.json", lambda state: {}, "damaged: it has no global_step"),
        ("optimizer.json", lambda state: {"dict": ["x"]}, "does not fit its tensors"),
    ],
)
def test_states_of_other_kinds(name, change, say, tmp_path):
    trainer(tmp_path, save_steps=2).train()
    damaged(tmp_path / "checkpoint-4", name, change)
    with pytest.raises(OSError, match=say):
        trainer(tmp_path, num_train_epochs=2).train(resume_from_checkpoint=True)
    assert TrainerState.from_dict({"global_step": 1, "of_another_library": 2}).global_step == 1


@pytest.mark.parametrize(("before", "after"), [("reduce_lr_on_plateau", "linear"), ("linear", "reduce_lr_on_plateau")])
def test_a_schedule_of_another_kind_begins_at_its_step(before, after, tmp_path):
    given = {"eval_strategy": "epoch", "eval_dataset": rows(2), "save_steps": 2, "logging_steps": 1}
    trainer(tmp_path, lr_scheduler_type=before, **given).train()
    again = trainer(tmp_path, lr_scheduler_type=after, num_train_epochs=2, **given)
    again.train(resume_from_checkpoint=True)
    rates = [entry["learning_rate"] for entry in again.state.log_history if "learning_rate" in entry]
    assert rates[4:] == pytest.approx([5e-5 * left / 8 for left in (4, 3, 2, 1)] if after == "linear" else [5e-5] * 4)


def test_a_whole_model_is_no_adapter(tmp_path):
    trainer(tmp_path).train()
    adapted = get_peft_model(bert(), LoraConfig(task_type="SEQ_CLS"))
    args = TrainingArguments(str(tmp_path), use_cpu=True, num_train_epochs=2)
    with pytest.raises(ValueError, match="checkpoint-4 holds a whole model, and this one has adapters"):
        Trainer(adapted, args, train_dataset=rows(8)).train(resume_from_checkpoint=True)


# ------------------------------------------------------------------------------------------------------- files


def test_empty_columns_of_a_spreadsheet(tmp_path):
    (tmp_path / "a.csv").write_text("text,label,,\na,b,,\nc,d,,\n")
    assert read_rows(tmp_path / "a.csv") == [{"text": "a", "label": "b"}, {"text": "c", "label": "d"}]
    (tmp_path / "a.csv").write_text("text,label,,\na,b,,c\n")
    with pytest.raises(ValueError, match="line 2 of a.csv has 4 cells where the header has 2"):
        read_rows(tmp_path / "a.csv")


def test_utf_16_without_a_mark(tmp_path):
    (tmp_path / "a.csv").write_bytes("text,label\na,b\n".encode("utf-16-le"))
    with pytest.raises(ValueError, match="a.csv is not UTF-8: say encoding='utf-16-le'"):
        read_rows(tmp_path / "a.csv")
    assert read_rows(tmp_path / "a.csv", encoding="utf-16-le") == [{"text": "a", "label": "b"}]


def test_two_rows_of_two_classes(tmp_path):
    model = str(make(tmp_path / "bert", "bert", "ForMaskedLM"))
    with pytest.raises(ValueError, match="has one class, '.', beside rows held out: give more rows of each, or eval"):
        prepare_training("text-classification", model, [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}])


def test_a_run_whose_record_is_damaged(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train_run.json").write_text("{")
    (tmp_path / "a.csv").write_text("text,label\na,b\n")
    given = ("train", "text-classification", "-m", "x", "--data", tmp_path / "a.csv", "-o", tmp_path / "out")
    failed(qkv(*given, "--resume"), 1, "train_run.json' is not JSON")
    assert Path(tmp_path / "out" / "train_run.json").read_text() == "{"
