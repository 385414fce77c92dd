"""Recomputation (Chen et al., 2016, arXiv:1604.06174): of a block only its input is kept, and the rest computed again
when gradients are wanted. Memory for states of one block instead of all, for a forward pass more.

Generators are put back for the second time, so dropout is the same, and losses and gradients are, bit for bit.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import nearest, short
from .layer_cache import LayerCache
from .observe import wanted

KINDS = ("attentions", "cross_attentions")  # what is noted within a block
_OPTIONS = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug", "early_stop")


def run(block: nn.Module, options: Mapping[str, Any], *given: Any) -> Any:
    """block(*given), computed again for its gradients if it trains.

    Not so where it leaves more than its result: keys in a cache, or notes of attention.

    Args:
        options: of torch.utils.checkpoint.
    """
    leaves = any(map(wanted, KINDS)) or any(isinstance(part, LayerCache) for part in given)
    if leaves or not block.training or not torch.is_grad_enabled():
        return block(*given)
    return checkpoint(block, *given, **options)


def check_options(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Options for `run`. Raises: ValueError for one that torch.utils.checkpoint does not have.

    `use_reentrant` may be said and changes nothing: the other way, which also serves frozen inputs, is always taken.
    """
    for name in given or {}:
        if name not in _OPTIONS:
            raise ValueError(
                f"gradient_checkpointing_kwargs has no {short(name)}; the nearest are {nearest(name, _OPTIONS)}."
            )
    return {**(given or {}), "use_reentrant": False}
