"""Adafactor (Shazeer & Stern, 2018, arXiv:1804.04235): Adam whose second moments of a matrix are a row and a column."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from .factors import one

HALF = (torch.float16, torch.bfloat16)


class Adafactor(Optimizer):
    """The numbers are the reference's, where weights have its shapes; fused ones (GPT-2's c_attn) are three here.

    Args:
        lr: the rate; None with `relative_step`.
        eps: added to squared gradients; the least size of a weight that the rate is scaled by.
        clip_threshold: the largest root mean square of an update, before the rate.
        decay_rate: second moments are averaged with 1 - step ** decay_rate.
        beta1: of the mean of updates; None keeps none, and no memory.
        weight_decay: the part of a weight, times the rate, that it loses in a step.
        scale_parameter: multiply the rate with the root mean square of the weight.
        relative_step: the rate is 1 / sqrt(step), 0.01 at most; with `warmup_init` it goes up to that from 1e-6.

    Raises: ValueError for `lr` with `relative_step`, or `warmup_init` without it.
    """

    def __init__(  # noqa: PLR0913 (the field's)
        self, params: Iterable[Any], lr: float | None = None, eps: tuple[float, float] = (1e-30, 1e-3),
        clip_threshold: float = 1.0, decay_rate: float = -0.8, beta1: float | None = None, weight_decay: float = 0.0,
        scale_parameter: bool = True, relative_step: bool = True, warmup_init: bool = False,
    ):  # fmt: skip
        if lr is not None and relative_step:
            raise ValueError(f"lr={lr} and relative_step=True exclude each other; say relative_step=False to use lr.")
        if warmup_init and not relative_step:
            raise ValueError("warmup_init=True is of relative_step=True; use a schedule with warmup in its place.")
        numbers = {"lr": lr, "eps": eps, "clip_threshold": clip_threshold, "decay_rate": decay_rate, "beta1": beta1}
        numbers |= {"weight_decay": weight_decay, "scale_parameter": scale_parameter}
        super().__init__(params, numbers | {"relative_step": relative_step, "warmup_init": warmup_init})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Change all weights that have a gradient. `closure`: computes the loss anew, which is returned."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)
        return loss

    def _update(self, weight: Tensor, group: dict[str, Any]) -> None:
        if weight.grad is None or weight.grad.is_sparse:
            raise RuntimeError("Adafactor takes no sparse gradients; build the embedding with sparse=False.")
        grad = weight.grad.float() if weight.grad.dtype in HALF else weight.grad
        exact = weight.float() if weight.dtype in HALF else weight
        state = self.state[weight]
        if not state:
            state |= _fresh(grad, group["beta1"] is not None)
        state["step"] += 1
        state["RMS"] = _size(exact)
        rate = current_rate(group, state)

        keep = 1.0 - math.pow(state["step"], group["decay_rate"])
        update = _direction(grad, state, keep, group["eps"][0])
        update.div_((_size(update) / group["clip_threshold"]).clamp_(min=1.0)).mul_(rate)
        if group["beta1"] is not None:
            update = state["exp_avg"].mul_(group["beta1"]).add_(update, alpha=1 - group["beta1"])
        if group["weight_decay"]:
            exact.add_(exact, alpha=-group["weight_decay"] * float(rate))
        exact.sub_(update)
        if exact is not weight:
            weight.copy_(exact)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict()` of another. Moments of weights in half precision stay in float32."""
        super().load_state_dict(state_dict)
        numbers = (i for group in state_dict["param_groups"] for i in group["params"])
        weights = (weight for group in self.param_groups for weight in group["params"])
        for i, weight in zip(numbers, weights, strict=True):
            for name, value in state_dict["state"].get(i, {}).items():
                if isinstance(value, Tensor):
                    self.state[weight][name] = value.to(weight.device, copy=True)


def current_rate(group: dict[str, Any], state: dict[str, Any]) -> Any:
    """What a weight's update is multiplied with at this step."""
    rate = group["lr"]
    if group["relative_step"]:
        most = 1e-6 * state["step"] if group["warmup_init"] else 1e-2
        rate = min(most, 1.0 / math.sqrt(state["step"]))
    return max(group["eps"][1], state["RMS"]) * rate if group["scale_parameter"] else rate


def _fresh(grad: Tensor, has_mean: bool) -> dict[str, Any]:
    state: dict[str, Any] = {"step": 0, "RMS": grad.new_zeros(())}
    if has_mean:
        state["exp_avg"] = torch.zeros_like(grad)
    if grad.dim() < 2:
        return state | {"exp_avg_sq": torch.zeros_like(grad)}
    column = grad.shape[:-2] + grad.shape[-1:]
    return state | {"exp_avg_sq_row": grad.new_zeros(grad.shape[:-1]), "exp_avg_sq_col": grad.new_zeros(column)}


def _direction(grad: Tensor, state: dict[str, Any], keep: float, eps: float) -> Tensor:
    """The gradient over the root of its second moment, of which rows and columns are kept if it is a matrix."""
    square = grad**2 + eps
    if grad.dim() < 2:
        return state["exp_avg_sq"].mul_(keep).add_(square, alpha=1.0 - keep).rsqrt().mul_(grad)
    row = state["exp_avg_sq_row"].mul_(keep).add_(square.mean(dim=-1), alpha=1.0 - keep)
    col = state["exp_avg_sq_col"].mul_(keep).add_(square.mean(dim=-2), alpha=1.0 - keep)
    relative = (row / row.mean(dim=-1, keepdim=True)).rsqrt_()
    return (relative[..., None] * col[..., None, :].rsqrt()).mul_(grad)


def _size(x: Tensor) -> Tensor:
    """Root mean square: (...) -> ()"""
    return x.norm(2) / x.numel() ** 0.5


class AdafactorSchedule(LambdaLR):
    """Tells the rates that an Adafactor with `relative_step` chooses by itself; `initial_lr` before its first step."""

    optimizer: Adafactor

    def __init__(self, optimizer: Adafactor, initial_lr: float = 0.0):
        for group in optimizer.param_groups:
            group["initial_lr"] = initial_lr
        super().__init__(optimizer, one)
        for group in optimizer.param_groups:
            del group["initial_lr"]

    def get_lr(self) -> list[Any]:
        firsts = [(group, group["params"][0]) for group in self.optimizer.param_groups if group["params"]]
        states = [(group, self.optimizer.state[weight]) for group, weight in firsts if weight.grad is not None]
        return [float(current_rate(group, state)) for group, state in states if state] or self.base_lrs


def get_adafactor_schedule(optimizer: Adafactor, initial_lr: float = 0.0) -> AdafactorSchedule:
    """An AdafactorSchedule of the optimiser."""
    return AdafactorSchedule(optimizer, initial_lr)
