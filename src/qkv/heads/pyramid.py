"""Masks from maps of several sizes. Shapes: B batch, D width, H x W of a map, L labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..layers.conv import ConvNorm
from ..outputs import ModelOutput
from .segmentation import MapClassifier


class Pyramid(nn.Module):
    """Four maps of one size (B,D,H,W) as those of four: 4, 2, 1 and 1/2 times as high and wide."""

    def __init__(self, dim: int):
        super().__init__()
        self.up4 = nn.Sequential(
            nn.ConvTranspose2d(dim, dim, 2, stride=2), nn.BatchNorm2d(dim), nn.GELU(),
            nn.ConvTranspose2d(dim, dim, 2, stride=2),
        )  # fmt: skip
        self.up2 = nn.ConvTranspose2d(dim, dim, 2, stride=2)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        first, second, third, fourth = maps
        return self.up4(first), self.up2(second), third, F.max_pool2d(fourth, 2)


class Auxiliary(nn.Module):
    """Scores from the third map alone, for a second loss (FCN: Long et al., 2014): (B,D,H,W) -> (B,L,H,W)"""

    def __init__(self, config: Config):
        super().__init__()
        dim, width = config.hidden_size, config.auxiliary_channels
        widths = [dim, *[width] * config.auxiliary_num_convs]
        self.convs = nn.ModuleList(ConvNorm(a, b, 3, act="relu") for a, b in zip(widths, widths[1:], strict=False))
        self.fuse = ConvNorm(dim + width, width, 3, act="relu") if config.auxiliary_concat_input else None
        self.out = nn.Conv2d(width, config.num_labels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in self.convs:
            y = conv(y)
        return self.out(y if self.fuse is None else self.fuse(torch.cat((x, y), dim=1)))


class PyramidDecoder(MapClassifier):
    """a score for each label at each place of a picture, (B,L,H/4,W/4) (labels: class indices (B,H,W), 255 ignored).

    Of four maps of a body without stages (UPerNet: Xiao et al., 2018, section 3): the smallest is pooled to several
    grids, each larger one adds what the smaller says, and all are read together.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        dim = config.hidden_size
        self.scales = tuple(config.pool_scales)
        self.pyramid = Pyramid(dim)
        self.pools = nn.ModuleList(ConvNorm(dim, dim, 1, act="relu") for _ in self.scales)
        self.fuse_pools = ConvNorm(dim * (1 + len(self.scales)), dim, 3, act="relu")
        self.sides = nn.ModuleList(ConvNorm(dim, dim, 1, act="relu") for _ in range(3))
        self.levels = nn.ModuleList(ConvNorm(dim, dim, 3, act="relu") for _ in range(3))
        self.fuse = ConvNorm(4 * dim, dim, 3, act="relu")
        self.out = nn.Conv2d(dim, config.num_labels, 1)
        self.auxiliary = Auxiliary(config) if config.use_auxiliary_head else None

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        *larger, last = maps = self.pyramid(body.maps)  # type: ignore[attr-defined]
        pooled = [conv(F.adaptive_avg_pool2d(last, s)) for conv, s in zip(self.pools, self.scales, strict=True)]
        top = self.fuse_pools(torch.cat([last, *(resized(x, last) for x in pooled)], dim=1))
        levels = [top]
        for conv, x in zip(reversed(self.sides), reversed(larger), strict=True):
            side = conv(x)
            levels.insert(0, side + resized(levels[0], side))
        levels[:-1] = [conv(x) for conv, x in zip(self.levels, levels[:-1], strict=True)]
        scores = {"logits": self.out(self.fuse(torch.cat([resized(x, levels[0]) for x in levels], dim=1)))}
        return scores | {"second": maps[2]}


def resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)
