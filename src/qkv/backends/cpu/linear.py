"""Linear layers by the native library, and their gradients: on AVX-512 twice as fast as torch, on AVX2 a sixth faster.

A sum of products does not depend on how many threads there are, so neither do the weights that are learned.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ...layers.linear import Linear
from .dropout import in_memory
from .library import Matrix, library

WORTH = 1 << 19  # multiplications that are worth a call


class _Linear(torch.autograd.Function):
    """x (…,K), weight (N,K), bias (N,) or None -> (…,N)"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        multiply = torch.matmul if torch.is_grad_enabled() else product  # for gradients of gradients
        grad, rows = grads[0].reshape(-1, weight.shape[0]), x.reshape(-1, weight.shape[1])  # (M,N), (M,K)
        turned = grad.t().contiguous() if of_weight or of_bias else grad  # (N,M), whose sums are along memory
        return (
            multiply(grad, weight).view_as(x) if of_x else None,
            multiply(turned, rows) if of_weight else None,
            turned.sum(dim=1) if of_bias else None,
        )


def run(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
    """x (…,K) times weight (N,K) and bias; None for what is torch's: little work, other dtypes and devices, tracing."""
    if torch.compiler.is_compiling() or torch._C._is_tracing() or torch.is_autocast_enabled("cpu"):
        return None  # before the library is asked for, which no graph holds
    native = library()
    if native is None or x.numel() * weight.shape[0] < WORTH or x.shape[-1] != weight.shape[1]:
        return None
    if not all(one is None or _plain(one) for one in (x, weight, bias)) or native.qkv_isa() == b"scalar":
        return None
    if not weight.is_contiguous() or (bias is not None and not bias.is_contiguous()):  # as a product reads them
        return None
    if forward_ad._current_level >= 0:  # numbers that carry their gradients along
        return None
    return (_Linear.apply if torch.is_grad_enabled() else linear)(x.contiguous(), weight, bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """What `run` does, of dense tensors. Raises: MemoryError."""
    native, (n, k) = _library(), weight.shape
    y = x.new_empty(*x.shape[:-1], n)
    matrix = Matrix(0, n, k, 0, weight.data_ptr(), None, None if bias is None else bias.data_ptr())
    if native.qkv_linear(matrix, x.data_ptr(), y.data_ptr(), x.numel() // k) != 0:
        raise MemoryError(f"not enough memory for a product of {tuple(x.shape)} and {tuple(weight.shape)}.")
    return y


def product(x: Tensor, w: Tensor) -> Tensor:
    """x (M,K) times w (K,N) -> (M,N)"""
    x, w = x.contiguous(), w.contiguous()
    y = x.new_empty(x.shape[0], w.shape[1])
    _library().qkv_product(x.data_ptr(), w.data_ptr(), y.data_ptr(), *x.shape, w.shape[1])
    return y


def _library() -> Any:
    native = library()
    if native is None:
        raise RuntimeError("a product began with the native library, which is not there any more.")
    native.qkv_threads(torch.get_num_threads())
    return native


def _plain(x: Tensor) -> bool:
    """Whether x is float32 numbers in the memory of the CPU."""
    held = x.data if isinstance(x, torch.nn.Parameter) else x
    return x.dtype == torch.float32 and x.device.type == "cpu" and x.layout == torch.strided and in_memory(held)


Linear.engine = staticmethod(run)
