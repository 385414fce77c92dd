"""The README's table of speed, from the figures of a run.

python benchmarks/readme.py [docs/benchmarks.json]
"""

import json
import sys
from pathlib import Path
from typing import Any

HEAD = ("times as fast as Transformers 5.23 in float32", "qkv fp32", "qkv int8", "qkv int4", "best other, fp32")


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs" / "benchmarks.json"
    print(f"| {' | '.join((*HEAD, 'best other, few bits'))} |\n|{'---|' * (len(HEAD) + 1)}")
    for result in json.loads(source.read_text()):
        print(f"| {' | '.join([title(result['title']), *cells(result['rows'])])} |")


def title(text: str) -> str:
    """A workload as a row names it: without sizes of models, which the text around the table says, and memory."""
    text = text.replace("Memory and load", "Load")
    words = [part for part in text.split(", ") if not (part.endswith("M") and part[:-1].isdigit())]
    first = words[0] if words[0].startswith("ViT") else words[0][0].lower() + words[0][1:]
    return ", ".join([first, *words[1:]])


def cells(rows: list[dict[str, Any]]) -> list[str]:
    """qkv in float32, int8 and int4, and the fastest of the others in float32 and below."""
    rated = [row for row in rows if row.get("x_hf") is not None]
    own = {row["precision"]: row["x_hf"] for row in rated if row["peer"] == "ours"}
    own["fp32"] = own.get("fp32", own.get("trainer"))
    found = [figure(own.get(kind)) for kind in ("fp32", "int8", "int4")]
    others = [row for row in rated if row["peer"] not in ("ours", "hf")]
    for few in (False, True):
        same = [row for row in others if (row["precision"] != "fp32") == few]
        best = max(same, key=lambda row: row["x_hf"], default=None)
        found.append("–" if best is None else f"{figure(best['x_hf'])} ({best['label'].rsplit(' ', 1)[0]})")
    return found


def figure(factor: float | None) -> str:
    return "–" if factor is None else f"{factor:.1f}"


if __name__ == "__main__":
    main()
