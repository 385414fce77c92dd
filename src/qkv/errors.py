"""What every error message shares: the nearest valid names, and a bound on how much is quoted."""

import difflib
import sys
import warnings
from collections.abc import Iterable


def nearest(given: object, allowed: Iterable[str], count: int = 3) -> str:
    """The `count` allowed names closest to what was given, quoted; the first few if none is close."""
    names = list(allowed)
    close = difflib.get_close_matches(str(given), names, n=count, cutoff=0.5) or sorted(names)[:count]
    return ", ".join(repr(name) for name in close)


def short(value: object, limit: int = 80) -> str:
    """repr of a value, cut to `limit` characters, for quoting hostile or huge input in a message."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def warn(message: str) -> None:
    """A warning at the line outside of qkv that led to it, however many calls are between."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("qkv."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def bad_box(box: object, where: str, *, limit: int = 1000) -> ValueError:
    """The error for a box that is not four whole numbers in 0..limit."""
    return ValueError(
        f"{where} is {short(box)}. A box is (left, top, right, bottom) in whole thousandths of the page, each in "
        f"0..{limit}, right and bottom no less than left and top: int(1000 * x / width), int(1000 * y / height)."
    )
