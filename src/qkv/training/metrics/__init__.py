"""Metrics: what `Trainer` takes as compute_metrics, what it hands to it, and functions on whole arrays.

    Trainer(..., compute_metrics=compute_metrics_for("text-classification"))

Each metric is an object too, which reads batch after batch: `f1 = PrecisionRecallF1("macro"); f1.update(predictions,
references); f1.compute()`. Predictions come first, as the field has it; scikit-learn's functions take them last.
`load_metric("f1")` has the form of `evaluate.load("f1")`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..results import EvalLoopOutput, EvalPrediction, PredictionOutput, TrainOutput
from .answers import Squad, SquadV2
from .classes import Accuracy, ConfusionMatrix, Matthews, MultiLabel, PrecisionRecallF1
from .compute import ComputeMetrics, compute_metrics_for
from .inputs import Metric
from .iou import MeanIoU
from .load import load_metric
from .spans import EntityF1
from .texts import BLEU, CER, CHRF, ROUGE, TER, WER
from .values import MeanSquaredError, Pearson, Perplexity, Spearman

__all__ = [
    "BLEU", "CER", "CHRF", "ROUGE", "TER", "WER", "Accuracy", "ComputeMetrics", "ConfusionMatrix", "EntityF1",
    "EvalLoopOutput", "EvalPrediction", "Matthews", "MeanIoU", "MeanSquaredError", "Metric", "MultiLabel",
    "Pearson", "Perplexity", "PrecisionRecallF1", "PredictionOutput", "Spearman", "Squad", "SquadV2", "TrainOutput",
    "accuracy", "compute_metrics_for", "confusion_matrix", "entity_f1", "load_metric", "matthews_correlation",
    "pearson", "perplexity", "precision_recall_f1", "spearman", "squad", "squad_v2",
]  # fmt: skip


def accuracy(predictions: Any, references: Any) -> float:
    """The part of predictions that is right."""
    return Accuracy()(predictions, references)["accuracy"]


def precision_recall_f1(predictions: Any, references: Any, average: str = "binary", **options: Any) -> dict[str, float]:
    """{"precision", "recall", "f1"}; options of `PrecisionRecallF1`."""
    return PrecisionRecallF1(average, **options)(predictions, references)


def matthews_correlation(predictions: Any, references: Any) -> float:
    return Matthews()(predictions, references)["matthews_correlation"]


def pearson(predictions: Any, references: Any) -> float:
    return Pearson()(predictions, references)["pearson"]


def spearman(predictions: Any, references: Any) -> float:
    return Spearman()(predictions, references)["spearman"]


def confusion_matrix(predictions: Any, references: Any, labels: Sequence[Any] | None = None) -> np.ndarray:
    """Counts (K,K) of each true class (row) predicted as each class (column); options of `ConfusionMatrix`."""
    matrix = ConfusionMatrix(labels)
    matrix.update(predictions, references)
    return matrix.matrix


def entity_f1(predictions: Any, references: Any, id2label: Any = None, **options: Any) -> dict[str, float]:
    """{"precision", "recall", "f1", "accuracy"} of entities; options of `EntityF1`."""
    return EntityF1(id2label, **options)(predictions, references)


def squad(predictions: Any, references: Any) -> dict[str, float]:
    """{"exact_match", "f1"}, in percent, see `Squad`."""
    return Squad()(predictions, references)


def squad_v2(predictions: Any, references: Any, threshold: float = 1.0) -> dict[str, float]:
    """SQuAD 2.0's values, see `SquadV2`."""
    return SquadV2(threshold)(predictions, references)


def perplexity(predictions: Any, references: Any = None, shift: bool = False) -> float:
    """e to the mean loss of a token, from losses or logits, see `Perplexity`."""
    return Perplexity(shift)(predictions, references)["perplexity"]
