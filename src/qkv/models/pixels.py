"""Decoders of pixels: the maps of a backbone -> one fine map, of which masks are made.

Shapes: B batch, C channels, h x w a map, S places of several maps, D width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import MLP, Layers, PostNormBlock
from ..layers.conv import GroupConv
from ..layers.deformable import SelfDeformable, centres
from ..layers.observe import observing
from ..layers.patches import as_map
from ..layers.published import Named
from ..layers.queries import sine_positions

LEVELS = 3  # maps that deformable attention looks at: the backbone's last


class Rise(Named):
    """A coarse map made as large as the one before it, and added to it."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.proj, self.block = GroupConv(channels, width), GroupConv(width, width, 3, act=True)

    def forward(self, x: Tensor, finer: Tensor) -> Tensor:
        return self.block(F.interpolate(x, finer.shape[2:], mode="nearest") + self.proj(finer))


class PixelDecoder(Named):
    """A feature pyramid (Lin et al., 2017): the backbone's maps, from the coarsest on -> a map of each step."""

    def __init__(self, channels: list[int], width: int, out: int):
        super().__init__()
        self.stem = GroupConv(channels[-1], width, 3, act=True)
        self.layers = nn.ModuleList(Rise(count, width) for count in channels[-2::-1])
        self.out = nn.Conv2d(width, out, 3, padding=1)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
        x, found = self.stem(maps[-1]), []
        for layer, finer in zip(self.layers, maps[-2::-1], strict=True):
            x = layer(x, finer)
            found.append(x)
        return self.out(x), found


class DeformablePixels(Named):
    """The backbone's maps, read together by deformable attention, and finer ones added below them."""

    def __init__(self, c: Any, channels: list[int]):
        super().__init__()
        width = c.feature_size
        if len(channels) < LEVELS:
            raise ValueError(
                f"Mask2Former looks at {LEVELS} maps of the backbone, got {len(channels)}: give a backbone_config with "
                f"out_features=['stage1', 'stage2', 'stage3', 'stage4']."
            )
        self.project = nn.ModuleList(GroupConv(count, width, bias=True) for count in channels[: -LEVELS - 1 : -1])
        self.level = nn.Parameter(torch.zeros(LEVELS, width))
        self.layers = Layers(
            PostNormBlock(
                SelfDeformable(width, c.num_attention_heads, LEVELS, points=4),
                MLP(width, c.encoder_feedforward_dim, "relu", dropout=c.dropout),
                nn.LayerNorm(width),
                nn.LayerNorm(width),
                c.dropout,
            )
            for _ in range(c.encoder_layers)
        )
        finer = (min(c.feature_strides[-LEVELS:]) // c.common_stride).bit_length() - 1  # one for each halving
        self.adapters = nn.ModuleList(GroupConv(count, width) for count in channels[:finer])
        self.convs = nn.ModuleList(GroupConv(width, width, 3, act=True) for _ in range(finer))
        self.out = nn.Conv2d(width, c.mask_feature_size, 1)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
        """What masks are made of (B,D,h,w), and the maps that were read, from the coarsest on."""
        read = [layer(x) for layer, x in zip(self.project, maps[::-1][:LEVELS], strict=True)]
        shapes = [(x.shape[2], x.shape[3]) for x in read]
        positions = torch.cat([positions_of(x) + level for x, level in zip(read, self.level, strict=True)], dim=1)
        places = centres(shapes, read[0].dtype, read[0].device)[None, :, None].expand(-1, -1, LEVELS, -1)
        x = torch.cat([x.flatten(2).mT for x in read], dim=1)  # (B,S,D)
        with observing():  # attention that is noted is that of the queries
            x = self.layers(x, positions, None, places, shapes)
        parts = x.split([height * width for height, width in shapes], dim=1)
        found = [as_map(part, shape) for part, shape in zip(parts, shapes, strict=True)]
        x = found[-1]
        for adapter, conv, finer in list(zip(self.adapters, self.convs, maps, strict=False))[::-1]:
            x = conv(adapter(finer) + F.interpolate(x, finer.shape[2:], mode="bilinear", align_corners=False))
        return self.out(x), found

    def reset_parameters(self) -> None:
        nn.init.normal_(self.level)


def positions_of(x: Tensor) -> Tensor:
    """Of the places of a map (B,D,h,w): (1,h*w,D)"""
    return sine_positions(torch.ones(1, *x.shape[2:], dtype=torch.bool, device=x.device), x.shape[1], x.dtype)
