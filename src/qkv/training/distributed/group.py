"""One of several processes, each with the whole model: what `Processes` promises, by torch.distributed."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils import _pytree as tree

from ...backends.launch import launch
from ...backends.tensor_parallel import group_of
from ...errors import short
from ..state import TrainerControl
from .gradients import Gradients
from .processes import Processes, T, Take, parameters_of

MEGABYTE = 2**20


class Group(Processes):
    """One of several processes, each with the whole model.

    Args:
        bucket_mb: megabytes of gradients that are sent at once.
    """

    def __init__(self, bucket_mb: float = 25.0):
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))
        self.data_rank, self.data_count = self.rank, self.count
        self.group: Any = None  # of those that read different rows; None for all processes
        self.bucket_bytes = int(bucket_mb * MEGABYTE)
        self._gradients: Gradients | None = None

    def total(self, value: float) -> float:
        found = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(found, group=self.group)
        return found.item()

    def gather(self, value: T, everywhere: bool = True) -> list[T]:
        value = tree.tree_map_only(Tensor, Tensor.cpu, value)
        found: list[Any] = [None] * self.data_count
        if everywhere:
            dist.all_gather_object(found, value, group=self.group)
            return found
        first = dist.get_global_rank(self.group, 0) if self.group is not None else 0
        dist.gather_object(value, found if self.rank == first else None, dst=first, group=self.group)
        return found if self.rank == first else []

    def first(self, make: Callable[[], T], take: Take | None = None) -> T:
        found: Any = None
        error: BaseException | None = None
        if self.main:
            try:
                found = make()
            except Exception as raised:
                error = raised
        sent = [(_sendable(error), tree.tree_map_only(Tensor, lambda tensor: tensor.to("meta"), found))]
        dist.broadcast_object_list(sent, src=0)
        told, holes = sent[0]
        if told is not None:
            raise error or told

        def received(path: Any, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            tensor = leaf.contiguous() if self.main else torch.empty(leaf.shape, dtype=leaf.dtype)
            dist.broadcast(tensor, src=0)  # one after the other: nothing is in memory twice
            return tensor if take is None else take(path, tensor)

        return tree.tree_map_with_path(received, found if self.main else holes)

    def agree(self, control: TrainerControl, ended: bool) -> bool:
        flags = torch.tensor([*map(int, vars(control).values()), int(ended)])
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
        *asked, ended = map(bool, flags.tolist())
        vars(control).update(zip(vars(control), asked, strict=True))
        return ended

    @torch.no_grad()
    def spread(self, model: nn.Module, args: Any = None, optimizer: Any = None) -> None:
        for tensor in (*nn.Module.parameters(model), *nn.Module.buffers(model)):
            whole = tensor.detach().contiguous()
            dist.broadcast(whole, src=0)
            if whole.data_ptr() != tensor.data_ptr():
                tensor.copy_(whole)

    def load(self, model: nn.Module, read: Callable[[], Any]) -> tuple[Sequence[str], Sequence[str]]:
        found = self.first(lambda: tuple(model.load_state_dict(read(), strict=False)))
        Group.spread(self, model)
        return found

    def backward(self, loss: Tensor, optimizer: Any, last: bool) -> None:
        if not last:
            loss.backward()
            return
        parameters = parameters_of(optimizer)
        if self._gradients is None or not self._gradients.are_of(parameters):
            if self._gradients is not None:
                self._gradients.remove()
            self._gradients = Gradients(parameters, self.group, self.bucket_bytes)
        with self._gradients.summed():
            loss.backward()

    def wait(self) -> None:
        dist.barrier()

    @contextmanager
    def watched(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            lost = _lost(error)
            told: BaseException = error
            if lost is not None:
                told = ConnectionError(
                    f"process {self.rank} of {self.count} lost another one ({lost}): it ended, or did not answer "
                    f"within ddp_timeout. Its own output says why. To go on from the last checkpoint start all again "
                    f"with resume_from_checkpoint='auto'."
                )
            _report(told)
            if told is error:
                raise
            raise told from None


def join(args: Any, model: Any = None) -> Processes:
    """This process's place among those that torchrun started; the group is made at the first call.

    Raises: ValueError if the environment says half of it, or for ways of sharing a model that exclude each other;
        ConnectionError if the others cannot be reached.
    """
    if not launch(args.ddp_backend, args.ddp_timeout, args.use_cpu):
        if args.tp_size > 1:
            raise ValueError(
                f"tp_size={args.tp_size} needs as many processes: torchrun --nproc-per-node {args.tp_size} script.py"
            )
        return Processes()
    bucket_mb = args.ddp_bucket_cap_mb or 25.0
    before = None if model is None else group_of(model)  # from_pretrained(tp_plan="auto")
    size = args.tp_size if before is None else dist.get_world_size(before)
    if args.fsdp and size > 1:
        raise ValueError("fsdp= and tp_size= both part the model; choose one of them.")
    if not args.fsdp and size == 1:
        return Group(bucket_mb)
    from .parted import Sharded, TensorParallel
    from .shards import ShardedCheckpoints

    if size > 1:
        return TensorParallel(bucket_mb, size)
    reshard = args.fsdp_config.get("reshard_after_forward", "shard_grad_op" not in args.fsdp)
    kind = ShardedCheckpoints if args.fsdp_config.get("state_dict_type") == "SHARDED_STATE_DICT" else Sharded
    return kind(bucket_mb, bool(reshard), "offload" in args.fsdp, args.bf16)


def _sendable(error: BaseException | None) -> BaseException | None:
    """An error as another process can raise it: of its built-in type, with its message."""
    if error is None:
        return None
    kinds = [kind for kind in type(error).__mro__ if kind.__module__ == "builtins" and issubclass(kind, Exception)]
    return kinds[0](str(error)) if kinds and kinds[0] is not Exception else RuntimeError(str(error))


def _lost(error: BaseException) -> str | None:
    """What was said of a process that is gone; None for another error."""
    text = str(error)
    known = ("gloo", "Connection closed", "Connection reset", "Timed out waiting", "NCCL", "Broken pipe")
    if isinstance(error, dist.DistError) or type(error) is RuntimeError and any(word in text for word in known):
        return short(text.splitlines()[0].rpartition("] ")[2] or text, 100)
    return None


def _report(error: BaseException) -> None:
    """Let torchrun's summary name the error, as its own decorator `record` would."""
    if os.environ.get("TORCHELASTIC_ERROR_FILE") and isinstance(error, Exception):
        from torch.distributed.elastic.multiprocessing.errors import get_error_handler

        get_error_handler().record_exception(error)
