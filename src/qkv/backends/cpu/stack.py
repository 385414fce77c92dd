"""Runs a stack of blocks by the native library, where it can: what `Layers` asks first."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...layers import Layers
from ...layers.cache import PerLayer
from ...layers.layer_cache import LayerCache, StaticLayerCache, WindowCache
from ...layers.observe import wanted
from . import linear, structs, unpadded  # noqa: F401 (linear: single layers ask it first)
from .dropout import in_memory
from .library import library
from .program import Program
from .weights import Unsupported

PART = 26 << 20  # bytes of rows that are computed at once
CACHES = (LayerCache, StaticLayerCache, WindowCache)
_Spans = tuple[Tensor, Tensor]  # of each row, the first key it sees and the one after the last, int32 (B*T,)


@dataclass
class _Held:
    """What stays while a caller is in `steady`: programs by the id of their stack, and whether padding counts."""

    padding: bool
    programs: dict[int, Program | None] = field(default_factory=dict)


_steady: ContextVar[_Held | None] = ContextVar("steady", default=None)


@contextmanager
def steady(*, padding: bool = True) -> Iterator[None]:
    """Within it weights, hooks and modes of models stay as they are, so that a stack is read once, not at each call.

    Args:
        padding: whether the hidden states of padding are wanted; if not, they are zeros, and cost nothing.
    """
    token = _steady.set(_Held(padding))
    try:
        yield
    finally:
        _steady.reset(token)


def run(layers: Layers, x: Tensor, context: tuple[Any, ...]) -> Tensor | None:
    """x (B,T,D) and what `Layers.forward` got -> (B,T,D); None if the native library cannot do it."""
    if torch.is_grad_enabled():
        return unpadded.run(layers, x, context)
    native = library()
    if native is None or x.dtype != torch.float32 or x.device.type != "cpu":
        return None
    if x.numel() == 0 or torch.compiler.is_compiling() or wanted("hidden_states") or wanted("attentions"):
        return None
    if not in_memory(x):
        return None
    mask, angles, cache = (*context, None, None, None)[:3]
    program = program_of(layers) if len(context) <= 3 else None
    if program is None or not (cache is None or all(type(layer) in CACHES for layer in cache)):
        return None
    spans = _spans(mask, x, len(layers.blocks), cache)
    if spans is None or (program.spreads and any(bool((first == last).any()) for first, last in spans)):
        return None
    starts = [i * x.shape[1] for i in range(len(x) + 1)]
    held = _steady.get()
    kept = None if held is None or held.padding or cache is not None else _kept(mask, x)
    packed = None if kept is None else _pack(kept, spans, angles)
    if kept is None or packed is None:
        return _call(native, program, x, starts, spans, angles, cache)
    y = torch.zeros_like(x)
    y[kept] = _call(native, program, x[kept][None], *packed, None)[0]
    return y


def _kept(mask: Any, x: Tensor) -> Tensor | None:
    """Which tokens of x (B,T,D) are not padding, (B,T): by a mask that hides the same keys, and some, from all queries
    of a text, (B,1,1,S), be it one of a few layers only. None without such a mask."""
    masks = mask if isinstance(mask, PerLayer) else [mask]
    found = next((one for one in masks if one is not None and one.shape[1:3] == (1, 1)), None)
    return None if found is None or bool(found.all()) else found[:, 0, 0].expand(len(x), -1)


def _pack(kept: Tensor, spans: list[_Spans], angles: Any) -> tuple[list[int], list[_Spans], Any] | None:
    """The starts, spans and angles of the kept tokens (B,T) alone, text after text; None if one sees padding."""
    lengths, rows, length = kept.sum(dim=1), kept.flatten(), kept.shape[1]
    begin, end = (x.repeat_interleave(length)[rows].to(torch.int32) for x in (kept.byte().argmax(1), lengths))
    seen = [((first[rows] - begin).clamp(min=-1), (last[rows] - begin).clamp(min=-1)) for first, last in spans]
    if any(bool(((first < last) & ((first < 0) | (last > end))).any()) for first, last in seen):
        return None
    pairs = angles if isinstance(angles, PerLayer) else [] if angles is None else [angles]
    made: dict[int, Any] = {id(None): None} | {
        id(pair): tuple(x.expand(len(kept), -1, length, -1)[:, 0][kept][None, None] for x in pair)
        for pair in pairs if pair is not None
    }  # fmt: skip
    turned = PerLayer(made[id(pair)] for pair in pairs) if isinstance(angles, PerLayer) else made[id(angles)]
    return [0, *lengths.cumsum(0).tolist()], seen, turned


def program_of(layers: Layers) -> Program | None:
    held = _steady.get()
    if held is not None and id(layers) in held.programs:
        return held.programs[id(layers)]
    try:
        found = None if layers._forward_hooks or layers._forward_pre_hooks else Program(layers)
    except Unsupported:
        found = None
    if held is not None:
        held.programs[id(layers)] = found
    return found


def _spans(mask: Any, x: Tensor, layers: int, cache: Any) -> list[_Spans] | None:
    """Which keys each row sees, in each layer, or once if it is the same in all; None if it cannot be said so."""
    length = x.shape[1]
    masks = mask[:layers] if isinstance(mask, PerLayer) else [mask] * layers  # a model may have lost some
    keys = [length] * layers if cache is None else [layer.reach(length) for layer in cache]
    kinds = {(id(one), count): (one, count) for one, count in zip(masks, keys, strict=True)}
    found = {kind: _spans_of(one, x, count) for kind, (one, count) in kinds.items()}
    if None in found.values():
        return None
    order = zip(masks, keys, strict=True) if len(found) > 1 else [(masks[0], keys[0])]
    return [spans for one, count in order if (spans := found[id(one), count]) is not None]


def _spans_of(mask: Any, x: Tensor, keys: int) -> _Spans | None:
    """Which keys each row of x (B,T,D) sees; None if they are not neighbours, or the mask is of another kind."""
    count, length = x.shape[:2]
    if mask is None:
        return torch.zeros(count * length, dtype=torch.int32, device=x.device), torch.full(
            (count * length,), keys, dtype=torch.int32, device=x.device
        )
    if mask.dtype != torch.bool or mask.dim() != 4 or mask.shape[1] != 1 or mask.shape[3] != keys:
        return None
    mask = mask[:, 0]  # (1 or B,1 or T,S)
    begins = mask[..., 1:] & ~mask[..., :-1]
    if ((begins.sum(-1) + mask[..., 0]) > 1).any():
        return None
    first = mask.to(torch.uint8).argmax(-1)  # (1 or B,1 or T)
    both = (
        torch.stack([first, first + mask.sum(-1)]).to(torch.int32).expand(2, count, length).reshape(2, -1).contiguous()
    )
    return both[0], both[1]


def _call(
    native: Any, program: Program, x: Tensor, starts: list[int], spans: list[_Spans], angles: Any, cache: Any
) -> Tensor:
    """One call of the library. starts: the first row of each text, and the number of rows."""
    count, length, _ = x.shape
    x = x.clone(memory_format=torch.contiguous_format)
    pairs = angles if isinstance(angles, PerLayer) else [] if angles is None else [angles]
    made = {id(pair): dense_angles(pair, count, length) for pair in {id(pair): pair for pair in pairs}.values()}
    caches = None
    if cache is not None:
        like = x.new_empty(()).expand(count, program.kv_heads, length, program.head_dim)
        caches = program.caches.of(cache, like)
    for begin, end in _parts(starts, program) if cache is None else [(0, len(starts) - 1)]:
        row, last = starts[begin], starts[end]
        begins = structs.Table(structs.c_int32, (start - row for start in starts[begin : end + 1]))
        seen = structs.Table(structs.Spans, ((a[row:].data_ptr(), b[row:].data_ptr()) for a, b in spans))
        turned = structs.Table(structs.Angles, (fields_of(made[id(pair)], row) for pair in pairs))
        call = structs.Call(
            rows=last - row, x=x.view(-1, x.shape[2])[row:].data_ptr(), starts=begins.address, texts=end - begin,
            threads=torch.get_num_threads(), caches=caches, spans=seen.address, many_spans=len(spans) > 1,
            angles=turned.address if pairs else None, many_angles=len(pairs) > 1,
        )  # fmt: skip
        if native.qkv_run(program.address, structs.addressof(call)) != 0:
            raise MemoryError(f"not enough memory for a batch of {count} texts of {length} tokens; give fewer at once.")
    for layer in cache or ():
        layer.settle()
    return x


def _parts(starts: list[int], program: Program) -> Iterator[tuple[int, int]]:
    """The texts that are computed at once, from one on and before another: as many as fit the processor's cache with
    all that is between two operations, and one at least."""
    most, begin = PART // (4 * sum(program.widths)), 0
    for i in range(1, len(starts)):
        if i == len(starts) - 1 or starts[i + 1] - starts[begin] > most:
            if starts[i] > starts[begin]:  # a text may have no rows
                yield begin, i
            begin = i


def dense_angles(angles: tuple[Tensor, Tensor] | None, count: int, length: int) -> tuple[Tensor, Tensor] | None:
    """Cosines and sines (1 or B,1,T,R) -> (B*T,R) each, dense; None for a layer that does not turn."""
    if angles is None:
        return None
    cos, sin = (x.expand(count, -1, length, -1).reshape(count * length, -1).float().contiguous() for x in angles)
    return cos, sin


def fields_of(angles: tuple[Tensor, Tensor] | None, row: int = 0) -> tuple[int | None, int | None, int]:
    """The fields of structs.Angles, from a row on."""
    if angles is None:
        return None, None, 0
    return angles[0][row:].data_ptr(), angles[1][row:].data_ptr(), angles[0].shape[-1]


Layers.engine = staticmethod(run)
