"""What `qkv train` prints at its end."""

import json
import sys
from pathlib import Path
from typing import Any

from .terminal import clean, console, print_rows

TRIES = {  # how a model of a task is tried; others have no line
    "text-classification": '"…"', "token-classification": '"…"', "fill-mask": '"…"', "text-generation": '"…"',
    "image-classification": "photo.jpg", "question-answering": '--question "…" "…"',
}  # fmt: skip


def show(folder: Path, prepared: Any, report: Any, as_json: bool) -> None:
    """Measures, those of each class, and how the model is tried; or one JSON document."""
    words = TRIES.get(prepared.task.names[0])
    line = f"qkv run {prepared.task.names[0]} -m {folder} {words}" if words else ""
    if as_json:
        matrix = None if report.matrix is None else report.matrix.matrix.tolist()
        found = {"task": prepared.task.names[0], "output": str(folder), "data": dict(prepared.facts)}
        found |= {"metrics": report.metrics, "classes": report.classes, "confusion": matrix, "labels": report.labels}
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    print_rows([(name, f"{value:.4f}") for name, value in report.metrics.items()])
    if report.classes:
        _classes(report.classes)
    if report.matrix is not None and sys.stdout.isatty() and len(report.labels) <= 12:
        from qkv.viz import confusion

        console().print(confusion(report.matrix, report.labels))
    print_rows([("saved", folder), *([("try", line)] if line else [])])


def _classes(classes: dict[str, dict[str, float]]) -> None:
    """A row for each class: on a terminal a table, in a pipe tab-separated."""
    names = ("precision", "recall", "f1", "support")
    rows = [
        [clean(label), *(f"{values[name]:.3f}" if name != "support" else f"{values[name]:,}" for name in names)]
        for label, values in classes.items()
    ]
    if not sys.stdout.isatty():
        print("\n".join("\t".join(row) for row in [["class", *names], *rows]))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("class", *names):
        table.add_column(name, justify="left" if name == "class" else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    console().print(table)
