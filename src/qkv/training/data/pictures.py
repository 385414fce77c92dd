"""A data set of pictures, each read, and changed as its epoch has it, when it is asked for."""

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...preprocessing.image import load_image, mirrored
from ...preprocessing.image_processor import ImageProcessor

RATIOS = math.log(3 / 4), math.log(4 / 3)  # of the width of a part to its height, before both are made the size
TRIES = 10


class Pictures:
    """Rows {"pixel_values": (C,H,W) float32, "labels"}; several are decoded at once.

    What is drawn for a row follows from the seed, the epoch and the row alone: it is the same with any number of
    workers or processes, and in a run that is resumed. Trainer tells the epoch (`set_epoch`).

    Args:
        sources: pictures as `load_image` takes them.
        labels: a target for each.
        processor: makes pixel_values; all of one size.
        crop: a random part of the picture is shown, of an area of this share or more, in a ratio of 3:4 to 4:3 (Szegedy
            et al., 2014, arXiv:1409.4842, section 6); 1 shows the picture as the processor makes it.
        flip: whether half of the pictures are mirrored, left for right.
        seed: of what is drawn.

    Raises: ValueError if the processor makes pictures of several sizes.
    """

    def __init__(
        self, sources: Sequence[Any], labels: Sequence[Any], processor: ImageProcessor, *, crop: float = 1.0,
        flip: bool = False, seed: int = 0,
    ):  # fmt: skip
        self.sources, self.labels, self.processor = sources, labels, processor
        self.crop, self.flip, self.seed, self.epoch = crop, flip, seed, 0
        height, width = made_size(processor)
        part = {"do_resize": True, "size": {"height": height, "width": width}, "do_center_crop": False}
        self.changes: dict[str, Any] = part if crop < 1 else {}

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, row: int) -> dict[str, Any]:
        picture = load_image(self.sources[row])
        if self.crop < 1 or self.flip:
            draw = random.Random(hash((self.seed, self.epoch, row)))  # of integers, so the same in every process
            if self.crop < 1:
                picture = picture.crop(part_of(picture.height, picture.width, self.crop, draw))
            if self.flip and draw.random() < 0.5:
                picture = mirrored(picture)
        return {"pixel_values": self.processor(picture, **self.changes)["pixel_values"][0], "labels": self.labels[row]}

    def __getitems__(self, rows: list[int]) -> list[dict[str, Any]]:
        return self.processor.each(self.__getitem__, rows)


def made_size(processor: ImageProcessor) -> tuple[int, int]:
    """The height and width that pictures of all sizes get. Raises: ValueError if they get several."""
    blanks = [np.zeros((*size, 3), np.uint8) for size in ((96, 64), (64, 96))]
    found = {np.shape(processor(blank)["pixel_values"][0])[-2:] for blank in blanks}
    if len(found) > 1:
        raise ValueError(
            f"{type(processor).__name__} makes pictures of different sizes, which make no batch. Write one size into "
            f'its preprocessor_config.json, such as "size": {{"height": 224, "width": 224}}.'
        )
    height, width = found.pop()
    return int(height), int(width)


def part_of(height: int, width: int, least: float, draw: random.Random) -> tuple[int, int, int, int]:
    """A random part of a picture (left, upper, right, lower), the whole if none of the tries fits into it."""
    for _ in range(TRIES):
        area, ratio = draw.uniform(least, 1) * height * width, math.exp(draw.uniform(*RATIOS))
        wide, high = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < wide <= width and 0 < high <= height:
            left, top = draw.randint(0, width - wide), draw.randint(0, height - high)
            return left, top, left + wide, top + high
    return 0, 0, width, height
