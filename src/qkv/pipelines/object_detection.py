"""object-detection: objects in a picture, each with a label, a score and a box."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ..heads.detection import ObjectDetector
from .drawn import Boxes
from .pictures import PictureOptions, PicturePipeline

SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Options(PictureOptions):
    """
    threshold: the least score of an object, exclusive.
    timeout: seconds that fetching a picture from the network may take.
    """

    between = PictureOptions.between | {"threshold": (0, 1)}

    threshold: float = 0.5


class ObjectDetectionPipeline(PicturePipeline):
    """Pictures -> [{"score", "label", "box": {"xmin", "ymin", "xmax", "ymax"}}] each, boxes in whole pixels.

    An input is a path, a URL, bytes, base64 text, a PIL.Image, or an array or tensor; a list gives a list of results.
    """

    task = "object-detection"
    options_class = Options
    needs = ("logits", "pred_boxes")
    finishes = "post_process_object_detection"
    drawn = Boxes

    def __init__(self, model: Any, tokenizer: Any = None, **options: Any):
        if not isinstance(getattr(model, "head", None), ObjectDetector):
            raise ValueError(
                f"{type(model).__name__} is no detector of labels that were trained. An OWL-ViT finds what words ask "
                f"for: use pipeline('zero-shot-object-detection')."
            )
        super().__init__(model, tokenizer, **options)

    def postprocess(self, outputs: list[Any], options: Any) -> list[dict[str, Any]]:
        found = SimpleNamespace(**{name: outputs[0][name][None] for name in self.needs})
        (one,) = self.image_processor.post_process_object_detection(found, options.threshold, [outputs[0]["size"]])
        names = self.model.config.id2label or {}
        return objects(one, [names.get(label, f"LABEL_{label}") for label in one["labels"].tolist()])


def objects(found: Mapping[str, Any], labels: Iterable[str]) -> list[dict[str, Any]]:
    """[{"score", "label", "box"}] of scores (N,), boxes (N,4) in pixels, and the names of their labels."""
    rows = zip(found["scores"].tolist(), labels, found["boxes"].int().tolist(), strict=True)
    return [{"score": score, "label": label, "box": dict(zip(SIDES, box, strict=True))} for score, label, box in rows]
