"""What a terminal, a pipe and a notebook show of a run.

A terminal has a bar on stderr and, on stdout, a row for each evaluation; a pipe a line for everything that is logged;
a notebook both, redrawn in place (notebook.py). The loss in the bar is a running mean of the steps, so it is there
before the first log.
"""

import math
import os
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from tqdm import tqdm

from ...errors import short
from ..arguments import TrainingArguments
from ..callbacks import DefaultFlowCallback, TrainerCallback
from ..state import TrainerState
from .history import RATES, History, cell
from .loggers import loggers

SMOOTHING = 0.9  # of the loss that is shown: a mean of about ten steps
BAR = "{desc}  {bar}  {n_fmt}/{total_fmt}{shown}  {remaining} left"
BAR_EVALUATION = "{desc}  {bar}  {n_fmt}/{total_fmt}  {remaining} left"


class Bar(tqdm):
    """A bar with a running loss and rows a second."""

    monitor_interval = 0  # no thread, which workers of a DataLoader would fork
    loss: float | None = None
    rows = 1  # of a step

    @property
    def format_dict(self) -> dict[str, Any]:
        found = dict(super().format_dict)
        loss = "" if self.loss is None else f"  loss {cell(self.loss)}"
        rate = found["rate"] or (found["n"] - found["initial"]) / max(found["elapsed"], 1e-9)
        return found | {"shown": f"{loss}  {rate * self.rows:.4g} samples/s" if rate else loss}


class Meter:
    """The mean loss of the last steps, from the sums that the state has."""

    def __init__(self, state: TrainerState):
        self.sum, self.mean, self.weight = state.loss_sum, 0.0, 0.0

    def step(self, state: TrainerState) -> float:
        loss = state.loss_sum - (self.sum if state.global_step - state.logged_step > 1 else 0.0)
        self.sum = state.loss_sum
        self.mean = SMOOTHING * self.mean + (1 - SMOOTHING) * loss
        self.weight = SMOOTHING * self.weight + (1 - SMOOTHING)
        return self.mean / self.weight


class ProgressCallback(TrainerCallback):
    """A bar of the steps with the loss and the rate, one of each evaluation, and a table of evaluations that grows.

    Without evaluations, the table has the losses that are logged.
    """

    def __init__(self, max_str_len: int = 100) -> None:
        self.bar: Any = None
        self.inner: Any = None  # of an evaluation
        self.titles: list[str] = []
        self.waiting = False  # an evaluation that may not be of all datasets yet

    def on_train_begin(self, args, state, control, **kwargs):
        if not state.is_world_process_zero:
            return
        self.bar = _bar(state.max_steps, epoch_of(state), BAR, initial=state.global_step)
        self.bar.rows = rows_of_step(args)
        self.meter, self.titles = Meter(state), []

    def on_step_begin(self, args, state, control, **kwargs):
        self._row(args, state)

    def on_step_end(self, args, state, control, **kwargs):
        if self.bar is not None:
            self.bar.loss = self.meter.step(state)
            self.bar.set_description_str(epoch_of(state), refresh=False)
            self.bar.update(state.global_step - self.bar.n)

    def on_prediction_step(self, args, state, control, total_batches=None, **kwargs):
        if not state.is_world_process_zero:
            return
        if self.inner is None:
            form = BAR_EVALUATION if total_batches else "{desc}  {n_fmt} batches"  # of an iterable
            self.inner = _bar(total_batches, "evaluating", form, leave=False)
        self.inner.update()

    def on_evaluate(self, args, state, control, **kwargs):
        self._close_inner()
        self.waiting = self.bar is not None

    def on_predict(self, args, state, control, **kwargs):
        self._close_inner()

    def on_save(self, args, state, control, **kwargs):
        self._row(args, state)

    def on_log(self, args, state, control, logs: Any = None, **kwargs):
        if self.bar is None:
            return
        if "loss" in (logs or {}) and args.eval_strategy == "no":
            self.waiting = True
            self._row(args, state)
        elif "train_runtime" in (logs or {}):
            self._row(args, state)
            self.bar.close()
            _print(ending(logs, History.of_run(args, state)))

    def on_train_end(self, args, state, control, **kwargs):
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _close_inner(self) -> None:
        if self.inner is not None:
            self.inner.close()
            self.inner = None

    def _row(self, args: TrainingArguments, state: TrainerState) -> None:
        """The newest row of the table, under its titles if they are new."""
        if not self.waiting:
            return
        self.waiting = False
        titles, rows, best = History.of_run(args, state).table()
        widths = [max(len(name), 8) for name in titles]
        if titles != self.titles:
            self.titles = titles
            _print("  ".join(name.rjust(w) for name, w in zip(titles, widths, strict=True)), "bold")
        line = "  ".join(text.rjust(w) for text, w in zip(rows[-1], widths, strict=True))
        _print(line + ("  *" if best == len(rows) - 1 else ""), "green" if best == len(rows) - 1 else "")


class PrinterCallback(TrainerCallback):
    """A line for everything that is logged: where it is in the run, then names and values. "*": the best so far."""

    def on_log(self, args, state, control, logs: Any = None, **kwargs):
        if not state.is_local_process_zero:
            return
        logs = {name: value for name, value in (logs or {}).items() if name != "epoch"}
        evaluation = any(name.startswith("eval_") for name in logs)
        if evaluation:
            logs = {name: value for name, value in logs.items() if not name.endswith(RATES)}
        width = len(str(state.max_steps))
        where = f"step {state.global_step:>{width}}/{state.max_steps}  epoch {state.epoch:.2f}  "
        where = where if state.max_steps else ""  # evaluate() alone
        best = History.of_run(args, state).best if evaluation and where else None
        mark = "  *" if best and best["step"] == state.global_step and best.items() >= logs.items() else ""
        print(where + "  ".join(f"{name} {cell(value):6}" for name, value in logs.items()).rstrip() + mark, flush=True)


def with_own(given: Iterable[Any], args: TrainingArguments) -> list[Any]:
    """A trainer's callbacks, in their order: what decides, what reports elsewhere, those given, what is shown."""
    if not isinstance(given, Iterable):
        raise TypeError(f"callbacks={short(given)} is no list; give callbacks=[…].")
    return [DefaultFlowCallback(), *loggers(args.report_to), *given, progress_callback(args.disable_tqdm)]


def progress_callback(disabled: bool | None) -> TrainerCallback:
    """A bar where somebody looks, lines where output goes to a file. None: as it is found."""
    if disabled is None:
        disabled = bool(os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS")) or not (_notebook() or sys.stderr.isatty())
    if disabled:
        return PrinterCallback()
    if not _notebook():
        return ProgressCallback()
    from .notebook import NotebookProgressCallback

    return NotebookProgressCallback()


def _notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _bar(total: int | None, name: str, form: str, **options: Any) -> Bar:
    watched = sys.stderr.isatty()
    colour = "green" if watched and not os.environ.get("NO_COLOR") else None
    pause = 0.1 if watched else 30  # seconds between two drawings
    return Bar(total=total, desc=name, bar_format=form, dynamic_ncols=True, colour=colour, mininterval=pause, **options)


def rows_of_step(args: TrainingArguments) -> int:
    return args.train_batch_size * args.gradient_accumulation_steps * args.world_size


def epoch_of(state: TrainerState) -> str:
    return f"epoch {max(math.ceil(state.epoch), 1)}/{state.num_train_epochs}"


def _print(line: str, style: str = "") -> None:
    """On stdout, above the bars."""
    from rich.console import Console
    from rich.text import Text

    with tqdm.external_write_mode(file=sys.stdout):
        Console(highlight=False).print(Text(line, style), soft_wrap=True)


def ending(logs: dict[str, Any], history: History) -> str:
    """The last line of a run."""
    best = history.best
    said = f"{history[-1]['step']} steps, {timedelta(seconds=round(logs['train_runtime']))}"
    said += f", {logs['train_samples_per_second']:.4g} samples/s, train loss {cell(logs['train_loss'])}"
    return said + (f"; best {history.metric} {cell(best[history.metric])} at step {best['step']}" if best else "")
