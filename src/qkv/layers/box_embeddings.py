"""Where words stand on a page. Boxes are (B,T,4): left, top, right, bottom in thousandths of the page."""

import torch
from torch import Tensor, nn

from ..errors import bad_box
from .published import Named

SIDE = 1000  # of a page, in the units of boxes


class BoxEmbeddings(Named):
    """The vectors of a box: of its four sides, its height and its width, each number by a table.

    Args:
        rows: of each table.
        side, size: widths of the vectors of a side, and of a height or a width; `side` if `size` is None.
        inverted: whether a box may end before it begins, which is then of size 0; else that is an error.
    """

    def __init__(self, rows: int, side: int, size: int | None = None, *, inverted: bool = False):
        super().__init__()
        self.x, self.y = nn.Embedding(rows, side), nn.Embedding(rows, side)
        self.h, self.w = nn.Embedding(rows, size or side), nn.Embedding(rows, size or side)
        self.inverted = inverted

    def forward(self, boxes: Tensor) -> tuple[Tensor, ...]:
        """Left, top, right, bottom, height and width of (B,T,4), six times (B,T,side or size).

        Raises: ValueError for a box outside the page or the tables.
        """
        check(boxes, min(SIDE, self.x.num_embeddings - 1), self.inverted)
        left, top, right, bottom = boxes.unbind(-1)
        height, width = (bottom - top).clamp(min=0), (right - left).clamp(min=0)
        return self.x(left), self.y(top), self.x(right), self.y(bottom), self.h(height), self.w(width)


def boxes_or_zeros(boxes: Tensor | None, x: Tensor) -> Tensor:
    """Boxes (B,T,4) of token vectors x (B,T,D), zeros if None. Raises: ValueError for another shape or floats."""
    if boxes is None:
        return torch.zeros(*x.shape[:2], 4, dtype=torch.long, device=x.device)
    if boxes.shape != (*x.shape[:2], 4) or boxes.is_floating_point():
        raise ValueError(
            f"bbox must be integers of shape {(*x.shape[:2], 4)}, a box for each token, got {boxes.dtype} of shape "
            f"{tuple(boxes.shape)}. The tokenizer gives it: tokenizer(words, boxes=boxes)."
        )
    return boxes


def check(boxes: Tensor, limit: int, inverted: bool) -> None:
    if boxes.is_meta:
        return
    wrong = ((boxes < 0) | (boxes > limit)).any(-1)
    if not inverted:
        wrong |= (boxes[..., 2:] < boxes[..., :2]).any(-1)
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise bad_box(boxes[tuple(place)].tolist(), f"bbox{place}", limit=limit)
