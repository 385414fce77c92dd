"""Labels of words: tags of given words, or labelled parts of a text by their characters."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...config import Config
from ...errors import short
from ...heads.base import IGNORED
from ..data.collators import DataCollatorForTokenClassification
from ..data.reading import Row, Rows
from ..metrics.compute import compute_metrics_for
from ..metrics.spans import EntityF1
from .base import TEXTS, Dataset, Options, Report, Task, columns_to_rows, measured
from .labels import Labels, check_known, name_of, ordered

WORDS = ("tokens", "words")
TAGS = ("ner_tags", "tags", "labels", "label", "pos_tags", "chunk_tags", "ner", "pos", "tag")
SPANS = ("entities", "spans", "annotations", "labels", "label", "entity_spans")
WIDE = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts without spaces: a letter is a word
UNIT = re.compile(rf"[{WIDE}]|[^\W{WIDE}]+|[^\w\s]")
Unit = tuple[int, int, str]  # the characters [start, end) of a word, and its tag


class TokenClassification(Task):
    names = ("token-classification", "ner")
    auto, lora, best = "AutoModelForTokenClassification", "TOKEN_CLS", "f1"

    def __init__(self, options: Options, rows: Rows):
        given = options.columns
        names = {name.lower() for name in rows.columns}
        words = "tokens" in given or ("text" not in given and not names.isdisjoint(WORDS))
        self.roles = {"tokens": WORDS, "label": TAGS} if words else {"text": TEXTS, "label": SPANS}
        super().__init__(options, rows)

    def look(self, train: Rows, held: Rows, config: Config) -> dict[str, Any]:
        counts = Counter(tag for i in range(len(train)) for _, _, tag in self._units(train, i)[1])
        for i in range(len(held)):
            check_known((tag for _, _, tag in self._units(held, i)[1] if tag != "O"), counts, held, i)
        if len(counts) < 2:
            raise ValueError(f"{train.name} has one label, {short(next(iter(counts), ''))}: nothing to tell apart.")
        names = ordered({"O": 0, **counts} if "text" in self.columns else counts, config)
        names.sort(key=lambda name: name != "O")  # as is usual, what is no entity comes first
        if set(names) == set((config.id2label or {}).values()):
            names = ordered(names, config)
        self.labels = Labels("single", names, [counts[name] for name in names], counts.total())
        return {name: value for name, value in self.labels.options().items() if name != "problem_type"}

    def encode(self, rows: Rows, tokenizer: Any, limit: int | None) -> Dataset:
        """Rows of ids with the label of each word at its first token; texts that are too long become several rows."""
        parts = [self._units(rows, i) for i in range(len(rows))]
        texts = [text for text, _ in parts]
        first = self.lengths is None
        encoded = self.windows(tokenizer, [texts], limit, return_offsets_mapping=True)
        if first and self.long:
            most = self.settle([], limit)
            self.notes.append(f"{self.long:,} rows have more than {most:,} tokens: each became several")
        source = encoded.pop("overflow_to_sample_mapping")
        ids, found = {name: i for i, name in enumerate(self.labels.names)}, []
        for row, text in zip(columns_to_rows(encoded), source, strict=True):
            labels = self._tags(row.pop("offset_mapping"), parts[text][1], ids)
            found.append({**row, "labels": labels})
        return found

    def _tags(self, offsets: list[tuple[int, int]], units: list[Unit], ids: dict[str, int]) -> list[int]:
        """The label of each token: of the word that begins in it, else -100."""
        labels, unit = [], 0
        for start, end in offsets:
            while unit < len(units) and units[unit][0] < start:
                unit += 1
            begins = start < end and unit < len(units) and start <= units[unit][0] < end
            labels.append(ids[units[unit][2]] if begins else IGNORED)
        return labels

    # ---------------------------------------------------------------------------------------------- words of a row

    def _units(self, rows: Rows, index: int) -> tuple[str, list[Unit]]:
        """The text of a row, and its words."""
        row, label = rows[index], self.columns["label"]
        if "tokens" not in self.columns:
            return self._spans(rows, index)
        words, tags = row.get(self.columns["tokens"]), row.get(label)
        words = words.split() if isinstance(words, str) else words
        tags = tags.split() if isinstance(tags, str) else tags
        if not isinstance(words, list) or not isinstance(tags, list) or len(words) != len(tags):
            sizes = [len(part) if isinstance(part, list) else short(part, 30) for part in (words, tags)]
            raise ValueError(f"{rows.where(index)} has {sizes[0]} words and {sizes[1]} tags; expected as many of each.")
        units, place = [], 0
        for word, tag in zip(map(str, words), tags, strict=True):
            units.append((place, place + len(word), name_of(tag)))
            place += len(word) + 1
        return " ".join(map(str, words)), units

    def _spans(self, rows: Rows, index: int) -> tuple[str, list[Unit]]:
        """The same from parts of a text: words, cut where a part begins or ends, as B-, I- and O."""
        row = rows[index]
        text, spans = row.get(self.columns["text"]), []
        if not isinstance(text, str):
            raise ValueError(f"{rows.where(index)} has {short(text, 60)} as its text; expected a string.")
        for given in row.get(self.columns["label"]) or []:
            span = _span(given)
            if span is None or not 0 <= span[0] < span[1] <= len(text):
                raise ValueError(
                    f"{rows.where(index)} has {short(given, 60)}; expected {{'start': 0, 'end': 4, 'label': 'PER'}} or "
                    f"[0, 4, 'PER'], characters of a text of {len(text)}."
                )
            spans.append(span)
        spans.sort()
        clash = next((pair for pair in zip(spans, spans[1:], strict=False) if pair[0][1] > pair[1][0]), None)
        if clash is not None:
            raise ValueError(f"{rows.where(index)} has spans over each other, {clash[0]} and {clash[1]}. Keep one.")
        units: list[Unit] = []
        edges = [0, *(edge for start, end, _ in spans for edge in (start, end)), len(text)]
        kinds = {(start, end): kind for start, end, kind in spans}
        for start, end in zip(edges, edges[1:], strict=False):
            kind = kinds.get((start, end))
            for i, match in enumerate(UNIT.finditer(text[start:end])):
                tag = "O" if kind is None else f"{'I' if i else 'B'}-{kind}"
                units.append((start + match.start(), start + match.end(), tag))
        return text, units

    def text(self, row: Row) -> str:
        words = row.get(self.columns.get("tokens", self.columns.get("text", "")))
        return " ".join(map(str, words)) if isinstance(words, list) else str(words)

    def facts(self) -> list[tuple[str, str]]:
        return [*super().facts(), ("labels", f"of words: {self.labels}")]

    # ---------------------------------------------------------------------------------------------- measured

    def collator(self, tokenizer: Any, model: Any) -> Any:
        return DataCollatorForTokenClassification(tokenizer)

    def metrics(self, tokenizer: Any) -> Any:
        return compute_metrics_for("token-classification", id2label=dict(enumerate(self.labels.names)))

    def preprocess(self, logits: Any, labels: Any) -> Any:
        return logits.argmax(-1)

    def report(self, trainer: Any, held: Dataset) -> Report:
        output = trainer.predict(held, metric_key_prefix="eval")
        entities = EntityF1(dict(enumerate(self.labels.names)))
        entities.update(np.asarray(output.predictions), np.asarray(output.label_ids))
        return Report(measured(output.metrics or {}), entities.per_label(), labels=self.labels.names)


def _span(given: Any) -> tuple[int, int, str] | None:
    """(start, end, label) of a mapping or a list of three."""
    if isinstance(given, Mapping):
        label = next(
            (given[name] for name in ("label", "type", "entity", "entity_group", "tag") if name in given), None
        )
        label = label[0] if isinstance(label, list) and len(label) == 1 else label
        given = (given.get("start", given.get("start_offset")), given.get("end", given.get("end_offset")), label)
    if not isinstance(given, list | tuple) or len(given) != 3:
        return None
    start, end, label = given
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(label, str | int):
        return None
    return start, end, name_of(label)
