"""One new token of each row by one call of the native library, from its id to its scores: a step of generate().

Only what a step needs is done in Python, because that runs slowly there: between two calls the weights have pushed
everything else out of the processor's caches. Shapes: B rows, D width, V vocabulary.
"""

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...layers import Cache, Embeddings, Layers, PerLayer, Rope
from ...layers.layer_cache import WindowCache
from ..quantized import QuantizedEmbedding
from . import structs
from .library import Matrix, library
from .program import NORMED, OUT, Program, X
from .stack import CACHES, dense_angles, fields_of, program_of
from .weights import Unsupported, plain, pointer

SCORES = OUT + 1  # the buffer that a call gives beside the residual stream
ANGLES = 512  # positions whose angles are computed at a time


def make_step(model: Any, cache: Any) -> "Step | Literal[False]":
    """A step of a model with a cache that has read something; False where the native library does not run it."""
    try:
        return Step(model, cache)
    except Unsupported:
        return False


class Step:
    """Of a model whose weights stay as they are. It says itself that it is plain: a token table, a table of positions
    or none, layers, a norm and a head, one after the other.

    Args:
        cache: gets the keys and values.

    Raises: Unsupported for a model that the native library does not run like this.
    """

    def __init__(self, model: Any, cache: Cache):
        native, base = library(), model.base_model
        if native is None or Layers.engine is None or not model.is_plain_decoder or model.device.type != "cpu":
            raise Unsupported("not a plain decoder on a CPU, or no native library")
        for module in (model, model.head, base, base.embed):
            plain(module)
        if any(rope.fixed[0] is None for rope in base.children() if isinstance(rope, Rope)):
            raise Unsupported("angles that depend on the length of the text")
        if not all(type(layer) in CACHES for layer in cache):
            raise Unsupported("a cache that is not made of plain keys and values")
        program = program_of(base.layers)
        if program is None:
            raise Unsupported("layers that torch computes")
        self.native, self.model, self.base, self.cache = native, model, base, cache
        self.program = _with_ends(program, base.embed, base.norm, model.head.out)
        self.native_program = structs.program(self.program.ops, self.program.widths)
        self.windows, self.longest = base.windows, base.max_tokens
        self.settling = [layer for layer in cache if isinstance(layer, WindowCache)]
        self.turned = 0  # positions whose angles `angles` points to
        self._rows(0, None)

    def _rows(self, count: int, padding: Tensor | None) -> None:
        """Get ready for so many rows with such padding."""
        self.padding, self.count = padding, count
        self.leads = [0] * count if padding is None else padding.flatten().tolist()
        self.x = torch.empty(count, self.program.widths[X], device="cpu")
        self.like = self.x.new_empty(()).expand(count, self.program.kv_heads, 1, self.program.head_dim)
        self.starts = structs.Table(structs.c_int32, range(count + 1))
        self.positions = structs.Table(structs.c_int32, [0] * count)
        self.seen = {window: [structs.Table(structs.c_int32, [0] * count) for _ in "12"] for window in {*self.windows}}
        kinds = self.windows if len(self.seen) > 1 else self.windows[:1]
        self.spans = structs.Table(structs.Spans, (tuple(each.address for each in self.seen[kind]) for kind in kinds))
        self.call = structs.Call(
            rows=count, x=self.x.data_ptr(), positions=self.positions.address, starts=self.starts.address,
            spans=self.spans.address, many_spans=len(kinds) > 1, last=len(self.program.ops), texts=count,
        )  # fmt: skip

    def __call__(self, ids: Tensor, padding: Tensor | None) -> Tensor | None:
        """Scores (B,1,V) of what follows ids (B,), which the cache gets; None, and nothing done, for ids or positions
        outside the tables, of which the model itself says what is wrong.

        Args:
            padding: how many keys each row does not see at its beginning (B,1), or None for none.

        Raises: MemoryError; ValueError from a cache that is full or holds other rows.
        """
        if len(ids) != self.count or padding is not self.padding:
            self._rows(len(ids), padding)
        ids = ids.contiguous()
        values = ids.numpy()
        call, total, windows = self.call, self.cache.length + 1, self.windows
        if values.min() < 0 or values.max() >= self.base.embed.token.num_embeddings:
            return None
        if self.longest is not None and total - min(self.leads) > self.longest:
            return None
        self.positions.array[:] = [total - 1 - lead for lead in self.leads]
        for window, (first, last) in self.seen.items():
            kept = self.cache[windows.index(window)].reach(1)
            gone = total - kept  # keys that the cache holds no more
            from_ = max(0, total - window) if window is not None else 0
            first.array[:] = [max(lead, from_, gone) - gone for lead in self.leads]
            last.array[:] = [kept] * self.count
        if total > self.turned:
            self._turn(total + ANGLES)
        turns = len(self.angles.array)
        call.angles, call.many_angles = (self.angles.address if turns else None), turns > 1
        call.caches = self.program.caches.of(self.cache, self.like)
        scores = self.x.new_empty(self.count, 1, self.program.widths[SCORES])
        call.out, call.tokens, call.threads = scores.data_ptr(), ids.data_ptr(), torch.get_num_threads()
        if self.native.qkv_run(structs.addressof(self.native_program), structs.addressof(call)) != 0:
            raise MemoryError(f"not enough memory for a batch of {self.count} texts; give fewer at once.")
        for layer in self.settling:
            layer.settle()
        return self.model.head.scaled(scores)

    def _turn(self, count: int) -> None:
        """Compute the angles of so many positions."""
        angles = self.base.angles(torch.arange(count, device="cpu")[None])
        pairs = angles if isinstance(angles, PerLayer) else [] if angles is None else [angles]
        self.kept = {id(pair): dense_angles(pair, 1, count) for pair in pairs}
        self.angles = structs.Table(structs.Angles, (fields_of(self.kept[id(pair)]) for pair in pairs))
        self.turned = count


def _with_ends(layers: Program, embed: Any, norm: nn.Module, out: nn.Module) -> Program:
    """Layers' operations with the tables of tokens and positions before them, the last norm and the head after them."""
    if type(embed) is not Embeddings or embed.segment is not None:
        raise Unsupported(f"embeddings of {type(embed).__name__}")
    if not all(type(part) is nn.Identity for part in (embed.norm, embed.proj)):
        raise Unsupported("embeddings that are changed")
    made = copy.copy(layers)
    made.ops, made.widths, made.kept = [], [*layers.widths, 0], [*layers.kept]
    made.caches = structs.CacheTable()
    table, factor = _table(embed.token)
    positions = embed.position
    if positions is not None:
        plain(positions)
    made.emit(
        structs.EMBED, X, X, sync=1, scale=factor, matrix=table,
        weight=None if positions is None else pointer(positions.weight),
    )  # fmt: skip
    made.ops += layers.ops
    if type(norm) is not nn.Identity:
        made.norm(norm, X, NORMED)
    made.linear(out, X if type(norm) is nn.Identity else NORMED, SCORES)
    return made


def _table(token: Any) -> tuple[Matrix, float]:
    """The matrix of a table of tokens, and what its rows are multiplied by."""
    plain(token)
    if isinstance(token, QuantizedEmbedding):
        if token.scale is None or token.packed is None or token.dtype != torch.float32:
            raise Unsupported("a table without values, or of another dtype")
        scale = token.scale.data_ptr()
        return Matrix(token.kind, token.rows, token.columns, 0, token.packed.data_ptr(), scale, None), token.factor
    factor = getattr(token, "factor", 1.0)
    if type(token).forward is not nn.Embedding.forward and not hasattr(token, "factor"):
        raise Unsupported(f"a table of {type(token).__name__}")
    return Matrix(0, token.num_embeddings, token.embedding_dim, 0, pointer(token.weight), None, None), factor
