"""The first of two stages of Deformable DETR: places of the encoder's maps propose boxes (Zhu et al., 2020, A.4).

Shapes: B batch, L maps of S places in all, D width.
"""

import torch
from torch import Tensor, nn

from ..layers.deformable import centres
from ..layers.published import Named
from .detection import Scene


def in_pictures(scene: Scene) -> Tensor:
    """Where each place of the maps is in its picture, of which a map may cover a part (B,S,2)."""
    covered = scene.more["covered"]
    own = centres(scene.shapes, covered.dtype, covered.device)
    counts = enumerate(height * width for height, width in scene.shapes)
    return own / torch.cat([covered[:, level, None].expand(-1, count, -1) for level, count in counts], dim=1)


def anchors(scene: Scene) -> tuple[Tensor, Tensor]:
    """A box at each place before the sigmoid (B,S,4), larger on coarser maps, and whether it is in the picture and not
    at its edge (B,S,1)."""
    at = in_pictures(scene)
    sides = torch.cat([at.new_full((h * w,), 0.05 * 2.0**level) for level, (h, w) in enumerate(scene.shapes)])
    boxes = torch.cat((at, sides[None, :, None].expand(len(at), -1, 2)), dim=-1)
    return (boxes / (1 - boxes)).log(), ((boxes > 0.01) & (boxes < 0.99)).all(-1, keepdim=True)


def ratios(inside: Tensor) -> Tensor:
    """Which part of a map (B,h,w) of bools pictures cover: (B,2), of its width and of its height."""
    return torch.stack((inside[:, 0].float().mean(1), inside[:, :, 0].float().mean(1)), dim=-1)


class Proposals(Named):
    """The first stage: each place of the encoder's maps proposes a box, the best become queries (appendix A.4)."""

    def __init__(self, dim: int):
        super().__init__()
        self.output, self.output_norm = nn.Linear(dim, dim), nn.LayerNorm(dim)
        self.trans, self.trans_norm = nn.Linear(2 * dim, 2 * dim), nn.LayerNorm(2 * dim)

    def objects(self, states: Tensor, scene: Scene) -> tuple[Tensor, Tensor]:
        """What each place may be (B,S,D), and a box there before the sigmoid (B,S,4), infinite at edges and padding."""
        boxes, kept = (x.expand(len(states), -1, -1) for x in anchors(scene))
        kept = kept if scene.inside is None else kept & scene.inside[..., None]
        boxes = boxes.masked_fill(~kept, float("inf")).to(states.dtype)
        return self.output_norm(self.output(states.masked_fill(~kept, 0.0))), boxes
