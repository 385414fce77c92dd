"""Texts one after the other in a row of tokens. Shapes: H heads, N tokens of all texts, C head width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Texts:
    """In place of a mask: of tokens (1,N,D), those of each text see their own text alone.

    Args:
        groups: (G texts, L tokens of each, which sees which (G or 1,1 or H,L,L) or None for all) in the order of N.
    """

    groups: Sequence[tuple[int, int, Tensor | None]]

    def attend(self, compute: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """compute(q, k, v, mask) for the texts of each group: q (1,H,N,C), k and v (1,K,N,C) -> (1,H,N,C)."""
        sizes = [count * length for count, length, _ in self.groups]
        found = []
        for (count, _, mask), *parts in zip(self.groups, *(x[0].split(sizes, dim=1) for x in (q, k, v)), strict=True):
            texts = (x.unflatten(1, (count, -1)).transpose(0, 1) for x in parts)  # (H,G*L,C) -> (G,H,L,C)
            found.append(compute(*texts, mask).transpose(1, 2).flatten(0, 1))  # (G*L,H,C)
        return torch.cat(found).transpose(0, 1)[None]
