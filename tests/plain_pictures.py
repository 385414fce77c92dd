"""Pictures that tests look at: smooth, of several sizes, the same on every machine; the reference draws them too."""

import numpy as np
from PIL import Image

SIZES = ((60, 44), (30, 47), (44, 60), (60, 44))  # width, height


def pictures(sizes=SIZES):
    """Colours at random that run into each other."""
    rows = np.random.default_rng(0).integers(0, 256, (len(sizes), 5, 6, 3), np.uint8)
    return [Image.fromarray(row).resize(size, Image.Resampling.BICUBIC) for row, size in zip(rows, sizes, strict=True)]
