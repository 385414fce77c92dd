"""The loss of a set of found objects: each wanted one is matched with what was found (DETR, Carion et al., 2020).

Shapes: B pictures, Q queries, L labels, N wanted objects of a picture, M matched ones of all pictures.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import Config
from ..errors import short
from ..layers.boxes import corners, overlaps

Target = Mapping[str, Tensor]  # class_labels (N,), boxes (N,4), masks (N,H,W)
Matches = list[tuple[Tensor, Tensor]]  # of each picture: numbers of queries, and of the objects they are matched with


class SetLoss:
    """Losses of labels, boxes and masks, weighted as the config says.

    Args:
        focal: labels are scored one by one (RetinaNet, Lin et al., 2017, section 3); else against "no object", too.
        matched_focal: the same of what decides on matches; as `focal` if None.
    """

    focus = (0.25, 2.0)  # alpha and gamma of what matches cost

    def __init__(self, config: Config, *, focal: bool = False, matched_focal: bool | None = None):
        self.config, self.focal = config, focal
        self.matched_focal = focal if matched_focal is None else matched_focal
        self.costs = tuple(getattr(config, f"{name}_cost", 1.0) for name in ("class", "bbox", "giou"))
        self.weights = {"loss_ce": 1.0}
        for name in ("bbox", "giou", "mask", "dice"):
            self.weights[f"loss_{name}"] = getattr(config, f"{name}_loss_coefficient", 1.0)

    def __call__(
        self, found: Mapping[str, Tensor], auxiliary: Sequence[Mapping[str, Tensor]], labels: Sequence[Target]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its parts, by the reference's names; those of auxiliary outputs end in their number.

        Args:
            found: logits (B,Q,L or L+1), pred_boxes (B,Q,4), and pred_masks (B,Q,h,w) if they are learned.
        """
        count = self.objects(labels, found["logits"])
        parts = self.parts(found, labels, count)
        for i, step in enumerate(auxiliary):
            parts |= {f"{name}_{i}": value for name, value in self.parts(step, labels, count).items()}
        weights = {name: self.weights.get(name.rstrip("0123456789").rstrip("_")) for name in parts}
        loss = sum(parts[name] * weight for name, weight in weights.items() if weight is not None)
        return loss, parts  # type: ignore[return-value]

    def objects(self, labels: Sequence[Target], like: Tensor) -> float:
        """How many objects are wanted of all pictures: the mean of all processes, at least 1."""
        return process_mean(sum(len(one["class_labels"]) for one in labels), like)

    def pairs(
        self, found: Mapping[str, Tensor], labels: Sequence[Target], matches: Matches | None = None
    ) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """Which pictures and queries are matched (M,), (M,), and the labels (M,) and boxes (M,4) of their objects."""
        matches = self.match(found["logits"], found["pred_boxes"], labels) if matches is None else matches
        wanted, boxes = (
            torch.cat([one[name][j] for one, (_, j) in zip(labels, matches, strict=True)])
            for name in ("class_labels", "boxes")
        )
        return places_of(matches), wanted, boxes

    def parts(self, found: Mapping[str, Tensor], labels: Sequence[Target], count: float) -> dict[str, Tensor]:
        matches = self.match(found["logits"], found["pred_boxes"], labels)
        chosen, wanted, boxes = self.pairs(found, labels, matches)
        parts = {"loss_ce": self.of_labels(found["logits"], chosen, wanted, count)}
        parts |= self.of_boxes(found["pred_boxes"][chosen], boxes, count)
        with torch.no_grad():
            counts = torch.tensor([float(len(one["class_labels"])) for one in labels], device=boxes.device)
            parts["cardinality_error"] = (self.are_objects(found["logits"]).sum(1) - counts).abs().mean()
        if "pred_masks" in found:
            masks = [one["masks"][j] for one, (_, j) in zip(labels, matches, strict=True)]
            parts |= of_masks(found["pred_masks"][chosen], masks, count)
        return parts

    @torch.no_grad()
    def match(self, logits: Tensor, boxes: Tensor, labels: Sequence[Target]) -> Matches:
        """The cheapest assignment of queries to wanted objects, each at most once."""
        (of_label, of_box, of_overlap), found = self.costs, []
        for scores, own, one in zip(logits.float(), boxes.float(), labels, strict=True):
            wanted, kinds = one["boxes"].float(), one["class_labels"]
            cost = of_box * torch.cdist(own, wanted, p=1) + of_label * self.label_cost(scores)[:, kinds]  # (Q,N)
            cost = cost - of_overlap * overlaps(corners(own)[:, None], corners(wanted)[None])[1]
            found.append(assign(cost))
        return found

    def label_cost(self, scores: Tensor) -> Tensor:
        if not self.matched_focal:
            return -scores.softmax(-1)
        p, (alpha, gamma) = scores.sigmoid(), self.focus
        right = alpha * (1 - p) ** gamma * -(p + 1e-8).log()
        return right - (1 - alpha) * p**gamma * -(1 - p + 1e-8).log()

    def are_objects(self, logits: Tensor) -> Tensor:
        """(B,Q,…) -> (B,Q), whether a query says that it has found something."""
        return logits.amax(-1).sigmoid() > 0.5 if self.focal else logits.argmax(-1) != logits.shape[-1] - 1

    def of_labels(self, logits: Tensor, chosen: tuple[Tensor, Tensor], wanted: Tensor, count: float) -> Tensor:
        if self.focal:
            targets = torch.zeros_like(logits)
            targets[(*chosen, wanted)] = 1
            return focal_loss(logits, targets, self.config.focal_alpha).mean(1).sum() / count * logits.shape[1]
        classes = logits.shape[-1] - 1
        targets = logits.new_full(logits.shape[:2], classes, dtype=torch.long)
        targets[chosen] = wanted
        weights = logits.new_ones(classes + 1)
        weights[-1] = self.config.eos_coefficient
        return F.cross_entropy(logits.mT, targets, weights)

    def of_boxes(self, found: Tensor, wanted: Tensor, count: float) -> dict[str, Tensor]:
        """Of pairs of boxes (M,4)"""
        giou = overlaps(corners(found), corners(wanted))[1]
        return {"loss_bbox": (found - wanted).abs().sum() / count, "loss_giou": (1 - giou).sum() / count}


def process_mean(count: float, like: Tensor) -> float:
    """The mean of all processes, at least 1."""
    found = torch.tensor(float(count), device=like.device)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(found)
        found /= torch.distributed.get_world_size()
    return max(float(found), 1.0)


def assign(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns (min(Q,N),) of the cheapest assignment; what is no number is taken only if nothing else is left.

    Raises: ImportError without scipy.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        raise ImportError('the loss of a detector needs scipy: pip install "qkv[detection]".') from None
    most = torch.finfo(torch.float32).max
    cost = cost.nan_to_num(nan=most, posinf=most, neginf=most)
    return tuple(torch.as_tensor(x, device=cost.device) for x in linear_sum_assignment(cost.cpu().numpy()))  # type: ignore[return-value]


def focal_loss(logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Cross entropy that counts less for what is right already, element by element; targets from 0 to 1."""
    p = logits.sigmoid()
    hit = p * targets + (1 - p) * (1 - targets)
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * (1 - hit) ** gamma
    return loss * (alpha * targets + (1 - alpha) * (1 - targets)) if alpha >= 0 else loss


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """How little masks (M,P) and targets overlap, from 0 to 1: (M,) (Milletari et al., 2016)"""
    p = logits.sigmoid()
    return 1 - (2 * (p * targets).sum(-1) + 1) / (p.sum(-1) + targets.sum(-1) + 1)


def of_masks(found: Tensor, wanted: Sequence[Tensor], count: float) -> dict[str, Tensor]:
    """Of masks (M,h,w) for those of pictures, (N,H,W) each."""
    targets = together([x.to(found) for x in wanted])
    made = F.interpolate(found[:, None], size=targets.shape[1:], mode="bilinear", align_corners=False)[:, 0].flatten(1)
    targets = targets.flatten(1)
    focal = focal_loss(made, targets).mean(1).sum() / count
    return {"loss_mask": focal, "loss_dice": dice_loss(made, targets).sum() / count}


def together(masks: Sequence[Tensor]) -> Tensor:
    """Masks (N,H,W) of several pictures as one (M,H,W); what is outside of a smaller picture is no object."""
    height, width = max(x.shape[1] for x in masks), max(x.shape[2] for x in masks)
    return torch.cat([F.pad(x, (0, width - x.shape[2], 0, height - x.shape[1])) for x in masks])


def places_of(matches: Matches) -> tuple[Tensor, Tensor]:
    """Which pictures and queries are matched (M,), (M,)."""
    pictures = [torch.full_like(queries, number) for number, (queries, _) in enumerate(matches)]
    return torch.cat(pictures), torch.cat([queries for queries, _ in matches])


def checked_targets(labels: Any, like: Tensor, classes: int, masks: bool = False) -> list[dict[str, Tensor]]:
    """Labels on the device of the scores `like` (B,Q,L). Raises: ValueError for what is none of a detector's."""
    if len(labels) != len(like):
        raise ValueError(f"labels must be a list of a dictionary for each of {len(like)} pictures, got {len(labels)}.")
    found = []
    for number, one in enumerate(labels):
        names = ["class_labels", "boxes", *(["masks"] if masks else [])]
        missing = [name for name in names if not isinstance(one, Mapping) or not isinstance(one.get(name), Tensor)]
        if missing:
            raise ValueError(
                f"labels[{number}] has no tensor {missing[0]!r}; it must be a dictionary with class_labels (N,) and "
                f"boxes (N,4){', masks (N,H,W)' if masks else ''}, got {short(one, 80)}."
            )
        kinds, boxes = one["class_labels"].to(like.device), one["boxes"].to(like)
        check_classes(f"labels[{number}]: class_labels", kinds, classes)
        if boxes.shape != (len(kinds), 4):
            raise ValueError(
                f"labels[{number}]: class_labels must be (N,) and boxes (N,4), got {tuple(kinds.shape)} and "
                f"{tuple(boxes.shape)}."
            )
        wrong = [] if boxes.is_meta else boxes[~((boxes >= 0) & (boxes <= 1)).all(-1)].tolist()
        if wrong:
            raise ValueError(
                f"labels[{number}]: boxes must be (centre x, centre y, width, height) in parts of the picture, from 0 "
                f"to 1, got {short(wrong[0])}; an image processor makes them of COCO annotations."
            )
        found.append({"class_labels": kinds.long(), "boxes": boxes})
        if masks:
            check_masks(f"labels[{number}]: masks", one["masks"], len(kinds))
            found[-1]["masks"] = one["masks"].to(like.device)
    return found


def check_classes(name: str, kinds: Any, classes: int) -> None:
    """Raises: ValueError for others than class indices (N,) of so many."""
    if not isinstance(kinds, Tensor) or kinds.dim() != 1 or (kinds.is_floating_point() and len(kinds)):
        got = f"{kinds.dtype} of shape {tuple(kinds.shape)}" if isinstance(kinds, Tensor) else short(kinds)
        raise ValueError(f"{name} must be integers of shape (N,), got {got}.")
    if len(kinds) and not kinds.is_meta and not (int(kinds.min()) >= 0 and int(kinds.max()) < classes):
        raise ValueError(
            f"{name} hold {int(kinds.min())}…{int(kinds.max())}, but the model has {classes} labels (0…{classes - 1}); "
            f"load it with num_labels={max(int(kinds.max()) + 1, 1)}."
        )


def check_masks(name: str, masks: Any, count: int) -> None:
    """Raises: ValueError for others than masks (N,H,W) of 0 and 1, one for each of N labels."""
    given = tuple(masks.shape) if isinstance(masks, Tensor) else short(masks)
    if not isinstance(masks, Tensor) or masks.dim() != 3 or len(masks) != count or 0 in masks.shape[1:]:
        raise ValueError(f"{name} must be (N,H,W), here N of {count} labels, got {given}.")
    least, most = (
        (float(x) for x in masks.aminmax()) if count and not masks.is_meta and masks.dtype != torch.bool else (0.0, 1.0)
    )
    if not (least >= 0 and most <= 1):
        raise ValueError(f"{name} must be 0 and 1, got {least:g}…{most:g}; give (mask > 0).")
