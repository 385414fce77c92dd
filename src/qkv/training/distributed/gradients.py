"""Gradients summed over processes, sent in buckets while the rest of the backward pass is computed (Li et al., 2020,
arXiv:2006.15704).

Sums, not means: a step's losses are divided by the items of all processes already. A parameter that no process used
keeps no gradient, so that an optimiser leaves it alone as it would in one process.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class Gradients:
    """The gradients of some parameters.

    Args:
        parameters: the same in all processes, in the same order.
        group: of processes, all if None.
        bucket_bytes: what is sent at once; at least one parameter.
    """

    def __init__(self, parameters: Sequence[Tensor], group: Any, bucket_bytes: int):
        self.parameters, self.group = list(parameters), group
        self.buckets = _buckets(self.parameters, bucket_bytes)
        self._place = {id(one): i for i, bucket in enumerate(self.buckets) for one in bucket}
        self._sent: list[tuple[Any, Tensor]] = []
        self._missing: list[set[int]] = []  # what each bucket still waits for, while gradients are being summed
        hooked = [one for one in self.parameters if one.requires_grad]
        self._hooks = [one.register_post_accumulate_grad_hook(self._ready) for one in hooked]

    def are_of(self, parameters: Sequence[Tensor]) -> bool:
        """Whether these are its parameters, and are trained as they were."""
        hooked = sum(one.requires_grad for one in parameters)
        return len(self._hooks) == hooked and list(map(id, parameters)) == list(map(id, self.parameters))

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    @contextmanager
    def summed(self) -> Iterator[None]:
        """After a backward pass within it, `grad` of each parameter is the sum over all processes."""
        self._sent, self._missing = [], [set(map(id, bucket)) for bucket in self.buckets]
        try:
            yield
            while len(self._sent) < len(self.buckets):
                self._send()
            for (work, flat), bucket in zip(self._sent, self.buckets, strict=True):
                work.wait()
                _give(flat, bucket)
        finally:
            self._sent, self._missing = [], []

    def _ready(self, parameter: Tensor) -> None:
        if not self._missing:
            return  # a batch before the last of a step
        self._missing[self._place[id(parameter)]].discard(id(parameter))
        # In the order of the buckets, so that all processes send the same one at a time.
        while len(self._sent) < len(self.buckets) and not self._missing[len(self._sent)]:
            self._send()

    def _send(self) -> None:
        bucket = self.buckets[len(self._sent)]
        used = torch.tensor([one.grad is not None for one in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in bucket]
        flat = torch.cat([*(part.reshape(-1) for part in parts), used])
        self._sent.append((dist.all_reduce(flat, group=self.group, async_op=True), flat))
        for one in bucket:
            one.grad = None  # in `flat` now


def _give(flat: Tensor, bucket: list[Tensor]) -> None:
    """The sums, to the parameters that any process used."""
    *parts, used = flat.split([*(one.numel() for one in bucket), len(bucket)])
    for one, part, count in zip(bucket, parts, used.tolist(), strict=True):
        one.grad = part.view(one.shape) if count else None


def _buckets(parameters: list[Tensor], bucket_bytes: int) -> list[list[Tensor]]:
    """Parameters as backward reaches them, last first, cut where a bucket is full or the dtype changes."""
    buckets: list[list[Tensor]] = []
    size = 0
    for one in reversed(parameters):
        kind, needed = (one.dtype, one.device), one.numel() * one.element_size()
        if buckets and kind == (buckets[-1][0].dtype, buckets[-1][0].device) and size + needed <= bucket_bytes:
            buckets[-1].append(one)
            size += needed
        else:
            buckets.append([one])
            size = needed
    return buckets
