"""Muon (Jordan et al., 2024, kellerjordan.github.io/posts/muon): momentum of a matrix, made orthogonal.

It is for the matrices inside of blocks. Embeddings, heads, norms and biases are given to AdamW, in the same optimiser.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5, chosen so that small singular values grow fast


class Muon(AdamW):
    """Groups with {"muon": True} hold matrices that Muon changes; AdamW changes the others.

    Args:
        lr, weight_decay: of all groups.
        momentum, nesterov: of the gradients of matrices.
        ns_steps: of the iteration that makes singular values about one.
        adjust_lr_fn: "match_rms_adamw" scales updates to the size of AdamW's, so that its rates fit (Liu et al., 2025,
            arXiv:2502.16982); "original" by the root of rows / columns, for rates about 0.02.
        betas, eps, fused: of AdamW.

    Raises: ValueError for a weight in a group of Muon's that is no matrix, or an unknown `adjust_lr_fn`.
    """

    def __init__(  # noqa: PLR0913 (of Muon and of AdamW)
        self, params: Iterable[Any], lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95,
        nesterov: bool = True, ns_steps: int = 5, adjust_lr_fn: str = "match_rms_adamw",
        betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, fused: bool | None = None,
    ):  # fmt: skip
        if adjust_lr_fn not in ("match_rms_adamw", "original"):
            raise ValueError(f"adjust_lr_fn={adjust_lr_fn!r} is unknown; it is 'match_rms_adamw' or 'original'.")
        super().__init__(params, lr, betas, eps, weight_decay, fused=fused)
        own = {"muon": False, "momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps}
        own["adjust_lr_fn"] = adjust_lr_fn
        self.defaults |= own
        for group in self.param_groups:
            for name, value in own.items():
                group.setdefault(name, value)
            bad = [tuple(weight.shape) for weight in group["params"] if group["muon"] and weight.dim() != 2]
            if bad:
                raise ValueError(
                    f'a group with {{"muon": True}} holds a weight of shape {bad[0]}; Muon takes matrices.'
                )
        self._step_supports_amp_scaling = False  # which AdamW's fused step does, and a matrix's does not

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Change all weights that have a gradient. `closure`: computes the loss anew, which is returned."""
        groups = self.param_groups
        try:
            self.param_groups = [group for group in groups if not group["muon"]]
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            for weight in group["params"] if group["muon"] else ():
                if weight.grad is not None:
                    self._turn(weight, group)
        return loss

    def _turn(self, weight: Tensor, group: dict[str, Any]) -> None:
        state, grad, momentum = self.state[weight], weight.grad, group["momentum"]
        if grad is None:
            return
        if not state:
            state["step"] = torch.zeros(())  # AdamW, which restores the state, expects one of each weight
            state["momentum_buffer"] = torch.zeros_like(grad)
        state["step"] += 1
        mean = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        update = orthogonal(grad.lerp(mean, momentum) if group["nesterov"] else mean, group["ns_steps"])
        rows, columns = weight.shape
        wide = group["adjust_lr_fn"] == "match_rms_adamw"
        size = 0.2 * math.sqrt(max(rows, columns)) if wide else math.sqrt(max(1, rows / columns))
        weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update.to(weight.dtype), alpha=group["lr"] * size)


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrix whose singular values are about one, in 0.5 to 1.5: (R,C) -> (R,C)

    In bfloat16 on an accelerator, where that is fast; in float32 on a CPU, where that is.
    """
    x = matrix.float() if matrix.device.type == "cpu" else matrix.bfloat16()
    x = x / x.norm().clamp(min=1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    a, b, c = NEWTON_SCHULZ
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
