"""The head of queries that are a class and a mask each, and its loss. Shapes: B batch, Q queries, D width, L labels,
h x w a map, H x W a picture, N masks that are wanted of a picture, M of all pictures, P points."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..layers.queries import Perceptron
from ..outputs import MaskQueriesOutput, ModelOutput
from .base import TaskHead
from .set_loss import assign, check_classes, check_masks, dice_loss, focal_loss, places_of, process_mean, together


class MaskQueries(TaskHead):
    """a label and a mask for each query (mask_labels and class_labels: lists of (N,H,W) and (N,), one a picture)."""

    output = MaskQueriesOutput
    targets = ("mask_labels", "class_labels")
    target_type = list | tuple | Tensor  # type: ignore[assignment]

    def __init__(self, config: Config):
        super().__init__(config)
        self.out = nn.Linear(config.hidden_size, config.num_labels + 1)
        self.prepare(config)

    def prepare(self, config: Config) -> None:
        self.masks = Perceptron(config.hidden_size, config.hidden_size, config.mask_feature_size, 3)

    def found(self, body: ModelOutput) -> list[dict[str, Tensor]]:
        """What each step of the decoder finds, the last one last."""
        steps: Sequence[Tensor] = vars(body)["steps"]
        steps = steps if self.config.use_auxiliary_loss else steps[-1:]
        pixels = body["pixel_decoder_last_hidden_state"]  # (B,D,h,w)
        masks = [torch.einsum("bqd,bdhw->bqhw", self.masks(x), pixels) for x in steps]
        return [named(self.out(x), mask) for x, mask in zip(steps, masks, strict=True)]

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Any]:
        *before, last = self.found(body)
        asked = inputs.get("output_auxiliary_logits")
        shown = self.config.output_auxiliary_logits if asked is None else asked
        return last | {"auxiliary_logits": before if shown else None, "before": before}

    def total_loss(self, scores: Any, targets: Mapping[str, Any], inputs: Mapping[str, Any]) -> Tensor:
        wanted = checked_masks(targets, scores["class_queries_logits"], self.config.num_labels)
        criterion = self.criterion()
        return torch.stack([criterion(one, wanted) for one in (scores, *scores["before"])]).sum()

    def criterion(self) -> "MaskLoss":
        c = self.config
        return MaskLoss(c.cross_entropy_weight, c.mask_weight, c.dice_weight, c.no_object_weight)


class PointQueries(MaskQueries):
    """a label and a mask for each query (mask_labels and class_labels: lists of (N,H,W) and (N,), one a picture).

    Masks are those of the decoder, which attends with them; their loss is taken at points (Mask2Former, section 3.3).
    """

    def prepare(self, config: Config) -> None:
        """The masks are the body's."""

    def found(self, body: ModelOutput) -> list[dict[str, Tensor]]:
        pairs = zip(vars(body)["steps"], body["masks_queries_logits"], strict=True)
        return [named(self.out(x), masks) for x, masks in pairs]

    def criterion(self) -> "MaskLoss":
        c = self.config
        return PointLoss(
            c.class_weight, c.mask_weight, c.dice_weight, c.no_object_weight, c.train_num_points, c.oversample_ratio,
            c.importance_sample_ratio,
        )  # fmt: skip


def named(classes: Tensor, masks: Tensor) -> dict[str, Tensor]:
    return {"class_queries_logits": classes, "masks_queries_logits": masks}


class MaskLoss:
    """Each wanted mask is matched with that of a query; classes by cross entropy, masks by focal and Dice loss
    (MaskFormer, section 3.2)."""

    class_cost = 1.0  # what classes count for in matching, if it is not what they count for in the loss

    def __init__(self, classes: float, masks: float, dice: float, nothing: float):
        self.classes, self.masks, self.dice, self.nothing = classes, masks, dice, nothing

    def __call__(self, found: Mapping[str, Tensor], wanted: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Of scores (B,Q,L+1) and masks (B,Q,h,w), for classes (N,) and masks (N,H,W) of each picture."""
        classes, masks = found["class_queries_logits"], found["masks_queries_logits"]
        matches = [self.match(*one) for one in zip(classes, masks, *zip(*wanted, strict=True), strict=True)]
        chosen = places_of(matches)
        labels = torch.full(classes.shape[:2], classes.shape[2] - 1, device=classes.device)
        labels[chosen] = torch.cat([given[j] for (given, _), (_, j) in zip(wanted, matches, strict=True)])
        weights = classes.new_ones(classes.shape[2])
        weights[-1] = self.nothing
        loss = self.classes * F.cross_entropy(classes.mT, labels, weights)
        targets = together([given[j] for (_, given), (_, j) in zip(wanted, matches, strict=True)])  # (M,H,W)
        x, y = self.sampled(masks[chosen], targets)  # (M,P)
        count = process_mean(sum(len(given) for given, _ in wanted), x)
        return loss + (self.masks * self.element(x, y).mean(1).sum() + self.dice * dice_loss(x, y).sum()) / count

    @torch.no_grad()
    def match(self, classes: Tensor, masks: Tensor, labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Queries, and the masks of a picture that they are matched with."""
        x, y = self.compared(masks, targets)  # (Q,P), (N,P)
        ones = torch.ones_like(x)
        cost = -self.class_cost * classes.softmax(-1)[:, labels]
        each = self.element(x, ones) @ y.T + self.element(x, 1 - ones) @ (1 - y).T
        p = x.sigmoid()
        dice = 1 - (2 * p @ y.T + 1) / (p.sum(-1)[:, None] + y.sum(-1) + 1)
        return assign(cost + self.masks * each / x.shape[1] + self.dice * dice)

    def compared(self, masks: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Masks and targets of a picture, at the same places."""
        small = F.interpolate(targets[:, None], masks.shape[1:], mode="nearest")[:, 0] if len(targets) else targets
        return masks.flatten(1), small.reshape(len(targets), masks[0].numel())

    def sampled(self, masks: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Masks and targets that are matched, at the same places."""
        if not len(masks):
            return masks.flatten(1), targets.new_zeros(masks.flatten(1).shape)
        large = F.interpolate(masks[:, None], targets.shape[1:], mode="bilinear", align_corners=False)[:, 0]
        return large.flatten(1), targets.flatten(1)

    def element(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss of each place."""
        return focal_loss(x, y)


class PointLoss(MaskLoss):
    """The same at points: those of matching are drawn evenly, those of the loss mostly where masks are in doubt.

    Args:
        points: how many.
        more: how many times as many are drawn, of which the most doubtful are kept.
        doubtful: which part of the points is chosen so; the rest is drawn evenly.
    """

    def __init__(  # noqa: PLR0913 (four weights and how points are drawn)
        self, classes: float, masks: float, dice: float, nothing: float, points: int, more: float, doubtful: float
    ):
        super().__init__(classes, masks, dice, nothing)
        self.class_cost = classes
        self.points, self.more, self.doubtful = points, more, doubtful

    def element(self, x: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(x, y, reduction="none")

    def compared(self, masks: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        points = torch.rand(1, self.points, 2, device=masks.device)
        return at(masks, points.expand(len(masks), -1, -1)), at(targets, points.expand(len(targets), -1, -1))

    def sampled(self, masks: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            drawn = torch.rand(len(masks), int(self.points * self.more), 2, device=masks.device)
            count = int(self.doubtful * self.points)
            kept = (-at(masks, drawn).abs()).topk(count, dim=1).indices  # (M,count)
            points = drawn.gather(1, kept[..., None].expand(-1, -1, 2))
            if self.points > count:
                even = torch.rand(len(masks), self.points - count, 2, device=masks.device)
                points = torch.cat((points, even), dim=1)
            wanted = at(targets, points)
        return at(masks, points), wanted


def at(masks: Tensor, points: Tensor) -> Tensor:
    """Masks (M,h,w) at points (M,P,2), x and y in parts of a mask, between places: (M,P)"""
    if not len(masks):
        return masks.new_zeros(0, points.shape[1])
    grid = (2 * points - 1)[:, :, None].to(masks.dtype)
    return F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0, :, 0]


def checked_masks(targets: Mapping[str, Any], classes: Tensor, count: int) -> list[tuple[Tensor, Tensor]]:
    """Classes (N,) and masks (N,H,W) of each picture, of scores `classes` (B,Q,L+1).

    Raises: ValueError for others, or if one of the two is missing.
    """
    missing = next((name for name in ("mask_labels", "class_labels") if name not in targets), None)
    if missing is not None:
        raise ValueError(
            f"the loss needs mask_labels and class_labels; {missing} is missing. An image processor makes both from "
            f"segmentation_maps=."
        )
    labels, masks = targets["class_labels"], targets["mask_labels"]
    if len(labels) != len(classes) or len(masks) != len(classes):
        raise ValueError(
            f"mask_labels and class_labels must have an element for each of {len(classes)} pictures, got {len(masks)} "
            f"and {len(labels)}."
        )
    found = []
    for number, (label, mask) in enumerate(zip(labels, masks, strict=True)):
        check_classes(f"class_labels[{number}]", label, count)
        check_masks(f"mask_labels[{number}]", mask, len(label))
        found.append((label.to(classes.device).long(), mask.to(classes)))
    return found
