"""The one loss of an optimiser's step: the sum of the items' losses divided by their number in the whole step.

A model gives the mean over a batch. Means of batches with different numbers of target tokens must not be averaged, so
each is weighted with its share of the step's items.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..backends.cpu.unpadded import unpadded
from ..errors import short
from ..heads import CausalLM, Seq2SeqLM, TaskHead
from ..heads.base import IGNORED
from .fields import Fields


def count_items(model: nn.Module, inputs: Mapping[str, Any]) -> int:
    """How many items the model's loss for these inputs is a mean over: target tokens, or rows. May be 0."""
    labels = inputs.get("labels")
    if not isinstance(labels, Tensor):
        return max(next((len(x) for x in inputs.values() if isinstance(x, Tensor) and x.dim()), 1), 1)
    if labels.is_floating_point():
        return len(labels)
    shifts = isinstance(head_of(model), CausalLM) and not isinstance(head_of(model), Seq2SeqLM)
    labels = labels[:, 1:] if shifts and labels.dim() > 1 else labels
    return int((labels != IGNORED).sum())


def with_count(compute_loss: Any, count: int | None) -> dict[str, Any]:
    """num_items_in_batch, for a compute_loss that takes it: that of older code does not."""
    takes = "num_items_in_batch" in inspect.signature(compute_loss).parameters
    return {"num_items_in_batch": count} if takes else {}


def unwrapped(model: Any) -> nn.Module:
    """The model inside of what runs or adapts it."""
    while hasattr(model, "module"):  # DistributedDataParallel and its like
        model = model.module
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def head_of(model: nn.Module) -> TaskHead | None:
    """The head of one of our models; None for another module."""
    found = getattr(unwrapped(model), "_modules", {}).get("head")
    return found if isinstance(found, TaskHead) else None


def target_names(model: nn.Module) -> list[str]:
    """The inputs that are for the loss: the head's, or those of a module's forward that have "label" in their name."""
    head = head_of(model)
    if head is not None:
        return list(head.targets)
    names = inspect.signature(unwrapped(model).forward).parameters
    return [name for name in names if "label" in name or name in ("start_positions", "end_positions")]


def smoothed(logits: Tensor, labels: Tensor, factor: float) -> Tensor:
    """Cross entropy with label smoothing (Szegedy et al., 2015, section 7): a part `factor` of the target is spread
    over all classes. Logits (...,V), labels (...) with -100 where nothing is asked; or logits of the others alone."""
    if logits.shape[:-1] != labels.shape:
        labels = labels[labels != IGNORED]
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


def count_tokens(batches: Iterable[Mapping[str, Any]], kind: str | bool) -> int:
    """Tokens of some batches: "all", or those that the attention mask shows to be no padding ("non_padding")."""
    masks = [batch.get("attention_mask") if kind == "non_padding" else None for batch in batches]
    pairs = zip(batches, masks, strict=True)
    return sum(int(mask.sum()) if isinstance(mask, Tensor) else batch["input_ids"].numel() for batch, mask in pairs)


class Losses(Fields):
    """Mixed into Trainer."""

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: int | None = None) -> Tensor:
        """The loss of one batch, a mean over its items."""
        # A loss of one's own may read the states of padding; the heads' losses do not.
        plain = self.compute_loss_func is None and type(self).compute_loss is Losses.compute_loss
        with unpadded(plain), self.precision.autocast():
            loss = self.compute_loss(model, inputs, **with_count(self.compute_loss, num_items_in_batch))
        if not isinstance(loss, Tensor) or loss.dim() or not loss.requires_grad:
            what = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else short(loss)
            raise ValueError(f"the loss is {what}; it must be one number with a gradient: loss.mean(), not detached.")
        return loss

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False,
        num_items_in_batch: int | None = None,
    ) -> Any:  # fmt: skip
        """The loss of a batch; override it for one of your own. With `return_outputs`, (loss, outputs)."""
        own = self.compute_loss_func is not None or self.args.label_smoothing_factor
        labels = inputs.get("labels")
        outputs = model(**inputs)
        if self.compute_loss_func is not None:
            loss = self.compute_loss_func(outputs, labels, num_items_in_batch=num_items_in_batch)
        elif own and labels is not None and not labels.is_floating_point():
            head = head_of(model)
            aligned = labels if head is None else head.aligned(labels)
            loss = smoothed(outputs["logits"], aligned, self.args.label_smoothing_factor)
        else:
            loss = loss_of(model, outputs, inputs)
        return (loss, outputs) if return_outputs else loss
