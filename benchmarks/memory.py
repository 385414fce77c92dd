"""Peak memory and load time: a process for each model and library that loads it, does a small job, and ends.

    python benchmarks/memory.py [--models distilbert bert gpt2 llama] [--rounds 5] [--short] [--json FILE]

Load: from the start of the library's import to a model that is ready. Job: 16 texts of 5 to 200 tokens classified, or
32 tokens after a prompt of 32. Peak memory is the kernel's figure for the whole process, mapped files included.
"""

import statistics
from typing import Any

import classification
import data
import decode
import table
from harness import Entry, spread
from oneshot import turns

MODELS = ("distilbert", "bert", "gpt2", "llama")
ENCODERS = [("hf", "pipeline-1"), *classification.PEERS[4:], *classification.OURS]
TITLES = classification.TITLES | decode.TITLES


def run(args: Any) -> list[dict[str, Any]]:
    results = []
    for model in ["llama"] if args.short else args.models:
        task, pairs = ("generate", decode.ENTRIES) if model in decode.TITLES else ("classify", ENCODERS)
        job = {"prompts": data.prompts(1, 32), "new": 32} if task == "generate" else {"texts": data.texts(16)}
        entries = table.entries(pairs, task, model, args)
        rows = table.lighter(table.compared(loads(entries, job, args), "load", more_is_better=False))
        title = f"Memory and load time, {TITLES[model]}"
        results.append(table.result(f"memory {model}", title, "", rows, args))
    return results


def loads(entries: list[Entry], job: dict[str, Any], args: Any) -> list[dict[str, Any]]:
    """A row of figures for each entry, from processes that take turns."""
    rows = []
    for entry, runs in zip(entries, turns(entries, job, {}, args).values(), strict=True):
        row: dict[str, Any] = {"label": entry.label, "peer": entry.peer, "precision": entry.precision}
        if "absent" in runs[-1].answer:
            rows.append(row | {"absent": runs[-1].answer["absent"]})
            continue
        times = [run.answer["load_seconds"] for run in runs]
        row |= {"load": statistics.median(times), "spread": spread(times), "version": runs[0].answer["version"]}
        row["others"] = statistics.median(run.others for run in runs)
        rows.append(row | {"peak_mb": statistics.median(run.peak_bytes for run in runs) / 1e6})
    return rows


def parser() -> Any:
    found = table.arguments(__doc__)
    found.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    return found


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
