"""Image processors for segmentation and depth: beside the pictures they take maps of classes, the labels of pixels."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import short
from ..image import as_array, from_array, is_array, load_image
from ..image_processor import ImageProcessor, extent, flat
from . import sizes, steps
from .batch import BatchFeature, converted
from .classification import HALF, IMAGENET
from .depth import DepthMaps
from .masks import LargeQueryMasks, QueryMasks, SemanticMaps
from .sam import SamMasks

IGNORED = 255  # the label of pixels that have none


class LabelImageProcessor(ImageProcessor):
    """Pictures, and with them maps (H,W) of class numbers, resized and cropped alike.

    Args:
        do_reduce_labels: whether class 0 of maps is no class (255), and the others are one less.
    """

    def __call__(
        self, images: Any, segmentation_maps: Any = None, *, return_tensors: Any = None, **changes: Any
    ) -> BatchFeature:
        """pixel_values (B,C,H,W) of the pictures, and labels (B,H,W) of their maps.

        Args:
            segmentation_maps: one a picture: a path, a PIL.Image of palette or grey mode, or an array (H,W). Resized by
                the nearest pixel: numbers of classes have no mean.
            return_tensors, changes: as of every image processor.

        Raises: ValueError for what is no picture or no map.
        """
        fields = self.changed(changes)
        found = self.features(self.pictures(images, fields), fields)
        if segmentation_maps is not None:
            found["labels"] = self.labels(maps_of(segmentation_maps, len(found["pixel_values"])), fields)
        return BatchFeature(found, return_tensors)

    def labels(self, maps: list[np.ndarray], fields: dict[str, Any]) -> list[np.ndarray]:
        maps = [reduced(one) for one in maps] if fields.get("do_reduce_labels") else maps
        fields = {**fields, "resample": 0, "do_normalize": False, "do_rescale": False}
        made = [steps.by_bytes(lambda x: self.one(from_array(x), fields), one) for one in maps]
        if fields.get("do_pad"):
            made, _ = self.padded(made, fields)
        return [one[0] for one in made]


class SegmentationImageProcessor(SemanticMaps, LabelImageProcessor):
    """Of models that score each place for each label."""

    defaults = {**HALF, "size": {"height": 224, "width": 224}, "do_reduce_labels": False}


class SegformerImageProcessor(SegmentationImageProcessor):
    """Pictures for SegFormer: resized to 512 x 512."""

    defaults = {**IMAGENET, "size": {"height": 512, "width": 512}, "do_reduce_labels": False}


class BeitImageProcessor(SegmentationImageProcessor):
    """Pictures for BEiT: resized to 224 x 224, to -1..1."""

    defaults = {
        **HALF, "size": {"height": 224, "width": 224}, "crop_size": {"height": 224, "width": 224}, "resample": 3,
        "do_center_crop": False, "do_reduce_labels": False,
    }  # fmt: skip


class DPTImageProcessor(DepthMaps, SegmentationImageProcessor):
    """Pictures for DPT and Depth Anything: resized to 384 x 384.

    Args:
        keep_aspect_ratio: whether both sides are scaled alike.
        ensure_multiple_of: what both sides are then a multiple of.
        size_divisor: what both sides are padded to, around the picture, if do_pad.
    """

    defaults = {
        **HALF, "size": {"height": 384, "width": 384}, "resample": 3, "do_pad": False, "ensure_multiple_of": 1,
        "keep_aspect_ratio": False,
    }  # fmt: skip
    takes = ("do_reduce_labels", "size_divisor")

    def target(self, height: int, width: int, fields: dict[str, Any]) -> tuple[int, int]:
        if "height" not in fields["size"]:
            return super().target(height, width, fields)
        return sizes.to_multiple(
            height, width, fields["size"], fields["ensure_multiple_of"], fields["keep_aspect_ratio"]
        )

    def padded(self, made: Any, fields: dict[str, Any]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        if not (multiple := fields.get("size_divisor")):
            return list(made), []
        return [around(x, multiple) for x in made], []


class MaskFormerImageProcessor(QueryMasks, ImageProcessor):
    """Pictures for MaskFormer: the shortest edge resized to 800, the longest at most 1333, both a multiple of 32.

    Args:
        size_divisor: what both sides are a multiple of.
        ignore_index: the label of pixels that have none.
        do_reduce_labels: whether class 0 of maps is no class (ignore_index), and the others are one less.
    """

    defaults = {
        **IMAGENET, "size": {"shortest_edge": 800, "longest_edge": 1333}, "size_divisor": 32, "do_reduce_labels": False,
    }  # fmt: skip
    square = False
    longest = 1333
    takes = ("ignore_index", "num_labels")
    model_input_names = ["pixel_values", "pixel_mask"]

    def __call__(
        self, images: Any, segmentation_maps: Any = None, instance_id_to_semantic_id: Any = None, *,
        return_tensors: Any = None, **changes: Any,
    ) -> BatchFeature:  # fmt: skip
        """pixel_values (B,C,H,W) and pixel_mask (B,H,W) of the pictures; of their maps mask_labels and class_labels, a
        list of (N,H,W) and (N), one of each for a picture.

        Args:
            segmentation_maps: one a picture, (H,W): numbers of classes, or of instances.
            instance_id_to_semantic_id: instance -> class; one dictionary, or a list of one a picture.
            return_tensors, changes: as of every image processor.

        Raises: ValueError for what is no picture or no map.
        """
        fields = self.changed(changes)
        rows = self.each(lambda picture: self.one(picture, fields), self.pictures(images, fields))
        rows, inside = self.padded(rows, fields)
        batch = BatchFeature({"pixel_values": self.arranged(rows, fields), "pixel_mask": inside}, return_tensors)
        if segmentation_maps is not None:
            maps = maps_of(segmentation_maps, len(rows))
            given = instance_id_to_semantic_id
            ids = list(given) if isinstance(given, list | tuple) else [given] * len(maps)
            found = [self.divided(one, classes, fields) for one, classes in zip(maps, ids, strict=True)]
            size, fill = rows[0].shape[-2:], fields.get("ignore_index") or 0
            batch["mask_labels"] = [converted(steps.padded(one, size, fill), return_tensors) for one, _ in found]
            batch["class_labels"] = [converted(one, return_tensors) for _, one in found]
        return batch

    def target(self, height: int, width: int, fields: dict[str, Any]) -> tuple[int, int]:
        return sizes.ceiled(sizes.target(height, width, fields["size"]), fields.get("size_divisor") or 1)

    def divided(
        self, classes: np.ndarray, ids: Mapping[int, int] | None, fields: dict[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """A mask (N,H,W) for each number in a map, and the class of each (N)."""
        ignored: Any = fields.get("ignore_index")
        less = bool(fields.get("do_reduce_labels"))
        if less and ignored is None:
            raise ValueError(
                "do_reduce_labels=True needs ignore_index=, the label of pixels that have none, such as 255."
            )
        if fields["do_resize"]:
            classes = steps.nearest_pixel(classes, self.target(*extent(classes), fields))
        classes = np.where(classes == 0, ignored, classes - 1) if less else classes
        found = [int(one) for one in np.unique(classes) if one != ignored]
        masks = np.stack([classes == one for one in found]) if found else np.zeros((0, *classes.shape))
        missing = [one + less for one in found if ids is not None and one + less not in ids]
        if missing:
            raise ValueError(f"instance_id_to_semantic_id has no {short(missing)}, which the map holds.")
        labels = found if ids is None else [ids[one + less] - less for one in found]
        return masks.astype(np.float32), np.asarray(labels, np.int64)


class Mask2FormerImageProcessor(LargeQueryMasks, MaskFormerImageProcessor):
    """Pictures for Mask2Former, as for MaskFormer."""


class SamImageProcessor(SamMasks, LabelImageProcessor):
    """Pictures for SAM: the longest edge resized to 1024, padded to 1024 x 1024; with `original_sizes` and
    `reshaped_input_sizes` (B,2), (height, width) before and after resizing."""

    defaults = {
        **IMAGENET, "size": {"longest_edge": 1024}, "mask_size": {"longest_edge": 256}, "do_convert_rgb": True,
        "do_pad": True, "pad_size": {"height": 1024, "width": 1024}, "mask_pad_size": {"height": 256, "width": 256},
    }  # fmt: skip

    def features(self, pictures: list[Any], fields: dict[str, Any]) -> dict[str, Any]:
        full = [extent(picture) for picture in pictures]
        read = [self.target(*size, fields) for size in full] if fields["do_resize"] else full
        return {**super().features(pictures, fields), "original_sizes": full, "reshaped_input_sizes": read}

    def labels(self, maps: list[np.ndarray], fields: dict[str, Any]) -> list[np.ndarray]:
        return super().labels(maps, {**fields, "size": fields["mask_size"], "pad_size": fields["mask_pad_size"]})

    def checked(self, fields: dict[str, Any]) -> dict[str, Any]:
        for name in ("size", "mask_size"):
            if isinstance(fields.get(name), int):
                fields[name] = {"longest_edge": fields[name]}
        found = super().checked(fields)
        for name in ("size", "mask_size"):
            if "longest_edge" not in found[name]:
                raise ValueError(f"{name}={found[name]} of SAM must be {{'longest_edge': …}}: its pictures are padded.")
        return found


def maps_of(segmentation_maps: Any, count: int) -> list[np.ndarray]:
    """One map (H,W) of numbers a picture, int64. Raises: ValueError for another count, or what is no map."""
    given = segmentation_maps
    if hasattr(given, "dtype"):
        given = list(given) if len(given.shape) == 3 else [given]
    maps = [as_array(one if is_array(one) else load_image(one, mode="")) for one in flat(given)]
    maps = [one[0] if one.ndim == 3 and len(one) == 1 else one for one in maps]
    for one in maps:
        if one.ndim != 2 or not one.size:
            raise ValueError(f"a segmentation map of shape {one.shape}: expected (H,W), a number for each pixel.")
        kind = one.dtype.kind
        if kind not in "iubf" or not (one >= 0).all() or kind == "f" and (one != np.floor(one)).any():
            raise ValueError(
                f"a segmentation map of {one.dtype} holds others than 0, 1, 2 …, the numbers of classes. Where there "
                f"is none, give 255."
            )
    if len(maps) != count:
        raise ValueError(f"{count} pictures and {len(maps)} segmentation maps: give one map a picture.")
    return [one.astype(np.int64) for one in maps]


def reduced(classes: np.ndarray) -> np.ndarray:
    """Class 0 as none (255), the others one less."""
    return np.where((classes == 0) | (classes == IGNORED), IGNORED, classes - 1)


def around(x: np.ndarray, multiple: int) -> np.ndarray:
    """(C,H,W) padded on all sides to a multiple."""
    room = [math.ceil(side / multiple) * multiple - side for side in x.shape[-2:]]
    return np.pad(x, [(0, 0), *((free // 2, free - free // 2) for free in room)])
