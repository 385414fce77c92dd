"""Answers: those that are given with questions, and from scores of tokens the cells that a model chose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Cell = tuple[int, int]  # row and column from 0
Answer = tuple[Sequence[Sequence[int]], Sequence[str]]  # its cells, and their texts
LOWEST = -88.7  # a score below it is as good as this one, and its exponential as a float is finite


def cell_chances(scores: Sequence[float], mask: Sequence[int], types: Sequence[Sequence[int]]) -> dict[Cell, float]:
    """The mean over its tokens of each cell's chance to be in the answer.

    Args:
        scores, mask, types: of each token: the logit, whether it counts, and its segment, column and row.
    """
    found: dict[Cell, list[float]] = {}
    for score, counts, (segment, column, row, *_) in zip(scores, mask, types, strict=True):
        if segment == 1 and column > 0 and row > 0:
            chance = counts / (1 + math.exp(-max(score, LOWEST)))
            found.setdefault((row - 1, column - 1), []).append(chance)
    return {cell: sum(chances) / len(chances) for cell, chances in found.items()}


def likely(chances: dict[Cell, float], threshold: float = 0.5) -> list[Cell]:
    """Cells whose chance is above the threshold, in order."""
    return sorted(cell for cell, chance in chances.items() if chance > threshold)


def read_answers(coordinates: Any, texts: Any, count: int | None) -> list[Answer | None]:
    """The answer to each of `count` questions, or to a lone one if that is None.

    Raises: ValueError for half an answer, or another number of them.
    """
    if not coordinates and not texts:
        return [None] * (1 if count is None else count)
    if not coordinates or not texts:
        raise ValueError("answers need both answer_coordinates, (row, column) pairs from 0, and answer_text.")
    if count is None:
        return [(coordinates, texts)]
    if len(coordinates) != count or len(texts) != count:
        raise ValueError(
            f"there are {count} questions, but {len(coordinates)} answer_coordinates and {len(texts)} answer_text: "
            f"give a list of (row, column) pairs and one of texts for each."
        )
    return [None if pair[0] is None else pair for pair in zip(coordinates, texts, strict=True)]
