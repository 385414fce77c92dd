"""Beam search with 5 beams: GPT-2, a prompt of 32 ids, 64 new ones, batch 1.

    python benchmarks/beam.py [--rounds 5] [--short] [--json FILE]

same: ids equal to HF's. llama.cpp has no beam search.
"""

from typing import Any

import data
import table
from decode import TITLES, agree
from harness import measure

ENTRIES = [("hf", "fp32"), ("ct2", "fp32"), ("genai", "fp32"), ("ct2", "int8"), ("ours", "fp32"), ("ours", "int8")]
PROMPT, NEW, BEAMS = 32, 64, 5


def run(args: Any) -> list[dict[str, Any]]:
    new = NEW // (4 if args.short else 1)
    entries = table.entries(ENTRIES, "generate", "gpt2", args)
    jobs = [{"prompts": data.prompts(1, PROMPT), "new": new, "beams": BEAMS}]
    [rows] = measure(entries, jobs, rounds=args.rounds, threads=args.threads, cache=args.cache)
    title = f"Beam search, {TITLES['gpt2']}, {BEAMS} beams, prompt {PROMPT}, {new} new"
    return [table.result("beam gpt2", title, "tokens/s", table.rated(rows, new, agree), args)]


def parser() -> Any:
    return table.arguments(__doc__)


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
