"""Queries that look at a map: attention, blocks and positions of DETR (Carion et al., 2020) and its successors.

Shapes: B batch, H x W a map of S places, Q queries, D width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .attention import Attention
from .block import Block
from .published import Named


class PositionedAttention(Attention):
    """Attention of x (B,T,D) to itself, where queries and keys, but not values, have positions (B or 1,T,D) added."""

    def forward(self, x: Tensor, mask: Tensor | None = None, positions: Tensor | None = None) -> Tensor:  # type: ignore[override]
        y = x if positions is None else x + positions
        return self.attend(self.split(self.q_proj(y)), self.split(self.k_proj(y)), self.split(self.v_proj(x)), mask)


class PositionedCrossAttention(Attention):
    """Attention of queries (B,Q,D) to a map (B,S,D): each have their own positions, values have none."""

    def forward(  # type: ignore[override]
        self, x: Tensor, states: Tensor, mask: Tensor | None, positions: Tensor, states_positions: Tensor
    ) -> Tensor:
        q, k = self.q_proj(x + positions), self.k_proj(states + states_positions)
        v = self.split(self.v_proj(states))
        return self.attend(self.split(q), self.split(k), v, mask, "cross_attentions")


class QueryBlock(Block):
    """A post-norm block of queries that also attend to a map."""

    def __init__(self, *parts: Any, cross_attn: nn.Module, cross_attn_norm: nn.Module, dropout: float = 0.0):
        super().__init__(*parts, dropout=dropout)
        self.cross_attn, self.cross_attn_norm = cross_attn, cross_attn_norm

    def forward(self, x: Tensor, own: tuple[Any, ...], cross: tuple[Any, ...]) -> Tensor:
        """`own` and `cross` are what the two attentions are given beside x (B,Q,D)."""
        x = self.attn_norm(x + self.dropout(self.attn(x, *own)))
        x = self.cross_attn_norm(x + self.dropout(self.cross_attn(x, *cross)))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class ZeroLinear(nn.Linear):
    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class Perceptron(Named):
    """Linear layers with ReLU between them: (...,D) -> (...,out); `still`: the last begins with zeros."""

    def __init__(self, dim: int, hidden: int, out: int, count: int, still: bool = False):
        super().__init__()
        layers = [nn.Linear(dim if i == 0 else hidden, hidden) for i in range(count - 1)]
        self.layers = nn.ModuleList([*layers, (ZeroLinear if still else nn.Linear)(hidden, out)])

    def forward(self, x: Tensor) -> Tensor:
        *inner, last = self.layers.children()
        for layer in inner:
            x = layer(x).relu()
        return last(x)


def sines(x: Tensor, width: int, temperature: float = 10000.0) -> Tensor:
    """Numbers from 0 to 1 as sines and cosines of many wavelengths, one after the other: (...,N) -> (...,N*width)"""
    steps = torch.arange(width, dtype=torch.float32, device=x.device)
    waves = temperature ** (2 * steps.div(2, rounding_mode="floor") / width)
    angles = (x.float() * (2 * torch.pi))[..., None] / waves
    return torch.stack((angles[..., 0::2].sin(), angles[..., 1::2].cos()), dim=-1).flatten(-3).to(x.dtype)


def sine_positions(inside: Tensor, width: int, dtype: torch.dtype, shift: float = 0.0) -> Tensor:
    """Where each place of a map stands in its picture: (B,H,W), true where the picture is -> (B,H*W,width)

    shift: which part of a place is before it: 0 for its end, 0.5 for its middle.
    """
    count = inside.float()
    y, x = count.cumsum(1), count.cumsum(2)
    y, x = (y - shift) / (y[:, -1:] + 1e-6), (x - shift) / (x[:, :, -1:] + 1e-6)
    return sines(torch.stack((y, x), dim=-1), width // 2).flatten(1, 2).to(dtype)


class UniformEmbedding(nn.Embedding):
    def reset_parameters(self) -> None:
        nn.init.uniform_(self.weight)


class MapPositions(Named):
    """Positions of a map: by sines, or by a table of rows and one of columns."""

    def __init__(self, kind: str, width: int, most: int = 50, shift: float = 0.0):
        super().__init__()
        if kind not in ("sine", "learned"):
            raise ValueError(f"config.position_embedding_type must be 'sine' or 'learned', got {kind!r}.")
        self.width, self.most, self.shift = width, most, shift
        self.row, self.column = (UniformEmbedding(most, width // 2) if kind == "learned" else None for _ in range(2))

    def forward(self, inside: Tensor, dtype: torch.dtype) -> Tensor:
        """(B,H,W), true where the picture is -> (B,H*W,width). Raises: ValueError for a map larger than the tables."""
        if self.row is None or self.column is None:
            return sine_positions(inside, self.width, dtype, self.shift)
        height, width = inside.shape[1:]
        if max(height, width) > self.most:
            raise ValueError(f"a map of {height} x {width} for tables of {self.most} positions: give smaller pictures.")
        row, column = self.row.weight[:height, None], self.column.weight[None, :width]
        x = torch.cat((column.expand(height, -1, -1), row.expand(-1, width, -1)), dim=-1)  # (H,W,D)
        return x.flatten(0, 1).expand(len(inside), -1, -1)
