"""AdamW (Loshchilov & Hutter, 2017, arXiv:1711.05101) in one pass over the weights of a CPU, clipping included.

A step reads and writes all weights, gradients and moments, and computes little, so what counts is how often memory is
gone through: once for the norm of the gradients, once for all else. Rows of a table of words that never had a gradient
have no moments, and stay as they are but for weight decay: of those nothing is read but the gradient.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ...backends.cpu.library import library
from ...backends.cpu.structs import Parameter, Table


class AdamW(torch.optim.AdamW):
    """torch's fused one, with its state, and its numbers but for the last digit.

    What the native library cannot do (other devices and dtypes, amsgrad, weights in parts, a scaler of losses) is
    torch's own step.
    """

    _factor = 1.0  # what the next step multiplies gradients with
    _seen: list[tuple[int, int]] | None = None  # the gradients that `clip` went through

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._known: dict[Tensor, tuple[Any, Tensor]] = {}  # which rows of a weight have moments, and of which moments

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._known = {}

    def clip(self, max_norm: float) -> float:
        """The norm of all gradients. The next step takes them shortened to `max_norm`; what `grad` holds stays."""
        weights, table, native = self._weights(), self._table(), library()
        if native is None or table is None:
            return float(nn.utils.clip_grad_norm_(weights, max_norm))
        norm = math.sqrt(native.qkv_squares(table.address, len(table.array)))
        self._seen = _marks(weight.grad for weight in weights)
        self._factor = min(1.0, max_norm / (norm + 1e-6))
        return norm

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Change all weights that have a gradient. `closure`: computes the loss anew, which is returned."""
        factor, seen, self._factor, self._seen = self._factor, self._seen, 1.0, None
        scaled = getattr(self, "found_inf", None) is not None  # a scaler has said whether to step at all
        weights, table, native = self._weights(), None if closure or scaled else self._table(), library()
        if native is None or table is None:
            for weight in weights if factor != 1 else ():
                weight.grad.mul_(factor)  # pyright: ignore
            return super().step(closure)
        if seen != _marks(weight.grad for weight in weights):  # rows may have a gradient that had none
            native.qkv_squares(table.address, len(table.array))
        native.qkv_adamw(table.address, len(table.array), factor)
        torch.autograd.graph.increment_version([x for weight in weights for x in (weight, *self._moments(weight))])
        for weight in weights:
            self.state[weight]["step"] += 1
            self._known[weight] = _marks(self._moments(weight)), self._known[weight][1]
        return None

    def _weights(self) -> list[Tensor]:
        return [weight for group in self.param_groups for weight in group["params"] if weight.grad is not None]

    def _table(self) -> Table | None:
        """All weights that have a gradient, and the numbers of the next step; None if torch is to make it."""
        native, entries = library(), []
        if native is None:
            return None
        for group in self.param_groups:
            if group["amsgrad"] or group["maximize"] or isinstance(group["lr"], Tensor) or not group["eps"] > 0:
                return None
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                if not all(map(_plain, (weight, weight.grad))):
                    return None
                entries.append(self._entry(weight, weight.grad, group))
        native.qkv_threads(torch.get_num_threads())
        return Table(Parameter, entries)

    def _entry(self, weight: Tensor, grad: Tensor, group: dict[str, Any]) -> Parameter:
        mean, square = self._moments(weight)
        rows = len(weight) if weight.dim() > 1 else 1
        step, (beta1, beta2) = float(self.state[weight]["step"]) + 1, group["betas"]
        return Parameter(
            weight=weight.data_ptr(), grad=grad.data_ptr(), mean=mean.data_ptr(), square=square.data_ptr(),
            live=self._live(weight, rows).data_ptr(), rows=rows, width=weight.numel() // max(rows, 1),
            mean_part=1 - beta1, beta2=beta2, square_part=1 - beta2, epsilon=group["eps"],
            keep=1 - group["lr"] * group["weight_decay"], rate=group["lr"] / (1 - beta1**step),
            correction=math.sqrt(1 - beta2**step),
        )  # fmt: skip

    def _moments(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        state = self.state[weight]
        if not state:  # as torch begins
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        return state["exp_avg"], state["exp_avg_sq"]

    def _live(self, weight: Tensor, rows: int) -> Tensor:
        """Which rows have moments (rows,), from them where they are not those that the last step left."""
        moments = self._moments(weight)
        marks, (known, live) = _marks(moments), self._known.get(weight, (None, None))
        if live is None or known != marks:
            found = [moment.reshape(max(rows, 1), -1).any(dim=1) for moment in moments]
            live = (found[0] | found[1]).to(torch.uint8)
            self._known[weight] = marks, live
        return live


def _plain(x: Tensor) -> bool:
    dense = x.layout == torch.strided and x.is_contiguous()
    return dense and type(x) in (Tensor, nn.Parameter) and x.dtype == torch.float32 and x.device.type == "cpu"


def _marks(tensors: Any) -> list[tuple[int, int]]:
    """What is another if one of these tensors is, or has been changed."""
    return [(x.data_ptr(), x._version) for x in tensors]
