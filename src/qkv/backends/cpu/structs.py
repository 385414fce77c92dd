"""The structures of csrc/qkv.h, field by field; what they mean is written there."""

from collections.abc import Iterable
from ctypes import POINTER, Array, Structure, addressof, c_float, c_int32, c_int64, c_void_p
from typing import Any

from .library import Matrix

NORM, QUANTISE, LINEAR, ROTATE, STORE, ATTEND, GATE, EMBED = range(8)
NORMS = ("rms", "layer", "none")
ACTIVATIONS = ("none", "gelu", "gelu_tanh", "silu", "relu", "quick_gelu", "relu2", "tanh", "sigmoid")


class Op(Structure):
    _fields_ = [
        *((name, c_int32) for name in (
            "kind", "src", "src_column", "dst", "dst_column", "width", "count", "act", "accumulate", "sync", "own",
            "layer", "heads", "kv_heads", "norm",
        )),
        ("epsilon", c_float), ("scale", c_float), ("softcap", c_float), ("weight", c_void_p), ("bias", c_void_p),
        ("matrix", Matrix),
    ]  # fmt: skip


class LayerCaches(Structure):
    _fields_ = [
        ("keys", c_void_p), ("values", c_void_p), ("batch_stride", c_int64), ("head_stride", c_int64),
        ("key_stride", c_int64), ("past", c_int64),
    ]  # fmt: skip


class Spans(Structure):
    _fields_ = [("first", c_void_p), ("last", c_void_p)]


class Angles(Structure):
    _fields_ = [("cos", c_void_p), ("sin", c_void_p), ("width", c_int64)]


class Call(Structure):
    _fields_ = [
        ("rows", c_int64), *((name, c_void_p) for name in (
            "x", "out", "tokens", "positions", "starts", "caches", "angles", "spans"
        )),
        ("texts", c_int32), ("threads", c_int32),
        ("many_angles", c_int32), ("many_spans", c_int32),
    ]  # fmt: skip


class Program(Structure):
    _fields_ = [("ops", POINTER(Op)), ("widths", POINTER(c_int32)), ("op_count", c_int32), ("buffer_count", c_int32)]


class Parameter(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("weight", "grad", "mean", "square", "live")),
        ("rows", c_int64), ("width", c_int64),
        *((name, c_float) for name in ("mean_part", "beta2", "square_part", "epsilon", "keep", "rate", "correction")),
    ]  # fmt: skip


class Table:
    """An array of structures for the native library, and its address; the caller keeps it while that is in use."""

    def __init__(self, of: Any, entries: Iterable[Any]):
        entries = list(entries)
        self.array: Array[Any] = (of * len(entries))(*entries)
        self.address = addressof(self.array)


def program(ops: list[Op], widths: list[int]) -> Program:
    """What `qkv_run` takes; it keeps its parts."""
    return Program((Op * len(ops))(*ops), (c_int32 * len(widths))(*widths), len(ops), len(widths))


class CacheTable:
    """Where the caches of all layers are. It is filled anew only where a cache has other memory than at the last call,
    so that a step of decoding just counts."""

    def __init__(self) -> None:
        self.stores: list[Any] = []
        self.limits: list[int] = []  # up to how many keys the memory stays the same
        self.rows = 0
        self.table = Table(LayerCaches, [])

    def of(self, cache: Any, like: Any) -> int:
        """The address of the table, with room in each layer for keys and values of the shape of `like` (B,K,T,C)."""
        rows, new = like.shape[0], like.shape[2]
        if len(self.stores) != len(cache) or rows != self.rows:
            self.stores, self.limits, self.rows = [None] * len(cache), [0] * len(cache), rows
            self.table = Table(LayerCaches, [()] * len(cache))
            self.entries = list(self.table.array)
        for i, layer in enumerate(cache):
            entry, past = self.entries[i], layer.length
            if layer.store is self.stores[i] and past + new <= self.limits[i]:
                layer.length = past + new
            else:
                store, past = layer.extend(like, like)
                self.stores[i], self.limits[i] = store, store[0].shape[2] if layer.stays else 0
                entry.keys, entry.values = store[0].data_ptr(), store[1].data_ptr()
                entry.batch_stride, entry.head_stride, entry.key_stride, _ = store[0].stride()
            entry.past = past
        return self.table.address
