"""Linear layers: y = x Wᵀ + b."""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn


class Linear(nn.Linear):
    """torch's, but that a backend may compute it, and its gradients. x (…,K) -> (…,N)

    `engine`, if a backend sets it, is asked first: (x, weight, bias) -> y, or None for what it does not do.
    """

    engine: ClassVar[Callable[[Tensor, Tensor, Tensor | None], Tensor | None] | None] = None

    def forward(self, input: Tensor) -> Tensor:
        found = None if Linear.engine is None else Linear.engine(input, self.weight, self.bias)
        return super().forward(input) if found is None else found


def is_linear(module: object) -> bool:
    """Whether a module is a linear layer and no more than that: not one that has adapters, or is a part of one."""
    return type(module) in (Linear, nn.Linear)
