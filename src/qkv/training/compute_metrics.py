"""Functions that `Trainer` takes as compute_metrics: which metrics suit a task, and how an EvalPrediction is read."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import nearest, short
from .class_metrics import Accuracy, MultiLabel, PrecisionRecallF1
from .metric_inputs import Metric, as_array
from .results import Arrays, EvalPrediction
from .span_metrics import EntityF1
from .value_metrics import MeanSquaredError, Pearson, Perplexity, Spearman


class ComputeMetrics:
    """A function for `Trainer(compute_metrics=)`: EvalPrediction -> {name: value}.

    With `batch_eval_metrics` it is called with each batch and compute_result=False, which adds the batch and gives
    {}, and at last with compute_result=True, which gives the values of all and forgets them.
    """

    def __call__(self, prediction: EvalPrediction, compute_result: bool = True) -> dict[str, float]:
        batches = [prediction]
        if isinstance(prediction.predictions, list) and isinstance(prediction.label_ids, list):  # not joined
            count = len(prediction.label_ids)
            losses = prediction.losses if isinstance(prediction.losses, list) else [None] * count
            parts = zip(prediction.predictions, prediction.label_ids, [None] * count, losses, strict=True)
            batches = [EvalPrediction(*part) for part in parts]
        for batch in batches:
            scores, labels = _first(batch.predictions), _first(batch.label_ids)
            self.update(scores, labels, None if batch.losses is None else as_array(batch.losses))
        if not compute_result:
            return {}
        try:
            return self.compute()
        finally:
            self.reset()

    def update(self, predictions: Any, labels: Any, losses: Any) -> None:
        raise NotImplementedError

    def compute(self) -> dict[str, float]:
        raise NotImplementedError

    def reset(self) -> None:
        raise NotImplementedError


def _first(arrays: Arrays) -> np.ndarray | None:
    arrays = arrays[0] if isinstance(arrays, tuple) else arrays
    return None if arrays is None else as_array(arrays)


class _Classification(ComputeMetrics):
    """Accuracy and F1; of any number of labels a row; or, of numbers, their correlations and squared error."""

    def __init__(self, average: str | None) -> None:
        self.average = average
        self.reset()

    def reset(self) -> None:
        self.metrics: list[Any] = []
        self.binary = True

    def update(self, predictions: Any, labels: Any, losses: Any) -> None:
        if predictions is None or labels is None:
            raise ValueError("accuracy needs predictions and labels: is prediction_loss_only set?")
        wide = labels.ndim == 2 and labels.shape[1] > 1
        if not self.metrics:
            if wide and labels.shape == predictions.shape:
                self.metrics = [MultiLabel(self.average or "micro")]
            elif labels.dtype.kind == "f":
                self.metrics = [MeanSquaredError(), Pearson(), Spearman()]
            else:
                self.metrics = [Accuracy(), PrecisionRecallF1(self.average or "macro")]
        if labels.ndim == 2 and not wide:
            labels = labels[:, 0]
        scores = predictions.shape[-1] if predictions.ndim > labels.ndim else 2
        self.binary &= scores <= 2 and (not labels.size or labels.max() <= 1)
        for metric in self.metrics:
            metric.update(predictions, labels)

    def compute(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for metric in self.metrics:
            if isinstance(metric, PrecisionRecallF1):
                seen = metric.names.tolist()
                if self.average is None and self.binary and set(seen) <= {0, 1}:
                    metric.average = "binary"
                found["f1"] = metric.compute()["f1"]
            else:
                found |= metric.compute()
        return found


class _One(ComputeMetrics):
    """The values of one metric."""

    metric: Metric

    def compute(self) -> dict[str, float]:
        return self.metric.compute()

    def reset(self) -> None:
        self.metric.reset()


class _Tokens(_One):
    def __init__(self, id2label: Mapping[Any, str], average: str | None, scheme: str | None) -> None:
        self.metric = EntityF1(id2label, scheme=scheme, average=average or "micro")

    def update(self, predictions: Any, labels: Any, losses: Any) -> None:
        if predictions is None or labels is None:
            raise ValueError("entities need predictions and labels: is prediction_loss_only set?")
        self.metric.update(predictions, labels)


class _Language(_One):
    def __init__(self, shift: bool) -> None:
        self.metric = Perplexity(shift)

    def update(self, predictions: Any, labels: Any, losses: Any) -> None:
        if losses is None and (predictions is None or predictions.ndim != 3):
            raise ValueError(
                "perplexity needs the losses, or logits and labels (then memory grows with the vocabulary). "
                "Type TrainingArguments(include_for_metrics=['loss'])."
            )
        self.metric.update(predictions if losses is None else losses, labels)


TASKS = {
    "text-classification": "classes", "sequence-classification": "classes", "sentiment-analysis": "classes",
    "image-classification": "classes", "audio-classification": "classes", "multiple-choice": "classes",
    "token-classification": "tokens", "ner": "tokens", "fill-mask": "masked", "masked-lm": "masked",
    "text-generation": "causal", "causal-lm": "causal",
}  # fmt: skip


def compute_metrics_for(
    task: str, *, id2label: Mapping[Any, str] | None = None, average: str | None = None, scheme: str | None = None
) -> ComputeMetrics:
    """A compute_metrics for a task.

    - "text-classification", "image-classification", "audio-classification", "multiple-choice": {"accuracy", "f1"}; F1
      is of class 1 if there are two classes, else `average`, "macro" if None. Labels (N,L) of 0 and 1 give accuracy
      (all labels of a row right), precision, recall and F1 ("micro"), scores over 0 counting as yes. Labels that are
      floats (N,) give {"mse", "pearson", "spearman"}.
    - "token-classification", "ner": {"precision", "recall", "f1", "accuracy"} of entities, see `EntityF1`; needs
      id2label=model.config.id2label.
    - "text-generation", "fill-mask": {"perplexity"}, from losses if EvalPrediction has them, else from logits.

    Returns: a function of an `EvalPrediction`, which also does for `batch_eval_metrics`.

    Raises: ValueError for an unknown task, or token labels without names.
    """
    kind = TASKS.get(task)
    if kind is None:
        raise ValueError(f"no metrics for task {short(task)}; the nearest are {nearest(task, TASKS)}.")
    if kind == "classes":
        return _Classification(average)
    if kind == "tokens":
        if not id2label:
            raise ValueError(f"{task} needs the names of labels; type id2label=model.config.id2label.")
        return _Tokens(id2label, average, scheme)
    return _Language(shift=kind == "causal")
