"""Learning curves: the losses of a run, its metrics, and the learning rate."""

from dataclasses import dataclass
from typing import Any

from ..training.reporting.history import RATES, History, cell, title
from .tokens import Picture, pyplot

SMOOTHED = 20  # points; a loss with fewer is drawn as it is
BLUE, ORANGE, GREY = "#1f6fb4", "#d9622b", "#8a8a8a"
COLOURS = ("#2a8f5b", "#8156a8", "#c2892b", "#b0436e", "#3b8ea5", "#6b7f2a")
NO_METRIC = (*RATES, "_loss", "_samples", "_model_preparation_time")


@dataclass
class Curves(Picture):
    """The learning curves of a run: loss in training and evaluation, each metric, the learning rate.

    smoothing: 0 to below 1; how much of the mean so far is in the line of the training loss.
    """

    history: History
    smoothing: float = 0.9

    def figure(self) -> Any:
        """A panel for the losses, one for metrics between 0 and 1, one for each other metric, one for the rate."""
        panels = [["eval_loss"], *self._metrics()]
        if self.history.series("learning_rate")[0]:
            panels.append(["learning_rate"])
        plt = pyplot()
        heights = [2.6, *(1.7 for _ in panels[1:-1]), 1.0][: len(panels)]
        figure, axes = plt.subplots(
            len(panels), 1, figsize=(7, sum(heights) + 0.8), layout="constrained", facecolor="white", sharex=True,
            squeeze=False, height_ratios=heights,
        )  # fmt: skip
        self._losses(axes[0, 0])
        for axis, names in zip(axes[1:, 0], panels[1:], strict=True):
            self._lines(axis, names)
        for axis in axes[:, 0]:
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(axis="y", color="#e6e6e6", linewidth=0.7)
            axis.set_axisbelow(True)
            for step in self._epochs():
                axis.axvline(step, color="#e6e6e6", linewidth=0.7, zorder=0)
        axes[-1, 0].set_xlabel(
            "step" if not self._epochs() else "step, with a line at the end of each epoch", fontsize=9
        )
        best = self.history.best
        if best is not None:
            said = f"best {title(self.history.metric)} {cell(best[self.history.metric])} at step {best['step']}"
            axes[0, 0].set_title(said, fontsize=10, parse_math=False)
        return figure

    def __rich__(self) -> Any:
        return self.history.__rich__()

    def _metrics(self) -> list[list[str]]:
        names = [
            name
            for name in self.history.columns
            if name.startswith("eval_") and not name.endswith(NO_METRIC) and self.history.series(name)[0]
        ]
        shares = [name for name in names if all(0 <= value <= 1 for value in self.history.series(name)[1])]
        others = [name for name in self.history.columns if name.endswith("_loss") and name.startswith("eval_")]
        others = [name for name in others if name != "eval_loss" and self.history.series(name)[0]]
        return [group for group in (others, shares) if group] + [[name] for name in names if name not in shares]

    def _losses(self, axis: Any) -> None:
        steps, values = self.history.series("loss")
        if len(values) < SMOOTHED:
            axis.plot(steps, values, color=BLUE, marker="o", markersize=2.5, label="train loss")
        else:
            axis.plot(steps, values, color=BLUE, alpha=0.25, linewidth=0.9)
            axis.plot(steps, smoothed(values, self.smoothing), color=BLUE, linewidth=1.6, label="train loss, smoothed")
        steps, values = self.history.series("eval_loss")
        if steps:
            axis.plot(steps, values, color=ORANGE, marker="o", markersize=3.5, linewidth=1.6, label="eval loss")
            self._mark(axis, "eval_loss", ORANGE)
        if axis.lines:
            axis.legend(frameon=False, fontsize=9)
        axis.set_ylabel("loss", fontsize=9)

    def _lines(self, axis: Any, names: list[str]) -> None:
        rate = names == ["learning_rate"]
        for name, colour in zip(names, (GREY,) if rate else COLOURS * (len(names) // len(COLOURS) + 1), strict=False):
            style = {"linewidth": 1.3} if rate else {"marker": "o", "markersize": 3.5, "linewidth": 1.6}
            axis.plot(*self.history.series(name), color=colour, label=title(name), **style)
            self._mark(axis, name, colour)
        axis.set_ylabel(title(names[0]) if len(names) == 1 else "", fontsize=9, parse_math=False)
        if len(names) > 1:
            for text in axis.legend(frameon=False, fontsize=9, ncols=min(len(names), 4)).get_texts():
                text.set_parse_math(False)
        if rate:
            axis.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))

    def _mark(self, axis: Any, name: str, colour: str) -> None:
        """A ring around the best evaluation, on the curve that it is chosen by."""
        best = self.history.best
        if best is not None and name == self.history.metric:
            axis.plot(best["step"], best[name], "o", color=colour, markersize=9, fillstyle="none", markeredgewidth=1.5)

    def _epochs(self) -> list[float]:
        """Steps at which epochs end, if they can be told apart."""
        points = [(entry["step"], entry["epoch"]) for entry in self.history if entry.get("epoch")]
        if not points:
            return []
        steps, epochs = points[-1]
        count = int(epochs + 1e-6)
        return [steps / epochs * i for i in range(1, count + 1)] if 1 < count <= 20 else []


def smoothed(values: list[float], weight: float) -> list[float]:
    """Exponential means, without the pull to 0 at the start."""
    found, mean, whole = [], 0.0, 0.0
    for value in values:
        mean, whole = weight * mean + (1 - weight) * value, weight * whole + (1 - weight)
        found.append(mean / whole)
    return found


def curves(run: Any, *, smoothing: float = 0.9) -> Curves:
    """A picture of how a run went.

    Args:
        run: a Trainer, its `history`, `log.jsonl`, `trainer_state.json`, or the folder of a run or checkpoint.
        smoothing: of the training loss: 0 for none, towards 1 for more.

    Returns: a `Curves`: `.save("curves.png")`, `.figure()`, `.history`; a notebook shows it.

    Raises: OSError for a file or folder without a log, ValueError for an empty one or another smoothing.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing={smoothing} must be from 0 to below 1, such as 0.9.")
    history = History.of(run)
    if not any("loss" in entry or "eval_loss" in entry for entry in history):
        raise ValueError("nothing was logged in this run yet: train, with logging_steps= below the number of steps.")
    return Curves(history, smoothing)
