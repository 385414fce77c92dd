"""Boxes of words on a page, as people pass them: (left, top, right, bottom) in thousandths of its width and height."""

from collections.abc import Sequence
from typing import Any

from ..errors import bad_box, short

SIDE = 1000
Box = list[int]


def normalize_box(box: Sequence[float], width: float, height: float) -> Box:
    """A box in pixels of a picture (width x height) as thousandths of it."""
    sides = (width, height, width, height)
    return [int(SIDE * (edge / side)) for edge, side in zip(box, sides, strict=True)]


def checked_box(box: Any, where: str) -> Box:
    """Four whole numbers in 0..1000. Raises: ValueError for anything else, with its place, `where`."""
    box = box.tolist() if hasattr(box, "tolist") else box
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(hasattr(edge, "__index__") for edge in box):
        raise bad_box(box, where)
    if not all(0 <= edge <= SIDE for edge in box):
        raise bad_box(box, where)
    return [int(edge) for edge in box]


def checked_boxes(boxes: Any, words: Sequence[str], where: str) -> list[Box]:
    """A box for each word. Raises: ValueError for another number of them, or a box outside the page."""
    boxes = boxes.tolist() if hasattr(boxes, "tolist") else boxes
    if not isinstance(boxes, list | tuple) or len(boxes) != len(words):
        got = f"{len(boxes)} boxes" if isinstance(boxes, list | tuple) else short(boxes)
        raise ValueError(f"{where} must hold a box for each word: there are {len(words)} words and {got}.")
    return [checked_box(box, f"{where}[{i}], the box of {short(word, 40)},") for i, (word, box) in enumerate(
        zip(words, boxes, strict=True)
    )]  # fmt: skip
