"""What a data set holds, row by row: lengths, labels, columns; and which row does not fit the model."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from ...errors import short
from ...heads.base import IGNORED
from ..data.columns import model_columns
from ..data.loader import check_dataset, is_map_style
from ..data.pictures import Pictures
from ..data.rows import LABELS
from ..loss import head_of, target_names

CLASSIFIERS = ("SequenceClassifier", "TokenClassifier", "ImageClassifier")
PICTURES = 500  # that are looked at: each of them is decoded
SHOWN = 8  # classes that are listed


@dataclass
class Survey:
    """Of a data set.

    count: rows in all, None if it does not say; seen: rows that were looked at.
    lengths: tokens of each row that was seen, those that a mask leaves out aside; empty if rows have no input_ids.
    labels: how often each class is a target, by its name; empty if targets are no classes.
    targets: numbers that the loss is a mean of. longest: the longest rows, as (number, row).
    """

    name: str
    count: int | None
    seen: int = 0
    columns: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    targets: int = 0
    longest: list[tuple[int, Any]] = field(default_factory=list)

    @property
    def cut(self) -> int:
        """How many rows have the longest length, if so many do that they were probably cut there."""
        most = max(self.lengths, default=0)
        alike = sum(length == most for length in self.lengths)
        return alike if alike > 1 and most > min(self.lengths) and alike > self.lengths.count(most - 1) * 2 else 0

    def lines(self) -> list[tuple[str, str]]:
        """What is to be known, as (name, text)."""
        rows = "rows that come one by one" if self.count is None else f"{self.count:,} rows"
        rows += f", {self.seen:,} looked at" if self.seen != self.count else ""
        found = [(self.name, rows)]
        if self.lengths:
            text = f"{min(self.lengths):,} to {max(self.lengths):,}, {np.mean(self.lengths):,.1f} on average"
            found.append(("tokens", text + (f"; {self.cut:,} rows have the most, so were cut" if self.cut else "")))
        left = f"; left out: {', '.join(self.dropped)}" if self.dropped else ""
        found.append(("columns", ", ".join(self.columns) + left))
        if self.labels:
            whole, most = self.labels.total(), self.labels.most_common(SHOWN)
            shown = [f"{name} {count:,} ({100 * count / whole:.0f}%)" for name, count in most]
            more = f", and {len(self.labels) - SHOWN} more classes" if len(self.labels) > SHOWN else ""
            found.append(("labels", ", ".join(shown) + more))
        elif self.targets:
            found.append(("targets", f"{self.targets:,}"))
        return found


def survey(trainer: Any, dataset: Any, name: str, most: int, longest: int) -> Survey:
    """Look at up to `most` rows, evenly from the whole data set, and keep the `longest` longest.

    Raises: ValueError with the number of the row that cannot be read or collated, or that the model does not take.
    """
    check_dataset(dataset, name)
    sized = is_map_style(dataset)
    found = Survey(name, len(dataset) if sized else None)
    size, look = trainer.args.per_device_train_batch_size, _Look(trainer.model, found)
    most = min(most, PICTURES) if isinstance(dataset, Pictures) else most
    collate = trainer.collate_for(name.removesuffix("_dataset"))
    heap: list[tuple[int, int, Any]] = []
    numbered = iter(_spread(dataset, most) if sized else enumerate(islice(iter(dataset), most)))
    while rows := _read(numbered, size, name, found):
        for number, row in rows:
            length = look(number, row)
            heapq.heappush(heap, (length, -number, row))
            if len(heap) > longest:
                heapq.heappop(heap)
        _collated(collate, rows, name)
    found.longest = [(-number, row) for _, number, row in sorted(heap, reverse=True, key=lambda each: each[:2])]
    return found


def _spread(dataset: Any, most: int) -> Iterable[tuple[int, Any]]:
    count = len(dataset)
    step = max(count / most, 1.0)
    for i in range(min(most, count)):
        yield int(i * step), dataset[int(i * step)]


def _read(numbered: Any, size: int, name: str, found: Survey) -> list[tuple[int, Any]]:
    rows: list[tuple[int, Any]] = []
    while len(rows) < size:
        try:
            rows.append(next(numbered))
        except StopIteration:
            break
        except Exception as error:
            raise ValueError(f"{name} breaks off after row {found.seen + len(rows) - 1}: {_said(error)}") from error
    found.seen += len(rows)
    return rows


def _collated(collate: Any, rows: list[tuple[int, Any]], name: str) -> None:
    """Raises: ValueError with the row that cannot be in a batch: that which fails alone, or without which they fit."""
    error = _failure(collate, rows)
    if error is None:
        return
    alone = ((number, _failure(collate, [(number, row)])) for number, row in rows)
    without = ((rows[i][0], error) for i in range(len(rows)) if not _failure(collate, rows[:i] + rows[i + 1 :]))
    for number, cause in (*alone, *without):
        if cause is not None:
            raise ValueError(f"row {number} of {name}: {_said(cause)}") from cause
    raise ValueError(f"rows {rows[0][0]} to {rows[-1][0]} of {name} make no batch: {_said(error)}") from error


def _failure(collate: Any, rows: list[tuple[int, Any]]) -> Exception | None:
    try:
        collate([row for _, row in rows]) if rows else None
    except Exception as error:
        return error
    return None


def _said(error: Exception) -> str:
    return f"{str(error)[:280] or type(error).__name__}"


class _Look:
    """Counts rows into a Survey, and finds those that the model does not take."""

    def __init__(self, model: Any, found: Survey):
        self.found, self.known = found, model_columns(model)
        config, head = getattr(model, "config", None), head_of(model)
        body = getattr(model, "base_model", None)
        self.limit = getattr(body, "max_tokens", None)
        table = model.get_input_embeddings() if hasattr(model, "get_input_embeddings") else None
        self.vocabulary = getattr(table, "num_embeddings", None)
        self.target = next(iter(target_names(model)), "labels")
        self.names = {int(i): str(label) for i, label in dict(getattr(config, "id2label", None) or {}).items()}
        classifies = type(head).__name__ in CLASSIFIERS and len(self.names) > 1
        self.classes = len(self.names) if classifies else None

    def __call__(self, number: int, row: Any) -> int:
        """Counts a row; its length."""
        if not isinstance(row, Mapping):
            return 0
        if not self.found.columns:
            taken = None if self.known is None else {*self.known, *LABELS}
            self.found.columns = [name for name in row if taken is None or name in taken]
            self.found.dropped = [name for name in row if taken is not None and name not in taken]
        where = f"row {number} of {self.found.name}"
        label = next((row[name] for name in (self.target, *LABELS) if row.get(name) is not None), None)
        if label is not None and not isinstance(label, str):
            self._count(np.asarray(label), where)
        if row.get("input_ids") is None:
            return 0
        ids, mask = np.asarray(row["input_ids"]), row.get("attention_mask")
        length = int(np.asarray(mask).sum()) if mask is not None else ids.size
        self.found.lengths.append(length)
        if ids.size and self.vocabulary is not None and not 0 <= ids.min() <= ids.max() < self.vocabulary:
            wrong = ids.max() if ids.max() >= self.vocabulary else ids.min()
            raise ValueError(
                f"{where}: input_ids holds {wrong}, and the model has {self.vocabulary} tokens. Is the tokenizer this "
                f"model's? If you added tokens: model.resize_token_embeddings(len(tokenizer))."
            )
        if self.limit is not None and ids.shape[-1:] > (self.limit,):
            raise ValueError(
                f"{where} has {ids.shape[-1]} tokens, and the model reads {self.limit}. Tokenize with "
                f"truncation=True, max_length={self.limit}."
            )
        return length

    def _count(self, label: np.ndarray, where: str) -> None:
        if label.dtype.kind not in "iub":
            if self.classes == label.size:  # several classes at once
                self.found.labels.update(self.names[i] for i in np.flatnonzero(label > 0.5).tolist())
            self.found.targets += label.size
            return
        asked = label[label != IGNORED]
        self.found.targets += asked.size
        if self.classes is None:
            return
        wrong = asked[(asked < 0) | (asked >= self.classes)]
        if wrong.size:
            raise ValueError(
                f"{where} has the label {wrong[0]}, and the model has {self.classes} classes, 0 to {self.classes - 1}. "
                f"Load it with num_labels={max(int(wrong.max()) + 1, self.classes)}, or mend the labels: "
                f"{short(self.names, 120)}."
            )
        self.found.labels.update(self.names.get(int(each), str(each)) for each in asked.ravel().tolist())
