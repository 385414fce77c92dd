"""The encoder of RT-DETR (Zhao et al., 2023, arXiv:2304.08069, section 4.3): attention on the smallest map alone, then
convolutions that carry it to the larger maps and back."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import MLP, Layers, PostNormBlock, activation
from ..layers.conv import ConvNorm
from ..layers.observe import note
from ..layers.published import Named
from ..layers.queries import PositionedAttention


def norm_conv(c: Any, channels: int, out: int, size: int, stride: int = 1, acts: bool = True) -> ConvNorm:
    return ConvNorm(channels, out, size, stride, c.activation_function if acts else "", c.batch_norm_eps)


class RepBlock(Named):
    """Two convolutions side by side (RepVGG, Ding et al., 2021): (B,C,H,W) -> (B,C,H,W)"""

    def __init__(self, c: Any, width: int):
        super().__init__()
        self.wide, self.narrow = (norm_conv(c, width, width, size, acts=False) for size in (3, 1))
        self.act = activation(c.activation_function or "linear")

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.wide(x) + self.narrow(x))


class Fusion(Named):
    """Two maps as one, of which one path is deeper (CSPNet, Wang et al., 2019): (B,2D,H,W) -> (B,D,H,W)"""

    def __init__(self, c: Any):
        super().__init__()
        dim = c.encoder_hidden_dim
        width = int(dim * c.hidden_expansion)
        self.deep, self.flat = (norm_conv(c, 2 * dim, width, 1) for _ in range(2))
        self.blocks = nn.Sequential(*(RepBlock(c, width) for _ in range(3)))
        self.out = norm_conv(c, width, dim, 1) if width != dim else None

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        x = torch.cat((one, other), dim=1)
        x = self.blocks(self.deep(x)) + self.flat(x)
        return x if self.out is None else self.out(x)


class MapAttention(Named):
    """A stack over the places of one map: (B,D,H,W) -> (B,D,H,W)"""

    def __init__(self, c: Any):
        super().__init__()
        dim, eps = c.encoder_hidden_dim, c.layer_norm_eps
        self.layers = Layers(
            PostNormBlock(
                PositionedAttention(dim, c.num_attention_heads, dropout=c.dropout),
                MLP(dim, c.encoder_ffn_dim, c.encoder_activation_function, dropout=c.activation_dropout),
                nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps), c.dropout,
            )
            for _ in range(c.num_hidden_layers)
        )  # fmt: skip
        self.placed, self.temperature = c.eval_size is None, c.positional_encoding_temperature

    def forward(self, x: Tensor) -> Tensor:
        shape = (x.shape[2], x.shape[3])
        positions = waves(shape, x.shape[1], self.temperature, x) if self.placed or self.training else None
        y = x.flatten(2).mT  # (B,H*W,D)
        for block in self.layers.blocks:
            y = self.layers.run(block, y, None, positions)
        return y.mT.unflatten(2, shape)


class HybridEncoder(Named):
    """Maps of the same width (B,D,H,W), the largest first -> the same, each with what the others hold."""

    def __init__(self, c: Any):
        super().__init__()
        dim, count = c.encoder_hidden_dim, len(c.encoder_in_channels) - 1
        self.levels = list(c.encode_proj_layers) if c.num_hidden_layers else []
        if any(not -count <= level <= count for level in self.levels):
            raise ValueError(f"config.encode_proj_layers must number the {count + 1} maps from 0, got {self.levels}.")
        self.attention = nn.ModuleList(MapAttention(c) for _ in c.encode_proj_layers)
        self.laterals = nn.ModuleList(norm_conv(c, dim, dim, 1) for _ in range(count))
        self.up = nn.ModuleList(Fusion(c) for _ in range(count))
        self.shrinks = nn.ModuleList(norm_conv(c, dim, dim, 3, 2) for _ in range(count))
        self.down = nn.ModuleList(Fusion(c) for _ in range(count))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = list(maps)
        for level, attention in zip(self.levels, self.attention.children(), strict=False):
            note("hidden_states", maps[level])
            maps[level] = attention(maps[level])
            note("hidden_states", maps[level])
        found = [maps[-1]]
        for i, (lateral, fuse) in enumerate(zip(self.laterals.children(), self.up.children(), strict=True)):
            found[-1] = lateral(found[-1])
            found.append(fuse(F.interpolate(found[-1], maps[-i - 2].shape[2:], mode="nearest"), maps[-i - 2]))
        found.reverse()
        made = [found[0]]
        for i, (shrink, fuse) in enumerate(zip(self.shrinks.children(), self.down.children(), strict=True)):
            made.append(fuse(shrink(made[-1]), found[i + 1]))
        return made


def waves(shape: tuple[int, int], width: int, temperature: float, like: Tensor) -> Tensor:
    """Where each place of a map is, by sines, then cosines, of its row, then of its column: (1,H*W,width)"""
    steps = torch.arange(width // 4, dtype=torch.float64, device=like.device) / (width // 4)
    rows, columns = (
        torch.arange(n, dtype=torch.float64, device=like.device)[:, None] / temperature**steps for n in shape
    )
    found = [x.expand(*shape, -1) for x in (rows.sin()[:, None], rows.cos()[:, None], columns.sin(), columns.cos())]
    return torch.cat(found, dim=-1).flatten(0, 1)[None].to(like.dtype)
