"""GreedyLR (2025, arXiv:2512.14527): the rate goes up while the metric gets better, and down while it does not."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ...errors import short


class GreedyLR(ReduceLROnPlateau):
    """A schedule that is stepped with a metric, `step(loss)`: torch's ReduceLROnPlateau that also raises the rate.

    Args:
        mode: "min" if a lower metric is better, or "max".
        factor: below 1; the rate is multiplied with it, or divided by it.
        patience: so many steps in a row may be good, or bad, before the rate changes.
        threshold, threshold_mode: by how much better a metric must be, in its units ("abs") or in parts of it ("rel").
        cooldown, warmup: steps that do not count after the rate went down, or up.
        min_lr, max_lr: bounds of the rate, for all groups or for each.
        eps: a smaller change of the rate is not made.
        verbose: accepted and ignored; `get_last_lr()` says the rates.
        smooth, window_size: take the mean of the last metrics in place of each.
        reset_start: so many times at `min_lr` before all starts again from the first rate.

    Raises: ValueError for a mode or factor that means nothing, or bounds that are not one for each group.
    """

    def __init__(  # noqa: PLR0913 (the field's)
        self, optimizer: Optimizer, mode: Literal["min", "max"] = "min", factor: float = 0.95, patience: int = 10,
        threshold: float = 1e-6, threshold_mode: Literal["rel", "abs"] = "abs", cooldown: int = 0, warmup: int = 0,
        min_lr: float | Sequence[float] = 1e-3, max_lr: float | Sequence[float] = 1.0, eps: float = 1e-8,
        verbose: bool = False, smooth: bool = False, window_size: int = 50, reset_start: int = 500,
    ):  # fmt: skip
        if factor >= 1.0:
            raise ValueError(f"factor={factor} must be below 1: rates are multiplied with it to go down.")
        if mode not in ("min", "max"):
            raise ValueError(f"mode={short(mode)} is unknown; it is 'min' or 'max'.")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode={short(threshold_mode)} is unknown; it is 'rel' or 'abs'.")
        groups = len(optimizer.param_groups)
        least, most = _for_each("min_lr", min_lr, groups), _for_each("max_lr", max_lr, groups)
        super().__init__(optimizer, mode, factor, patience, threshold, threshold_mode, cooldown, least, eps)
        self.max_lrs, self.warmup, self.reset_start = most, warmup, reset_start
        self.window = window_size if smooth else 1
        self.first_lrs = self._rates()
        self._restart()

    def _restart(self) -> None:
        """As at the beginning of a run."""
        self._set(self.first_lrs)
        self.best = math.inf if self.mode == "min" else -math.inf
        self.num_good_epochs = self.num_bad_epochs = self.waiting = 0
        self.left_at_bottom = self.reset_start
        self.recent: list[float] = []

    def step(self, metrics: Any, epoch: int | None = None) -> None:
        """Take note of a metric (a number), and change the rates if it is time to."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.recent = [*self.recent, float(metrics)][-self.window :]
        metric = sum(self.recent) / len(self.recent)
        if self.waiting:
            self.waiting -= 1
            self.num_good_epochs = self.num_bad_epochs = 0
            return
        is_better = self.is_better(metric, self.best)
        self.best = metric if is_better else self.best
        self.num_good_epochs = self.num_good_epochs + 1 if is_better else 0
        self.num_bad_epochs = 0 if is_better else self.num_bad_epochs + 1
        if self.num_good_epochs > self.patience:
            self._raise()
        elif self.num_bad_epochs > self.patience:
            self._lower()

    def is_better(self, current: float, best: float) -> bool:
        """Whether a metric is better than the best so far by more than the threshold."""
        change = best - current if self.mode == "min" else current - best
        return change > self.threshold * (best if self.threshold_mode == "rel" and math.isfinite(best) else 1.0)

    def _raise(self) -> None:
        self._set([min(rate / self.factor, most) for rate, most in zip(self._rates(), self.max_lrs, strict=True)], 1)
        self.num_good_epochs, self.waiting, self.left_at_bottom = 0, self.warmup, self.reset_start

    def _lower(self) -> None:
        self._set([max(rate * self.factor, least) for rate, least in zip(self._rates(), self.min_lrs, strict=True)], -1)
        if all(rate <= least for rate, least in zip(self._rates(), self.min_lrs, strict=True)):
            self.left_at_bottom -= 1
            if self.left_at_bottom <= 0:
                self._restart()
        self.num_bad_epochs, self.waiting = 0, self.cooldown

    def _rates(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _set(self, rates: list[float], sign: int = 0) -> None:
        """New rates for the groups; with a sign only where they go up, or down, by more than `eps`."""
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            if not sign or sign * (rate - group["lr"]) > self.eps:
                group["lr"] = rate
        self._last_lr: list[float] = self._rates()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict()` of another."""
        super().load_state_dict(state_dict)
        self._set(self._last_lr)


def _for_each(name: str, bound: float | Sequence[float], groups: int) -> list[float]:
    bounds = [*bound] if isinstance(bound, Sequence) else [float(bound)] * groups
    if len(bounds) != groups:
        raise ValueError(f"{name} has {len(bounds)} numbers for {groups} groups of parameters; give one for each.")
    return bounds
