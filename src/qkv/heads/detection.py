"""Heads that find objects. Shapes: B pictures, Q queries, D width, L labels, S places of a map, H x W pixels."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..layers.boxes import shifted
from ..layers.published import Named
from ..layers.queries import Perceptron, ZeroLinear
from ..outputs import (
    ModelOutput,
    ObjectDetectionOutput,
    ObjectMasksOutput,
)
from .base import TaskHead
from .set_loss import SetLoss, checked_targets


class ObjectDetector(TaskHead):
    """a label and a box for each query (labels: a list of {"class_labels" (N,), "boxes" (N,4)}, one a picture).

    Args:
        deep: whether labels have hidden layers as boxes have (YOLOS).
        tokens: the field of the config that says how many of the last states are the queries, if not all.
        focal: whether labels are scored one by one; else there is one more, the last, for "no object".
    """

    output = ObjectDetectionOutput
    target_type = list
    wants_masks = False

    def __init__(self, config: Config, *, deep: bool = False, tokens: str = "", focal: bool = False):
        super().__init__(config)
        width, labels = config.hidden_size, config.num_labels + (not focal)
        self.out = Perceptron(width, width, labels, 3) if deep else nn.Linear(width, labels)
        self.boxes = Perceptron(width, width, 4, 3)
        self.focal, self.count = focal, getattr(config, tokens) if tokens else 0

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Any]:
        x = body["last_hidden_state"][:, -self.count :]  # (B,Q,D)
        return {"logits": self.out(x), "pred_boxes": self.boxes_of(x, body), "body": body}

    def boxes_of(self, x: Tensor, body: ModelOutput) -> Tensor:
        return self.boxes(x).sigmoid()

    def auxiliary(self, body: ModelOutput) -> list[dict[str, Tensor]]:
        """What each layer before the last finds, for losses of their own."""
        steps = body.get("intermediate_hidden_states")
        if steps is None or not self.config.auxiliary_loss:
            return []
        return [{"logits": self.out(x), "pred_boxes": self.boxes_of(x, body)} for x in steps[:-1]]

    def total_loss(self, scores: Any, targets: Mapping[str, Any], inputs: Mapping[str, Any]) -> Tensor | None:
        if "labels" not in targets:
            return None
        labels = checked_targets(
            targets["labels"], scores["pred_boxes"], self.config.num_labels, masks=self.wants_masks
        )
        auxiliary = self.auxiliary(scores["body"])
        loss, scores["loss_dict"] = self.criterion()(scores, auxiliary, labels)
        if auxiliary:
            scores["auxiliary_outputs"] = auxiliary
        return loss

    def criterion(self) -> SetLoss:
        return SetLoss(self.config, focal=self.focal)


class MaskDetector(ObjectDetector):
    """a label, a box and a mask for each query (labels as for boxes, and "masks" (N,H,W), one a picture)."""

    output = ObjectMasksOutput
    wants_masks = True

    def __init__(self, config: Config, **options: Any):
        super().__init__(config, **options)
        self.attention = MapAttention(config.hidden_size, config.num_attention_heads)

    def prepare(self, channels: list[int]) -> None:
        """Build what depends on the C of the backbone's maps. Raises: ValueError for fewer than four maps."""
        if len(channels) < 4:
            raise ValueError(
                f"masks need four maps of the backbone, got {len(channels)}: give a backbone_config with "
                f"out_features=['stage1', 'stage2', 'stage3', 'stage4']."
            )
        c = self.config
        self.masks = MaskConvolutions(c.hidden_size, c.num_attention_heads, channels[-2::-1][:3])

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Any]:
        found, scene, (height, width) = (
            super().forward(body, inputs),
            vars(body)["scene"],
            vars(body)["scene"].shapes[0],
        )
        seen = self.attention(body["last_hidden_state"], body["encoder_last_hidden_state"], scene.inside)
        x = scene.x.mT.unflatten(2, (height, width))  # (B,D,H,W)
        return found | {"pred_masks": self.masks(x, seen.unflatten(-1, (height, width)), scene.maps[-2::-1][:3])}

    def criterion(self) -> SetLoss:
        return SetLoss(self.config, focal=self.focal, matched_focal=False)


class PlacedDetector(ObjectDetector):
    """a label and a box for each query, from the place that it looks from (labels as for boxes, one a picture)."""

    def boxes_of(self, x: Tensor, body: ModelOutput) -> Tensor:
        return shifted(self.boxes(x), body["reference_points"].transpose(0, 1))


class PriorLinear(nn.Linear):
    """Scores of labels that are rare at first (RetinaNet, Lin et al., 2017, section 4.1)."""

    def __init__(self, config: Config):
        self.prior = config.initializer_bias_prior_prob or 1 / (config.num_labels + 1)
        super().__init__(config.hidden_size, config.num_labels)

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        nn.init.constant_(self.bias, -math.log((1 - self.prior) / self.prior))


class MapAttention(Named):
    """How much queries (B,Q,D) look at each place of a map (B,S,D), head by head: (B,Q,heads,S), all of it 1."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.q_proj, self.k_proj, self.heads = XavierLinear(dim, dim), XavierLinear(dim, dim), heads

    def forward(self, x: Tensor, states: Tensor, inside: Tensor | None) -> Tensor:
        q = self.q_proj(x).unflatten(-1, (self.heads, -1))  # (B,Q,h,C)
        k = self.k_proj(states).unflatten(-1, (self.heads, -1))  # (B,S,h,C)
        scores = torch.einsum("bqhc,bshc->bqhs", q * q.shape[-1] ** -0.5, k)
        if inside is not None:
            scores = scores.masked_fill(~inside[:, None, None], torch.finfo(scores.dtype).min)
        return scores.flatten(2).softmax(-1).view_as(scores)


class MaskConvolutions(Named):
    """Masks from where queries look, made larger step by step with the maps of the backbone."""

    def __init__(self, dim: int, heads: int, channels: list[int]):
        super().__init__()
        widths = [dim + heads, dim + heads, *(dim // 2**i for i in range(1, 5))]
        if widths[0] % 8:
            raise ValueError(f"hidden_size + num_attention_heads must divide by 8 for masks, got {dim} + {heads}.")
        self.convs = nn.ModuleList(KaimingConv(widths[i], widths[i + 1], 3, padding=1) for i in range(5))
        self.norms = nn.ModuleList(nn.GroupNorm(min(8, widths[i + 1]), widths[i + 1]) for i in range(5))
        self.adapters = nn.ModuleList(KaimingConv(n, widths[i + 2], 1) for i, n in enumerate(channels))
        self.out = KaimingConv(widths[-1], 1, 3, padding=1)

    def forward(self, x: Tensor, seen: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """x (B,D,H,W), where queries look (B,Q,heads,H,W), maps, the smallest first -> (B,Q,h,w)"""
        batch, queries = seen.shape[:2]
        x = torch.cat((each_query(x, queries), seen.flatten(0, 1)), dim=1)  # (B*Q,D+heads,H,W)
        for i, (conv, norm) in enumerate(zip(self.convs.children(), self.norms.children(), strict=True)):
            if i > 1:
                finer = each_query(self.adapters[i - 2](maps[i - 2]), queries)
                x = finer + F.interpolate(x, size=finer.shape[2:], mode="nearest")
            x = norm(conv(x)).relu()
        return self.out(x).view(batch, queries, *x.shape[2:])


def each_query(x: Tensor, queries: int) -> Tensor:
    """(B,C,H,W) -> (B*Q,C,H,W)"""
    return x[:, None].expand(-1, queries, -1, -1, -1).flatten(0, 1)


class KaimingConv(nn.Conv2d):
    def reset_parameters(self) -> None:
        nn.init.kaiming_uniform_(self.weight, a=1)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class XavierLinear(nn.Linear):
    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class XavierEmbedding(nn.Embedding):
    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)


DRAWN = (
    KaimingConv,
    PriorLinear,
    XavierLinear,
    XavierEmbedding,
    ZeroLinear,
)  # which draw their weights as their class says
