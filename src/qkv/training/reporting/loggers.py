"""What is logged, sent to TensorBoard, W&B or MLflow as well: `TrainingArguments(report_to="tensorboard")`.

Each is a package of its own and imported only if it is asked for; the first process alone sends. What a run was sent
as is in its checkpoints, so a run that is resumed goes on in the same curve, and a step is there once.
"""

import logging
import os
import platform
import time
from collections.abc import Iterator
from typing import Any

from ...errors import nearest, short
from ..arguments import TrainingArguments
from ..callbacks import TrainerCallback
from ..state import TrainerState

logger = logging.getLogger("qkv")


class Logger(TrainerCallback):
    """Base: `begin` opens a run (or goes on with `self.run`, and says the last step that it has), `send` adds to it."""

    name, package = "", ""

    def __init__(self) -> None:
        """Raises: ImportError if the package is not there, or does not work."""
        self.run: str | None = None  # what a run is found by again
        self.is_open, self.sent, self.stepped = False, -1, -1
        try:
            self.load()
        except Exception as error:  # a package for other things may fail in any way
            why = "is not installed" if isinstance(error, ModuleNotFoundError) else f"fails to import ({short(error)})"
            raise ImportError(
                f"report_to={self.name!r}: {self.package} {why}. Type: pip install -U {self.package}, or leave it out."
            ) from error

    def load(self) -> None: ...
    def begin(self, args: TrainingArguments, state: TrainerState, told: dict[str, Any]) -> int:
        raise NotImplementedError

    def send(self, values: dict[str, float], step: int) -> None: ...
    def end(self) -> None: ...

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        if state.is_world_process_zero:
            if state.global_step == 0:
                self.run = None
            self.sent = self.stepped = self.begin(args, state, _settings(args, model))
            self.is_open = True

    def on_log(self, args, state, control, logs=None, model=None, **kwargs):
        if not state.is_world_process_zero:
            return
        if not self.is_open:  # evaluate() before or after train()
            self.begin(args, state, _settings(args, model))
            self.is_open = True
        again = state.global_step < self.sent or (state.global_step == self.sent and "loss" in (logs or {}))
        if not again:
            numbers = {name: float(x) for name, x in (logs or {}).items() if isinstance(x, int | float)}
            if self.stepped == state.global_step:  # a point of a step is there once
                numbers.pop("epoch", None)
            self.send(_grouped(numbers), state.global_step)
            self.stepped = state.global_step

    def on_train_end(self, args, state, control, **kwargs):
        if self.is_open:
            self.end()

    def state(self) -> dict[str, Any]:
        return {"run": self.run} if self.run else {}

    def load_state(self, values: dict[str, Any]) -> None:
        self.run = values.get("run")


class TensorBoardCallback(Logger):
    """Event files in `logging_dir`, else TENSORBOARD_LOGGING_DIR, else a folder of this run in <output_dir>/runs."""

    name = package = "tensorboard"

    def __init__(self, tb_writer: Any = None) -> None:
        self.tb_writer: Any = tb_writer
        super().__init__()

    def load(self) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.writer_class = SummaryWriter

    def begin(self, args: TrainingArguments, state: TrainerState, told: dict[str, Any]) -> int:
        new = self.run is None
        if new:
            own = args.run_name or f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{platform.node()}"
            given = args.logging_dir or os.environ.get("TENSORBOARD_LOGGING_DIR")
            self.run = os.path.expanduser(given) if given else str(args.folder / "runs" / own.replace("/", "_"))
        if self.tb_writer is None:
            # what a run that was killed wrote after its checkpoint is not shown
            self.tb_writer = self.writer_class(self.run, purge_step=None if new else state.global_step + 1)
        if new:
            table = "|name|value|\n|-|-|\n" + "\n".join(f"|{name}|{value}|" for name, value in told.items())
            self.tb_writer.add_text("arguments", table)
        return -1

    def send(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.tb_writer.add_scalar(name, value, step)
        self.tb_writer.flush()

    def end(self) -> None:
        self.tb_writer.close()
        self.tb_writer, self.is_open = None, False


class WandbCallback(Logger):
    """A run of Weights & Biases, in the project WANDB_PROJECT ("huggingface"), named `run_name`.

    A run that is open already is used. It is not finished here, so that what is evaluated later is a part of it.
    """

    name = package = "wandb"

    def load(self) -> None:
        import wandb  # pyright: ignore[reportMissingImports]

        self.wandb: Any = wandb

    def begin(self, args: TrainingArguments, state: TrainerState, told: dict[str, Any]) -> int:
        if self.wandb.run is None:
            project = os.environ.get("WANDB_PROJECT", "huggingface")
            self.wandb.init(project=project, name=args.run_name, id=self.run, resume="allow" if self.run else None)
        run: Any = self.wandb.run
        resumed = self.run is not None
        self.run = run.id
        run.config.update(told, allow_val_change=True)
        run.define_metric("train/global_step")
        run.define_metric("*", step_metric="train/global_step", step_sync=True)
        return int(run.summary.get("train/global_step", -1)) if resumed else -1

    def send(self, values: dict[str, float], step: int) -> None:
        self.wandb.run.log(values | {"train/global_step": step})


class MLflowCallback(Logger):
    """A run of MLflow, named `run_name`, in the experiment MLFLOW_EXPERIMENT_NAME at MLFLOW_TRACKING_URI.

    A run that is active already is used, and then not ended.
    """

    name = package = "mlflow"

    def load(self) -> None:
        import mlflow  # pyright: ignore[reportMissingImports]

        self.mlflow: Any = mlflow
        self.own = False

    def begin(self, args: TrainingArguments, state: TrainerState, told: dict[str, Any]) -> int:
        new, active = self.run is None, self.mlflow.active_run()
        if active is None:
            active = self.mlflow.start_run(run_id=self.run, run_name=args.run_name if new else None)
            self.own = True
        self.run = active.info.run_id
        if new:
            texts = [(name, str(value)) for name, value in told.items()]
            texts = [(name, text) for name, text in texts if len(text) <= 500]  # what every server takes
            for i in range(0, len(texts), 100):
                self.mlflow.log_params(dict(texts[i : i + 100]))
            return -1
        points = self.mlflow.MlflowClient().get_metric_history(self.run, "train/epoch")
        return max((point.step for point in points), default=-1)

    def send(self, values: dict[str, float], step: int) -> None:
        self.mlflow.log_metrics(values, step=step)

    def end(self) -> None:
        if self.own:
            self.mlflow.end_run()
            self.is_open = False


LOGGERS = {kind.name: kind for kind in (TensorBoardCallback, WandbCallback, MLflowCallback)}


def loggers(report_to: str | list[str] | None) -> Iterator[TrainerCallback]:
    """A callback for each of them; for "all", for those that are installed.

    Raises: ValueError for one that is not known, ImportError for one that is named and cannot be imported.
    """
    names = [report_to] if isinstance(report_to, str) else list(report_to or [])
    for name in [known for given in names for known in (LOGGERS if given == "all" else [given]) if given != "none"]:
        if name not in LOGGERS:
            raise ValueError(
                f"report_to={short(name)} is not known; there are {', '.join(LOGGERS)}, 'all' and 'none', "
                f"of which the nearest is {nearest(name, LOGGERS)}. Every log is in log.jsonl in any case."
            )
        try:
            yield LOGGERS[name]()
        except ImportError as error:
            if "all" not in names:
                raise
            if not isinstance(error.__cause__, ModuleNotFoundError):
                logger.warning("%s Pass report_to='none' to end this.", error)


def _settings(args: TrainingArguments, model: Any) -> dict[str, Any]:
    """What a run was told, of the model and of itself."""
    config: Any = getattr(model, "config", None)
    return (config.to_dict() if hasattr(config, "to_dict") else {}) | args.to_dict()


def _grouped(values: dict[str, float]) -> dict[str, float]:
    """eval_loss -> eval/loss, test_loss -> test/loss, loss -> train/loss: the groups that dashboards show."""
    found = {}
    for name, value in values.items():
        group, _, rest = name.partition("_")
        found[f"{group}/{rest}" if group in ("eval", "test") and rest else f"train/{name}"] = value
    return found
