"""What a run was: everything that it logged, as rows, columns, and a table of its evaluations."""

import json
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, overload

from ...errors import short
from ...files import read_json
from ..checkpoint import ARGUMENTS, STATE, get_last_checkpoint
from ..results import eval_name

LOG = "log.jsonl"  # in output_dir: a line for everything that is logged
RATES = ("_runtime", "_samples_per_second", "_steps_per_second")  # of time, which differs from run to run
Entry = dict[str, Any]


class History(Sequence[Entry]):
    """Everything that a run logged: a sequence of dictionaries with `epoch`, `step`, and what was measured.

    `print` and notebooks show the evaluations as a table with the best one marked; `qkv.viz.curves` draws it.

    Args:
        entries: as in `trainer.state.log_history`, and the lines of log.jsonl.
        metric: what the best evaluation is chosen by, with or without "eval_"; the loss if None.
        greater: whether more is better; if None, unless it is a loss.
    """

    def __init__(self, entries: Iterable[Entry] = (), metric: str | None = None, greater: bool | None = None):
        self.entries = list(entries)
        self.metric = eval_name(metric)
        self.greater = not self.metric.endswith("loss") if greater is None else greater

    @classmethod
    def of(cls, source: Any) -> "History":
        """The history of a Trainer, of log.jsonl or trainer_state.json, of a folder with one of them, or of entries.

        Raises: OSError for a file or folder without one, TypeError for anything else.
        """
        if isinstance(source, str | Path):
            return _read(cls, Path(source))
        found = getattr(source, "history", source)
        if isinstance(found, cls):
            return found
        entries: list[Any] = list(found) if isinstance(found, Iterable) else [None]
        if all(isinstance(entry, dict) for entry in entries):
            return cls(entries)
        raise TypeError(f"{short(source)} has no history: give a Trainer, its log.jsonl, or the folder of a run.")

    @classmethod
    def of_run(cls, args: Any, state: Any) -> "History":
        return cls(state.log_history, args.metric_for_best_model, args.greater_is_better)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.entries[index]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def columns(self) -> list[str]:
        """Every name that was logged, in the order in which they came, after `step` and `epoch`."""
        return list(dict.fromkeys(["step", "epoch", *(name for entry in self.entries for name in entry)]))

    def to_dict(self) -> dict[str, list[Any]]:
        """A list for each column, None where an entry does not have it."""
        return {name: [entry.get(name) for entry in self.entries] for name in self.columns}

    def to_pandas(self) -> Any:
        """A DataFrame, a row for each entry. Raises: ImportError without pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas() needs pandas; type: pip install pandas, or use to_dict()") from None
        return pandas.DataFrame(self.to_dict())

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """The steps at which a column was logged during training, and its values."""
        found = [(entry["step"], entry[name]) for entry in self._training() if entry.get(name) is not None]
        return [step for step, _ in found], [value for _, value in found]

    def _training(self) -> list[Entry]:
        """Entries without those of after the end: what is evaluated there is often not the last step's model."""
        kept, over = [], False
        for entry in self.entries:
            over = "train_runtime" in entry or (over and "loss" not in entry)
            if not over:
                kept.append(entry)
        return kept

    @property
    def evaluations(self) -> list[Entry]:
        """A row for each step that was evaluated: step, epoch, `loss` of training if it was logged since the row
        before, and the metrics, of all datasets."""
        rows: list[Entry] = []
        loss = None
        for entry in self._training():
            loss = entry.get("loss", loss)
            if not any(name.startswith("eval_") for name in entry):
                continue
            if not rows or rows[-1]["step"] != entry["step"]:
                rows.append({"step": entry["step"], "epoch": entry.get("epoch"), "loss": loss})
                loss = None
            rows[-1] |= {
                name: value for name, value in entry.items() if name.startswith("eval_") and not name.endswith(RATES)
            }
        return rows

    @property
    def best(self) -> Entry | None:
        """The row of `evaluations` with the best metric, the first of equals; None if it was never measured."""
        rows = [row for row in self.evaluations if row.get(self.metric) is not None]
        return (max if self.greater else min)(rows, key=lambda row: row[self.metric]) if rows else None

    # ------------------------------------------------------------------------------------------ as people see it

    def table(self) -> tuple[list[str], list[list[str]], int | None]:
        """Titles, a row of texts for each evaluation (each logged loss, if there is none), and which row is best."""
        rows = self.evaluations or [
            {name: entry.get(name) for name in ("step", "epoch", "loss", "learning_rate")}
            for entry in self._training()
            if "loss" in entry
        ]
        names = list(dict.fromkeys(name for row in rows for name in row))
        names = [name for name in names if any(row.get(name) is not None for row in rows)]
        best = rows.index(self.best) if self.best is not None else None
        return [title(name) for name in names], [[cell(row.get(name), name) for name in names] for row in rows], best

    def __repr__(self) -> str:
        best = f", best {self.metric} {cell(self.best[self.metric])} at step {self.best['step']}" if self.best else ""
        return f"History({len(self)} entries, {len(self.evaluations)} evaluations{best})"

    def __str__(self) -> str:
        titles, rows, best = self.table()
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        lines = ["  ".join(text.rjust(w) for text, w in zip(row, widths, strict=True)) for row in [titles, *rows]]
        return "\n".join(line + ("  *" if i - 1 == best else "") for i, line in enumerate(lines)) or repr(self)

    def __rich__(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        titles, rows, best = self.table()
        if not rows:
            return Text(repr(self))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in titles:
            table.add_column(Text(name), justify="right")
        for i, row in enumerate(rows):
            table.add_row(*map(Text, row), "*" if i == best else "", style="bold green" if i == best else "")
        return table

    def _repr_html_(self) -> str:
        titles, rows, best = self.table()
        head = "".join(f"<th>{escape(text)}</th>" for text in titles)
        lines = [
            f"<tr{' style=font-weight:bold' if i == best else ''}>{''.join(f'<td>{escape(t)}</td>' for t in row)}</tr>"
            for i, row in enumerate(rows)
        ]
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def title(name: str) -> str:
    """A column's name as people read it: "train loss", "eval loss", "accuracy"."""
    if name in ("loss", "eval_loss"):
        return "train loss" if name == "loss" else "eval loss"
    return name.removeprefix("eval_").replace("_", " ")


def cell(value: Any, name: str = "") -> str:
    """A value as people read it: four decimals, or three digits of what is very small or large."""
    if not isinstance(value, float):
        return "" if value is None else short(value, 40) if isinstance(value, list | dict) else str(value)
    if name == "epoch":
        return f"{value:.2f}"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3g}"


def _read(cls: type[History], path: Path) -> History:
    """Of a file or a folder; the metric for the best evaluation from the arguments beside it, if they are there."""
    if not path.exists():
        raise FileNotFoundError(f"{short(str(path))} does not exist. Give the output_dir of a run, or its {LOG}.")
    folder, last = (path if path.is_dir() else path.parent), None
    if path.is_dir():
        last = get_last_checkpoint(path)
        places = [path / LOG, path / STATE, *([Path(last) / STATE] if last else [])]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise FileNotFoundError(f"{short(str(path))} has neither {LOG} nor {STATE}. Give the output_dir of a run.")
    else:
        file = path
    if file.suffix == ".jsonl":
        entries = _lines(file)
    else:
        entries = read_json(file).get("log_history")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise OSError(f"{short(str(file))} has no log_history. Give a {STATE} or a {LOG}.")
    beside = [folder / ARGUMENTS, *([Path(last) / ARGUMENTS] if last else [])]
    told = next((read_json(place) for place in beside if place.is_file()), {})
    return cls(entries, told.get("metric_for_best_model"), told.get("greater_is_better"))


def _lines(file: Path) -> list[Entry]:
    """Entries of a log; of the last run, if several wrote into it. Half a line at the end is of a run that was killed.

    Raises: OSError for a line that is no entry.
    """
    found: list[Entry] = []
    lines = file.read_text("utf8", errors="replace").splitlines()
    for i, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            step = entry["step"]
        except (ValueError, TypeError, KeyError):
            if i == len(lines):
                break
            raise OSError(f"{short(str(file))} line {i} is no entry of a log: {short(line)}.") from None
        if found and found[-1]["step"] > step:
            found = [before for before in found if before["step"] < step]
        found.append(entry)
    return found
