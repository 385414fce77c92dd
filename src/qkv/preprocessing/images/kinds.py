"""Fields of a config that are of one kind whatever the image processor, and what they are to be."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import short


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_colour(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) in (1, 3) and all(map(is_number, value))


COLOUR = "three numbers, of red, green and blue, or one of grey"
KINDS: tuple[tuple[Any, Callable[[Any], bool], str], ...] = (  # beginnings of fields' names, what they are to be
    ("do_", lambda x: x in (True, False), "True or False"),
    ("image_mean", is_colour, COLOUR),
    ("image_std", lambda x: is_colour(x) and 0 not in x, f"{COLOUR}, none of them 0"),
    ("rescale_factor", is_number, "a number, such as 1/255"),
    ("crop_pct", lambda x: is_number(x) and x > 0, "a number above 0"),
    ("ensure_multiple_of", lambda x: isinstance(x, int) and x > 0, "a whole number, at least 1"),
    ("size_divisor", lambda x: isinstance(x, int) and x >= 0, "a whole number"),
    (
        ("data_", "input_data_"),
        lambda x: x in ("channels_first", "channels_last"),
        "'channels_first' or 'channels_last'",
    ),
)


def check_kinds(fields: Mapping[str, Any]) -> None:
    """Raises: ValueError for a field of another kind than `KINDS` says."""
    for name, value in fields.items():
        for begins, fits, wanted in KINDS:
            if name.startswith(begins) and value is not None and not fits(getattr(value, "value", value)):
                raise ValueError(f"{name}={short(value)} must be {wanted}.")
