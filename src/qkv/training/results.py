"""What evaluation, prediction and training give: the field's tuples."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

Arrays = Any  # an array, a tuple of arrays where a model has several outputs, or a list of batches of either


class EvalPrediction:
    """What a dataset's predictions are measured from; `predictions, label_ids = found` takes it apart.

    predictions, label_ids: arrays (N,...), rows of unequal length filled up with -100; tuples of arrays if the model
        has several outputs or targets.
    inputs, losses: None unless they were asked for (`include_for_metrics`).
    """

    def __init__(self, predictions: Arrays, label_ids: Arrays, inputs: Arrays = None, losses: Arrays = None) -> None:
        self.predictions, self.label_ids, self.inputs, self.losses = predictions, label_ids, inputs, losses

    def _parts(self) -> tuple[Arrays, ...]:
        more = [part for part in (self.inputs, self.losses) if part is not None]
        return (self.predictions, self.label_ids, *more)

    def __iter__(self) -> Iterator[Arrays]:
        return iter(self._parts())

    def __getitem__(self, index: int) -> Arrays:
        return self._parts()[index]

    def __len__(self) -> int:
        return len(self._parts())


class EvalLoopOutput(NamedTuple):
    predictions: Arrays
    label_ids: Arrays
    metrics: dict[str, float] | None
    num_samples: int | None


class PredictionOutput(NamedTuple):
    predictions: Arrays
    label_ids: Arrays
    metrics: dict[str, float] | None


class TrainOutput(NamedTuple):
    global_step: int
    training_loss: float
    metrics: dict[str, float]


def eval_name(metric: str | None) -> str:
    """The name of a metric in evaluations, of metric_for_best_model: with or without "eval_"; the loss if None."""
    return f"eval_{(metric or 'loss').removeprefix('eval_')}"


def to_arrays(value: Any) -> Any:
    """Tensors, or tuples of them, as numpy arrays."""
    if isinstance(value, tuple | list):
        return tuple(to_arrays(one) for one in value)
    if not isinstance(value, Tensor):  # what a prediction_step of one's own gives
        return value
    return value.float().cpu().numpy() if value.is_floating_point() else value.cpu().numpy()


def joined(parts: Sequence[Any], padding: int) -> Any:
    """Batches as one array; rows of unequal length are filled up."""
    if isinstance(parts[0], tuple):
        return tuple(joined(one, padding) for one in zip(*parts, strict=True))
    if parts[0].ndim > 1 and len({part.shape[1:] for part in parts}) > 1:
        longest = [max(part.shape[i] for part in parts) for i in range(1, parts[0].ndim)]
        filled = []
        for part in parts:
            room = [(0, 0), *((0, most - size) for most, size in zip(longest, part.shape[1:], strict=True))]
            filled.append(np.pad(part, room, constant_values=padding))
        parts = filled
    return np.concatenate(parts)
