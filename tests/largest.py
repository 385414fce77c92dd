"""How large the tensors are that a computation makes."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Largest(TorchDispatchMode):
    """The largest tensor that is made within it, and how often two of a tensor's dimensions are as long as the text."""

    def __init__(self, length):
        super().__init__()
        self.length, self.numbers, self.squares = length, 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, tuple | list) else (out,):
            if isinstance(one, torch.Tensor):
                self.numbers = max(self.numbers, one.numel())
                self.squares += sum(size >= self.length for size in one.shape) > 1
        return out
