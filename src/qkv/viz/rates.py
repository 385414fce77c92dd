"""The loss at each learning rate, as `Trainer.lr_find` measured it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..training.tuning.lr_find import LearningRates
from .tokens import Picture, pyplot


@dataclass
class RateCurve(Picture):
    """The losses over the rates, on a logarithmic axis, with the rate that is suggested."""

    found: LearningRates

    def figure(self) -> Any:
        """Each step's loss pale, their running mean strong; a divergence is cut off."""
        plt, found = pyplot(), self.found
        figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained", facecolor="white")
        smoothed = np.array(found.smoothed)
        axes.plot(found.lrs, found.losses, color="#1f77b4", alpha=0.25, linewidth=1)
        axes.plot(found.lrs, smoothed, color="#1f77b4", linewidth=2)
        low, high = smoothed.min(), found.ceiling
        axes.set_ylim(low - 0.1 * (high - low) - 1e-6, high + 0.1 * (high - low) + 1e-6)
        if found.suggestion is not None:
            axes.axvline(found.suggestion, color="#d62728", linestyle="--", linewidth=1)
            at = smoothed[found.lrs.index(found.suggestion)]
            axes.plot([found.suggestion], [at], "o", color="#d62728")
            axes.annotate(
                f"{found.suggestion:.1e}", (found.suggestion, at), (6, 8), textcoords="offset points", color="#d62728"
            )
        axes.set_xscale("log")
        axes.set(xlabel="learning rate", ylabel="loss")
        axes.set_title("no suggestion" if found.suggestion is None else "learning rate range test", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        return figure


def learning_rates(found: LearningRates) -> RateCurve:
    """A picture of what `trainer.lr_find()` found: `.save("rates.png")`, `.figure()`.

    Raises: TypeError for anything else.
    """
    if not isinstance(found, LearningRates):
        raise TypeError(f"learning_rates draws what trainer.lr_find() gives, not a {type(found).__name__}.")
    return RateCurve(found)
