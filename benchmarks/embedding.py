"""Embeddings: texts to the mean of their hidden states, in sorted batches of at most 1024 tokens for everyone.

    python benchmarks/embedding.py [--models distilbert bert] [--rounds 5] [--short] [--json FILE]

128 texts (48 for BERT) of 5 to 200 tokens, 45 in the mean. A row whose float32 numbers differ from HF's by more than
1e-3 gets no figure. qkv: AutoModel, called as HF's is.
"""

from typing import Any

import data
import table
from classification import COUNTS, TITLES
from harness import measure

ENTRIES = [("hf", "sorted"), ("ort", "fp32"), ("ov", "fp32"), ("ct2", "fp32"), ("ort", "int8"), ("ov", "int8"),
           ("ct2", "int8"), ("ours", "fp32"), ("ours", "int8")]  # fmt: skip


def difference(found: Any, reference: Any) -> float:
    """The largest difference between numbers of two results."""
    return max(abs(x - y) for a, b in zip(found, reference, strict=True) for x, y in zip(a, b, strict=True))


def run(args: Any) -> list[dict[str, Any]]:
    results = []
    for model in args.models[:1] if args.short else args.models:
        count = COUNTS[model, "short"] // (4 if args.short else 1)
        entries = table.entries(ENTRIES, "embed", model, args)
        jobs = [{"texts": data.texts(count)}]
        [rows] = measure(entries, jobs, rounds=args.rounds, threads=args.threads, cache=args.cache)
        figures = table.rated(rows, count, difference=difference)
        title = f"Embedding, {TITLES[model]}, {count} texts of 5-200 tokens"
        results.append(table.result(f"embedding {model}", title, "texts/s", figures, args))
    return results


def parser() -> Any:
    found = table.arguments(__doc__)
    found.add_argument("--models", nargs="+", default=["distilbert", "bert"], choices=["distilbert", "bert"])
    return found


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
