"""Evaluation and prediction: a pass over a dataset without gradients, in memory that a metric may bound."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..errors import short
from ..heads.base import IGNORED
from .data.columns import UsedColumns
from .data.loader import Batch, Collate, check_dataset, is_map_style, load, named_sets, stream
from .fields import Fields
from .hooks import Drawn, own, own_loader
from .loss import count_items, target_names, with_count
from .optim.average import in_use
from .results import EvalLoopOutput, EvalPrediction, PredictionOutput, joined, to_arrays


class Evaluation(Fields):
    """Mixed into Trainer."""

    prediction_padding = IGNORED  # of predictions whose rows differ in length

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The loss and the metrics of a dataset, of `eval_dataset` if None; logged, and told to callbacks."""
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if dataset is None and own(self, "get_eval_dataloader") is None:
            raise ValueError("there is nothing to evaluate: give Trainer an eval_dataset=, or evaluate(dataset).")
        if isinstance(dataset, dict):
            found: dict[str, float] = {}
            for prefix, part in named_sets(dataset, metric_key_prefix).items():
                found |= self.evaluate(part, ignore_keys, prefix)
            return found
        with self.processes.watched():
            output = self.evaluation_loop(dataset, metric_key_prefix=metric_key_prefix, ignore_keys=ignore_keys)
        metrics = dict(output.metrics or {})
        self.log(metrics)
        self.callback_handler.tell("evaluate", metrics=metrics)
        return metrics

    def predict(
        self, test_dataset: Any, ignore_keys: list[str] | None = None, metric_key_prefix: str = "test"
    ) -> PredictionOutput:
        """Predictions (N,...) as numpy arrays, labels and metrics."""
        with self.processes.watched():
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
        loader = own_loader(self, "get_test_dataloader" if keep else "get_eval_dataloader", dataset)
        size = getattr(loader, "batch_size", None) or args.per_device_eval_batch_size
        batches, rounds = self._rounds(dataset, size, self.collate_for(metric_key_prefix), loader)
        everywhere = keep
        keep = keep or (self.compute_metrics is not None and not args.prediction_loss_only)
        kept, loss_sum, counted, seen, waiting = [], 0.0, 0, 0, None
        with self._evaluating():
            for numbers, inputs in batches:
                loss, logits, targets = self.prediction_step(self.model, inputs, not keep, ignore_keys)
                count = 0 if loss is None else count_items(self.model, inputs)
                rows = self.processes.turn(numbers, size)
                noted = logits, targets, *self._for_metrics(inputs, loss, len(rows))
                loss = float(loss) * count if loss is not None and count else 0.0
                own = len(rows), loss, count, noted
                for rows, loss, count, noted in self.processes.gather(own, everywhere):
                    if not rows:
                        continue
                    seen, loss_sum, counted = seen + rows, loss_sum + loss, counted + count
                    if keep and args.batch_eval_metrics and self.compute_metrics is not None:
                        if waiting is not None:
                            self.compute_metrics(waiting, compute_result=False)
                        waiting = EvalPrediction(*noted)  # only with the last one it gives the result
                    elif keep:
                        kept.append([to_arrays(part) for part in noted])
                self.callback_handler.tell("prediction_step", total_batches=rounds)
        whole = EvalPrediction(*map(self._whole, zip(*kept, strict=True), self._paddings)) if kept else None

        def measured() -> dict[str, float]:
            metrics = {}
            if waiting is not None:
                metrics = self._computed(waiting, compute_result=True)
            elif self.compute_metrics is not None and whole is not None and whole.label_ids is not None:
                metrics = self._computed(whole)
            seconds = time.monotonic() - started
            found = {f"{metric_key_prefix}_loss": loss_sum / counted} if counted else {}
            found |= {_named(name, metric_key_prefix): value for name, value in metrics.items()}
            return found | {
                f"{metric_key_prefix}_runtime": seconds,
                f"{metric_key_prefix}_samples_per_second": seen / seconds,
                f"{metric_key_prefix}_steps_per_second": math.ceil(seen / size) / seconds,
            }

        predictions, label_ids = (None, None) if whole is None else (whole.predictions, whole.label_ids)
        return EvalLoopOutput(predictions, label_ids, self.processes.first(measured), seen)

    def _computed(self, prediction: EvalPrediction, **how: bool) -> dict[str, Any]:
        """What compute_metrics gives. Raises: TypeError for what is no dictionary of numbers."""
        found = self.compute_metrics(prediction, **how) or {}
        if not isinstance(found, Mapping):
            raise TypeError(f"compute_metrics gave {short(found)}; expected a dictionary {{name: number}}.")
        return {name: _number(value) for name, value in found.items()}

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Within it the model is what is evaluated: without dropout, with averaged weights, in the precision for it."""
        training = self.model.training
        self.model.eval()
        try:
            with in_use(self.average), self.precision.evaluating(self.model):
                yield
        finally:
            self.model.train(training)

    def _for_metrics(
        self, inputs: Mapping[str, Any], loss: Tensor | None, rows: int
    ) -> tuple[Tensor | None, Tensor | None]:
        """A batch's inputs, and its loss for each row, if `include_for_metrics` asks for them."""
        asked, tensors = self.args.include_for_metrics, [x for x in inputs.values() if isinstance(x, Tensor)]
        main = inputs.get(getattr(self.model, "main_input_name", "input_ids"), tensors[0] if tensors else None)
        losses = None if loss is None or "loss" not in asked else loss.detach().repeat(rows)
        return main if "inputs" in asked else None, losses

    @property
    def _paddings(self) -> tuple[int, ...]:
        """Of predictions, labels, inputs and losses."""
        return (self.prediction_padding, IGNORED, IGNORED, IGNORED)

    def _whole(self, parts: Sequence[Any], padding: int) -> Any:
        """A part of all batches as one array, or as a list of arrays; None if there is none."""
        if parts[0] is None or not self.args.eval_do_concat_batches:
            return None if parts[0] is None else list(parts)
        return joined(parts, padding)

    def _rounds(self, dataset: Any, size: int, collate: Collate, loader: Any) -> tuple[Iterator[Batch], int | None]:
        """Batches of `size` rows in their order, of which each process gets one in turn; and how many it gets."""
        wide = size * self.processes.data_count
        if loader is not None:
            dataset, collate = loader.dataset, loader.collate_fn
        check_dataset(dataset, "the dataset")

        def turn(rows: Sequence[int]) -> list[int]:
            return self.processes.turn(rows, size)

        if not is_map_style(dataset):
            return stream(dataset, wide, collate, turn), None
        rows = [list(range(i, min(i + wide, len(dataset)))) for i in range(0, len(dataset), wide)]
        if loader is not None:
            rows = Drawn(loader.batch_sampler, self.args.seed, together=self.processes.data_count).batches(0)
        workers, seed = self.args.dataloader_num_workers, self.args.seed
        return load(dataset, rows, collate, turn, workers=workers, seed=seed), len(rows)

    @torch.no_grad()
    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor | None, Any, Any]:
        """(loss, logits, labels) of a batch: tensors, or tuples of them; each None where there is none."""
        inputs = self._prepare(inputs)
        names = self.args.label_names or target_names(model)
        targets = {name: inputs[name] for name in names if inputs.get(name) is not None}
        loss, outputs = self._loss_and_outputs(model, inputs, bool(targets))
        if prediction_loss_only:
            return loss, None, None
        left = {"loss", "past_key_values", "hidden_states", "attentions", *(ignore_keys or [])}
        scores = [value for name, value in _items(outputs) if name not in left and isinstance(value, Tensor)]
        label = next(iter(targets.values())) if len(targets) == 1 else tuple(targets.values())
        logits: Any = scores[0] if len(scores) == 1 else tuple(scores)
        if self.preprocess_logits_for_metrics is not None:
            logits = self.preprocess_logits_for_metrics(logits, label)
        return loss, logits, label if targets else None

    def _loss_and_outputs(self, model: Any, inputs: dict[str, Any], targets: bool) -> tuple[Tensor | None, Any]:
        with self.precision.autocast():
            if not targets:
                return None, model(**inputs)
            count = with_count(self.compute_loss, max(count_items(model, inputs), 1))
            return self.compute_loss(model, dict(inputs), return_outputs=True, **count)

    def collate_for(self, what: str) -> Collate:
        """The collator, behind what leaves out the columns that the model does not take."""
        if what == "train" and self._loader is not None:
            return self._loader.collate_fn
        if not self.args.remove_unused_columns:
            return self.data_collator
        needed = what == "train" and self.compute_loss_func is None
        names = self.args.label_names
        return UsedColumns(
            self.data_collator, self.model, label_names=names, need_labels=needed, name=f"{what}_dataset",
            told=self.told,
        )  # fmt: skip

    def _prepare(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if not hasattr(inputs, "items"):
            raise TypeError(f"data_collator gave {short(inputs)}; a batch is a dictionary of tensors.")
        return {name: x.to(self.device) if isinstance(x, Tensor) else x for name, x in inputs.items()}


def _items(outputs: Any) -> list[tuple[str, Any]]:
    if hasattr(outputs, "items"):
        return list(outputs.items())
    return [(str(i), value) for i, value in enumerate(outputs)]


def _named(name: str, prefix: str) -> str:
    return name if name.startswith(f"{prefix}_") else f"{prefix}_{name}"


def _number(value: Any) -> Any:
    """A metric as a number that JSON holds."""
    try:
        return value.item() if hasattr(value, "item") else value
    except ValueError:
        raise TypeError(f"compute_metrics gave {short(value)}, which is no number.") from None
