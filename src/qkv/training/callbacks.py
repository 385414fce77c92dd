"""Callbacks: what is told of each event of a run, and may ask for evaluation, saving or the end."""

import math
import os
import sys
from collections.abc import Iterable
from typing import Any

from ..errors import short
from .arguments import TrainingArguments
from .state import TrainerControl, TrainerState


class TrainerCallback:
    """Base of callbacks: give the events that matter, `on_<event>(self, args, state, control, **kwargs)`.

    kwargs has model, processing_class, optimizer, lr_scheduler, train_dataloader, eval_dataloader and, where there are
    some, logs and metrics. A callback that keeps something across a resume has `state()` and `load_state()`.
    """

    def on_init_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_substep_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ): ...
    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ): ...
    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_predict(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...
    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ): ...

    def state(self) -> dict[str, Any]:
        """What it keeps in checkpoints, as JSON values."""
        return {}

    def load_state(self, values: dict[str, Any]) -> None:
        """What `state` gave."""


class DefaultFlowCallback(TrainerCallback):
    """Logging, evaluation and saving when the arguments say so."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        step, last = state.global_step, state.global_step >= state.max_steps
        if step == 1 and args.logging_first_step or _due(args.logging_strategy, step, state.logging_steps):
            control.should_log = True
        if _due(args.eval_strategy, step, state.eval_steps) and args.eval_delay <= step:
            control.should_evaluate = True
        if _due(args.save_strategy, step, state.save_steps):
            control.should_save = True
        if last:
            control.should_training_stop = True
            if args.save_strategy == "steps":  # the end of a run is never lost
                control.should_save = True
            if args.eval_strategy == "steps":
                control.should_evaluate = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if args.logging_strategy == "epoch":
            control.should_log = True
        if args.eval_strategy == "epoch" and args.eval_delay <= state.epoch:
            control.should_evaluate = True
        if args.save_strategy == "epoch":
            control.should_save = True


class EarlyStoppingCallback(TrainerCallback):
    """End a run when the metric for the best model has not improved in so many evaluations.

    Args:
        early_stopping_patience: evaluations in a row without improvement.
        early_stopping_threshold: what counts as one.
    """

    def __init__(self, early_stopping_patience: int = 1, early_stopping_threshold: float = 0.0):
        self.early_stopping_patience, self.early_stopping_threshold = early_stopping_patience, early_stopping_threshold
        self.waited, self.best = 0, None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if args.metric_for_best_model is None or args.eval_strategy == "no":
            raise ValueError("EarlyStoppingCallback needs metric_for_best_model= and an eval_strategy other than 'no'.")

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **kwargs: Any
    ) -> None:
        name = f"eval_{str(args.metric_for_best_model).removeprefix('eval_')}"
        value = (metrics or {}).get(name)
        if value is None:
            raise ValueError(f"early stopping looks at {name}, but the evaluation gave {short(list(metrics or {}))}.")
        gain = math.inf if self.best is None else (value - self.best) * (1 if args.greater_is_better else -1)
        if gain > self.early_stopping_threshold:
            self.waited, self.best = 0, value
        else:
            self.waited += 1
        if self.waited >= self.early_stopping_patience:
            control.should_training_stop = True

    def state(self) -> dict[str, Any]:
        return {"waited": self.waited, "best": self.best}

    def load_state(self, values: dict[str, Any]) -> None:
        self.waited, self.best = values["waited"], values["best"]


class ProgressCallback(TrainerCallback):
    """A bar of the steps, with the loss and the rate, and a line for each evaluation."""

    def __init__(self) -> None:
        self.bar: Any = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        from tqdm import tqdm

        self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit=" steps", dynamic_ncols=True)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        if self.bar is None:
            return
        shown = {name: value for name, value in (logs or {}).items() if name in ("loss", "grad_norm", "learning_rate")}
        if shown:
            self.bar.set_postfix({name: f"{value:.4g}" for name, value in shown.items()})
        else:
            self.bar.write(_line(logs or {}))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class PrinterCallback(TrainerCallback):
    """A line for everything that is logged."""

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        print(_line(logs or {}))


class Callbacks:
    """The callbacks of a trainer, told in their order."""

    def __init__(self, trainer: Any, given: Iterable[TrainerCallback | type[TrainerCallback]]):
        self.trainer = trainer
        self.all: list[TrainerCallback] = []
        for callback in given:
            self.add(callback)

    def add(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        """Raises: TypeError for what is no callback."""
        made = callback() if isinstance(callback, type) else callback
        if not isinstance(made, TrainerCallback):
            raise TypeError(f"{short(made)} is no TrainerCallback; make it a subclass, with methods such as on_log.")
        self.all.append(made)

    def remove(self, callback: TrainerCallback | type[TrainerCallback]) -> TrainerCallback | None:
        """Take one out, by object or by class, and give it back; None if it is not there."""
        alike = [one for one in self.all if one is callback or (isinstance(callback, type) and type(one) is callback)]
        for one in alike[:1]:
            self.all.remove(one)
            return one
        return None

    def tell(self, event: str, **extra: Any) -> None:
        trainer = self.trainer
        known = {
            "model": trainer.model, "processing_class": trainer.processing_class, "tokenizer": trainer.processing_class,
            "optimizer": trainer.optimizer, "lr_scheduler": trainer.lr_scheduler,
        }  # fmt: skip
        for callback in self.all:
            found = getattr(callback, f"on_{event}")(trainer.args, trainer.state, trainer.control, **known, **extra)
            if found is not None:
                trainer.control = found

    def states(self) -> dict[str, dict[str, Any]]:
        kept = {type(callback).__name__: callback.state() for callback in self.all}
        return {name: values for name, values in kept.items() if values}

    def load(self, states: dict[str, dict[str, Any]]) -> None:
        for callback in self.all:
            if type(callback).__name__ in states:
                callback.load_state(states[type(callback).__name__])


def progress_callback(disabled: bool | None) -> TrainerCallback:
    """A bar where somebody looks, lines where output goes to a file."""
    if disabled is None:
        disabled = bool(os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS")) or not sys.stderr.isatty()
    return PrinterCallback() if disabled else ProgressCallback()


def _due(strategy: str, step: int, every: int) -> bool:
    return strategy == "steps" and step % every == 0


def _line(logs: dict[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.5g}" if isinstance(value, float) else f"{name} {value}" for name, value in logs.items()
    )
