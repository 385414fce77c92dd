"""What a tokenizer's constructor does with what it is given: files by name, and the state a tokenizer.json keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers

from qkv.errors import short

from .encoding import duplicate
from .rustfile import read_tokenizer_json

SIDES = ("right", "left")
FLAGS = ("do_lower_case", "strip_accents", "tokenize_chinese_chars", "keep_accents", "trim_offsets", "split_by_punct")
KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(FLAGS, (bool,)),
    **dict.fromkeys(("additional_special_tokens", "model_input_names"), (list, tuple)),
    **dict.fromkeys(("extra_special_tokens", "model_specific_special_tokens"), (list, tuple, dict)),
    "chat_template": (str, dict, list),
    "pad_token_type_id": (int,),
}


def opened(tokenizer_object: Tokenizer | None, tokenizer_file: Any) -> Tokenizer | None:
    """A tokenizer of our own from an object or a tokenizer.json; None when neither was given."""
    if tokenizer_object is None:
        return None if tokenizer_file is None else read_tokenizer_json(Path(tokenizer_file))
    if not isinstance(tokenizer_object, Tokenizer):
        raise TypeError(f"tokenizer_object must be a tokenizers.Tokenizer, not {short(tokenizer_object)}.")
    try:
        return Tokenizer.from_str(tokenizer_object.to_str())
    except Exception:  # parts written in Python cannot be written out; they can be shared
        return duplicate(tokenizer_object)


def check_kinds(options: Mapping[str, Any]) -> None:
    """ValueError for an option whose value is of a kind it never has; files are written by anybody."""
    for name in KINDS.keys() & options.keys():
        value = options[name]
        if value is not None and not isinstance(value, KINDS[name]):
            expected = " or ".join(kind.__name__ for kind in KINDS[name])
            raise ValueError(
                f"{name}={short(value)} is not what a tokenizer's configuration holds: expected {expected}."
            )
    names = options.get("model_input_names")
    if names is not None and not (names and all(isinstance(name, str) for name in names)):
        raise ValueError(f"model_input_names={short(names)} is not a list of names such as 'input_ids'.")


def length_limit(options: dict[str, Any]) -> int:
    """model_max_length of a configuration; a number beyond use when it knows none. ValueError when it is no number."""
    limit = options.get("model_max_length", options.get("max_len"))
    if limit is None:
        return UNLIMITED
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0:
        raise ValueError(f"model_max_length={short(limit)} is not a length: expected a number above 0, or None.")
    return int(min(limit, UNLIMITED))


UNLIMITED = int(1e30)  # what files write when the model knows no maximum length


def bound(names: list[str], files: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Vocabulary files by name, out of positional and keyword arguments; `vocab=` and `merges=` are the newer names."""
    if len(files) > len(names):
        raise TypeError(f"Expected at most {len(names)} positional arguments ({', '.join(names)}), got {len(files)}.")
    found = dict(zip(names, files, strict=False))
    for name in ("vocab_file", "merges_file"):
        for spelling in (name, name.removesuffix("_file")):
            value = options.pop(spelling, None)
            found[name] = found.get(name) if value is None else value
    return {name: value for name, value in found.items() if value is not None}


def follow_prefix_space(rust: Tokenizer, wanted: bool) -> None:
    """Byte-level pre-tokenizers follow add_prefix_space, whatever the file says."""
    part = rust.pre_tokenizer
    if isinstance(part, pre_tokenizers.ByteLevel):
        state = json.loads(part.__getstate__())
        if state["add_prefix_space"] != wanted:
            rust.pre_tokenizer = pre_tokenizers.ByteLevel(wanted, state["trim_offsets"], state["use_regex"])


def inherit_state(rust: Tokenizer, options: dict[str, Any]) -> None:
    """Padding and truncation kept in a tokenizer.json are settings of calls here; only what they say of sides and the
    pad token is taken over."""
    if rust.padding:
        options.setdefault("pad_token", rust.padding["pad_token"])
        options.setdefault("pad_token_type_id", rust.padding["pad_type_id"])
        options.setdefault("padding_side", rust.padding["direction"])
    if rust.truncation:
        options.setdefault("truncation_side", rust.truncation["direction"])
    for name in ("padding_side", "truncation_side"):
        if options.get(name) not in (None, *SIDES):
            raise ValueError(f"{name}={short(options[name])} is not known. Use 'right' or 'left'.")
