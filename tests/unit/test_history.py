"""History: what was logged as rows, columns and tables; which evaluation is best; files that it is read from."""

import json
from io import StringIO

import pytest
from rich.console import Console

from qkv.training.reporting.history import History

ENTRIES = [
    {"loss": 1.25, "learning_rate": 5e-5, "epoch": 0.5, "step": 10},
    {"loss": 1.0, "learning_rate": 2e-5, "epoch": 1.0, "step": 20},
    {"eval_loss": 0.9, "eval_accuracy": 0.75, "eval_runtime": 3.0, "epoch": 1.0, "step": 20},
    {"loss": 0.5, "learning_rate": 0.0, "epoch": 2.0, "step": 40},
    {"eval_loss": 0.8, "eval_accuracy": 0.5, "eval_runtime": 3.0, "epoch": 2.0, "step": 40},
    {"train_runtime": 9.0, "train_loss": 0.9, "epoch": 2.0, "step": 40},
    {"eval_loss": 0.9, "eval_accuracy": 0.75, "eval_runtime": 3.0, "epoch": 2.0, "step": 40},  # of the best model
]


def test_rows_and_columns():
    history = History(ENTRIES)
    assert len(history) == 7 and history[0]["loss"] == 1.25 and list(history) == ENTRIES
    assert history.columns[:4] == ["step", "epoch", "loss", "learning_rate"]
    columns = history.to_dict()
    assert columns["loss"] == [1.25, 1.0, None, 0.5, None, None, None] and {len(c) for c in columns.values()} == {7}
    assert history.series("loss") == ([10, 20, 40], [1.25, 1.0, 0.5])
    assert history.series("eval_accuracy") == ([20, 40], [0.75, 0.5])  # without what came after the end


def test_evaluations_and_the_best_of_them():
    rows = History(ENTRIES).evaluations
    assert rows[0] == {"step": 20, "epoch": 1.0, "loss": 1.0, "eval_loss": 0.9, "eval_accuracy": 0.75}
    assert [row["step"] for row in rows] == [20, 40]
    assert History(ENTRIES).best == rows[1]
    assert History(ENTRIES, "accuracy").best == History(ENTRIES, "eval_accuracy").best == rows[0]
    assert History(ENTRIES, "accuracy", greater=False).best == rows[1]
    assert History(ENTRIES, "f1").best is None and History([]).best is None


def test_datasets_of_one_step_are_one_row():
    first = [{f"eval_{name}_loss": x, "epoch": 1.0, "step": 5} for name, x in (("a", 0.5), ("b", 0.25))]
    assert History(first, "b_loss").evaluations == [
        {"step": 5, "epoch": 1.0, "loss": None, "eval_a_loss": 0.5, "eval_b_loss": 0.25}
    ]
    assert History(first, "b_loss").best["eval_b_loss"] == 0.25


def test_what_people_see():
    history = History(ENTRIES, "accuracy")
    lines = str(history).splitlines()
    assert lines[0].split() == ["step", "epoch", "train", "loss", "eval", "loss", "accuracy"]
    assert lines[1].split() == ["20", "1.00", "1.0000", "0.9000", "0.7500", "*"] and not lines[2].endswith("*")
    assert repr(history) == "History(7 entries, 2 evaluations, best eval_accuracy 0.7500 at step 20)"
    stream = StringIO()
    Console(file=stream, width=80).print(history)
    assert [line.split() for line in stream.getvalue().splitlines()] == [line.split() for line in lines]
    page = History([{"eval_<b>": 1.0, "step": 1}], "<b>")._repr_html_()
    assert "&lt;b&gt;" in page and "<b>" not in page and page.count("<tr") == 2 and page.count("font-weight:bold") == 1


def test_without_evaluations_the_table_has_the_losses():
    lines = str(History(ENTRIES[:2])).splitlines()
    assert lines[2].split() == ["20", "1.00", "1.0000", "2e-05"]
    assert str(History()) == repr(History()) == "History(0 entries, 0 evaluations)"


def test_it_is_read_from_what_a_run_leaves(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(entry) + "\n" for entry in ENTRIES))
    (tmp_path / "training_args.json").write_text('{"metric_for_best_model": "accuracy", "greater_is_better": true}')
    for source in (log, str(log), tmp_path):
        assert list(History.of(source)) == ENTRIES and History.of(source).best["step"] == 20
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": ENTRIES[:3]}))
    assert list(History.of(tmp_path / "trainer_state.json")) == ENTRIES[:3]
    assert list(History.of(ENTRIES)) == ENTRIES and History.of(history := History()) is history
    log.write_text(log.read_text() + json.dumps(ENTRIES[0]) + "\n" + '{"loss": 0.')  # another run, and a torn line
    assert list(History.of(log)) == ENTRIES[:1]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ({}, FileNotFoundError, "neither log.jsonl nor trainer_state.json"),
        ({"log.jsonl": "{}\n{}\n"}, OSError, "line 1 is no entry"),
        ({"trainer_state.json": "{}"}, OSError, "has no log_history"),
    ],
)
def test_what_has_no_history(tmp_path, content, error, message):
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(error, match=message):
        History.of(tmp_path)


def test_what_is_no_history():
    for source in (3, [1, 2]):
        with pytest.raises(TypeError, match="has no history"):
            History.of(source)
