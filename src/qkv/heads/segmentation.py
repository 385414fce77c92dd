"""Heads that give maps and masks. Shapes: B batch, D width, H x W of a map, L labels, Q queries, n masks of one."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..outputs import ModelOutput, SemanticSegmenterOutput
from .base import TaskHead


class MapClassifier(TaskHead):
    """A score for each label at each place of a picture. A second head, `auxiliary`, if there is one, reads `second` of
    what `forward` gives, for a second loss."""

    output = SemanticSegmenterOutput

    def total_loss(self, scores: Any, targets: Mapping[str, Tensor], inputs: Mapping[str, Any]) -> Tensor | None:
        loss, second = super().total_loss(scores, targets, inputs), getattr(self, "auxiliary", None)
        if loss is None or second is None:
            return loss
        return loss + self.config.auxiliary_loss_weight * self.loss(second(scores["second"]), targets["labels"])

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return map_loss(logits, labels, self.config.semantic_loss_ignore_index)


class StageDecoder(MapClassifier):
    """a score for each label at each place of a picture, (B,L,H/4,W/4) (labels: class indices (B,H,W), 255 ignored).

    The maps of all stages are projected to one width, put side by side, and read together (SegFormer, section 3.2).
    """

    def __init__(self, config: Config):
        super().__init__(config)
        width = config.decoder_hidden_size
        self.proj = nn.ModuleList(nn.Linear(dim, width) for dim in config.hidden_sizes)
        self.fuse = nn.Conv2d(width * len(config.hidden_sizes), width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(config.classifier_dropout_prob)
        self.out = nn.Conv2d(width, config.num_labels, 1)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        maps: list[Tensor] = body.maps  # type: ignore[attr-defined]
        size = maps[0].shape[2:]
        read = []
        for proj, x in zip(self.proj, maps, strict=True):
            if x.dim() == 3:  # (B,N,D) of a square
                x = x.mT.unflatten(2, (round(x.shape[1] ** 0.5), -1))
            x = proj(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            read.append(F.interpolate(x, size, mode="bilinear", align_corners=False))
        x = self.norm(self.fuse(torch.cat(read[::-1], dim=1))).relu()
        return self.out(self.dropout(x))


def map_loss(logits: Tensor, labels: Tensor, ignored: int = 255) -> Tensor:
    """The mean loss of scores (B,L,h,w), made as large as the class indices (B,H,W); `ignored` where none is asked.

    Of one label, the loss of "it is there" against labels 0 and 1.

    Raises: ValueError for labels that are not indices of L classes.
    """
    count = logits.shape[1]
    check_map(logits, labels, ignored)
    logits = F.interpolate(logits, labels.shape[-2:], mode="bilinear", align_corners=False)
    if count > 1:
        return F.cross_entropy(logits, labels.long(), ignore_index=ignored)
    known = (labels >= 0) & (labels != ignored)
    loss = F.binary_cross_entropy_with_logits(logits[:, 0], labels.to(logits.dtype), reduction="none")
    return (loss * known).mean()


def check_map(logits: Tensor, labels: Tensor, ignored: int) -> None:
    """Raises: ValueError for labels that are not class indices (B,H,W) of scores (B,L,h,w), or `ignored`."""
    count = logits.shape[1]
    if labels.dim() != 3 or len(labels) != len(logits) or labels.is_floating_point() or not labels.numel():
        raise ValueError(
            f"labels must be class indices ({len(logits)},H,W), integers, got {labels.dtype} of shape "
            f"{tuple(labels.shape)}. The image processor makes them from segmentation_maps=."
        )
    if torch.compiler.is_compiling() or labels.is_meta:  # nothing can be asked of values
        return
    wrong = labels[((labels < 0) | (labels >= max(count, 2))) & (labels != ignored)]
    if len(wrong):
        most = int(wrong.max())
        load = f"Load it with num_labels={most + 1}, or give" if most > 0 else "Give"
        raise ValueError(
            f"labels hold {most}, but the model has {count} labels. {load} {ignored} where none is asked; an image "
            f"processor with do_reduce_labels=True does so where 0 is the background."
        )
