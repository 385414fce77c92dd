"""Metrics by the names, options and results that `evaluate.load` and `datasets.load_metric` have."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import nearest, short
from .answers import Squad, SquadV2
from .classes import Accuracy, ConfusionMatrix, Matthews, PrecisionRecallF1
from .inputs import Metric
from .iou import MeanIoU
from .spans import EntityF1
from .texts import BLEU, CER, CHRF, ROUGE, TER, WER
from .values import MeanSquaredError, Pearson, Spearman

NAMES: dict[str, type[Metric]] = {
    "accuracy": Accuracy, "precision": PrecisionRecallF1, "recall": PrecisionRecallF1, "f1": PrecisionRecallF1,
    "matthews_correlation": Matthews, "confusion_matrix": ConfusionMatrix, "pearsonr": Pearson, "spearmanr": Spearman,
    "mse": MeanSquaredError, "seqeval": EntityF1, "squad": Squad, "squad_v2": SquadV2, "sacrebleu": BLEU, "chrf": CHRF,
    "ter": TER, "rouge": ROUGE, "wer": WER, "cer": CER, "mean_iou": MeanIoU,
}  # fmt: skip
GLUE: dict[str, tuple[str, ...]] = {
    "mrpc": ("accuracy", "f1"), "qqp": ("accuracy", "f1"), "cola": ("matthews_correlation",),
    "stsb": ("pearsonr", "spearmanr"), "sst2": ("accuracy",), "mnli": ("accuracy",), "mnli_matched": ("accuracy",),
    "mnli_mismatched": ("accuracy",), "qnli": ("accuracy",), "rte": ("accuracy",), "wnli": ("accuracy",),
    "hans": ("accuracy",),
}  # fmt: skip
OPTIONS = {  # which have other names here
    "pos_label": "positive", "no_answer_threshold": "threshold", "use_effective_order": "effective_order",
    "ignore_punct": "no_punct", "support_zh_ja_chars": "asian_support",
}  # fmt: skip
PARTS = {  # of sacrebleu's results
    "sacrebleu": ("score", "counts", "totals", "precisions", "bp", "sys_len", "ref_len"),
    "chrf": ("score", "char_order", "word_order", "beta"), "ter": ("score", "num_edits", "ref_length"),
}  # fmt: skip


class LoadedMetric:
    """A metric of a name; more than one for a task of GLUE. `compute` gives what `evaluate` gives, of what `add` and
    `add_batch` have kept and of what it is given itself, and forgets them."""

    def __init__(self, name: str, names: Sequence[str]):
        self.name, self.names = name, names
        self.batches: list[tuple[Any, Any]] = []

    def add(self, *, prediction: Any, reference: Any) -> None:
        self.add_batch(predictions=[prediction], references=[reference])

    def add_batch(self, *, predictions: Any, references: Any) -> None:
        self.batches.append((predictions, references))

    def compute(self, *, predictions: Any = None, references: Any = None, **options: Any) -> Any:
        """A dictionary of values; a number from "wer" and "cer". average=None gives an array of all classes.

        Args:
            options: of the metric, such as average="macro", pos_label, labels, use_stemmer, lowercase.

        Raises: TypeError for an option that it does not have, ValueError if there is nothing to measure.
        """
        if (predictions is None) != (references is None):
            raise ValueError("give both predictions= and references=, or none where add_batch() was given them.")
        if predictions is not None:
            self.add_batch(predictions=predictions, references=references)
        batches, self.batches, found = self.batches, [], None
        for name in self.names:
            metric = _made(name, options)
            for batch in batches:
                metric.update(*batch)
            one = _values(name, metric, options)
            found = one if found is None else found | one
        if self.name == "glue" and isinstance(found, dict) and "pearsonr" in found:
            found["pearson"] = found.pop("pearsonr")
        return found


def load_metric(path: str, config_name: str | None = None, **_: Any) -> LoadedMetric:
    """The metric of a name: `load_metric("f1").compute(predictions=[0, 1], references=[0, 0])` -> {"f1": 0.0}.

    Args:
        path: "accuracy", "f1", "seqeval", "squad", "sacrebleu", "rouge", "wer" ...; "glue" with the task as
            config_name. "rouge" is the mean over texts, where `evaluate` draws samples of them.

    Raises: ValueError for another name.
    """
    names = GLUE.get(config_name or "") if path == "glue" else (path,) if path in NAMES else None
    if names is None:
        given, known = (config_name, GLUE) if path == "glue" else (path, [*NAMES, "glue"])
        raise ValueError(f"no metric is called {short(given)}; the nearest are {nearest(given, known)}.")
    return LoadedMetric(path, names)


def _made(name: str, options: dict[str, Any]) -> Metric:
    given = {OPTIONS.get(option, option): value for option, value in options.items()}
    if "average" in given and given["average"] is None:  # each class alone, of which per_label tells
        given["average"] = "macro"
    given.pop("use_aggregator", None)
    try:
        return NAMES[name](**given)
    except TypeError as error:
        raise TypeError(f"{name} does not take all of {short(sorted(options))}: {error}.") from None


def _values(name: str, metric: Any, options: dict[str, Any]) -> Any:
    if name in ("precision", "recall", "f1") and options.get("average", "") is None:
        return {name: np.array([values[name] for values in metric.per_label().values()])}
    if name in PARTS:
        score = metric.score()
        return {part: getattr(score, part) for part in PARTS[name]}
    values = metric.compute()
    if name == "seqeval":
        each: dict[str, Any] = {}
        for kind, found in metric.per_label().items():
            each[kind] = {"number" if part == "support" else part: value for part, value in found.items()}
        return each | {f"overall_{part}": value for part, value in values.items()}
    if name == "mean_iou":
        return values | metric.per_label()
    if name == "confusion_matrix":
        return {name: metric.matrix}
    if name in ("wer", "cer"):
        return values[name]
    own = values.get(name.removesuffix("r"), values.get(name))
    return values if own is None else {name: own}
