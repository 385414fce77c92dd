"""mask-generation: masks of everything that is in a picture."""

from dataclasses import dataclass
from math import inf
from typing import Any

import torch

from ..preprocessing.images.sam import crops, extent, scaled
from .base import Row
from .drawn import Masks
from .pictures import PictureOptions, PicturePipeline


@dataclass(frozen=True)
class Options(PictureOptions):
    """
    points_per_batch: how many points are computed at a time.
    points_per_crop: points on a side of the grid that is laid over a crop.
    crops_n_layers: beside the whole picture, 2**i by 2**i crops of it for each i up to this.
    crop_overlap_ratio: by how much of the shorter edge crops of the first layer overlap.
    crop_n_points_downscale_factor: in layer i the grid has so many times i fewer points on a side.
    pred_iou_thresh: masks that the model thinks less good are left out; 0 keeps all.
    stability_score_thresh: masks that change more with mask_threshold are left out; 0 keeps all.
    stability_score_offset: by how much mask_threshold is raised and lowered for that.
    mask_threshold: where a score is above it, the mask is true.
    crops_nms_thresh: of masks whose boxes share more than this, the best is kept.
    output_rle_mask: also "rle_mask", the masks as COCO's run lengths.
    output_bboxes_mask: also "bounding_boxes" (N,4), left, top, right, bottom.
    timeout: seconds that fetching a picture from the network may take.
    """

    counts = ("batch_size", "points_per_batch", "points_per_crop")
    between = PictureOptions.between | {
        "crops_n_layers": (0, 5), "crop_overlap_ratio": (0, 1), "crop_n_points_downscale_factor": (1, inf),
        "pred_iou_thresh": (-inf, inf), "stability_score_thresh": (0, 1), "stability_score_offset": (0, inf),
        "mask_threshold": (-inf, inf), "crops_nms_thresh": (0, 1),
    }  # fmt: skip

    points_per_batch: int | None = 64
    points_per_crop: int = 32
    crops_n_layers: int = 0
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    mask_threshold: float = 0.0
    crops_nms_thresh: float = 0.7
    output_rle_mask: bool = False
    output_bboxes_mask: bool = False


class MaskGenerationPipeline(PicturePipeline):
    """Pictures -> {"masks", "scores"} each: arrays of booleans (H,W), and how good the model thinks they are, best
    first.

    An input is a path, a URL, bytes, base64 text, a PIL.Image, or an array or tensor; a list gives a list of results.
    """

    task = "mask-generation"
    options_class = Options
    needs = ("image_embeddings",)
    finishes = "post_process_masks"
    keeps = ("box", "points", "whole", "original_sizes", "reshaped_input_sizes")
    drawn = Masks

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        return [self.rows(self.picture(one, options), options) for one in inputs]

    def rows(self, picture: Any, options: Any) -> list[Row]:
        """A row for each crop."""
        o, whole = options, (picture.height, picture.width)
        longest = self.image_processor.size["longest_edge"]
        found = []
        for box, points in crops(
            whole, o.crops_n_layers, o.crop_overlap_ratio, o.points_per_crop, o.crop_n_points_downscale_factor
        ):
            made = self.image_processor(picture.crop(box), return_tensors="pt")
            row = {name: made[name][0] for name in ("pixel_values", "original_sizes", "reshaped_input_sizes")}
            points = torch.from_numpy(scaled(points, extent(box), longest))
            found.append({**row, "box": box, "points": points, "whole": whole})
        return found

    def compute(self, inputs: dict[str, torch.Tensor], rows: list[Row], options: Any) -> dict[str, torch.Tensor]:
        return {"image_embeddings": self.model.get_image_embeddings(inputs["pixel_values"].to(self.model.dtype))}

    def read(self, output: dict[str, torch.Tensor], row: Row, options: Any) -> dict[str, Any]:
        """The good masks of a crop, as run lengths: as arrays, those of a thousand points would not fit in memory."""
        o, model, processor = options, self.model, self.image_processor
        embeddings = output["image_embeddings"][None].to(model.device, model.dtype)
        masks, scores, boxes = [], [], []
        for points in row["points"].split(o.points_per_batch or len(row["points"])):
            made = model(image_embeddings=embeddings, input_points=points[None, :, None].to(model.device))
            good = made.iou_scores[0].flatten()  # those that are not good need not be made large
            keep = good > o.pred_iou_thresh if o.pred_iou_thresh > 0 else torch.ones_like(good, dtype=torch.bool)
            if not keep.any():
                continue
            large = processor.post_process_masks(
                made.pred_masks.flatten(1, 2)[:, keep][:, None].float(), [row["original_sizes"]],
                [row["reshaped_input_sizes"]], binarize=False,
            )  # fmt: skip
            found = processor.filter_masks(
                large[0], good[keep][None].float(), row["whole"], row["box"], 0, o.stability_score_thresh,
                o.mask_threshold, o.stability_score_offset,
            )  # fmt: skip
            masks += found[0]
            scores.append(found[1].cpu())
            boxes.append(found[2].cpu())
        return {
            "masks": masks,
            "scores": torch.cat([torch.zeros(0), *scores]),
            "boxes": torch.cat([torch.zeros(0, 4, dtype=torch.long), *boxes]),
        }

    def postprocess(self, outputs: list[Any], options: Any) -> dict[str, Any]:
        masks, scores, runs, boxes = self.image_processor.post_process_for_mask_generation(
            [mask for one in outputs for mask in one["masks"]],
            *(torch.cat([one[name] for one in outputs]) for name in ("scores", "boxes")),
            options.crops_nms_thresh,
        )
        more = {"rle_mask": runs} if options.output_rle_mask else {}
        return {"masks": masks, "scores": scores, **more} | (
            {"bounding_boxes": boxes} if options.output_bboxes_mask else {}
        )
