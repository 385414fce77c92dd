"""Scores as probabilities: what both text and picture classification do with a model's logits."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..errors import nearest, short

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid, "softmax": lambda x: x.softmax(-1), "none": lambda x: x,
}  # fmt: skip


def score_function(config: Any, name: Any = None) -> Callable[[Tensor], Tensor]:
    """What makes scores (...,L) of logits: by name, or if that is None by the model's problem type and labels."""
    if name is None and config.problem_type == "regression":
        name = "none"
    elif name is None:
        several = config.problem_type == "multi_label_classification" or config.num_labels == 1
        name = "sigmoid" if several else "softmax"
    name = str(getattr(name, "value", name)).lower()
    if name not in FUNCTIONS:
        raise ValueError(f"function_to_apply={short(name)} is unknown; the nearest are {nearest(name, FUNCTIONS)}.")
    return FUNCTIONS[name]


def labelled(config: Any, scores: list[float]) -> list[dict[str, Any]]:
    """[{"label", "score"}] in the model's order."""
    labels = config.id2label or {}
    return [{"label": labels.get(i, f"LABEL_{i}"), "score": score} for i, score in enumerate(scores)]
