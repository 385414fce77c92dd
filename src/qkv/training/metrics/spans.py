"""Whether the right entities were found in texts."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ...errors import short
from ...heads.base import IGNORED
from .classes import AVERAGES, Tallies, rates
from .inputs import as_array, best, one_of, ragged, same_count, some

# Prefixes of a scheme, and by the prefixes of two neighbours where an entity starts, goes on, and may end: between the
# two. "=" is for two of one type, "/" for two of different types, "*" any prefix.
SCHEMES = {
    "IOB1": ("IOB", "OI BI II/ IB= BB=", "BI= II=", "IO IB BO II/ BI/ BB="),
    "IOB2": ("IOB", "*B", "BI= II=", "IO IB BO BB II/ BI/"),
    "IOE1": ("IOE", "OI EI II/ EE=", "II= IE=", "IO II/ IE/ EI= EE="),
    "IOE2": ("IOE", "OI OE EI EE II/ IE/", "II= IE=", "E*"),
    "IOBES": ("IOBES", "*B *S", "BI= BE= II= IE=", "E* S*"),
    "BILOU": ("BILOU", "*B *U", "BI= BL= II= IL=", "L* U*"),
}
ALIASES = {"BIO": "IOB2", "BIOES": "IOBES", "BIOUL": "BILOU"}
Tag = tuple[str, str]  # prefix and type
OUTSIDE = ("O", "_")
Entity = tuple[str, int, int]  # type, first token, the token behind the last


class EntityF1(Tallies):
    """{"precision", "recall", "f1", "accuracy"} of entities in rows of labels such as "B-PER"; accuracy is of tokens.

    An entity is right if its type and both of its ends are. Equal to seqeval's scores. Keeps three numbers a type.

    update(predictions, references): ids (B,T), scores (B,T,L), or rows of label names; references that are -100 (as
        of special tokens and further tokens of a word) are left out.

    id2label: the names of ids, `model.config.id2label`.
    scheme: None reads what prefixes there are, B I E S, as CoNLL's script does: an I- after O or another type begins
        an entity, and labels without a prefix count as one with I-. "IOB1", "IOB2", "IOE1", "IOE2", "IOBES" and
        "BILOU" are strict: what does not begin and end as the scheme says is no entity. "BIO" is IOB2.
    average: "micro" over all entities; "macro", "weighted" over types.
    suffix: labels are "PER-B".

    Raises: ValueError for an unknown scheme or average, a label that is none of the scheme's, rows of unequal length.
    """

    kept = (*Tallies.kept, "right", "count")
    right = count = 0

    def __init__(
        self, id2label: Mapping[Any, str] | Sequence[str] | None = None, *, scheme: str | None = None,
        average: str = "micro", suffix: bool = False,
    ) -> None:  # fmt: skip
        scheme = ALIASES.get(scheme or "", scheme)
        one_of(SCHEMES, scheme=scheme or "IOB2")
        one_of(AVERAGES[1:], average=average)
        named = id2label.items() if isinstance(id2label, Mapping) else enumerate(id2label or [])
        super().__init__()
        self.id2label = {int(i): str(name) for i, name in named}
        self.scheme, self.average, self.suffix = scheme, average, suffix

    def update(self, predictions: Any, references: Any) -> None:
        for found, true in self._rows(predictions, references):
            self.right += sum(a == b for a, b in zip(found, true, strict=True))
            self.count += len(true)
            ours, theirs = set(self.entities(found)), set(self.entities(true))
            for counts, seen in ((self.both, ours & theirs), (self.found, ours), (self.true, theirs)):
                counts.update(kind for kind, _, _ in seen)

    def compute(self) -> dict[str, float]:
        some(self.count)
        return rates(self.counts(self.names), self.average) | {"accuracy": self.right / self.count}

    def entities(self, labels: Sequence[str]) -> list[Entity]:
        """(type, first token, token behind the last) of each entity in a row of labels."""
        known = {label: self._tag(label) for label in set(labels)}
        tags = [known[label] for label in labels]
        return list(_runs(tags) if self.scheme is None else _strict(tags, self.scheme))

    def _tag(self, label: str) -> Tag:
        prefix, kind = (label[-1:], label[:-1]) if self.suffix else (label[:1], label[1:])
        if self.scheme is not None:
            if prefix not in SCHEMES[self.scheme][0] or not prefix:
                raise ValueError(
                    f"label {short(label)} is not of the scheme {self.scheme}, whose prefixes are "
                    f"{', '.join(SCHEMES[self.scheme][0])}. Give another scheme, or None to read what there is."
                )
            return prefix, kind.strip("-") or "_"
        if label == "O":
            return OUTSIDE
        dash = kind[-1:] if self.suffix else kind[:1]
        if prefix in ("L", "U") and dash == "-":
            raise ValueError(f"label {short(label)} is of the scheme BILOU; type scheme='BILOU'.")
        if prefix in ("B", "I", "E", "S") and dash in ("-", "_", ""):
            return prefix, (kind[:-1] if self.suffix else kind[1:]) or "_"
        return "I", label

    def _rows(self, predictions: Any, references: Any) -> Iterator[tuple[list[str], list[str]]]:
        """Label names of each row, those to be ignored left out."""
        if len(references) and np.ndim(references[0]) == 0:  # one row
            predictions, references = [predictions], [references]
        same_count(predictions, references)
        if not ragged(predictions):
            predictions = best(as_array(predictions), 2)
        given = zip(predictions, references, strict=True)
        for found_row, true_row in given:
            found_row, true_row = best(as_array(found_row), 1), as_array(true_row)
            if len(found_row) != len(true_row):
                raise ValueError(f"a row of {len(found_row)} predictions for {len(true_row)} references.")
            kept = np.ones(len(true_row), bool) if true_row.dtype.kind in "US" else true_row != IGNORED
            yield self._named(found_row[kept]), self._named(true_row[kept])

    def _named(self, row: np.ndarray) -> list[str]:
        if row.dtype.kind in "US" or not len(row):
            return row.tolist()
        unknown = [i for i in row.tolist() if i not in self.id2label]
        if unknown:
            raise ValueError(
                f"no name for label {short(unknown[0])}; id2label has {len(self.id2label)} names. Type "
                "EntityF1(id2label=model.config.id2label)."
            )
        return [self.id2label[i] for i in row.tolist()]


def _runs(tags: Sequence[Tag]) -> Iterator[Entity]:
    """Neighbours of one type, cut before B and S and behind E and S."""
    (before, kind), first = OUTSIDE, 0
    for i, (prefix, new) in enumerate([*tags, OUTSIDE]):
        if before in "OES" or prefix in "OBS" or new != kind:
            if before != "O":
                yield kind, first, i
            first = i
        before, kind = prefix, new


def _strict(tags: Sequence[Tag], scheme: str) -> Iterator[Entity]:
    _, starts, goes_on, ends = SCHEMES[scheme]
    row = [OUTSIDE, *tags, OUTSIDE]
    i = 1
    while i < len(row):
        if not _fits(row[i - 1], row[i], starts):
            i += 1
            continue
        first, i = i, i + 1
        while _fits(row[i - 1], row[i], goes_on):
            i += 1
        if _fits(row[i - 1], row[i], ends):
            yield row[first][1], first - 1, i - 1


def _fits(one: Tag, other: Tag, rules: str) -> bool:
    return _allowed(one[0], other[0], "=" if one[1] == other[1] else "/", rules)


@cache
def _allowed(one: str, other: str, same: str, rules: str) -> bool:
    return any(rule[0] in (one, "*") and rule[1] in (other, "*") and rule[2:] in ("", same) for rule in rules.split())
