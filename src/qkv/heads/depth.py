"""Maps as large as the picture from the states of a ViT (DPT: Ranftl et al., 2021): of depth, or of classes.

Shapes: B batch, K tokens before the N patches, D width, C channels of a map, h x w patches, L labels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..layers.mlp import activation
from ..layers.patches import as_map, pair
from ..outputs import DepthEstimatorOutput, ModelOutput
from .base import TaskHead
from .segmentation import MapClassifier


class Stage(nn.Module):
    """The states of one layer as a map of another size: (B,1+N,D) -> (B,C,h*factor,w*factor)

    Args:
        readout: what becomes of the first token: "ignore", "add" (to all patches) or "project" (beside each of them).
    """

    def __init__(self, dim: int, channels: int, factor: float, readout: str, act: str):
        super().__init__()
        self.kind = readout
        self.readout = nn.Linear(2 * dim, dim) if readout == "project" else None
        self.act = activation(act)
        self.project = nn.Conv2d(dim, channels, 1)
        self.resize: nn.Module = nn.Identity()
        if factor > 1:
            self.resize = nn.ConvTranspose2d(channels, channels, int(factor), int(factor))
        elif factor < 1:
            self.resize = nn.Conv2d(channels, channels, 3, int(1 / factor), padding=1)

    def forward(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        first, x = x[:, :1], x[:, 1:]
        if self.readout is not None:
            x = self.act(self.readout(torch.cat((x, first.expand_as(x)), dim=-1)))
        elif self.kind == "add":
            x = x + first
        return self.resize(self.project(as_map(x, grid)))


class Residual(nn.Module):
    """Two convolutions and what they are added to (B,C,H,W)."""

    def __init__(self, channels: int, bias: bool, norms: bool):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1, bias=bias) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) if norms else nn.Identity() for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y = norm(conv(y.relu()))
        return x + y


class Fusion(nn.Module):
    """A map and the next finer one as one of twice the size, or of `size`."""

    def __init__(self, channels: int, bias: bool, norms: bool):
        super().__init__()
        self.side, self.main = Residual(channels, bias, norms), Residual(channels, bias, norms)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, finer: Tensor | None, size: Sequence[int] | None) -> Tensor:
        if finer is not None:
            if finer.shape != x.shape:
                finer = F.interpolate(finer, x.shape[2:], mode="bilinear", align_corners=False)
            x = x + self.side(finer)
        return self.project(larger(self.main(x), size))


class Neck(nn.Module):
    """States of some layers of a ViT, or maps, as maps that grow finer.

    Args:
        exact: whether a map is made as large as the next finer one, and not just twice as large.
    """

    def __init__(self, c: Config, exact: bool):
        super().__init__()
        inner = getattr(c, "backbone_config", None)
        dim = getattr(c, "reassemble_hidden_size", None) or getattr(inner, "hidden_size", None) or c.hidden_size
        self.patch = pair(getattr(inner, "patch_size", None) or c.patch_size)
        self.exact, wide, norms = exact, c.fusion_hidden_size, bool(getattr(c, "use_batch_norm_in_fusion_residual", 0))
        bias = getattr(c, "use_bias_in_fusion_residual", None)
        bias = not norms if bias is None else bias
        readout, act = getattr(c, "readout_type", "ignore"), getattr(c, "hidden_act", "gelu")
        count = len(c.neck_hidden_sizes)
        if readout not in ("ignore", "add", "project"):
            raise ValueError(f"config.readout_type must be 'ignore', 'add' or 'project', got {readout!r}.")
        if not -count <= c.head_in_index < count or len(c.reassemble_factors) < count:
            raise ValueError(
                f"config.head_in_index={c.head_in_index} and reassemble_factors={c.reassemble_factors} must fit the "
                f"{count} neck_hidden_sizes."
            )
        sizes = list(zip(c.neck_hidden_sizes, c.reassemble_factors, strict=False))
        maps = inner is not None and not hasattr(inner, "reshape_hidden_states")  # it gives maps, of their own sizes
        self.stages = nn.ModuleList() if maps else nn.ModuleList(Stage(dim, n, f, readout, act) for n, f in sizes)
        self.convs = nn.ModuleList(nn.Conv2d(n, wide, 3, padding=1, bias=False) for n in c.neck_hidden_sizes)
        self.fusions = nn.ModuleList(Fusion(wide, bias, norms) for _ in c.neck_hidden_sizes)

    def forward(self, states: Sequence[Tensor], grid: tuple[int, int]) -> list[Tensor]:
        if len(states) != len(self.convs):
            raise ValueError(
                f"{len(states)} layers of the backbone for {len(self.convs)} config.neck_hidden_sizes: name as many in "
                f"out_indices of its backbone_config, or in backbone_out_indices."
            )
        if self.stages:
            states = [stage(x, grid) for stage, x in zip(self.stages, states, strict=True)]
        maps = [conv(x) for conv, x in zip(self.convs, states, strict=True)][::-1]  # the coarsest first
        sizes = [x.shape[2:] if self.exact else None for x in maps[1:]]
        found = [self.fusions[0](maps[0], None, [*sizes, None][0])]
        for fusion, x, size in zip(list(self.fusions)[1:], maps[1:], [*sizes[1:], None], strict=True):
            found.append(fusion(found[-1], x, size))
        return found

    def grid(self, pixels: Tensor) -> tuple[int, int]:
        return pixels.shape[2] // self.patch[0], pixels.shape[3] // self.patch[1]


class DepthEstimator(TaskHead):
    """how far, or how near, each place of a picture is: predicted_depth (B,H,W).

    Args:
        exact: whether maps are made of exactly the sizes of others, and the depth of the patches' size (Depth Anything:
            Yang et al., 2024), and not by doubling.
    """

    output = DepthEstimatorOutput

    def __init__(self, config: Config, *, exact: bool = False):
        super().__init__(config)
        c, self.exact = config, exact
        kind = getattr(c, "depth_estimation_type", "relative")
        if kind not in ("relative", "metric"):
            raise ValueError(f"config.depth_estimation_type must be 'relative' or 'metric', got {kind!r}.")
        self.neck, self.metric = Neck(c, exact), kind == "metric"
        wide, narrow = c.fusion_hidden_size, getattr(c, "head_hidden_size", 32)
        self.project = nn.Conv2d(256, 256, 3, padding=1) if getattr(c, "add_projection", False) else None
        self.first, self.second = nn.Conv2d(wide, wide // 2, 3, padding=1), nn.Conv2d(wide // 2, narrow, 3, padding=1)
        self.last = nn.Conv2d(narrow, 1, 1)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        grid = self.neck.grid(inputs["pixel_values"])
        x = self.neck(body.maps, grid)[self.config.head_in_index]  # type: ignore[attr-defined]
        x = x if self.project is None else self.project(x).relu()
        sides = [count * side for count, side in zip(grid, self.neck.patch, strict=True)]
        x = self.second(larger(self.first(x), sides if self.exact else None)).relu()
        x = self.last(x)[:, 0]
        x = x.sigmoid() if self.metric else x.relu()
        return {"predicted_depth": x * (getattr(self.config, "max_depth", None) or 1)}

    def total_loss(self, scores: Mapping[str, Any], targets: Mapping[str, Any], inputs: Mapping[str, Any]) -> Tensor:
        raise NotImplementedError(
            "models of depth have no loss of their own: leave labels out, and compute one of predicted_depth (B,H,W), "
            "such as (out.predicted_depth - depth).abs().mean()."
        )


class DenseClassifier(MapClassifier):
    """a score for each label at each place of a picture, (B,L,H,W) (labels: class indices (B,H,W), 255 ignored)."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.neck = Neck(config, exact=False)
        self.classes = self.scores(config, config.semantic_classifier_dropout)
        self.auxiliary = self.scores(config, 0.1) if config.use_auxiliary_head else None

    def scores(self, c: Config, dropout: float) -> nn.Sequential:
        wide = c.fusion_hidden_size
        return nn.Sequential(
            nn.Conv2d(wide, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(), nn.Dropout(dropout),
            nn.Conv2d(wide, c.num_labels, 1),
        )  # fmt: skip

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        found = self.neck(body.maps, self.neck.grid(inputs["pixel_values"]))  # type: ignore[attr-defined]
        return {"logits": larger(self.classes(found[self.config.head_in_index])), "second": found[-1]}


def larger(x: Tensor, size: Sequence[int] | None = None) -> Tensor:
    """A map (B,C,H,W) of `size`, or of twice the size, interpolated from corner to corner."""
    return F.interpolate(
        x, tuple(size) if size else None, None if size else 2, mode="bilinear", align_corners=True
    )  # fmt: skip
