"""Classification of texts of skewed lengths: text in, label and score out, tokenisation included.

    python benchmarks/classification.py [--models distilbert bert] [--sets short long] [--rounds 5] [--short]

short: 128 texts (48 for BERT) of 5 to 200 tokens, 45 in the mean; long: 48 of 5 to 512, 150 in the mean. HF is its
pipeline at batch 1, 8 and 32, and its model in sorted batches of at most 1024 tokens; the other peers sort and batch
like that. qkv is its pipeline as it comes. same: texts with the label that HF gives; differs by: how far scores are
from HF's at most. A float32 row beyond 1e-3 gets no figure. x HF pipeline: over the fastest of its three batch sizes;
x HF: over the fastest way of using HF, which a user has to write.
"""

from typing import Any

import data
import table
from harness import measure

PEERS = [
    ("hf", "pipeline-1"), ("hf", "pipeline-8"), ("hf", "pipeline-32"), ("hf", "sorted"), ("ort", "fp32"),
    ("ov", "fp32"), ("ct2", "fp32"), ("ort", "int8"), ("ov", "int8"), ("ct2", "int8"),
]  # fmt: skip
OURS = [("ours", "fp32"), ("ours", "int8")]
COUNTS = {("distilbert", "short"): 128, ("bert", "short"): 48, ("distilbert", "long"): 48, ("bert", "long"): 48}
TITLES = {"distilbert": "DistilBERT, 66M", "bert": "BERT, 110M", "short": "5-200 tokens", "long": "5-512 tokens"}


def agree(found: Any, reference: Any) -> float:
    """The share of texts with the same label."""
    return sum(a[0] == b[0] for a, b in zip(found, reference, strict=True)) / len(reference)


def run(args: Any) -> list[dict[str, Any]]:
    results = []
    for model in args.models:
        kinds = [kind for kind in args.sets if not (args.short and (model, kind) == ("bert", "long"))]
        counts = {kind: COUNTS[model, kind] // (4 if args.short else 1) for kind in kinds}
        entries = table.entries(PEERS + OURS, "classify", model, args)
        jobs = [{"texts": data.texts(counts[kind], kind)} for kind in kinds]
        measured = measure(entries, jobs, rounds=args.rounds, threads=args.threads, cache=args.cache)
        for kind, rows in zip(kinds, measured, strict=True):
            figures = table.rated(rows, counts[kind], agree, difference)
            best = max((row["rate"] for row in figures if "rate" in row and "pipeline" in row["label"]), default=None)
            for row in figures:
                if best is not None and "rate" in row:
                    row["x_pipeline"] = row["rate"] / best
            title = f"Classification, {TITLES[model]}, {counts[kind]} texts of {TITLES[kind]}"
            results.append(table.result(f"classification {model} {kind}", title, "texts/s", figures, args))
    return results


def difference(found: Any, reference: Any) -> float:
    """The largest difference between scores of one label (of two, so the other's is 1 minus it)."""
    return max(abs(a[1] - b[1] if a[0] == b[0] else 1 - a[1] - b[1]) for a, b in zip(found, reference, strict=True))


def parser() -> Any:
    found = table.arguments(__doc__)
    found.add_argument("--models", nargs="+", default=["distilbert", "bert"], choices=["distilbert", "bert"])
    found.add_argument("--sets", nargs="+", default=["short", "long"], choices=["short", "long"])
    return found


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
