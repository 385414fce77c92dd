"""Cold start: a whole process, from nothing to one classified text and its end, with a 66M-parameter DistilBERT.

    python benchmarks/cold_start.py [--rounds 5] [--json FILE]

Wall and CPU seconds and peak memory of processes that take turns. HF and qkv make a pipeline; the other peers load
their own file and tokenise with the tokenizers package. `import torch` alone is what qkv and HF cannot go below.
"""

import statistics
from typing import Any

import data
import table
from harness import python_of, spread
from oneshot import Once, turns

ENTRIES = [("hf", "pipeline-1"), ("ort", "fp32"), ("ov", "fp32"), ("ct2", "fp32"), ("ort", "int8"), ("ov", "int8"),
           ("ct2", "int8"), ("ours", "fp32"), ("ours", "int8")]  # fmt: skip
FLOORS = {"python": "pass", "import torch": "import torch"}


def run(args: Any) -> list[dict[str, Any]]:
    entries = table.entries(ENTRIES, "classify", "distilbert", args)
    floors = {name: [str(python_of("ours")), "-c", code] for name, code in FLOORS.items()}
    found = turns(entries, {"texts": data.texts(1)}, floors, args)
    rows = [{"label": name, "peer": "floor", "precision": ""} | figures(found[name]) for name in floors]
    for entry in entries:
        row = {"label": entry.label, "peer": entry.peer, "precision": entry.precision}
        rows.append(row | figures(found[entry.label]))
    table.compared(rows, "seconds", more_is_better=False)
    return [table.result("cold start", "Cold start, DistilBERT, 66M, one text", "", table.lighter(rows), args)]


def figures(runs: list[Once]) -> dict[str, Any]:
    """Medians of runs, or `absent`."""
    if "absent" in runs[-1].answer:
        return {"absent": runs[-1].answer["absent"]}
    walls = [run.wall for run in runs]
    return {
        "seconds": statistics.median(walls), "spread": spread(walls),
        "cpu": statistics.median(run.cpu for run in runs), "seconds_all": [round(wall, 5) for wall in walls],
        "peak_mb": statistics.median(run.peak_bytes for run in runs) / 1e6,
        "others": statistics.median(run.others for run in runs),
    }  # fmt: skip


def parser() -> Any:
    return table.arguments(__doc__)


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
