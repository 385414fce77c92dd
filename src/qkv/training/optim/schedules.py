"""Learning rates over the steps of a run, as factors of the optimiser's own rate. The numbers are those of the field.

A schedule is torch's LambdaLR of a function without state, so that a run is resumed from `last_epoch` alone.
"""

import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from ...errors import nearest, short
from . import factors
from .greedy import GreedyLR


class SchedulerType(str, Enum):
    """The values of `lr_scheduler_type`."""

    LINEAR = "linear"
    COSINE = "cosine"
    COSINE_WITH_RESTARTS = "cosine_with_restarts"
    POLYNOMIAL = "polynomial"
    CONSTANT = "constant"
    CONSTANT_WITH_WARMUP = "constant_with_warmup"
    INVERSE_SQRT = "inverse_sqrt"
    REDUCE_ON_PLATEAU = "reduce_lr_on_plateau"
    COSINE_WITH_MIN_LR = "cosine_with_min_lr"
    COSINE_WARMUP_WITH_MIN_LR = "cosine_warmup_with_min_lr"
    WARMUP_STABLE_DECAY = "warmup_stable_decay"
    GREEDY = "greedy"


def _schedule(
    optimizer: Optimizer, last_epoch: int, then: Callable[..., float], warmup: int, **numbers: Any
) -> LambdaLR:
    rest = then if then is factors.one else partial(then, warmup=warmup, **numbers)
    return LambdaLR(optimizer, partial(factors.warmed, warmup=warmup, then=rest), last_epoch)


def _floor(optimizer: Optimizer, min_lr: float | None, min_lr_rate: float | None) -> float:
    if (min_lr is None) == (min_lr_rate is None):
        raise ValueError(
            f"one of min_lr and min_lr_rate is needed, not {'both' if min_lr is not None else 'none'}: "
            'lr_scheduler_kwargs={"min_lr_rate": 0.1} ends at a tenth of the learning rate.'
        )
    return min_lr / optimizer.defaults["lr"] if min_lr is not None else min_lr_rate  # type: ignore[return-value]


def get_constant_schedule(optimizer: Optimizer, last_epoch: int = -1) -> LambdaLR:
    """The optimiser's own rate throughout."""
    return LambdaLR(optimizer, factors.one, last_epoch)


def get_constant_schedule_with_warmup(optimizer: Optimizer, num_warmup_steps: int, last_epoch: int = -1) -> LambdaLR:
    """Up to the optimiser's rate in `num_warmup_steps`, and there."""
    return _schedule(optimizer, last_epoch, factors.one, num_warmup_steps)


def get_linear_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, last_epoch: int = -1
) -> LambdaLR:
    """Up to the optimiser's rate in `num_warmup_steps`, then in a line to 0 at `num_training_steps`."""
    return _schedule(optimizer, last_epoch, factors.linear, num_warmup_steps, total=num_training_steps)


def get_cosine_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5, last_epoch: int = -1
) -> LambdaLR:
    """Down to 0 along a cosine (Loshchilov & Hutter, 2016, arXiv:1608.03983); `num_cycles` waves of it."""
    return _schedule(
        optimizer, last_epoch, factors.cosine, num_warmup_steps, total=num_training_steps, cycles=num_cycles
    )


def get_cosine_with_hard_restarts_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, num_cycles: int = 1, last_epoch: int = -1
) -> LambdaLR:
    """`num_cycles` times down to 0 along a cosine, each time from the full rate (arXiv:1608.03983)."""
    return _schedule(
        optimizer, last_epoch, factors.restarts, num_warmup_steps, total=num_training_steps, cycles=num_cycles
    )


def get_polynomial_decay_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, lr_end: float = 1e-7, power: float = 1.0,
    last_epoch: int = -1,
) -> LambdaLR:  # fmt: skip
    """Down to the rate `lr_end` with what is left of the run to the power of `power`."""
    start = optimizer.defaults["lr"]
    if not start > lr_end:
        raise ValueError(f"lr_end={lr_end} must be below the learning rate, {start}.")
    numbers = {"total": num_training_steps, "start": start, "end": lr_end, "power": power}
    return _schedule(optimizer, last_epoch, factors.polynomial, num_warmup_steps, **numbers)


def get_inverse_sqrt_schedule(
    optimizer: Optimizer, num_warmup_steps: int, timescale: int | None = None, last_epoch: int = -1
) -> LambdaLR:
    """With one over the root of the step (Zhai et al., 2021, arXiv:2106.04560); `timescale`: the warmup, or 10 000."""
    scale = timescale if timescale is not None else num_warmup_steps or 10_000
    return _schedule(optimizer, last_epoch, factors.inverse_sqrt, num_warmup_steps, scale=scale)


def get_cosine_with_min_lr_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5,
    last_epoch: int = -1, min_lr: float | None = None, min_lr_rate: float | None = None,
) -> LambdaLR:  # fmt: skip
    """Down along a cosine to the rate `min_lr`, or to the part `min_lr_rate` of the full one."""
    numbers = {"total": num_training_steps, "cycles": num_cycles, "floor": _floor(optimizer, min_lr, min_lr_rate)}
    return _schedule(optimizer, last_epoch, factors.cosine, num_warmup_steps, **numbers)


def get_cosine_with_min_lr_schedule_with_warmup_lr_rate(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5,
    last_epoch: int = -1, min_lr: float | None = None, min_lr_rate: float | None = None,
    warmup_lr_rate: float | None = None,
) -> LambdaLR:  # fmt: skip
    """The same, from the part `warmup_lr_rate` of the rate (1 / `num_warmup_steps` if None), so no step has rate 0."""
    numbers = {"warmup": num_warmup_steps, "total": num_training_steps, "cycles": num_cycles, "first": warmup_lr_rate}
    return LambdaLR(
        optimizer, partial(factors.raised, floor=_floor(optimizer, min_lr, min_lr_rate), **numbers), last_epoch
    )


def get_wsd_schedule(  # noqa: PLR0913 (three phases and their shapes)
    optimizer: Optimizer, num_warmup_steps: int, num_decay_steps: int, num_training_steps: int | None = None,
    num_stable_steps: int | None = None, warmup_type: str = "linear", decay_type: str = "cosine",
    min_lr_ratio: float = 0, num_cycles: float = 0.5, last_epoch: int = -1,
) -> LambdaLR:  # fmt: skip
    """Up, along, and down in `num_decay_steps` (Hu et al., 2024, arXiv:2404.06395).

    Args:
        num_stable_steps: at the full rate; what the other two leave of `num_training_steps` if None.
        warmup_type, decay_type: "linear", "cosine" or "1-sqrt".
        min_lr_ratio: the part of the full rate that it starts from and ends at.
    """
    for name, given in (("warmup_type", warmup_type), ("decay_type", decay_type)):
        if given not in factors.RISE:
            raise ValueError(f"{name}={short(given)} is unknown; it is one of {', '.join(map(repr, factors.RISE))}.")
    if num_stable_steps is None:
        if num_training_steps is None:
            raise ValueError("warmup_stable_decay needs num_stable_steps, or num_training_steps to find them from.")
        num_stable_steps = num_training_steps - num_warmup_steps - num_decay_steps
    numbers = {"warmup": num_warmup_steps, "plateau": num_stable_steps, "decay": num_decay_steps, "cycles": num_cycles}
    return LambdaLR(
        optimizer, partial(factors.stable, rise=warmup_type, fall=decay_type, floor=min_lr_ratio, **numbers), last_epoch
    )


def get_reduce_on_plateau_schedule(optimizer: Optimizer, **kwargs: Any) -> ReduceLROnPlateau:
    """torch's ReduceLROnPlateau: `step(metric)` lowers the rate once the metric no longer gets better."""
    return ReduceLROnPlateau(optimizer, **kwargs)


def get_greedy_schedule(optimizer: Optimizer, **kwargs: Any) -> GreedyLR:
    """GreedyLR: `step(metric)` raises the rate while the metric gets better, and lowers it while it does not."""
    return GreedyLR(optimizer, **kwargs)


_FACTORIES: dict[SchedulerType, Callable[..., Any]] = {
    SchedulerType.LINEAR: get_linear_schedule_with_warmup,
    SchedulerType.COSINE: get_cosine_schedule_with_warmup,
    SchedulerType.COSINE_WITH_RESTARTS: get_cosine_with_hard_restarts_schedule_with_warmup,
    SchedulerType.POLYNOMIAL: get_polynomial_decay_schedule_with_warmup,
    SchedulerType.CONSTANT: get_constant_schedule,
    SchedulerType.CONSTANT_WITH_WARMUP: get_constant_schedule_with_warmup,
    SchedulerType.INVERSE_SQRT: get_inverse_sqrt_schedule,
    SchedulerType.REDUCE_ON_PLATEAU: ReduceLROnPlateau,
    SchedulerType.COSINE_WITH_MIN_LR: get_cosine_with_min_lr_schedule_with_warmup,
    SchedulerType.COSINE_WARMUP_WITH_MIN_LR: get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
    SchedulerType.WARMUP_STABLE_DECAY: get_wsd_schedule,
    SchedulerType.GREEDY: GreedyLR,
}
_STEPS = ("num_warmup_steps", "num_training_steps")


def get_scheduler(
    name: str | SchedulerType, optimizer: Optimizer, num_warmup_steps: int | None = None,
    num_training_steps: int | None = None, scheduler_specific_kwargs: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """The schedule of a name (see SchedulerType), as torch's LRScheduler; "greedy" as a GreedyLR.

    Args:
        num_warmup_steps, num_training_steps: steps of the optimiser; a schedule ignores those it has no use for.
        scheduler_specific_kwargs: what else its `get_..._schedule` takes, such as {"num_cycles": 3}.

    "reduce_lr_on_plateau" and "greedy" are stepped with a metric, the others without one.

    Raises: ValueError for an unknown name or if a number it needs is missing, TypeError for an unknown keyword.
    """
    try:
        kind = SchedulerType(name)
    except ValueError:
        names = [each.value for each in SchedulerType]
        raise ValueError(
            f"lr_scheduler_type={short(name)} is unknown; the nearest are {nearest(name, names)}. "
            f"All: {', '.join(names)}."
        ) from None
    factory, options = _FACTORIES[kind], dict(scheduler_specific_kwargs or {})
    taken = inspect.signature(factory).parameters
    allowed = [each for each in taken if each not in ("optimizer", "last_epoch", *_STEPS)]
    for option in options:
        if option not in allowed:
            known = f"the nearest are {nearest(option, allowed)}" if allowed else "it has none"
            raise TypeError(f"lr_scheduler_kwargs: {kind.value!r} has no option {short(option)}; {known}.")
    steps = zip(_STEPS, (num_warmup_steps, num_training_steps), strict=True)
    options |= {each: number for each, number in steps if each in taken and number is not None}
    for each, parameter in taken.items():
        if parameter.default is inspect.Parameter.empty and each not in options and each != "optimizer":
            where = f"{each}=..." if each in _STEPS else f'lr_scheduler_kwargs={{"{each}": ...}}'
            raise ValueError(f"the schedule {kind.value!r} needs {each}; say {where}.")
    return factory(optimizer, **options)
