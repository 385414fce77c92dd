"""Training without padding: a stack of blocks runs on the tokens alone, text after text in one row.

All but attention looks at each token by itself, and attention (layers/texts.py) at each text: so the numbers are those
of the padded computation, dropout is drawn as often, and what padding would cost is left out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from ...layers import (
    MLP,
    Attention,
    GatedMLP,
    Layers,
    ParallelBlock,
    PostNormBlock,
    PreNormBlock,
    SandwichNormBlock,
    SublayerNormBlock,
)
from ...layers.cache import PerLayer
from ...layers.observe import wanted
from ...layers.texts import Texts

BLOCKS = (ParallelBlock, PostNormBlock, PreNormBlock, SandwichNormBlock, SublayerNormBlock)
_unpadded: ContextVar[bool] = ContextVar("unpadded", default=False)


@contextmanager
def unpadded(on: bool = True) -> Iterator[None]:
    """Within it the states of padding are not wanted where gradients are: they are zeros, and cost nothing.

    A head whose loss reads padding (`TaskHead.reads_padding`) gets all states. A loss of one's own must not read it.
    """
    token = _unpadded.set(on)
    try:
        yield
    finally:
        _unpadded.reset(token)


def allowed() -> bool:
    """Whether the caller is within `unpadded`."""
    return _unpadded.get()


def run(layers: Layers, x: Tensor, context: tuple[Any, ...]) -> Tensor | None:
    """x (B,T,D) and what `Layers.forward` got -> (B,T,D), zeros for padding; None if it is to be computed padded.

    Padding is what no token sees. Context may be bool masks, and angles; attention must be plain, and nobody observe.
    """
    if not allowed() or not torch.is_grad_enabled() or x.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    mask, angles, *rest = (*context, None, None)
    if any(part is not None for part in rest) or wanted("hidden_states") or wanted("attentions"):
        return None
    blocks = list(layers.blocks)
    masks = list(mask)[: len(blocks)] if isinstance(mask, PerLayer) else [mask] * len(blocks)
    if not all(map(_by_token, blocks)) or any(map(_hooked, layers.modules())):
        return None
    kept = _kept(masks, x)
    if kept is None:
        return None
    lengths = kept.sum(dim=1).tolist()
    order = sorted(range(len(lengths)), key=lengths.__getitem__)  # so that those of equal length are neighbours
    text, token = kept[order].nonzero(as_tuple=True)
    rows = torch.tensor(order)[text] * x.shape[1] + token
    made = {id(one): _texts(one, kept, order, lengths, len({id(m) for m in masks}) == 1) for one in masks}
    turned = _turned(angles, rows, x)
    y = x.flatten(0, 1).index_select(0, rows)[None]
    for i, block in enumerate(blocks):
        y = block(y, made[id(masks[i])], turned[i] if isinstance(turned, PerLayer) else turned)
    return torch.zeros_like(x).flatten(0, 1).index_copy(0, rows, y[0]).view_as(x)


def _kept(masks: list[Any], x: Tensor) -> Tensor | None:
    """Which tokens of x (B,T,D) are seen by any, (B,T); None without padding, or if a mask or a text is not plain."""
    seen = torch.zeros(x.shape[:2], dtype=torch.bool)
    for one in {id(one): one for one in masks}.values():
        if not isinstance(one, Tensor) or one.dtype != torch.bool or one.dim() != 4 or one.shape[1] != 1:
            return None
        if one.shape[3] != x.shape[1] or one.shape[2] not in (1, x.shape[1]):
            return None
        seen = seen | one.any(dim=2)[:, 0]
    return None if bool(seen.all()) or not bool(seen.any(dim=1).all()) else seen


def _by_token(block: nn.Module) -> bool:
    """Whether a block does nothing but attend, and look at each token by itself."""
    found: Any = block
    return type(block) in BLOCKS and type(found.attn) is Attention and type(found.mlp) in (MLP, GatedMLP)


def _hooked(module: nn.Module) -> bool:
    """Whether something that may expect texts with their padding is called with what a module gets or gives."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks) or "forward" in vars(module)


def _texts(mask: Tensor, kept: Tensor, order: list[int], lengths: list[int], alone: bool) -> Texts:
    """A mask (1 or B,1,1 or T,T) of the kept tokens (B,T) alone. alone: it is the only one that decided on them."""
    masks = mask.expand(len(kept), -1, -1, -1)[:, 0]  # (B,1 or T,T)
    groups = []
    for length, same in groupby(order, lengths.__getitem__):
        texts, seen = list(same), None
        if not alone or masks.shape[1] > 1:
            found = [masks[i][:, kept[i]] for i in texts]  # (1 or T,L)
            seen = torch.stack([x[kept[i]] if len(x) > 1 else x for i, x in zip(texts, found, strict=True)])[:, None]
        groups.append((len(texts), length, seen))
    return Texts(groups)


def _turned(angles: Any, rows: Tensor, x: Tensor) -> Any:
    """Cosines and sines (1 or B,1,T,R) of the tokens at these rows of (B*T), (1,1,N,R); of all layers, or of each."""
    if isinstance(angles, PerLayer):
        made = {id(pair): _turned(pair, rows, x) for pair in angles}
        return PerLayer(made[id(pair)] for pair in angles)
    if angles is None:
        return None
    return tuple(part.expand(len(x), -1, -1, -1)[:, 0].flatten(0, 1)[rows][None, None] for part in angles)
