"""From ids that were made earlier to model inputs: special tokens, truncation and masks over plain lists of ids.

Where special tokens go is not written down here a second time: it is read off what the Rust post-processor does to a
probe text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Encoding

from qkv.errors import short

from .batch import BatchEncoding
from .call import complete, strategy

if TYPE_CHECKING:
    from .calling import TextEncoder
    from .special import Token


def marked(token: Token, special: bool) -> AddedToken:
    """The token as AddedToken that is special when it said so, or when it has a role."""
    if isinstance(token, str):
        return AddedToken(token, special=special)
    return AddedToken(**{**token.__getstate__(), "special": token.special or special})


@dataclass(frozen=True)
class Frame:
    """The ids, and their token type ids, that stand before, between and after one or two sequences."""

    ids: tuple[list[int], ...]
    types: tuple[list[int], ...]
    sequence_types: tuple[int, ...]

    def around(self, *sequences: list[int]) -> list[int]:
        """The sequences with special ids in their places."""
        joined = list(self.ids[0])
        for sequence, following in zip(sequences, self.ids[1:], strict=True):
            joined += [*sequence, *following]
        return joined

    def type_ids(self, *lengths: int) -> list[int]:
        """Token type ids for sequences of these lengths, special ones included."""
        joined = list(self.types[0])
        for length, of_sequence, following in zip(lengths, self.sequence_types, self.types[1:], strict=True):
            joined += [of_sequence] * length + following
        return joined

    def special_mask(self, *lengths: int) -> list[int]:
        """1 for special ids, 0 for those of the sequences."""
        joined = [1] * len(self.ids[0])
        for length, following in zip(lengths, self.ids[1:], strict=True):
            joined += [0] * length + [1] * len(following)
        return joined


def frame(tokenizer: TextEncoder, pair: bool) -> Frame:
    """What the tokenizer puts around a sequence, or a pair."""
    text = _probe(tokenizer)
    encoding = tokenizer(text, text if pair else None).encodings[0]  # type: ignore[index]
    ids: tuple[list[int], ...] = tuple([] for _ in range(3 if pair else 2))
    types: tuple[list[int], ...] = tuple([] for _ in ids)
    sequence_types = [0] * (len(ids) - 1)
    place = 0
    for index, type_id, sequence in zip(encoding.ids, encoding.type_ids, encoding.sequence_ids, strict=True):
        if sequence is None:
            ids[place].append(index)
            types[place].append(type_id)
        else:
            place = sequence + 1
            sequence_types[sequence] = type_id
    return Frame(ids, types, tuple(sequence_types))


def _probe(tokenizer: TextEncoder) -> str:
    def works(text: str) -> bool:
        encoding: Encoding = tokenizer(text, add_special_tokens=False).encodings[0]  # type: ignore[index]
        return len(encoding) > 0

    special = set(tokenizer.all_special_tokens)
    words = (tokenizer.convert_ids_to_tokens(index) for index in range(min(len(tokenizer), 300)))
    texts = ("a", *(word for word in words if word and word not in special))
    return next((text for text in texts if works(text)), "")


def build_inputs_with_special_tokens(
    self: TextEncoder, token_ids_0: list[int], token_ids_1: list[int] | None = None
) -> list[int]:
    """Ids of one or two sequences with the special ids of this tokenizer around them."""
    sequences = [token_ids_0] if token_ids_1 is None else [token_ids_0, token_ids_1]
    return frame(self, len(sequences) == 2).around(*sequences)


def create_token_type_ids_from_sequences(
    self: TextEncoder, token_ids_0: list[int], token_ids_1: list[int] | None = None
) -> list[int]:
    """Token type ids of what `build_inputs_with_special_tokens` makes of the same ids."""
    sequences = [token_ids_0] if token_ids_1 is None else [token_ids_0, token_ids_1]
    return frame(self, len(sequences) == 2).type_ids(*map(len, sequences))


def get_special_tokens_mask(
    self: TextEncoder,
    token_ids_0: list[int],
    token_ids_1: list[int] | None = None,
    already_has_special_tokens: bool = False,
) -> list[int]:
    """1 where a special token is (or will be put around the given ids), 0 elsewhere."""
    if already_has_special_tokens:
        special = set(self.all_special_ids)
        return [int(index in special) for index in [*token_ids_0, *(token_ids_1 or ())]]
    sequences = [token_ids_0] if token_ids_1 is None else [token_ids_0, token_ids_1]
    return frame(self, len(sequences) == 2).special_mask(*map(len, sequences))


def prepare_for_model(
    self: TextEncoder, ids: list[int], pair_ids: list[int] | None = None, **given: Any
) -> BatchEncoding:
    """Ids without special tokens to model inputs: cut, framed by special tokens, padded. Options are those of a call.

    With return_overflowing_tokens the cut ids come back as `overflowing_tokens` and their number as
    `num_truncated_tokens`; ValueError for pairs cut "longest_first", where they have no one place.
    """
    axis = given.pop("prepend_batch_axis", False)
    options = complete(given)
    plan = strategy(self, options)
    pair, special = pair_ids is not None, options["add_special_tokens"]
    around = frame(self, pair) if special else Frame(([],) * (2 + pair), ([],) * (2 + pair), (0,) * (1 + pair))
    excess = len(ids) + len(pair_ids or ()) + sum(map(len, around.ids)) - (plan.max_length or 0)
    overflowing: list[int] = []
    if options["return_overflowing_tokens"] and pair and plan.truncation == "longest_first":
        raise ValueError("Pairs cut 'longest_first' give no overflowing tokens. Use 'only_first' or 'only_second'.")
    if plan.truncation != "do_not_truncate" and plan.max_length and excess > 0:
        ids, pair_ids, overflowing = truncate_sequences(self, ids, pair_ids, excess, plan.truncation, options["stride"])
    data: dict[str, Any] = {}
    if options["return_overflowing_tokens"]:
        data = {"overflowing_tokens": overflowing, "num_truncated_tokens": excess}
    sequences = [ids] if pair_ids is None else [ids, pair_ids]
    data["input_ids"] = around.around(*sequences)
    lengths = [len(sequence) for sequence in sequences]
    if _wanted(self, options, "token_type_ids"):
        data["token_type_ids"] = around.type_ids(*lengths)
    if options["return_special_tokens_mask"]:
        data["special_tokens_mask"] = around.special_mask(*lengths)
    if _wanted(self, options, "attention_mask"):
        data["attention_mask"] = [1] * len(data["input_ids"])
    names = ("max_length", "pad_to_multiple_of", "padding_side")
    if plan.padding != "do_not_pad":
        data = dict(self.pad(data, plan.padding, **{name: options[name] for name in names}))
    if options["return_length"]:
        data["length"] = len(data["input_ids"])
    return BatchEncoding(data, tensor_type=options["return_tensors"], prepend_batch_axis=axis)


def _wanted(tokenizer: TextEncoder, options: dict[str, Any], name: str) -> bool:
    asked = options[f"return_{name}"]
    return name in tokenizer.model_input_names if asked is None else bool(asked)


def truncate_sequences(
    self: TextEncoder,
    ids: list[int],
    pair_ids: list[int] | None = None,
    num_tokens_to_remove: int = 0,
    truncation_strategy: str = "longest_first",
    stride: int = 0,
) -> tuple[list[int], list[int] | None, list[int]]:
    """(ids, pair_ids, overflow) after removing tokens from the tokenizer's truncation_side.

    The overflow holds the removed ids and `stride` kept ones beside them; it is empty for pairs cut "longest_first".
    Raises ValueError when the sequence to cut is too short.
    """
    cut, left = num_tokens_to_remove, self.truncation_side == "left"
    truncation_strategy = getattr(truncation_strategy, "value", truncation_strategy)
    if cut <= 0 or truncation_strategy == "do_not_truncate":
        return ids, pair_ids, []
    if truncation_strategy == "longest_first" and pair_ids is not None:
        from_first, from_second = _shares(len(ids), len(pair_ids), cut)
        return _shortened(ids, from_first, left), _shortened(pair_ids, from_second, left), []
    first = truncation_strategy in ("only_first", "longest_first")
    chosen = ids if first else pair_ids
    if chosen is None or len(chosen) <= cut:
        raise ValueError(
            f"Cannot remove {cut} tokens with truncation={short(truncation_strategy)} from a sequence of "
            f"{len(chosen or ())}. Use another strategy, such as 'longest_first', or a larger max_length."
        )
    window = min(len(chosen), stride + cut)
    overflow = chosen[:window] if left else chosen[-window:]
    kept = _shortened(chosen, cut, left)
    return (kept, pair_ids, overflow) if first else (ids, kept, overflow)


def _shares(first: int, second: int, cut: int) -> tuple[int, int]:
    """How many tokens each of two sequences loses when always the longer one is cut; the second loses the odd one."""
    level = min(abs(first - second), cut)
    half, odd = divmod(cut - level, 2)
    if first > second:
        return level + half, half + odd
    return half, level + half + odd


def _shortened(ids: list[int], count: int, left: bool) -> list[int]:
    return ids[count:] if left else ids[: len(ids) - count]
