"""What every head has: the class of its result, and a loss."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..outputs import ModelOutput

Scores = Tensor | dict[str, Tensor]  # logits, or scores by their names in `output`; others are for the loss only


class TaskHead(nn.Module):
    """Called with the body's output and the model's inputs by name, gives scores; its last layer is `out`.

    A head whose only target is `labels` gives `loss`; one with others names them in `targets` and gives `total_loss`.
    """

    output: ClassVar[type[ModelOutput]]
    targets: ClassVar[tuple[str, ...]] = ("labels",)  # the arguments of a model that are for the loss
    chooses: ClassVar[bool] = False  # whether its inputs are (B,C,T): C choices, of which one is right
    generates: ClassVar[bool] = False  # whether its scores are of the token that comes next
    reads_labels: ClassVar[bool] = False  # whether the decoder of an encoder-decoder is fed the labels

    def __init__(self, config: Config):
        super().__init__()
        self.config = config

    def total_loss(
        self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], inputs: Mapping[str, Any]
    ) -> Tensor | None:
        """The loss for the targets that were given; None if they make none."""
        return self.loss(scores["logits"], targets["labels"]) if "labels" in targets else None

    def reads_padding(self, inputs: Mapping[str, Any], targets: Mapping[str, Tensor]) -> bool:
        """Whether the loss depends on states of tokens that the mask (B,T) leaves out: if one of them has a target."""
        mask = inputs.get("attention_mask")
        if mask is None or mask.dim() != 2:
            return mask is not None
        return any(x.shape == mask.shape and bool(((x != -100) & (mask == 0)).any()) for x in targets.values())

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        raise NotImplementedError


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
    wrong = labels[((labels < 0) & (labels != -100)) | (labels >= count)]
    if len(wrong):
        most = int(wrong.max())
        remedy = (
            f"Load it with num_labels={most + 1}."
            if classes == "labels" and most > 0
            else (f"Give 0…{count - 1}, or -100 where none is asked.")
        )
        raise ValueError(f"{name} hold {most}, but the model has {count} {classes}. {remedy}")
    return labels
