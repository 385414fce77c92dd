"""From a label for each token to entities: which tokens are a word, what a label's prefix says, what belongs together.

Labels may be plain ("PER"), or of a scheme whose prefixes say where in an entity a token stands: B-/I- or I- alone
(Ramshaw and Marcus 1995, https://arxiv.org/abs/cmp-lg/9505040), B-/I-/L-/U- (Ratinov and Roth 2009,
https://aclanthology.org/W09-1119), B-/I-/E-/S-, B-/M-/E-/S-.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

FIRST, LAST, ANY = "BSUW", "ESULW", "BIESULMW"  # prefixes that begin an entity, that end one, and all of them
Span = tuple[int, int]  # characters [start, end)


class Tag(NamedTuple):
    """A label without its prefix, and whether the prefix begins an entity, or ends one."""

    name: str
    begins: bool = False
    ends: bool = False


class Unit(NamedTuple):
    """A token or a word with one label."""

    label: str
    score: float
    start: int
    end: int


@dataclass(frozen=True)
class Tokens:
    """Tokens of a text, without special ones: all of them, or those that a window decides about."""

    text: str
    first: int  # the index of the first one, if the whole text were one row with its special tokens
    ids: list[int]
    spans: list[Span]  # without spaces around
    words: list[int | None]  # the index of each one's word, by the tokenizer
    presplit: bool = False  # whether the words were given one by one

    @classmethod
    def joined(cls, parts: Sequence["Tokens"]) -> "Tokens":
        """Those of all windows, which are given in order."""
        ids, spans, words = ([x for part in parts for x in getattr(part, name)] for name in ("ids", "spans", "words"))
        return cls(parts[0].text, parts[0].first, ids, spans, words, parts[0].presplit)

    def word_numbers(self) -> list[int]:
        """For each token the number of its word, counted from 0.

        Words are the tokenizer's, but none goes over a space: some tokenizers take a whole text for one word.
        """
        numbers: list[int] = []
        for i, word in enumerate(self.words):
            same = i > 0 and word is not None and word == self.words[i - 1]
            if same and not self.presplit:
                step = self.text[self.spans[i - 1][1] : self.spans[i][0] + 1]  # to this token's first character
                same = not any(character.isspace() for character in step)
            numbers.append(numbers[-1] + (not same) if numbers else 0)
        return numbers


def word_spans(numbers: Iterable[int], spans: Iterable[Span]) -> list[Span]:
    """From the first character of each word's tokens to the last."""
    found: list[Span] = []
    for number, (start, end) in zip(numbers, spans, strict=True):
        if number == len(found):
            found.append((start, end))
        else:
            found[-1] = (found[-1][0], max(found[-1][1], end))
    return found


def speakers(numbers: Iterable[int], scores: Sequence[float] | None = None) -> list[int]:
    """The token that gives each word its label: the first, or the first of the highest of `scores`."""
    found: list[int] = []
    for i, number in enumerate(numbers):
        if number == len(found):
            found.append(i)
        elif scores is not None and scores[i] > scores[found[-1]]:
            found[-1] = i
    return found


def means(scores: Tensor, numbers: list[int]) -> Tensor:
    """The mean scores of each word's tokens: (T,L) -> (W,L)."""
    places = torch.tensor(numbers)
    sums = torch.zeros(numbers[-1] + 1, scores.shape[-1]).index_add_(0, places, scores)
    return sums / places.bincount()[:, None]


@lru_cache(maxsize=16)
def tags(labels: tuple[str, ...]) -> dict[str, Tag]:
    """What each of a model's labels says.

    B- and I- are prefixes of any label, in capitals or not. The others are if some label of the model has one of these
    two, so that "S-Bahn" and "GPE-LOC" among plain labels stay whole.
    """
    scheme = any(label[:2].upper() in ("B-", "I-") for label in labels)
    return {label: _tag(label) if scheme else Tag(label) for label in labels}


def _tag(label: str) -> Tag:
    prefix = label[0].upper() if len(label) > 2 and label[1] == "-" else "none"
    return Tag(label[2:], prefix in FIRST, prefix in LAST) if prefix in ANY else Tag(label)


def grouped(
    units: Iterable[Unit], text: str, tags: Mapping[str, Tag], ignored: Collection[str]
) -> list[dict[str, Any]]:
    """Neighbours with the same tag as one entity, in the order of the text, none over another.

    Returns: {"entity_group", "score", "word", "start", "end"} of each that is not ignored: the mean of its units'
        scores, and its characters without spaces around. A character of two entities, as where several tokens make up
        one character, is the earlier one's, and an entity without any characters is none.
    """
    found, behind = [], 0
    for name, run in _runs(units, tags):
        if name in ignored:
            continue
        start, end = trim(text, max(behind, run[0].start), max(unit.end for unit in run))
        if start < end and not text[start:end].isspace():
            score = sum(unit.score for unit in run) / len(run)
            found.append({"entity_group": name, "score": score, "word": text[start:end], "start": start, "end": end})
            behind = end
    return found


def _runs(units: Iterable[Unit], tags: Mapping[str, Tag]) -> Iterator[tuple[str, list[Unit]]]:
    run: list[Unit] = []
    last = Tag("")
    for unit in units:
        tag = tags[unit.label]
        if run and (tag.name != last.name or tag.begins or last.ends):
            yield last.name, run
            run = []
        run.append(unit)
        last = tag
    if run:
        yield last.name, run


def trim(text: str, start: int, end: int) -> Span:
    """The characters without the spaces around them; all of them where there is nothing else."""
    part = text[start:end]
    if not (part[:1].isspace() or part[-1:].isspace()) or part.isspace():
        return start, end
    start += len(part) - len(part.lstrip())
    return start, start + len(part.strip())
