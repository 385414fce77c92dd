"""Reads PyTorch weight files (`pytorch_model.bin`) without running anything that is in them.

Such a file is a pickle plus raw bytes: a zip archive since torch 1.6, before that five pickles in a row and then the bytes. A pickle is
a program, so the usual reader does what the file's author wrote. The machine here has only the opcodes that weights need, finds their
few names in a closed table, and makes descriptions: no name from a file is imported, looked up or called. Tensors are made last, as
views of the mapped file, when each size has been checked against the bytes that are there.
"""

import itertools
import math
import mmap
import struct
import sys
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch

from qkv.errors import short

MAX_PICKLE = 64 << 20  # bytes of one pickle, and of the zip directory
MAX_STEPS = 1 << 22  # opcodes of one pickle: a tensor takes about 32, and each can cost a few hundred bytes
MAX_ENTRIES = 1 << 17  # files in the zip archive
MAX_RANK = 64  # torch's own limit
MAX_INT = 1 << 48  # of a size, stride or offset: above any real file, below torch's overflows
MAX_EXPANDED = 1 << 20  # bytes of a tensor that repeats its elements (stride 0) and so is larger than its storage
ALIGNMENT = 16  # bytes: what the widest dtype needs
WRAPPERS = ("state_dict", "model", "model_state_dict", "module")  # where trainers put the weights
REFUSED = {
    b"i": "INST",
    b"o": "OBJ",
    b"\x81": "NEWOBJ",
    b"\x92": "NEWOBJ_EX",
    b"\x82": "EXT1",
    b"\x83": "EXT2",
    b"\x84": "EXT4",
}
FULL = 0xFFFFFFFF  # a 32-bit zip field whose value stands in a 64-bit one


@dataclass(frozen=True, eq=False, slots=True)
class _Global:
    value: Any  # one of our builders, or the dtype of a storage class


@dataclass(frozen=True, eq=False, slots=True)
class _Storage:
    key: str
    dtype: torch.dtype
    start: int  # old files have storages that are a part of another one
    count: int


@dataclass(frozen=True, eq=False, slots=True)
class _Tensor:
    storage: _Storage
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def _typed(values: Any, *types: type) -> tuple[Any, ...]:
    """`values` if it is a tuple of exactly these types, with no int below zero or beyond any real file."""
    right = type(values) is tuple and len(values) == len(types) and all(type(v) is t for v, t in zip(values, types))
    _require(right, f"it has other data where ({', '.join(t.__name__.strip('_') for t in types)}) must stand"[:120])
    _require(
        all(type(v) is not int or 0 <= v < MAX_INT for v in values),
        "it has a size, stride or offset that is negative or absurd",
    )
    return values


def _tensor(args: tuple, needed: int) -> _Tensor:
    storage, offset, size, stride = _typed(args[:4], _Storage, int, tuple, tuple)
    _require(
        len(args) >= needed and not any(args[needed:]), "it describes a tensor in an unknown way"
    )  # conjugate and negative views
    _require(
        len(size) == len(stride) <= MAX_RANK,
        f"a tensor has {len(size)} sizes and {len(stride)} strides, at most {MAX_RANK} work",
    )
    _typed((*size, *stride), *[int] * 2 * len(size))
    (dtype,) = _typed(args[6:7], torch.dtype) if needed == 7 else (storage.dtype,)
    return _Tensor(storage, dtype, offset, size, stride)


_STORAGES = {"Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16, "Double": torch.float64}
_STORAGES |= {"Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8}
_STORAGES |= {"Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128}
_DTYPES = [str(dtype).removeprefix("torch.") for dtype in _STORAGES.values()]
_DTYPES += ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]
_GLOBALS: dict[tuple[str, str], _Global | torch.dtype] = {
    ("collections", "OrderedDict"): _Global(lambda args: OrderedDict(_typed(args))),
    ("torch", "Size"): _Global(lambda args: _typed(args, tuple)[0]),
    ("torch._utils", "_rebuild_parameter"): _Global(lambda args: _typed(args, _Tensor, bool, OrderedDict)[0]),
    ("torch._utils", "_rebuild_tensor"): _Global(partial(_tensor, needed=4)),
    ("torch._utils", "_rebuild_tensor_v2"): _Global(partial(_tensor, needed=6)),
    ("torch._utils", "_rebuild_tensor_v3"): _Global(partial(_tensor, needed=7)),
    ("torch.storage", "UntypedStorage"): _Global(torch.uint8),
    **{("torch", f"{name}Storage"): _Global(dtype) for name, dtype in _STORAGES.items()},
    **{("torch", name): getattr(torch, name) for name in _DTYPES if hasattr(torch, name)},
}


class _Machine:
    """Runs one pickle of `data`: `load` returns its value, and leaves `position` behind it and what it needs in `declared`."""

    def __init__(self, data: mmap.mmap, position: int, end: int):
        self.data, self.position, self.end = data, position, min(end, position + MAX_PICKLE)
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.declared: dict[str, tuple[torch.dtype, int]] = {}  # storages by key: dtype and number of elements

    def load(self) -> Any:
        for _ in range(MAX_STEPS):
            code = self.take(1)
            if code == b".":
                return self.stack.pop()
            _require(
                code in _OPCODES, f"its pickle has the opcode {REFUSED.get(code, code)}, which weights do not need"
            )
            _OPCODES[code](self)
        raise ValueError(f"its pickle is longer than {MAX_STEPS} steps")

    def take(self, count: int) -> bytes:
        begin, self.position = self.position, self.position + count
        _require(begin <= self.position <= self.end, "its pickle ends too early or is too long")
        return self.data[begin : self.position]

    def number(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def text(self, length: str) -> str:
        return self.take(self.number(length)).decode("utf-8")

    def line(self) -> str:
        return self.take(self.data.find(b"\n", self.position, self.position + 200) + 1 - self.position)[:-1].decode(
            "ascii"
        )

    def pop(self, count: int) -> tuple[Any, ...]:
        return tuple([self.stack.pop() for _ in range(count)][::-1])

    def mark(self) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def since_mark(self) -> tuple[Any, ...]:
        values, self.stack = self.stack, self.marked.pop()
        return tuple(values)

    def store(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def find(self, module: Any, name: Any) -> _Global | torch.dtype:
        known = type(module) is type(name) is str
        _require(
            known and (module, name) in _GLOBALS,
            f"it names {short(f'{module}.{name}') if known else 'things'}, no part of weights",
        )
        return _GLOBALS[module, name]

    def reduce(self, builder: Any, args: Any) -> Any:
        _require(
            type(builder) is _Global and callable(builder.value) and type(args) is tuple,
            "it calls what cannot be called",
        )
        return builder.value(args)

    def build(self, target: Any, state: Any) -> Any:
        # Module.state_dict() keeps versions of its layers in this attribute: they say nothing of the weights.
        _require(
            type(target) is OrderedDict and type(state) is dict and {*state} <= {"_metadata"},
            "it sets attributes of an object",
        )
        return target

    def append(self, values: tuple[Any, ...]) -> None:
        _require(type(self.stack[-1]) is list, "it appends to what is no list")
        self.stack[-1].extend(values)

    def set_items(self, values: tuple[Any, ...]) -> None:
        target = self.stack[-1]
        _require(type(target) in (dict, OrderedDict) and len(values) % 2 == 0, "it sets items of what is no dict")
        for key, value in zip(values[::2], values[1::2]):
            # Other keys may take exponential time to hash: tuples of twice the same tuple.
            _require(
                type(key) in (str, int) and key not in target,
                f"it has the key {short(key) if type(key) is str else '?'} twice",
            )
            target[key] = value

    def storage(self, saved: Any) -> _Storage:
        view = saved[5] if type(saved) is tuple and len(saved) == 6 else None
        tag, kind, key, _, count = _typed(saved[:5] if type(saved) is tuple else (), str, _Global, str, str, int)
        _require(tag == "storage" and type(kind.value) is torch.dtype, "it refers to something that is no storage")
        _require(
            self.declared.setdefault(key, (kind.value, count)) == (kind.value, count),
            f"storage {short(key)} has two sizes",
        )
        _, start, part = _typed(view, str, int, int) if view is not None else ("", 0, count)
        _require(start + part <= count, f"storage {short(key)} has a part outside itself")
        return _Storage(key, kind.value, start, part)
