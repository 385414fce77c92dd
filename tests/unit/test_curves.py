"""The picture of a run, and that of what it predicted: what is drawn, and what is refused."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from commands import failed, qkv
from qkv.training.results import PredictionOutput
from qkv.viz import confusion, curves
from qkv.viz.curves import smoothed


def entries(count=30):
    for step in range(1, count + 1):
        yield {"loss": 2 / step, "learning_rate": 1e-4 / step, "epoch": step / 10, "step": step}
        if step % 10 == 0:
            scores = {"eval_loss": 1 + abs(step - 20) / 100, "eval_f1": step / 100, "eval_$a_b": 0.5, "eval_bleu": 30.0}
            yield scores | {"eval_runtime": 1.0, "eval_samples": 50, "epoch": step / 10, "step": step}


def test_what_is_in_the_picture(tmp_path):
    picture = curves(list(entries()))
    losses, shares, bleu, rate = picture.figure().axes
    raw, strong, evaluated, best = losses.lines[:4]
    assert raw.get_xydata()[:, 1].tolist() == [2 / step for step in range(1, 31)]
    assert strong.get_xydata()[:, 1].tolist() == smoothed([2 / step for step in range(1, 31)], 0.9)
    assert evaluated.get_xydata().tolist() == [[10, 1.1], [20, 1.0], [30, 1.1]]
    assert best.get_xydata().tolist() == [[20, 1.0]] and "best eval loss 1.0000 at step 20" in losses.get_title()
    assert [text.get_text() for text in shares.get_legend().get_texts()] == ["f1", "$a b"]
    assert bleu.get_ylabel() == "bleu" and rate.get_ylabel() == "learning rate"
    assert [line.get_xdata()[0] for line in rate.lines[1:]] == [10, 20, 30]  # ends of epochs
    picture.save(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == picture._repr_png_()[:4] == b"\x89PNG"


def test_a_short_run_is_drawn_as_it_is():
    losses, rate = curves(list(entries(5))).figure().axes
    assert len(losses.lines) == 1 and losses.get_title() == ""
    assert len(curves([{"eval_loss": 1.0, "step": 1}]).figure().axes) == 1


def test_smoothing_has_no_pull_to_zero():
    assert smoothed([3.0, 3.0, 3.0], 0.9) == pytest.approx([3.0, 3.0, 3.0]) and smoothed([1.0, 5.0], 0) == [1.0, 5.0]


@pytest.mark.parametrize(
    ("given", "smoothing", "message"),
    [([], 0.9, "nothing was logged"), ([{"loss": 1.0, "step": 1}], 1.0, "smoothing=1")],
)
def test_errors(given, smoothing, message):
    with pytest.raises(ValueError, match=message):
        curves(given, smoothing=smoothing)


def test_the_command(tmp_path):
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries()))
    done = qkv("show", "curves", tmp_path, "-o", tmp_path / "a.svg")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows[0][:4] == ["step", "epoch", "train loss", "eval loss"] and [row[0] for row in rows[1:]] == [
        "10",
        "20",
        "30",
    ]
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    failed(qkv("show", "curves", tmp_path / "none"), 1, "does not exist", "log.jsonl")
    failed(qkv("show", "curves", tmp_path, "--layer", 1), 2, "curves has no --layer")


def test_predictions_become_a_confusion_matrix():
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.7, 0.3, 0.0]])
    found = PredictionOutput(scores, np.array([0, 1, 1]), {})
    assert confusion(found).counts.tolist() == [[1, 0], [1, 1]]
    picture = confusion(found, {0: "no", 1: "yes", 2: "maybe"})
    assert picture.counts.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]] and picture.labels == ["no", "yes", "maybe"]
    tags = SimpleNamespace(predictions=np.eye(2)[[[0, 1]]], label_ids=np.array([[0, -100]]))
    assert confusion(tags, ["a", "b"]).counts.tolist() == [[1, 0], [0, 0]]
    with pytest.raises(ValueError, match="no class for each row"):
        confusion(PredictionOutput(scores, None, {}))
