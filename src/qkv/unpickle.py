"""Reads PyTorch weight files (`pytorch_model.bin`) without running anything that is in them.

Such a file is a pickle plus raw bytes: a zip archive since torch 1.6, before that five pickles in a row and then the
bytes. The pickle gives descriptions of tensors (`pickle_machine`); the tensors are made last, as views of the mapped
file, when each size has been checked against the bytes that are there.
"""

import itertools
import math
import mmap
import struct
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import torch

from .errors import short
from .pickle_machine import MAX_INT, MAX_PICKLE, Machine, TensorRef, require

MAX_ENTRIES = 1 << 17  # files in the zip archive
MAX_EXPANDED = 1 << 20  # bytes of a tensor that repeats its elements (stride 0) and so is larger than its storage
MAX_ITEMS = 100  # of a trainer's file around the weights
ALIGNMENT = 16  # bytes, for the widest dtype
WRAPPERS = ("state_dict", "model", "model_state_dict", "module")  # where trainers put the weights
LEGACY = [0x1950A86A20F9469CFC6C, 1001]  # magic number and version of the format before torch 1.6
FULL = 0xFFFFFFFF  # a 32-bit zip field whose value stands in a 64-bit one


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
    require(end + 22 + comment == len(data), "it ends too early")
    if count == 0xFFFF or FULL in (size, at):
        (end,) = struct.unpack_from("<8xQ", data, end - 20)
        count, size, at = struct.unpack_from("<32xQQQ", data, end)
    require(count <= MAX_ENTRIES and size <= MAX_PICKLE and at + size <= end, "its zip directory is too large")
    entries, extents = {}, [(at, len(data))]
    for _ in range(count):
        mark, flags, method, *sizes, name, extra, comment, header = struct.unpack_from("<4s4xHH8xIIHHH8xI", data, at)
        at += 46 + name
        packed, size, header = _wide(data[at : at + extra], *sizes, header)
        right = mark == b"PK\1\2" and not method and not flags & 1 and packed == size
        require(right, "its zip entries are not plainly stored")
        local, *lengths = struct.unpack_from("<4s22xHH", data, header)
        start = header + 30 + sum(lengths)
        right = local == b"PK\3\4" and data[at - name : at] not in entries
        require(right, "its zip directory is damaged or has a name twice")
        entries[data[at - name : at]] = (start, size)
        extents.append((header, start + size))
        at += extra + comment
    require(all(a[1] <= b[0] for a, b in itertools.pairwise(sorted(extents))), "its zip entries overlap")
    return entries


def _read_zip(data: mmap.mmap) -> tuple[Any, dict[str, tuple[int, int]]]:
    """The object in a zip archive, and for each storage it refers to: (first byte in the file, size)."""
    entries = _entries(data)
    pickles = [name for name in entries if name.endswith(b"/data.pkl") and name.count(b"/") == 1]
    prefix = pickles[0][:-8] if len(pickles) == 1 else b""
    require(prefix != b"" and all(name.startswith(prefix) for name in entries), "it is some other zip archive")
    at, size = entries.get(prefix + b"byteorder", (0, 0))
    require(data[at : at + min(size, 8)] in (b"", b"little"), "its numbers are not little-endian")
    machine = Machine(data, entries[pickles[0]][0], sum(entries[pickles[0]]))
    state, spans = machine.load(), {}
    for key, (dtype, count) in machine.declared.items():
        spans[key] = entries.get(prefix + b"data/" + key.encode(), (0, -1))
        require(spans[key][1] // dtype.itemsize == count, f"storage {short(key)} is missing or has another size")
    return state, spans


def _read_legacy(data: mmap.mmap) -> tuple[Any, dict[str, tuple[int, int]]]:
    """The same for a file of before torch 1.6: magic number, version, machine, object, storage keys, then the bytes."""
    machine = Machine(data, 0, len(data))
    head = [machine.load() for _ in range(2)] if data[:1] == b"\x80" else []
    require(head == LEGACY, f"it begins with {data[:24]}: no PyTorch weights, or a pointer to them")
    system, state, keys = (machine.load() for _ in range(3))
    require(type(system) is dict and system.get("little_endian") is True, "its numbers are not little-endian")
    right = type(keys) is list and all(type(key) is str for key in keys) and sorted(keys) == sorted(machine.declared)
    require(right, "its list of storages is not the one its tensors need")
    spans, at = {}, machine.position
    for key in keys:
        dtype, count = machine.declared[key]
        spans[key] = (at + 8, count * dtype.itemsize)
        require(struct.unpack_from("<q", data, at) == (count,), f"storage {short(key)} has another size than declared")
        at = sum(spans[key])
        require(at <= len(data), "it ends too early")
    return state, spans


def _select(state: Any) -> dict[str, TensorRef]:
    """The mapping of names to tensors: `state` itself, or the only one in it under a name that trainers use."""

    def odd(value: Any) -> list[Any]:
        return [k for k, v in value.items() if type(k) is not str or type(v) is not TensorRef]

    dicts = (dict, OrderedDict)
    require(type(state) in dicts, f"it holds no dict of tensors but a {type(state).__name__}")
    if not (others := odd(state)):
        return state
    inner = [key for key in others[:MAX_ITEMS] if type(state[key]) in dicts and state[key] and not odd(state[key])]
    if len(inner) == 1 and inner[0] in WRAPPERS and len(others) <= MAX_ITEMS:
        return state[inner[0]]
    name, kind = short(others[0], 40), type(state[others[0]]).__name__
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
    require(file.readinto(copy) == size, "it changed while it was read")  # pyright: ignore[reportAttributeAccessIssue]
    return torch.frombuffer(copy, dtype=torch.uint8).untyped_storage()


def _make(tensor: TensorRef, raw: torch.UntypedStorage) -> torch.Tensor:
    part, width = tensor.storage, tensor.dtype.itemsize
    begin, room = part.start * part.dtype.itemsize, part.count * part.dtype.itemsize
    need = math.prod(tensor.size) * width
    last = sum((size - 1) * stride for size, stride in zip(tensor.size, tensor.stride, strict=True)) if need else -1
    require((tensor.offset + last + 1) * width <= room, "it has a tensor that reaches beyond its storage")
    require(need <= max(room, MAX_EXPANDED), "it has a tensor far larger than its storage")
    require(begin % width == 0 and math.prod(size or 1 for size in tensor.size) < MAX_INT, "it has an absurd tensor")
    place = begin // width + tensor.offset
    return torch.empty(0, dtype=tensor.dtype, device="cpu").set_(raw, place, tensor.size, tensor.stride)


def _read(file: BinaryIO) -> dict[str, torch.Tensor]:
    require(sys.byteorder == "little", "this machine is not little-endian")
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
