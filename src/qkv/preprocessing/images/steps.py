"""The steps from a picture to numbers: resize, crop, rescale, normalise, pad. A picture is a PIL.Image or (H,W,C)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import image

IN_TORCH = {2: "bilinear", 3: "bicubic"}  # the filters that torch has for bytes; Pillow does the others


def resized(picture: Any, height: int, width: int, resample: int, backend: str = "pil", box: Any = None) -> Any:
    """A picture of another size. Numbers in 0..1 go through bytes, as Pillow resizes no others.

    box: the part of the picture (left, upper, right, lower) that becomes the whole.
    """
    if isinstance(picture, np.ndarray):
        made = resized(image.from_array(picture, "channels_last"), height, width, resample, backend, box)
        return (deep(np.asarray(made)).astype(np.float64) * (1 / 255)).astype(np.float32)
    if backend == "torch" and resample in IN_TORCH and box is None:
        return in_torch(picture, height, width, IN_TORCH[resample])
    return image.resized(picture, height, width, resample, box)


def in_torch(picture: Any, height: int, width: int, mode: str) -> np.ndarray:
    """The same in torch, as bytes (H,W,C); within one grey level of Pillow's."""
    import torch

    x = torch.from_numpy(deep(np.array(picture))).permute(2, 0, 1)[None]
    x = torch.nn.functional.interpolate(x, (height, width), mode=mode, antialias=True, align_corners=False)
    return x[0].permute(1, 2, 0).contiguous().numpy()


def deep(x: np.ndarray) -> np.ndarray:
    """(H,W,C), also where there is one channel."""
    return x if x.ndim == 3 else x[..., None]


def crop_of(height: int, width: int, size: Mapping[str, int]) -> tuple[int, int]:
    """Where the crop in the centre begins (top, left); below 0 where the picture is smaller."""
    return (height - size["height"]) // 2, (width - size["width"]) // 2


def by_bytes(function: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
    """What a function of bytes makes of whole numbers from 0, of as many bytes as they take; int64."""
    count = max((int(x.max()).bit_length() + 7) // 8, 1)
    parts = [np.asarray(function((x >> 8 * i & 255).astype(np.uint8))).astype(np.int64) for i in range(count)]
    return sum(part << 8 * i for i, part in enumerate(parts))  # type: ignore[return-value]


def nearest_pixel(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Whole numbers (H,W) in another size, each as the nearest was."""
    return by_bytes(lambda part: image.resized(image.from_array(part), *size, 0), x)


def cropped(x: np.ndarray, size: Mapping[str, int]) -> np.ndarray:
    """The centre of (H,W,C); what lies outside of it is 0."""
    (top, left), bounds = crop_of(x.shape[0], x.shape[1], size), (size["height"], size["width"])
    part: Any = x[max(top, 0) : max(top + bounds[0], 0), max(left, 0) : max(left + bounds[1], 0)]
    if part.shape[:2] == bounds:
        return part
    made = np.zeros((*bounds, x.shape[2]), x.dtype)
    made[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]] = part
    return made


def numbers(
    x: np.ndarray, scale: float | None, mean: Sequence[float] | None, std: Sequence[float] | None
) -> np.ndarray:
    """(H,W,C) times `scale`, less the mean, by the deviation of each channel, as (C,H,W).

    Bytes have 256 values: each is computed once, and the picture is looked up.
    """
    if scale is None and mean is None:
        return np.ascontiguousarray(x.transpose(2, 0, 1))
    if x.dtype == np.uint8:
        rows = np.broadcast_to(np.arange(256, dtype=np.float64)[:, None, None], (256, 1, x.shape[2]))
        table = numbers(rows, scale, mean, std)[..., 0]  # (C,256)
        return np.stack([table[channel][x[..., channel]] for channel in range(x.shape[2])])
    x = x if scale is None else x.astype(np.float64) * scale
    x = x.astype(np.float32).transpose(2, 0, 1)
    if mean is not None:
        x = (x - channels(mean)) / channels(std or (1.0,))
    return np.ascontiguousarray(x)


def channels(values: Sequence[float]) -> np.ndarray:
    return np.asarray(values, np.float32)[:, None, None]


def padded(x: np.ndarray, size: tuple[int, int], value: float = 0) -> np.ndarray:
    """(…,H,W) made larger below and on the right. Raises: ValueError if it is larger already."""
    height, width = x.shape[-2:]
    if height > size[0] or width > size[1]:
        raise ValueError(
            f"a picture of {height} x {width} cannot be padded to {size[0]} x {size[1]}: pad_size is less."
        )
    room = [(0, 0)] * (x.ndim - 2) + [(0, size[0] - height), (0, size[1] - width)]
    return np.pad(x, room, constant_values=value) if (height, width) != size else x


def inside(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """pixel_mask (H,W) of a picture padded to `size`: 1 where the picture is."""
    mask = np.zeros(size, np.int64)
    mask[: x.shape[-2], : x.shape[-1]] = 1
    return mask
