"""Image processors: pictures to `pixel_values`, as preprocessor_config.json says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import nearest, short
from .image import load_image, resized
from .ocr import read_words
from .tokenizers.batch import BatchEncoding

CONFIG = "preprocessor_config.json"
TYPES = ("image_processor_type", "feature_extractor_type")
INNER = "image_processor"  # the part of 5.x's processor_config.json
OLDER = {"rescale_value": "rescale_factor"}


class ImageProcessor:
    """Pictures to pixel_values (B,C,H,W): resized, rescaled, normalised, each if its `do_…` says so.

    Args: the fields of preprocessor_config.json, `defaults` where they are not given; others are kept and written back.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "do_resize": True, "size": {"height": 224, "width": 224}, "resample": 2, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    }  # fmt: skip
    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    def __init__(self, **fields: Any):
        fields = {OLDER.get(name, name): value for name, value in fields.items() if name not in TYPES}
        self.fields = {**self.defaults, **{name: value for name, value in fields.items() if value is not None}}
        self.check(self.fields)

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("fields", {})
        if name not in fields:
            raise AttributeError(f"{type(self).__name__} has no {name!r}; the nearest are {nearest(name, fields)}")
        return fields[name]

    def __call__(self, images: Any, *, return_tensors: str | None = None, **changes: Any) -> BatchEncoding:
        """pixel_values (B,C,H,W) of a picture, or of a list of them, as `load_image` takes them.

        Args:
            return_tensors: "pt" or "np"; a list of arrays if None.
            changes: fields for this call.

        Raises: ValueError for what is no picture; TypeError for an unknown field.
        """
        fields = self.changed(changes)
        pictures = [load_image(one) for one in (images if isinstance(images, list | tuple) else [images])]
        return BatchEncoding(self.features(pictures, fields), tensor_type=return_tensors)

    preprocess = __call__

    def features(self, pictures: list[Any], fields: dict[str, Any]) -> dict[str, Any]:
        return {"pixel_values": [pixels(picture, fields) for picture in pictures]}

    def changed(self, changes: dict[str, Any]) -> dict[str, Any]:
        unknown = next((name for name in changes if name not in self.defaults), None)
        if unknown is not None:
            raise TypeError(f"{type(self).__name__} takes no {unknown!r}; nearest: {nearest(unknown, self.defaults)}.")
        fields = {**self.fields, **{name: value for name, value in changes.items() if value is not None}}
        self.check(fields)
        return fields

    def check(self, fields: dict[str, Any]) -> None:
        """Raises: ValueError for fields that no picture can be made with."""
        size = fields["size"]
        size = {"height": size, "width": size} if isinstance(size, int) else size
        if not isinstance(size, dict) or not all(isinstance(size.get(side), int) for side in ("height", "width")):
            raise ValueError(f"size={short(size)} must be {{'height': int, 'width': int}}.")
        fields["size"] = size
        for name in ("image_mean", "image_std"):
            value = fields[name]
            value = [value] * 3 if isinstance(value, int | float) else value
            if not isinstance(value, list | tuple) or len(value) != 3 or (name == "image_std" and 0 in value):
                raise ValueError(f"{name}={short(value)} must be three numbers, of red, green and blue.")

    @classmethod
    def from_pretrained(cls, name_or_path: Any, **kwargs: Any) -> Any:
        """Read preprocessor_config.json of a folder or a Hub repository; keywords override its fields.

        Raises: OSError if there is no such repository or file.
        """
        from ..hub import open_with

        repo, changes = open_with(name_or_path, kwargs)
        fields = stored(repo)
        if fields is None:
            repo.require(CONFIG)
        return cls(**{**(fields or {}), **changes})

    def to_dict(self) -> dict[str, Any]:
        return {**self.fields, TYPES[0]: type(self).__name__}

    def save_pretrained(self, folder: str | Path) -> None:
        """Write preprocessor_config.json into `folder`, made if it does not exist."""
        from ..files import write_file

        Path(folder).mkdir(parents=True, exist_ok=True)
        write_file(Path(folder), CONFIG, json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n")

    def __repr__(self) -> str:
        return f"{type(self).__name__} {json.dumps(self.to_dict(), indent=2, sort_keys=True)}"


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
                read_words(picture, self.ocr, lang=fields["ocr_lang"], config=fields["tesseract_config"])
                for picture in pictures
            ]
            found["words"] = [[word for word, _ in page] for page in pages]
            found["boxes"] = [[box for _, box in page] for page in pages]
        return found

    def __call__(self, images: Any, *, return_tensors: str | None = None, **changes: Any) -> BatchEncoding:
        found = super().__call__(images, **changes)
        return BatchEncoding({**found, **BatchEncoding({"pixel_values": found["pixel_values"]}, None, return_tensors)})

    preprocess = __call__


LayoutLMv3FeatureExtractor = LayoutLMv3ImageProcessorFast = LayoutLMv3ImageProcessor  # other names of the field


def pixels(picture: Any, fields: dict[str, Any]) -> np.ndarray:
    """A picture (PIL.Image, RGB) as numbers (C,H,W)."""
    if fields["do_resize"]:
        picture = resized(picture, fields["size"]["width"], fields["size"]["height"], fields["resample"])
    x = np.asarray(picture)  # (H,W,C), bytes
    if fields["do_rescale"]:
        x = (x.astype(np.float64) * fields["rescale_factor"]).astype(np.float32)
    if fields["do_normalize"]:
        x = x.astype(np.float32, copy=False)
        x = (x - np.asarray(fields["image_mean"], np.float32)) / np.asarray(fields["image_std"], np.float32)
    return np.ascontiguousarray(x.transpose(2, 0, 1))


def stored(repo: Any) -> dict[str, Any] | None:
    """The fields of an image processor that a repository holds, in the files of either generation."""
    found = repo.json(CONFIG)
    if found is None:
        found = (repo.json("processor_config.json") or {}).get(INNER)
    return found if isinstance(found, dict) else None


CLASSES: dict[str, type[ImageProcessor]] = {
    f"LayoutLMv3{kind}": LayoutLMv3ImageProcessor
    for kind in ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")
}
BY_MODEL_TYPE = {"layoutlmv3": "LayoutLMv3ImageProcessor"}


def load_image_processor(repo: Any, **changes: Any) -> ImageProcessor:
    """The image processor of a repository, by the class it names, or by its model_type.

    Raises: OSError if it has none, ValueError if qkv has not its class.
    """
    fields = stored(repo)
    if fields is None:
        repo.require(CONFIG)
    fields = fields or {}
    name = next((fields[key] for key in TYPES if key in fields), None)
    name = name or BY_MODEL_TYPE.get((repo.json("config.json") or {}).get("model_type", ""), "")
    if name not in CLASSES:
        raise ValueError(f"qkv has no image processor {short(name)}; it has {', '.join(sorted(CLASSES))}.")
    return CLASSES[name](**{**fields, **changes})
