"""How near numbers are: correlations, the mean squared error, and the perplexity of a language model."""

import math
from typing import Any

import numpy as np

from ...errors import short
from ...heads.base import IGNORED
from .inputs import Metric, as_array, ratio, some


def _pairs(predictions: Any, references: Any) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true numbers (N,). Raises: ValueError for shapes that differ, NaN or infinity."""
    found, true = as_array(predictions), as_array(references)
    if found.ndim == true.ndim + 1 and found.shape[-1] == 1:
        found = found[..., 0]
    if found.shape != true.shape:
        raise ValueError(f"predictions of shape {found.shape} do not fit references of shape {true.shape}.")
    for values, what in ((found, "prediction"), (true, "reference")):
        if values.dtype.kind not in "iufb" or not np.isfinite(values).all():
            raise ValueError(f"a {what} is no finite number: {short(values.ravel()[:4].tolist())}.")
    return found.ravel(), true.ravel()


class Pearson(Metric):
    """{"pearson"}: the linear correlation, -1 to 1; 0.0 if all predictions or all references are the same.

    Keeps means and sums of squares about them, in float64, joined batch by batch (Chan, Golub and LeVeque 1979).
    Equal to scipy.stats.pearsonr.
    """

    kept = ("count", "means", "sums", "lowest", "highest")
    count, means, sums = 0, np.zeros(2), np.zeros((2, 2))
    lowest, highest = np.full(2, np.inf), np.full(2, -np.inf)

    def update(self, predictions: Any, references: Any) -> None:
        pairs, batch = np.stack(_pairs(predictions, references)).astype(np.float64), Pearson()  # (2,N)
        if pairs.shape[1]:
            batch.count, batch.means = pairs.shape[1], pairs.mean(1)
            apart = pairs - batch.means[:, None]
            batch.sums, batch.lowest, batch.highest = apart @ apart.T, pairs.min(1), pairs.max(1)
            self.merge(batch)

    def merge(self, other: Any) -> None:
        step, count = other.means - self.means, self.count + other.count
        if count:
            self.sums = self.sums + other.sums + np.outer(step, step) * (self.count * other.count / count)
            self.means = self.means + step * (other.count / count)
        self.lowest, self.highest = np.minimum(self.lowest, other.lowest), np.maximum(self.highest, other.highest)
        self.count = count

    def compute(self) -> dict[str, float]:
        if self.count < 2:
            raise ValueError(f"a correlation needs two pairs of numbers at least; got {self.count}.")
        if (self.lowest == self.highest).any():  # the sums may hold what rounding left
            return {"pearson": 0.0}
        found = ratio(self.sums[0, 1], math.sqrt(self.sums[0, 0]) * math.sqrt(self.sums[1, 1]))
        return {"pearson": float(np.clip(found, -1.0, 1.0))}


class Spearman(Metric):
    """{"spearman"}: the correlation of ranks, equal ones sharing the mean of theirs; -1 to 1, 0.0 if all are the same.

    Keeps all numbers that it reads, two for each pair: ranks are not known before the last. Equal to
    scipy.stats.spearmanr.
    """

    kept = ("batches",)
    batches: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, predictions: Any, references: Any) -> None:
        found, true = _pairs(predictions, references)
        self.batches.append((found.copy(), true.copy()))

    def compute(self) -> dict[str, float]:
        found, true = (np.concatenate([np.empty(0), *(batch[i] for batch in self.batches)]) for i in (0, 1))
        return {"spearman": Pearson()(_ranks(found), _ranks(true))["pearson"]}


def _ranks(values: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


class MeanSquaredError(Metric):
    """{"mse"} of numbers of any shape. Keeps two numbers."""

    kept = ("total", "count")
    total, count = 0.0, 0

    def update(self, predictions: Any, references: Any) -> None:
        found, true = _pairs(predictions, references)
        self.total += float(((found.astype(np.float64) - true) ** 2).sum())
        self.count += len(true)

    def compute(self) -> dict[str, float]:
        some(self.count)
        return {"mse": self.total / self.count}


class Perplexity(Metric):
    """{"perplexity"}: e to the mean loss of a target token. Keeps two numbers.

    update(predictions, references): logits (B,T,V) and labels (B,T), where -100 is no target; or mean losses, one
        number or (B,), and the labels (B,T) they are of, or None to weigh all alike. The mean loss of a batch may
        stand for each of its rows: with labels, the result is that of all tokens together.
    shift: whether the target of a position is the next label, as of a decoder; then the first label is no target.
    """

    kept = ("total", "count")
    total = count = 0.0

    def __init__(self, shift: bool = False) -> None:
        super().__init__()
        self.shift = shift

    def update(self, predictions: Any, references: Any = None) -> None:
        given, labels = as_array(predictions), None if references is None else as_array(references)
        if labels is not None and labels.ndim == 2 and self.shift:
            labels = labels[:, 1:]
        if given.ndim == 3 and labels is not None:
            losses, counts = _token_losses(given[:, :-1] if self.shift else given, labels)
        elif given.ndim > 1:
            raise ValueError(f"predictions of shape {given.shape} are neither losses (B,) nor, with labels, (B,T,V).")
        else:
            losses = np.atleast_1d(given).astype(np.float64)
            counts = np.ones(len(losses)) if labels is None else (labels != IGNORED).sum(tuple(range(1, labels.ndim)))
            if len(losses) == 1 < len(counts):
                losses = np.repeat(losses, len(counts))
            if len(losses) != len(counts):
                raise ValueError(f"{len(losses)} losses do not fit {len(counts)} rows of labels.")
        kept = counts > 0  # a row without a target has a loss that is NaN
        self.total += float((losses[kept] * counts[kept]).sum())
        self.count += float(counts.sum())

    def compute(self) -> dict[str, float]:
        some(self.count)
        mean = self.total / self.count
        return {"perplexity": math.exp(mean) if mean < 709 else math.inf if mean >= 709 else math.nan}


def _token_losses(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The loss of each target token, and as many ones."""
    if logits.shape[:2] != labels.shape:
        raise ValueError(f"logits of {logits.shape} do not fit labels of shape {labels.shape}.")
    rows, targets = logits[labels != IGNORED].astype(np.float64), labels[labels != IGNORED]  # (N,V), (N,)
    highest = rows.max(1, keepdims=True, initial=-np.inf)
    norms = np.log(np.exp(rows - highest).sum(1)) + highest[:, 0]
    return norms - np.take_along_axis(rows, targets[:, None], 1)[:, 0], np.ones(len(targets))
