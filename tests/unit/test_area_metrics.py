"""The mean intersection over union: against counting pixel by pixel, in batches, of scores, and bad input."""

import numpy as np
import pytest
import torch

from qkv import load_metric
from qkv.training.metrics import MeanIoU

LABELS = 4


def maps(seed, *sizes):
    """Maps of classes 0..2 (3 is never there), and true ones, of which some places are not asked."""
    random = np.random.default_rng(seed)
    found = [random.integers(0, 3, size) for size in sizes]
    return found, [np.where(random.random(size) < 0.2, 255, random.integers(0, 3, size)) for size in sizes]


def counted(found, true):
    """IoU and accuracy of each class, by sets of places."""
    pairs = [(f, t) for a, b in zip(found, true, strict=True) for f, t in zip(a.flat, b.flat, strict=True) if t != 255]
    rows = []
    for label in range(LABELS):
        both = sum(f == t == label for f, t in pairs)
        either, wanted = sum(label in pair for pair in pairs), sum(t == label for _, t in pairs)
        rows.append((both / either if either else np.nan, both / wanted if wanted else np.nan))
    return np.array(rows).T, sum(f == t for f, t in pairs) / len(pairs)


def test_it_is_what_is_counted():
    found, true = maps(0, (7, 9), (5, 6), (8, 3))
    (ious, accuracies), overall = counted(found, true)
    metric = MeanIoU(LABELS)
    for one in zip(found, true, strict=True):  # picture by picture, of several sizes
        metric.update(*([part] for part in one))
    wanted = {"mean_iou": np.nanmean(ious), "mean_accuracy": np.nanmean(accuracies), "overall_accuracy": overall}
    assert metric.compute() == pytest.approx(wanted) == MeanIoU(LABELS)(found, true)
    loaded = load_metric("mean_iou").compute(predictions=found, references=true, num_labels=LABELS, ignore_index=255)
    assert np.allclose(loaded["per_category_iou"], ious, equal_nan=True) and np.isnan(ious[3])
    assert loaded["mean_iou"] == pytest.approx(np.nanmean(ious))
    other = MeanIoU(LABELS)
    other.update(found[1:], true[1:])
    one = MeanIoU(LABELS)
    one.update(found[:1], true[:1])
    one.merge(other)
    assert one.compute() == metric.compute()


def test_scores_are_enlarged():
    scores = torch.randn(2, LABELS, 4, 5)
    large = torch.nn.functional.interpolate(scores, (16, 20), mode="bilinear").argmax(1)
    true = maps(1, (16, 20), (16, 20))[1]
    assert MeanIoU(LABELS)(scores, torch.as_tensor(np.stack(true))) == MeanIoU(LABELS)(large, true)


def test_a_background_that_is_none():
    found, true = maps(2, (9, 9))
    shifted = [np.where(one == 255, 0, one + 1) for one in true]
    assert MeanIoU(LABELS, reduce_labels=True)(found, shifted) == MeanIoU(LABELS)(found, true)


@pytest.mark.parametrize(
    "found, true, said",
    [
        ([np.zeros((3, 4), int)], [np.zeros((4, 3), int)], "does not fit"),
        ([np.full((2, 2), 9)], [np.zeros((2, 2), int)], "num_labels=4"),
        ([np.zeros((2, 2), int)], [np.full((2, 2), 4)], "ignore_index"),
        ([np.zeros((2, 2), int)] * 2, [np.zeros((2, 2), int)], "2 rows"),
        ([np.zeros((2, 2), int)], [np.full((2, 2), 255)], "nothing to measure"),
    ],
)
def test_bad_input(found, true, said):
    with pytest.raises(ValueError, match=said):
        MeanIoU(LABELS)(found, true)
