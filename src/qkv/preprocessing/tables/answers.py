"""From scores of tokens to the cells that a model chose."""

from __future__ import annotations

import math
from collections.abc import Sequence

Cell = tuple[int, int]  # row and column from 0
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
