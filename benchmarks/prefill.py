"""The time to the first token after a prompt of 512 ids, batch 1.

python benchmarks/prefill.py [--models gpt2 llama] [--rounds 5] [--short] [--json FILE]
"""

import statistics
from typing import Any

import data
import table
from decode import ENTRIES, TITLES, agree
from harness import measure

PROMPT = 512


def run(args: Any) -> list[dict[str, Any]]:
    results = []
    for model in args.models[-1:] if args.short else args.models:
        entries = table.entries(ENTRIES, "generate", model, args)
        jobs = [{"prompts": data.prompts(1, PROMPT), "new": 1}]
        [rows] = measure(entries, jobs, rounds=args.rounds, threads=args.threads, cache=args.cache)
        figures = table.rated(rows, PROMPT, agree)
        for each, row in zip(figures, rows, strict=True):
            if "absent" not in each:
                each["first_ms"] = 1000 * statistics.median(row.seconds)
        title = f"Prompt, {TITLES[model]}, {PROMPT} ids to the first token"
        results.append(table.result(f"prefill {model}", title, "tokens/s", figures, args))
    return results


def parser() -> Any:
    found = table.arguments(__doc__)
    found.add_argument("--models", nargs="+", default=["gpt2", "llama"], choices=["gpt2", "llama"])
    return found


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
