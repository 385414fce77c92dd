"""What evaluation, prediction and training give: the field's tuples."""

from collections.abc import Iterator
from typing import Any, NamedTuple

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
