"""Dropout (Srivastava et al., 2014): in training a part of the numbers is zero, and the others are larger for it."""

from collections.abc import Callable
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """torch's, but that a backend may draw.

    `engine`, if a backend sets it, is asked first: (x, p) -> x with a part p of zeros, or None for what it does not do.
    """

    engine: ClassVar[Callable[[Tensor, float], Tensor | None] | None] = None

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """x (...) with a part p of zeros, and the rest divided by 1 - p; x itself if it is not for training."""
    if not training or not p:
        return x
    found = None if Dropout.engine is None else Dropout.engine(x, p)
    return F.dropout(x, p) if found is None else found
