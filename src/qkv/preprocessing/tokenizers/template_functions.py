"""The functions and the filter that chat templates are written for, beside Jinja's own."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from .template_limits import LimitError, consume, written

MAX_RANGE = 100_000  # that of Jinja's sandbox


def raise_exception(message: str) -> None:
    """What a template calls for a conversation it cannot write."""
    raise RuntimeError(message)


def strftime_now(format: str) -> str:
    """The local time, in a format of at most 200 characters."""
    if len(format) > 200:
        raise LimitError("strftime_now() takes a format of at most 200 characters")
    return datetime.now().strftime(format)


def limited_range(*numbers: int) -> range:
    """A range of at most MAX_RANGE numbers of 64 bits: larger ones can be chosen so that their hashes collide."""
    made = range(*numbers)
    if any(abs(number) > 2**63 for number in numbers) or len(made) > MAX_RANGE:
        raise LimitError(f"range() has at most {MAX_RANGE} numbers, of 64 bits")
    return made


class Dict:
    """`dict()` and `dict.fromkeys()`, without the class."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, keys: Any, value: Any = None) -> dict[Any, Any]:
        return dict.fromkeys(keys, value)


def tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """JSON as json.dumps writes it, without escapes for HTML. An indent has at most 16 characters."""
    if indent is not None:
        if (indent if isinstance(indent, int) else len(indent)) > 16:
            raise LimitError("tojson() takes an indent of at most 16")
        consume(value, rate=8)
    consume(value, rate=sum(map(len, separators or ())))
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    return "".join(written(encoder.iterencode(value)))


GLOBALS = {
    "range": limited_range,
    "dict": Dict(),
    "raise_exception": raise_exception,
    "strftime_now": strftime_now,
}
