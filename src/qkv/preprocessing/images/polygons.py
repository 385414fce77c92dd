"""Polygons as masks, to the pixel those of COCO's own tools (cocodataset/cocoapi, common/maskApi.c)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import short

FINER = 5  # outlines are drawn on a grid so much finer
FARTHEST = 1e6  # pixels: a corner beyond is an error, and would take minutes


def mask_of(segmentation: Any, height: int, width: int) -> np.ndarray:
    """(H,W) booleans of a list of polygons [x0, y0, x1, y1, …], or of {"counts": [outside, inside, …]} down columns."""
    if isinstance(segmentation, Mapping) and isinstance(counts := segmentation.get("counts"), list):
        if all(isinstance(n, int) and n >= 0 for n in counts) and sum(counts) == height * width:
            return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T
    elif isinstance(segmentation, list | tuple) and all(map(is_polygon, segmentation)):
        drawn = np.zeros((height, width), bool)
        for polygon in segmentation:
            drawn |= filled(polygon, height, width)
        return drawn
    raise ValueError(
        f"segmentation={short(segmentation)} is neither a list of polygons [x0, y0, x1, y1, x2, y2, …] nor counts of "
        f"{height} x {width} pixels. Decode compressed counts with pycocotools first."
    )


def is_polygon(given: Any) -> bool:
    try:
        return len(given) >= 6 and len(given) % 2 == 0 and bool((np.abs(np.asarray(given, float)) <= FARTHEST).all())
    except (TypeError, ValueError):
        return False


def filled(polygon: Sequence[float], height: int, width: int) -> np.ndarray:
    """(H,W) booleans of one polygon."""
    corners = (FINER * np.asarray(polygon, np.float64).reshape(-1, 2) + 0.5).astype(np.int64)
    points = [line(start, end) for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    x, y = np.concatenate(points).T
    steps = np.nonzero(x[1:] != x[:-1])[0]  # where the outline enters another column of the fine grid
    column = (np.minimum(x[steps + 1], x[steps]) + 0.5) / FINER - 0.5
    row = np.ceil(np.clip((np.minimum(y[steps + 1], y[steps]) + 0.5) / FINER - 0.5, 0, height))
    real = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    crossings = (column[real] * height + row[real]).astype(np.int64)
    inside = np.bincount(crossings, minlength=height * width + 1)[: height * width].cumsum() % 2 == 1
    return inside.reshape(width, height).T


def line(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The points (N,2) of the fine grid from one corner to the next, both included."""
    long = 0 if abs(end[0] - start[0]) >= abs(end[1] - start[1]) else 1  # the axis along which there is more to go
    back = start[long] > end[long]
    first, last = (end, start) if back else (start, end)
    count = int(last[long] - first[long])
    along = np.arange(count + 1)
    slope = (last[1 - long] - first[1 - long]) / count if count else 0.0
    made = np.empty((count + 1, 2), np.int64)
    made[:, long] = along + first[long]
    made[:, 1 - long] = (first[1 - long] + slope * along + 0.5).astype(np.int64)
    return made[::-1] if back else made
