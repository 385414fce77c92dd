"""A run in a notebook: its bar and its table of evaluations, redrawn in place; without widgets."""

import time
from datetime import timedelta
from typing import Any

from ..arguments import TrainingArguments
from ..callbacks import TrainerCallback
from ..state import TrainerState
from .history import History, cell
from .progress import Meter, ending, epoch_of, rows_of_step


class NotebookProgressCallback(TrainerCallback):
    """The bar and the table of evaluations in a notebook, in place."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.drawn, self.shown = 0.0, ""

    def on_train_begin(self, args, state, control, **kwargs):
        if not state.is_world_process_zero:
            return
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        self.html, self.meter, self.started, self.first = HTML, Meter(state), time.monotonic(), state.global_step
        self.handle = display(HTML(""), display_id=True)

    def on_step_end(self, args, state, control, **kwargs):
        if self.handle is None:
            return
        loss, seconds, made = self.meter.step(state), time.monotonic() - self.started, state.global_step - self.first
        rate = made * rows_of_step(args) / seconds
        left = timedelta(seconds=round(seconds / made * (state.max_steps - state.global_step)))
        self.shown = f"loss {cell(loss)} &nbsp; {rate:.4g} samples/s &nbsp; {left} left"
        self._draw(args, state, time.monotonic() - self.drawn > 0.5)

    def on_evaluate(self, args, state, control, **kwargs):
        self._draw(args, state, True)

    def on_log(self, args, state, control, logs: Any = None, **kwargs):
        if "train_runtime" in (logs or {}):
            self.shown = ending(logs, History.of_run(args, state))
        self._draw(args, state, True)

    def on_train_end(self, args, state, control, **kwargs):
        self.handle = None

    def _draw(self, args: TrainingArguments, state: TrainerState, wanted: bool) -> None:
        if self.handle is None or not wanted:
            return
        self.drawn = time.monotonic()
        bar = f"<progress value={state.global_step} max={state.max_steps} style='width:20em'></progress>"
        head = f"{epoch_of(state)} &nbsp; {bar} &nbsp; {state.global_step}/{state.max_steps} &nbsp; {self.shown}"
        self.handle.update(self.html(f"<div>{head}</div>{History.of_run(args, state)._repr_html_()}"))
