"""Tables of results, from rows of figures: rich on a terminal, plain in a pipe; and the arguments scripts share.

A result is plain data, so that it can be written as JSON, drawn, and printed again:

    {"workload": "decode", "title": ..., "unit": "tokens/s", "baseline": "HF fp32", "rounds": 5, "threads": 2,
     "rows": [{"label": ..., "precision": ..., "rate": ..., "spread": ..., "x_hf": ..., "x_best": ..., ...}]}
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness import ROOT, TITLES, Entry, Row, machine, spread

CLOSE = 1e-3  # numbers of float32 results that are the same
QUIET = 0.1  # cores that other programs may take
COLUMNS = {  # key of a row -> its title and format
    "label": ("", "{}"), "rate": ("{unit}", "{:.1f}"), "seconds": ("s", "{:.2f}"), "cpu": ("CPU s", "{:.2f}"),
    "load": ("load s", "{:.2f}"), "spread": ("spread", "{:.0%}"), "x_hf": ("x HF", "{:.2f}"),
    "x_pipeline": ("x HF pipeline", "{:.2f}"), "x_padded": ("x HF padded", "{:.2f}"),
    "x_best": ("x best peer", "{:.2f}"), "peak_mb": ("peak MB", "{:.0f}"), "memory_x_hf": ("memory x HF", "{:.2f}"),
    "bandwidth": ("of bandwidth", "{:.0%}"), "first_ms": ("first token ms", "{:.0f}"),
    "value": ("{unit}", "{:.4g}"), "against": ("vs fp32", "{}"), "cores": ("cores", "{:.1f}"),
    "loss_before": ("loss at first", "{:.3f}"), "loss": ("at last", "{:.3f}"),
    "same": ("same", "{:.1%}"), "difference": ("differs by", "{:.0e}"),
}  # fmt: skip


def arguments(description: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """What all scripts take: --rounds, --threads, --cache, --json, and --short for few texts and tokens."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=defaults.get("rounds", 5), help="counted; one more fills caches")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "bench", help="folder that convert.py filled")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--peers", nargs="+", choices=TITLES, default=list(TITLES), metavar="NAME",
                        help=f"which libraries: {', '.join(TITLES)}")  # fmt: skip
    parser.add_argument("--short", action="store_true", help="fewer texts, tokens and models")
    return parser


def entries(pairs: Iterable[tuple[str, str]], task: str, model: str, args: argparse.Namespace) -> list[Entry]:
    """Entries of (peer, variant) pairs whose peers are wanted."""
    return [Entry(peer, variant, task, model) for peer, variant in pairs if peer in args.peers]


def rated(rows: list[Row], work: float, agree: Any = None, difference: Any = None) -> list[dict[str, Any]]:
    """Figures of rows that did `work` (texts, tokens) per job, with ratios of medians.

    x_hf: against the fastest HF row. x_best: of our rows, against the fastest peer of the same precision, HF included.
    same: of float32 rows, what `agree(result, reference)` gives, a share; `difference` likewise gives a number. The
    reference is the first HF row that has a result. Random weights say nothing on the rest: accuracy.py does. A row
    that did something else gets no figure: one of another length, or in float32 of numbers further off than CLOSE.
    """
    reference = next((row.answers[0]["result"] for row in rows if row.entry.peer == "hf" and row.answers), None)
    found = []
    for row in rows:
        figures: dict[str, Any] = {"label": row.entry.label, "peer": row.entry.peer, "precision": row.entry.precision}
        if row.absent is not None or not row.answers:
            found.append(figures | {"absent": row.absent or "no rounds"})
            continue
        compared_with = {} if reference is None else fidelity(row, reference, agree, difference)
        if "absent" not in compared_with:
            figures |= {"rate": work / statistics.median(row.seconds), "spread": spread(row.seconds)}
            figures |= {"cores": row.cores, "others": row.others, "load": row.hello["load_seconds"]}
            figures |= {"version": row.hello["version"], "seconds_all": [round(s, 5) for s in row.seconds]}
            figures["peak_bytes"] = row.answers[-1]["peak_bytes"]
        found.append(figures | compared_with)
    return compared(found)


def fidelity(row: Row, reference: Any, agree: Any, difference: Any) -> dict[str, Any]:
    """How a row's result is like the reference's, or `absent`: why it is not the same work."""
    result, full, found = row.answers[0]["result"], row.entry.precision == "fp32", {}
    if [len(each) for each in result] != [len(each) for each in reference]:
        return {"absent": "refused: its results have other lengths than HF's, so it did other work"}
    if agree is not None and full:
        found["same"] = agree(result, reference)
    if difference is not None:
        found["difference"] = difference(result, reference)
        if full and not found["difference"] <= CLOSE:
            return {"absent": f"refused: its results differ from HF's by {found['difference']:.1e}"}
    return found


def compared(rows: list[dict[str, Any]], key: str = "rate", more_is_better: bool = True) -> list[dict[str, Any]]:
    """Rows with x_hf and x_best: how many times better than HF's best and than the best peer, by `key`."""

    def best(chosen: Iterable[dict[str, Any]]) -> float | None:
        values = [row[key] for row in chosen if key in row]
        return (max if more_is_better else min)(values, default=None)

    def times(value: float, base: float) -> float:
        return value / base if more_is_better else base / value

    hf = best(row for row in rows if row["peer"] == "hf")
    for row in rows:
        if key not in row or row["peer"] == "floor":
            continue
        if hf is not None:
            row["x_hf"] = times(row[key], hf)
        peers = best(r for r in rows if r["peer"] != "ours" and r["precision"] == row["precision"])
        if row["peer"] == "ours" and peers is not None:
            row["x_best"] = times(row[key], peers)
    return rows


def lighter(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with memory_x_hf: their peak memory as a share of the smallest HF row's."""
    base = min((row["peak_mb"] for row in rows if row["peer"] == "hf" and "peak_mb" in row), default=None)
    return [row | ({"memory_x_hf": row["peak_mb"] / base} if base and "peak_mb" in row else {}) for row in rows]


def result(name: str, title: str, unit: str, rows: list[dict[str, Any]], args: argparse.Namespace) -> dict[str, Any]:
    return {
        "workload": name, "title": title, "unit": unit, "rounds": args.rounds, "machine": machine(args.threads),
        "rows": rows,
    }  # fmt: skip


def report(results: list[dict[str, Any]], path: Path | None = None) -> None:
    """Print tables, and write them as JSON."""
    for each in results:
        show(each)
    if path is not None:
        path.write_text(json.dumps(results, indent=1) + "\n")


def show(found: dict[str, Any]) -> None:
    """Print the table of a result: its columns are those that any row has."""
    keys = [key for key in COLUMNS if any(key in row for row in found["rows"])]
    titles = [COLUMNS[key][0].format(unit=found["unit"]) for key in keys]
    lines = [
        [_cell(row, key) for key in keys] if "absent" not in row else [row["label"], row["absent"][:100]]
        for row in found["rows"]
    ]
    heading = f"{found['title']} ({found['rounds']} interleaved rounds, {found['machine']['threads']} threads, medians)"
    (_rich if sys.stdout.isatty() else _plain)(heading, titles, lines)
    others = max((row["others"] for row in found["rows"] if "others" in row), default=0)
    if others > QUIET:
        print(f"Do not quote: other programs took {others:.1f} cores meanwhile.\n", flush=True)


def _cell(row: dict[str, Any], key: str) -> str:
    return COLUMNS[key][1].format(row[key]) if key in row else ""


def _rich(heading: str, titles: list[str], lines: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=heading, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for i, title in enumerate(titles):
        table.add_column(title, justify="left" if i == 0 else "right", no_wrap=i == 0)
    absent = []
    for line in lines:
        if len(line) == len(titles):
            table.add_row(*line, style="bold" if line[0].startswith("qkv") else "")
        else:
            absent.append(line)
    console = Console(highlight=False, markup=False)
    console.print(table)
    for label, why in absent:
        console.print(f"{label}: absent: {why}", style="dim")
    console.print()


def _plain(heading: str, titles: list[str], lines: list[list[str]]) -> None:
    full = [line for line in lines if len(line) == len(titles)]
    widths = [max(len(line[i]) for line in [titles, *full]) for i in range(len(titles))]
    print(heading)
    for line in [titles, *lines]:
        if len(line) == len(titles):
            cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                     for i, (cell, width) in enumerate(zip(line, widths, strict=True))]  # fmt: skip
            print("  ".join(cells).rstrip())
        else:
            print(f"{line[0].ljust(widths[0])}  absent: {line[1]}")
    print(flush=True)
