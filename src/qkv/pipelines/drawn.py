"""Results that can be looked at: on the picture that they are of, as `result.draw("out.png")`, and in a notebook.

They are the field's lists and dictionaries; each remembers what its picture was read from, not its pixels.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..preprocessing.image import load_image
from . import canvas

SHOWN = 1000  # pixels of the longer side in a notebook


class Drawn:
    """Mixed into a list or a dictionary that says something about a picture.

    source: the picture as `load_image` takes it: a path is read again when it is drawn.
    """

    def __init__(self, found: Any, source: Any):
        super().__init__(found)  # type: ignore[call-arg]
        self.source = source

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ((dict if isinstance(self, dict) else list)(self), self.source)  # type: ignore[call-overload]

    def draw(self, path: Any = None) -> Any:
        """The result on its picture, a PIL.Image, written to `path` if one is given. A small picture is enlarged.

        Raises: OSError if the picture is no longer where it was, or `path` cannot be written; ValueError for a path
            that does not end as pictures do.
        """
        picture, factor = canvas.enlarged(load_image(self.source))
        made = self.paint(picture, factor)
        if path is not None:
            canvas.save(made, path)
        return made

    def paint(self, picture: Any, factor: int) -> Any:
        """The result drawn on its picture, each pixel of which is a square of `factor` pixels."""
        raise NotImplementedError

    def _repr_png_(self) -> bytes | None:
        try:
            made = self.draw()
        except (OSError, ValueError):  # a notebook then shows the numbers alone
            return None
        made.thumbnail((SHOWN, SHOWN))
        made.save(content := io.BytesIO(), "PNG")
        return content.getvalue()


class Classes(Drawn, list):
    """Labels of a picture: a list of {"label", "score"}, drawn as bars beside it."""

    def paint(self, picture: Any, factor: int) -> Any:
        rows = [(canvas.colour(1), str(one["label"]), one["score"]) for one in self]
        return canvas.with_legend(picture, rows, bars=True)


class Boxes(Drawn, list):
    """Objects in a picture: a list of {"label", "score", "box": {"xmin", "ymin", "xmax", "ymax"}}."""

    def paint(self, picture: Any, factor: int) -> Any:
        found = sorted(self, key=lambda one: -one["score"])
        labels = list(dict.fromkeys(one["label"] for one in found))
        shades = [canvas.colour(labels.index(one["label"])) for one in found]
        boxes = [(self.corners(one["box"], factor), self.name(one)) for one in found]
        canvas.draw_boxes(picture, [(*box, shade) for box, shade in zip(boxes, shades, strict=True)])
        return picture

    def corners(self, box: Mapping[str, float], factor: int) -> canvas.Rectangle:
        left, top, right, bottom = (box[side] * factor for side in ("xmin", "ymin", "xmax", "ymax"))
        return left, top, right, bottom

    def name(self, one: Mapping[str, Any]) -> str:
        return f"{one['label']} {one['score']:.2f}"


class Segments(Drawn, list):
    """Parts of a picture: a list of {"label", "score", "mask"}, masks as pictures in black and white."""

    def paint(self, picture: Any, factor: int) -> Any:
        masks = [(np.asarray(one["mask"]) > 0, canvas.colour(i)) for i, one in enumerate(self)]
        rows = [(canvas.colour(i), str(one["label"]), one["score"]) for i, one in enumerate(self)]
        return canvas.with_legend(canvas.blended(picture, by_size(masks), factor), rows, bars=False)


class Masks(Drawn, dict):
    """Whatever stands out in a picture: {"masks": arrays (H,W), "scores"}."""

    def paint(self, picture: Any, factor: int) -> Any:
        masks = [(np.asarray(mask) > 0, canvas.colour(i)) for i, mask in enumerate(self["masks"])]
        return canvas.blended(picture, by_size(masks), factor)


class Depth(Drawn, dict):
    """How far each pixel of a picture is: {"predicted_depth": (H,W), "depth": the same as a grey picture}."""

    def paint(self, picture: Any, factor: int) -> Any:
        values = np.asarray(self["predicted_depth"], np.float32)
        low, high = float(values.min()), float(values.max())
        shades = canvas.coloured((values - low) / (high - low or 1.0)).resize(picture.size)
        return canvas.beside(picture, shades, f"{low:.4g}", f"{high:.4g}")


def by_size(masks: list[Any]) -> list[Any]:
    """Masks with the largest first, so that the small ones are seen on them."""
    return sorted(masks, key=lambda one: -one[0].sum())
