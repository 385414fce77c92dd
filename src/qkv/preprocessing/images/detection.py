"""Image processors for detectors: pictures padded to one size with a pixel_mask, and COCO annotations as targets."""

from typing import Any

from ..image_processor import ImageProcessor, extent
from . import annotations as coco
from . import sizes
from .batch import BatchFeature
from .classification import CLIP, IMAGENET
from .masks import DetrMasks
from .objects import BestPairs, OneEach, PairsOrOneEach, PatchObjects


class DetrImageProcessor(OneEach, DetrMasks, ImageProcessor):
    """Pictures for DETR: the shortest edge resized to 800, the longest at most 1333, padded; with `pixel_mask`.

    Args:
        format: of annotations, "coco_detection" or "coco_panoptic".
        do_convert_annotations: whether boxes become (centre x, centre y, width, height) in parts of the picture.
    """

    defaults = {
        **IMAGENET, "size": {"shortest_edge": 800, "longest_edge": 1333}, "format": "coco_detection", "do_pad": True,
    }  # fmt: skip
    square = False
    multiple = 1
    longest = 1333
    model_input_names = ["pixel_values", "pixel_mask"]

    def __init__(self, **fields: Any):
        super().__init__(**fields)
        self.fields.setdefault("do_convert_annotations", self.fields["do_normalize"])

    def __call__(
        self, images: Any, annotations: Any = None, return_segmentation_masks: bool | None = None,
        masks_path: Any = None, *, return_tensors: Any = None, **changes: Any,
    ) -> BatchFeature:  # fmt: skip
        """pixel_values (B,C,H,W), pixel_mask (B,H,W) of the pictures; with annotations also labels, one dictionary a
        picture of class_labels (N), boxes (N,4), area, iscrowd, orig_size, size, and masks (N,H,W) if asked for.

        Args:
            annotations: one a picture: {"image_id", "annotations": [{"bbox", "category_id", "area", …}]} of COCO
                detection, or {"file_name", "segments_info": […]} of COCO panoptic.
            return_segmentation_masks: whether to draw the masks; those of panoptic annotations are, if None.
            masks_path: the folder of panoptic pictures.
            return_tensors, changes: as of every image processor.

        Raises: ValueError for what is no picture or no annotation.
        """
        fields, wanted = self.changed(changes), return_segmentation_masks
        pictures = self.pictures(images, fields)
        rows = [] if annotations is None else coco.checked(annotations, len(pictures), fields["format"])
        pairs = zip(rows, pictures, strict=False)
        targets = [self.target_of(row, extent(one), fields, wanted, masks_path) for row, one in pairs]
        made = self.each(lambda picture: self.one(picture, fields), pictures)
        triples = zip(targets, pictures, made, strict=False)
        targets = [self.moved(row, extent(one), x.shape[-2:], fields) for row, one, x in triples]
        found: dict[str, Any] = {}
        if fields.get("do_pad"):
            sides = [x.shape[-2:] for x in made]
            made, found["pixel_mask"] = self.padded(made, fields)
            parts = fields["do_convert_annotations"]
            triples = zip(targets, sides, made, strict=False)
            targets = [coco.padded(row, size, x.shape[-2:], parts) for row, size, x in triples]
        batch = BatchFeature({"pixel_values": self.arranged(made, fields), **found}, return_tensors)
        if annotations is not None:
            batch["labels"] = [BatchFeature(row, return_tensors) for row in targets]
        return batch

    def target(self, height: int, width: int, fields: dict[str, Any]) -> tuple[int, int]:
        return sizes.target(height, width, fields["size"], self.multiple)

    def target_of(
        self, row: Any, size: tuple[int, int], fields: dict[str, Any], masks: bool | None, folder: Any
    ) -> dict[str, Any]:
        """One annotation as the target of a picture (height, width)."""
        if getattr(fields["format"], "value", fields["format"]) == "coco_panoptic":
            return coco.panoptic(row, size, masks is not False, folder)
        return coco.detection(row, size, bool(masks))

    def moved(
        self, target: dict[str, Any], size: tuple[int, int], new: tuple[int, int], fields: dict[str, Any]
    ) -> dict[str, Any]:
        """A target as the picture is after resizing."""
        target = coco.scaled(target, size, new) if fields["do_resize"] else target
        return coco.relative(target, new) if fields["do_convert_annotations"] else target


class ConditionalDetrImageProcessor(BestPairs, DetrImageProcessor):
    """Pictures for Conditional DETR, as for DETR."""


class DeformableDetrImageProcessor(BestPairs, DetrImageProcessor):
    """Pictures for Deformable DETR, as for DETR."""


class YolosImageProcessor(DetrImageProcessor):
    """Pictures for YOLOS, as for DETR, each side a multiple of 16."""

    multiple = 16


class RTDetrImageProcessor(PairsOrOneEach, DetrImageProcessor):
    """Pictures for RT-DETR: resized to 640 x 640, to 0..1."""

    defaults = {
        **IMAGENET, "size": {"height": 640, "width": 640}, "format": "coco_detection", "do_pad": False,
        "do_normalize": False, "do_convert_annotations": True,
    }  # fmt: skip
    square = True
    longest = None


class OwlViTImageProcessor(PatchObjects, ImageProcessor):
    """Pictures for OWL-ViT: resized to 768 x 768."""

    defaults = {
        **CLIP, "size": {"height": 768, "width": 768}, "crop_size": {"height": 768, "width": 768}, "resample": 3,
        "do_center_crop": False, "do_convert_rgb": True,
    }  # fmt: skip
