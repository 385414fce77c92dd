"""Masks of SAM: as large as their pictures, and those of everything that is in one (SAM, section 5 and appendix B).

Shapes: N masks, h x w of a model's mask, H x W of a picture. Boxes are left, top, right, bottom, in pixels.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from ..image import as_array, load_image
from .polygons import mask_of
from .sizes import pairs

if TYPE_CHECKING:
    from torch import Tensor

NEAR = 20.0  # pixels: a mask that ends so near to the edge of a crop is taken to be cut off


class SamMasks:
    """Of models whose masks are made of points and boxes."""

    def post_process_masks(
        self, masks: Any, original_sizes: Any, reshaped_input_sizes: Any, mask_threshold: float = 0.0,
        binarize: bool = True, pad_size: dict[str, int] | None = None,
    ) -> "list[Tensor]":  # fmt: skip
        """Masks of the size of their pictures, (P,M,H,W), for each picture.

        Args:
            masks: `pred_masks` of the model (B,P,M,h,w), or a list of (P,M,h,w).
            original_sizes, reshaped_input_sizes: as the processor gave them, (height, width) of each picture.
            mask_threshold: where a score is above it, the mask is true.
            binarize: if False, the scores.
            pad_size: {"height", "width"} of what the model read; the processor's if None.

        Raises: ValueError if there are not as many sizes as pictures.
        """
        import torch
        import torch.nn.functional as F

        padded: Any = pad_size or self.pad_size  # type: ignore[attr-defined]  # a field of the processor
        full, found = (padded["height"], padded["width"]), []
        sizes = pairs("original_sizes", original_sizes, len(masks))
        inner = pairs("reshaped_input_sizes", reshaped_input_sizes, len(masks))
        for scores, size, (height, width) in zip(masks, sizes, inner, strict=True):
            x = scores if isinstance(scores, torch.Tensor) else torch.from_numpy(as_array(scores))
            x = F.interpolate(x, full, mode="bilinear", align_corners=False)[..., :height, :width]
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
            found.append(x > mask_threshold if binarize else x)
        return found

    def generate_crop_boxes(
        self, image: Any, target_size: int, crop_n_layers: int = 0, overlap_ratio: float = 512 / 1500,
        points_per_crop: int = 32, crop_n_points_downscale_factor: int = 1,
    ) -> "tuple[Tensor, Tensor, list[np.ndarray], Tensor]":  # fmt: skip
        """Crops of a picture, the whole first, and a grid of points in each.

        Args:
            target_size: what the longest edge of a crop is resized to.
            crop_n_layers: in layer i a picture is cut into 2**i by 2**i crops.
            overlap_ratio: by how much of the shorter edge crops of the first layer overlap.
            points_per_crop: points on a side of the grid.
            crop_n_points_downscale_factor: in layer i there are so many times i fewer.

        Gives: boxes (n,4), points (1,points,n,2) as the model takes them, crops (3,H,W), labels (1,points,n), all 1.

        Raises: ValueError where crops differ in their number of points.
        """
        import torch

        picture = load_image(image)
        found = list(
            crops(
                (picture.height, picture.width), crop_n_layers, overlap_ratio, points_per_crop,
                crop_n_points_downscale_factor,
            )
        )  # fmt: skip
        if len({len(points) for _, points in found}) > 1:
            raise ValueError(
                f"with crop_n_points_downscale_factor={crop_n_points_downscale_factor} crops have unequal numbers of "
                f"points, which make no tensor. The pipeline mask-generation takes it."
            )
        grids = np.stack([scaled(points, extent(box), target_size) for box, points in found], 1)[None]
        boxes = torch.tensor([box for box, _ in found], dtype=torch.float32)
        parts = [np.asarray(picture.crop(box)).transpose(2, 0, 1) for box, _ in found]
        return boxes, torch.from_numpy(grids), parts, torch.ones(grids.shape[:3], dtype=torch.long)

    def filter_masks(
        self, masks: "Tensor", iou_scores: "Tensor", original_size: Sequence[int], cropped_box_image: Any,
        pred_iou_thresh: float = 0.88, stability_score_thresh: float = 0.95, mask_threshold: float = 0,
        stability_score_offset: float = 1,
    ) -> "tuple[list[dict[str, Any]], Tensor, Tensor]":  # fmt: skip
        """The masks that are good, as run lengths, with their scores and boxes in the whole picture.

        Args:
            masks: scores (P,M,H,W) in a crop.
            iou_scores: (P,M), how good the model thinks they are; those not above pred_iou_thresh are left out.
            original_size: (height, width) of the whole picture.
            cropped_box_image: the box of the crop; masks that end at its edges inside the picture are left out.
            stability_score_thresh: masks are left out of which less stays as it is when mask_threshold is raised and
                lowered by stability_score_offset.
        """
        import torch

        masks, scores = masks.flatten(0, 1), iou_scores.flatten(0, 1).to(masks.device)
        if len(masks) != len(scores):
            raise ValueError(f"{len(masks)} masks and {len(scores)} iou_scores; give one for each mask.")
        keep = torch.ones(len(masks), dtype=torch.bool, device=masks.device)
        if pred_iou_thresh > 0:
            keep &= scores > pred_iou_thresh
        if stability_score_thresh > 0:
            inner = (masks > mask_threshold + stability_score_offset).sum((-2, -1))
            outer = (masks > mask_threshold - stability_score_offset).sum((-2, -1))
            keep &= inner / outer > stability_score_thresh
        masks, scores = masks[keep] > mask_threshold, scores[keep]
        crop, (height, width) = [int(side) for side in cropped_box_image], (int(side) for side in original_size)
        boxes = around(masks)
        keep = ~is_cut(boxes, crop, (height, width))
        left, top, right, bottom = crop
        masks = torch.nn.functional.pad(masks[keep], (left, width - right, top, height - bottom))
        return run_lengths(masks), scores[keep], boxes[keep] + boxes.new_tensor([left, top, left, top])

    def post_process_for_mask_generation(
        self, all_masks: Sequence[dict[str, Any]], all_scores: "Tensor", all_boxes: "Tensor", crops_nms_thresh: float
    ) -> "tuple[list[np.ndarray], Tensor, list[dict[str, Any]], Tensor]":
        """Of masks whose boxes share more than crops_nms_thresh, the best: arrays (H,W), scores, run lengths, boxes."""
        keep = suppressed(all_boxes.float(), all_scores, crops_nms_thresh)
        kept = [all_masks[i] for i in keep.tolist()]
        return [mask_of(one, *one["size"]) for one in kept], all_scores[keep], kept, all_boxes[keep]


def crops(
    size: tuple[int, int], layers: int, overlap: float, points: int, fewer: float
) -> Iterator[tuple[tuple[int, int, int, int], np.ndarray]]:
    """Boxes of a picture (height, width), and points in each, (n,2), x and y in pixels of the crop."""
    height, width = size
    for layer in range(layers + 1):
        count = 2**layer
        shared = int(overlap * min(size) * (2 / count)) if layer else 0
        wide, high = (ceil((shared * (count - 1) + side) / count) for side in (width, height))
        for left, top in product(range(count), repeat=2):
            x, y = int((wide - shared) * left), int((high - shared) * top)
            box = x, y, min(x + wide, width), min(y + high, height)
            if x < width and y < height:  # not so of crops of less than a pixel
                yield box, grid(max(int(points / fewer**layer), 1)) * (box[2] - box[0], box[3] - box[1])


def extent(box: Sequence[int]) -> tuple[int, int]:
    """(height, width) of a box."""
    return box[3] - box[1], box[2] - box[0]


def grid(count: int) -> np.ndarray:
    """The middles of count x count squares of a square of side 1, row by row (count*count,2)."""
    middles = np.linspace(1 / (2 * count), 1 - 1 / (2 * count), count)
    return np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)


def scaled(points: np.ndarray, size: tuple[int, int], longest: int) -> np.ndarray:
    """Points (...,2) in a picture (height, width), in pixels of what is read when its longest edge is resized to
    `longest`."""
    sides = np.asarray(size[::-1])
    return points * ((sides * (longest / sides.max()) + 0.5).astype(int) / sides)


def around(masks: "Tensor") -> "Tensor":
    """The first and last column and row of masks (N,H,W): (N,4), 0 for one that is empty."""
    import torch

    found = []
    for lines in (masks.any(-2), masks.any(-1)):  # columns, rows
        first = lines.int().argmax(-1)
        last = lines.shape[-1] - 1 - lines.flip(-1).int().argmax(-1)
        found.append((first, torch.where(lines.any(-1), last, 0)))
    (left, right), (top, bottom) = found
    return torch.stack((left, top, right, bottom), dim=-1)


def is_cut(boxes: "Tensor", crop: Sequence[int], size: tuple[int, int]) -> "Tensor":
    """Whether boxes (N,4) in a crop end at an edge of it that is not one of the picture (height, width)."""
    edges, whole = boxes.new_tensor(crop), boxes.new_tensor([0, 0, size[1], size[0]])
    placed = boxes + edges[[0, 1, 0, 1]]
    return (((placed - edges).abs() <= NEAR) & ((placed - whole).abs() > NEAR)).any(-1)


def suppressed(boxes: "Tensor", scores: "Tensor", threshold: float) -> "Tensor":
    """Which boxes (N,4) stay, the best first, when each removes those that share more than `threshold` with it."""
    import torch

    from ...layers.boxes import overlaps

    left, kept = scores.argsort(descending=True, stable=True), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        left = left[~(overlaps(boxes[best], boxes[left])[0] > threshold)]
    return torch.stack(kept) if kept else left


def run_lengths(masks: "Tensor") -> list[dict[str, Any]]:
    """Masks (N,H,W) as COCO writes them: column by column, how many are false, true, false ...

    Gives: {"size": [H, W], "counts": [...]} for each.
    """
    found = []
    for mask in masks:
        line = mask.T.flatten().cpu().numpy()
        changes = np.flatnonzero(line[1:] != line[:-1]) + 1
        counts = np.diff(np.concatenate(([0], changes, [len(line)]))).tolist()
        found.append({"size": list(mask.shape), "counts": [0, *counts] if len(line) and line[0] else counts})
    return found
