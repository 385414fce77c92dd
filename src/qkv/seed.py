"""One seed for everything that draws."""

import random


def set_seed(seed: int, deterministic: bool = False) -> None:
    """Seed Python, numpy and torch, on all devices.

    Args:
        deterministic: also make torch refuse operations whose result is not reproducible.
    """
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if deterministic:
        torch.use_deterministic_algorithms(True)
