"""Callbacks: what is told of each event of a run, and may ask for evaluation, saving or the end."""

import json
import math
from collections.abc import Iterable
from typing import Any

from ..errors import short
from .arguments import TrainingArguments
from .results import eval_name
from .state import TrainerControl, TrainerState


class TrainerCallback:
    """Base of callbacks: give the events that matter, `on_<event>(self, args, state, control, **kwargs)`.

    kwargs has model, processing_class, optimizer, lr_scheduler and, where there are some, logs (of on_log), metrics (of
    on_evaluate and on_predict) and total_batches (of on_prediction_step). A callback that keeps something across a
    resume has `state()` and `load_state()`.
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
    def on_push_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any): ...

    def state(self) -> dict[str, Any]:
        """What it keeps in checkpoints, as JSON values."""
        return {}

    def load_state(self, values: dict[str, Any]) -> None:
        """What `state` gave."""


class DefaultFlowCallback(TrainerCallback):
    """Logging, evaluation and saving when the arguments say so."""

    def on_step_end(self, args, state, control, **kwargs):
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

    def on_epoch_end(self, args, state, control, **kwargs):
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

    def on_train_begin(self, args, state, control, **kwargs):
        if args.metric_for_best_model is None or args.eval_strategy == "no":
            raise ValueError("EarlyStoppingCallback needs metric_for_best_model= and an eval_strategy other than 'no'.")
        if state.global_step == 0:  # a run that begins, not one that goes on
            self.waited, self.best = 0, None
        elif self.waited >= self.early_stopping_patience:  # it had ended
            control.should_training_stop = True

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        name = eval_name(args.metric_for_best_model)
        value = (metrics or {}).get(name)
        if value is None:
            raise ValueError(f"early stopping looks at {name}, but the evaluation gave {short(list(metrics or {}))}.")
        gain = math.inf if self.best is None else (value - self.best) * (1 if args.greater_is_better else -1)
        if gain > self.early_stopping_threshold and not math.isnan(value):
            self.waited, self.best = 0, value
        else:
            self.waited += 1
        if self.waited >= self.early_stopping_patience:
            control.should_training_stop = True

    def state(self) -> dict[str, Any]:
        return {"waited": self.waited, "best": self.best}

    def load_state(self, values: dict[str, Any]) -> None:
        self.waited, self.best = values["waited"], values["best"]


class CallbackHandler:
    """The callbacks of a trainer, told in their order."""

    def __init__(self, trainer: Any, given: Iterable[TrainerCallback | type[TrainerCallback]]):
        self.trainer = trainer
        self.callbacks: list[TrainerCallback] = []
        for callback in given:
            self.add_callback(callback)

    def add_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        """Raises: TypeError for what is no callback."""
        made = callback() if isinstance(callback, type) else callback
        if not isinstance(made, TrainerCallback):
            raise TypeError(f"{short(made)} is no TrainerCallback; make it a subclass, with methods such as on_log.")
        self.callbacks.append(made)

    def pop_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> TrainerCallback | None:
        """Take one out, by object or by class, and give it back; None if it is not there."""
        alike = [
            one for one in self.callbacks if one is callback or (isinstance(callback, type) and type(one) is callback)
        ]
        for one in alike[:1]:
            self.callbacks.remove(one)
            return one
        return None

    def remove_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        self.pop_callback(callback)

    @property
    def callback_list(self) -> str:
        """Their names, a line each."""
        return "\n".join(type(callback).__name__ for callback in self.callbacks)

    def tell(self, event: str, **extra: Any) -> None:
        trainer = self.trainer
        known = {
            "model": trainer.model, "processing_class": trainer.processing_class, "tokenizer": trainer.processing_class,
            "optimizer": trainer.optimizer, "lr_scheduler": trainer.lr_scheduler,
        }  # fmt: skip
        for callback in self.callbacks:
            found = getattr(callback, f"on_{event}")(trainer.args, trainer.state, trainer.control, **known, **extra)
            if isinstance(found, TrainerControl):
                trainer.control = found

    def __getattr__(self, name: str) -> Any:
        """`on_log(args, state, control, logs)` and its like, as a subclass of Trainer with a `log` of its own calls."""
        if not hasattr(TrainerCallback, name) or not name.startswith("on_"):
            raise AttributeError(f"CallbackHandler has no attribute {short(name)}.")
        extra = {"on_log": ["logs"], "on_evaluate": ["metrics"], "on_predict": ["metrics"]}.get(name, [])

        def told(args: Any, state: Any, control: Any, *given: Any) -> TrainerControl:
            self.tell(name[3:], **dict(zip(extra, given, strict=True)))
            return self.trainer.control

        return told

    def states(self) -> dict[str, dict[str, Any]]:
        # a callback of the field may have a field `state` of its own
        kept = {type(callback).__name__: callback.state() for callback in self.callbacks if callable(callback.state)}
        for name, values in kept.items():
            try:
                json.dumps(values)
            except TypeError as error:
                raise TypeError(f"{name}.state() gave {short(values)}, which is not JSON: {error}.") from None
        return {name: values for name, values in kept.items() if values}

    def load(self, states: dict[str, dict[str, Any]]) -> None:
        for callback in self.callbacks:
            if type(callback).__name__ in states:
                callback.load_state(states[type(callback).__name__])


class Called:
    """Mixed into Trainer: callbacks that come and go."""

    callback_handler: CallbackHandler

    def add_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        self.callback_handler.add_callback(callback)

    def remove_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        self.callback_handler.remove_callback(callback)

    def pop_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> TrainerCallback | None:
        return self.callback_handler.pop_callback(callback)


def _due(strategy: str, step: int, every: int) -> bool:
    return strategy == "steps" and step % every == 0
