"""What every metric shares: what it keeps, reading batches of arrays, tensors or lists, leaving out what is ignored."""

from collections.abc import Iterable
from copy import copy
from typing import Any, ClassVar

import numpy as np

from ...errors import nearest, short
from ...heads.base import IGNORED


class Metric:
    """A measure that reads batch after batch and keeps counts, not what it has read.

    `update(predictions, references)` takes a batch: numpy arrays, tensors of any device and dtype, or lists;
    `compute()` gives the values by name; `merge(other)` adds what another of its kind has read; `reset()` forgets.
    Where predictions have one axis more than references they are scores of classes (..., L), and the highest counts.
    References that are -100 are left out, with what was predicted there.

    A subclass names in `kept` its attributes that are sums of what was read; their values in the class are the empty
    sums.
    """

    kept: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        for name in self.kept:
            setattr(self, name, copy(getattr(type(self), name)))

    def merge(self, other: Any) -> None:
        for name in self.kept:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def update(self, predictions: Any, references: Any) -> None:
        raise NotImplementedError

    def compute(self) -> dict[str, float]:
        """Raises: ValueError if there was nothing to measure."""
        raise NotImplementedError

    def __call__(self, predictions: Any, references: Any) -> dict[str, float]:
        """The values of one batch alone."""
        self.reset()
        self.update(predictions, references)
        return self.compute()


def as_array(values: Any) -> np.ndarray:
    """A numpy array of an array, a tensor, a number or a list, of equal rows."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.float() if values.dtype.itemsize < 4 and values.is_floating_point() else values).numpy()
    elif isinstance(values, list | tuple) and any(hasattr(value, "detach") for value in values):
        return np.stack([as_array(value) for value in values])
    return np.asarray(values)


def one_of(allowed: Iterable[str], **given: str) -> None:
    """Raises: ValueError for an argument that is none of those allowed."""
    allowed = list(allowed)
    for name, value in given.items():
        if value not in allowed:
            raise ValueError(f"{name}={short(value)}; the nearest are {nearest(value, allowed)}.")


def some(count: float) -> None:
    """Raises: ValueError if nothing was counted."""
    if not count:
        raise ValueError("nothing to measure: no batch was given, or every label is -100. Call update() first.")


def ratio(part: Any, whole: Any) -> np.ndarray:
    """part / whole, 0 where whole is."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


def classes(predictions: Any, references: Any) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true classes (N,) of a batch, those to be ignored left out: whole numbers or strings.

    Raises: ValueError for shapes that do not fit, scores that are NaN, or numbers that are no classes.
    """
    if ragged(references):
        same_count(predictions, references)
        rows = [classes(row, true) for row, true in zip(predictions, references, strict=True)]
        return np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows])
    found, true = as_array(predictions), as_array(references)
    found = best(found, true.ndim)
    if found.shape != true.shape:
        raise ValueError(
            f"predictions of shape {found.shape} do not fit references of shape {true.shape}: give a class for each, "
            "or scores of classes on one more axis."
        )
    found, true = _whole(found, "predictions"), _whole(true, "references")
    if found.dtype.kind != true.dtype.kind and true.size:
        raise ValueError(f"predictions are {found.dtype} and references {true.dtype}; give both as ids or as names.")
    kept = true != IGNORED if true.dtype.kind == "i" else np.ones(true.shape, bool)
    return found[kept], true[kept]


def same_count(predictions: Any, references: Any) -> None:
    """Raises: ValueError if there are not as many rows of both."""
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} rows of predictions for {len(references)} rows of references.")


def ragged(values: Any) -> bool:
    """Whether it is a list of rows that differ in length."""
    if not isinstance(values, list | tuple) or not values or isinstance(values[0], str) or np.ndim(values[0]) == 0:
        return False
    return len({len(row) for row in values}) > 1


def best(found: np.ndarray, axes: int) -> np.ndarray:
    """The class with the highest score, where there is an axis of scores. Raises: ValueError if a score is NaN."""
    if found.ndim != axes + 1:
        return found
    if found.shape[-1] == 1:
        return found[..., 0]
    if found.dtype.kind == "f" and np.isnan(found).any():
        raise ValueError("a prediction is NaN, so no class is the likeliest. Did the training diverge?")
    return found.argmax(-1)


def _whole(values: np.ndarray, what: str) -> np.ndarray:
    if values.dtype.kind in "iub" or not values.size:
        return values.astype(np.int64)
    if values.dtype.kind in "US":
        return values
    if values.dtype.kind == "f" and (values == np.floor(values)).all():
        return values.astype(np.int64)
    raise ValueError(
        f"{what} are not classes: {short(values.ravel()[:4].tolist())}. Classes are whole numbers or names; scores "
        "of classes need an axis more than the references; numbers are measured by Pearson() and Spearman()."
    )
