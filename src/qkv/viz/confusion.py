"""What a classifier takes for what: the confusion matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import short
from ..training.metrics import ConfusionMatrix
from .tokens import Picture, pyplot

LARGEST = 60  # classes; more could not be read
NUMBERED = 20  # classes; matrices up to so many show their numbers


@dataclass
class Confusion(Picture):
    """How often each true class (row) was predicted as each class (column).

    counts: (K,K); labels: the K names. Colours are shares of a row, so that a rare class is seen as well.
    """

    counts: np.ndarray
    labels: list[str]

    def shares(self) -> np.ndarray:
        """(K,K) parts of each true class, 0 where there is none of it."""
        wholes = self.counts.sum(1, keepdims=True)
        return self.counts / np.maximum(wholes, 1)

    def figure(self) -> Any:
        """A square for each pair; the number in it is a count."""
        plt, size, shares = pyplot(), len(self.labels), self.shares()
        side = (0.55 if size <= NUMBERED else 0.22) * size + 1.6
        figure, axes = plt.subplots(figsize=(side + 0.6, side), layout="constrained", facecolor="white")
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        upright = max(map(len, self.labels)) > 4 or size > NUMBERED
        style = {"fontsize": 9 if size <= NUMBERED else 7, "parse_math": False}
        axes.set_xticks(range(size), self.labels, rotation=90 if upright else 0, **style)
        axes.set_yticks(range(size), self.labels, **style)
        if size <= NUMBERED:
            for i, j in zip(*np.nonzero(self.counts), strict=True):
                colour = "white" if shares[i, j] > 0.55 else "#1a1a1a"
                axes.text(j, i, f"{self.counts[i, j]:,}", ha="center", va="center", fontsize=9, color=colour)
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_title(self._title(), fontsize=10)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return figure

    def __rich__(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self._title(), caption="rows are true, columns predicted")
        table.add_column("")
        for label in self.labels:
            table.add_column(Text(label), justify="right")
        for i, (label, row) in enumerate(zip(self.labels, self.counts.tolist(), strict=True)):
            table.add_row(Text(label), *(Text(f"{n:,}", "bold" if i == j else "") for j, n in enumerate(row)))
        return table

    def _title(self) -> str:
        whole = int(self.counts.sum())
        return f"{np.trace(self.counts) / max(whole, 1):.1%} of {whole:,} right"


def confusion(matrix: Any, labels: Mapping[int, str] | Sequence[str] | None = None) -> Confusion:
    """A picture of a confusion matrix.

    Args:
        matrix: (K,K) counts, rows true and columns predicted, as `confusion_matrix(predictions, references)` gives
            them; or a `ConfusionMatrix`, which knows its classes; or what `trainer.predict(dataset)` gives.
        labels: names of the classes: K of them, or by id, as `model.config.id2label`.

    Returns: a `Confusion`: `.save("confusion.png")`, `.figure()`, `.counts`; `rich.print` shows a table.

    Raises: ValueError for another shape, numbers below 0, too many classes, or names that are not as many.
    """
    if hasattr(matrix, "label_ids"):
        matrix = _measured(matrix, labels)
    counts = np.asarray(getattr(matrix, "matrix", matrix))
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not 0 < len(counts) <= LARGEST:
        raise ValueError(f"a confusion matrix is of 1 to {LARGEST} classes, (K,K); got shape {counts.shape}.")
    if counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError(
            f"a confusion matrix holds counts, whole numbers from 0; got {short(counts.ravel().tolist())}."
        )
    ids = matrix.names.tolist() if hasattr(matrix, "names") else list(range(len(counts)))
    if isinstance(labels, Mapping):
        by_id = {int(i): name for i, name in labels.items()}
        labels = [by_id.get(i, str(i)) for i in ids]
    names = [str(name) for name in (ids if labels is None else labels)]
    if len(names) != len(counts):
        raise ValueError(f"{len(names)} labels for {len(counts)} classes; give as many, or model.config.id2label.")
    return Confusion(counts, names)


def _measured(found: Any, labels: Mapping[int, str] | Sequence[str] | None) -> ConfusionMatrix:
    """The matrix of predictions, of all classes that have names. Raises: ValueError if they have no labels."""
    if found.label_ids is None or isinstance(found.predictions, tuple):
        raise ValueError("these predictions have no class for each row: give those of a classifier, with labels.")
    ids = labels if isinstance(labels, Mapping) else range(len(labels or ()))
    matrix = ConfusionMatrix(sorted(int(i) for i in ids) or None)
    matrix.update(found.predictions, found.label_ids)
    return matrix
