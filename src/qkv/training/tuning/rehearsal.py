"""Steps that are tried and taken back: what lr_find() and dry_run() do leaves a trainer as it was, bit for bit."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ..applied import applied
from ..callbacks import CallbackHandler
from ..data.loader import is_map_style
from ..state import TrainerState
from ..state_files import rng_state, set_rng_state

FIELDS = ("args", "state", "control", "callback_handler", "optimizer", "lr_scheduler", "precision", "average")
PACKED = (torch.int8, torch.uint8)  # weights of few bits, which no step changes


@contextmanager
def rehearsal(trainer: Any, **arguments: Any) -> Iterator[None]:
    """Within it a trainer trains, without callbacks; after it weights, moments, schedule, state, generators and modes
    are what they were. The order of the data is a function of the seed, so nothing of it is used up.

    Args:
        arguments: TrainingArguments that differ within.

    Raises: ValueError for data that can be read only once, as they could not be given back; for several processes.
    """
    alone(trainer, "a rehearsal")
    trainer._find_data()
    if not is_map_style(trainer._data) and iter(trainer._data) is trainer._data:
        raise ValueError(
            "train_dataset is an iterator, whose rows would be gone after a rehearsal. Give something that can be read "
            "again: a list, a Dataset, or an object whose __iter__ begins anew."
        )
    fields: dict[str, Any] = {name: getattr(trainer, name) for name in FIELDS}
    generators, model = rng_state(), trainer.model
    modes = {module: module.training for module in model.modules()}
    tensors = [p for p in nn.Module.parameters(model) if p.requires_grad]
    tensors += [b for b in nn.Module.buffers(model) if b.dtype not in PACKED]
    kept = [(tensor, tensor.detach().clone(), tensor.grad) for tensor in tensors]
    moments, groups = _moments(trainer.optimizer)
    schedule = deepcopy(trainer.lr_scheduler.state_dict()) if trainer.lr_scheduler is not None else None
    trainer.args, trainer.callback_handler = copy(trainer.args), CallbackHandler(trainer, [])
    vars(trainer.args).update(arguments, auto_find_batch_size=False)
    trainer.state, trainer.precision, trainer.average = TrainerState(), deepcopy(trainer.precision), None
    try:
        with applied(model, trainer.args):
            yield
    finally:
        for name, value in fields.items():
            setattr(trainer, name, value)
        with torch.no_grad():
            for tensor, value, gradient in kept:
                tensor.copy_(value)
                tensor.grad = gradient
        if trainer.optimizer is not None:
            trainer.optimizer.state = moments
            for group, values in zip(trainer.optimizer.param_groups, groups, strict=True):
                group.clear()
                group.update(values)
        if schedule is not None:
            fields["lr_scheduler"].load_state_dict(schedule)
        for module, training in modes.items():
            module.training = training
        set_rng_state(generators)


def alone(trainer: Any, what: str) -> None:
    """Raises: ValueError in one of several processes."""
    if trainer.processes.count > 1:
        raise ValueError(
            f"{what} is made by one process, and here are {trainer.processes.count}: start without torchrun."
        )


def _moments(optimizer: Any) -> tuple[Any, list[dict[str, Any]]]:
    """An optimiser's state by parameter, copied, and its groups. A state_dict would be cast when it is loaded."""
    if optimizer is None:
        return {}, []
    state = {weight: {name: _copied(value) for name, value in kept.items()} for weight, kept in optimizer.state.items()}
    return defaultdict(dict, state), [
        {name: value if name == "params" else _copied(value) for name, value in group.items()}
        for group in optimizer.param_groups
    ]


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else deepcopy(value)
