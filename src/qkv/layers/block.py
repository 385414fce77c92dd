"""Transformer blocks: where the norms sit. Attention, MLP and norms are given to a block, not chosen by it."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from torch import Tensor, nn

from .cache import PerLayer
from .layer_cache import LayerCache
from .observe import note
from .published import Named


class Block(Named):
    """Attention and MLP, each with a norm and a residual sum. x (B,T,D) -> (B,T,D)"""

    def __init__(
        self, attn: nn.Module, mlp: nn.Module, attn_norm: nn.Module, mlp_norm: nn.Module, dropout: float = 0.0
    ):
        super().__init__()
        self.attn, self.mlp, self.attn_norm, self.mlp_norm = attn, mlp, attn_norm, mlp_norm
        self.dropout = nn.Dropout(dropout)


class PreNormBlock(Block):
    """GPT-2, Llama, ViT: normalise what enters each sublayer."""

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        x = x + self.dropout(self.attn(self.attn_norm(x), *context))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class SublayerNormBlock(Block):
    """OLMo-2: normalise what leaves each sublayer, before the residual sum."""

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        x = x + self.dropout(self.attn_norm(self.attn(x, *context)))
        return x + self.dropout(self.mlp_norm(self.mlp(x)))


class SandwichNormBlock(Block):
    """Gemma 2 and 3: normalise what enters each sublayer and what leaves it."""

    def __init__(self, *parts: Any, attn_out_norm: nn.Module, mlp_out_norm: nn.Module):
        super().__init__(*parts)
        self.attn_out_norm, self.mlp_out_norm = attn_out_norm, mlp_out_norm

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        x = x + self.attn_out_norm(self.attn(self.attn_norm(x), *context))
        return x + self.mlp_out_norm(self.mlp(self.mlp_norm(x)))


class ParallelBlock(Block):
    """GPT-NeoX: attention and MLP read the same x, each through a norm of its own."""

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        return x + self.dropout(self.attn(self.attn_norm(x), *context)) + self.dropout(self.mlp(self.mlp_norm(x)))


class PreNormDecoderBlock(Block):
    """T5, Whisper: a pre-norm block that also attends to the encoder's states."""

    def __init__(self, *parts: Any, cross_attn: nn.Module, cross_attn_norm: nn.Module, dropout: float = 0.0):
        super().__init__(*parts, dropout=dropout)
        self.cross_attn, self.cross_attn_norm = cross_attn, cross_attn_norm

    def forward(
        self, x: Tensor, mask: Tensor | None, states: Tensor, states_mask: Tensor | None,
        cache: LayerCache | None = None, cross_cache: LayerCache | None = None,
    ) -> Tensor:  # fmt: skip
        x = x + self.dropout(self.attn(self.attn_norm(x), mask, None, cache))
        x = x + self.dropout(self.cross_attn(self.cross_attn_norm(x), states_mask, states, cross_cache))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class PostNormBlock(Block):
    """BERT and the original Transformer: normalise after each residual sum."""

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        x = self.attn_norm(x + self.dropout(self.attn(x, *context)))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class Layers(Named, nn.ModuleList):
    """A stack of blocks run in order; what enters and leaves each can be observed as "hidden_states".

    Context goes to every block; of a `PerLayer`, such as a cache, each block gets its own.

    `engine`, if a backend sets it, is asked first: (layers, x, context) -> x, or None for what it does not run.
    """

    engine: ClassVar[Callable[..., Tensor | None] | None] = None

    def __init__(self, blocks: Iterable[nn.Module] = ()):
        super().__init__(blocks)

    @property
    def blocks(self) -> "Layers | list[nn.Module]":
        """What `forward` runs: what is in the stack, unless some of it runs more than once."""
        return self

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        found = None if Layers.engine is None else Layers.engine(self, x, context)
        if found is not None:
            return found
        note("hidden_states", x)
        for i, block in enumerate(self.blocks):
            x = block(x, *(part[i] if isinstance(part, PerLayer) else part for part in context))
            note("hidden_states", x)
        return x
