"""The front part of a GGUF file: what it says of the model, and where its tensors are.

The format is https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Files come from anybody, so every count, length
and place is checked against the size of the file before it is used.
"""

import math
import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import short
from ..files import MAX_JSON

VERSIONS = (2, 3)
ALIGNMENT = 32
MAX_METADATA = MAX_JSON  # bytes; the largest vocabularies take 20 MB
MAX_ITEMS = 2**23  # of all lists together; the largest vocabularies have two million
MAX_DIMS = 4
F32 = 0  # the type of a tensor that is not packed
_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: shape with the outermost dimension first, the number of its type, where its bytes start."""

    name: str
    shape: tuple[int, ...]
    kind: int
    start: int


@dataclass
class Header:
    """Metadata by key, and the tensors."""

    metadata: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Entry] = field(default_factory=dict)

    def get(self, key: str, default: Any = None) -> Any:
        return self.metadata.get(key, default)


def read_header(path: Path) -> Header:
    """What a GGUF file says of itself; no tensor is read. OSError: not a GGUF file, damaged, or cut off."""
    with open(path, "rb") as file:
        start = file.read(4)
        if start != b"GGUF":
            raise OSError(f"{_quoted(path)} is not a GGUF file: it starts with {start!r}. Download it again.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _Reader(data).header()
            except (struct.error, UnicodeDecodeError, ValueError) as error:
                problem = "is cut off" if isinstance(error, struct.error) else f"is damaged: {short(str(error), 120)}"
                raise OSError(f"{_quoted(path)} {problem}. It has {len(data):,} bytes. Download it again.") from None


def read_floats(path: Path, entry: Entry, limit: int = 2**16) -> list[float]:
    """The numbers of a short tensor that is not packed. OSError: it is another one, or the file is cut off."""
    count = math.prod(entry.shape)
    if entry.kind != F32 or count > limit:
        raise OSError(f"{_quoted(path)} is damaged: {short(entry.name)} is no short list of numbers.")
    with open(path, "rb") as file:
        file.seek(entry.start)
        raw = file.read(4 * count)
    if len(raw) < 4 * count:
        raise OSError(f"{_quoted(path)} is cut off in {short(entry.name)}. Download it again.")
    return [_shortest(value) for value in struct.unpack(f"<{count}f", raw)]


class _Reader:
    """Reads on from a place in the file. Raises ValueError or struct.error where the file does not make sense."""

    def __init__(self, data: mmap.mmap):
        self.data, self.size, self.at, self.items = data, len(data), 4, 0

    def header(self) -> Header:
        version, tensors, keys = self.numbers("IQQ")
        if version & 0xFFFF == 0:
            raise ValueError("it is big-endian, which qkv does not read")
        if version not in VERSIONS:
            raise ValueError(f"version {version}, expected {VERSIONS[0]} or {VERSIONS[-1]}")
        found = Header()
        for _ in range(self.checked(keys, 13, "metadata keys")):
            key = self.string()
            if key in found.metadata:
                raise ValueError(f"the key {short(key)} stands twice")
            found.metadata[key] = self.value(*self.numbers("I"))
        entries = [self.entry() for _ in range(self.checked(tensors, 24, "tensors"))]
        align = found.get("general.alignment", ALIGNMENT)
        if type(align) is not int or not 0 < align <= 2**20 or align & (align - 1):
            raise ValueError(f"general.alignment {short(align)} is not a power of two")
        data_start = -(-self.at // align) * align
        for name, shape, kind, offset in entries:
            if name in found.tensors:
                raise ValueError(f"the tensor {short(name)} stands twice")
            if offset > self.size - data_start:
                raise ValueError(f"{short(name)} starts beyond the end of the file")
            found.tensors[name] = Entry(name, shape, kind, data_start + offset)
        return found

    def numbers(self, kinds: str) -> tuple[Any, ...]:
        layout = "<" + kinds
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def checked(self, count: int, smallest: int, what: str) -> int:
        """A count of things of at least so many bytes, if the file has room for them."""
        if count * smallest > min(self.size, MAX_METADATA) - self.at:
            raise ValueError(f"{count} {what} do not fit in it")
        return count

    def listed(self, count: int, smallest: int) -> int:
        self.items += count
        if self.items > MAX_ITEMS:
            raise ValueError(f"lists of more than {MAX_ITEMS:,} entries")
        return self.checked(count, smallest, "entries of a list")

    def string(self) -> str:
        (length,) = self.numbers("Q")
        self.checked(length, 1, "characters")
        self.at += length
        return self.data[self.at - length : self.at].decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self.array()
        if kind not in _NUMBERS:
            raise ValueError(f"unknown type of metadata {kind}")
        (value,) = self.numbers(_NUMBERS[kind])
        return _shortest(value) if _NUMBERS[kind] == "f" else value

    def array(self) -> list[Any]:
        kind, count = self.numbers("IQ")
        if kind == _STRING:
            return [self.string() for _ in range(self.listed(count, 8))]
        if kind not in _NUMBERS:
            raise ValueError(f"an array of type {kind}")
        size = struct.calcsize(_NUMBERS[kind])
        return list(self.numbers(f"{self.listed(count, size)}{_NUMBERS[kind]}"))

    def entry(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self.string()
        (dims,) = self.numbers("I")
        if not 0 < dims <= MAX_DIMS:
            raise ValueError(f"{short(name)} has {dims} dimensions, expected 1 to {MAX_DIMS}")
        *sizes, kind, offset = self.numbers(f"{dims}QIQ")
        if math.prod(sizes) >= 2**63:
            raise ValueError(f"{short(name)} has an impossible shape {short(sizes)}")
        return name, tuple(reversed(sizes)), kind, offset


def _shortest(value: float) -> float:
    """The decimal that a float32 was written for: 1e-05, not 9.999999747378752e-06."""
    if not math.isfinite(value):
        return value
    return next((near for digits in range(6, 9) if _as_float32(near := float(f"{value:.{digits}g}")) == value), value)


def _as_float32(value: float) -> float | None:
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:  # rounded up beyond the largest one
        return None


def _quoted(path: Path) -> str:
    return short(str(path), 120)
