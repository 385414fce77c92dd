"""From what people pass as text to what the Rust tokenizer takes, with errors that name the wrong element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qkv.errors import short

EXPECTED = "Expected a text (str), a list of texts, or a list of (text, pair) tuples"
EXPECTED_WORDS = "With is_split_into_words=True, expected a list of words (str) or a list of such lists"


def arrange(text: Any, pair: Any, words: bool) -> tuple[list[Any], bool]:
    """(items for the Rust tokenizer, whether a batch was given). An item is a text, a list of words, or a tuple pair.

    Raises TypeError or ValueError that say which element is wrong and what is expected.
    """
    text, pair = _as_list(text), _as_list(pair)
    batched = isinstance(text, list) and (not words or (bool(text) and isinstance(_as_list(text[0]), list)))
    one = _words if words else _text
    if not batched:
        first = one(text, "text")
        return [(first, one(pair, "text_pair")) if pair else first], False
    if pair is None:
        return [_item(item, f"text[{i}]", words) for i, item in enumerate(text)], True
    if not isinstance(pair, list):
        raise TypeError(f"text is a batch, so text_pair must be a list of the same length, not {short(pair)}.")
    if len(pair) != len(text):
        raise ValueError(f"text has {len(text)} elements and text_pair {len(pair)}: they must be equally many.")
    return [
        (one(a, f"text[{i}]"), one(b, f"text_pair[{i}]")) for i, (a, b) in enumerate(zip(text, pair, strict=True))
    ], True


def _as_list(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if hasattr(value, "tolist"):  # numpy arrays and pandas columns of str
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, list)):
        return list(value)
    return value


def _item(value: Any, where: str, words: bool) -> Any:
    if type(value) is str and not words:
        return value
    value = _as_list(value)
    if words:
        nested = [_as_list(part) for part in value] if isinstance(value, list) and len(value) == 2 else []
        if nested and all(isinstance(part, list) for part in nested):
            return (_words(nested[0], where), _words(nested[1], where))
        return _words(value, where)
    if isinstance(value, list):
        if len(value) != 2:
            raise ValueError(
                f"{where} is a list of {len(value)} elements; a pair has two. "
                "If these are the words of one text, pass is_split_into_words=True."
            )
        return (_text(value[0], where), _text(value[1], where))
    return _text(value, where)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{where} is {short(value)} ({type(value).__name__}). {EXPECTED}.")
    return value


def _words(value: Any, where: str) -> list[str]:
    value = _as_list(value)
    if not isinstance(value, list):
        raise TypeError(f"{where} is {short(value)} ({type(value).__name__}). {EXPECTED_WORDS}.")
    for word in value:
        if not isinstance(word, str):
            raise TypeError(f"{where} holds {short(word)} ({type(word).__name__}). {EXPECTED_WORDS}.")
    return value
