"""All weights and adapters trained on the e-mails of spam.py, three seeds of each: the table in docs/training.md.

    python examples/spam.py spam
    python examples/spam_runs.py spam --model M       # M: all-MiniLM-L6-v2's folder; `make spam` does all this

A run that has ended is not run again. The figures are those of the last step on spam/test.csv, which nothing was chosen
by. Pictures of the first run are written beside: curves.png and confusion.png.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

SEEDS = (1, 2, 3)
SHARED = ["--max-length", "64", "--epochs", "1", "--set", "save_strategy=no", "--set", "load_best_model_at_end=False"]
SHARED += ["--set", "eval_strategy=steps", "--set", "eval_steps=0.2"]  # for the curves
WAYS = {"all weights": ["--lr", "1e-4"], "LoRA, r=8, all-linear": ["--lora", "--lr", "2e-3"]}


def run(folder: Path, model: str, way: str, seed: int) -> dict[str, Any]:
    """What `qkv train --json` prints."""
    out = folder / f"{'lora' if '--lora' in WAYS[way] else 'full'}-{seed}"
    found = out.with_suffix(".json")
    if not found.is_file():
        files = ["--data", str(folder / "train.csv"), "--eval", str(folder / "test.csv"), "-o", str(out)]
        command = [sys.executable, "-m", "qkv", "train", "text-classification", "-m", model, *files, *SHARED]
        command += [*WAYS[way], "--seed", str(seed), "--overwrite", "--json"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.write_text(done.stdout, encoding="utf-8")
    return json.loads(found.read_text("utf-8"))


def pictures(folder: Path, result: dict[str, Any]) -> None:
    import numpy as np

    from qkv.viz import confusion, curves

    confusion(np.array(result["confusion"]), result["labels"]).save(folder / "confusion.png")
    curves(result["output"]).save(folder / "curves.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train on e-mails with three seeds, all weights and adapters.")
    parser.add_argument("folder", type=Path, help="of train.csv and test.csv; results are written there")
    parser.add_argument("--model", required=True, help="folder of all-MiniLM-L6-v2")
    asked = parser.parse_args()
    print("| trained | accuracy by seed | mean | F1 of spam, mean |\n|---|---|---|---|")
    for number, way in enumerate(WAYS):
        results = [run(asked.folder, asked.model, way, seed) for seed in SEEDS]
        if number == 0:
            pictures(asked.folder, results[0])
        scores = [100 * result["metrics"]["accuracy"] for result in results]
        f1 = statistics.mean(100 * result["classes"]["spam"]["f1"] for result in results)
        trained = results[0]["data"]["model"].rpartition(": ")[2]
        shown = ", ".join(f"{score:.1f}" for score in scores)
        print(f"| {way}: {trained} | {shown} | {statistics.mean(scores):.1f} | {f1:.1f} |", flush=True)


if __name__ == "__main__":
    main()
