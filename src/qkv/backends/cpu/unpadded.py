"""Training without what no loss depends on: a stack of blocks runs on the tokens alone, text after text in one row, and
its last block on those whose states are read.

All but attention looks at each token by itself, and attention (layers/texts.py) at each text: so losses and gradients
are those of the padded computation. A classifier reads the first token of a text, a masked language model those that
are to be guessed (`TaskHead.reads`): of all others the last block makes keys and values only.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
_unpadded: ContextVar[bool | Tensor] = ContextVar("unpadded", default=False)


def unpadded(on: bool | Tensor = True) -> AbstractContextManager[None]:
    """Within it states that are not read are not wanted where gradients are: they are zeros, and cost nothing.

    Those of padding if True; all but these tokens (B,T) if a tensor of bools. A model with a head and labels gives what
    its loss is made of, and scores of no more than that. A loss of one's own must not read the rest.
    """
    return nullcontext() if torch.compiler.is_compiling() else _within(on)


@contextmanager
def _within(on: bool | Tensor) -> Iterator[None]:
    token = _unpadded.set(on)
    try:
        yield
    finally:
        _unpadded.reset(token)


def allowed() -> bool | Tensor:
    """What the caller, who wants gradients, said to `unpadded`; False if nothing. What is compiled is padded."""
    return _unpadded.get() if not torch.compiler.is_compiling() and torch.is_grad_enabled() else False


def run(layers: Layers, x: Tensor, context: tuple[Any, ...]) -> Tensor | None:
    """x (B,T,D) and what `Layers.forward` got -> (B,T,D), zeros for what is not read; None if all is to be computed.

    Padding is what no token sees. Context may be bool masks, and angles; attention must be plain, and nobody observe.
    """
    wish = allowed()
    if wish is False or x.device.type != "cpu" or (isinstance(wish, Tensor) and wish.shape != x.shape[:2]):
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
    read = wish if isinstance(wish, Tensor) and bool(wish.any()) and not torch.equal(wish, kept) else kept
    if bool(read.all()) or bool((read & ~kept).any()):
        return None
    sizes = _sizes(kept, read)
    order = sorted(range(len(sizes)), key=sizes.__getitem__)  # so that those of equal length are neighbours
    text, token = kept[order].nonzero(as_tuple=True)
    rows = torch.tensor(order)[text] * x.shape[1] + token
    alone = len({id(one) for one in masks}) == 1
    made = {id(one): _texts(one, kept, kept, order, alone) for one in masks}
    last = _texts(masks[-1], kept, read, order, alone)
    turned = _turned(angles, rows, x)
    y = x.flatten(0, 1).index_select(0, rows)[None]
    for i, block in enumerate(blocks):
        texts = last if i + 1 == len(blocks) else made[id(masks[i])]
        y = layers.run(block, y, texts, turned[i] if isinstance(turned, PerLayer) else turned)
    rows = rows if last.read is None else rows[last.read[0]]
    return torch.zeros_like(x).flatten(0, 1).index_copy(0, rows, y[0]).view_as(x)


def _kept(masks: list[Any], x: Tensor) -> Tensor | None:
    """Which tokens of x (B,T,D) are seen by any, (B,T); None if a mask or a text is not plain."""
    seen = torch.zeros(x.shape[:2], dtype=torch.bool)
    for one in {id(one): one for one in masks}.values():
        if one is None:
            seen = torch.ones_like(seen)
            continue
        if not isinstance(one, Tensor) or one.dtype != torch.bool or one.dim() != 4 or one.shape[1] != 1:
            return None
        if one.shape[3] != x.shape[1] or one.shape[2] not in (1, x.shape[1]):
            return None
        seen = seen | one.any(dim=2)[:, 0]
    return seen if bool(seen.any(dim=1).all()) else None


def _sizes(kept: Tensor, read: Tensor) -> list[tuple[int, int]]:
    """How many tokens of each text are kept, and read."""
    return list(zip(kept.sum(dim=1).tolist(), read.sum(dim=1).tolist(), strict=True))


def _by_token(block: nn.Module) -> bool:
    """Whether a block does nothing but attend, and look at each token by itself."""
    found: Any = block
    return type(block) in BLOCKS and type(found.attn) is Attention and type(found.mlp) in (MLP, GatedMLP)


def _hooked(module: nn.Module) -> bool:
    """Whether something that may expect texts with their padding is called with what a module gets or gives."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks) or "forward" in vars(module)


def _texts(mask: Tensor | None, kept: Tensor, read: Tensor, order: list[int], alone: bool) -> Texts:
    """A mask (1 or B,1,1 or T,T) of the kept tokens (B,T) alone, of which those that are read ask, (B,T).

    alone: it is the only one that decided on them.
    """
    masks = None if mask is None else mask.expand(len(kept), -1, -1, -1)[:, 0]  # (B,1 or T,T)
    groups, counts = [], []
    for (length, count), same in groupby(order, _sizes(kept, read).__getitem__):
        texts, seen = list(same), None
        if masks is not None and (not alone or masks.shape[1] > 1):
            found = [masks[i][:, kept[i]] for i in texts]  # (1 or T,L)
            seen = torch.stack([x[read[i]] if len(x) > 1 else x for i, x in zip(texts, found, strict=True)])[:, None]
        groups.append((len(texts), length, seen))
        counts.append(count)
    return Texts(groups) if read is kept else Texts(groups, (read[order][kept[order]].nonzero()[:, 0], counts))


def _turned(angles: Any, rows: Tensor, x: Tensor) -> Any:
    """Cosines and sines (1 or B,1,T,R) of the tokens at these rows of (B*T), (1,1,N,R); of all layers, or of each."""
    if isinstance(angles, PerLayer):
        made = {id(pair): _turned(pair, rows, x) for pair in angles}
        return PerLayer(made[id(pair)] for pair in angles)
    if angles is None:
        return None
    return tuple(part.expand(len(x), -1, -1, -1)[:, 0].flatten(0, 1)[rows][None, None] for part in angles)
