"""Lion (Chen et al., 2023, arXiv:2302.06675): the sign of a mean of gradients. Half of Adam's memory."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class Lion(Optimizer):
    """A step has the same size in all numbers, so a rate of a third to a tenth of Adam's fits.

    Args:
        lr: the rate.
        betas: of the mean that gives the step's sign, and of the mean that is kept.
        weight_decay: the part of a weight, times the rate, that it loses in a step.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ):  # fmt: skip
        if lr < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"Lion takes lr >= 0 and betas in [0, 1), not lr={lr}, betas={tuple(betas)}.")
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Change all weights that have a gradient. `closure`: computes the loss anew, which is returned."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state, (now, later) = self.state[weight], group["betas"]
                if not state:
                    state["exp_avg"] = torch.zeros_like(weight)
                mean = state["exp_avg"]
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(mean.lerp(weight.grad, 1 - now).sign_(), alpha=group["lr"])
                mean.lerp_(weight.grad, 1 - later)
        return loss
