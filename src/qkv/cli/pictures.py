"""The forms of tasks that say something about a picture; an argument is a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from .forms import Form, Labels
from .inputs import PICTURES as DRAWN

NAMES = {"labels": "candidate_labels", "template": "hypothesis_template"}  # of options in a pipeline


@dataclass(frozen=True)
class Pictured(Labels):
    """What is said of pictures, and drawn on them; `labels` are named on the command line."""

    fields: tuple[str, ...] = ("image",)
    window: int = 8
    files: bool = True

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        if "labels" in self.options and "labels" not in given:
            raise typer.BadParameter("say what to look for: --labels 'a cat,a remote control'")
        found = super().arguments(given)
        return {NAMES.get(name, name): value for name, value in found.items() if name != "draw"}

    def results(self, pipe: Any, items: list[Any], given: dict[str, Any]) -> list[Any]:
        if "draw" not in given:
            return super().results(pipe, items, given)
        target = Path(given["draw"])
        suffix = target.suffix.lower()
        if suffix[1:].isalpha() and suffix not in DRAWN and not target.is_dir():
            raise typer.BadParameter(f"--draw {target}: a picture ends in {', '.join(DRAWN)}; a folder in none")
        if len(items) > 1 and suffix in DRAWN:
            raise typer.BadParameter(f"--draw {target} is a file for one picture: name a folder for {len(items)}")
        found = super().results(pipe, items, given)
        for item, result in zip(items, found, strict=True):
            result.draw(place(target, self.shown(item)))
        return found


class Parts(Pictured):
    """Parts of a picture, each with the share of the picture that its mask covers."""

    def results(self, pipe: Any, items: list[Any], given: dict[str, Any]) -> list[Any]:
        return [[self.part(**one) for one in found] for found in super().results(pipe, items, given)]

    def part(self, mask: Any, **rest: Any) -> dict[str, Any]:
        return {**rest, "share": round(float((np.asarray(mask) > 0).mean()), 6)}


class Objects(Pictured):
    """Objects in a picture, each with the corners of its box in pixels."""

    def results(self, pipe: Any, items: list[Any], given: dict[str, Any]) -> list[Any]:
        found = super().results(pipe, items, given)
        return [[{"label": one["label"], "score": one["score"], **one["box"]} for one in of] for of in found]


class Depths(Pictured):
    """How far a picture goes: the least of its numbers, the middle one, the greatest."""

    def results(self, pipe: Any, items: list[Any], given: dict[str, Any]) -> list[Any]:
        found = [one["predicted_depth"].flatten() for one in super().results(pipe, items, given)]
        return [{"least": float(x.min()), "median": float(x.median()), "most": float(x.max())} for x in found]


class Everything(Pictured):
    """Masks, each with the share of the picture that it covers."""

    def results(self, pipe: Any, items: list[Any], given: dict[str, Any]) -> list[Any]:
        found = [zip(one["scores"].tolist(), one["masks"], strict=True) for one in super().results(pipe, items, given)]
        return [[{"score": score, "share": round(float(mask.mean()), 6)} for score, mask in of] for of in found]


def place(target: Path, item: str) -> Path:
    """Where a result is drawn: a file, or one in a folder, which is made, called as its picture with its folders."""
    if target.suffix.lower() in DRAWN:
        return target
    target.mkdir(parents=True, exist_ok=True)
    path = Path(item)
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return target / ("_".join(part for part in path.with_suffix("").parts if part not in (path.anchor, "..")) + ".png")


class PictureVectors(Pictured):
    """Vectors of pictures, which no terminal can show."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        raise typer.BadParameter("vectors are for programs: pipeline('image-feature-extraction', pool=True) in Python")


SCORED, BOXED = ("label", "score"), ("label", "score", "xmin", "ymin", "xmax", "ymax")
PICTURES: dict[str, Form] = {
    "image-feature-extraction": PictureVectors(),
    "image-classification": Pictured(columns=SCORED, options=("top_k", "function_to_apply", "draw"), window=32),
    "zero-shot-image-classification": Pictured(columns=SCORED, options=("labels", "template", "draw"), window=32),
    "object-detection": Objects(columns=BOXED, options=("threshold", "draw")),
    "zero-shot-object-detection": Objects(columns=BOXED, options=("labels", "threshold", "top_k", "draw")),
    "image-segmentation": Parts(columns=(*SCORED, "share"), options=("threshold", "subtask", "draw")),
    "depth-estimation": Depths(columns=("least", "median", "most"), options=("draw",)),
    "mask-generation": Everything(columns=("score", "share"), options=("draw",), window=4),
}
