"""Words of a picture, and where they stand: by a function that is given, or by Tesseract if it is installed."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import short
from .boxes import SIDE, Box, checked_box, normalize_box

HOW = (
    "Pass word_boxes=[(word, (left, top, right, bottom)), ...], or ocr=, a function from a picture to such a list, "
    "boxes in thousandths of the picture; or install Tesseract and `pip install pytesseract`."
)


def read_words(
    picture: Any, ocr: Callable[[Any], Iterable[Any]] | None = None, *, lang: str | None = None, config: str | None = ""
) -> list[tuple[str, Box]]:
    """Words of a picture (PIL.Image) with boxes in thousandths of it.

    Args:
        ocr: a function from the picture to pairs of a word and a box in thousandths; Tesseract if None.
        lang, config: of Tesseract: the language by its code, and further flags.

    Raises: ValueError for what `ocr` must not give; ImportError if there is neither `ocr` nor pytesseract.
    """
    if ocr is None:
        return tesseract(picture, lang, config)
    found = []
    for i, pair in enumerate(ocr(picture)):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise ValueError(f"ocr gave {short(pair)} at {i}. It must give pairs (word, (left, top, right, bottom)).")
        found.append((pair[0], checked_box(pair[1], f"box {i} of ocr, of {short(pair[0], 40)},")))
    return found


def tesseract(picture: Any, lang: str | None = None, config: str | None = "") -> list[tuple[str, Box]]:
    """What Tesseract reads, without what is only spaces. Raises: ImportError if pytesseract is not installed."""
    try:
        engine = importlib.import_module("pytesseract")
    except ImportError:
        raise ImportError(f"reading words from a picture needs OCR, and pytesseract is not installed. {HOW}") from None
    try:
        data = engine.image_to_data(picture, lang=lang, config=config or "", output_type="dict")
    except OSError as error:  # the program itself is not there
        raise ImportError(f"pytesseract could not run Tesseract ({short(str(error))}). {HOW}") from None
    rows = zip(*(data[name] for name in ("text", "left", "top", "width", "height")), strict=True)
    return [
        (word, [min(max(edge, 0), SIDE) for edge in normalize_box((x, y, x + w, y + h), *picture.size)])
        for word, x, y, w, h in rows
        if word.strip()
    ]
