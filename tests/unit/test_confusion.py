"""The picture of a confusion matrix: numbers, names, and what it refuses."""

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from qkv.training.metrics import ConfusionMatrix, confusion_matrix
from qkv.viz import confusion

MATRIX = [[1500, 0, 3], [2, 7, 0], [0, 0, 0]]
NAMES = {0: "$x^", 1: "world_news", 2: "[b]"}


def test_numbers_and_names_are_in_the_picture(tmp_path):
    picture = confusion(MATRIX, NAMES)
    axes = picture.figure().axes[0]
    assert [text.get_text() for text in axes.texts] == ["1,500", "3", "2", "7"]
    assert [text.get_position() for text in axes.texts] == [(0, 0), (2, 0), (0, 1), (1, 1)]  # column, row
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES.values())
    assert axes.get_title() == "99.7% of 1,512 right"
    assert np.allclose(picture.shares(), [[1500 / 1503, 0, 3 / 1503], [2 / 9, 7 / 9, 0], [0, 0, 0]])
    picture.save(tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes()[:4] == picture._repr_png_()[:4] == b"\x89PNG"


def test_a_table_for_terminals():
    stream = StringIO()
    Console(file=stream, width=80).print(confusion(MATRIX, NAMES))
    rows = [line.replace("│", " ").split() for line in stream.getvalue().splitlines()]
    assert ["world_news", "2", "7", "0"] in rows and ["[b]", "0", "0", "0"] in rows


def test_a_metric_knows_its_classes():
    metric = ConfusionMatrix()
    metric.update([1, 5, 5], [1, 5, 1])
    assert confusion(metric).labels == ["1", "5"]
    assert confusion(metric, {1: "one", "5": "five", 3: "three"}).labels == ["one", "five"]
    assert confusion(confusion_matrix(["b", "a"], ["a", "a"]), ["a", "b"]).counts.tolist() == [[1, 1], [0, 0]]


def test_many_classes_are_drawn_without_numbers():
    axes = confusion(np.eye(40, dtype=int)).figure().axes[0]
    assert not axes.texts and len(axes.get_xticklabels()) == 40


@pytest.mark.parametrize(
    ("matrix", "labels", "message"),
    [
        (np.eye(61, dtype=int), None, r"1 to 60 classes, \(K,K\); got shape \(61, 61\)"),
        ([[1, 2]], None, r"got shape \(1, 2\)"),
        ([[0.5]], None, "holds counts"),
        ([[-1]], None, "holds counts"),
        ([[1]], ["a", "b"], "2 labels for 1 classes"),
    ],
)
def test_errors(matrix, labels, message):
    with pytest.raises(ValueError, match=message):
        confusion(matrix, labels)
