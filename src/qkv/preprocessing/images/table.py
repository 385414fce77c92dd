"""Which class a config names: of any age, by its name or by the family of the model."""

import importlib
from typing import Any

from ...errors import nearest, short
from ..image_processor import CONFIG, TYPES, ImageProcessor, stored

KINDS = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")  # the ends of its names
MODULES = {  # module -> what comes before `ImageProcessor` in the names of its classes
    "classification": "Bit Blip CLIP ChineseCLIP ConvNext DeiT LayoutLMv3 Pvt Siglip ViT",
    "detection": "ConditionalDetr DeformableDetr Detr OwlViT RTDetr Yolos",
    "segmentation": "Beit DPT Mask2Former MaskFormer Sam Segformer",
}
HOMES = {stem: module for module, stems in MODULES.items() for stem in stems.split()}
BY_MODEL_TYPE = {  # model_type -> the class, for repositories that name none
    "beit": "Beit", "bit": "Bit", "blip": "Blip", "clip": "CLIP", "convnext": "ConvNext", "convnextv2": "ConvNext",
    "conditional_detr": "ConditionalDetr", "data2vec-vision": "Beit", "deformable_detr": "DeformableDetr",
    "deit": "DeiT", "depth_anything": "DPT", "detr": "Detr", "dinov2": "Bit", "dpt": "DPT", "layoutlmv3": "LayoutLMv3",
    "mask2former": "Mask2Former", "maskformer": "MaskFormer", "owlvit": "OwlViT", "pvt": "Pvt",
    "resnet": "ConvNext", "rt_detr": "RTDetr", "sam": "Sam", "segformer": "Segformer", "siglip": "Siglip",
    "swin": "ViT", "swinv2": "ViT", "table-transformer": "Detr", "vit": "ViT", "vit_mae": "ViT", "yolos": "Yolos",
}  # fmt: skip


def stem_of(name: str) -> str:
    """What comes before `ImageProcessor`, `FeatureExtractor` …; "" for no name of these kinds."""
    kind = next((kind for kind in sorted(KINDS, key=len, reverse=True) if name.endswith(kind)), None)
    return name.removesuffix(kind) if kind else ""


def image_processor_class(name: str) -> type[ImageProcessor]:
    """The class of a name. Raises: ValueError if qkv has not it."""
    stem = stem_of(name)
    if stem not in HOMES:
        known = [f"{stem}ImageProcessor" for stem in HOMES]
        raise ValueError(f"qkv has no image processor {short(name)}; the nearest are {nearest(name, known)}.")
    return getattr(importlib.import_module(f".{HOMES[stem]}", __package__), f"{stem}ImageProcessor")


def load_image_processor(repo: Any, **changes: Any) -> ImageProcessor:
    """The image processor of a repository, by the class it names, or by its model_type.

    Raises: OSError if it has none, ValueError if qkv has not its class.
    """
    fields = stored(repo)
    if fields is None:
        repo.require(CONFIG)
    fields = fields or {}
    name = next((fields[key] for key in TYPES if isinstance(fields.get(key), str)), None)
    if name is None or stem_of(name) not in HOMES:  # such as CLIPFeatureExtractor of an OWL-ViT
        by_type = BY_MODEL_TYPE.get((repo.json("config.json") or {}).get("model_type", ""))
        name = name or (f"{by_type}ImageProcessor" if by_type else "")
    if not name:
        raise ValueError(
            f"{CONFIG} names no image_processor_type, and config.json no model_type with one that qkv has. Choose its "
            f"class: qkv.ViTImageProcessor.from_pretrained(...)."
        )
    return image_processor_class(name)(**{**fields, **changes})


def __getattr__(name: str) -> type[ImageProcessor]:
    """The older names of the classes, such as ViTFeatureExtractor and ViTImageProcessorFast."""
    if stem_of(name) not in HOMES:
        raise AttributeError(f"{__name__} has no {name!r}")
    return image_processor_class(name)
