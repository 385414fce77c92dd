"""How vectors are written: as rows of a numpy array, or with their texts as JSON or tab-separated lines."""

import json
import os
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from qkv.files import replace_file

from .terminal import clean

Window = tuple[list[str], Any]  # texts, and their vectors (N,D), float32
Sink = Callable[[bytes], Any]
TAB = "\t"
HEAD = 128  # bytes before the numbers: the same for any number of rows, since it is written again at the end


def _npy_head(rows: int, width: int) -> bytes:
    """The head of a .npy file, format 1.0 (numpy.lib.format), filled up with spaces."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", HEAD - 10) + f"{text:<{HEAD - 11}}\n".encode("ascii")


def _npy(texts: list[str], vectors: Any) -> bytes:
    return vectors.astype("<f4").tobytes()


def _numbers(row: Any, between: str) -> str:
    return between.join(f"{x:.9g}" for x in row)  # enough digits to be the same float32 again


def _jsonl(texts: list[str], vectors: Any) -> bytes:
    rows = zip(texts, vectors.tolist(), strict=True)
    lines = (f'{{"text": {json.dumps(text)}, "embedding": [{_numbers(row, ", ")}]}}\n' for text, row in rows)
    return "".join(lines).encode()


def _tsv(texts: list[str], vectors: Any) -> bytes:
    rows = zip(texts, vectors.tolist(), strict=True)
    lines = (f"{_numbers(row, TAB)}{TAB}{clean(text)}\n" for text, row in rows)
    return "".join(lines).encode("utf-8", "backslashreplace")


FORMATS = {"npy": _npy, "jsonl": _jsonl, "tsv": _tsv}


def destination(output: str | None) -> Path | None:
    """The file to write. Raises: OSError for a device or a pipe, in whose place no file may be put."""
    if output is None:
        return None
    target = Path(os.path.realpath(output))
    if target.exists() and not target.is_file():
        raise OSError(f"{output} is a device or a pipe. Leave --output out and send the lines there: > {output}")
    return target


def write(windows: Iterable[Window], form: str, target: Path | None) -> tuple[int, int]:
    """Write all windows to a file, which is there once it is whole, or to stdout. Returns rows and numbers of a row."""
    if target is None:
        return _write(windows, form, lambda data: (sys.stdout.write(data.decode()), sys.stdout.flush()))
    found = (0, 0)

    def save(path: Path) -> None:
        nonlocal found
        with open(path, "wb") as stream:
            found = _fill(windows, form, stream)

    replace_file(target, save)
    return found


def _fill(windows: Iterable[Window], form: str, stream: BinaryIO) -> tuple[int, int]:
    if form != "npy":
        return _write(windows, form, stream.write)
    stream.write(_npy_head(0, 0))
    found = _write(windows, form, stream.write)
    stream.seek(0)
    stream.write(_npy_head(*found))
    return found


def _write(windows: Iterable[Window], form: str, sink: Sink) -> tuple[int, int]:
    rows = width = 0
    for texts, vectors in windows:
        sink(FORMATS[form](texts, vectors))
        rows, width = rows + len(texts), vectors.shape[1]
    return rows, width
