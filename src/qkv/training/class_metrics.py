"""How often classes are right: accuracy, precision, recall and F1, Matthews' correlation, the confusion matrix.

Equal to scikit-learn's functions of these names; what would be a division by zero is 0.0, without a warning.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import nearest, short
from .metric_inputs import IGNORED, Metric, as_array, classes, ratio, some

AVERAGES = ("binary", "micro", "macro", "weighted")


class Accuracy(Metric):
    """Which part of the predictions is right: {"accuracy"}. Keeps two numbers."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.right = self.count = 0

    def update(self, predictions: Any, references: Any) -> None:
        found, true = classes(predictions, references)
        self.right += int((found == true).sum())
        self.count += len(true)

    def compute(self) -> dict[str, float]:
        some(self.count)
        return {"accuracy": self.right / self.count}


class _Tallies(Metric):
    """Counts of each class that was seen (K,): `names` sorted; rows of `counts` (3,K): both, predicted, true."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.names, self.counts = np.empty(0, np.int64), np.zeros((3, 0), np.int64)

    def update(self, predictions: Any, references: Any) -> None:
        found, true = classes(predictions, references)
        for row, seen in enumerate((found[found == true], found, true)):
            names, counts = np.unique(seen, return_counts=True)
            self.names, places = _grown(self.names, names)
            old, self.counts = self.counts, np.zeros((3, len(self.names)), np.int64)
            self.counts[:, places[0]] = old
            self.counts[row, places[1]] += counts


def _grown(names: np.ndarray, more: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The names of both, sorted, and where those of each are in it."""
    if len(names) and len(more) and names.dtype.kind != more.dtype.kind:
        raise ValueError(f"classes were {names.dtype} and now are {more.dtype}; give all as ids or all as names.")
    both = np.union1d(names, more) if len(names) and len(more) else (names if len(names) else more)
    return both, (np.searchsorted(both, names) if len(names) else np.empty(0, int), np.searchsorted(both, more))


def rates(counts: np.ndarray, average: str) -> dict[str, float]:
    """Precision, recall and F1 of tallies (3,K) - both, predicted, true - over the classes."""
    if average == "micro":
        counts = counts.sum(1, keepdims=True)
    each = {
        "precision": ratio(counts[0], counts[1]),
        "recall": ratio(counts[0], counts[2]),
        "f1": ratio(2 * counts[0], counts[1] + counts[2]),
    }
    weights = counts[2] if average == "weighted" else np.ones(counts.shape[1])
    return {name: float(ratio((values * weights).sum(), weights.sum())) for name, values in each.items()}


class PrecisionRecallF1(_Tallies):
    """{"precision", "recall", "f1"}. Keeps three numbers for each class.

    average: "binary" is about the class `positive`, of two; "micro" counts over all classes, "macro" is the mean over
        the classes seen in predictions or references, "weighted" the mean by how often a class is true.
    labels: the classes to measure; those not seen count as 0. All that are seen if None.

    Raises: ValueError for another average, or more than two classes, or none `positive` of two, if "binary".
    """

    def __init__(self, average: str = "binary", *, positive: int | str = 1, labels: Sequence[Any] | None = None):
        if average not in AVERAGES:
            raise ValueError(f"average={short(average)}; the nearest are {nearest(average, AVERAGES)}.")
        super().__init__()
        self.average, self.positive, self.labels = average, positive, labels

    def compute(self) -> dict[str, float]:
        some(self.counts.sum())
        labels = self.labels
        if self.average == "binary":
            if len(self.names) > 2 or (len(self.names) == 2 and self.positive not in self.names.tolist()):
                raise ValueError(
                    f"average='binary' is for two classes with {self.positive!r} the positive one; found "
                    f"{short(self.names.tolist())}. Give average='macro', 'micro' or 'weighted', or positive=."
                )
            labels = [self.positive]
        if labels is None:
            return rates(self.counts, self.average)
        return rates(np.stack([self._of(label) for label in labels], 1), self.average)

    def per_label(self) -> dict[Any, dict[str, float]]:
        """Precision, recall, F1 and "support", the number of true ones, of each class."""
        labels = self.names.tolist() if self.labels is None else self.labels
        return {name: rates(self._of(name)[:, None], "micro") | {"support": int(self._of(name)[2])} for name in labels}

    def _of(self, label: Any) -> np.ndarray:
        return self.counts[:, [name == label for name in self.names.tolist()]].sum(1)


class Matthews(_Tallies):
    """{"matthews_correlation"} of two or more classes (Gorodkin 2004), -1 to 1; 0.0 where there is but one class.
    Keeps three numbers for each class."""

    def compute(self) -> dict[str, float]:
        some(self.counts.sum())
        both, found, true = self.counts.astype(float)
        count = true.sum()
        spread = (count**2 - found @ found) * (count**2 - true @ true)
        return {"matthews_correlation": float(ratio(both.sum() * count - found @ true, np.sqrt(spread)))}


class MultiLabel(Metric):
    """For any number of labels a row: {"accuracy", "precision", "recall", "f1"}; accurate is a row with all right.

    Predictions (N,L) are scores, of which those over `threshold` count, or 0 and 1; references (N,L) 0 and 1, a row
    of -100 is ignored. Keeps three numbers for each label.
    """

    def __init__(self, average: str = "micro", *, threshold: float = 0.0) -> None:
        if average not in AVERAGES[1:]:
            raise ValueError(f"average={short(average)}; the nearest are {nearest(average, AVERAGES[1:])}.")
        self.average, self.threshold = average, threshold
        self.reset()

    def reset(self) -> None:
        self.counts, self.right, self.count = np.zeros((3, 1), np.int64), 0, 0

    def update(self, predictions: Any, references: Any) -> None:
        scores, true = as_array(predictions), as_array(references)
        if scores.shape != true.shape or true.ndim != 2:
            raise ValueError(f"predictions and references must both be (N,L); got {scores.shape} and {true.shape}.")
        kept = (true != IGNORED).all(1)
        found, true = scores[kept] > self.threshold, true[kept] > 0.5
        self.counts = self.counts + np.stack([(found & true).sum(0), found.sum(0), true.sum(0)])
        self.right += int((found == true).all(1).sum())
        self.count += len(true)

    def compute(self) -> dict[str, float]:
        some(self.count)
        return {"accuracy": self.right / self.count} | rates(self.counts, self.average)


class ConfusionMatrix(Metric):
    """How many of each true class (row) were predicted as each class (column): `matrix` (K,K), `names` its classes.

    labels: the classes, in this order; all that are seen, sorted, if None. Rows and columns of others are left out.
    """

    def __init__(self, labels: Sequence[Any] | None = None) -> None:
        self.labels = labels
        self.reset()

    def reset(self) -> None:
        self.names, self.matrix = np.empty(0, np.int64), np.zeros((0, 0), np.int64)
        if self.labels is not None:
            self.names, self.matrix = np.asarray(self.labels), np.zeros((len(self.labels),) * 2, np.int64)

    def update(self, predictions: Any, references: Any) -> None:
        found, true = classes(predictions, references)
        if self.labels is not None:
            kept = np.isin(found, self.names) & np.isin(true, self.names)
            found, true = found[kept], true[kept]
        else:
            names, (places, _) = _grown(self.names, np.union1d(found, true))
            old, self.matrix = self.matrix, np.zeros((len(names),) * 2, np.int64)
            self.matrix[np.ix_(places, places)], self.names = old, names
        order = np.argsort(self.names)
        rows, columns = (order[np.searchsorted(self.names, seen, sorter=order)] for seen in (true, found))
        np.add.at(self.matrix, (rows, columns), 1)

    def compute(self) -> dict[str, float]:
        """Counts by "true -> predicted", those that are not 0."""
        names = self.names.tolist()
        return {
            f"{names[i]} -> {names[j]}": int(self.matrix[i, j]) for i, j in zip(*np.nonzero(self.matrix), strict=True)
        }
