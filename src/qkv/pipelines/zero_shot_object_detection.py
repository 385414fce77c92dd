"""zero-shot-object-detection: objects in a picture that words ask for, each with a score and a box."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch

from .base import Row
from .drawn import Boxes
from .object_detection import objects
from .worded import WordedOptions, WordedPipeline


@dataclass(frozen=True)
class Options(WordedOptions):
    """
    candidate_labels: a list, or a string with commas between them.
    threshold: the least score of an object, exclusive.
    top_k: how many objects, best first; None for all.
    tokenizer_kwargs: options of the tokenizer, such as {"truncation": True} for labels longer than the model reads.
    timeout: seconds that fetching a picture from the network may take.
    """

    counts = ("batch_size", "top_k")
    between = WordedOptions.between | {"threshold": (0, 1)}

    threshold: float = 0.1
    top_k: int | None = None


class ZeroShotObjectDetectionPipeline(WordedPipeline):
    """Pictures and labels -> [{"score", "label", "box": {"xmin", "ymin", "xmax", "ymax"}}] each, best first.

    `pipe(picture, labels)`, or a list of {"image", "candidate_labels"}. Boxes are in whole pixels. A picture is looked
    at once for all labels, and the labels of a call are read once.
    """

    task = "zero-shot-object-detection"
    options_class = Options
    needs = ("logits", "pred_boxes")
    finishes = "post_process_object_detection"
    drawn = Boxes
    instead = "an OWL-ViT"

    def compute(self, inputs: dict[str, torch.Tensor], rows: list[Row], options: Any) -> Mapping[str, torch.Tensor]:
        return self.model.find(**inputs, queries=self.queries(rows[0]["labels"], options))

    def postprocess(self, outputs: list[Any], options: Any) -> list[dict[str, Any]]:
        (found,), results = outputs, []
        for i, label in enumerate(found["labels"]):  # each by itself: a patch may be more than one of them
            one = SimpleNamespace(logits=found["logits"][None, :, i : i + 1], pred_boxes=found["pred_boxes"][None])
            (kept,) = self.image_processor.post_process_object_detection(one, options.threshold, [found["size"]])
            results += objects(kept, [label] * len(kept["scores"]))
        return sorted(results, key=lambda row: -row["score"])[: options.top_k]
