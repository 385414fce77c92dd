"""What RT-DETR learns by: wanted objects with noise as more queries, and a loss of labels that weighs by overlap.

Shapes: B pictures, Q queries, L labels, N most objects of a picture, G groups, R = 2GN queries with noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import Config
from ..layers.boxes import centred, corners, logit, overlaps
from .set_loss import Matches, SetLoss, Target


@dataclass
class Noise:
    """Queries with noise: labels (B,R), boxes before the sigmoid (B,R,4), who may attend to whom (R+Q,R+Q) of bools,
    and which of them are to become which object; the groups are as many answers for all objects."""

    labels: Tensor
    boxes: Tensor
    mask: Tensor
    matches: Matches
    groups: int

    def facts(self, queries: int) -> dict[str, Any]:
        """As the reference tells it."""
        places = tuple(rows for rows, _ in self.matches)
        return {
            "dn_positive_idx": places, "dn_num_group": self.groups, "dn_num_split": [self.labels.shape[1], queries],
        }  # fmt: skip


def noise_of(labels: Sequence[Target], c: Config, queries: int) -> Noise | None:
    """Drawn anew (DINO, Zhang et al., 2022, section 3.3): a group has near boxes, which are to be found, and far ones,
    which are not; None if there is no object, or config.num_denoising is 0."""
    counts = [len(one["class_labels"]) for one in labels]
    most = max(counts)
    if c.num_denoising <= 0 or not most:
        return None
    groups, device = max(c.num_denoising // most, 1), labels[0]["boxes"].device
    kinds = torch.full((len(labels), most), c.num_labels, dtype=torch.int32, device=device)
    boxes = torch.zeros(len(labels), most, 4, device=device)
    real = torch.zeros(len(labels), most, dtype=torch.bool, device=device)
    for i, (one, count) in enumerate(zip(labels, counts, strict=True)):
        kinds[i, :count], boxes[i, :count], real[i, :count] = one["class_labels"].int(), one["boxes"].float(), True
    kinds, boxes, real = kinds.repeat(1, 2 * groups), boxes.repeat(1, 2 * groups, 1), real.repeat(1, 2 * groups)
    far = torch.arange(2 * groups * most, device=device) % (2 * most) >= most  # (R,)
    if c.label_noise_ratio > 0:
        changed = torch.rand(kinds.shape, device=device) < c.label_noise_ratio * 0.5
        other = torch.randint(0, c.num_labels, kinds.shape, dtype=kinds.dtype, device=device)
        kinds = torch.where(changed & real, other, kinds)
    if c.box_noise_scale > 0:
        reach = boxes[..., 2:].repeat(1, 1, 2) * 0.5 * c.box_noise_scale
        sign = torch.randint(0, 2, boxes.shape, device=device) * 2.0 - 1.0
        part = torch.rand(boxes.shape, device=device) + far[:, None]
        boxes = logit(centred((corners(boxes) + part * sign * reach).clamp(0, 1)))
    places = [(row & ~far).nonzero()[:, 0] for row in real]
    own = [torch.arange(count, device=device).repeat(groups) for count in counts]
    total = kinds.shape[1]
    group = torch.arange(total + queries, device=device).clamp(max=total) // (2 * most)  # that of true queries is last
    mask = (group[:, None] == group) | (torch.arange(total + queries, device=device) >= total)
    return Noise(kinds, boxes, mask, list(zip(places, own, strict=True)), groups)


class VarifocalLoss(SetLoss):
    """Labels are scored against how much their boxes overlap (VarifocalNet, Zhang et al., 2020, section 3.2)."""

    def __init__(self, config: Config):
        super().__init__(config, focal=config.use_focal_loss)
        c = config
        self.costs = c.matcher_class_cost, c.matcher_bbox_cost, c.matcher_giou_cost
        self.focus = c.matcher_alpha, c.matcher_gamma
        self.weights = {"loss_vfl": c.weight_loss_vfl, "loss_bbox": c.weight_loss_bbox, "loss_giou": c.weight_loss_giou}

    def __call__(
        self, found: Mapping[str, Tensor], auxiliary: Sequence[Mapping[str, Tensor]], labels: Sequence[Target],
        noise: Noise | None = None, noisy: Sequence[Mapping[str, Tensor]] = (),
    ) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
        """The loss and its weighted parts. noisy: what the layers made of the queries with noise."""
        count = self.objects(labels, found["logits"])
        parts = self.parts(found, labels, count)
        for i, step in enumerate(auxiliary):
            parts |= {f"{name}_aux_{i}": value for name, value in self.parts(step, labels, count).items()}
        for i, step in enumerate(noisy if noise is not None else ()):
            made = self.parts(step, labels, count * noise.groups, noise.matches)  # type: ignore[union-attr]
            parts |= {f"{name}_dn_{i}": value for name, value in made.items()}
        return torch.stack(list(parts.values())).sum(), parts

    def parts(
        self, found: Mapping[str, Tensor], labels: Sequence[Target], count: float, matches: Matches | None = None
    ) -> dict[str, Tensor]:
        chosen, wanted, boxes = self.pairs(found, labels, matches)
        logits, own = found["logits"], found["pred_boxes"][chosen]
        targets, kept = torch.zeros_like(logits), torch.zeros_like(logits)
        targets[(*chosen, wanted)] = overlaps(corners(own.detach()), corners(boxes))[0].to(logits.dtype)
        kept[(*chosen, wanted)] = 1
        c = self.config
        weights = c.focal_loss_alpha * logits.detach().sigmoid() ** c.focal_loss_gamma * (1 - kept) + targets
        loss = F.binary_cross_entropy_with_logits(logits, targets, weight=weights, reduction="none")
        parts = {"loss_vfl": loss.mean(1).sum() * logits.shape[1] / count, **self.of_boxes(own, boxes, count)}
        return {name: value * self.weights[name] for name, value in parts.items()}
