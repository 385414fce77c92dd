"""Texts one after the other in a row of tokens. Shapes: H heads, N tokens, M of them read, C head width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Texts:
    """In place of a mask: of tokens (1,N,D), those of each text see their own text alone.

    Args:
        groups: (G texts, L tokens of each, which sees which (G or 1,1 or H,L,L) or None for all) in the order of N.
        read: the numbers (M,) of the tokens whose states go on from here, and how many each text of each group has, if
            that is not all: then masks are of these alone (G or 1,1 or H,R,L).
    """

    groups: Sequence[tuple[int, int, Tensor | None]]
    read: tuple[Tensor, Sequence[int]] | None = None

    def attend(self, compute: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """compute(q, k, v, mask) for the texts of each group: q (1,H,N or M,C), k and v (1,K,N,C) -> as q."""
        sizes = [count * length for count, length, _ in self.groups]
        asked = sizes
        if self.read is not None:
            asked = [count * each for (count, _, _), each in zip(self.groups, self.read[1], strict=True)]
        found, cut = [], (x[0].split(each, dim=1) for x, each in ((q, asked), (k, sizes), (v, sizes)))
        for (count, _, mask), *parts in zip(self.groups, *cut, strict=True):
            if not parts[0].shape[1]:  # nothing of these texts is read
                continue
            texts = (x.unflatten(1, (count, -1)).transpose(0, 1) for x in parts)  # (H,G*L,C) -> (G,H,L,C)
            found.append(compute(*texts, mask).transpose(1, 2).flatten(0, 1))  # (G*L,H,C)
        return torch.cat(found).transpose(0, 1)[None]


def read(x: Tensor, mask: Any = None, *_: Any, dim: int = 1) -> Tensor:
    """What of the tokens of x goes on: those that `mask` reads, if it is of `Texts` that are not read as a whole."""
    return x.index_select(dim, mask.read[0]) if isinstance(mask, Texts) and mask.read is not None else x
