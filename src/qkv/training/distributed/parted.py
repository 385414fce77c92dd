"""Processes with parts of the model: slices of all weights (FSDP2), or some heads and units (tensor parallelism).

Checkpoints have whole tensors under published names whichever way a run was spread, made one after the other: they load
in one process, in any number of them, and in other libraries.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ...backends import tensor_parallel
from ...errors import short
from .group import Group
from .processes import Take, parameters_of

ELEMENTWISE = ("adamw", "sgd", "lion", "adagrad", "rmsprop")  # optimisers that look at each weight by itself
# Arguments for which a model must be whole in each process.
WHOLE = (
    "weight_average", "fp16", "bf16_full_eval", "fp16_full_eval", "auto_find_batch_size", "torch_compile",
    "predict_with_generate",
)  # fmt: skip


class Parted(Group):
    """What the two ways have in common: a subclass says how a tensor is parted."""

    def parted(self, model: nn.Module) -> bool:
        """Whether the processes have parts of it by now."""
        raise NotImplementedError

    def part(self, whole: Tensor, like: Tensor) -> Tensor:
        """This process's part of a tensor, as `like`, one of the model's, is a part."""
        raise NotImplementedError

    def together(self, tensor: Tensor, like: Tensor) -> Tensor:
        """The whole tensor of all parts; all processes call it."""
        raise NotImplementedError

    def shape(self, like: Tensor) -> tuple[int, ...]:
        """Of the whole."""
        raise NotImplementedError

    def cut(self, model: nn.Module) -> None:
        """Leave each process its part."""
        raise NotImplementedError

    def spread(self, model: nn.Module, args: Any = None, optimizer: Any = None) -> None:
        if not args.optim.startswith(ELEMENTWISE):
            raise ValueError(
                f"optim={short(args.optim)} looks at whole weights, of which a process has a part; say adamw_torch."
            )
        asked = next((name for name in WHOLE if getattr(args, name, None)), None)
        if asked is not None:
            raise ValueError(
                f"{asked}={short(getattr(args, asked))} is of whole models; leave it out with fsdp, tp_size."
            )
        if optimizer is not None:
            raise ValueError("optimizers= are of the whole model, of which a process has a part; say optim= instead.")
        if hasattr(model, "peft_config"):
            raise ValueError(
                "adapters are few weights: train them without fsdp= and tp_size=, in processes as they are."
            )
        if not self.parted(model):
            super().spread(model)
            self.cut(model)

    @torch.no_grad()
    def load(self, model: nn.Module, read: Callable[[], Any]) -> tuple[Sequence[str], Sequence[str]]:
        if not self.parted(model):
            return super().load(model, read)
        places: dict[str, Tensor] = nn.Module.state_dict(model, keep_vars=True)
        given: dict[str, Tensor] = {}

        def look() -> tuple[list[str], list[str]]:
            keys: Any = getattr(model, "keys", None)
            for name, tensor in read().items():
                given.update({name: tensor} if name in places or keys is None else keys.to_ours(name, tensor))
            wrong = [name for name in places if name in given and given[name].shape != self.shape(places[name])]
            if wrong:
                raise RuntimeError(f"size mismatch for {wrong[0]}: {tuple(given[wrong[0]].shape)} in the file.")
            return [name for name in places if name not in given], [name for name in given if name not in places]

        missing, unknown = self.first(look)
        for name, place in places.items():
            if name not in missing:
                own = self.part(self.first(lambda name=name: given[name]), place)
                place.copy_(own.to(place.device, place.dtype))
        return missing, unknown

    def whole(self, model: nn.Module) -> Any:
        if not self.parted(model):
            return None
        ours: dict[str, Any] = nn.Module.state_dict(model, keep_vars=True)
        keepers = self.keepers(ours)
        kept = {name: self._kept(tensor, tensor, keepers[name]) for name, tensor in ours.items()}
        kept = {name: tensor for name, tensor in kept.items() if not tensor.is_meta}
        keys: Any = getattr(model, "keys", None)
        return kept if keys is None else keys.to_published(kept)

    def whole_optimizer(self, optimizer: Any) -> dict[str, Any]:
        state, of = optimizer.state_dict(), parameters_of(optimizer)
        keepers = self.keepers({i: of[i] for i in state["state"]})
        kept = {
            i: {name: self._kept(value, of[i], keepers[i]) for name, value in values.items()}
            for i, values in state["state"].items()
        }
        return {**state, "state": kept}

    def keepers(self, tensors: dict[Any, Tensor]) -> dict[Any, int]:
        """The process that keeps each whole tensor."""
        return dict.fromkeys(tensors, 0)

    def _kept(self, value: Any, like: Tensor, keeper: int) -> Any:
        """A whole tensor, without its data where another process keeps it; one after the other is made."""
        if not isinstance(value, Tensor):
            return value
        whole = self.together(value.detach(), like)
        return whole.cpu() if keeper == self.rank else whole.to("meta")

    def part_of(self, optimizer: Any) -> Take:
        of = parameters_of(optimizer)

        def take(path: tuple[Any, ...], tensor: Tensor) -> Tensor:
            at: list[Any] = [getattr(step, "key", None) for step in path]
            like = of[at[1]] if at[0] == "state" else None
            return tensor if like is None or tuple(tensor.shape) != self.shape(like) else self.part(tensor, like)

        return take


class Sharded(Parted):
    """Each process has a slice of every weight, gradient and moment, and gathers a block's weights while it computes it
    (ZeRO-3: Rajbhandari et al., 2019, arXiv:1910.02054; torch's fully_shard)."""

    def __init__(self, bucket_mb: float, reshard: bool, offload: bool, bf16: bool):
        super().__init__(bucket_mb)
        self.reshard, self.offload, self.bf16 = reshard, offload, bf16

    def parted(self, model: nn.Module) -> bool:
        from torch.distributed.fsdp import FSDPModule

        return isinstance(model, FSDPModule)

    def cut(self, model: nn.Module) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, fully_shard

        from ...layers import Layers

        device = next(nn.Module.parameters(model)).device.type
        options: dict[str, Any] = {"mesh": init_device_mesh(device, (self.count,))}
        options["reshard_after_forward"] = self.reshard
        if self.offload and device != "cpu":
            options["offload_policy"] = CPUOffloadPolicy()
        if self.bf16:
            options["mp_policy"] = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        stacks = [layers for layers in model.modules() if isinstance(layers, Layers)]
        for module in (*(block for layers in stacks for block in layers.children()), model):
            name = type(module).__name__
            sharded: Any = fully_shard(module, **options)
            type(sharded).__name__ = name  # which is what a saved config says
            sharded.set_gradient_divide_factor(1.0)  # sums, as in gradients.py
            sharded.set_force_sum_reduction_for_comms(True)
            sharded.set_reduce_scatter_unused_params(True)

    def backward(self, loss: Tensor, optimizer: Any, last: bool) -> None:
        sharded = any(hasattr(one, "full_tensor") for one in parameters_of(optimizer)[:1])
        loss.backward() if sharded else super().backward(loss, optimizer, last)

    def clip(self, optimizer: Any, parameters: list[Tensor], limit: float) -> float:
        norm: Any = torch.nn.utils.clip_grad_norm_(parameters, limit)
        return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def part(self, whole: Tensor, like: Any) -> Tensor:
        from torch.distributed.tensor import distribute_tensor

        if not hasattr(like, "placements"):
            return whole
        return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None)

    def together(self, tensor: Any, like: Tensor) -> Tensor:
        return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor

    def shape(self, like: Tensor) -> tuple[int, ...]:
        return tuple(like.shape)


class TensorParallel(Parted):
    """Each `size` processes that follow each other share the heads and units of the model, and read the same rows."""

    def __init__(self, bucket_mb: float, size: int):
        super().__init__(bucket_mb)
        if self.count % size:
            raise ValueError(f"tp_size={size} does not divide the {self.count} processes; start a multiple of it.")
        self.size, self.data_rank, self.data_count = size, self.rank // size, self.count // size
        for first in range(0, self.count, size):  # all processes make all groups
            made = dist.new_group(list(range(first, first + size)))
            self.tensor_group = made if first // size == self.data_rank else getattr(self, "tensor_group", None)
        for place in range(size):
            made = dist.new_group(list(range(place, self.count, size)))
            self.group = made if place == self.rank % size else self.group

    def parted(self, model: nn.Module) -> bool:
        return tensor_parallel.group_of(model) is not None

    def cut(self, model: nn.Module) -> None:
        tensor_parallel.split(model, self.tensor_group)

    def backward(self, loss: Tensor, optimizer: Any, last: bool) -> None:
        super().backward(loss, optimizer, last and self.data_count > 1)

    def clip(self, optimizer: Any, parameters: list[Tensor], limit: float) -> float:
        """The norm over the parts of all, and what all have once."""
        own = [p.grad for p in parameters if p.grad is not None and hasattr(p, "split_dim")]
        shared = [p.grad for p in parameters if p.grad is not None and not hasattr(p, "split_dim")]
        square = torch.nn.utils.get_total_norm(own) ** 2
        dist.all_reduce(square, group=self.tensor_group)
        norm = (square + torch.nn.utils.get_total_norm(shared) ** 2).sqrt()
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)
        return float(norm)

    def part(self, whole: Tensor, like: Tensor) -> Tensor:
        return tensor_parallel.part(whole, like, self.tensor_group)

    def together(self, tensor: Tensor, like: Tensor) -> Tensor:
        return tensor_parallel.whole(tensor, like, self.tensor_group)

    def shape(self, like: Tensor) -> tuple[int, ...]:
        dim = getattr(like, "split_dim", None)
        return tuple(size * self.size if at == dim else size for at, size in enumerate(like.shape))
