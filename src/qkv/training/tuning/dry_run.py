"""A run that is tried before it is started: all of its parts once, what they cost, and no trace of it."""

import math
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Subset

from ...backends.cpu.library import keeping_memory
from ...files import amount
from .. import checkpoint as checkpoints
from ..data.loader import NO_BATCH, is_map_style, named_sets
from ..reporting.history import RATES
from ..results import TrainOutput
from .rehearsal import rehearsal
from .survey import Survey, survey

MEASURED = 3  # usual steps, after the longest batch


@dataclass
class DryRun:
    """What `Trainer.dry_run` found out. print() and `rich.print` show it, and so does a notebook.

    train, evaluation: what the data sets hold; evaluation by name. shapes: of the longest batch, by input.
    loss, metrics: of the first usual step, and of a batch of evaluation. parameters, trained: numbers in the model.
    steps: of the optimiser; seconds_per_step, seconds: measured, and for the whole run with evaluations and saving.
    peak_memory: bytes that the process (on CUDA: the device) had at most so far, None if unknown.
    checkpoint_bytes: of one; checkpoints: how many are on the disk in the end; free_bytes: of that disk.
    """

    train: Survey
    evaluation: dict[str, Survey] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    loss: float = math.nan
    metrics: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    trained: int = 0
    steps: int = 0
    steps_per_epoch: int = 0
    rows_per_step: int = 0
    seconds_per_step: float = math.nan
    seconds_per_evaluation: float = 0.0
    evaluations: int = 0
    seconds_per_save: float = 0.0
    saves: int = 0
    peak_memory: int | None = None
    checkpoint_bytes: int = 0
    checkpoints: int = 0
    free_bytes: int = 0

    @property
    def seconds(self) -> float:
        made = self.steps * self.seconds_per_step
        return made + self.evaluations * self.seconds_per_evaluation + self.saves * self.seconds_per_save

    @property
    def warnings(self) -> list[str]:
        """What should be looked at before the run."""
        found = []
        if self.checkpoints * self.checkpoint_bytes > self.free_bytes:
            found.append("the disk has no room for the checkpoints: set save_total_limit, or another output_dir")
        for name, part in self.evaluation.items():
            unseen = sorted(part.labels.keys() - self.train.labels.keys()) if self.train.labels else []
            if unseen:
                found.append(f"{name} has classes that train_dataset lacks: {', '.join(unseen[:5])}")
        return found

    def lines(self) -> list[tuple[str, str]]:
        """The report, as (name, text)."""
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        share = f"{self.trained:,} are trained ({100 * self.trained / max(self.parameters, 1):.2g}%)"
        found = [*self.train.lines(), ("longest batch", shapes)]
        for part in self.evaluation.values():
            found += [line for line in part.lines() if line[0] != "columns"]
        scores = {"loss": self.loss} | self.metrics
        epochs = f", {self.steps_per_epoch:,} an epoch" if self.steps_per_epoch else ""
        often = f", {self.evaluations} times {duration(self.seconds_per_evaluation)} of evaluation"
        beside = often if self.evaluations else ""
        found += [
            ("of one batch", ", ".join(f"{name} {value:.4g}" for name, value in scores.items())),
            ("parameters", f"{self.parameters:,}, " + ("all trained" if self.trained == self.parameters else share)),
            ("steps", f"{self.steps:,} of {self.rows_per_step} rows" + epochs),
            ("time", f"about {duration(self.seconds)}: {duration(self.seconds_per_step)} a step" + beside),
        ]
        if self.peak_memory is not None:
            found.append(("memory", f"{amount(self.peak_memory)} at most so far"))
        kept = f"{self.checkpoints} on the disk in the end, {amount(self.checkpoints * self.checkpoint_bytes)}"
        each = f"{amount(self.checkpoint_bytes)}, written and read back"
        found.append(("checkpoint", f"{each}; {kept} of {amount(self.free_bytes)} free"))
        return found + [("warning", text) for text in self.warnings]

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.lines())
        return "\n".join(f"{name:{width}}  {text}" for name, text in self.lines())

    def __rich__(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for name, text in self.lines():
            table.add_row(Text(name, "bold yellow" if name == "warning" else "bold"), Text(text))
        return table

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in self.lines())
        return f"<table>{rows}</table>"


def dry_run(trainer: Any, rows: int = 10_000) -> DryRun:
    """Try a run before it is started, and leave no trace: rows are read and collated, the longest batch and some usual
    ones trained on, a batch of each eval_dataset evaluated with compute_metrics, a checkpoint written beside output_dir
    and read back. Callbacks are told nothing.

    Args:
        rows: of each data set that are looked at, evenly from all of it.

    Returns: a DryRun, which print() shows.
    Raises: ValueError that names the row, if one cannot be read or does not fit the model; what the run would raise.
    """
    home = Path(trainer.args.folder)
    above = next((path for path in (home, *home.absolute().parents) if path.is_dir()), Path.cwd())
    with (
        tempfile.TemporaryDirectory(prefix=".dry-run-", dir=above) as folder, keeping_memory(),
        rehearsal(trainer, output_dir=folder, save_total_limit=None, push_to_hub=False),
    ):  # fmt: skip
        size = trainer.args.per_device_train_batch_size
        found = DryRun(survey(trainer, trainer._data, "train_dataset", rows, size))
        _train(trainer, found)
        _evaluate(trainer, found, rows)
        _save(trainer, found, Path(folder))
    limit = trainer.args.save_total_limit
    found.checkpoints = min(found.saves, limit) if limit else found.saves
    found.free_bytes = shutil.disk_usage(above).free
    return found


def only_tried(trainer: Any) -> TrainOutput:
    """What `train()` does with dry_run=True: a report in place of a run."""
    from rich.console import Console

    found = dry_run(trainer)
    Console().print(found) if sys.stdout.isatty() else print(found)
    return TrainOutput(0, found.loss, {"train_runtime": found.seconds, "train_loss": found.loss} | found.metrics)


def _train(trainer: Any, found: DryRun) -> None:
    """The longest batch, then usual steps by the clock."""
    args = trainer.args
    trainer._plan()
    found.steps_per_epoch = trainer.steps_per_epoch
    found.steps, found.saves, found.evaluations = trainer.state.max_steps, *_events(trainer, found.steps_per_epoch)
    found.rows_per_step = args.per_device_train_batch_size * args.gradient_accumulation_steps
    trainer.create_optimizer_and_scheduler(found.steps)
    trainer.model.train()
    parameters = list(nn.Module.parameters(trainer.model))
    found.parameters = sum(p.numel() for p in parameters)
    found.trained = sum(p.numel() for p in parameters if p.requires_grad)
    numbers, longest = zip(*found.train.longest, strict=True)
    batch = trainer.collate_for("train")(list(longest))
    found.shapes = {name: tuple(value.shape) for name, value in batch.items() if hasattr(value, "shape")}
    trainer._step([(list(numbers), batch)])
    batches, seconds = trainer._batches(), []
    for _ in range(min(MEASURED, found.steps)):
        started = time.perf_counter()
        trainer.state.loss_sum = 0.0
        if step := trainer._taken(batches):
            trainer._step(step)
            seconds.append(time.perf_counter() - started)
            found.loss = trainer.state.loss_sum if len(seconds) == 1 else found.loss
    if not seconds:
        raise ValueError(NO_BATCH)
    found.seconds_per_step = sum(seconds) / len(seconds)
    found.peak_memory = _peak(trainer.device)


def _events(trainer: Any, per_epoch: int) -> tuple[int, int]:
    """How often a run saves and evaluates."""
    state, args = trainer.state, trainer.args
    epochs = math.ceil(state.max_steps / per_epoch) if per_epoch else 1
    every = {"no": (0, 0), "best": (epochs, epochs), "epoch": (epochs, epochs)}
    found = every | {"steps": tuple(math.ceil(state.max_steps / each) for each in (state.save_steps, state.eval_steps))}
    return found[args.save_strategy][0], found[args.eval_strategy][1]


def _evaluate(trainer: Any, found: DryRun, rows: int) -> None:
    """A batch of each data set for evaluation, evenly from all of it, as metrics may need every class."""
    size = trainer.args.per_device_eval_batch_size
    for name, dataset in named_sets(trainer.eval_dataset).items():
        if dataset is None:
            continue
        part = found.evaluation[name] = survey(trainer, dataset, f"{name}_dataset", rows, 1)
        sized, started = is_map_style(dataset), time.perf_counter()
        count = len(dataset) if sized else part.seen
        chosen = [i * count // min(size, count) for i in range(min(size, count))]
        some = Subset(dataset, chosen) if sized else [row for _, row in zip(chosen, iter(dataset), strict=False)]
        metrics = trainer.evaluation_loop(some, metric_key_prefix=name).metrics or {}
        found.metrics |= {each: value for each, value in metrics.items() if not each.endswith(RATES)}
        found.seconds_per_evaluation += (time.perf_counter() - started) * math.ceil(count / size)


def _save(trainer: Any, found: DryRun, folder: Path) -> None:
    """A checkpoint. Raises: OSError if it does not give back what was written."""
    before = {name: p.detach().clone() for name, p in nn.Module.named_parameters(trainer.model) if p.requires_grad}
    started = time.perf_counter()
    trainer._save_checkpoint()
    found.seconds_per_save = time.perf_counter() - started
    path = checkpoints.checkpoints(folder)[-1]
    found.checkpoint_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    trainer._load_weights(path)
    after = dict(nn.Module.named_parameters(trainer.model))
    other = [name for name, value in before.items() if not torch.equal(value, after[name])]
    if other:
        raise OSError(f"a checkpoint in {folder.parent} does not give back {other[0]} as it was. Is the disk sound?")


def _peak(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def duration(seconds: float) -> str:
    """For people: "3 ms", "2.5 s", "12 min", "3.4 h"."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
