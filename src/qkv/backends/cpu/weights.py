"""Modules as the native library takes them: where weights lie, and whether a module is no more than its class says."""

from typing import Any

import torch
from torch import Tensor, nn

from ...layers.linear import is_linear
from ...layers.mlp import QuickGELU, SquaredReLU
from ..quantized import QuantizedLinear
from . import structs
from .library import Matrix

ACTS: dict[type[nn.Module], str] = {
    nn.Identity: "none", nn.SiLU: "silu", nn.ReLU: "relu", QuickGELU: "quick_gelu", SquaredReLU: "relu2",
    nn.Tanh: "tanh", nn.Sigmoid: "sigmoid",
}  # fmt: skip


class Unsupported(Exception):
    """A stack that the native library does not run."""


def plain(module: nn.Module) -> None:
    """Raises Unsupported if a module does more than its class says, or is being trained."""
    if module.training or module._forward_hooks or module._forward_pre_hooks or "forward" in module.__dict__:
        raise Unsupported("training, or hooks")
    if "switch" in module.__dict__:
        raise Unsupported("adapters")


def act_of(module: nn.Module) -> int:
    plain(module)
    name = ACTS.get(type(module))
    if type(module) is nn.GELU:
        name = "gelu_tanh" if module.approximate == "tanh" else "gelu"
    if name is None:
        raise Unsupported(f"an activation of {type(module).__name__}")
    return structs.ACTIVATIONS.index(name)


def pointer(tensor: Tensor | None) -> int | None:
    """Where a dense float32 tensor of the CPU begins. Raises Unsupported for another."""
    if tensor is None:
        return None
    if type(tensor) not in (Tensor, nn.Parameter) or tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        raise Unsupported(f"weights of {tensor.dtype} on {tensor.device}")
    if not tensor.is_contiguous():
        raise Unsupported("weights that are not dense")
    return tensor.data_ptr()


def matrix_of(module: Any) -> Matrix:
    plain(module)
    if type(module) is QuantizedLinear and module.packed is not None and module.packed.device.type == "cpu":
        return module.matrix()
    if not is_linear(module):
        raise Unsupported(f"a layer of {type(module).__name__}")
    return Matrix(0, module.out_features, module.in_features, 0, pointer(module.weight), None, pointer(module.bias))
