"""Reads PyTorch weight files (`pytorch_model.bin`) without running anything that is in them.

Such a file is a pickle plus raw bytes: a zip archive since torch 1.6, before that five pickles in a row and then the
bytes. A pickle is a program, so the usual reader does what the file's author wrote. The machine here has only the
opcodes that weights need, finds their few names in a closed table, and makes descriptions: no name from a file is
imported, looked up or called. Tensors are made last, as views of the mapped file, when each size has been checked.
No step costs more than the bytes it reads, because values can be recalled and used again a million times.
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

from .errors import short

MAX_PICKLE = 64 << 20  # bytes of all pickles together
MAX_STEPS = 1 << 21  # opcodes of one pickle: a tensor takes about 32, and each can cost a few hundred bytes
MAX_ENTRIES = 1 << 17  # files in the zip archive
MAX_KEY = 1 << 20  # of a dict with numbers as keys: optimizers have some
MAX_RANK = 64  # torch's own limit
MAX_INT = 1 << 48  # of a size, stride or offset: above any real file, below torch's overflows
MAX_EXPANDED = 1 << 20  # bytes of a tensor that repeats its elements (stride 0) and so is larger than its storage
MAX_ITEMS = 100  # of a trainer's file around the weights
ALIGNMENT = 16  # bytes, for the widest dtype
WRAPPERS = ("state_dict", "model", "model_state_dict", "module")  # where trainers put the weights
LEGACY = [0x1950A86A20F9469CFC6C, 1001]  # magic number and version of the format before torch 1.6
REFUSED: dict[bytes, str] = {b"i": "INST", b"o": "OBJ", b"\x81": "NEWOBJ", b"\x92": "NEWOBJ_EX", b"\x82": "EXT1"}
FULL = 0xFFFFFFFF  # a 32-bit zip field whose value stands in a 64-bit one


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
    if type(values) is not tuple or len(values) != len(types) or tuple(map(type, values)) != types:
        wanted = ", ".join(kind.__name__.strip("_") for kind in types[:6]) or "nothing"
        raise ValueError(f"it has other data where ({wanted}) must stand")
    right = all(0 <= value < MAX_INT for value in values if type(value) is int)
    _require(right, "it has a negative or absurd size, stride or offset")
    return values


def _tensor(args: tuple[Any, ...], needed: int) -> _Tensor:
    storage, offset, size, stride = _typed(args[:4], _Storage, int, tuple, tuple)
    # What may follow marks conjugate and negated views.
    _require(needed <= len(args) <= 8 and not any(args[needed:]), "it describes a tensor in an unknown way")
    _require(len(size) == len(stride) <= MAX_RANK, f"it has a tensor of {len(size)} sizes and {len(stride)} strides")
    _typed((*size, *stride), *[int] * 2 * len(size))
    (dtype,) = _typed(args[6:7], torch.dtype) if needed == 7 else (storage.dtype,)
    return _Tensor(storage, dtype, offset, size, stride)


_DTYPES = {"Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16, "Double": torch.float64}
_DTYPES |= {"Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8}
_DTYPES |= {"Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128}
_NAMES = [*(str(dtype)[6:] for dtype in _DTYPES.values()), "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]
_GLOBALS: dict[tuple[str, str], partial[Any] | torch.dtype] = {
    ("collections", "OrderedDict"): partial(lambda args: OrderedDict(_typed(args))),
    ("torch", "Size"): partial(lambda args: _typed(args, tuple)[0]),
    ("torch._utils", "_rebuild_parameter"): partial(lambda args: _typed(args, _Tensor, bool, OrderedDict)[0]),
    ("torch._utils", "_rebuild_tensor"): partial(_tensor, needed=4),
    ("torch._utils", "_rebuild_tensor_v2"): partial(_tensor, needed=6),
    ("torch._utils", "_rebuild_tensor_v3"): partial(_tensor, needed=7),
    ("torch.storage", "UntypedStorage"): torch.uint8,
    **{("torch", f"{name}Storage"): dtype for name, dtype in _DTYPES.items()},
    **{("torch", name): getattr(torch, name) for name in _NAMES if hasattr(torch, name)},
}


class _Machine:
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
        _require(begin <= self.position <= self.end, "its pickle ends too early or is too long")
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
        _require(0 <= begin <= len(self.stack), "its pickle takes values that are not there")
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
        _require(type(module) is type(name) is str, "it names something without a name")
        if (module, name) not in _GLOBALS:
            raise ValueError(f"it names {short(f'{module[:60]}.{name[:60]}')}, which is no part of weights")
        return _GLOBALS[module, name]

    def reduce(self, builder: Any, args: Any) -> Any:
        _require(type(builder) is partial and type(args) is tuple, "it calls something that is no function")
        return builder(args)

    def build(self, target: Any, state: Any) -> Any:
        # Module.state_dict() keeps versions of its layers in this attribute: they say nothing of the weights.
        right = type(target) is OrderedDict and type(state) is dict and len(state) == 1 and "_metadata" in state
        _require(right, "it sets attributes of an object")
        return target

    def append(self, *values: Any) -> tuple[()]:
        _require(type(self.stack[-1]) is list, "it appends to something that is no list")
        self.stack[-1].extend(values)
        return ()

    def set_items(self, *values: Any) -> tuple[()]:
        target = self.stack[-1]
        right = type(target) in (dict, OrderedDict) and len(values) % 2 == 0
        _require(right, "it sets items of something that is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Other keys are traps: nested tuples take exponential time to hash, and large ints can collide.
            right = type(key) is str or (type(key) is int and 0 <= key < MAX_KEY)
            _require(right and key not in target, "it has a key that is given twice or is no text")
            target[key] = value
        return ()

    def storage(self, saved: Any) -> _Storage:
        _require(type(saved) is tuple and len(saved) in (5, 6), "it refers to something that is no storage")
        tag, dtype, key, _, count = _typed(saved[:5], str, torch.dtype, str, str, int)
        _require(tag == "storage" and len(key) <= 100, "it refers to something that is no storage")
        _require(self.declared.setdefault(key, (dtype, count)) == (dtype, count), f"storage {short(key)} has two sizes")
        view = saved[5] if len(saved) == 6 else None
        _, start, part = ("", 0, count) if view is None else _typed(view, str, int, int)
        _require(start + part <= count, f"storage {short(key)} has a part outside itself")
        return _Storage(key, dtype, start, part)


# What each opcode does: it returns the values to push.
_STEPS = {b"\x80": lambda m: m.take(1)[1:], b"\x95": lambda m: m.take(8)[8:], b"(": _Machine.mark}
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


def _wide(extra: bytes, *fields: int) -> list[int]:
    """Zip fields, those that are FULL replaced by their values in the 64-bit record."""
    at, count = 0, fields.count(FULL)
    while count and extra[at : at + 2] != b"\1\0":
        at += 4 + struct.unpack_from("<H", extra, at + 2)[0]
    values = [*struct.unpack_from(f"<{count}Q", extra, at + 4)] if count else []
    return [values.pop(0) if field == FULL else field for field in fields]


def _entries(data: mmap.mmap) -> dict[bytes, tuple[int, int]]:
    """Name -> (first byte, size) of the files in a zip archive."""
    end = data.rfind(b"PK\5\6", max(0, len(data) - 65557))
    count, size, at, comment = struct.unpack_from("<10xHIIH", data, end)
    _require(end + 22 + comment == len(data), "it ends too early")
    if count == 0xFFFF or FULL in (size, at):
        (end,) = struct.unpack_from("<8xQ", data, end - 20)
        count, size, at = struct.unpack_from("<32xQQQ", data, end)
    _require(count <= MAX_ENTRIES and size <= MAX_PICKLE and at + size <= end, "its zip directory is too large")
    entries, extents = {}, [(at, len(data))]
    for _ in range(count):
        mark, flags, method, *sizes, name, extra, comment, header = struct.unpack_from("<4s4xHH8xIIHHH8xI", data, at)
        at += 46 + name
        packed, size, header = _wide(data[at : at + extra], *sizes, header)
        right = mark == b"PK\1\2" and not method and not flags & 1 and packed == size
        _require(right, "its zip entries are not plainly stored")
        local, *lengths = struct.unpack_from("<4s22xHH", data, header)
        start = header + 30 + sum(lengths)
        right = local == b"PK\3\4" and data[at - name : at] not in entries
        _require(right, "its zip directory is damaged or has a name twice")
        entries[data[at - name : at]] = (start, size)
        extents.append((header, start + size))
        at += extra + comment
    _require(all(a[1] <= b[0] for a, b in itertools.pairwise(sorted(extents))), "its zip entries overlap")
    return entries


def _read_zip(data: mmap.mmap) -> tuple[Any, dict[str, tuple[int, int]]]:
    """The object in a zip archive, and for each storage it refers to: (first byte in the file, size)."""
    entries = _entries(data)
    pickles = [name for name in entries if name.endswith(b"/data.pkl") and name.count(b"/") == 1]
    prefix = pickles[0][:-8] if len(pickles) == 1 else b""
    _require(prefix != b"" and all(name.startswith(prefix) for name in entries), "it is some other zip archive")
    at, size = entries.get(prefix + b"byteorder", (0, 0))
    _require(data[at : at + min(size, 8)] in (b"", b"little"), "its numbers are not little-endian")
    machine = _Machine(data, entries[pickles[0]][0], sum(entries[pickles[0]]))
    state, spans = machine.load(), {}
    for key, (dtype, count) in machine.declared.items():
        spans[key] = entries.get(prefix + b"data/" + key.encode(), (0, -1))
        _require(spans[key][1] // dtype.itemsize == count, f"storage {short(key)} is missing or has another size")
    return state, spans


def _read_legacy(data: mmap.mmap) -> tuple[Any, dict[str, tuple[int, int]]]:
    """The same for a file of before torch 1.6: magic number, version, machine, object, storage keys, then the bytes."""
    machine = _Machine(data, 0, len(data))
    head = [machine.load() for _ in range(2)] if data[:1] == b"\x80" else []
    _require(head == LEGACY, f"it begins with {data[:24]}: no PyTorch weights, or a pointer to them")
    system, state, keys = (machine.load() for _ in range(3))
    _require(type(system) is dict and system.get("little_endian") is True, "its numbers are not little-endian")
    right = type(keys) is list and all(type(key) is str for key in keys) and sorted(keys) == sorted(machine.declared)
    _require(right, "its list of storages is not the one its tensors need")
    spans, at = {}, machine.position
    for key in keys:
        dtype, count = machine.declared[key]
        spans[key] = (at + 8, count * dtype.itemsize)
        _require(struct.unpack_from("<q", data, at) == (count,), f"storage {short(key)} has another size than declared")
        at = sum(spans[key])
        _require(at <= len(data), "it ends too early")
    return state, spans


def _select(state: Any) -> dict[str, _Tensor]:
    """The mapping of names to tensors: `state` itself, or the only one in it under a name that trainers use."""

    def odd(value: Any) -> list[Any]:
        return [k for k, v in value.items() if type(k) is not str or type(v) is not _Tensor]

    dicts = (dict, OrderedDict)
    _require(type(state) in dicts, f"it holds no dict of tensors but a {type(state).__name__.strip('_')}")
    if not (others := odd(state)):
        return state
    inner = [key for key in others[:MAX_ITEMS] if type(state[key]) in dicts and state[key] and not odd(state[key])]
    if len(inner) == 1 and inner[0] in WRAPPERS and len(others) <= MAX_ITEMS:
        return state[inner[0]]
    name, kind = short(others[0], 40), type(state[others[0]]).__name__.strip("_")
    raise ValueError(
        f"its item {name} is a {kind}, and exactly one dict of tensors named {', '.join(WRAPPERS)} is not in it"
    )


def _raw(file: BinaryIO, data: mmap.mmap, start: int, size: int) -> torch.UntypedStorage:
    """The bytes of a storage: a view of the mapped file, a copy where they do not stand at an aligned address."""
    if size == 0:
        return torch.UntypedStorage(0, device="cpu")
    if start % ALIGNMENT == 0:
        return torch.frombuffer(data, dtype=torch.uint8, count=size, offset=start).untyped_storage()
    file.seek(start)
    copy = bytearray(size)
    _require(file.readinto(copy) == size, "it changed while it was read")  # pyright: ignore[reportAttributeAccessIssue]
    return torch.frombuffer(copy, dtype=torch.uint8).untyped_storage()


def _make(tensor: _Tensor, raw: torch.UntypedStorage) -> torch.Tensor:
    part, width = tensor.storage, tensor.dtype.itemsize
    begin, room = part.start * part.dtype.itemsize, part.count * part.dtype.itemsize
    need = math.prod(tensor.size) * width
    last = sum((size - 1) * stride for size, stride in zip(tensor.size, tensor.stride, strict=True)) if need else -1
    _require((tensor.offset + last + 1) * width <= room, "it has a tensor that reaches beyond its storage")
    _require(need <= max(room, MAX_EXPANDED), "it has a tensor far larger than its storage")
    _require(begin % width == 0 and math.prod(size or 1 for size in tensor.size) < MAX_INT, "it has an absurd tensor")
    place = begin // width + tensor.offset
    return torch.empty(0, dtype=tensor.dtype, device="cpu").set_(raw, place, tensor.size, tensor.stride)


def _read(file: BinaryIO) -> dict[str, torch.Tensor]:
    _require(sys.byteorder == "little", "this machine is not little-endian")
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # writable, but the file keeps its bytes
    state, spans = _read_zip(data) if data[:4] == b"PK\3\4" else _read_legacy(data)
    tensors = _select(state)
    raw = {key: _raw(file, data, *spans[key]) for key in {tensor.storage.key for tensor in tensors.values()}}
    return {name: _make(tensor, raw[tensor.storage.key]) for name, tensor in tensors.items()}


def read_bin(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a PyTorch weight file, on the CPU and without gradients, by name.

    Tensors that shared memory still do. The result may be a view of the file: replace a file, never write into it.
    Raises OSError if there is no such file, ValueError if it is damaged or holds anything but tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)[-200:]!r}: give the path of a pytorch_model.bin.")
    try:
        with path.open("rb") as file:
            return _read(file)
    except (ValueError, LookupError, OverflowError, struct.error) as error:
        reason = str(error) if type(error) is ValueError else "its structure is damaged"
        raise ValueError(
            f"{str(path)[-70:]} was not loaded: {reason[:150]}. Download it again, or convert it where you trust it: "
            "safetensors.torch.save_file(torch.load(file, weights_only=True), 'model.safetensors')"
        ) from None
