"""All workloads, one after the other: tables, docs/benchmarks.json and docs/benchmarks.png.

    python benchmarks/run.py --short                     # what `make bench` does: about twenty minutes
    python benchmarks/run.py                             # in full: two hours and more
    python benchmarks/run.py --only decode beam --json out.json --picture out.png

Files hold what has been measured so far after each workload, so a run that is interrupted is not lost; with --only,
the other workloads of the file are kept. accuracy.py has no times and needs real weights: it runs when it is named.
"""

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import table
from harness import ROOT

WORKLOADS = ("cold_start", "classification", "embedding", "vision", "decode", "prefill", "beam", "memory", "training")
ALL = (*WORKLOADS, "accuracy")


def main() -> None:
    parser = table.arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=ALL, default=list(WORKLOADS), metavar="WORKLOAD")
    parser.add_argument("--picture", type=Path, metavar="FILE")
    parser.set_defaults(json=ROOT / "docs" / "benchmarks.json")
    args = parser.parse_args()
    picture = args.picture or args.json.with_suffix(".png")
    kept: list[dict[str, Any]] = json.loads(args.json.read_text()) if args.json.exists() else []
    for name in args.only:
        module = import_module(name)
        options = ["--rounds", str(args.rounds), "--threads", str(args.threads), "--cache", str(args.cache)]
        options += ["--peers", *args.peers]
        results = module.run(module.parser().parse_args([*options, *(["--short"] if args.short else [])]))
        table.report(results)
        family = name.replace("_", " ")
        kept = [each for each in kept if not re.match(rf"{family}\b", each["workload"])] + results
        kept.sort(key=place)
        args.json.write_text(json.dumps(kept, indent=1) + "\n")
    draw(args.json, picture)


def place(result: dict[str, Any]) -> int:
    """Where a result stands among the workloads."""
    return next(i for i, name in enumerate(ALL) if result["workload"].startswith(name.replace("_", " ")))


def draw(source: Path, target: Path) -> None:
    try:
        import_module("picture").draw(json.loads(source.read_text()), target)
    except (ImportError, ValueError) as error:
        print(f"no picture: {error}", file=sys.stderr)
        return
    print(f"{source} and {target} are written.")


if __name__ == "__main__":
    main()
