"""The range test of learning rates (Smith, 2015, arXiv:1506.01186): one that grows at each step, and the losses."""

import math
import sys
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from torch.optim.lr_scheduler import ExponentialLR

from ...backends.cpu.library import keeping_memory
from ..data.loader import NO_BATCH
from .rehearsal import rehearsal

MEMORY = 0.95  # of the running mean of losses: about the last 20
FEWEST = 10  # steps that say something
BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass
class LearningRates:
    """What `Trainer.lr_find` found: the loss at each learning rate; `qkv.viz.learning_rates(found)` draws it.

    lrs, losses: a number for each step, as measured. `rich.print` and a notebook show the curve.
    """

    lrs: list[float]
    losses: list[float]
    diverged: bool  # whether it ended before the highest rate

    @property
    def smoothed(self) -> list[float]:
        """Running means of the losses, without the bias to the first (Kingma & Ba, 2014, section 3)."""
        mean, found = 0.0, []
        for step, loss in enumerate(self.losses, 1):
            mean = MEMORY * mean + (1 - MEMORY) * loss
            found.append(mean / (1 - MEMORY**step))
        return found

    @property
    def suggestion(self) -> float | None:
        """A rate to train with, `valley`; None if the loss did not fall, or there are too few steps."""
        return self.valley

    @property
    def valley(self) -> float | None:
        """The rate in the middle of the longest fall of the smoothed loss: steep, and far from where it diverges."""
        fall = longest_fall(self.smoothed)
        return self.lrs[fall[len(fall) // 2]] if self._says_something(fall) else None

    @property
    def steepest(self) -> float | None:
        """The rate at which the smoothed loss falls fastest on its longest fall."""
        fall = longest_fall(self.smoothed)
        if not self._says_something(fall):
            return None
        slopes = np.gradient(np.array(self.smoothed))
        return self.lrs[min(fall, key=lambda step: slopes[step])]

    def _says_something(self, fall: list[int]) -> bool:
        return len(self.lrs) >= FEWEST and len(fall) >= max(3, len(self.lrs) // 10)

    @property
    def ceiling(self) -> float:
        """Up to which loss a picture shows the curve: a divergence would flatten the rest."""
        first, lowest, highest = self.smoothed[0], min(self.smoothed), max(self.smoothed)
        return min(highest, first + max(first - lowest, 0.1 * abs(first)))

    def __len__(self) -> int:
        return len(self.lrs)

    def __str__(self) -> str:
        ends = f"{len(self)} steps, learning rates {self.lrs[0]:.1e} to {self.lrs[-1]:.1e}"
        ends += ", where the loss diverges" if self.diverged else ""
        if self.suggestion is None:
            why = f"fewer than {FEWEST} steps" if len(self) < FEWEST else "the loss did not fall"
            return f"{ends}\nno suggestion: {why}"
        return f"{ends}\nsuggestion {self.suggestion:.1e} (middle of the fall), steepest at {self.steepest:.1e}"

    def __rich__(self) -> str:
        return f"{_bar(np.minimum(self.smoothed, self.ceiling))}\n{self}"

    def _repr_html_(self) -> str:
        """The curve as SVG, and what is suggested."""
        xs, ys = np.log10(self.lrs), np.array(self.smoothed)
        xs = 300 * (xs - xs[0]) / max(xs[-1] - xs[0], 1e-9)
        top = self.ceiling
        ys = 80 * (top - np.minimum(ys, top)) / max(top - ys.min(), 1e-9)
        points = " ".join(f"{x:.1f},{y + 4:.1f}" for x, y in zip(xs, ys, strict=True))
        lines = f'<polyline points="{points}" fill="none" stroke="#1f77b4" stroke-width="2"/>'
        if self.suggestion is not None:
            x = xs[self.lrs.index(self.suggestion)]
            lines += f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="88" stroke="#d62728" stroke-dasharray="3"/>'
        return f'<svg width="304" height="88">{lines}</svg><pre>{self}</pre>'


def lr_find(
    trainer: Any, min_lr: float = 1e-7, max_lr: float = 1.0, num_training: int = 100,
    early_stop_threshold: float | None = 4.0,
) -> LearningRates:  # fmt: skip
    """Train for some steps with a rate that grows from `min_lr` to `max_lr`, and forget them.

    Weights, optimiser, generators and the order of the data are as before, bit for bit; nothing is logged or saved.
    Rates of groups, as by layer_decay, keep their proportions. There is no schedule.

    Args:
        num_training: steps of the optimiser, of as many batches as gradient_accumulation_steps says.
        early_stop_threshold: end when the smoothed loss is so many times the lowest; None to go on to `max_lr`.

    Returns: LearningRates, with `suggestion`, `lrs` and `losses`.
    Raises: ValueError for rates or a number of steps that make no curve.
    """
    if not 0 < min_lr < max_lr or not math.isfinite(max_lr):
        raise ValueError(f"lr_find goes from min_lr={min_lr} up to max_lr={max_lr}; give 0 < min_lr < max_lr.")
    if num_training < 2:
        raise ValueError(f"num_training={num_training} makes no curve; 100 steps are usual.")
    found = LearningRates([], [], False)
    with rehearsal(trainer, max_steps=num_training), keeping_memory():
        trainer._plan()
        optimizer = trainer.create_optimizer()
        usual = max(group["lr"] for group in optimizer.param_groups)
        for group in optimizer.param_groups:
            group["lr"] = min_lr * (group["lr"] / usual if usual else 1.0)
            group.pop("initial_lr", None)
        growth = (max_lr / min_lr) ** (1 / (num_training - 1))
        trainer.lr_scheduler = ExponentialLR(optimizer, growth)
        trainer.model.train()
        for loss in _losses(trainer, num_training):
            if not math.isfinite(loss):
                found.diverged = True
                break
            found.lrs.append(min_lr * growth ** len(found.lrs))
            found.losses.append(loss)
            mean = found.smoothed
            if early_stop_threshold is not None and mean[-1] > early_stop_threshold * min(mean):
                found.diverged = True
                break
    if not found.lrs:
        raise FloatingPointError(f"the loss is no number at the lowest rate, {min_lr}: look at the data, or the model.")
    return found


def _losses(trainer: Any, steps: int) -> Any:
    """The loss of each step, as many passes over the data as it takes."""
    from tqdm import tqdm

    quiet = trainer.args.disable_tqdm or not sys.stderr.isatty()
    made = 0
    with tqdm(total=steps, unit=" steps", desc="lr_find", disable=quiet, leave=False) as bar:
        for epoch in count():
            trainer.state.epochs_done = epoch
            batches, before = trainer._batches(), made
            while made < steps and (step := trainer._taken(batches)):
                trainer.state.loss_sum = 0.0
                try:
                    trainer._step(step)
                except FloatingPointError:
                    yield math.nan
                    return
                yield trainer.state.loss_sum
                made += 1
                bar.update()
            if made >= steps:
                return
            if made == before:
                raise ValueError(NO_BATCH)


def longest_fall(values: list[float]) -> list[int]:
    """Indices of the longest subsequence in which each value is below the one before."""
    best: list[tuple[int, int]] = []  # length of the fall that ends here, and the index before
    for i, value in enumerate(values):
        longer = [(best[j][0] + 1, j) for j in range(i) if values[j] > value]
        best.append(max(longer, default=(1, -1)))
    at = max(range(len(best)), key=lambda i: best[i][0], default=-1)
    fall = []
    while at >= 0:
        fall.append(at)
        at = best[at][1]
    return fall[::-1]


def _bar(values: np.ndarray, width: int = 60) -> str:
    """A curve of one line."""
    values = values[np.linspace(0, len(values) - 1, min(width, len(values))).astype(int)]
    span = float(values.max() - values.min()) or 1.0
    return "".join(BLOCKS[int(7 * (value - values.min()) / span)] for value in values)
