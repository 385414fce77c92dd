"""SamProcessor: pictures, and points and boxes on them, as SAM reads them."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import short
from .image import as_array
from .images.batch import BatchFeature, converted
from .images.sam import scaled
from .images.segmentation import SamImageProcessor
from .images.sizes import pairs

PADDING = -10  # the label of a point that is none


class SamProcessor:
    """Pictures and prompts -> inputs of a SAM.

    Args: an image processor.
    """

    point_pad_value = PADDING

    def __init__(self, image_processor: Any):
        if not isinstance(image_processor, SamImageProcessor):
            raise TypeError(f"SamProcessor takes a SamImageProcessor, got {short(image_processor, 60)}.")
        self.image_processor = image_processor

    @property
    def target_size(self) -> int:
        return self.image_processor.size["longest_edge"]

    def __call__(
        self, images: Any = None, segmentation_maps: Any = None, input_points: Any = None, input_labels: Any = None,
        input_boxes: Any = None, *, return_tensors: Any = None, point_pad_value: int | None = None, **changes: Any,
    ) -> BatchFeature:  # fmt: skip
        """pixel_values (B,3,H,W), original_sizes and reshaped_input_sizes (B,2), and the prompts that are given.

        Args:
            images: a picture, or a list of them.
            segmentation_maps: (H,W) of each, which become labels.
            input_points: in pixels of the pictures, x and y: [picture][point][2] for one prompt a picture, or
                [picture][prompt][point][2].
            input_labels: of the points, alike: 1 in what is meant, 0 outside.
            input_boxes: [picture][box][4], left, top, right, bottom.
            return_tensors: "pt" or "np".
            point_pad_value: what fills up fewer points than another picture has, and labels them as none.
            changes: fields of the image processor for this call.

        Raises: ValueError for prompts of other shapes, or of another number of pictures.
        """
        made = self.image_processor(images, segmentation_maps, return_tensors=return_tensors, **changes)
        sizes = pairs("original_sizes", made["original_sizes"], len(made["original_sizes"]))
        fill = PADDING if point_pad_value is None else point_pad_value
        labels = None if input_labels is None else [np.asarray(one) for one in rows("input_labels", input_labels)]
        if input_points is not None:
            points = [
                scaled(one, size, self.target_size) for one, size in placed("input_points", input_points, sizes, 2)
            ]
            points, labels = filled(points, labels, fill)
            made["input_points"] = deepened(np.stack(points), 4, return_tensors)
        if labels is not None:
            made["input_labels"] = deepened(np.stack(labels), 3, return_tensors)
        if input_boxes is not None:
            boxes = placed("input_boxes", input_boxes, sizes, 4)
            found = [scaled(x.reshape(-1, 2, 2), size, self.target_size).reshape(-1, 4) for x, size in boxes]
            made["input_boxes"] = deepened(np.stack(found), 3, return_tensors)
        return made

    def post_process_masks(self, *args: Any, **kwargs: Any) -> list[Any]:
        """The image processor's: masks of the size of their pictures."""
        return self.image_processor.post_process_masks(*args, **kwargs)

    @property
    def model_input_names(self) -> list[str]:
        return [*self.image_processor.model_input_names, "original_sizes", "reshaped_input_sizes"]

    @classmethod
    def from_pretrained(cls, name_or_path: Any, **kwargs: Any) -> "SamProcessor":
        """The processor of a folder or a Hub repository; keywords override fields of its image processor."""
        return cls(SamImageProcessor.from_pretrained(name_or_path, **kwargs))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write preprocessor_config.json, which also names this class."""
        self.image_processor.fields["processor_class"] = type(self).__name__
        self.image_processor.save_pretrained(folder)

    def __repr__(self) -> str:
        return f"SamProcessor({self.image_processor!r})"


def rows(name: str, given: Any) -> list[Any]:
    """One entry a picture. Raises: ValueError for what is no list of lists."""
    given = as_array(given).tolist() if hasattr(given, "__array__") else given
    if not isinstance(given, list | tuple) or not given or not all(isinstance(one, list | tuple) for one in given):
        raise ValueError(f"{name} must be a list of lists, one for each picture, got {short(given, 60)}.")
    return list(given)


def placed(name: str, given: Any, sizes: list[tuple[int, int]], width: int) -> list[tuple[np.ndarray, tuple[int, int]]]:
    """Numbers (...,width) of each picture, with its size."""
    found = []
    for one in rows(name, given):
        try:
            x = np.asarray(one, float)
        except (TypeError, ValueError):
            x = np.zeros(0)
        if x.ndim not in ((2, 3) if width == 2 else (2,)) or x.shape[-1] != width:
            deep = "[picture][point][x, y]" if width == 2 else "[picture][box][left, top, right, bottom]"
            raise ValueError(f"{name} must be nested as {deep}, got {short(one, 60)} for a picture.")
        found.append(x)
    if len(sizes) not in (1, len(found)):
        raise ValueError(f"{name} of {len(found)} pictures, but there are {len(sizes)} pictures.")
    return list(zip(found, sizes * len(found) if len(sizes) == 1 else sizes, strict=True))


def filled(
    points: list[np.ndarray], labels: list[np.ndarray] | None, fill: int
) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
    """Points of all pictures in one number, by points that are labelled as none."""
    if len({one.shape for one in points}) == 1:
        return points, labels
    if any(one.ndim != 2 for one in points):
        raise ValueError("pictures have unequal numbers of prompts, which make no tensor: give one picture at a time.")
    labels = [np.ones(len(one), int) for one in points] if labels is None else labels
    most = max(map(len, points))
    more = [most - len(one) for one in points]
    return (
        [np.pad(one, ((0, n), (0, 0)), constant_values=fill) for one, n in zip(points, more, strict=True)],
        [np.pad(one, (0, n), constant_values=fill) for one, n in zip(labels, more, strict=True)],
    )


def deepened(x: np.ndarray, dims: int, return_tensors: Any) -> Any:
    """With a dimension for one prompt, where there is none and tensors are asked for."""
    x = x[:, None] if return_tensors is not None and x.ndim < dims else x
    return converted(x, return_tensors)
