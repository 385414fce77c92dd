"""zero-shot-image-classification: labels that nobody trained for, scored by how well their words fit a picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..models.matching import unit
from .base import Row
from .candidates import hypothesis
from .drawn import Classes
from .worded import WordedOptions, WordedPipeline


@dataclass(frozen=True)
class Options(WordedOptions):
    """
    candidate_labels: a list, or a string with commas between them.
    hypothesis_template: the sentence that is compared with a picture, with {} where the label goes.
    tokenizer_kwargs: options of the tokenizer, such as {"truncation": True} for labels longer than the model reads.
    timeout: seconds that fetching a picture from the network may take.
    """

    hypothesis_template: str = "This is a photo of {}."


class ZeroShotImageClassificationPipeline(WordedPipeline):
    """Pictures and labels -> [{"score", "label"}] each, best first, by a model that matches pictures with words.

    `pipe(picture, labels)` or `pipe(picture, candidate_labels=labels)`; a list of pictures gives a list. The labels of
    a call are read once. A SigLIP judges each label by itself; of a CLIP they share the probability.
    """

    task = "zero-shot-image-classification"
    options_class = Options
    needs = ("logits_per_image",)
    drawn = Classes
    instead = "a CLIP or SigLIP"

    def choose(self, **options: Any) -> Any:
        chosen = super().choose(**options)
        hypothesis("", chosen.hypothesis_template)  # raises if it has no place for a label
        return chosen

    def text(self, label: str, options: Any) -> str:
        return hypothesis(label, options.hypothesis_template)

    def compute(self, inputs: dict[str, torch.Tensor], rows: list[Row], options: Any) -> Mapping[str, torch.Tensor]:
        texts, pictures = self.queries(rows[0]["labels"], options), unit(self.model.get_image_features(**inputs))
        return {"logits_per_image": self.model.scores(texts, pictures).mT}  # (B,Q)

    def postprocess(self, outputs: list[Any], options: Any) -> list[dict[str, Any]]:
        scores = outputs[0]["logits_per_image"]
        scores = scores.softmax(-1) if self.model.exclusive else scores.sigmoid()
        rows = [{"score": s, "label": x} for s, x in zip(scores.tolist(), outputs[0]["labels"], strict=True)]
        return sorted(rows, key=lambda row: -row["score"])
