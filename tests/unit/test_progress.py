"""What a terminal, a pipe and a notebook show of a run."""

import re
import sys
from io import StringIO
from types import SimpleNamespace

import pytest

from qkv import AutoModelForSequenceClassification
from qkv.training.arguments import TrainingArguments
from qkv.training.reporting.notebook import NotebookProgressCallback
from qkv.training.reporting.progress import PrinterCallback, ProgressCallback, progress_callback
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_training import rows


class Terminal(StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A function that makes a terminal of stderr, when pytest's own capture stands."""

    def make():
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS", raising=False)
    return make


def trained(folder, **given):
    given = {"num_train_epochs": 2, "per_device_train_batch_size": 2, "logging_steps": 1, "use_cpu": True} | given
    model = AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")
    trainer = Trainer(
        model, TrainingArguments(str(folder), **given), train_dataset=rows(8), eval_dataset=rows(6),
        compute_metrics=lambda found: {"accuracy": float((found[0].argmax(-1) == found[1]).mean())},
    )  # fmt: skip
    trainer.train()
    return trainer


def test_a_terminal_has_a_bar_and_a_table(tmp_path, terminal, capsys):
    screen = terminal()
    trainer = trained(tmp_path, eval_strategy="epoch")
    bar = re.sub(r"\x1b\[[\d;]*m", "", screen.getvalue()).split("\r")
    assert re.search(r"epoch 2/2 .* 8/8  loss \d\.\d{4}  [\d.]+ samples/s  00:00 left", bar[-1])
    assert any("evaluating" in line and "/1" in line for line in bar)
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["step", "epoch", "train", "loss", "eval", "loss", "accuracy"]
    assert [line.split()[:2] for line in table[1:3]] == [["4", "1.00"], ["8", "2.00"]]
    assert table[1].endswith("*")  # the first is the best so far
    assert table[3].startswith("8 steps, ") and "best eval_loss" in table[3] and len(table) == 4
    trainer.evaluate()
    assert capsys.readouterr().out == ""  # what is asked for by hand is given back, not printed


def test_without_evaluations_the_table_has_the_losses(tmp_path, terminal, capsys):
    terminal()
    trainer = trained(tmp_path, max_steps=3)
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["step", "epoch", "train", "loss", "learning", "rate"]
    assert [line.split()[0] for line in table[1:]] == ["1", "2", "3", "3"]
    assert table[3].split()[2] == f"{trainer.history[2]['loss']:.4f}"


def test_datasets_of_one_evaluation_are_one_row(tmp_path, terminal, capsys):
    terminal()
    model = AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")
    args = TrainingArguments(str(tmp_path), max_steps=1, eval_strategy="steps", eval_steps=1, use_cpu=True)
    Trainer(model, args, train_dataset=rows(8), eval_dataset={"a": rows(2), "b": rows(4)}).train()
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[-4:] == ["a", "loss", "b", "loss"] and len(table) == 3


def test_a_pipe_has_a_line_for_each_log(tmp_path, capsys):
    trainer = trained(tmp_path, eval_strategy="epoch")
    out, error = capsys.readouterr()
    lines = out.splitlines()
    assert error == "" and len(lines) == len(trainer.history)
    assert re.fullmatch(r"step 1/8  epoch 0.25  loss \d\.\d{4}  grad_norm \d+\.\d+  learning_rate 5e-05", lines[0])
    assert [line for line in lines if line.endswith("*")] == [lines[4]] and "eval_accuracy" in lines[4]
    assert "eval_runtime" not in out and "train_loss" in lines[-1]


def test_an_evaluation_alone_has_no_steps(tmp_path, capsys):
    model = AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")
    Trainer(model, TrainingArguments(str(tmp_path), use_cpu=True), eval_dataset=rows(4)).evaluate()
    assert re.fullmatch(r"eval_loss \d\.\d{4}\n", capsys.readouterr().out)


def test_which_of_them(terminal, monkeypatch):
    terminal()
    assert isinstance(progress_callback(None), ProgressCallback)
    assert isinstance(progress_callback(True), PrinterCallback)
    monkeypatch.setattr(sys, "stderr", StringIO())
    assert isinstance(progress_callback(None), PrinterCallback)
    assert isinstance(progress_callback(False), ProgressCallback)


def test_a_notebook_is_redrawn_in_place(tmp_path, monkeypatch, capsys):
    shown = []
    handle = SimpleNamespace(update=shown.append)
    notebook = type("ZMQInteractiveShell", (), {})
    IPython = SimpleNamespace(get_ipython=notebook)
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    display = SimpleNamespace(HTML=str, display=lambda page, display_id: handle)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert isinstance(progress_callback(None), NotebookProgressCallback)
    trained(tmp_path, eval_strategy="epoch")
    assert "epoch 2/2" in shown[-1] and "8/8" in shown[-1] and "<td>8</td>" in shown[-1] and "8 steps, " in shown[-1]
    assert "left" in shown[0] and capsys.readouterr().out == ""


def test_metrics_are_a_tidy_list(tmp_path, capsys):
    trainer = trained(tmp_path, max_steps=1)
    capsys.readouterr()
    trainer.log_metrics("eval", {"eval_runtime": 3725.5, "eval_loss": 0.25, "epoch": 1.0, "eval_samples": 100})
    assert capsys.readouterr().out.splitlines() == [
        "***** eval metrics *****", "  epoch        =       1.00", "  eval_loss    =     0.2500",
        "  eval_runtime = 1:02:05.50", "  eval_samples =        100",
    ]  # fmt: skip
