"""What results are drawn with: boxes and their names, masks, bars, a colour for a number.

Nothing is decoded here. Sizes follow the picture's, so that a thumbnail and a photograph of 20 megapixels read alike.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any
from unicodedata import combining, normalize

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom
# Told apart side by side, and by people who see no red or no green; of labels in the order of their first appearance.
COLOURS: tuple[Colour, ...] = (
    (230, 85, 13), (31, 119, 200), (44, 160, 90), (240, 200, 20), (170, 80, 190), (0, 190, 200), (220, 60, 110),
    (140, 95, 60), (130, 190, 60), (90, 90, 220), (255, 150, 150), (110, 125, 135),
)  # fmt: skip
INFERNO = ((0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39), (252, 255, 164))  # fmt: skip # noqa: E501
INK, PAPER = (34, 34, 34), (255, 255, 255)
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf")  # for letters beyond ASCII
SMALLEST = 480  # pixels of the longer side; a smaller picture is shown enlarged
ROWS = 30  # of a legend at most


def colour(number: int) -> Colour:
    return COLOURS[number % len(COLOURS)]


def enlarged(picture: Image.Image) -> tuple[Image.Image, int]:
    """A small picture with each pixel as a square of so many."""
    factor = max(1, SMALLEST // max(picture.size))
    size = picture.width * factor, picture.height * factor
    return picture.resize(size, Image.Resampling.NEAREST) if factor > 1 else picture.copy(), factor


def unit(picture: Image.Image) -> int:
    """The height of text on a picture, which all else is measured by."""
    return max(12, round(max(picture.size) / 45))


def font(size: int, text: str = "") -> Any:
    """One that has the letters of a text. That of Pillow has those of English, all others are of the system."""
    found = None if text.replace("…", "").isascii() else _of_system(size)
    return found or _of_pillow(size)


@lru_cache(maxsize=8)
def _of_pillow(size: int) -> Any:
    return ImageFont.load_default(size)


@lru_cache(maxsize=8)
def _of_system(size: int) -> Any:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:  # not installed
            continue
    return None


def fitted(text: str, size: int, width: float) -> str:
    """A text in a line of so many pixels, cut if it has to be; without a font for its accents they are left out."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[:500]).split())
    if not text.isascii() and _of_system(size) is None:
        text = "".join(c for c in normalize("NFKD", text) if not combining(c))
    if length(text, size) <= width:
        return text
    while text and length(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def length(text: str, size: int) -> float:
    return font(size, text).getlength(text)


def draw_boxes(picture: Image.Image, boxes: Sequence[tuple[Rectangle, str, Colour]]) -> None:
    """Boxes with their names, the first on top: each name is inside the picture and, where there is room, on no other.

    Args:
        boxes: in pixels of the picture; parts outside it are not seen.
    """
    draw, size = ImageDraw.Draw(picture), unit(picture)
    line = max(2, size // 5)
    for box, _, shade in reversed(boxes):
        left, top, right, bottom = box[0], box[1], max(box[0], box[2]), max(box[1], box[3])
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(0, 0, 0), width=line + 2)
        draw.rectangle((left, top, right, bottom), outline=shade, width=line)
    taken: list[Rectangle] = []
    tags = []
    for box, name, shade in boxes:
        text = fitted(name, size, picture.width - size)
        if text:
            place = _free(box, length(text, size) + size * 0.6, size * 1.4, picture, taken)
            taken.append(place)
            tags.append((place, text, shade))
    for place, text, shade in reversed(tags):
        draw.rectangle(place, fill=shade)
        draw.text((place[0] + size * 0.3, place[1] + size * 0.1), text, fill=_readable(shade), font=font(size, text))


def _free(box: Rectangle, width: float, height: float, picture: Image.Image, taken: list[Rectangle]) -> Rectangle:
    """Where a name of this size stands: at a corner of its box, where it covers least of the others."""
    left, top, right, bottom = box

    def clamped(x: float, y: float) -> Rectangle:
        x, y = max(0, min(x, picture.width - width)), max(0, min(y, picture.height - height))
        return x, y, x + width, y + height

    heights = (top - height, top, bottom, bottom - height)
    places = [clamped(x, y) for y, x in product(heights, (left, right - width))]
    return min(places, key=lambda place: sum(_overlap(place, other) for other in taken))  # the first of equal ones


def _overlap(a: Rectangle, b: Rectangle) -> float:
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def _readable(ground: Colour) -> Colour:
    """Black or white, whichever is seen on a colour."""
    red, green, blue = ground
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)


def blended(picture: Image.Image, masks: Sequence[tuple[np.ndarray, Colour]], factor: int = 1) -> Image.Image:
    """Masks (h,w) laid over a picture (factor*h, factor*w), each in its colour with its outline; the last on top."""
    x = np.asarray(picture).astype(np.float32)
    line = max(1, unit(picture) // 6)
    for mask, shade in masks:
        mask = mask.repeat(factor, 0).repeat(factor, 1)
        inside = mask.copy()
        for axis, step in product((0, 1), (-line, line)):
            inside &= np.roll(mask, step, axis) | _border(mask.shape, axis, step)
        x[mask] = 0.55 * x[mask] + 0.45 * np.asarray(shade, np.float32)
        x[mask & ~inside] = shade
    return Image.fromarray(x.round().astype(np.uint8))


def _border(shape: tuple[int, ...], axis: int, step: int) -> np.ndarray:
    """Where a roll brought what is from the other side of a picture: there a mask goes on."""
    line = np.zeros((shape[axis], 1), bool)
    line[:step] = step > 0
    line[step:] |= step < 0
    return line if axis == 0 else line.T


def coloured(values: np.ndarray) -> Image.Image:
    """Numbers (H,W) from 0 to 1 as colours that grow brighter."""
    place = np.linspace(0, 1, len(INFERNO))
    channels = [np.interp(values, place, [anchor[i] for anchor in INFERNO]) for i in range(3)]
    return Image.fromarray(np.stack(channels, -1).round().astype(np.uint8))


def with_legend(picture: Image.Image, rows: Sequence[tuple[Colour, str, float | None]], bars: bool) -> Image.Image:
    """A picture and, right of it, a row for each colour: its name and its number, as a bar too if asked."""
    size = unit(picture)
    width = max(14 * size, picture.width // 3)
    step = round(size * (2.6 if bars else 1.7))
    shown = [*rows[:ROWS]]
    if len(rows) > ROWS:
        shown.append((PAPER, f"and {len(rows) - ROWS} more", None))
    sheet = Image.new("RGB", (picture.width + width, max(picture.height, step * len(shown) + size)), PAPER)
    sheet.paste(picture, (0, 0))
    draw, left, right = ImageDraw.Draw(sheet), picture.width + size, picture.width + width - size
    for number, (shade, name, score) in enumerate(shown):
        top, figure = size * 0.6 + number * step, "" if score is None else f"{score:.2f}"
        text = left if bars else left + size * 1.4
        label = fitted(name, size, right - text - length(figure, size) - size * 0.5)
        draw.text((text, top), label, fill=INK, font=font(size, label))
        draw.text((right - length(figure, size), top), figure, fill=INK, font=font(size))
        if bars:
            bottom = top + size * 1.75
            draw.rectangle((left, top + size * 1.4, right, bottom), fill=(232, 232, 232))
            end = left + (right - left) * min(1.0, max(0.0, score or 0.0))
            if score:
                draw.rectangle((left, top + size * 1.4, end, bottom), fill=shade)
        else:
            draw.rectangle((left, top + size * 0.15, left + size * 0.9, top + size * 1.05), fill=shade)
    return sheet


def beside(picture: Image.Image, values: Image.Image, low: str, high: str) -> Image.Image:
    """A picture, the same in colours for numbers, and the bar that says which colour is which number."""
    size = unit(picture)
    bar, text = size * 2, round(max(length(label, size) for label in (low, high))) + size
    sheet = Image.new("RGB", (picture.width * 2 + bar + text + size, picture.height), PAPER)
    sheet.paste(picture, (0, 0))
    sheet.paste(values, (picture.width, 0))
    shades = np.linspace(1, 0, picture.height)[:, None].repeat(bar - size // 2, 1)
    left = picture.width * 2 + size // 2
    sheet.paste(coloured(shades), (left, 0))
    draw = ImageDraw.Draw(sheet)
    draw.text((left + bar, 0), high, fill=INK, font=font(size))
    draw.text((left + bar, picture.height - size * 1.2), low, fill=INK, font=font(size))
    return sheet


def save(picture: Image.Image, path: Any) -> None:
    """Raises: ValueError for a name that is of no kind of picture; OSError if it cannot be written."""
    suffix = str(path)[str(path).rfind(".") :].lower() if "." in str(path) else ""
    if suffix not in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"):
        raise ValueError(f"{path} must end in .png, .jpg or .webp, so that it is known how to write it.")
    picture.save(path)
