"""Functions that `Trainer` takes as compute_metrics: which metrics suit a task, and how an EvalPrediction is read."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import nearest, short
from ..results import Arrays, EvalPrediction
from .classes import Accuracy, MultiLabel, PrecisionRecallF1
from .inputs import Metric, as_array
from .spans import EntityF1
from .texts import BLEU, CER, CHRF, ROUGE, TER, WER
from .values import MeanSquaredError, Pearson, Perplexity, Spearman


class ComputeMetrics:
    """A function for `Trainer(compute_metrics=)`: EvalPrediction -> {name: value}.

    With `batch_eval_metrics` it is called with each batch and compute_result=False, which adds the batch and gives
    {}, and at last with compute_result=True, which gives the values of all and forgets them.
    """

    def __init__(self, *metrics: Metric) -> None:
        self.metrics = metrics

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
        if predictions is None or labels is None:
            raise ValueError(
                "metrics need predictions and labels: is prediction_loss_only set, or are there no labels?"
            )
        for metric in self.metrics:
            metric.update(predictions, labels)

    def compute(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for metric in self.metrics:
            found |= metric.compute()
        return found

    def reset(self) -> None:
        for metric in self.metrics:
            metric.reset()


def _first(arrays: Arrays) -> np.ndarray | None:
    arrays = arrays[0] if isinstance(arrays, tuple) else arrays
    return None if arrays is None else as_array(arrays)


class _Classification(ComputeMetrics):
    """Accuracy and F1; of any number of labels a row; or, of numbers, their correlations and squared error."""

    def __init__(self, average: str | None) -> None:
        super().__init__()
        self.average, self.binary = average, True

    def reset(self) -> None:
        self.metrics, self.binary = (), True

    def update(self, predictions: Any, labels: Any, losses: Any) -> None:
        if predictions is not None and labels is not None:
            wide = labels.ndim == 2 and labels.shape[1] > 1
            if not self.metrics:
                if wide and labels.shape == predictions.shape:
                    self.metrics = (MultiLabel(self.average or "micro"),)
                elif labels.dtype.kind == "f":
                    self.metrics = (MeanSquaredError(), Pearson(), Spearman())
                else:
                    self.metrics = (Accuracy(), PrecisionRecallF1(self.average or "macro"))
            if labels.ndim == 2 and not wide:
                labels = labels[:, 0]
            scores = predictions.shape[-1] if predictions.ndim > labels.ndim else 2
            self.binary &= scores <= 2 and (not labels.size or labels.max() <= 1)
        super().update(predictions, labels, losses)

    def compute(self) -> dict[str, float]:
        first = next(iter(self.metrics), None)
        if isinstance(first, MeanSquaredError) and first.count < 2:  # of one number there is no correlation
            self.metrics = (first,)
        f1 = next((metric for metric in self.metrics if isinstance(metric, PrecisionRecallF1)), None)
        if f1 is not None and self.average is None and self.binary and set(f1.names) <= {0, 1}:
            f1.average = "binary"
        found = super().compute()
        return found if f1 is None else {name: found[name] for name in ("accuracy", "f1")}


class _Language(ComputeMetrics):
    def update(self, predictions: Any, labels: Any, losses: Any) -> None:
        if losses is None and (predictions is None or predictions.ndim != 3):
            raise ValueError(
                "perplexity needs the losses, or logits and labels (then memory grows with the vocabulary). "
                "Type TrainingArguments(include_for_metrics=['loss'])."
            )
        for metric in self.metrics:
            metric.update(predictions if losses is None else losses, labels)


class _Texts(ComputeMetrics):
    """Metrics of texts, of ids (N,T) that a model wrote; and "gen_len", how many of them are tokens, in the mean."""

    def __init__(self, tokenizer: Any, *metrics: Metric, lines: bool = False) -> None:
        super().__init__(*metrics)
        self.tokenizer, self.lines, self.lengths = tokenizer, lines, []

    def update(self, predictions: Any, labels: Any, losses: Any) -> None:
        if predictions is not None and (predictions.ndim != 2 or predictions.dtype.kind not in "iu"):
            raise ValueError(
                f"texts are measured of ids (N,T) that the model wrote, and predictions are {predictions.dtype} of "
                f"shape {predictions.shape}. Use Seq2SeqTrainer with predict_with_generate=True."
            )
        if predictions is not None and labels is not None:
            self.lengths += (self._filled(predictions) != self.tokenizer.pad_token_id).sum(1).tolist()
            predictions, labels = self._read(predictions), self._read(labels)
        super().update(predictions, labels, losses)

    def compute(self) -> dict[str, float]:
        return super().compute() | {"gen_len": float(np.mean(self.lengths))}

    def reset(self) -> None:
        super().reset()
        self.lengths = []

    def _filled(self, ids: np.ndarray) -> np.ndarray:
        return np.where(ids < 0, self.tokenizer.pad_token_id, ids)

    def _read(self, ids: np.ndarray) -> list[str]:
        texts = [text.strip() for text in self.tokenizer.batch_decode(self._filled(ids), skip_special_tokens=True)]
        return [SENTENCE_END.sub("\n", text) for text in texts] if self.lines else texts


SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
TEXTS: dict[str, tuple[type[Metric], ...]] = {
    "translation": (BLEU, CHRF), "summarization": (ROUGE,), "automatic-speech-recognition": (WER, CER),
    "bleu": (BLEU,), "chrf": (CHRF,), "ter": (TER,), "rouge": (ROUGE,), "wer": (WER,), "cer": (CER,),
}  # fmt: skip
TASKS = {
    "text-classification": "classes", "sequence-classification": "classes", "sentiment-analysis": "classes",
    "image-classification": "classes", "audio-classification": "classes", "multiple-choice": "classes",
    "token-classification": "tokens", "ner": "tokens", "fill-mask": "masked", "masked-lm": "masked",
    "text-generation": "causal", "causal-lm": "causal",
}  # fmt: skip


def compute_metrics_for(
    task: str, tokenizer: Any = None, *, id2label: Mapping[Any, str] | None = None, average: str | None = None,
    scheme: str | None = None, **options: Any,
) -> ComputeMetrics:  # fmt: skip
    """A compute_metrics for a task.

    - "text-classification", "image-classification", "audio-classification", "multiple-choice": {"accuracy", "f1"}; F1
      is of class 1 if there are two classes, else `average`, "macro" if None. Labels (N,L) of 0 and 1 give accuracy
      (all labels of a row right), precision, recall and F1 ("micro"), scores over 0 counting as yes. Labels that are
      floats (N,) give {"mse", "pearson", "spearman"}.
    - "token-classification", "ner": {"precision", "recall", "f1", "accuracy"} of entities, see `EntityF1`; needs
      id2label=model.config.id2label.
    - "text-generation", "fill-mask": {"perplexity"}, from losses if EvalPrediction has them, else from logits.
    - "summarization" or "rouge", "translation" ("bleu" and "chrf"), "ter", "automatic-speech-recognition" ("wer" and
      "cer"), each also alone: of texts that Seq2SeqTrainer wrote (predict_with_generate=True); needs the tokenizer, and
      takes the options of `ROUGE`, `BLEU` and so on. Also {"gen_len"}, the mean number of tokens. A sentence is a line
      for rougeLsum: a space after . ! ? ends one.

    Returns: a function of an `EvalPrediction`, which also does for `batch_eval_metrics`.

    Raises: ValueError for an unknown task, token labels without names, texts without a tokenizer; ImportError if the
        package that measures texts is not there.
    """
    if task in TEXTS:
        if getattr(tokenizer, "pad_token_id", None) is None:
            raise ValueError(f"{task} is measured of texts; type compute_metrics_for({task!r}, tokenizer).")
        return _Texts(tokenizer, *(metric(**options) for metric in TEXTS[task]), lines=ROUGE in TEXTS[task])
    kind = TASKS.get(task)
    if kind is None:
        raise ValueError(f"no metrics for task {short(task)}; the nearest are {nearest(task, [*TASKS, *TEXTS])}.")
    if options:
        raise TypeError(f"{task} takes no {short(next(iter(options)))}; it takes id2label, average and scheme.")
    if kind == "classes":
        return _Classification(average)
    if kind == "tokens":
        if not id2label:
            raise ValueError(f"{task} needs the names of labels; type id2label=model.config.id2label.")
        return ComputeMetrics(EntityF1(id2label, scheme=scheme, average=average or "micro"))
    return _Language(Perplexity(shift=kind == "causal"))
