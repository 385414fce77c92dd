"""Attention masks, built once per forward pass. Bool masks are True where to attend; T queries, S keys."""

import torch
from torch import Tensor


def padding_mask(attention_mask: Tensor | None) -> Tensor | None:
    """(B,S) of ones and zeros -> (B,1,1,S) bool; a mask of more dimensions is taken as it is: (B,T,S) -> (B,1,T,S)."""
    if attention_mask is None:
        return None
    mask = attention_mask.bool()
    return {2: lambda: mask[:, None, None, :], 3: lambda: mask[:, None]}.get(mask.dim(), lambda: mask)()


def causal_mask(length: int, padding: Tensor | None, device: torch.device) -> Tensor:
    """(1 or B,1,T,T): each token sees itself and what is before it and not padding."""
    mask = torch.ones(length, length, dtype=torch.bool, device=device).tril()[None, None]
    return mask if padding is None else mask & padding


def additive(mask: Tensor | None, bias: Tensor) -> Tensor:
    """A float mask: `bias` (1,H,T,S) where the mask admits, the lowest number of its dtype elsewhere.

    Unlike a bool mask, it makes a row with nothing to attend to spread evenly over all keys.
    """
    return bias if mask is None else torch.where(mask, bias, torch.finfo(bias.dtype).min)
