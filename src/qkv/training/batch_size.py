"""A batch that memory has no room for is made of smaller ones: the same rows, and the same true loss of the step."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .arguments import TrainingArguments
from .fields import Fields
from .state import TrainerState
from .state_files import rng_state

logger = logging.getLogger("qkv")
SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")


class TooLarge(Exception):
    """A batch did not fit. Nothing but gradients of its step, and generators, are other than before it."""


@contextmanager
def watching(on: bool) -> Iterator[None]:
    """Within it, what means that memory is at its end is raised as TooLarge, if this is wanted."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not on or not is_out_of_memory(error):
            raise
        reason = (str(error).strip() or "MemoryError").splitlines()[0][:200]
        error.__traceback__ = None  # its frames hold what did not fit
        raise TooLarge(reason) from None


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in SIGNS)


def divide(args: TrainingArguments, error: TooLarge) -> None:
    """Smaller batches, and so many more of them in a step: half of one with two rows or four, a third of one with nine.

    Raises: MemoryError if a batch is one row already.
    """
    size = args.per_device_train_batch_size
    if size == 1:
        raise MemoryError(
            f"one row is too large for memory ({error}). gradient_checkpointing=True needs less; so do shorter texts."
        ) from None
    parts = next(number for number in range(2, size + 1) if size % number == 0)
    args.per_device_train_batch_size = size // parts
    args.gradient_accumulation_steps *= parts
    logger.warning(
        "out of memory with %d rows (%s): going on with per_device_train_batch_size=%d and "
        "gradient_accumulation_steps=%d, the same step. Give these to end this message.",
        size, error, args.per_device_train_batch_size, args.gradient_accumulation_steps,
    )  # fmt: skip


def found_before(args: TrainingArguments, state: TrainerState) -> None:
    """Go on with the size of batches that a run had found, whose checkpoint says it."""
    size, steps = state.train_batch_size or 0, state.gradient_accumulation_steps or 0
    whole = args.per_device_train_batch_size * args.gradient_accumulation_steps
    if args.auto_find_batch_size and size * steps == whole and size < args.per_device_train_batch_size:
        args.per_device_train_batch_size, args.gradient_accumulation_steps = size, steps


def check_alone(args: TrainingArguments, count: int) -> None:
    """Raises: ValueError for several processes: one that makes a step again would leave the others waiting."""
    if args.auto_find_batch_size and count > 1:
        raise ValueError(
            f"auto_find_batch_size=True is for one process, and there are {count}. Find the size with one, and say "
            f"per_device_train_batch_size= and gradient_accumulation_steps=."
        )


class Fitting(Fields):
    """Mixed into Trainer: a step that did not fit is made again."""

    _step_generators: dict[str, Any]

    def _remember(self) -> None:
        """What to go back to if a step does not fit into memory."""
        if self.args.auto_find_batch_size:
            self._step_generators = rng_state()

    def _fit(self, error: TooLarge) -> dict[str, Any]:
        """Smaller batches for what is left of the epoch. Returns the generators as they were before the step."""
        divide(self.args, error)
        self.model.zero_grad(set_to_none=True)
        self.state.train_batch_size = self.args.per_device_train_batch_size
        self.state.gradient_accumulation_steps = self.args.gradient_accumulation_steps
        if not self.state.rows_done:
            return self._epoch_generators
        return {**self._step_generators, "epoch": self._epoch_generators}
