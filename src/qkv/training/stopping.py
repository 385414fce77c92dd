"""What ends a run early: Ctrl-C at once, SIGTERM after a checkpoint if that is asked for, a loss that is no number."""

import logging
import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import short
from .checkpoint import get_last_checkpoint

logger = logging.getLogger("qkv")


@contextmanager
def interruptible(trainer: Any) -> Iterator[None]:
    """Around the loop: Ctrl-C says from where the run can go on. With `enable_jit_checkpoint`, SIGTERM, which a cluster
    sends some seconds before it takes the machine, ends the run after its step, saves, and exits with status 143."""
    args, state = trainer.args, trainer.state
    asked = args.enable_jit_checkpoint and threading.current_thread() is threading.main_thread()

    def terminate(*_: Any) -> None:
        trainer.asked_to_end = True  # all processes are, when they next agree

    trainer.asked_to_end = trainer.terminated = False
    before = signal.signal(signal.SIGTERM, terminate) if asked else None
    try:
        yield
    except KeyboardInterrupt:
        last = get_last_checkpoint(args.folder) if args.output_dir is not None else None
        logger.warning(
            "interrupted after step %d; %s", state.global_step,
            f"the last checkpoint is {last}: go on with train(resume_from_checkpoint=True)." if last
            else "there is no checkpoint yet: save_steps says how often one is saved.",
        )  # fmt: skip
        raise
    finally:
        if asked:
            signal.signal(signal.SIGTERM, before)
    if trainer.terminated:
        trainer._save_checkpoint()
        if state.is_world_process_zero:
            logger.warning(
                "SIGTERM: checkpoint-%d is saved; go on with train(resume_from_checkpoint=True).", state.global_step
            )
        raise SystemExit(128 + signal.SIGTERM)


def diverged(trainer: Any, value: float, own: float, shares: list[list[int]], what: str = "loss") -> None:
    """End a run before a step that would spoil the weights.

    Args:
        value: of all processes, and `own` of this one, whose rows are `shares`, for each batch of the step.

    Raises: FloatingPointError, always, in all processes.
    """
    found = trainer.processes.gather((own, [row for share in shares for row in share]))
    rows = [row for loss, numbers in found if not math.isfinite(loss) for row in numbers]
    last = get_last_checkpoint(trainer.args.folder)
    raise FloatingPointError(
        f"the {what} is {value} at step {trainer.state.global_step + 1}, in rows {short(rows, 120)} of train_dataset. "
        f"This step changed no weights; {f'the last checkpoint is {last}' if last else 'there is no checkpoint'}. "
        f"Lower learning_rate, or look at these rows."
    )
