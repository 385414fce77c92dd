"""Attention masks, built once per forward pass. Bool masks are True where to attend; T queries, S keys."""

import torch
from torch import Tensor


def padding_mask(attention_mask: Tensor | None) -> Tensor | None:
    """(B,S) of ones and zeros -> (B,1,1,S) bool; a mask of more dimensions is taken as it is: (B,T,S) -> (B,1,T,S).

    Floats (B,1 or H,T,S) stay what they are: added to the scores.
    """
    if attention_mask is None or (attention_mask.dim() == 4 and attention_mask.is_floating_point()):
        return attention_mask
    mask = attention_mask.bool()
    return mask[:, None, None] if mask.dim() == 2 else mask[:, None] if mask.dim() == 3 else mask


def spreading_mask(attention_mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """As `padding_mask`, but a row with nothing to attend to spreads evenly over all keys: then floats of `dtype`."""
    mask = padding_mask(attention_mask)
    if mask is None or mask.dtype != torch.bool or (mask.device.type == "cpu" and bool(mask.any(-1).all())):
        return mask  # as bools, which backends know how to leave out
    return additive(mask, torch.zeros((), dtype=dtype, device=mask.device))


def causal_mask(
    length: int, padding: Tensor | None, device: torch.device, *, keys: int | None = None, window: int | None = None
) -> Tensor | None:
    """(1 or B,1,T,S): each of T tokens sees itself and what is before it and not padding.

    Args:
        padding: (B,1,1,>=S) of all keys ever read, of which the last S are there; or (B,1,T,S).
        keys: S, whose last T are the tokens' own; T if None.
        window: how many keys a token sees at most, itself included.

    Returns: None if everything is seen.
    """
    keys = length if keys is None else keys
    window, mask = (None if window is None or keys <= window else window), None
    if length > 1 or window is not None:
        last = torch.arange(keys - length, keys, device=device)[:, None]  # a query's own place among the keys
        places = torch.arange(keys, device=device)
        mask = (places <= last)[None, None]
        mask = mask if window is None else mask & (places > last - window)
    if padding is None:
        return mask
    padding = padding[..., -keys:]
    return padding if mask is None else mask & padding


def window_mask(length: int, padding: Tensor | None, device: torch.device, window: int | None) -> Tensor | None:
    """(1 or B,1,T,T): each of T tokens sees those that are less than `window` away, on both sides, and not padding.

    Returns: `padding` (B,1,1,T) or (B,1,T,T) itself if the window hides nothing.
    """
    if window is None or length <= window:
        return padding
    places = torch.arange(length, device=device)
    near = ((places - places[:, None]).abs() < window)[None, None]
    return near if padding is None else near & padding


def additive(mask: Tensor | None, bias: Tensor) -> Tensor:
    """A float mask: `bias` (1,H,T,S) where the mask admits, the lowest number of its dtype elsewhere; or their sum.

    Unlike a bool mask, it makes a row with nothing to attend to spread evenly over all keys.
    """
    if mask is None or mask.dtype != torch.bool:
        return bias if mask is None else bias + mask
    return torch.where(mask, bias, torch.finfo(bias.dtype).min)
