"""Pictures as vectors: patches, and their positions.

Shapes: B batch, C channels, H x W pixels, P a patch's side, N = (H/P)(W/P) patches, K tokens before them, D width,
G the side of a window.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import short
from .dropout import Dropout
from .published import Named

Size = int | list[int] | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    """Height and width of what a config gives as one number or as two."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


class Patches(nn.Conv2d):
    """A picture cut into patches, each projected: (B,C,H,W) -> (B,N,D), row by row."""

    def __init__(self, channels: int, dim: int, patch: Size, *, bias: bool = True):
        super().__init__(channels, dim, pair(patch), stride=pair(patch), bias=bias)

    def grid(self, pixels: Tensor) -> tuple[int, int]:
        """How many patches a picture (B,C,H,W) is high and wide."""
        return pixels.shape[2] // self.stride[0], pixels.shape[3] // self.stride[1]

    def forward(self, pixels: Tensor) -> Tensor:  # type: ignore[override]
        check_pixels(pixels, self.in_channels, self.stride)
        return super().forward(pixels.to(self.weight.dtype)).flatten(2).mT


class PictureEmbeddings(Named):
    """Patches after K learned tokens, with learned positions: (B,C,H,W) -> (B,K+N,D)

    For a picture of another size than `size` the table of positions is stretched.

    Args:
        size: the pictures' height and width for which there is a table of positions.
        tokens: how many vectors stand before the patches, such as one for the whole picture.
        mask: whether patches can be hidden behind a learned vector (SimMIM, Xie et al., 2021).
        positions: whether there is a table of positions.
    """

    antialias: ClassVar[bool] = False  # whether positions for fewer patches are means of more
    mode: ClassVar[str] = "bicubic"  # how positions between those of the table are made

    def __init__(
        self, channels: int, dim: int, *, size: Size, patch: Size, tokens: int = 1, mask: bool = False,
        positions: bool = True, dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.size = pair(size)
        self.patch = Patches(channels, dim, patch)
        self.shape = self.size[0] // pair(patch)[0], self.size[1] // pair(patch)[1]
        self.cls = nn.ParameterList(nn.Parameter(torch.zeros(1, 1, dim)) for _ in range(tokens))
        self.mask = nn.Parameter(torch.zeros(1, 1, dim)) if mask else None
        count = tokens + self.shape[0] * self.shape[1]
        self.position = nn.Parameter(torch.zeros(1, count, dim)) if positions else None
        self.dropout = Dropout(dropout)

    def forward(self, pixels: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Pixels (B,C,H,W); `hidden` is true, or 1, for patches to hide (B,N)."""
        x = self.project(pixels)  # (B,N,D)
        if hidden is not None:
            x = self.hide(x, hidden)
        x = torch.cat((*(token.expand(len(x), -1, -1) for token in self.cls), x), dim=1)  # (B,K+N,D)
        if self.position is not None:
            grid = self.patch.grid(pixels)
            x = x + stretched(self.position, self.shape, grid, len(self.cls), self.mode, antialias=self.antialias)
        return self.dropout(x)

    def project(self, pixels: Tensor) -> Tensor:
        return self.patch(pixels)

    def hide(self, x: Tensor, hidden: Tensor) -> Tensor:
        if self.mask is None:
            raise ValueError("bool_masked_pos is for models that learn to fill patches in, …ForMaskedImageModeling.")
        if hidden.shape != x.shape[:2]:
            raise ValueError(f"bool_masked_pos must have the shape {tuple(x.shape[:2])}, got {tuple(hidden.shape)}.")
        return torch.where(hidden.bool()[..., None], self.mask.to(x.dtype), x)


def stretched(
    table: Tensor, shape: tuple[int, int], wanted: tuple[int, int], tokens: int = 0, mode: str = "bicubic",
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Positions (1,K+N,D) of K tokens and of patches in `shape`, for patches in `wanted`: interpolated between."""
    if shape == wanted:
        return table
    own, patches = table[:, :tokens], table[:, tokens:]
    patches = as_map(patches, shape).float()  # (1,N,D) -> (1,D,h,w)
    new = F.interpolate(patches, wanted, mode=mode, align_corners=False, antialias=antialias).to(table.dtype)
    return torch.cat((own, new.flatten(2).mT), dim=1)


def as_map(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """States of patches (B,N,D), row by row, as a map (B,D,h,w)."""
    return x.mT.unflatten(2, grid)


def windows(x: Tensor, side: int) -> Tensor:
    """A map (B,h,w,D) as its n windows, one below the other: (B*n,G*G,D)"""
    x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side))  # (B,h/G,G,w/G,G,D)
    return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)


def whole(x: Tensor, grid: tuple[int, int], side: int) -> Tensor:
    """Windows (B*n,G*G,D) as the map (B,h,w,D) that they are of."""
    x = x.unflatten(1, (side, side)).unflatten(0, (-1, grid[0] // side, grid[1] // side))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def check_pixels(pixels: Any, channels: int | None = None, least: Sequence[int] = (1, 1)) -> None:
    """Raises: ValueError for what is no tensor of pictures (B,C,H,W), or of fewer pixels than `least`."""
    given = tuple(pixels.shape) if isinstance(pixels, Tensor) else short(pixels)
    if isinstance(given, tuple) and len(given) == 4 and given[0] and given[1] == (channels or given[1]) and (
        given[2] >= least[0] and given[3] >= least[1]
    ):  # fmt: skip
        return
    hint = "; add a batch dimension with pixel_values[None]" if isinstance(given, tuple) and len(given) == 3 else ""
    raise ValueError(
        f"pixel_values must be a tensor (B,{channels or 'C'},H,W) of at least one picture, H and W at least {least[0]} "
        f"and {least[1]}, got {given}{hint}. AutoImageProcessor makes them from pictures."
    )
