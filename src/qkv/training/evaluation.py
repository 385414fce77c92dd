"""Evaluation and prediction: a pass over a dataset without gradients, in memory that a metric may bound."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import short
from .arguments import TrainingArguments
from .columns import UsedColumns
from .loader import Collate, check_dataset, is_map_style, load, stream
from .loss import count_items, loss_of, target_names
from .results import EvalLoopOutput, EvalPrediction, PredictionOutput

PADDING = -100  # of arrays whose rows differ in length


class Evaluation:
    """Mixed into Trainer."""

    args: TrainingArguments
    model: Any
    eval_dataset: Any
    log: Any
    device: torch.device
    data_collator: Any
    compute_loss_func: Any
    compute_metrics: Any
    preprocess_logits_for_metrics: Any
    callback_handler: Any

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The loss and the metrics of a dataset, of `eval_dataset` if None; logged, and told to callbacks."""
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if dataset is None:
            raise ValueError("there is nothing to evaluate: give Trainer an eval_dataset=, or evaluate(dataset).")
        if isinstance(dataset, dict):
            found: dict[str, float] = {}
            for name, part in dataset.items():
                found |= self.evaluate(part, ignore_keys, f"{metric_key_prefix}_{name}")
            return found
        output = self.evaluation_loop(dataset, metric_key_prefix=metric_key_prefix, ignore_keys=ignore_keys)
        metrics = dict(output.metrics or {})
        self.log(metrics)
        self.callback_handler.tell("evaluate", metrics=metrics)
        return metrics

    def predict(
        self, test_dataset: Any, ignore_keys: list[str] | None = None, metric_key_prefix: str = "test"
    ) -> PredictionOutput:
        """Predictions (N,...) as numpy arrays, labels and metrics."""
        output = self.evaluation_loop(
            test_dataset, metric_key_prefix=metric_key_prefix, ignore_keys=ignore_keys, keep=True
        )
        self.callback_handler.tell("predict", metrics=output.metrics)
        return PredictionOutput(output.predictions, output.label_ids, output.metrics)

    def evaluation_loop(
        self, dataset: Any, *, metric_key_prefix: str = "eval", ignore_keys: list[str] | None = None,
        keep: bool = False,
    ) -> EvalLoopOutput:  # fmt: skip
        """A pass over a dataset; predictions are kept if `keep`, or if there are metrics of all of them."""
        args, started = self.args, time.monotonic()
        check_dataset(dataset, "the dataset")
        size, collate = args.per_device_eval_batch_size, self.collate_for(metric_key_prefix)
        if is_map_style(dataset):
            rows = [list(range(i, min(i + size, len(dataset)))) for i in range(0, len(dataset), size)]
            batches = load(dataset, rows, collate, workers=args.dataloader_num_workers, seed=args.seed)
        else:
            batches = stream(dataset, size, collate)
        keep = keep or (self.compute_metrics is not None and not args.prediction_loss_only)
        kept, labels, loss_sum, counted, seen, metrics, waiting = [], [], 0.0, 0, 0, {}, None
        training = self.model.training
        self.model.eval()
        try:
            for numbers, inputs in batches:
                loss, logits, targets = self.prediction_step(self.model, inputs, not keep, ignore_keys)
                if loss is not None:
                    count = count_items(self.model, inputs)
                    loss_sum, counted = loss_sum + float(loss) * count, counted + count
                seen += len(numbers)
                if keep and args.batch_eval_metrics and self.compute_metrics is not None:
                    if waiting is not None:
                        self.compute_metrics(waiting, compute_result=False)
                    waiting = EvalPrediction(logits, targets)  # only with the last one it gives the result
                elif keep:
                    kept.append(logits)
                    labels.append(targets)
                self.callback_handler.tell("prediction_step")
        finally:
            self.model.train(training)
        if waiting is not None and self.compute_metrics is not None:
            metrics = self.compute_metrics(waiting, compute_result=True)
        predictions = _joined(kept) if kept and kept[0] is not None else None
        label_ids = _joined(labels) if labels and labels[0] is not None else None
        if self.compute_metrics is not None and keep and label_ids is not None and not args.batch_eval_metrics:
            metrics = self.compute_metrics(EvalPrediction(predictions, label_ids))
        found = {f"{metric_key_prefix}_loss": loss_sum / counted} if counted else {}
        found |= {_named(name, metric_key_prefix): _number(value) for name, value in (metrics or {}).items()}
        seconds = time.monotonic() - started
        found |= {
            f"{metric_key_prefix}_runtime": seconds,
            f"{metric_key_prefix}_samples_per_second": seen / seconds,
            f"{metric_key_prefix}_steps_per_second": math.ceil(seen / size) / seconds,
        }
        return EvalLoopOutput(predictions, label_ids, found, seen)

    @torch.no_grad()
    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor | None, Any, Any]:
        """(loss, logits, labels) of a batch, each None where there is none; arrays on the CPU."""
        inputs = self._prepare(inputs)
        names = self.args.label_names or target_names(model)
        targets = {name: inputs[name] for name in names if inputs.get(name) is not None}
        outputs = model(**inputs)
        loss = loss_of(model, outputs, inputs) if targets else None
        if prediction_loss_only:
            return loss, None, None
        left = {"loss", "past_key_values", "hidden_states", "attentions", *(ignore_keys or [])}
        scores = [value for name, value in _items(outputs) if name not in left and isinstance(value, Tensor)]
        label = next(iter(targets.values())) if len(targets) == 1 else tuple(targets.values())
        logits: Any = scores[0] if len(scores) == 1 else tuple(scores)
        if self.preprocess_logits_for_metrics is not None:
            logits = self.preprocess_logits_for_metrics(logits, label)
        return loss, _array(logits), _array(label) if targets else None

    def collate_for(self, what: str) -> Collate:
        """The collator, behind what leaves out the columns that the model does not take."""
        if not self.args.remove_unused_columns:
            return self.data_collator
        needed = what == "train" and self.compute_loss_func is None
        names = self.args.label_names
        return UsedColumns(
            self.data_collator, self.model, label_names=names, need_labels=needed, name=f"{what}_dataset"
        )

    def _prepare(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: x.to(self.device) if isinstance(x, Tensor) else x for name, x in inputs.items()}


def _items(outputs: Any) -> list[tuple[str, Any]]:
    if hasattr(outputs, "items"):
        return list(outputs.items())
    return [(str(i), value) for i, value in enumerate(outputs)]


def _array(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(_array(one) for one in value)
    return value.float().cpu().numpy() if value.is_floating_point() else value.cpu().numpy()


def _joined(parts: Sequence[Any]) -> Any:
    """Batches as one array; rows of unequal length are filled up with -100."""
    if isinstance(parts[0], tuple):
        return tuple(_joined(one) for one in zip(*parts, strict=True))
    if parts[0].ndim > 1 and len({part.shape[1:] for part in parts}) > 1:
        longest = [max(part.shape[i] for part in parts) for i in range(1, parts[0].ndim)]
        filled = []
        for part in parts:
            room = [(0, 0), *((0, most - size) for most, size in zip(longest, part.shape[1:], strict=True))]
            filled.append(np.pad(part, room, constant_values=PADDING))
        parts = filled
    return np.concatenate(parts)


def _named(name: str, prefix: str) -> str:
    return name if name.startswith(f"{prefix}_") else f"{prefix}_{name}"


def _number(value: Any) -> Any:
    """A metric as a number that JSON holds."""
    try:
        return value.item() if hasattr(value, "item") else value
    except ValueError:
        raise TypeError(f"compute_metrics gave {short(value)}, which is no number.") from None
