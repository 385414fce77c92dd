"""Transformer blocks: where the norms sit. Attention, MLP and norms are given to a block, not chosen by it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from . import recompute
from .cache import PerLayer
from .dropout import Dropout
from .layer_cache import LayerCache
from .observe import note
from .published import Named
from .texts import read


class Block(Named):
    """Attention and MLP, each with a norm and a residual sum. x (B,T,D) -> (B,T,D)"""

    def __init__(
        self, attn: nn.Module, mlp: nn.Module, attn_norm: nn.Module, mlp_norm: nn.Module, dropout: float = 0.0
    ):
        super().__init__()
        self.attn, self.mlp, self.attn_norm, self.mlp_norm = attn, mlp, attn_norm, mlp_norm
        self.dropout = Dropout(dropout)


class PreNormBlock(Block):
    """GPT-2, Llama, ViT: normalise what enters each sublayer."""

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        x = read(x, *context) + self.dropout(self.attn(self.attn_norm(x), *context))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., 2016): while training, a branch is left out of a picture by chance. (B,...)"""

    def __init__(self, chance: float):
        super().__init__()
        self.chance = chance

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.chance:
            return x
        kept = 1.0 - self.chance
        drawn = torch.rand((len(x), *[1] * (x.dim() - 1)), dtype=x.dtype, device=x.device)
        return x / kept * (drawn + kept).floor()


class ScaledBlock(Block):
    """DINOv2, BEiT: pre-norm, and a learned vector scales what leaves each sublayer (LayerScale: Touvron et al., 2021).

    Args:
        scale: what the vectors begin with; none if 0.
        drop_path: chance that a sublayer is left out of a picture while training.
    """

    def __init__(self, *parts: Any, scale: float, drop_path: float = 0.0, **options: Any):
        super().__init__(*parts, **options)
        self.scale, self.drop_path = scale, DropPath(drop_path)
        for name, norm in (("attn_scale", self.attn_norm), ("mlp_scale", self.mlp_norm)):
            vector = torch.full(norm.normalized_shape, scale) if scale else None  # type: ignore[arg-type]
            self.register_parameter(name, None if vector is None else nn.Parameter(vector))

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        x = x + self.drop_path(scaled(self.dropout(self.attn(self.attn_norm(x), *context)), self.attn_scale))
        return x + self.drop_path(scaled(self.dropout(self.mlp(self.mlp_norm(x))), self.mlp_scale))

    def reset_parameters(self) -> None:
        for vector in self._parameters.values():
            if vector is not None:
                nn.init.constant_(vector, self.scale)


def scaled(x: Tensor, vector: Tensor | None) -> Tensor:
    return x if vector is None else x * vector


class SublayerNormBlock(Block):
    """OLMo-2: normalise what leaves each sublayer, before the residual sum."""

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        x = read(x, *context) + self.dropout(self.attn_norm(self.attn(x, *context)))
        return x + self.dropout(self.mlp_norm(self.mlp(x)))


class SandwichNormBlock(Block):
    """Gemma 2 and 3: normalise what enters each sublayer and what leaves it."""

    def __init__(self, *parts: Any, attn_out_norm: nn.Module, mlp_out_norm: nn.Module):
        super().__init__(*parts)
        self.attn_out_norm, self.mlp_out_norm = attn_out_norm, mlp_out_norm

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        x = read(x, *context) + self.attn_out_norm(self.attn(self.attn_norm(x), *context))
        return x + self.mlp_out_norm(self.mlp(self.mlp_norm(x)))


class ParallelBlock(Block):
    """GPT-NeoX: attention and MLP read the same x, each through a norm of its own."""

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        y = read(x, *context)
        return y + self.dropout(self.attn(self.attn_norm(x), *context)) + self.dropout(self.mlp(self.mlp_norm(y)))


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
        x = self.attn_norm(read(x, *context) + self.dropout(self.attn(x, *context)))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class Layers(Named, nn.ModuleList):
    """A stack of blocks run in order; what enters and leaves each can be observed as "hidden_states".

    Context goes to every block; of a `PerLayer`, such as a cache, each block gets its own.

    `engine`, if a backend sets it, is asked first: (layers, x, context) -> x, or None for what it does not run.
    """

    engine: ClassVar[Callable[..., Tensor | None] | None] = None
    recompute: Mapping[str, Any] | None = None  # options with which blocks are computed again for their gradients

    def __init__(self, blocks: Iterable[nn.Module] = ()):
        super().__init__(blocks)

    @property
    def blocks(self) -> "Layers | list[nn.Module]":
        """What `forward` runs: what is in the stack, unless some of it runs more than once."""
        return self

    def run(self, block: nn.Module, *given: Any) -> Any:
        """One block, of `blocks`."""
        return block(*given) if self.recompute is None else recompute.run(block, self.recompute, *given)

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        native = Layers.engine is not None and not torch.compiler.is_compiling()
        found = Layers.engine(self, x, context) if native else None  # type: ignore[misc]
        if found is not None:
            return found
        for x in self.states(x, *context):  # noqa: B007, B020 (the last of them)
            pass
        return x

    def states(self, x: Tensor, *context: Any) -> Iterator[Tensor]:
        """What enters the first block, then what leaves each, (B,T,D)."""
        note("hidden_states", x)
        yield x
        for i, block in enumerate(self.blocks):
            x = self.run(block, x, *(part[i] if isinstance(part, PerLayer) else part for part in context))
            note("hidden_states", x)
            yield x
