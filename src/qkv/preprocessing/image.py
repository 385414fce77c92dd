"""Pictures: the one place that decodes them. Formats are few, and pixels are counted before they are decoded."""

import base64
import binascii
import io
import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ..errors import short, warn

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # all decoded by Pillow's own code, no other program
MAX_PIXELS = 80_000_000  # an A3 page at 600 dots an inch has 70 million
MAX_FRAMES = 10_000  # of a moving picture, whose first is read: seven minutes of film
MAX_BYTES = 20_000_000  # of a picture that is fetched
TIMEOUT = 10.0  # seconds for all of that
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}  # as configs number them
WHITE = (255, 255, 255, 255)
PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")  # how a web page begins


def is_picture(value: Any) -> bool:
    """Whether a value stands for one picture, as `load_image` takes it."""
    kinds = (str, bytes, bytearray, os.PathLike, Image.Image)
    return isinstance(value, kinds) or is_array(value) or hasattr(value, "read")


def is_array(value: Any) -> bool:
    return hasattr(value, "__array__") or hasattr(value, "__array_interface__")


def as_array(value: Any) -> np.ndarray:
    """An array or tensor, of any device and kind of number, as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value
    return np.asarray(value)


def load_image(
    source: Any, timeout: float | None = None, *, mode: str = "RGB", blend: bool = False,
    input_data_format: Any = None,
) -> Image.Image:  # fmt: skip
    """A picture, upright as its EXIF says.

    Args:
        source: a path, an http(s) URL, bytes, an open file, a data: URL or base64 text, a PIL.Image, or an array or
            tensor: (H,W), (H,W,C) or (C,H,W) of bytes, or of floats in 0..1.
        timeout: seconds that fetching a URL may take; 10 if None. At most 20 MB are read, from public addresses alone.
        mode: "RGB", "L" for greys, or "" for that of the file.
        blend: whether what is transparent lies on white; else transparency is left out, as Pillow does.
        input_data_format: "channels_first" or "channels_last", of an array; by its shape if None.

    Raises: OSError for no file, a folder, or a URL that cannot be fetched; ValueError for what is no picture, is
        damaged, or has too many pixels; TypeError for another kind of source.
    """
    if isinstance(source, Image.Image):
        return _upright(source, "the picture", mode, blend)
    if isinstance(source, str | os.PathLike):
        return decoded(*_read(source, timeout), mode, blend)
    if hasattr(source, "read"):
        source = source.read()
    if isinstance(source, bytes | bytearray):
        return decoded(bytes(source), "the bytes", mode, blend)
    if is_array(source):
        return _upright(from_array(as_array(source), input_data_format), "the array", mode, blend)
    raise TypeError(
        f"a picture is a path, a URL, bytes, a PIL.Image, or an array or tensor; got {type(source).__name__} "
        f"{short(source)}."
    )


def decoded(content: bytes, name: str, mode: str = "RGB", blend: bool = False) -> Image.Image:
    """The first picture of a file's content, upright. Raises: ValueError as `load_image` says."""
    return _upright(_opened(io.BytesIO(content), name), name, mode, blend)


def size_of(path: "str | os.PathLike[str]") -> tuple[int, int]:
    """Height and width of the picture in a file, by its header alone. Raises: as `load_image`."""
    name = short(os.fspath(path), 120)
    if not os.path.isfile(path):
        raise _missing(os.fspath(path), name)
    with open(path, "rb") as file:
        picture = _opened(file, name)
        return picture.height, picture.width


def _opened(file: Any, name: str) -> Image.Image:
    if file.read(200).lstrip().lower().startswith(PAGES):
        raise ValueError(f"{name}: a web page or text, and no picture. Give the address of the picture file itself.")
    file.seek(0)
    try:
        return Image.open(file, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name, "more than Pillow reads") from None
    except Exception:  # each format of Pillow has errors of its own
        raise ValueError(f"{name}: no picture that qkv reads. It reads {', '.join(FORMATS)}.") from None


def from_array(array: np.ndarray, input_data_format: Any = None) -> Image.Image:
    """A picture of (H,W), (H,W,C) or (C,H,W), C being 1, 3 or 4: bytes, or floats in 0..1."""
    array = channels_last(array, input_data_format)
    array = array if array.dtype == np.uint8 else _bytes(array)
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else np.ascontiguousarray(array))


def _bytes(array: np.ndarray) -> np.ndarray:
    """Integers to 255, or floats in 0..1, as bytes. Raises: ValueError for others."""
    kind = array.dtype.kind
    least, most = (float(array.min()), float(array.max())) if kind in "iubf" else (np.nan, np.nan)
    if kind == "f" and least >= 0 and most <= 1:
        return (array.astype(np.float64) * 255).astype(np.float32).astype(np.uint8)
    if not (least >= 0 and most <= 255) or kind == "f" and (array != np.floor(array)).any():
        raise ValueError(
            f"an array of {array.dtype} from {least:g} to {most:g} is no picture; expected integers to 255, or floats "
            f"in 0..1."
        )
    return array.astype(np.uint8)


def channels_last(array: np.ndarray, input_data_format: Any = None) -> np.ndarray:
    """(H,W), (H,W,C) or (C,H,W) as (H,W,C); the channels are last where it may be either.

    Raises: ValueError for another shape.
    """
    form = str(getattr(input_data_format, "value", input_data_format))
    if form not in ("None", "channels_first", "channels_last"):
        raise ValueError(f"input_data_format={short(form)} must be 'channels_first' or 'channels_last'.")
    shape = array.shape
    first = array.ndim == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4)
    if array.ndim == 3 and (form == "channels_first" or form == "None" and first):
        array = array.transpose(1, 2, 0)
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not array.size:
        raise ValueError(f"an array of shape {shape} is no picture; expected (H,W), (H,W,C) or (C,H,W), C of 1, 3, 4.")
    return array


def filter_of(resample: Any) -> int:
    """The number of a filter. Raises: ValueError for a name or number of none."""
    found = FILTERS.get(resample.lower()) if isinstance(resample, str) else resample
    if found not in FILTERS.values():
        raise ValueError(f"resample={short(resample)} is no filter; they are {short(FILTERS, 120)}.")
    return int(found)  # type: ignore[arg-type]


def resized(
    picture: Image.Image, height: int, width: int, resample: int, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """A picture of another size; `box` is the part of it (left, upper, right, lower) that becomes the whole."""
    return picture.resize((width, height), Image.Resampling(resample), box)


def mirrored(picture: Image.Image) -> Image.Image:
    """Left for right."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _read(source: "str | os.PathLike[str]", timeout: float | None) -> tuple[bytes, str]:
    """The content that a path, a URL, a data: URL or base64 text stands for, and its name in errors."""
    text = os.fspath(source)
    if text.startswith(("http://", "https://")):
        from ..network import fetch

        return fetch(text, timeout=TIMEOUT if timeout is None else timeout, limit=MAX_BYTES), short(text, 120)
    if text.startswith("data:image/"):
        return _from_base64(text.partition(",")[2]), "the data: URL"
    name = short(text, 120)
    if os.path.isfile(text):
        return Path(text).read_bytes(), name
    if len(text) > 200:
        return _from_base64(text), "the base64 text"
    raise _missing(text, name)


def _missing(path: str, name: str) -> OSError:
    """The error for a file that is not there, with those near it that are called like it."""
    if os.path.isdir(path):
        return IsADirectoryError(f"{name} is a folder. Give what is in it, such as sorted(Path(folder).glob('*.jpg')).")
    try:
        near = get_close_matches(Path(path).name, [one.name for one in Path(path).parent.iterdir()], cutoff=0.5)
    except (OSError, ValueError):  # no folder, or no path at all
        near = []
    hint = f" Near it: {', '.join(map(repr, near))}." if near else ""
    return FileNotFoundError(f"there is no picture {name}.{hint}")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"neither the path of a picture nor base64: {short(text)}.") from None


def _upright(picture: Image.Image, name: str, mode: str, blend: bool) -> Image.Image:
    """The picture decoded, turned as its EXIF says, in the mode asked for."""
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large(name, f"{picture.width} x {picture.height} pixels")
    try:
        frames = getattr(picture, "n_frames", 1)  # counted by their headers
    except Exception:
        frames = 1  # a later one is damaged; the first need not be
    if frames > MAX_FRAMES:
        raise ValueError(f"{name} has {frames:,} frames; qkv reads at most {MAX_FRAMES:,}, of which the first is used.")
    try:
        return _in_mode(ImageOps.exif_transpose(picture), name, mode, blend)
    except (MemoryError, Warning):
        raise
    except Exception as error:  # each decoder of Pillow has errors of its own
        raise ValueError(f"{name}: a damaged or cut {picture.format} ({short(str(error))}). Get it again.") from None


def _in_mode(picture: Image.Image, name: str, mode: str, blend: bool) -> Image.Image:
    mode = mode or picture.mode
    if picture.mode == mode and "transparency" not in picture.info:
        return picture
    if picture.mode in ("La", "RGBa"):  # colours times their transparency
        picture = picture.convert({"La": "LA", "RGBa": "RGBA"}[picture.mode])
    if blend and ("A" in picture.getbands() or picture.info.get("transparency") is not None):
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, WHITE), picture.convert("RGBA"))
    if picture.mode[0] in "IF":
        greatest = picture.getextrema()[1]
        if isinstance(greatest, int | float) and greatest > 255:
            warn(
                f"{name} has greys to {greatest:g}, of which all above 255 become white, as in Transformers. To keep "
                f"them, give an array of bytes, such as (array // 257).astype('uint8') of 16 bits."
            )
    return picture.convert(mode)


def _too_large(name: str, size: str) -> ValueError:
    return ValueError(f"{name} has {size}; qkv reads at most {MAX_PIXELS:,}. Make it smaller first.")
