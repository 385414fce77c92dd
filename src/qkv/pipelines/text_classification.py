"""text-classification (sentiment-analysis): a label and a score for a text, or for a pair of texts."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import nearest, short
from . import base
from .base import Pipeline, Row

STRATEGIES = ("longest_first", "only_first", "only_second")
FUNCTIONS = {"sigmoid": torch.sigmoid, "softmax": lambda x: x.softmax(-1), "none": lambda x: x}


@dataclass(frozen=True)
class Options(base.Options):
    """
    top_k: how many labels, best first; None for all. Unset: the best one, without a list around it.
    function_to_apply: "softmax", "sigmoid" or "none" on the scores; by the model's problem type if None.
    truncation: True cuts a text that is too long silently; None cuts it with a warning; False or "error" raises.
    padding: accepted for compatibility: rows are padded to the longest of their batch.
    max_length: tokens of a text at most; what the model can read if None.
    return_all_scores: the older spelling of all labels, in the model's order.
    """

    counts = ("batch_size", "top_k", "max_length")

    top_k: int | None | str = ""
    function_to_apply: str | None = None
    truncation: bool | str | None = None
    padding: bool | str | None = None
    max_length: int | None = None
    return_all_scores: bool | None = None


class TextClassificationPipeline(Pipeline):
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
        pairs = [_text_and_pair(item) for item in inputs]
        limit = min(self.limit, options.max_length or self.limit)
        accepted = options.truncation is True or options.truncation in STRATEGIES
        rows = self._rows(pairs, {"truncation": options.truncation, "max_length": limit} if accepted else {})
        long = [i for i, row in enumerate(rows) if len(row["input_ids"]) > limit]
        if long and options.truncation is None:
            warnings.warn(
                f"{len(long)} of {len(rows)} texts had more than the {limit} tokens this model reads, and were cut. "
                f"Pass truncation=True (--truncation) to accept that, or truncation='error' to get an error.",
                stacklevel=5,
            )
            cut = self._rows([pairs[i] for i in long], {"truncation": True, "max_length": limit})
            for i, row in zip(long, cut, strict=True):
                rows[i] = row
        elif long:
            raise ValueError(
                f"{len(long)} of {len(rows)} texts have more than the {limit} tokens this model reads, first "
                f"{short(pairs[long[0]][0], 60)} with {len(rows[long[0]]['input_ids'])}. Pass truncation=True to cut."
            )
        return [[row] for row in rows]

    def _rows(self, pairs: list[tuple[str, str | None]], cutting: dict[str, Any]) -> list[Row]:
        """Token ids and masks of each text, or pair, without padding."""
        rows: list[Row] = [{}] * len(pairs)
        for paired in (False, True):  # the tokenizer takes texts, or pairs, but not both in one call
            chosen = [i for i, (_, second) in enumerate(pairs) if (second is not None) == paired]
            if chosen:
                second = [pairs[i][1] for i in chosen] if paired else None
                encoded = self.tokenizer([pairs[i][0] for i in chosen], second, verbose=False, **cutting)
                for place, i in enumerate(chosen):
                    rows[i] = {name: column[place] for name, column in encoded.items()}
        return rows

    def postprocess(self, outputs: list[dict[str, torch.Tensor]], options: Any) -> Any:
        scores = self._function(options.function_to_apply)(outputs[0]["logits"]).tolist()
        labels = self.model.config.id2label or {i: f"LABEL_{i}" for i in range(len(scores))}
        results = [{"label": labels.get(i, f"LABEL_{i}"), "score": score} for i, score in enumerate(scores)]
        if options.return_all_scores:
            return results
        results.sort(key=lambda result: result["score"], reverse=True)
        return results[0] if options.top_k == "" else results[: options.top_k]

    def _function(self, name: str | None) -> Any:
        config = self.model.config
        if name is None and config.problem_type == "regression":
            name = "none"
        elif name is None:
            name = (
                "sigmoid"
                if config.problem_type == "multi_label_classification" or config.num_labels == 1
                else "softmax"
            )
        if str(name).lower() not in FUNCTIONS:
            raise ValueError(f"function_to_apply={short(name)} is unknown; the nearest are {nearest(name, FUNCTIONS)}.")
        return FUNCTIONS[str(name).lower()]


def _text_and_pair(item: Any) -> tuple[str, str | None]:
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
