"""Joining the processes that torchrun started."""

import atexit
import hashlib
import os
import time
import uuid
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from ..errors import short

NAMES = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT")


def several() -> bool:
    """Whether this is one of several processes that have joined each other."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def launch(backend: str | None = None, timeout: float = 1800, use_cpu: bool = False) -> bool:
    """Join the others, if the environment says that there are any. Returns whether there are.

    Args:
        backend: of torch.distributed; gloo, or on CUDA devices nccl, if None.
        timeout: seconds after which a process that does not answer is given up.

    Raises: ValueError if the environment says half of it, ConnectionError if the others cannot be reached.
    """
    if dist.is_available() and dist.is_initialized():
        return several()
    given = {name: os.environ.get(name) for name in NAMES}
    if given["WORLD_SIZE"] in (None, "", "1"):
        return False
    lacking = [name for name, value in given.items() if not value]
    if lacking:
        raise ValueError(
            f"WORLD_SIZE={short(given['WORLD_SIZE'])} says that there are several processes, but {lacking[0]} is not "
            f"set. Start them with: torchrun --nproc-per-node 2 script.py; or unset WORLD_SIZE."
        )
    cuda = torch.cuda.is_available() and not use_cpu
    backend = backend or ("nccl" if cuda else "gloo")
    if not cuda and "nccl" in backend:
        raise ValueError("ddp_backend='nccl' needs CUDA devices; on a CPU it is 'gloo', which is the default there.")
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK") or 0))
    if backend == "nccl":
        backend = "cpu:gloo,cuda:nccl"  # what is agreed on is on the CPU
    limit = timedelta(seconds=timeout)
    try:
        store, rank, world = next(dist.rendezvous("env://", timeout=limit))  # pyright: ignore[reportPrivateImportUsage]
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            store = _of_this_start(store, rank, world, timeout)
        dist.init_process_group(backend, timeout=limit, store=store, rank=rank, world_size=world)
    except (RuntimeError, ValueError) as error:
        raise ConnectionError(
            f"process {given['RANK']} of {given['WORLD_SIZE']} does not reach the others at "
            f"{given['MASTER_ADDR']}:{given['MASTER_PORT']} ({short(str(error), 120)}). Is the address that of the "
            f"first host, the port open, and does each host run the same number of processes?"
        ) from None
    atexit.register(_leave)
    return True


def _of_this_start(store: Any, rank: int, world: int, timeout: float) -> Any:
    """The part of torchrun's store that these processes alone use.

    torchrun keeps its store when it restarts a run, and with it the addresses of processes that have ended: who reads
    one of those before it is written anew never reaches the others. So each sets a nonce, and they go on once all have
    seen the same nonces. Raises: RuntimeError if that is not so within `timeout` seconds.
    """
    store.set(f"qkv/nonce/{rank}", uuid.uuid4().hex)
    nonces, seen = ([f"qkv/{kind}/{one}" for one in range(world)] for kind in ("nonce", "seen"))
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        start = hashlib.sha256(b"".join(store.multi_get(nonces))).hexdigest()
        store.set(seen[rank], start)
        if set(store.multi_get(seen)) == {start.encode()}:
            return dist.PrefixStore(f"qkv/{start}", store)  # pyright: ignore[reportPrivateImportUsage]
        time.sleep(0.02)
    raise RuntimeError(f"not all of the {world} processes came within {timeout:g} s")


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
