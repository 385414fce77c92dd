"""Vectors of tokens to one vector for a text. Shapes: B batch, T tokens, D width."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import nearest, short

# All take x (B,T,D), kept (B,T) which tokens count, and place (B,T): 1, 2, 3... for tokens, 0 for padding.


def _first(x: Tensor, kept: Tensor, place: Tensor) -> Tensor:
    return x[torch.arange(len(x), device=x.device), kept.int().argmax(dim=1)]


def _last(x: Tensor, kept: Tensor, place: Tensor) -> Tensor:
    last = (place * kept).argmax(dim=1)
    return x[torch.arange(len(x), device=x.device), last] * kept.any(dim=1, keepdim=True)


def _max(x: Tensor, kept: Tensor, place: Tensor) -> Tensor:
    largest = x.masked_fill(~kept[..., None], -torch.inf).amax(dim=1)
    return largest.masked_fill(~kept.any(dim=1, keepdim=True), 0)


def _mean(x: Tensor, kept: Tensor, place: Tensor) -> Tensor:
    return _weighted(x, kept.to(x.dtype))


def _mean_sqrt_len(x: Tensor, kept: Tensor, place: Tensor) -> Tensor:
    count = kept.to(x.dtype)
    return _weighted(x, count) * count.sum(dim=1, keepdim=True).sqrt()


def _weighted_mean(x: Tensor, kept: Tensor, place: Tensor) -> Tensor:
    return _weighted(x, (place * kept).to(x.dtype))


def _weighted(x: Tensor, weights: Tensor) -> Tensor:
    """The mean of x (B,T,D) with weights (B,T); zeros where they are all zero."""
    return (weights[:, None] @ x)[:, 0] / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)


MODES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "cls": _first,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len": _mean_sqrt_len,
    "weighted_mean": _weighted_mean,  # Muennighoff (2022, arXiv:2202.08904): the i-th token has the weight i
    "last": _last,
}
# How sentence-transformers spells those that it spells otherwise.
SPELLINGS = {"mean_sqrt_len_tokens": "mean_sqrt_len", "weightedmean": "weighted_mean", "lasttoken": "last"}


def pool(x: Tensor, mask: Tensor, modes: Sequence[str], skip: int = 0) -> Tensor:
    """One vector for each text, those of several modes one after the other: (B,T,D) -> (B, D * modes), float32.

    Args:
        mask: (B,T), 1 for tokens and 0 for padding, on whichever side that is.
        modes: keys of MODES.
        skip: so many first tokens of each text do not count; zeros for a text that has no others, but for "cls".
    """
    place = mask.cumsum(dim=1) * mask
    x = x.float()
    return torch.cat([MODES[mode](x, place > skip, place) for mode in modes], dim=-1)


def find_modes(names: Any) -> tuple[str, ...]:
    """The keys of MODES that a name, or a list of names, means. Raises: ValueError for another."""
    given = [names] if isinstance(names, str) else names
    if not isinstance(given, list | tuple) or not given:
        raise ValueError(f"pooling={short(names)} is no way to pool; say 'auto', None or one of {', '.join(MODES)}.")
    found = []
    for name in given:
        mode = SPELLINGS.get(name, name) if isinstance(name, str) else ""
        if mode not in MODES:
            near = nearest(name, ("auto", "none", *MODES))
            raise ValueError(f"pooling={short(name)} is unknown; the nearest are {near}. All: {', '.join(MODES)}.")
        found.append(mode)
    return tuple(found)
