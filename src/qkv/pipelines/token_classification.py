"""token-classification (ner): entities in a text, or a label for each of its tokens.

A text of any length is read in windows that overlap; each token is labelled in the window where it has most context.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Any, NamedTuple

import torch

from ..errors import nearest, short
from . import base
from .base import Pipeline, Row
from .marked import Entities
from .tagging import Tokens, Unit, grouped, means, speakers, tags, trim, word_spans
from .windows import PLACES, windows

STRIDE = 128  # tokens that windows share at most, if the call does not say
UNSET = ("aggregation_strategy", "ignore_labels", "delimiter")  # options that None leaves as they are


class AggregationStrategy(str, Enum):
    """How labels of tokens become entities: see the pipeline's options."""

    NONE = "none"
    SIMPLE = "simple"
    FIRST = "first"
    AVERAGE = "average"
    MAX = "max"


@dataclass(frozen=True)
class Options(base.Options):
    """
    aggregation_strategy: "none" gives every token; the others give entities. "simple" joins tokens as their labels say;
        "first", "average" and "max" first give each word one label: its first token's, the best of its tokens' mean
        scores, or its surest token's.
    ignore_labels: labels that are left out; for entities those without a prefix ("PER").
    stride: tokens that two windows over a long text share, at most half of them; if None a quarter, but at most 128.
    is_split_into_words: a text is given as a list of words; `delimiter` joins them to the text that results are about.
    offset_mapping: (start, end) of each token of a text, special ones included, in place of the tokenizer's; for a list
        of texts a list of such lists.
    """

    aggregation_strategy: AggregationStrategy | str = AggregationStrategy.NONE
    ignore_labels: Sequence[str] = ("O",)
    stride: int | None = None
    is_split_into_words: bool = False
    delimiter: str = " "
    offset_mapping: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.aggregation_strategy
        name = str(getattr(given, "value", given)).lower()
        known = [strategy.value for strategy in AggregationStrategy]
        if name not in known:
            near = nearest(name, known, len(known))
            raise ValueError(f"aggregation_strategy={short(given)} is unknown; the nearest are {near}.")
        object.__setattr__(self, "aggregation_strategy", AggregationStrategy(name))
        if self.stride is not None and (not isinstance(self.stride, int) or self.stride < 0):
            raise ValueError(f"stride={short(self.stride)} must be a number of tokens, or None.")
        if not isinstance(self.delimiter, str):
            raise TypeError(f"delimiter={short(self.delimiter)} must be a string that joins words, such as ' '.")
        if isinstance(self.ignore_labels, str):
            raise TypeError(f"ignore_labels takes a list: write ignore_labels=[{short(self.ignore_labels)}].")


class Given(NamedTuple):
    """An input, and the characters of its tokens if the call says them."""

    text: Any
    places: Sequence[Any] | None = None


class TokenClassificationPipeline(Pipeline):
    """Texts -> entities.

    An input is a string, or with `is_split_into_words` a list of words. A text gives a list of
    {"entity", "score", "index", "word", "start", "end"}, one for each token that is not ignored, or, with an
    aggregation strategy, of {"entity_group", "score", "word", "start", "end"}; a list of texts gives a list of them.
    An entity's `word` is text[start:end], a token's is as the tokenizer has it. `score` is a float between 0 and 1.
    Notebooks and terminals show the text, marked.

    Older spellings work: `grouped_entities` is "simple", and "first" together with `ignore_subwords`.
    """

    task = "token-classification"
    options_class = Options
    keeps = ("tokens", "own")

    def __call__(self, inputs: Any, **options: Any) -> Any:
        chosen = self.choose(**options)
        one_text = isinstance(inputs, list | tuple) and not any(isinstance(item, list | tuple) for item in inputs)
        if chosen.is_split_into_words and one_text and inputs:
            inputs = [inputs]  # and its result is in a list, as the reference gives it
        if chosen.offset_mapping is not None:
            inputs = _with_places(inputs, chosen.offset_mapping)
        return super().__call__(inputs, **options)

    def is_single(self, inputs: Any) -> bool:
        return isinstance(inputs, str | Given)

    def accepts(self) -> str:
        return "a string, or a list of words with is_split_into_words=True"

    def _changed(self, options: Any, changes: dict[str, Any]) -> Any:
        changes = {name: value for name, value in changes.items() if value is not None or name not in UNSET}
        older = [changes.pop(name, None) for name in ("grouped_entities", "ignore_subwords")]
        if older != [None, None]:
            grouping, words = older
            changes["aggregation_strategy"] = ("first" if words else "simple") if grouping else "none"
        return super()._changed(options, changes)

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        given = [item if isinstance(item, Given) else Given(item) for item in inputs]
        for item in given:
            self._check(item.text, options)
        width = self.limit - self.tokenizer.num_special_tokens_to_add()
        stride = min(STRIDE, width // 4) if options.stride is None else options.stride
        if stride >= max(width, 1):
            raise ValueError(f"stride={stride} must be less than the {width} tokens of a text that this model reads.")
        stride = min(stride, width // 2)
        rows = windows(
            self.tokenizer, [item.text for item in given], limit=self.limit, stride=stride,
            is_split_into_words=options.is_split_into_words,
        )  # fmt: skip
        if self.tokenizer.truncation_side == "left":  # then the first window is at the end of the text
            rows = [group[::-1] for group in rows]
        return [self._owned(item, group, stride, options) for item, group in zip(given, rows, strict=True)]

    def _owned(self, given: Given, rows: list[Row], stride: int, options: Any) -> list[Row]:
        """A text's rows, each with the tokens that it decides about: half of what it shares with the next one."""
        text, begins = given.text, None
        if options.is_split_into_words:
            begins = [0, *accumulate(len(word) + len(options.delimiter) for word in text)]
            text = options.delimiter.join(text)
        found, ahead = [], 0  # tokens of the text before the window
        for i, row in enumerate(rows):
            inner = [place for place, special in enumerate(row["special_tokens_mask"]) if not special]
            if not inner:
                continue
            own = slice(
                inner[0] + (stride - stride // 2 if i > 0 else 0),
                inner[-1] + 1 - (stride // 2 if i < len(rows) - 1 else 0),
            )
            spans, words = row["offset_mapping"][own], row["word_ids"][own]
            if given.places is not None:
                spans = given.places[ahead + own.start : ahead + own.stop]
            elif begins is not None:
                spans = [(start + begins[w], end + begins[w]) for (start, end), w in zip(spans, words, strict=True)]
            spans = [trim(text, start, end) for start, end in spans]
            tokens = Tokens(text, ahead + own.start, row["input_ids"][own], spans, words, begins is not None)
            row = {name: value for name, value in row.items() if name not in PLACES}
            found.append(row | {"tokens": tokens, "own": own})
            ahead += len(inner) - stride
        if found and given.places is not None:
            last = found[-1]
            total = last["tokens"].first - last["own"].start + len(last["input_ids"])
            if len(given.places) != total:
                raise ValueError(
                    f"offset_mapping has {len(given.places)} places; {short(text, 60)} has {total} tokens."
                )
        return found

    def read(self, output: dict[str, torch.Tensor], row: Row, options: Any) -> Any:
        """What is kept of each token: its best label; the scores of all labels where they are averaged."""
        scores = output["logits"][row["own"]].softmax(-1)
        if options.aggregation_strategy == AggregationStrategy.AVERAGE:
            return row["tokens"], scores
        return row["tokens"], *scores.max(-1)

    def postprocess(self, outputs: list[Any], options: Any) -> Entities:
        if not outputs:  # nothing in it that a model reads
            return Entities((), "")
        parts, *kept = zip(*outputs, strict=True)
        tokens, results = Tokens.joined(parts), [torch.cat(part) for part in kept]
        units = self._units(tokens, results, options.aggregation_strategy)
        if options.aggregation_strategy == AggregationStrategy.NONE:
            found = self._each(tokens, units, options.ignore_labels)
        else:
            found = grouped(units, tokens.text, tags(self._labels()), options.ignore_labels)
        return Entities(found, tokens.text)

    def _units(self, tokens: Tokens, results: list[torch.Tensor], strategy: AggregationStrategy) -> list[Unit]:
        """Tokens, or words, with their labels."""
        names = self._labels()
        by_token = strategy in (AggregationStrategy.NONE, AggregationStrategy.SIMPLE)
        numbers = list(range(len(tokens.ids))) if by_token else tokens.word_numbers()
        if strategy == AggregationStrategy.AVERAGE:
            results = list(means(results[0], numbers).max(-1))
        scores, labels = (result.tolist() for result in results)
        spans = word_spans(numbers, tokens.spans)
        chosen = speakers(numbers, scores if strategy == AggregationStrategy.MAX else None)
        if strategy == AggregationStrategy.AVERAGE:
            chosen = list(range(len(spans)))
        return [Unit(names[labels[i]], scores[i], *span) for i, span in zip(chosen, spans, strict=True)]

    def _each(self, tokens: Tokens, units: list[Unit], ignored: Sequence[str]) -> list[dict[str, Any]]:
        words = self.tokenizer.convert_ids_to_tokens(tokens.ids)
        unknown = self.tokenizer.unk_token_id
        return [
            {
                "entity": unit.label,
                "score": unit.score,
                "index": tokens.first + i,
                "word": tokens.text[unit.start : unit.end] if tokens.ids[i] == unknown else words[i],
                "start": unit.start,
                "end": unit.end,
            }
            for i, unit in enumerate(units)
            if unit.label not in ignored
        ]

    def _labels(self) -> tuple[str, ...]:
        names, count = self.model.config.id2label or {}, self.model.config.num_labels
        return tuple(str(names.get(i, f"LABEL_{i}")) for i in range(count))

    def _check(self, text: Any, options: Any) -> None:
        """Raises TypeError for what is no text, or no list of words."""
        if not options.is_split_into_words:
            if not isinstance(text, str):
                raise TypeError(f"{self.task} takes {self.accepts()}, got {type(text).__name__}: {short(text)}.")
        elif not isinstance(text, list | tuple):
            raise TypeError(
                f"is_split_into_words=True takes a list of words, or a list of such lists; got {short(text)}."
            )
        else:
            if wrong := [i for i, word in enumerate(text) if not isinstance(word, str)]:
                raise TypeError(
                    f"each word is a string; number {wrong[0]} of {short(text)} is {short(text[wrong[0]])}."
                )


def _with_places(inputs: Any, mapping: Sequence[Any]) -> Any:
    """Raises ValueError if there is not one list of places for each input."""
    single = isinstance(inputs, str)
    if len(mapping) > 0 and len(mapping[0]) > 0 and isinstance(mapping[0][0], int):
        mapping = [mapping]
    texts = [inputs] if single else inputs
    if not isinstance(texts, list | tuple) or len(texts) != len(mapping):
        raise ValueError("offset_mapping goes with a text, or a list of as many texts; see the pipeline's options.")
    given = [Given(text, places) for text, places in zip(texts, mapping, strict=True)]
    return given[0] if single else given


NerPipeline = TokenClassificationPipeline
