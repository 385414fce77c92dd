"""What tasks on whole texts share: pairs of texts as rows of token ids, and what happens to those that are too long."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import nearest, short, warn
from . import base
from .base import Pipeline, Row

STRATEGIES = ("longest_first", "only_first", "only_second")
REFUSALS = ("error", "do_not_truncate")
Pair = tuple[str, str | None]


@dataclass(frozen=True)
class TextOptions(base.Options):
    """
    truncation: True cuts a text that is too long silently; None cuts it with a warning; False or "error" raises.
    padding: accepted for compatibility: rows are padded to the longest of their batch.
    max_length: tokens of a text at most; what the model can read if None.
    """

    counts = ("batch_size", "max_length")

    truncation: bool | str | None = None
    padding: bool | str | None = None
    max_length: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_truncation(self.truncation)


class TextPipeline(Pipeline):
    """A pipeline that reads each text, or pair of texts, as one row."""

    options_class = TextOptions
    cuts = "longest_first"  # how a pair that is too long is cut, if the call does not say

    def encode(
        self, pairs: list[Pair], options: Any, inputs: Sequence[int] | None = None, *, limit: int | None = None,
        cuts: str = "", **asked: Any,
    ) -> list[Row]:  # fmt: skip
        """Token ids and masks of each text, or pair, without padding.

        Args:
            inputs: the number of the input that each pair is of, where an input gives several.
            limit, cuts: the pipeline's own if not given.
            asked: further arguments of the tokenizer.

        Raises: ValueError for a text that is too long where `options.truncation` does not allow to cut it.
        """
        limit = self.limit if limit is None else limit
        limit = min(limit, options.max_length or limit)
        how = options.truncation if options.truncation in STRATEGIES else cuts or self.cuts
        cutting = {"truncation": how, "max_length": limit, **asked}
        accepted = options.truncation is True or options.truncation in STRATEGIES
        rows = self._rows(pairs, cutting if accepted else asked)
        long = [i for i, row in enumerate(rows) if len(row["input_ids"]) > limit]
        inputs = range(len(rows)) if inputs is None else inputs
        share = f"{len({inputs[i] for i in long})} of {len(set(inputs))} texts"
        if long and options.truncation is None:
            for i, row in zip(long, self._rows([pairs[i] for i in long], cutting), strict=True):
                rows[i] = row
        cut = accepted or options.truncation is None
        if cut and any(len(rows[i]["input_ids"]) > limit for i in long):
            special = self.tokenizer.num_special_tokens_to_add(pair=pairs[long[0]][1] is not None)
            raise ValueError(f"max_length={limit} has no room for {special} special tokens; pass more than that.")
        if long and options.truncation is None:
            warn(
                f"{share} had more than the {limit} tokens this model reads, and were cut. "
                f"Pass truncation=True (--truncation) to accept that, or truncation='error' to get an error."
            )
        elif long and not cut:
            raise ValueError(
                f"{share} have more than the {limit} tokens this model reads, first "
                f"{short(pairs[long[0]][0], 60)} with {len(rows[long[0]]['input_ids'])}. Pass truncation=True to cut."
            )
        return [row if row["input_ids"] else self._nothing(row) for row in rows]

    def _nothing(self, row: Row) -> Row:
        """The row of an empty text where the tokenizer adds no token: one that begins or ends texts."""
        names = ("bos", "eos", "cls", "sep", "pad")
        ids = (getattr(self.tokenizer, f"{name}_token_id", None) for name in names)
        values = {"input_ids": next((i for i in ids if i is not None), 0), "attention_mask": 1}
        return {name: [values.get(name, 0)] for name in row}

    def _rows(self, pairs: list[Pair], asked: dict[str, Any]) -> list[Row]:
        rows: list[Row] = [{}] * len(pairs)
        for paired in (False, True):  # the tokenizer takes texts, or pairs, but not both in one call
            chosen = [i for i, (_, second) in enumerate(pairs) if (second is not None) == paired]
            if not chosen:
                continue
            seconds = [pairs[i][1] for i in chosen] if paired else None
            how = asked if paired or "truncation" not in asked else {**asked, "truncation": True}
            encoded = self.tokenizer([pairs[i][0] for i in chosen], seconds, verbose=False, **how)
            for place, i in enumerate(chosen):
                rows[i] = {name: column[place] for name, column in encoded.items()}
        return rows


def check_truncation(given: Any) -> None:
    """Raises ValueError for what is no way to truncate."""
    if given not in (None, True, False, *STRATEGIES, *REFUSALS):
        near = nearest(given, (*STRATEGIES, *REFUSALS), 5)
        raise ValueError(f"truncation={short(given)} is unknown; the nearest are {near}, True, False and None.")
