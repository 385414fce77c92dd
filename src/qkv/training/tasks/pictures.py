"""Classes of pictures."""

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from ...errors import short
from ...preprocessing.image import as_array, is_picture, size_of
from ..data.collators import DefaultDataCollator
from ..data.pictures import Pictures, made_size
from ..data.reading import Rows
from .base import Options
from .classes import LABELS, Classification

IMAGES = ("image", "file_name", "img", "picture", "path", "image_path", "filename", "file", "filepath", "photo")
PIECE = 4096  # bytes of a file's begin, middle and end, by which files are told apart


class ImageClassification(Classification):
    """A row has a picture and its label. Pictures are what `load_image` takes; paths begin where the file lies."""

    names = ("image-classification",)
    auto, lora, reader = "AutoModelForImageClassification", "SEQ_CLS", "AutoImageProcessor"
    roles = {"image": IMAGES, "label": LABELS}

    def __init__(self, options: Options, rows: Rows):
        super().__init__(options, rows)
        if not 0 < options.crop <= 1:
            raise ValueError(f"crop={short(options.crop)} must be above 0, and 1 for the whole of each picture.")
        self.sizes: list[tuple[int, int]] = []

    def fit(self, tokenizer: Any, model: Any) -> None:
        """Raises: ValueError for an image processor that makes pictures of several sizes."""
        self.made = made_size(tokenizer)

    def encode(self, rows: Rows, tokenizer: Any, limit: int | None) -> Any:
        sources = self.sources(rows)
        self.sizes += sizes_of(sources, rows)
        return Pictures(sources, self.labels_of(rows), tokenizer)

    def varied(self, dataset: Pictures, seed: int) -> Pictures:
        how = {"crop": self.options.crop, "flip": self.options.flip, "seed": seed}
        return Pictures(dataset.sources, dataset.labels, dataset.processor, **how)

    def sources(self, rows: Rows) -> list[Any]:
        """What `load_image` takes, of each row. Raises: ValueError for a row without, with its line."""
        found = []
        for index, row in enumerate(rows):
            value = row.get(self.columns["image"])
            if isinstance(value, Mapping):  # as `datasets` and Parquet files have it
                value = value.get("bytes") or value.get("path")
            if not is_picture(value):
                raise ValueError(
                    f"{rows.where(index)} has {short(value, 60)} in {self.columns['image']!r}; expected the path of a "
                    f"picture."
                )
            is_path = isinstance(value, str | os.PathLike) and "://" not in str(value)[:10]
            found.append(str(Path(rows.folder or "", str(value))) if is_path else value)
        return found

    def texts(self, rows: Rows) -> list[str]:
        return list(map(digest, self.sources(rows)))

    def collator(self, tokenizer: Any, model: Any) -> Any:
        return DefaultDataCollator()

    def arguments(self) -> dict[str, Any]:
        """On a CPU the threads that decode are enough: processes of their own would take the cores of the model."""
        return {"dataloader_num_workers": min(os.cpu_count() or 1, 8) if torch.cuda.is_available() else 0}

    def facts(self) -> list[tuple[str, str]]:
        made, (crop, flip) = "{} x {}".format(*self.made), (self.options.crop, self.options.flip)
        found = "{1:,} x {0:,}".format(*min(self.sizes)) if self.sizes else ""
        found += " to {1:,} x {0:,}, ".format(*max(self.sizes)) if len(set(self.sizes)) > 1 else ", " if found else ""
        shown = [f"parts of {100 * crop:.0f} % and more"] if crop < 1 else ["whole"]
        shown += ["half of them mirrored"] if flip else []
        return [*super().facts(), ("pictures", f"{found}made {made}; to train on: {', '.join(shown)}")]


def sizes_of(sources: list[Any], rows: Rows) -> list[tuple[int, int]]:
    """(height, width) of pictures in files. Raises: ValueError for a file that is none, with its row."""

    def size(index: int) -> tuple[int, int] | None:
        if not isinstance(sources[index], str) or "://" in sources[index][:10]:
            return None
        try:
            return size_of(sources[index])
        except (OSError, ValueError) as error:
            raise ValueError(f"{rows.where(index)}: {str(error)[:300]}") from None

    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        return [found for found in pool.map(size, range(len(sources))) if found]


def digest(source: Any) -> str:
    """What two copies of a picture have in common: of a file its length, its begin, middle and end."""
    if isinstance(source, str) and os.path.isfile(source):
        length = os.path.getsize(source)
        with open(source, "rb") as file:
            found = hashlib.sha256(str(length).encode())
            for place in (0, length // 2, max(length - PIECE, 0)):
                file.seek(place)
                found.update(file.read(PIECE))
        return found.hexdigest()
    if isinstance(source, str):
        return source
    return hashlib.sha256(source if isinstance(source, bytes) else as_array(source).tobytes()).hexdigest()
