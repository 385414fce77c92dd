"""Classes of texts or pairs of texts, quantities of them, and the right one of several texts."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...config import Config
from ...errors import short
from ..data.collators import DataCollatorForMultipleChoice
from ..data.reading import Row, Rows
from ..metrics.classes import ConfusionMatrix, PrecisionRecallF1
from ..metrics.compute import compute_metrics_for
from .base import TEXTS, Dataset, Options, Report, Task, measured, texts_of
from .labels import Labels, find_problem, number_of, read, settle

LABELS = (
    "label", "labels", "class", "category", "target", "sentiment", "intent", "topic", "emotion", "type", "score",
    "rating", "stars", "similarity_score", "gold_label", "y",
)  # fmt: skip
PAIRS = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("question", "sentence"),
    ("query", "passage"), ("query", "document"), ("text", "text_pair"), ("text_a", "text_b"), ("text1", "text2"),
)  # fmt: skip


class Classification(Task):
    """Rows with one label each, any number of labels, or a quantity."""

    best = "accuracy"

    def __init__(self, options: Options, rows: Rows):
        given = dict(options.columns)
        self.targets = [name.strip() for name in str(given.get("label", "")).split(",")]
        if len(self.targets) > 1 and given["label"] not in rows.columns:  # columns of their own
            given["label"] = self.targets[0]
        super().__init__(replace(options, columns=given), rows)
        self.targets = self.targets if len(self.targets) > 1 else [self.columns["label"]]
        self.columns["label"] = ",".join(self.targets)
        values = [row.get(self.targets[0]) for row in rows]
        several = len(self.targets) > 1
        self.problem = (
            "multi" if several else find_problem(values, options.problem, f"{rows.name}: {self.targets[0]!r}")
        )

    def strata(self, rows: Rows) -> list[Any] | None:
        return read(rows, self.targets, self.problem) if self.problem == "single" else None

    def look(self, train: Rows, held: Rows, config: Config) -> dict[str, Any]:
        values, others = (self._named(read(part, self.targets, self.problem), config) for part in (train, held))
        self.labels: Labels = settle(values, others, train, held, self.problem, config)
        if self.problem == "regression":
            self.best = "loss"
        elif self.problem == "multi":
            self.best = "f1"
        if warning := self.labels.uneven():
            self.notes.append(warning)
        return self.labels.options()

    def _named(self, values: list[Any], config: Config) -> list[Any]:
        """Classes 0, 1, … by the names that the model has for them."""
        own = [str(name) for _, name in sorted((config.id2label or {}).items())]
        self.own = {str(i): name for i, name in enumerate(own)}
        generic = all(re.fullmatch(r"LABEL_\d+", name) for name in own)
        if self.problem != "single" or generic or {self.own.get(value) for value in values} != set(own):
            self.own = {}
        return [self.own.get(value, value) for value in values] if self.problem == "single" else values

    def labels_of(self, rows: Rows) -> list[Any]:
        """Class indices, rows of 0.0 and 1.0, or numbers."""
        values = read(rows, self.targets, self.problem)
        if self.problem == "single":
            values = [self.own.get(value, value) for value in values]
        return self.labels.encode(values)

    def facts(self) -> list[tuple[str, str]]:
        return [*super().facts(), ("labels", str(self.labels))]

    # ---------------------------------------------------------------------------------------------- measured

    def metrics(self, tokenizer: Any) -> Any:
        return compute_metrics_for(self.names[0])

    def report(self, trainer: Any, held: Dataset) -> Report:
        output = trainer.predict(held, metric_key_prefix="eval")
        report = Report(measured(output.metrics or {}), labels=self.labels.names)
        if self.problem == "regression":
            return report
        scores, true = np.asarray(output.predictions), np.asarray(output.label_ids)
        if self.problem == "multi":
            kept = {name: (scores[:, i] > 0, true[:, i] > 0) for i, name in enumerate(self.labels.names)}
            report.classes = {name: _of_one(*pair) for name, pair in kept.items()}
            return report
        return with_classes(report, scores.argmax(-1), true)


class TextClassification(Classification):
    names = ("text-classification", "sentiment-analysis")
    auto, lora = "AutoModelForSequenceClassification", "SEQ_CLS"
    roles = {"text": TEXTS, "label": LABELS}
    optional = {"pair": ("text_pair",)}

    def __init__(self, options: Options, rows: Rows):
        lower = {name.lower(): name for name in rows.columns}
        pair = next((pair for pair in PAIRS if set(pair) <= lower.keys()), None)
        if pair is not None and not {"text", "pair"} & options.columns.keys():
            given = {**options.columns, "text": lower[pair[0]], "pair": lower[pair[1]]}
            options = replace(options, columns=given)
        super().__init__(options, rows)

    def encode(self, rows: Rows, tokenizer: Any, limit: int | None) -> Dataset:
        pair = texts_of(rows, self.columns["pair"]) if "pair" in self.columns else None
        encoded = self.tokenize(tokenizer, texts_of(rows, self.columns["text"]), pair, limit)
        return [{**row, "labels": label} for row, label in zip(encoded, self.labels_of(rows), strict=True)]

    def text(self, row: Row) -> str:
        return "\n".join(str(row.get(self.columns[role])) for role in ("text", "pair") if role in self.columns)


def _of_one(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Precision, recall, F1 and support of one label, of bools (N,)."""
    measured = PrecisionRecallF1("binary")(found.astype(int), true.astype(int))
    return {**measured, "support": int(true.sum())}


def with_classes(report: Report, found: np.ndarray, true: np.ndarray) -> Report:
    """The report with what each class, and each pair of them, came to."""
    tallies, matrix = PrecisionRecallF1("macro"), ConfusionMatrix(list(range(len(report.labels))))
    tallies.update(found, true)
    matrix.update(found, true)
    by_id = {int(i): values for i, values in tallies.per_label().items()}
    report.classes = {report.labels[i]: by_id[i] for i in sorted(by_id)}
    report.matrix = matrix
    return report


class MultipleChoice(Task):
    """A row has "choices", a list of texts, or columns choice0, choice1 …, and the place of the right one from 0, its
    letter, or the text itself."""

    names = ("multiple-choice",)
    auto, lora, best = "AutoModelForMultipleChoice", "SEQ_CLS", "accuracy"
    roles = {"text": ("question", "sent1", "startphrase", "context", *TEXTS), "label": ("answer", "answerkey", *LABELS)}
    optional = {"choices": ("choices", "endings", "options")}

    def __init__(self, options: Options, rows: Rows):
        super().__init__(options, rows)
        stems: dict[str, list[str]] = {}
        for name in rows.columns:
            if match := re.fullmatch(r"(choice|ending|option|answer)_?\d+", name.lower()):
                stems.setdefault(match[1], []).append(name)
        self.many = [] if "choices" in self.columns else max(stems.values(), key=len, default=[])
        if "choices" not in self.columns and len(self.many) < 2:
            raise ValueError(
                f"{rows.name} has no texts to choose from: expected a list in 'choices', or columns choice0, choice1 "
                f"and so on; its columns are {short(rows.columns, 120)}. Say which: columns={{'choices': …}}."
            )

    def encode(self, rows: Rows, tokenizer: Any, limit: int | None) -> Dataset:
        choices = [self._choices(rows, i) for i in range(len(rows))]
        firsts = [text for text, own in zip(texts_of(rows, self.columns["text"]), choices, strict=True) for _ in own]
        flat = self.tokenize(tokenizer, firsts, [text for own in choices for text in own], limit)
        found, place = [], 0
        for index, own in enumerate(choices):
            part = flat[place : place + len(own)]
            place += len(own)
            columns = {name: [row[name] for row in part] for name in part[0]}
            found.append({**columns, "labels": self._right(rows, index, own)})
        return found

    def _choices(self, rows: Rows, index: int) -> list[str]:
        row = rows[index]
        value: Any = row.get(self.columns["choices"]) if not self.many else [row.get(name) for name in self.many]
        value = value.get("text") if isinstance(value, dict) else value
        if not isinstance(value, list) or len(value) < 2 or not all(isinstance(text, str) for text in value):
            raise ValueError(f"{rows.where(index)} has {short(value, 60)} to choose from; expected a list of texts.")
        return value

    def _right(self, rows: Rows, index: int, choices: Sequence[str]) -> int:
        value: Any = rows[index].get(self.columns["label"])
        number = number_of(value)
        if value in choices:
            return list(choices).index(value)
        if isinstance(value, str) and len(value) == 1 and value.isalpha():
            number = ord(value.upper()) - ord("A")
        if number is None or number not in range(len(choices)):
            raise ValueError(
                f"{rows.where(index)} has the answer {short(value, 60)}; expected 0 to {len(choices) - 1}, a letter "
                f"from A, or one of the texts."
            )
        return int(number)

    def collator(self, tokenizer: Any, model: Any) -> Any:
        return DataCollatorForMultipleChoice(tokenizer)

    def metrics(self, tokenizer: Any) -> Any:
        return compute_metrics_for("multiple-choice", average="micro")
