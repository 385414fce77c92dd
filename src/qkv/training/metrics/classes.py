"""How often classes are right: accuracy, precision, recall and F1, Matthews' correlation, the confusion matrix.

Equal to scikit-learn's functions of these names; what would be a division by zero is 0.0, without a warning.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import short
from ...heads.base import IGNORED
from .inputs import Metric, as_array, classes, one_of, ratio, some

AVERAGES = ("binary", "micro", "macro", "weighted")


class Accuracy(Metric):
    """Which part of the predictions is right: {"accuracy"}. Keeps two numbers."""

    kept = ("right", "count")
    right = count = 0

    def update(self, predictions: Any, references: Any) -> None:
        found, true = classes(predictions, references)
        self.right += int((found == true).sum())
        self.count += len(true)

    def compute(self) -> dict[str, float]:
        some(self.count)
        return {"accuracy": self.right / self.count}


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


class Tallies(Metric):
    """How often each class was right, predicted, and true. Keeps three numbers for each class."""

    kept = ("both", "found", "true")
    both: Counter[Any] = Counter()
    found: Counter[Any] = Counter()
    true: Counter[Any] = Counter()
    labels: Sequence[Any] | None = None  # the classes that are measured, if not all

    def update(self, predictions: Any, references: Any) -> None:
        found, true = classes(predictions, references)
        for counts, seen in ((self.both, found[found == true]), (self.found, found), (self.true, true)):
            names, more = np.unique(seen, return_counts=True)
            counts.update(dict(zip(names.tolist(), more.tolist(), strict=True)))

    @property
    def names(self) -> list[Any]:
        """The classes that were seen, sorted."""
        return in_order(self.found | self.true)

    def counts(self, labels: Sequence[Any]) -> np.ndarray:
        """(3,K): right, predicted, true."""
        rows = [[tally[label] for label in labels] for tally in (self.both, self.found, self.true)]
        return np.array(rows, np.int64)

    def per_label(self) -> dict[Any, dict[str, float]]:
        """Precision, recall, F1 and "support", the number of true ones, of each class."""
        labels = self.names if self.labels is None else self.labels
        return {name: rates(self.counts([name]), "micro") | {"support": self.true[name]} for name in labels}


def in_order(names: Iterable[Any]) -> list[Any]:
    """Names of classes, sorted. Raises: ValueError if some are ids and some are strings."""
    names = set(names)
    if len({isinstance(name, str) for name in names}) > 1:
        raise ValueError(f"some classes are ids and some are names: {short(list(names))}. Give all as one of both.")
    return sorted(names)


class PrecisionRecallF1(Tallies):
    """{"precision", "recall", "f1"}. Keeps three numbers for each class.

    average: "binary" is about the class `positive`, of two; "micro" counts over all classes, "macro" is the mean over
        the classes seen in predictions or references, "weighted" the mean by how often a class is true.
    labels: the classes to measure; those not seen count as 0. All that are seen if None.

    Raises: ValueError for another average, or more than two classes, or none `positive` of two, if "binary".
    """

    def __init__(self, average: str = "binary", *, positive: int | str = 1, labels: Sequence[Any] | None = None):
        one_of(AVERAGES, average=average)
        super().__init__()
        self.average, self.positive, self.labels = average, positive, labels

    def compute(self) -> dict[str, float]:
        some(self.true.total())
        names, labels = self.names, self.labels
        if self.average == "binary":
            if len(names) > 2 or (len(names) == 2 and self.positive not in names):
                raise ValueError(
                    f"average='binary' is for two classes with {self.positive!r} the positive one; found "
                    f"{short(names)}. Give average='macro', 'micro' or 'weighted', or positive=."
                )
            labels = [self.positive]
        return rates(self.counts(names if labels is None else labels), self.average)


class Matthews(Tallies):
    """{"matthews_correlation"} of two or more classes (Gorodkin 2004), -1 to 1; 0.0 where there is but one class.
    Keeps three numbers for each class."""

    def compute(self) -> dict[str, float]:
        some(self.true.total())
        both, found, true = self.counts(self.names).astype(float)
        count = true.sum()
        spread = (count**2 - found @ found) * (count**2 - true @ true)
        return {"matthews_correlation": float(ratio(both.sum() * count - found @ true, np.sqrt(spread)))}


class MultiLabel(Metric):
    """For any number of labels a row: {"accuracy", "precision", "recall", "f1"}; accurate is a row with all right.

    Predictions (N,L) are scores, of which those over `threshold` count, or 0 and 1; references (N,L) 0 and 1, a row
    of -100 is ignored. Keeps three numbers for each label.
    """

    kept = ("counts", "right", "count")
    counts: Any = np.zeros((3, 1), np.int64)
    right = count = 0

    def __init__(self, average: str = "micro", *, threshold: float = 0.0) -> None:
        one_of(AVERAGES[1:], average=average)
        super().__init__()
        self.average, self.threshold = average, threshold

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

    kept = ("pairs",)
    pairs: Counter[tuple[Any, Any]] = Counter()  # (true, predicted)

    def __init__(self, labels: Sequence[Any] | None = None) -> None:
        super().__init__()
        self.labels = labels

    def update(self, predictions: Any, references: Any) -> None:
        found, true = classes(predictions, references)
        names, ids = np.unique(np.concatenate([true, found]), return_inverse=True)
        ids = ids.reshape(2, -1)
        codes, counts = np.unique(ids[0] * len(names) + ids[1], return_counts=True)
        rows, columns = (names[part].tolist() for part in np.divmod(codes, max(len(names), 1)))
        self.pairs.update(dict(zip(zip(rows, columns, strict=True), counts.tolist(), strict=True)))

    @property
    def names(self) -> np.ndarray:
        """(K,)"""
        seen = in_order(name for pair in self.pairs for name in pair)
        return np.array(seen if self.labels is None else self.labels)

    @property
    def matrix(self) -> np.ndarray:
        """(K,K) int64"""
        names = self.names.tolist()
        counts = [self.pairs[true, found] for true in names for found in names]
        return np.array(counts, np.int64).reshape(len(names), len(names))

    def compute(self) -> dict[str, float]:
        """Counts by "true -> predicted", those that are not 0."""
        names = self.names.tolist()
        pairs = ((true, found) for true in names for found in names if self.pairs[true, found])
        return {f"{true} -> {found}": self.pairs[true, found] for true, found in pairs}
