"""Boxes on a picture, as numbers from 0 to 1: (...,4) centre x, centre y, width and height in parts of the picture."""

import torch
import torch.nn.functional as F
from torch import Tensor


def corners(boxes: Tensor) -> Tensor:
    """(...,4) as left, top, right, bottom."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat((centre - half, centre + half), dim=-1)


def centred(boxes: Tensor) -> Tensor:
    """Corners (...,4) as centre x, centre y, width and height."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat(((low + high) / 2, high - low), dim=-1)


def overlaps(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """The IoU of boxes that are corners, and their generalised IoU (Rezatofighi et al., 2019): (...,4), which broadcast
    -> (...), (...)"""
    shared = _area(torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:]))
    around = _area(torch.minimum(one[..., :2], other[..., :2]), torch.maximum(one[..., 2:], other[..., 2:]))
    both = _area(one[..., :2], one[..., 2:]) + _area(other[..., :2], other[..., 2:]) - shared
    iou = shared / both
    return iou, iou - (around - both) / around


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(-1)


def logit(x: Tensor, eps: float = 1e-5) -> Tensor:
    """The inverse of sigmoid, for numbers at least `eps` away from 0 and 1."""
    x = x.clamp(0, 1)
    return (x.clamp(min=eps) / (1 - x).clamp(min=eps)).log()


def shifted(moves: Tensor, places: Tensor) -> Tensor:
    """Boxes (...,4) from how far they are, before the sigmoid, from boxes (...,4) or from centres (...,2)."""
    start = logit(places)
    return (moves + F.pad(start, (0, 4 - start.shape[-1]))).sigmoid()
