"""What a run is told of its processes, and what it may ask of them."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from ...errors import nearest, short
from ..state import TrainerState
from .group import join
from .processes import Processes

logger = logging.getLogger("qkv")

FSDP = ("full_shard", "shard_grad_op", "no_shard", "auto_wrap", "offload")
# Two are read. The others say what has one way here: blocks are what is gathered at a time, found in any model.
_FSDP_CONFIG = """
    reshard_after_forward state_dict_type version min_num_params transformer_layer_cls_to_wrap transformer_layer_cls
    backward_prefetch forward_prefetch limit_all_gathers use_orig_params sync_module_states cpu_ram_efficient_loading
    activation_checkpointing
"""
FSDP_CONFIG = _FSDP_CONFIG.split()
STATES = ("FULL_STATE_DICT", "SHARDED_STATE_DICT")


@dataclass(kw_only=True)
class ProcessArguments:
    """The part of TrainingArguments that is about more than one process."""

    ddp_backend: str | None = None  # "gloo", "nccl"; the device's if None
    ddp_timeout: int = 1800  # seconds after which a process that does not answer is given up
    ddp_bucket_cap_mb: float | None = None  # megabytes of gradients sent at once; 25 if None
    tp_size: int = 1  # processes that share the heads and units of the model
    fsdp: Any = ""  # "full_shard" or "shard_grad_op": processes have slices of all weights; "offload": on the CPU
    # {"reshard_after_forward": bool, "state_dict_type": "SHARDED_STATE_DICT": each process writes files of its own}, or
    fsdp_config: Any = None  # a JSON file of such

    def settle_processes(self) -> None:
        """Bring what the field lets be said in several ways into one. Raises: ValueError for what is unknown."""
        words = ["full_shard"] if self.fsdp is True else self.fsdp or []
        words = words.split() if isinstance(words, str) else [str(getattr(word, "value", word)) for word in words]
        for word in words:
            if word not in FSDP:
                raise ValueError(f"fsdp={short(word)} is unknown; the nearest are {nearest(word, FSDP)}.")
        self.fsdp = [] if "no_shard" in words else words
        config = self.fsdp_config or {}
        config = json.loads(Path(config).read_text()) if isinstance(config, str | Path) else dict(config)
        config = {name.removeprefix("fsdp_"): value for name, value in config.items()}
        for name in config:
            if name not in FSDP_CONFIG:
                raise ValueError(f"fsdp_config has no {short(name)}; the nearest are {nearest(name, FSDP_CONFIG)}.")
        if config.get("activation_checkpointing"):
            raise ValueError("fsdp_config: say gradient_checkpointing=True in place of activation_checkpointing.")
        kind = str(config.get("state_dict_type") or STATES[0])
        if kind.upper() not in STATES:
            raise ValueError(f"fsdp_config: state_dict_type={short(kind)} is unknown; say one of {', '.join(STATES)}.")
        self.fsdp_config = config | ({"state_dict_type": kind.upper()} if "state_dict_type" in config else {})

    @property
    def world_size(self) -> int:
        """Processes of the run."""
        return dist.get_world_size() if _joined() else int(os.environ.get("WORLD_SIZE") or 1)

    @property
    def process_index(self) -> int:
        return dist.get_rank() if _joined() else int(os.environ.get("RANK") or 0) if self.world_size > 1 else 0

    @property
    def local_process_index(self) -> int:
        """This process's number on its machine."""
        return int(os.environ.get("LOCAL_RANK") or self.process_index) if self.world_size > 1 else 0

    @property
    def n_gpu(self) -> int:
        """Accelerators of this process: 1, or 0 on a CPU."""
        use_cpu: Any = getattr(self, "use_cpu", False)
        return int(torch.cuda.is_available() and not use_cpu)

    @property
    def parallel_mode(self) -> str:
        return "distributed" if self.world_size > 1 else "not_parallel"

    @contextmanager
    def main_process_first(self, local: bool = True, desc: str = "work") -> Iterator[None]:
        """The first process of each machine (of all with local=False) does what is within, then the others do.

        For what is kept in a cache: `with args.main_process_first(): dataset = dataset.map(tokenize)`.
        """
        processes = join(self)
        ahead = (self.local_process_index if local else self.process_index) == 0
        if not ahead:
            processes.wait()
        try:
            yield
        finally:
            if ahead:
                processes.wait()


def keep_step(args: Any, before: TrainerState, processes: Processes) -> bool:
    """Give a run that goes on with the same arguments in another number of processes the steps that it had.

    Returns: whether `args` are others now. Raises: ValueError if there are no equal parts of a step's rows.
    """
    rows, count = before.step_rows, processes.data_count
    size, steps = args.per_device_train_batch_size, args.gradient_accumulation_steps
    same = (size, steps) == (before.train_batch_size, before.gradient_accumulation_steps)
    if not rows or not same or rows == size * steps * count:
        return False
    if rows % (size * count) == 0:
        steps = rows // (size * count)
    elif rows % (steps * count) == 0:
        size = rows // (steps * count)
    else:
        raise ValueError(
            f"a step of this run has {rows} rows, which {count} processes cannot have equal parts of. Go on with "
            f"another number of them, or say per_device_train_batch_size= and gradient_accumulation_steps= anew."
        )
    args.per_device_train_batch_size, args.gradient_accumulation_steps = size, steps
    if processes.main:
        logger.warning(
            "another number of processes: per_device_train_batch_size=%d, gradient_accumulation_steps=%d keep a "
            "step's %d rows. Say so to end this message.", size, steps, rows,
        )  # fmt: skip
    return True


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()
