"""Fine-tuning of DistilBERT (66M) on texts of skewed lengths, by the Trainer of each library.

    python benchmarks/training.py [--texts 96 384] [--rounds 5] [--short]

Texts of 5 to 128 tokens, 37 in the mean; batches of 8, dropout, AdamW, clipping; a round is an epoch, and goes on from
the one before. HF pads all texts to 128 tokens, or groups texts of like length (`group_by_length`) and pads each batch
to its longest: of 96 texts, which it sorts 24 at a time, it then computes 1.6 times the tokens there are, of 384,
sorted 96 at a time, 1.13 times. qkv is its Trainer as it comes, whose work does not depend on the order.

Losses are means of the first and the last epoch: all start from the same weights, but draw other dropout, and the
grouped mode has another order. peak MB is of the whole process. x HF: over the grouped mode, which a user has to ask
for; x HF padded: over the other.
"""

import statistics
from typing import Any

import data
import table
from harness import measure

ENTRIES = [("hf", "trainer-padded"), ("hf", "trainer-grouped"), ("ours", "trainer")]


def run(args: Any) -> list[dict[str, Any]]:
    return [one(count, args) for count in (args.texts[:1] if args.short else args.texts)]


def one(count: int, args: Any) -> dict[str, Any]:
    """The result for so many texts."""
    texts, labels = data.classed(count)
    entries = table.entries(ENTRIES, "train", "distilbert", args)
    jobs = [{"texts": texts, "labels": labels}]
    (rows,) = measure(entries, jobs, rounds=args.rounds, threads=args.threads, cache=args.cache)
    figures = table.rated(rows, count)
    padded = next((figure.get("rate") for figure in figures if "padded" in figure["label"]), None)
    for row, figure in zip(rows, figures, strict=True):
        if "rate" not in figure:
            continue
        figure["losses"] = [round(statistics.mean(answer["result"][0]), 4) for answer in row.answers]
        figure["loss_before"], figure["loss"] = figure["losses"][0], figure["losses"][-1]
        figure["peak_mb"] = figure["peak_bytes"] / 1e6
        if padded is not None:
            figure["x_padded"] = figure["rate"] / padded
    title = f"Training, DistilBERT, 66M, {count} texts of 5-128 tokens, batches of 8"
    return table.result(f"training distilbert {count}", title, "texts/s", table.lighter(figures), args)


def parser() -> Any:
    found = table.arguments(__doc__)
    found.add_argument("--texts", nargs="+", type=int, default=[96, 384], help="how many, each for itself")
    return found


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
