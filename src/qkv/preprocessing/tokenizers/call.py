"""From the arguments of a tokenizer call to the settings it runs with. Pure: nothing here keeps state."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from qkv.errors import nearest, short

from .encoding import Settings

if TYPE_CHECKING:
    from .calling import TextEncoder

LARGE = 2**62  # a model_max_length above this means that no limit is known
LONGEST = 10**7  # padded rows beyond this are a mistake, or a file's attempt to use up the memory
TRUNCATION = ("longest_first", "only_first", "only_second", "do_not_truncate")
PADDING = ("longest", "max_length", "do_not_pad")


class CallOptions(TypedDict, total=False):
    """Keyword arguments of a tokenizer call."""

    add_special_tokens: bool
    padding: bool | str
    truncation: bool | str | None
    max_length: int | None
    stride: int
    is_split_into_words: bool
    pad_to_multiple_of: int | None
    padding_side: str | None
    return_tensors: str | None
    return_token_type_ids: bool | None
    return_attention_mask: bool | None
    return_overflowing_tokens: bool
    return_special_tokens_mask: bool
    return_offsets_mapping: bool
    return_length: bool
    split_special_tokens: bool | None
    verbose: bool


DEFAULTS: CallOptions = {
    "add_special_tokens": True,
    "padding": False,
    "truncation": None,
    "max_length": None,
    "stride": 0,
    "is_split_into_words": False,
    "pad_to_multiple_of": None,
    "padding_side": None,
    "return_tensors": None,
    "return_token_type_ids": None,
    "return_attention_mask": None,
    "return_overflowing_tokens": False,
    "return_special_tokens_mask": False,
    "return_offsets_mapping": False,
    "return_length": False,
    "split_special_tokens": None,
    "verbose": True,
}


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a call, defaults filled in. TypeError for an unknown name."""
    if not given.keys() <= DEFAULTS.keys():
        name = next(iter(given.keys() - DEFAULTS.keys()))
        raise TypeError(f"A tokenizer call takes no argument {short(name)}. Did you mean {nearest(name, DEFAULTS)}?")
    return {**DEFAULTS, **given}


@dataclass(frozen=True)
class Strategy:
    """How one call pads and truncates: names of PADDING and TRUNCATION, and the length both are about."""

    padding: str
    truncation: str
    max_length: int | None


def strategy(tokenizer: TextEncoder, options: Mapping[str, Any]) -> Strategy:
    """What `padding`, `truncation` and `max_length` mean together for this tokenizer.

    No known limit and no max_length: nothing is cut, and padding to "max_length" is not done.
    Raises ValueError for unknown names, and for padding without a pad token.
    """
    padding, truncation, length = options["padding"], options["truncation"], options["max_length"]
    _check_numbers(options)
    if length is not None and padding is False and truncation is None:
        truncation = True
    if padding is True and length is not None and truncation in (None, False, "do_not_truncate") and options["verbose"]:
        warnings.warn(
            "max_length has no effect with padding=True and no truncation: "
            "add truncation=True to cut texts, or use padding='max_length' to pad up to it.",
            stacklevel=4,
        )
    padding = _named(padding, {True: "longest", False: "do_not_pad", None: "do_not_pad"}, PADDING, "padding")
    cuts = {True: "longest_first", False: "do_not_truncate", None: "do_not_truncate"}
    truncation = _named(truncation, cuts, TRUNCATION, "truncation")
    if length is None and (padding == "max_length" or truncation != "do_not_truncate"):
        length = tokenizer.model_max_length
    if length is not None and length > LARGE:
        length, truncation = None, "do_not_truncate"
        padding = "do_not_pad" if padding == "max_length" else padding
    if padding != "do_not_pad" and tokenizer.pad_token_id is None:
        raise ValueError(
            "Padding needs a pad token and this tokenizer has none. Set one first, for example "
            "`tokenizer.pad_token = tokenizer.eos_token`."
        )
    if padding != "do_not_pad":
        _check_padded(length if padding == "max_length" else None, options["pad_to_multiple_of"])
    return Strategy(padding, truncation, length)


def _check_numbers(options: Mapping[str, Any]) -> None:
    for name in ("max_length", "stride", "pad_to_multiple_of"):
        value = options.get(name)
        if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__") or value < 0):
            raise ValueError(f"{name}={short(value)} is not a length: expected an int of 0 or more.")


def _check_padded(length: int | None, multiple: int | None) -> None:
    longest = max(length or 0, multiple or 0)
    if longest > LONGEST:
        raise ValueError(f"Padding to {longest} tokens is refused: pass a max_length of at most {LONGEST}.")


def _named(value: Any, short_forms: Mapping[Any, str], names: tuple[str, ...], argument: str) -> str:
    value = getattr(value, "value", value)  # enumerations of other libraries
    if isinstance(value, str) and value in names:
        return value
    if value is None or isinstance(value, bool):
        return short_forms[value]
    raise ValueError(f"{argument}={short(value)} is not known. Use True, False or {nearest(value, names, len(names))}.")


def settings(tokenizer: TextEncoder, options: Mapping[str, Any]) -> Settings:
    """The Rust settings of a call. ValueError when they contradict each other."""
    plan = strategy(tokenizer, options)
    length, stride = plan.max_length, options["stride"]
    cut = plan.truncation if plan.truncation != "do_not_truncate" else None
    if cut and length is not None:
        _check_room(tokenizer, plan, options)
    multiple = options["pad_to_multiple_of"]
    side = options["padding_side"] or tokenizer.padding_side
    if side not in ("right", "left"):
        raise ValueError(f"padding_side={short(side)} is not known. Use 'right' or 'left'.")
    padding = None
    if plan.padding != "do_not_pad":
        fixed = length if plan.padding == "max_length" else None
        token = (tokenizer.pad_token_id, tokenizer.pad_token_type_id, tokenizer.pad_token)
        padding = (fixed, multiple, side, *token)
    return Settings(
        truncation=cut,
        max_length=int(length) if cut and length is not None else 0,
        stride=stride if cut else 0,
        truncation_side=tokenizer.truncation_side if cut else "right",
        padding=padding,
        split_special_tokens=bool(
            tokenizer.split_special_tokens
            if options["split_special_tokens"] is None
            else options["split_special_tokens"]
        ),
    )


def _check_room(tokenizer: TextEncoder, plan: Strategy, options: Mapping[str, Any]) -> None:
    length, stride, multiple = plan.max_length or 0, options["stride"], options["pad_to_multiple_of"]
    if multiple and plan.padding != "do_not_pad" and length % multiple:
        raise ValueError(
            f"max_length={length} is not a multiple of pad_to_multiple_of={multiple}: with truncation and padding "
            "both on it must be."
        )
    if not stride:
        return
    special = tokenizer.num_special_tokens_to_add() if options["add_special_tokens"] else 0
    if stride >= length - special:
        raise ValueError(
            f"stride={stride} does not fit into max_length={length}, of which {special} are special tokens: "
            "windows would not advance. Use a smaller stride or a larger max_length."
        )
