"""What every head has: the class of its result, and a loss."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..outputs import ModelOutput

IGNORED = -100  # the label of what has no target
Scores = Tensor | dict[str, Tensor]  # logits, or scores by their names in `output`; others are for the loss only


class TaskHead(nn.Module):
    """Called with the body's output and the model's inputs by name, gives scores; its last layer is `out`.

    A head whose only target is `labels` gives `loss`; one with others names them in `targets` and gives `total_loss`.
    """

    output: ClassVar[type[ModelOutput]]
    targets: ClassVar[tuple[str, ...]] = ("labels",)  # the arguments of a model that are for the loss
    target_type: ClassVar[type] = Tensor  # of each; a list where pictures have targets of their own
    chooses: ClassVar[bool] = False  # whether its inputs are (B,C,T): C choices, of which one is right
    generates: ClassVar[bool] = False  # whether its scores are of the token that comes next
    reads_labels: ClassVar[bool] = False  # whether the decoder of an encoder-decoder is fed the labels
    by_token: ClassVar[bool] = False  # whether its loss is the mean of that of tokens, by themselves, with labels (B,T)

    def __init__(self, config: Config):
        super().__init__()
        self.config = config

    def total_loss(
        self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], inputs: Mapping[str, Any]
    ) -> Tensor | None:
        """The loss for the targets that were given; None if they make none."""
        return self.loss(scores["logits"], targets["labels"]) if "labels" in targets else None

    def aligned(self, labels: Tensor) -> Tensor:
        """Labels (B,T) as those of the tokens that are scored against them."""
        return labels

    def reads(self, inputs: Mapping[str, Any], targets: Mapping[str, Tensor]) -> Tensor | None:
        """The tokens (B,T) whose last states the loss depends on; None for all, those that the mask leaves out too."""
        if self.by_token and "labels" in targets:
            return targets["labels"] != IGNORED
        mask = inputs.get("attention_mask")
        if mask is None or mask.dim() != 2:
            return None
        asked = [x != IGNORED for x in targets.values() if x.shape == mask.shape]
        return None if any(bool((x & (mask == 0)).any()) for x in asked) else mask != 0

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        raise NotImplementedError


def first_tokens(inputs: Mapping[str, Any]) -> Tensor:
    """The first token of each text, of all (B,T)."""
    ids = inputs.get("input_ids")
    found = torch.zeros_like(inputs["inputs_embeds"][..., 0] if ids is None else ids, dtype=torch.bool)
    found[:, :1] = True
    return found


def cross_entropy(logits: Tensor, labels: Tensor, *, name: str = "labels", classes: str = "labels") -> Tensor:
    """The mean loss of scores (...,L) for class indices (...), -100 where none is asked.

    Args:
        name: of the argument that `labels` were, for errors.
        classes: what the L classes are called.

    Raises: ValueError as `class_indices`.
    """
    indices = class_indices(logits, labels, name=name, classes=classes)
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), indices.reshape(-1))


def class_indices(logits: Tensor, labels: Tensor, *, name: str = "labels", classes: str = "labels") -> Tensor:
    """Labels as int64. Raises: ValueError for others than class indices of what has scores in `logits`, or -100."""
    shape, count = logits.shape[:-1], logits.shape[-1]
    transposed = len(shape) > 1 and labels.dim() > 1 and labels.shape != shape
    if labels.numel() != shape.numel() or transposed or labels.is_floating_point():
        raise ValueError(
            f"{name} must be class indices of shape {tuple(shape)}, integers, got {labels.dtype} of shape "
            f"{tuple(labels.shape)}."
        )
    labels = labels.long()
    if torch.compiler.is_compiling() or labels.is_meta:  # nothing can be asked of values
        return labels
    wrong = labels[((labels < 0) & (labels != IGNORED)) | (labels >= count)]
    if len(wrong):
        most = int(wrong.max())
        remedy = (
            f"Load it with num_labels={most + 1}."
            if classes == "labels" and most > 0
            else (f"Give 0…{count - 1}, or -100 where none is asked.")
        )
        raise ValueError(f"{name} hold {most}, but the model has {count} {classes}. {remedy}")
    return labels
