"""Tensor parallelism: each process has some heads of each attention and some units of each MLP (Shoeybi et al., 2019,
arXiv:1909.08053).

What enters a block and what leaves it is the same in all processes of a group. q, k, v, gate and up have some of their
rows, so that each process computes its own heads and units; o and down have the columns for those, and what they give
is summed. Parts are found by the names that all families have (layers/__init__.py).
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ..keymap import StateDict
from ..layers import MLP, Attention, CrossAttention, GatedMLP, Layers, RelativeBias
from ..layers.linear import is_linear

ATTENTION, MLPS = (Attention, CrossAttention), (MLP, GatedMLP)


class _Copied(torch.autograd.Function):
    """The same for all: its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        grad = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad, group=ctx.group)
        return grad, None


class _Summed(torch.autograd.Function):
    """The sum of what all have: each gets its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        x = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


class Columns(nn.Linear):
    """x (…,I) -> some of the outputs (…,O/n)."""

    group: Any

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(_Copied.apply(input, self.group), self.weight, self.bias)


class Rows(nn.Linear):
    """Some of the inputs (…,I/n) -> all outputs (…,O)."""

    group: Any

    def forward(self, input: Tensor) -> Tensor:
        x: Any = _Summed.apply(F.linear(input, self.weight), self.group)
        return x if self.bias is None else x + self.bias


def split(model: nn.Module, group: Any) -> nn.Module:
    """Leave this process of `group` its part of each block; to be called in all of them, with equal weights.

    Raises: ValueError for a model whose blocks do not split, or not among so many.
    """
    if group_of(model) is not None:
        return model
    parts = list(_parts(model))
    _check(model, parts, dist.get_world_size(group))
    for part in parts:
        attends = isinstance(part, Attention)
        for name in ("q_proj", "k_proj", "v_proj") if attends else ("gate_proj", "up_proj"):
            if hasattr(part, name):
                _cut(getattr(part, name), Columns, group, ("weight", 0), ("bias", 0))
        _cut(part.o_proj if attends else part.down_proj, Rows, group, ("weight", 1))
        for norm in (part.q_norm, part.k_norm) if attends else ():  # it sees the heads of this process alone
            for weight in () if norm is None else norm.parameters():
                weight.register_hook(lambda grad: _summed(grad, group))
    object.__setattr__(model, "_tensor_parallel", group)
    return model


def group_of(model: nn.Module) -> Any:
    """The processes that a model is split among; None if it is whole."""
    return vars(model).get("_tensor_parallel")


def part(weight: Tensor, like: Tensor, group: Any) -> Tensor:
    """This process's part of a whole tensor, as `like`, a parameter of a split model, is one."""
    dim = getattr(like, "split_dim", None)
    if dim is None or weight.dim() <= dim:
        return weight
    return weight.chunk(dist.get_world_size(group), dim)[dist.get_rank(group)].clone()


def whole(tensor: Tensor, like: Tensor, group: Any) -> Tensor:
    """The whole of which `tensor` is a part, as `like` is one. All processes of the group call it."""
    dim = getattr(like, "split_dim", None)
    if dim is None or tensor.shape != like.shape:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, tensor.detach().contiguous(), group=group)
    return torch.cat(parts, dim)


def whole_state(model: Any) -> StateDict | None:
    """state_dict() of the whole model, which all that have parts of it call; None in all of them but the first."""
    group = group_of(model)
    if group is None:
        return model.state_dict()
    ours = {name: whole(x, x, group).detach() for name, x in nn.Module.state_dict(model, keep_vars=True).items()}
    if dist.get_rank(group):
        return None
    return ours if model.keys is None else model.keys.to_published(ours)


def _summed(grad: Tensor, group: Any) -> Tensor:
    grad = grad.clone()
    dist.all_reduce(grad, group=group)
    return grad


def _parts(model: nn.Module) -> Iterator[Any]:
    """Attention and MLP of each block, once."""
    for layers in model.modules():
        if isinstance(layers, Layers):
            for block in dict.fromkeys(layers.children()):
                yield from (one for one in block.children() if isinstance(one, Attention | MLP))


def _check(model: nn.Module, parts: list[Any], count: int) -> None:
    name = type(model).__name__
    linear = [one for part in parts for one in part.children() if isinstance(one, nn.Module) and hasattr(one, "weight")]
    plain = all(type(one) in (*ATTENTION, *MLPS) for one in parts) and _only(model, parts)
    if not parts or not plain or not all(is_linear(one) for one in linear if _projects(one)):
        raise ValueError(
            f"{name} does not split among processes: tensor parallelism knows plain attention, MLPs and weights, of "
            f"BERT's, GPT-2's or Llama's kind. TrainingArguments(fsdp='full_shard') shares any model."
        )
    heads = sorted({head for part in parts if isinstance(part, Attention) for head in _heads(part)})
    units = sorted({part.up_proj.out_features for part in parts if isinstance(part, MLP)})
    if any(size % count for size in (*heads, *units)):
        fits = [n for n in range(2, min(heads) + 1) if not any(size % n for size in (*heads, *units))]
        raise ValueError(
            f"{name} has {' and '.join(map(str, heads))} heads (of queries, of keys) and {units[0]} units in an MLP, "
            f"which {count} processes cannot have equal parts of. {f'Say tp_size={fits[-1]}' if fits else 'Use fsdp'}."
        )


def _projects(module: nn.Module) -> bool:
    return not isinstance(module, nn.LayerNorm) and getattr(module, "weight").dim() == 2  # noqa: B009


def _only(model: nn.Module, parts: list[Any]) -> bool:
    """Whether all that attends is in blocks, and sees no heads of its own in a mask, as T5's bias has them."""
    known = {id(one) for one in parts}
    biased = any(isinstance(module, RelativeBias) for module in model.modules())
    return not biased and all(id(one) in known for one in model.modules() if isinstance(one, Attention))


def _heads(attention: Attention) -> tuple[int, int]:
    return attention.q_proj.out_features // attention.head_dim, attention.k_proj.out_features // attention.head_dim


def _cut(linear: nn.Linear, kind: type[nn.Linear], group: Any, *cuts: tuple[str, int]) -> None:
    """Keep this process's part of a linear layer, as one of `kind`."""
    count, rank = dist.get_world_size(group), dist.get_rank(group)
    for name, dim in cuts:
        old = getattr(linear, name)
        if old is not None:
            kept = nn.Parameter(old.detach().chunk(count, dim)[rank].clone(), old.requires_grad)
            kept.split_dim = dim  # type: ignore[attr-defined]
            setattr(linear, name, kept)
    linear.__class__ = kind
    linear.group = group
    linear.out_features, linear.in_features = linear.weight.shape
