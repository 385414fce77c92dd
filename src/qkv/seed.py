"""One seed for everything that draws."""

import os
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


def enable_full_determinism(seed: int, warn_only: bool = False) -> None:
    """Seed everything, and make torch refuse operations whose result is not the same each time, or warn of them."""
    import torch

    set_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # or CUDA's products are refused
    torch.use_deterministic_algorithms(True, warn_only=warn_only)
