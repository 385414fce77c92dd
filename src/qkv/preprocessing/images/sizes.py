"""Sizes: what `size`, `crop_size` and `pad_size` of a config mean, and the height and width that a picture gets."""

import math
from collections.abc import Mapping
from typing import Any

from ...errors import short

NAMES = ("size", "crop_size", "pad_size", "mask_size", "mask_pad_size")  # fields that hold one
KEYS = (
    {"height", "width"}, {"shortest_edge"}, {"longest_edge"}, {"shortest_edge", "longest_edge"},
    {"max_height", "max_width"},
)  # fmt: skip


def size_of(name: str, value: Any, square: bool = True, longest: int | None = None) -> dict[str, int]:
    """A size in the words of new configs.

    Args:
        value: such a dictionary, or as old configs have it: (height, width), or one number.
        square: whether one number is height and width; else it is the shortest edge.
        longest: the longest edge that old configs name beside it.

    Raises: ValueError for what is none of these.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"height": value, "width": value} if square else {"shortest_edge": value, "longest_edge": longest}
    if isinstance(value, list | tuple) and len(value) == 2:
        value = dict(zip(("height", "width"), value, strict=True))
    found = {key: side for key, side in value.items() if side is not None} if isinstance(value, Mapping) else {}
    if set(found) not in KEYS or not all(isinstance(side, int) and side > 0 for side in found.values()):
        raise ValueError(
            f"{name}={short(value, 80)} is no size: give a number, (height, width), or a dictionary of height and "
            f"width, of shortest_edge, longest_edge or both, or of max_height and max_width."
        )
    return found


def pairs(name: str, given: Any, count: int) -> list[tuple[int, int]]:
    """(height, width) of each of `count` pictures, of lists or a tensor (B,2). Raises: ValueError for others."""
    try:
        found = [(int(height), int(width)) for height, width in (given.tolist() if hasattr(given, "tolist") else given)]
    except (TypeError, ValueError):
        found = []
    if len(found) != count or any(side < 1 for size in found for side in size):
        raise ValueError(f"{name}={short(given, 80)} must be a (height, width) of each of the {count} pictures.")
    return found


def target(height: int, width: int, size: Mapping[str, int], multiple: int = 1) -> tuple[int, int]:
    """The (height, width) that a picture is resized to; each at least 1. `multiple`: see `within_edges`."""
    if "height" in size:
        return size["height"], size["width"]
    if "max_height" in size:
        scale = min(size["max_height"] / height, size["max_width"] / width)
        return max(int(height * scale), 1), max(int(width * scale), 1)
    if "shortest_edge" not in size:
        scale = size["longest_edge"] / max(height, width)
        return max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1)
    if "longest_edge" in size:
        return within_edges(height, width, size["shortest_edge"], size["longest_edge"], multiple)
    small, large = size["shortest_edge"], int(size["shortest_edge"] * max(height, width) / min(height, width))
    return (large, small) if width <= height else (small, large)


def within_edges(height: int, width: int, shortest: int, longest: int, multiple: int = 1) -> tuple[int, int]:
    """The shortest edge as given, unless the other edge were then longer than `longest` (DETR, 2020).

    multiple: both edges are made smaller to be a multiple of it (YOLOS).
    """
    small, large, exact = min(height, width), max(height, width), float(shortest)
    if large / small * shortest > longest:
        exact = longest * float(small) / large
        shortest = round(exact)
    if small == shortest and (multiple == 1 or width >= height):
        found = height, width
    else:
        other = int(exact * large / small)
        found = (other, shortest) if width < height else (shortest, other)
    return tuple(max(side - side % multiple, multiple) for side in found)  # type: ignore[return-value]


def to_multiple(height: int, width: int, size: Mapping[str, int], multiple: int, keep: bool) -> tuple[int, int]:
    """`size`, each side rounded to a multiple. keep: scaled alike, by the side that changes less (DPT, 2021)."""
    high, wide = size["height"] / height, size["width"] / width
    if keep:
        high = wide = wide if abs(1 - wide) < abs(1 - high) else high
    return max(round(high * height / multiple), 1) * multiple, max(round(wide * width / multiple), 1) * multiple


def ceiled(sides: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Both sides made larger to be a multiple."""
    height, width = (math.ceil(side / multiple) * multiple for side in sides)
    return height, width
