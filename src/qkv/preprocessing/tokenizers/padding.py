"""`tokenizer.pad`: padding of what was tokenized before, as collators do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qkv.errors import short

from .arrays import array_kind, to_lists
from .batch import BatchEncoding
from .call import DEFAULTS, strategy

if TYPE_CHECKING:
    from .calling import TextEncoder


def pad(
    self: TextEncoder,
    encoded_inputs: Any,
    padding: bool | str = True,
    max_length: int | None = None,
    pad_to_multiple_of: int | None = None,
    padding_side: str | None = None,
    return_attention_mask: bool | None = None,
    **options: Any,
) -> BatchEncoding:
    """Pad input_ids, attention_mask, token_type_ids and special_tokens_mask to one length; other keys stay.

    encoded_inputs: a mapping of rows (B, T), of one row (T,), or a list of mappings. options: return_tensors ("pt",
    "np"), verbose. Raises ValueError when input_ids is missing or rows do not fit together.
    """
    kind = options.get("return_tensors")
    data = _columns(encoded_inputs)
    main = self.model_input_names[0]
    if main not in data:
        raise ValueError(f"pad needs {main!r} and got {short(list(data))}. Pass what the tokenizer returned.")
    kind = kind or _kind(data[main])
    data = {key: to_lists(value) for key, value in data.items()}
    rows = data[main]
    if not rows:
        return BatchEncoding(data | ({"attention_mask": []} if return_attention_mask else {}))
    plan = strategy(
        self, {**DEFAULTS, "padding": padding, "max_length": max_length, "truncation": False, "verbose": False}
    )
    single = not isinstance(rows[0], list)
    if single:
        data = {key: [value] for key, value in data.items()}
    for key, value in data.items():
        if len(value) != len(data[main]):
            raise ValueError(
                f"{key!r} has {len(value)} rows and {main!r} {len(data[main])}: they must be equally many."
            )
    masked = "attention_mask" in self.model_input_names if return_attention_mask is None else return_attention_mask
    if masked and "attention_mask" not in data:
        data["attention_mask"] = [[1] * len(row) for row in data[main]]
    if plan.padding != "do_not_pad":
        longest = max(len(row) for row in data[main])
        length = _rounded(longest if plan.padding == "longest" else plan.max_length or longest, pad_to_multiple_of)
        _fill(self, data, main, length, padding_side or self.padding_side)
    return BatchEncoding({key: value[0] for key, value in data.items()} if single else data, tensor_type=kind)


def _columns(given: Any) -> dict[str, Any]:
    if isinstance(given, (list, tuple)):
        if not given or not all(isinstance(row, Mapping) for row in given):
            raise ValueError(f"pad takes a mapping or a list of mappings, not {short(given)}.")
        missing = next((key for row in given for key in given[0] if key not in row), None)
        if missing is not None:
            raise ValueError(f"pad got rows with different keys: {short(missing)} is not in all of them.")
        return {key: [row[key] for row in given] for key in given[0]}
    if not isinstance(given, Mapping):
        raise ValueError(f"pad takes a mapping or a list of mappings, not {short(given)}.")
    return dict(given)


def _kind(rows: Any) -> str | None:
    return array_kind(rows) or (array_kind(rows[0]) if isinstance(rows, list) and rows else None)


def _rounded(length: int, multiple: int | None) -> int:
    return -(-length // multiple) * multiple if multiple else length


def _fill(self: TextEncoder, data: dict[str, Any], main: str, length: int, side: str) -> None:
    if side not in ("right", "left"):
        raise ValueError(f"padding_side={short(side)} is not known. Use 'right' or 'left'.")
    fill = {
        main: self.pad_token_id,
        "attention_mask": 0,
        "token_type_ids": self.pad_token_type_id,
        "special_tokens_mask": 1,
        **self.padded_with,
    }
    missing = [max(length - len(row), 0) for row in data[main]]
    for key in fill.keys() & data.keys():
        filled = []
        for row, count in zip(data[key], missing, strict=True):
            extra = [fill[key]] * count
            filled.append(list(row) + extra if side == "right" else extra + list(row))
        data[key] = filled
