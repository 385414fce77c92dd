"""Half precision: where it pays, and refused with the reason where it does not."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from time import perf_counter
from typing import Any

import torch
import torch.nn.functional as F
from torch.optim import Optimizer

from .arguments import TrainingArguments

SLOWEST = 1.2  # times float32's time: more is refused
ANYWAY = "QKV_BF16"  # in the environment, "1": without asking the CPU


class Precision:
    """In what a run computes: float32, or products in half of it (bf16, fp16) with weights and sums in float32.

    In fp16 losses are scaled so that small gradients do not vanish, and a step whose gradients are infinite is left out
    (Micikevicius et al., 2017, arXiv:1710.03740).

    Raises: ValueError for bfloat16 on a CPU that is slower in it, or tf32 without CUDA.
    """

    def __init__(self, args: TrainingArguments, device: torch.device):
        self.device, self.skips = device, args.fp16
        self.train = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None
        self.evaluation = torch.bfloat16 if args.bf16_full_eval else torch.float16 if args.fp16_full_eval else None
        if device.type == "cpu" and (args.bf16 or args.bf16_full_eval):
            check_bf16("bf16" if args.bf16 else "bf16_full_eval")
        if args.tf32 is not None and device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
        self.scaler = torch.amp.GradScaler(device.type, enabled=args.fp16)  # which does nothing if not enabled

    def autocast(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.train is None else torch.autocast(self.device.type, self.train)

    def step(self, optimizer: Optimizer) -> bool:
        """Whether a step was made, of gradients that `scaler.unscale_` was called for."""
        before = self.scaler.get_scale()
        self.scaler.step(optimizer)
        self.scaler.update()
        return self.scaler.get_scale() >= before

    @contextmanager
    def evaluating(self, model: Any) -> Iterator[None]:
        """Within it a model computes as `bf16_full_eval` or `fp16_full_eval` say: with weights of half precision. After
        it they are what they were, bit for bit."""
        if self.evaluation is None:
            yield
            return
        weights = [(weight, weight.data) for weight in model.parameters()]
        buffers = [(part, dict(part._buffers)) for part in model.modules()]
        try:
            model.to(self.evaluation)
            with torch.autocast(self.device.type, self.evaluation):
                yield
        finally:
            for weight, data in weights:
                weight.data = data
            for part, kept in buffers:
                part._buffers.update(kept)


def check_bf16(name: str) -> None:
    """Raises: ValueError if this CPU is slower in bfloat16; without instructions for it, one is 10 times or 100."""
    if os.environ.get(ANYWAY) == "1":
        return
    factor = bf16_factor()
    if factor > SLOWEST:
        raise ValueError(
            f"{name}=True: on this CPU a layer takes {factor:.3g} times as long in bfloat16 as in float32. Leave it "
            f"out, and numbers are better, too; with {ANYWAY}=1 in the environment it is done all the same."
        )


@cache
def bf16_factor() -> float:
    """How many times as long as in float32 a layer and its gradient take on this CPU with autocast to bfloat16."""
    weight = torch.full((768, 768), 0.01, requires_grad=True)
    x = torch.full((128, 768), 0.5)

    def seconds(half: bool) -> float:
        start = perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            F.linear(x, weight).sum().backward()
        return perf_counter() - start

    rounds = [(seconds(False), seconds(True))]  # the first is of kernels that are made ready
    while len(rounds) < 6 and rounds[-1][1] < 10 * rounds[-1][0]:
        rounds.append((seconds(False), seconds(True)))
    plain, half = (min(times[1:] or times) for times in zip(*rounds, strict=True))
    return half / plain
