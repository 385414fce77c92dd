"""A machine for the pickles of PyTorch weight files: it computes descriptions of tensors and can do nothing else.

A pickle is a program, so the usual reader does what the file's author wrote. This one has only the opcodes that weights
need and finds their few names in a closed table: no name from a file is imported, looked up or called. No step costs
more than the bytes it reads, because values can be recalled and used again a million times.
"""

import mmap
import struct
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from .errors import short

MAX_PICKLE = 64 << 20  # bytes of all pickles together
MAX_STEPS = 1 << 21  # opcodes of one pickle: a tensor takes about 32, and each can cost a few hundred bytes
MAX_KEY = 1 << 20  # of a dict with numbers as keys: optimizers have some
MAX_RANK = 64  # torch's own limit
MAX_INT = 1 << 48  # of a size, stride or offset: above any real file, below torch's overflows
REFUSED: dict[bytes, str] = {b"i": "INST", b"o": "OBJ", b"\x81": "NEWOBJ", b"\x92": "NEWOBJ_EX", b"\x82": "EXT1"}


@dataclass(frozen=True, eq=False, slots=True)
class StorageRef:
    key: str
    dtype: torch.dtype
    start: int  # old files have storages that are a part of another one
    count: int


@dataclass(frozen=True, eq=False, slots=True)
class TensorRef:
    storage: StorageRef
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def _typed(values: Any, *types: type) -> tuple[Any, ...]:
    """`values` if it is a tuple of exactly these types, with no int below zero or beyond any real file."""
    if type(values) is not tuple or len(values) != len(types) or tuple(map(type, values)) != types:
        wanted = ", ".join(kind.__name__ for kind in types[:6]) or "nothing"
        raise ValueError(f"it has other data where ({wanted}) must stand")
    right = all(0 <= value < MAX_INT for value in values if type(value) is int)
    require(right, "it has a negative or absurd size, stride or offset")
    return values


def _tensor(args: tuple[Any, ...], needed: int) -> TensorRef:
    storage, offset, size, stride = _typed(args[:4], StorageRef, int, tuple, tuple)
    # What may follow marks conjugate and negated views.
    require(needed <= len(args) <= 8 and not any(args[needed:]), "it describes a tensor in an unknown way")
    require(len(size) == len(stride) <= MAX_RANK, f"it has a tensor of {len(size)} sizes and {len(stride)} strides")
    _typed((*size, *stride), *[int] * 2 * len(size))
    (dtype,) = _typed(args[6:7], torch.dtype) if needed == 7 else (storage.dtype,)
    return TensorRef(storage, dtype, offset, size, stride)


_DTYPES = {"Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16, "Double": torch.float64}
_DTYPES |= {"Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8}
_DTYPES |= {"Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128}
_NAMES = [*(str(dtype)[6:] for dtype in _DTYPES.values()), "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]
_GLOBALS: dict[tuple[str, str], partial[Any] | torch.dtype] = {
    ("collections", "OrderedDict"): partial(lambda args: OrderedDict(_typed(args))),
    ("torch", "Size"): partial(lambda args: _typed(args, tuple)[0]),
    ("torch._utils", "_rebuild_parameter"): partial(lambda args: _typed(args, TensorRef, bool, OrderedDict)[0]),
    ("torch._utils", "_rebuild_tensor"): partial(_tensor, needed=4),
    ("torch._utils", "_rebuild_tensor_v2"): partial(_tensor, needed=6),
    ("torch._utils", "_rebuild_tensor_v3"): partial(_tensor, needed=7),
    ("torch.storage", "UntypedStorage"): torch.uint8,
    **{("torch", f"{name}Storage"): dtype for name, dtype in _DTYPES.items()},
    **{("torch", name): getattr(torch, name) for name in _NAMES if hasattr(torch, name)},
}


class Machine:
    """Runs the pickles that begin at `position`; `declared` collects the storages they refer to: dtype and elements."""

    def __init__(self, data: mmap.mmap, position: int, end: int):
        self.data, self.position, self.end = data, position, min(end, position + MAX_PICKLE)
        self.declared: dict[str, tuple[torch.dtype, int]] = {}

    def load(self) -> Any:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        for _ in range(MAX_STEPS):
            code = self.take(1)
            if code == b".":
                return self.stack.pop()
            if code not in _STEPS:
                raise ValueError(f"its pickle has the opcode {REFUSED.get(code, code)}, which weights do not need")
            self.stack.extend(_STEPS[code](self))
        raise ValueError(f"its pickle is longer than {MAX_STEPS} steps")

    def take(self, count: int) -> bytes:
        begin, self.position = self.position, self.position + count
        require(begin <= self.position <= self.end, "its pickle ends too early or is too long")
        return self.data[begin : self.position]

    def number(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def text(self, length: str) -> str:
        return self.take(self.number(length)).decode("utf-8")

    def line(self) -> str:
        stop = self.data.find(b"\n", self.position, self.position + 200)
        return self.take(stop + 1 - self.position)[:-1].decode("ascii")

    def pop(self, count: int | None = None) -> tuple[Any, ...]:
        """The last `count` values, or those since the last mark."""
        begin = self.marks.pop() if count is None else len(self.stack) - count
        require(0 <= begin <= len(self.stack), "its pickle takes values that are not there")
        values = tuple(self.stack[begin:])
        del self.stack[begin:]
        return values

    def mark(self) -> tuple[()]:
        self.marks.append(len(self.stack))
        return ()

    def store(self, index: int) -> tuple[()]:
        self.memo[index] = self.stack[-1]
        return ()

    def find(self, module: Any, name: Any) -> Any:
        require(type(module) is type(name) is str, "it names something without a name")
        if (module, name) not in _GLOBALS:
            raise ValueError(f"it names {short(f'{module[:60]}.{name[:60]}')}, which is no part of weights")
        return _GLOBALS[module, name]

    def reduce(self, builder: Any, args: Any) -> Any:
        require(type(builder) is partial and type(args) is tuple, "it calls something that is no function")
        return builder(args)

    def build(self, target: Any, state: Any) -> Any:
        # Module.state_dict() keeps versions of its layers in this attribute: they say nothing of the weights.
        right = type(target) is OrderedDict and type(state) is dict and len(state) == 1 and "_metadata" in state
        require(right, "it sets attributes of an object")
        return target

    def append(self, *values: Any) -> tuple[()]:
        require(type(self.stack[-1]) is list, "it appends to something that is no list")
        self.stack[-1].extend(values)
        return ()

    def set_items(self, *values: Any) -> tuple[()]:
        target = self.stack[-1]
        right = type(target) in (dict, OrderedDict) and len(values) % 2 == 0
        require(right, "it sets items of something that is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Other keys are traps: nested tuples take exponential time to hash, and large ints can collide.
            right = type(key) is str or (type(key) is int and 0 <= key < MAX_KEY)
            require(right and key not in target, "it has a key that is given twice or is no text")
            target[key] = value
        return ()

    def storage(self, saved: Any) -> StorageRef:
        require(type(saved) is tuple and len(saved) in (5, 6), "it refers to something that is no storage")
        tag, dtype, key, _, count = _typed(saved[:5], str, torch.dtype, str, str, int)
        require(tag == "storage" and len(key) <= 100, "it refers to something that is no storage")
        require(self.declared.setdefault(key, (dtype, count)) == (dtype, count), f"storage {short(key)} has two sizes")
        view = saved[5] if len(saved) == 6 else None
        _, start, part = ("", 0, count) if view is None else _typed(view, str, int, int)
        require(start + part <= count, f"storage {short(key)} has a part outside itself")
        return StorageRef(key, dtype, start, part)


# What each opcode does: it returns the values to push.
_STEPS = {b"\x80": lambda m: m.take(1)[1:], b"\x95": lambda m: m.take(8)[8:], b"(": Machine.mark}
_STEPS |= {b"N": lambda m: (None,), b"\x88": lambda m: (True,), b"\x89": lambda m: (False,)}
_STEPS |= {b"}": lambda m: ({},), b"]": lambda m: ([],), b")": lambda m: ((),), b"t": lambda m: (m.pop(),)}
_STEPS |= {code: lambda m, n=n: (m.pop(n),) for n, code in enumerate((b"\x85", b"\x86", b"\x87"), 1)}
_STEPS |= {code: lambda m, f=f: (m.number(f),) for code, f in ((b"K", "<B"), (b"M", "<H"), (b"J", "<i"), (b"G", ">d"))}
_STEPS |= {code: lambda m, f=f: (m.text(f),) for code, f in ((b"X", "<I"), (b"\x8c", "<B"), (b"T", "<i"), (b"U", "<B"))}
_STEPS |= {code: lambda m, f=f: m.store(m.number(f)) for code, f in ((b"q", "<B"), (b"r", "<I"))}
_STEPS |= {code: lambda m, f=f: (m.memo[m.number(f)],) for code, f in ((b"h", "<B"), (b"j", "<I"))}
_STEPS |= {b"\x94": lambda m: m.store(len(m.memo)), b"Q": lambda m: (m.storage(*m.pop(1)),)}
_STEPS |= {b"\x8a": lambda m: (int.from_bytes(m.take(m.number("<B")), "little", signed=True),)}
_STEPS |= {b"c": lambda m: (m.find(m.line(), m.line()),), b"\x93": lambda m: (m.find(*m.pop(2)),)}
_STEPS |= {b"R": lambda m: (m.reduce(*m.pop(2)),), b"b": lambda m: (m.build(*m.pop(2)),)}
_STEPS |= {b"a": lambda m: m.append(*m.pop(1)), b"e": lambda m: m.append(*m.pop())}
_STEPS |= {b"s": lambda m: m.set_items(*m.pop(2)), b"u": lambda m: m.set_items(*m.pop())}
