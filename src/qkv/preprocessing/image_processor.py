"""Image processors: pictures to `pixel_values`, as preprocessor_config.json says. Those of families are in images/."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import nearest, short
from .image import MAX_PIXELS, as_array, channels_last, filter_of, is_array, load_image
from .images import sizes, steps
from .images.batch import BatchFeature
from .images.kinds import check_kinds

CONFIG = "preprocessor_config.json"
TYPES = ("image_processor_type", "feature_extractor_type")
INNER = "image_processor"  # the part of 5.x's processor_config.json
OLDER = {"rescale_value": "rescale_factor", "reduce_labels": "do_reduce_labels", "rescale": "do_rescale"}
OLDER |= {"pad_and_return_pixel_mask": "do_pad"}
WITHOUT = ("backend", "use_fast", "_valid_processor_keys", "_max_size", "device", "disable_grouping")  # not written
GENERAL = {  # the fields of every processor, and what they are where neither a config nor the class says
    "do_convert_rgb": None, "do_resize": True, "size": None, "resample": 2, "do_center_crop": None, "crop_size": None,
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": None, "image_std": None,
    "do_pad": None, "pad_size": None, "data_format": None, "input_data_format": None, "default_to_square": None,
    "backend": None, "use_fast": None, "device": None, "disable_grouping": None,
}  # fmt: skip
LARGE = 16_000_000  # pixels of a picture that is only made to be cropped


class ImageProcessor:
    """Pictures to pixel_values (B,C,H,W): resized, cropped, rescaled, normalised, padded, each if its `do_…` says so.

    Args:
        fields: those of preprocessor_config.json, in the words of any age; `defaults` where they are not given. Others
            are kept and written back.
        backend: what resizes: "pil", to the bit what Transformers does without torchvision; or "torch", what it does
            with it (a few numbers of a million differ by two grey levels, others by at most one). `use_fast` is another
            word for it.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "size": {"height": 224, "width": 224}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    takes: ClassVar[tuple[str, ...]] = ()  # further fields, without a default
    square: ClassVar[bool] = True  # whether one number as `size` is height and width, or the shortest edge
    longest: ClassVar[int | None] = None  # edge beside that one number, where an old config gives no `max_size`
    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    def __init__(self, **fields: Any):
        general = {name: value for name, value in GENERAL.items() if value is not None}
        given = {OLDER.get(name, name): value for name, value in fields.items() if value is not None}
        given = {name: value for name, value in given.items() if name not in TYPES}
        if self.longest and isinstance(given.get("size"), int):
            given.setdefault("max_size", self.longest)
        self.fields = self.checked({**general, **self.defaults, **given})
        if self.longest:
            self.fields.pop("max_size", None)

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("fields", {})
        if fields and (name in fields or name in GENERAL or name in self.takes):
            return fields.get(name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}; the nearest are {nearest(name, fields)}")

    # -------------------------------------------------------------------------------------------------- a call

    def __call__(self, images: Any, *, return_tensors: Any = None, **changes: Any) -> BatchFeature:
        """pixel_values (B,C,H,W) of a picture, or of a list of them, as `load_image` takes them.

        Args:
            return_tensors: "pt" or "np"; a list of arrays if None.
            changes: fields for this call, and `input_data_format`, `data_format` ("channels_first" or
                "channels_last") of arrays that are given and made.

        Raises: ValueError for what is no picture; TypeError for an unknown field.
        """
        fields = self.changed(changes)
        return BatchFeature(self.features(self.pictures(images, fields), fields), return_tensors)

    def preprocess(self, images: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        """The same as calling it."""
        return self(images, *args, **kwargs)

    def features(self, pictures: list[Any], fields: dict[str, Any]) -> dict[str, Any]:
        """What the pictures of a call become."""
        made = self.each(lambda picture: self.one(picture, fields), pictures)
        if fields.get("do_pad"):
            made, _ = self.padded(made, fields)
        return {"pixel_values": self.arranged(made, fields)}

    # ----------------------------------------------------------------------------------------------- the steps

    def pictures(self, images: Any, fields: dict[str, Any]) -> list[Any]:
        """What is given as a list of pictures: PIL.Images, or arrays (H,W,C) of floats in 0..1."""
        return self.each(lambda source: self.read(source, fields), flat(images))

    def read(self, source: Any, fields: dict[str, Any]) -> Any:
        """One picture; greys where there is one mean."""
        grey = len(fields.get("image_mean") or (0,) * 3) == 1
        if hasattr(source, "dtype") and (array := as_array(source)).dtype.kind == "f":
            array = channels_last(array, fields.get("input_data_format"))
            if array.shape[2] == 4:
                array = array[..., :3] * array[..., 3:] + 1 - array[..., 3:]  # what is transparent lies on white
            return array if grey or array.shape[2] == 3 else np.repeat(array, 3, axis=2)
        blend = bool(fields.get("do_convert_rgb")) and is_array(source)  # files are read as the pipelines read them
        form = fields.get("input_data_format")
        return load_image(source, mode="L" if grey else "RGB", blend=blend, input_data_format=form)

    def one(self, picture: Any, fields: dict[str, Any]) -> np.ndarray:
        """A picture as numbers (C,H,W)."""
        return self.numbers(self.shaped(picture, fields), fields)

    def shaped(self, picture: Any, fields: dict[str, Any]) -> np.ndarray:
        """A picture resized and cropped (H,W,C)."""
        crop = fields.get("crop_size") if fields.get("do_center_crop") else None
        if fields["do_resize"]:
            height, width = self.target(*extent(picture), fields)
            if crop and height * width > LARGE:  # of 5000 x 1, only what the crop keeps is made
                return self.part(picture, (height, width), crop, fields)
            picture = self.resized(picture, height, width, fields)
        x = steps.deep(np.asarray(picture))
        return steps.cropped(x, crop) if crop else x

    def target(self, height: int, width: int, fields: dict[str, Any]) -> tuple[int, int]:
        """The (height, width) that a picture of this one is resized to."""
        return sizes.target(height, width, fields["size"])

    def resized(self, picture: Any, height: int, width: int, fields: dict[str, Any], box: Any = None) -> Any:
        if height * width > MAX_PIXELS:
            raise ValueError(
                f"a picture of {extent(picture)} would be resized to {height} x {width}, more than {MAX_PIXELS:,} "
                f"pixels. Crop it, or give another size=, such as {{'height': 224, 'width': 224}}."
            )
        return steps.resized(picture, height, width, fields["resample"], self.backend_of(fields), box)

    def part(self, picture: Any, whole: tuple[int, int], crop: Mapping[str, int], fields: dict[str, Any]) -> np.ndarray:
        """What the crop keeps of a picture resized to `whole`, one axis after the other in the order of Pillow."""
        own, scales = extent(picture), []
        for side, full, before, start in zip(
            ("height", "width"), whole, extent(picture), steps.crop_of(*whole, crop), strict=True
        ):
            kept, first = min(crop[side], full), max(start, 0)
            scales.append((kept, first * before / full, (first + kept) * before / full))
        (high, top, bottom), (wide, left, right) = scales
        if whole[0] < own[0] and whole[1] > own[1]:
            picture = self.resized(picture, high, own[1], fields, (0, top, own[1], bottom))
            picture = self.resized(picture, high, wide, fields, (left, 0, right, high))
        else:
            picture = self.resized(picture, own[0], wide, fields, (left, 0, right, own[0]))
            picture = self.resized(picture, high, wide, fields, (0, top, wide, bottom))
        return steps.cropped(steps.deep(np.asarray(picture)), crop)

    def numbers(self, x: np.ndarray, fields: dict[str, Any]) -> np.ndarray:
        """Bytes, or floats in 0..1, rescaled and normalised."""
        scale = fields["rescale_factor"] if fields["do_rescale"] else None
        if x.dtype.kind == "f" and scale is not None:
            scale = None if scale == 1 / 255 else scale * 255  # they are rescaled already
        mean, std = (fields.get(name) for name in ("image_mean", "image_std"))
        return steps.numbers(x, scale, *((mean, std) if fields["do_normalize"] else (None, None)))

    def padded(self, made: Sequence[np.ndarray], fields: dict[str, Any]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Pictures (C,H,W) padded with 0 to one size, and their pixel_mask (H,W)."""
        size = fields.get("pad_size")
        bounds = (size["height"], size["width"]) if size else largest(made)
        return [steps.padded(x, bounds) for x in made], [steps.inside(x, bounds) for x in made]

    def arranged(self, made: list[np.ndarray], fields: dict[str, Any]) -> list[np.ndarray]:
        last = str(getattr(fields.get("data_format"), "value", fields.get("data_format"))) == "channels_last"
        return [np.ascontiguousarray(x.transpose(1, 2, 0)) for x in made] if last else made

    def each(self, function: Any, items: Sequence[Any]) -> list[Any]:
        """What a function makes of each, several at once: decoding and resizing leave Python to other threads."""
        if len(items) < 2:
            return [function(item) for item in items]
        with ThreadPoolExecutor(min(len(items), os.cpu_count() or 1, 8)) as pool:
            return list(pool.map(function, items))

    # ---------------------------------------------------------------------------------------------- its fields

    def backend_of(self, fields: dict[str, Any]) -> str:
        found = fields.get("backend") or ("torch" if fields.get("use_fast") else "pil")
        found = "torch" if found == "torchvision" else found
        if found not in ("pil", "torch"):
            raise ValueError(f"backend={short(found)} must be 'pil' or 'torch'.")
        return found

    def changed(self, changes: dict[str, Any]) -> dict[str, Any]:
        """The fields of a call."""
        known = {*GENERAL, *self.takes, *self.defaults, *self.fields}
        unknown = next((name for name in changes if name not in known), None)
        if unknown is not None:
            raise TypeError(f"{type(self).__name__} takes no {unknown!r}; nearest: {nearest(unknown, known)}.")
        changes = {name: value for name, value in changes.items() if value is not None}
        return self.checked({**self.fields, **changes}) if changes else self.fields

    def checked(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Fields in the words of new configs. Raises: ValueError for those that no picture can be made with."""
        longest = fields.get("max_size")
        for name in sizes.NAMES:
            if fields.get(name) is not None:
                square = self.square or name != "size"
                fields[name] = sizes.size_of(name, fields[name], square, longest if isinstance(longest, int) else None)
        fields["resample"] = filter_of(fields["resample"])
        self.backend_of(fields)
        for name in ("image_mean", "image_std"):
            if isinstance(value := fields.get(name), int | float):
                fields[name] = [value] * 3
        check_kinds(fields)
        for flag, need in (("do_resize", "size"), ("do_center_crop", "crop_size"), ("do_normalize", "image_mean")):
            if fields.get(flag) and fields.get(need) is None and need in {*self.defaults, "crop_size"}:
                raise ValueError(f"{flag}=True needs {need}=; give it, or {flag}=False.")
        for flag, need in (("do_center_crop", "crop_size"), ("do_pad", "pad_size")):
            if fields.get(flag) and "height" not in (fields.get(need) or {"height": 0}):
                raise ValueError(f"{need}={short(fields[need])} must be a height and a width.")
        return fields

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

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], **changes: Any) -> Any:
        """One by the fields of a config; keywords override them."""
        return cls(**{**fields, **changes})

    def to_dict(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.fields.items() if name not in WITHOUT}
        return {**kept, TYPES[0]: type(self).__name__}

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def save_pretrained(self, folder: str | Path, push_to_hub: bool = False, **kwargs: Any) -> None:
        """Write preprocessor_config.json into `folder`, made if it does not exist.

        Args:
            push_to_hub: upload the folder as well; the other keywords are those of `push_to_hub`.
        """
        from ..files import write_file

        Path(folder).mkdir(parents=True, exist_ok=True)
        write_file(Path(folder), CONFIG, self.to_json_string())
        if push_to_hub:
            from ..hub import push_folder

            push_folder(Path(folder), kwargs.pop("repo_id", Path(folder).name), **kwargs)

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> Any:
        """Save to a temporary folder and upload it; keywords as `qkv.hub.push_folder`."""
        from ..hub import push_folder

        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_folder(Path(folder), repo_id, **kwargs)

    def fetch_images(self, sources: Any) -> Any:
        """`load_image` of a path or URL, or of lists of them."""
        return [self.fetch_images(one) for one in sources] if isinstance(sources, list | tuple) else load_image(sources)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string().rstrip()}"


def extent(picture: Any) -> tuple[int, int]:
    """(height, width)."""
    return picture.shape[:2] if isinstance(picture, np.ndarray) else (picture.height, picture.width)


def flat(images: Any) -> list[Any]:
    """What is given as one list of pictures: lists in lists, and the pictures of (B,H,W,C) or (B,C,H,W), one by one."""
    if isinstance(images, list | tuple):
        return [one for part in images for one in flat(part)]
    return list(images) if is_array(images) and len(getattr(images, "shape", ())) == 4 else [images]


def largest(made: Sequence[np.ndarray]) -> tuple[int, int]:
    """The greatest height and the greatest width."""
    return max((x.shape[-2] for x in made), default=0), max((x.shape[-1] for x in made), default=0)


def stored(repo: Any) -> dict[str, Any] | None:
    """The fields of an image processor that a repository holds, in the files of either generation."""
    found = repo.json(CONFIG)
    if found is None:
        found = (repo.json("processor_config.json") or {}).get(INNER)
    return found if isinstance(found, dict) else None
