"""The one loss of an optimiser's step: the sum of the items' losses divided by their number in the whole step.

A model gives the mean over a batch. Means of batches with different numbers of target tokens must not be averaged, so
each is weighted with its share of the step's items.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heads import CausalLM, Seq2SeqLM, TaskHead

IGNORED = -100


def count_items(model: nn.Module, inputs: Mapping[str, Any]) -> int:
    """How many items the model's loss for these inputs is a mean over: target tokens, or rows. At least 1."""
    labels = inputs.get("labels")
    if not isinstance(labels, Tensor):
        return max(next((len(x) for x in inputs.values() if isinstance(x, Tensor) and x.dim()), 1), 1)
    if labels.is_floating_point():
        return max(len(labels), 1)
    shifts = isinstance(head_of(model), CausalLM) and not isinstance(head_of(model), Seq2SeqLM)
    labels = labels[:, 1:] if shifts and labels.dim() > 1 else labels
    return max(int((labels != IGNORED).sum()), 1)


def head_of(model: nn.Module) -> TaskHead | None:
    """The head of one of our models; None for another module."""
    while hasattr(model, "module"):  # DistributedDataParallel and its like
        model = model.module  # type: ignore[assignment]
    found = getattr(model, "_modules", {}).get("head")
    return found if isinstance(found, TaskHead) else None


def target_names(model: nn.Module) -> list[str]:
    """The inputs that are for the loss: the head's, or those of a module's forward that have "label" in their name."""
    head = head_of(model)
    if head is not None:
        return list(head.targets)
    names = inspect.signature(model.forward).parameters
    return [name for name in names if "label" in name or name in ("start_positions", "end_positions")]


def smoothed(logits: Tensor, labels: Tensor, factor: float, shift: bool) -> Tensor:
    """Cross entropy with label smoothing (Szegedy et al., 2015, section 7): a part `factor` of the target is spread
    over all classes. Logits (...,V), labels (...) with -100 where nothing is asked."""
    if shift:
        logits, labels = logits[..., :-1, :], labels[..., 1:]
    return F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED, label_smoothing=factor
    )


def loss_of(model: nn.Module, outputs: Any, inputs: Mapping[str, Any]) -> Tensor:
    """The loss in a model's output. Raises: ValueError if there is none."""
    loss = outputs.get("loss") if hasattr(outputs, "get") else getattr(outputs, "loss", None)
    if loss is None and isinstance(outputs, tuple | list) and outputs and torch.as_tensor(outputs[0]).dim() == 0:
        loss = outputs[0]
    if loss is None:
        wanted = target_names(model)
        raise ValueError(
            f"the model gave no loss: its inputs are {sorted(inputs)}, and {type(model).__name__} takes its targets as "
            f"{wanted or 'nothing'}. Add the column, rename it, or override compute_loss."
        )
    return loss
