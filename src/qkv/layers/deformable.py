"""Deformable attention (Zhu et al., 2020, arXiv:2010.04159): a query looks at a few places of several maps.

Shapes: B batch, Q queries, M maps of S places in all, H heads, P points of a head on a map, C head width, D width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear import Linear
from .observe import note
from .published import Named

Shapes = list[tuple[int, int]]  # height and width of each map


class DeformableAttention(Named):
    """Queries (B,Q,D) that look at maps (B,S,D), near the places that they are given.

    Args:
        levels: M, how many maps there are.
        points: P, at how many points each head looks on each map.
    """

    def __init__(self, dim: int, heads: int, levels: int, points: int):
        super().__init__()
        if dim % heads:
            raise ValueError(f"a width of {dim} cannot be divided among {heads} heads.")
        self.heads, self.levels, self.points = heads, levels, points
        self.offsets = Linear(dim, heads * levels * points * 2)
        self.weights = Linear(dim, heads * levels * points)
        self.v_proj, self.o_proj = Linear(dim, dim), Linear(dim, dim)

    def forward(
        self, x: Tensor, states: Tensor, places: Tensor, shapes: Shapes, inside: Tensor | None = None,
        kind: str = "attentions",
    ) -> Tensor:  # fmt: skip
        """
        Args:
            x: queries with their positions (B,Q,D).
            states: the maps, one after the other (B,S,D).
            places: of each query on each map, (B or 1,Q,M,2) as x and y, or (B,Q,M,4) with the width and height of the
                box around it, in parts of the map.
            inside: true where states are of a picture (B,S); everywhere if None.
            kind: the name under which the weights (B,Q,H,M,P) are noted when they are observed.
        """
        values = self.v_proj(states)
        if inside is not None:
            values = values.masked_fill(~inside[..., None], 0.0)
        shape = (self.heads, self.levels, self.points)
        offsets = self.offsets(x).unflatten(-1, (*shape, 2))  # (B,Q,H,M,P,2)
        weights = self.weights(x).unflatten(-1, (self.heads, -1)).softmax(-1).unflatten(-1, shape[1:])  # (B,Q,H,M,P)
        note(kind, weights)
        centres = places[:, :, None, :, None, :2]
        if places.shape[-1] == 2:
            sizes = torch.tensor([(width, height) for height, width in shapes], dtype=x.dtype, device=x.device)
            points = centres + offsets / sizes[:, None]
        else:
            points = centres + offsets / self.points * places[:, :, None, :, None, 2:] * 0.5
        return self.o_proj(gathered(values, shapes, points, weights))

    def reset_parameters(self) -> None:
        """Heads look in as many directions, each point a step farther; all count alike."""
        turns = torch.arange(self.heads) * (2 * math.pi / self.heads)
        way = torch.stack((turns.cos(), turns.sin()), dim=-1)  # (H,2)
        way = way / way.abs().amax(-1, keepdim=True)
        steps = torch.arange(1.0, self.points + 1)[:, None] * way[:, None, None]  # (H,1,P,2)
        with torch.no_grad():
            self.offsets.bias.copy_(steps.expand(-1, self.levels, -1, -1).flatten())
        for layer in (self.offsets, self.weights):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.weights.bias)
        for layer in (self.v_proj, self.o_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


class SelfDeformable(DeformableAttention):
    """Of the places of maps x (B,S,D), with positions (B or 1,S,D), to others of them near `at` (B or 1,S,M,2)."""

    def forward(  # type: ignore[override]
        self, x: Tensor, positions: Tensor, inside: Tensor | None, at: Tensor, shapes: Shapes
    ) -> Tensor:
        return super().forward(x + positions, x, at, shapes, inside)


class CrossDeformable(DeformableAttention):
    """Of queries x (B,Q,D), with positions, to places of maps (B,S,D) near `at` (B,Q,M,2 or 4)."""

    def forward(  # type: ignore[override]
        self, x: Tensor, positions: Tensor, states: Tensor, inside: Tensor | None, at: Tensor, shapes: Shapes
    ) -> Tensor:
        return super().forward(x + positions, states, at, shapes, inside, "cross_attentions")


def gathered(values: Tensor, shapes: Shapes, points: Tensor, weights: Tensor) -> Tensor:
    """Weighted means of values (B,S,D) at points (B,Q,H,M,P,2), x and y in parts of a map, by weights (B,Q,H,M,P):
    (B,Q,D). Between places values are interpolated; outside of a map they are 0."""
    batch, _, heads = weights.shape[:3]
    grids = (2 * points - 1).transpose(1, 2).flatten(0, 1)  # (B*H,Q,M,P,2)
    weights = weights.transpose(1, 2).flatten(0, 1)[:, None]  # (B*H,1,Q,M,P)
    total: Tensor | None = None
    for level, part in enumerate(values.split([height * width for height, width in shapes], dim=1)):
        each = part.unflatten(-1, (heads, -1)).permute(0, 2, 3, 1).flatten(0, 1).unflatten(-1, shapes[level])
        seen = F.grid_sample(each, grids[:, :, level], align_corners=False)  # (B*H,C,Q,P)
        mean = (seen * weights[:, :, :, level]).sum(-1)  # (B*H,C,Q)
        total = mean if total is None else total + mean
    return total.unflatten(0, (batch, heads)).flatten(1, 2).mT  # type: ignore[union-attr]


def centres(shapes: Shapes, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Where each place of some maps is in its map, x and y from 0 to 1: (S,2)"""
    found = []
    for height, width in shapes:
        y, x = ((torch.arange(count, dtype=torch.float32, device=device) + 0.5) / count for count in (height, width))
        found.append(torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), dim=-1).flatten(0, 1))
    return torch.cat(found).to(dtype)
