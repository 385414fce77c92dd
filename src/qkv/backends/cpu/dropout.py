"""Dropout by the native library: one pass, on all threads, and nothing is kept of it but a number.

torch draws for each number in turn, on one thread, and keeps a mask. Here one key is drawn from torch's generator, and
what is dropped follows from it and from a number's place, so that it is known again on the way back.
"""

from typing import Any

import torch
from torch import Tensor

from ...layers.dropout import Dropout
from .library import library


class _Dropped(torch.autograd.Function):
    """x with a part p of zeros, of which `key` says where they are."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, key: int) -> Tensor:
        ctx.p, ctx.key = p, key
        x, native = x.contiguous(), library()
        if native is None:
            raise RuntimeError("dropout began with the native library, which is not there any more.")
        y, limit = torch.empty_like(x), round((1 - p) * 2**32)
        native.qkv_threads(torch.get_num_threads())
        native.qkv_dropout(x.data_ptr(), y.data_ptr(), x.numel(), key, limit, 2**32 / limit)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return _Dropped.apply(grads[0], ctx.p, ctx.key), None, None


def run(x: Tensor, p: float) -> Tensor | None:
    """x with a part p of zeros; None if the native library cannot do it."""
    if not 0 < p < 1 or torch.compiler.is_compiling() or x.dtype != torch.float32 or x.device.type != "cpu":
        return None
    if library() is None or not in_memory(x):
        return None
    return _Dropped.apply(x, p, int(torch.randint(2**63 - 1, ())))


def in_memory(x: Tensor) -> bool:
    """Whether a tensor is one of numbers, not one that a transformation or a tracer stands behind."""
    try:
        return type(x) is Tensor and x.data_ptr() != 0
    except RuntimeError:
        return False


Dropout.engine = staticmethod(run)
