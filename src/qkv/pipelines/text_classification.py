"""text-classification (sentiment-analysis): a label and a score for a text, or for a pair of texts."""

from dataclasses import dataclass
from typing import Any

import torch

from ..errors import short
from .base import Row
from .scoring import labelled, score_function
from .texts import Pair, TextOptions, TextPipeline


@dataclass(frozen=True)
class Options(TextOptions):
    """
    top_k: how many labels, best first; None for all. Unset: the best one, without a list around it.
    function_to_apply: "softmax", "sigmoid" or "none" on the scores; by the model's problem type if None.
    return_all_scores: the older spelling of all labels, in the model's order.
    """

    counts = ("batch_size", "top_k", "max_length")

    top_k: int | None | str = ""
    function_to_apply: str | None = None
    return_all_scores: bool | None = None


class TextClassificationPipeline(TextPipeline):
    """Texts -> labels with scores.

    An input is a string, or {"text": ..., "text_pair": ...}. A string gives [{"label", "score"}]; a list gives one
    {"label", "score"} an input, or a list of them an input with `top_k`.
    """

    task = "text-classification"
    options_class = Options

    def __call__(self, inputs: Any, **options: Any) -> Any:
        found = super().__call__(inputs, **options)
        return [found] if isinstance(inputs, str) and "top_k" not in options else found

    def is_single(self, inputs: Any) -> bool:
        return isinstance(inputs, str | dict)

    def accepts(self) -> str:
        return 'a string or {"text": ..., "text_pair": ...}'

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        return [[row] for row in self.encode([_text_and_pair(item) for item in inputs], options)]

    def postprocess(self, outputs: list[dict[str, torch.Tensor]], options: Any) -> Any:
        config = self.model.config
        scores = score_function(config, options.function_to_apply)(outputs[0]["logits"])
        results = labelled(config, scores.tolist())
        if options.return_all_scores:
            return results
        results.sort(key=lambda result: result["score"], reverse=True)
        return results[0] if options.top_k == "" else results[: options.top_k]


def _text_and_pair(item: Any) -> Pair:
    """Raises TypeError for anything but a string, {"text", "text_pair"}, or the older [[text, pair]]."""
    if isinstance(item, str):
        return item, None
    if isinstance(item, list) and len(item) == 1 and isinstance(item[0], list) and len(item[0]) == 2:
        item = {"text": item[0][0], "text_pair": item[0][1]}
    if isinstance(item, dict) and isinstance(item.get("text"), str) and item.keys() <= {"text", "text_pair"}:
        pair = item.get("text_pair")
        if pair is None or isinstance(pair, str):
            return item["text"], pair
    raise TypeError(
        f'text-classification takes a string or {{"text": ..., "text_pair": ...}}, '
        f"got {type(item).__name__}: {short(item)}."
    )
