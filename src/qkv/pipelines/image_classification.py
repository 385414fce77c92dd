"""image-classification: labels and scores for a picture."""

from dataclasses import dataclass
from typing import Any

from .drawn import Classes
from .pictures import PictureOptions, PicturePipeline
from .scoring import labelled, score_function


@dataclass(frozen=True)
class Options(PictureOptions):
    """
    top_k: how many labels, best first; None for all.
    function_to_apply: "softmax", "sigmoid" or "none" on the scores; by the model's problem type if None.
    timeout: seconds that fetching a picture from the network may take.
    """

    counts = ("batch_size", "top_k")

    top_k: int | None = 5
    function_to_apply: str | None = None


class ImageClassificationPipeline(PicturePipeline):
    """Pictures -> [{"label", "score"}] each, best first.

    An input is a path, a URL, bytes, base64 text, a PIL.Image, or an array or tensor; a list gives a list of results.
    """

    task = "image-classification"
    options_class = Options
    drawn = Classes

    def postprocess(self, outputs: list[Any], options: Any) -> list[dict[str, Any]]:
        config = self.model.config
        scores = score_function(config, options.function_to_apply)(outputs[0]["logits"])
        return sorted(labelled(config, scores.tolist()), key=lambda one: one["score"], reverse=True)[: options.top_k]
