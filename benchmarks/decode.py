"""Greedy decoding: a prompt of 32 ids, 128 new ones, no end of text.

    python benchmarks/decode.py [--models gpt2 llama] [--batches 1 8] [--rounds 5] [--short] [--json FILE]

tokens/s is of the whole call, the prompt included. For batch 1 also `of bandwidth`: the bytes of weights that a step
has to read, over the time of a step and the read bandwidth of this machine (bandwidth.c, before and after). The time of
a step is (call of n tokens - call of 1 token) / (n - 1). same: ids equal to HF's.
"""

import statistics
from typing import Any

import bandwidth
import data
import table
from harness import Row, measure

ENTRIES = [
    ("hf", "fp32"), ("ct2", "fp32"), ("genai", "fp32"), ("llama", "f32"), ("ct2", "int8"), ("llama", "q8_0"),
    ("genai", "int4"), ("llama", "q4_0"), ("ours", "fp32"), ("ours", "int8"), ("ours", "int4"),
]  # fmt: skip
TITLES = {"gpt2": "GPT-2, 124M", "llama": "Llama, 135M"}
PROMPT, NEW = 32, 128
# Weights that every step multiplies by, the tied language-model head among them: not the table of positions.
WEIGHTS = {"gpt2": 12 * 12 * 768**2 + 50257 * 768,
           "llama": 30 * (2 * 576**2 + 2 * 576 * 192 + 3 * 576 * 1536) + 49152 * 576}  # fmt: skip
# Bits of a weight with its share of scales; the other formats mix kinds, so they have no figure.
BITS = {"fp32": 32, "f32": 32, "q8_0": 8.5}
OUR_BITS = {"fp32": 32, "int8": 8, "int4": 5}


def agree(found: Any, reference: Any) -> float:
    """The share of equal ids."""
    pairs = [(a, b) for row, other in zip(found, reference, strict=True) for a, b in zip(row, other, strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def run(args: Any) -> list[dict[str, Any]]:
    results, new = [], NEW // (2 if args.short else 1)
    for model in args.models:
        entries = table.entries(ENTRIES, "generate", model, args)
        jobs = [{"prompts": data.prompts(rows, PROMPT), "new": new} for rows in args.batches]
        jobs += [{"prompts": data.prompts(1, PROMPT), "new": 1}] if 1 in args.batches else []
        read = bandwidth.measure(args.threads)
        measured = measure(entries, jobs, rounds=args.rounds, threads=args.threads, cache=args.cache)
        read += bandwidth.measure(args.threads)
        for count, rows in zip(args.batches, measured, strict=False):
            figures = table.rated(rows, count * new, agree)
            if count == 1:
                add_bandwidth(figures, rows, measured[-1], new, read, WEIGHTS[model])
            title = f"Decoding, {TITLES[model]}, batch {count}, prompt {PROMPT}, {new} new"
            results.append(table.result(f"decode {model} {count}", title, "tokens/s", figures, args))
            results[-1]["read_bytes_per_second"] = statistics.median(read) if read else None
    return results


def add_bandwidth(
    figures: list[dict[str, Any]], rows: list[Row], firsts: list[Row], new: int, read: list[float], weights: int
) -> None:
    """Add ms of a step, and the share of the read bandwidth where the bytes of a weight are known."""
    for each, row, first in zip(figures, rows, firsts, strict=True):
        if "absent" in each or not first.answers:
            continue
        step = (statistics.median(row.seconds) - statistics.median(first.seconds)) / (new - 1)
        if step <= 0:  # noise was larger than all steps together
            continue
        each["step_ms"] = 1000 * step
        bits = (OUR_BITS if row.entry.peer == "ours" else BITS).get(row.entry.variant)
        if bits and read:
            each["bandwidth"] = weights * bits / 8 / step / statistics.median(read)


def parser() -> Any:
    found = table.arguments(__doc__)
    found.add_argument("--models", nargs="+", default=["gpt2", "llama"], choices=["gpt2", "llama"])
    found.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    return found


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
