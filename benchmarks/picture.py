"""The picture of a run: for each workload a bar per row, how many times as fast as the reference library's best.

python benchmarks/picture.py docs/benchmarks.json docs/benchmarks.png
"""

import json
import sys
from pathlib import Path
from typing import Any

WIDTH, COLUMNS = 4.6, 3  # inches of a panel, panels in a row
OURS, PEER, BASE = "#1f5fbf", "#b9bec6", "#6b7280"


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Write a PNG. Results without times (accuracy) have no panel. Raises: ValueError if none has any."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [(each, rows) for each in results if (rows := [row for row in each["rows"] if "x_hf" in row])]
    if not panels:
        raise ValueError("no result has a ratio to HF, so there is nothing to draw.")
    columns = min(COLUMNS, len(panels))
    grid = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [max(len(rows) for _, rows in line) * 0.24 + 0.9 for line in grid]
    figure, axes = pyplot.subplots(
        len(grid), columns, figsize=(WIDTH * columns, sum(heights)), squeeze=False,
        gridspec_kw={"height_ratios": heights}, layout="constrained",
    )  # fmt: skip
    for line, places in zip(grid, axes, strict=True):
        for place, axis in enumerate(places):
            if place < len(line):
                panel(axis, *line[place])
            else:
                axis.set_axis_off()
    machine = panels[0][0]["machine"]
    figure.suptitle(
        f"Times as fast as HF's best ({machine['processor']}, {machine['threads']} threads each, interleaved, medians)",
        fontsize=11,
    )
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def panel(axis: Any, result: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Bars, the fastest on top; ours in colour."""
    rows = sorted(rows, key=lambda row: row["x_hf"])
    colours = [{"ours": OURS, "hf": BASE}.get(row["peer"], PEER) for row in rows]
    bars = axis.barh([row["label"] for row in rows], [row["x_hf"] for row in rows], color=colours, height=0.75)
    axis.bar_label(bars, [f"{row['x_hf']:.1f}" for row in rows], padding=2, fontsize=7)
    axis.axvline(1, color="#111827", linewidth=0.6)
    axis.set_title(result["title"], fontsize=8, loc="left")
    axis.tick_params(labelsize=7, length=0)
    axis.margins(x=0.12, y=0.02)
    axis.set_xticks([])
    for side in ("top", "right", "bottom"):
        axis.spines[side].set_visible(False)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
