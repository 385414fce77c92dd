"""What a step's learning rate is multiplied with: functions of the step and of numbers that are fixed for a run.

`warmup`, `total`: steps up to the full rate, and of the run. `floor`: the part of the rate that is the least.
"""

import math
from collections.abc import Callable


def warmed(step: int, *, warmup: int, then: Callable[[int], float]) -> float:
    """From 0 up to 1 in a line, then as `then` says."""
    return step / max(1, warmup) if step < warmup else then(step)


def one(step: int) -> float:
    return 1.0


def linear(step: int, *, warmup: int, total: int) -> float:
    return max(0.0, (total - step) / max(1, total - warmup))


def wave(done: float, cycles: float, floor: float = 0.0) -> float:
    """`cycles` waves of a cosine between 1 and `floor`; half a wave is one way down."""
    wave = 0.5 * (1.0 + math.cos(math.pi * cycles * 2.0 * done))
    return max(0.0, wave * (1 - floor) + floor)


def cosine(step: int, *, warmup: int, total: int, cycles: float, floor: float = 0.0) -> float:
    return wave((step - warmup) / max(1, total - warmup), cycles, floor)


def restarts(step: int, *, warmup: int, total: int, cycles: float) -> float:
    done = (step - warmup) / max(1, total - warmup)
    return 0.0 if done >= 1.0 else max(0.0, 0.5 * (1.0 + math.cos(math.pi * ((cycles * done) % 1.0))))


def polynomial(step: int, *, warmup: int, total: int, start: float, end: float, power: float) -> float:
    if step > total:
        return end / start
    left = 1 - (step - warmup) / max(1, total - warmup)
    return ((start - end) * left**power + end) / start


def inverse_sqrt(step: int, *, warmup: int, scale: int) -> float:
    return 1.0 / math.sqrt((step + (scale - warmup)) / scale)


def raised(step: int, *, warmup: int, total: int, cycles: float, floor: float, first: float | None) -> float:
    """A cosine whose first and last steps have rates of their own: it counts steps from one."""
    if step >= warmup:
        return wave((step - warmup + 1.0) / max(1.0, total - warmup), cycles, floor)
    return (step + 1.0) / max(1, warmup) if first is None else first + (1.0 - first) * step / max(1, warmup - 1)


RISE: dict[str, Callable[[float], float]] = {
    "linear": lambda done: done,
    "cosine": lambda done: 0.5 * (1.0 - math.cos(math.pi * done)),
    "1-sqrt": lambda done: 1.0 - math.sqrt(1.0 - done),
}
FALL: dict[str, Callable[[float, float], float]] = {
    "linear": lambda done, cycles: 1.0 - done,
    "cosine": wave,
    "1-sqrt": lambda done, cycles: 1.0 - math.sqrt(done),
}


def stable(
    step: int, *, warmup: int, plateau: int, decay: int, rise: str, fall: str, floor: float, cycles: float
) -> float:  # fmt: skip
    late = step - warmup - plateau
    if step < warmup:
        factor = RISE[rise](step / max(1, warmup))
    elif late < 0:
        return 1.0
    elif late < decay:
        factor = FALL[fall](late / max(1, decay), cycles)
    else:
        return floor
    return max(0.0, factor * (1.0 - floor) + floor)
