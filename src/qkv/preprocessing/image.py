"""Pictures: the one place that decodes them. Formats are few, and pixels are counted before they are decoded."""

import base64
import binascii
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ..errors import nearest, short

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # all decoded by Pillow's own code, no other program
MAX_PIXELS = 80_000_000  # an A3 page at 600 dots an inch has 70 million
FILTERS = {
    "nearest": 0,
    "lanczos": 1,
    "bilinear": 2,
    "bicubic": 3,
    "box": 4,
    "hamming": 5,
}  # as config files number them


def load_image(source: Any) -> Image.Image:
    """A picture in RGB, upright.

    Args:
        source: a path, bytes, a data: URL or base64 text, a PIL.Image, or an array or tensor: (H,W), (H,W,C) or (C,H,W)
            of bytes, or of floats in 0..1.

    Raises: FileNotFoundError if there is no such file; ValueError for a file that is no picture, is damaged, or has too
        many pixels; TypeError for another kind of source.
    """
    if isinstance(source, Image.Image):
        return _upright(source, "the picture")
    if isinstance(source, bytes | bytearray):
        return decoded(bytes(source), "the bytes")
    if isinstance(source, str | os.PathLike):
        return decoded(*_read(source))
    if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
        return _upright(from_array(np.asarray(source)), "the array")
    raise TypeError(
        f"a picture is a path, bytes, a PIL.Image, or an array or tensor; got {type(source).__name__} {short(source)}."
    )


def decoded(content: bytes, name: str) -> Image.Image:
    """The first picture of a file's content, in RGB, upright. Raises: ValueError as `load_image` says."""
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name, "more than Pillow reads") from None
    except Exception:  # each format of Pillow has errors of its own
        raise ValueError(f"{name}: no picture that qkv reads. It reads {', '.join(FORMATS)}.") from None
    return _upright(picture, name)


def from_array(array: np.ndarray) -> Image.Image:
    """A picture of (H,W), (H,W,C) or (C,H,W), C being 1, 3 or 4: bytes, or floats in 0..1."""
    array = (
        array.transpose(1, 2, 0) if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] > 4 else array
    )
    shape = array.shape
    if array.ndim not in (2, 3) or array.ndim == 3 and shape[2] not in (1, 3, 4) or not array.size:
        raise ValueError(f"an array of shape {shape} is no picture; expected (H,W), (H,W,C) or (C,H,W), C of 1, 3, 4.")
    if array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:
        array = (array * 255).round().astype(np.uint8)
    if array.dtype != np.uint8 and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() > 255):
        raise ValueError(
            f"an array of {array.dtype} from {array.min()} to {array.max()} is no picture; expected integers to 255, "
            f"or floats in 0..1."
        )
    return Image.fromarray(
        array.astype(np.uint8)[..., 0] if array.ndim == 3 and shape[2] == 1 else array.astype(np.uint8)
    )


def resized(picture: Image.Image, width: int, height: int, resample: int = FILTERS["bilinear"]) -> Image.Image:
    """A picture of another size. Raises: ValueError for an unknown filter or a size that is none."""
    if resample not in FILTERS.values() or not 0 < width * height <= MAX_PIXELS or min(width, height) < 1:
        raise ValueError(f"cannot resize to {width} x {height} with filter {resample}; filters are {FILTERS}.")
    return picture.resize((width, height), Image.Resampling(resample))


def _read(source: "str | os.PathLike[str]") -> tuple[bytes, str]:
    """The content that a path, a data: URL or base64 text stands for, and its name in errors."""
    text = os.fspath(source)
    if text.startswith(("http://", "https://")):
        raise ValueError(f"pictures are not fetched from the network: download {short(text, 120)} and give its path.")
    if text.startswith("data:image/"):
        return _from_base64(text.partition(",")[2]), "the data: URL"
    path, name = Path(text), short(text, 120)
    try:
        if path.is_file():
            return path.read_bytes(), name
        near = [other.name for other in path.parent.iterdir()] if len(text) < 500 and path.parent.is_dir() else []
    except (OSError, ValueError):  # too long for a path, or one with a zero byte
        near = []
    if len(text) > 200:
        return _from_base64(text), "the base64 text"
    hint = f" Near it: {nearest(path.name, near)}." if near else ""
    raise FileNotFoundError(f"there is no picture {name}.{hint}")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"neither the path of a picture nor base64: {short(text)}.") from None


def _upright(picture: Image.Image, name: str) -> Image.Image:
    """The picture decoded, turned as its EXIF says, in RGB."""
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large(name, f"{picture.width} x {picture.height} pixels")
    try:
        return ImageOps.exif_transpose(picture).convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # each decoder of Pillow has errors of its own
        raise ValueError(f"{name}: a damaged or cut {picture.format} ({short(str(error))}). Get it again.") from None


def _too_large(name: str, size: str) -> ValueError:
    return ValueError(f"{name} has {size}; qkv reads at most {MAX_PIXELS:,}. Make it smaller first.")
