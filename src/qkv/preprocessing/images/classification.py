"""Image processors that make one size of every picture: for classes, for features, for pictures and words."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..image import load_image
from ..image_processor import ImageProcessor
from ..ocr import read_words
from . import sizes, steps
from .batch import BatchFeature

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
CROPPED = {"do_center_crop": True, "crop_size": {"height": 224, "width": 224}}


class ViTImageProcessor(ImageProcessor):
    """Pictures for ViT and Swin: resized to 224 x 224, to -1..1."""


class DeiTImageProcessor(ImageProcessor):
    """Pictures for DeiT: resized to 256 x 256, of which 224 x 224 are kept."""

    defaults = {**HALF, **CROPPED, "size": {"height": 256, "width": 256}, "resample": 3}


class BitImageProcessor(ImageProcessor):
    """Pictures for BiT and DINOv2: the shortest edge resized to 224, of which 224 x 224 are kept."""

    defaults = {**CLIP, **CROPPED, "size": {"shortest_edge": 224}, "resample": 3, "do_convert_rgb": True}
    square = False


class CLIPImageProcessor(BitImageProcessor):
    """Pictures for CLIP: the shortest edge resized to 224, of which 224 x 224 are kept."""

    def __init__(self, *, use_square_size: bool = False, **fields: Any):
        super().__init__(**{**fields, **({"size": {"height": 224, "width": 224}} if use_square_size else {})})


class ChineseCLIPImageProcessor(BitImageProcessor):
    """Pictures for Chinese CLIP, as for CLIP."""


class SiglipImageProcessor(ImageProcessor):
    """Pictures for SigLIP: resized to 224 x 224, to -1..1."""

    defaults = {**HALF, "size": {"height": 224, "width": 224}, "resample": 3, "do_convert_rgb": True}
    square = False


class BlipImageProcessor(ImageProcessor):
    """Pictures for BLIP: resized to 384 x 384."""

    defaults = {**CLIP, "size": {"height": 384, "width": 384}, "resample": 3, "do_convert_rgb": True}


class PvtImageProcessor(ImageProcessor):
    """Pictures for PVT: resized to 224 x 224."""

    defaults = {**IMAGENET, "size": {"height": 224, "width": 224}, "resample": 3}


class ConvNextImageProcessor(ImageProcessor):
    """Pictures for ConvNeXt and ResNet: below 384, the shortest edge resized to size / crop_pct and the centre kept;
    from 384 on, the whole resized to a square."""

    defaults = {**HALF, "size": {"shortest_edge": 384}, "resample": 3, "crop_pct": 224 / 256}
    square = False

    def shaped(self, picture: Any, fields: dict[str, Any]) -> np.ndarray:
        edge = fields["size"].get("shortest_edge", 384)
        if fields["do_resize"] and edge < 384:
            size = {"shortest_edge": int(edge / fields["crop_pct"])}
            kept = {"do_center_crop": True, "crop_size": {"height": edge, "width": edge}}
            x = super().shaped(picture, {**fields, **kept, "size": size, "crop_pct": None})
            return steps.cropped(x, fields["crop_size"]) if fields.get("do_center_crop") else x
        return super().shaped(picture, fields)

    def target(self, height: int, width: int, fields: dict[str, Any]) -> tuple[int, int]:
        edge = fields["size"].get("shortest_edge", 0)
        return (edge, edge) if edge >= 384 and fields["crop_pct"] else sizes.target(height, width, fields["size"])


class LayoutLMv3ImageProcessor(ImageProcessor):
    """Pictures of pages; with `apply_ocr` also the `words` on each and their `boxes`.

    Args:
        ocr: a function from a picture (PIL.Image) to pairs of a word and a box in thousandths; pytesseract if None.
    """

    defaults = {**ImageProcessor.defaults, "apply_ocr": True, "ocr_lang": None, "tesseract_config": ""}

    def __init__(self, *, ocr: Callable[[Any], Any] | None = None, **fields: Any):
        super().__init__(**fields)
        self.ocr = ocr

    def features(self, pictures: list[Any], fields: dict[str, Any]) -> dict[str, Any]:
        found = super().features(pictures, fields)
        if fields["apply_ocr"]:
            pages = [
                read_words(load_image(picture), self.ocr, lang=fields["ocr_lang"], config=fields["tesseract_config"])
                for picture in pictures
            ]
            found["words"] = [[word for word, _ in page] for page in pages]
            found["boxes"] = [[box for _, box in page] for page in pages]
        return found

    def __call__(self, images: Any, *, return_tensors: Any = None, **changes: Any) -> BatchFeature:
        found = super().__call__(images, **changes)
        return found.convert_to_tensors(return_tensors, skip=("words", "boxes"))
