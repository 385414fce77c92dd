"""tokenizer.json to a Rust tokenizer, safely: bounded size, no pattern that can take exponential time, and every
failure, panics included, as a ValueError that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tokenizers import Tokenizer

from qkv.errors import short

MAX_BYTES = 256 * 2**20  # the largest published ones are 35 MB
Made = TypeVar("Made")


def read_tokenizer_json(path: Path) -> Tokenizer:
    """The tokenizer in a tokenizer.json. OSError when it is not there, ValueError when it cannot be used."""
    text = read_text(path)
    rust = guarded(lambda: Tokenizer.from_str(text), path)
    for part in (rust.normalizer, rust.pre_tokenizer, rust.decoder):
        for pattern in _patterns(_state(part)):
            if has_nested_quantifier(pattern):
                raise ValueError(
                    f"{short(str(path))} holds the pattern {short(pattern)}, whose repeated repetition can take "
                    "exponential time. It is refused; no known tokenizer needs such a pattern."
                )
    return rust


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """A text file of bounded size. OSError when it is not there, ValueError when it is empty, too large or not text."""
    if not path.is_file():
        raise FileNotFoundError(f"No file {short(str(path), 200)}. Pass the path of a tokenizer or vocabulary file.")
    if path.stat().st_size > limit:
        raise ValueError(f"{short(str(path), 200)} has {path.stat().st_size} bytes; the limit is {limit}.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{short(str(path), 200)} is not a UTF-8 text file: a broken download?") from None
    if not text.strip():
        raise ValueError(f"{short(str(path), 200)} is empty. Download the file again.")
    return text


def guarded(make: Callable[[], Made], source: object) -> Made:
    """What `make` returns; whatever the Rust library raises, panics included, becomes a ValueError naming `source`."""
    try:
        return make()
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # pyo3's PanicException derives from BaseException
        raise ValueError(
            f"{short(str(source), 150)} does not hold a usable tokenizer: {short(str(error), 140)}. "
            "Download it again, or remove it to build from the vocabulary files."
        ) from None


def _state(part: Any) -> Any:
    try:
        return None if part is None else json.loads(part.__getstate__())
    except Exception:  # parts written in Python have no state
        return None


def _patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("Regex"), str):
            yield node["Regex"]
        for value in node.values():
            yield from _patterns(value)
    elif isinstance(node, list):
        for value in node:
            yield from _patterns(value)


def has_nested_quantifier(pattern: str) -> bool:
    """Whether an unbounded repetition (`+`, `*`, `{n,}`) applies to a group with choices of its own: one that holds a
    repetition, as in `(a+)+`, or alternatives, as in `(a|aa)+`."""
    repeats = [False]  # for each open group: whether it holds an unbounded repetition or alternatives
    closed = False  # whether the item just read is a group that does
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "(":
            repeats.append(False)
        elif unbounded := char in "+*" or _open_ended(pattern, i):
            if closed:
                return True
            repeats[-1] = unbounded
        elif char == "|" and len(repeats) > 1:
            repeats[-1] = True
        if char == ")" and len(repeats) > 1:
            closed = repeats.pop()
            repeats[-1] = repeats[-1] or closed
        else:
            closed = False
        i = _after(pattern, i)
    return False


def _open_ended(pattern: str, start: int) -> bool:
    end = pattern.find("}", start) if pattern[start] == "{" else -1
    return end > 0 and pattern[start:end].endswith(",") and pattern[start + 1 : end - 1].isdigit()


def _after(pattern: str, i: int) -> int:
    """The index after the item at i: an escape is two characters, a character class ends at its bracket."""
    if pattern[i] == "\\":
        return i + 2
    if pattern[i] != "[":
        return i + 1
    depth = 0
    while i < len(pattern):
        if pattern[i] == "\\":
            i += 1
        elif pattern[i] == "[":
            depth += 1
        elif pattern[i] == "]" and (depth := depth - 1) == 0:
            return i + 1
        i += 1
    return i
