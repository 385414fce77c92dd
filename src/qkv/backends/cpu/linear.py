"""Single layers by the native library, where that is faster than torch: few rows of a large matrix."""

from typing import Any

import torch
from torch import Tensor, nn

from .library import library
from .program import Unsupported, matrix_of

ROWS = 32  # at most; torch is as fast on more


def linear(module: Any, x: Tensor) -> Tensor:
    """module(x) of a linear layer: x (…,K) -> (…,N)."""
    native = library() if type(module) is nn.Linear and not torch.is_grad_enabled() else None
    count = x.numel() // max(module.in_features, 1)
    if native is None or type(x) is not Tensor or x.dtype != torch.float32 or not 0 < count <= ROWS:
        return module(x)
    if x.device.type != "cpu" or torch.compiler.is_compiling() or x.shape[-1] != module.in_features:
        return module(x)
    try:
        matrix = matrix_of(module)
    except Unsupported:
        return module(x)
    native.qkv_threads(torch.get_num_threads())
    x = x.contiguous()
    y = x.new_empty(*x.shape[:-1], module.out_features)
    return y if native.qkv_linear(matrix, x.data_ptr(), y.data_ptr(), count) == 0 else module(x)
