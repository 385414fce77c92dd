"""Objects that words or pictures ask for (OWL-ViT: Minderer et al., 2022, section 3).

Shapes: B pictures, N = h*w patches, each of which may be an object, Q queries of a picture, D width, E of queries.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..config import Config
from ..layers.boxes import corners, overlaps
from ..outputs import GroundedObjectDetectionOutput, ModelOutput
from .base import TaskHead

EPS = 1e-6
NEAR = 0.8  # of the best overlap: what takes part in the choice of an object to look for


class QueryDetector(TaskHead):
    """a score for each query at each patch, and a box there (queries: texts, or an object in another picture)."""

    output = GroundedObjectDetectionOutput
    targets = ()

    def __init__(self, config: Config):
        super().__init__(config)
        dim, width = config.vision_config.hidden_size, config.text_config.hidden_size
        self.norm = nn.LayerNorm(dim, config.vision_config.layer_norm_eps)
        self.classes = nn.Linear(dim, width)
        self.shift, self.scale = nn.Linear(dim, 1), nn.Linear(dim, 1)
        self.box = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 4))

    def patches(self, states: Tensor) -> Tensor:
        """States (B,1+N,D) of pictures, that of the whole first -> of patches (B,N,D)"""
        return self.norm(states[:, 1:] * states[:, :1])

    def scores(self, x: Tensor, queries: Tensor, asked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Scores (B,N,Q) of queries (Q,E) or (B,Q,E), and the vectors (B,N,E) that were compared with them.

        Args:
            asked: which queries (B,Q) are none to fill up: others are scored as low as can be.
        """
        vectors = normed(self.classes(x))
        found = (vectors @ normed(queries).mT + self.shift(x)) * (nn.functional.elu(self.scale(x)) + 1)
        if asked is not None:
            found = found.masked_fill(~asked[:, None], torch.finfo(found.dtype).min)
        return found, vectors

    def boxes(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """A box (B,N,4) at each patch, as centre x, centre y, width, height in parts of the picture."""
        rows, columns = ((torch.arange(n, device=x.device) + 1) / n for n in grid)
        y, across = torch.meshgrid(rows, columns, indexing="ij")
        sizes = (torch.full_like(y, 1 / grid[1]), torch.full_like(y, 1 / grid[0]))
        places = torch.stack((across, y, *sizes), dim=-1).flatten(0, 1)  # (N,4)
        start = (places + 1e-4).log() - (1 - places + 1e-4).log()
        return (self.box(x) + start.to(x.dtype)).sigmoid()

    def object_in(self, x: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Of the patches (B,N,D) of pictures that show an object: the vector (B,1,E) to look for, and all boxes.

        Of the boxes that fill about as much of the picture as the best does, it is the one least like all patches.
        """
        vectors, boxes = self.classes(x), self.boxes(x, grid)
        whole = boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
        overlap, general = overlaps(whole, corners(boxes))  # (B,N)
        overlap = torch.where((overlap == 0).all(1, keepdim=True), general, overlap)
        near = overlap >= overlap.amax(1, keepdim=True) * NEAR
        likeness = (vectors @ vectors.mean(1)[..., None])[..., 0].masked_fill(~near, torch.inf)
        best = likeness.argmin(1)
        return vectors[torch.arange(len(x), device=x.device), best][:, None], boxes

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        raise NotImplementedError("what is asked for comes with each call: see OwlViTForObjectDetection")


def normed(x: Tensor) -> Tensor:
    return x / (x.norm(dim=-1, keepdim=True) + EPS)
