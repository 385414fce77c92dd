"""The only door to the native library: found, checked and declared here, or refused with a reason.

    native = library()
    if native is None:              # status() says why; the caller computes with torch
        ...

This file imports nothing of the package: `hatch_build.py` runs it by its path, before the package is installed.
"""

import ctypes
import functools
import hashlib
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

ABI = 5  # what qkv_abi() must give; counts up in the commit that changes a function or a struct below
FOLDER = Path(__file__).parent
FILE = FOLDER / ("_native.dylib" if sys.platform == "darwin" else "_native.so")
SOURCES = FOLDER / "csrc"
ISAS = ("scalar", "avx2", "avxvnni", "avx512", "avx512vnni")  # slowest first
REBUILD = (
    "run `pip install -e .` again (or `make native`)"
    if SOURCES.is_dir()
    else "with a C++ compiler, run `pip install --force-reinstall --no-deps --no-binary qkv qkv`"
)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # malloc.h


class Matrix(ctypes.Structure):
    """A weight (n, k) as the kernels read it; the caller keeps the memory behind the pointers alive.

    kind: 0 float32 rows, 1 float16 rows, 2 int8 panels, 3 int4 blocks. `scale` is None for kind 3, `bias` where there
    is none.
    """

    _fields_ = [
        ("kind", c_int32),
        ("n", c_int32),
        ("k", c_int32),
        ("reserved", c_int32),
        ("weight", c_void_p),
        ("scale", c_void_p),
        ("bias", c_void_p),
    ]


FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {  # name -> result, arguments; addresses of tensors are integers
    "qkv_isa": (c_char_p, []),
    "qkv_use_isa": (c_int, [c_char_p]),
    "qkv_threads": (c_int, [c_int]),
    "qkv_linear": (c_int, [POINTER(Matrix), c_void_p, c_void_p, c_int64]),
    "qkv_team": (None, [c_void_p, c_void_p, c_void_p]),
    "qkv_run": (c_int, [c_void_p, c_void_p]),  # addresses of structs.Program and structs.Call
    "qkv_product": (None, [c_void_p, c_void_p, c_void_p, c_int64, c_int, c_int]),
    "qkv_squares": (c_double, [c_void_p, c_int64]),  # address of structs.Parameter, and how many
    "qkv_adamw": (None, [c_void_p, c_int64, c_float]),
    "qkv_dropout": (None, [c_void_p, c_void_p, c_int64, c_uint64, c_uint32, c_float]),
}


def library() -> ctypes.CDLL | None:
    """The native library, its functions declared; None if there is none that may be used. Never raises.

    It is looked for once in a process, at the first call: `QKV_NATIVE=0` in the environment at that time switches it
    off.
    """
    return _found()[0]


def status() -> str:
    """One line: "native avx512vnni, 2 threads", or why torch computes instead."""
    native, reason = _found()
    return reason if native is None else f"native {native.qkv_isa().decode()}, {native.qkv_threads(0)} threads"


def isas() -> list[str]:
    """The instruction sets this processor can be told to use, slowest first; empty without the library.

    Each is switched to and back: not to be called while another thread computes.
    """
    native = library()
    if native is None:
        return []
    now = native.qkv_isa()
    usable = [name for name in ISAS if native.qkv_use_isa(name.encode()) == 0]
    native.qkv_use_isa(now)
    return usable


@contextmanager
def keeping_memory() -> Iterator[None]:
    """Within it memory that is freed stays with the process, and is given back at the end.

    A step of training frees what the next one asks for again: gradients and states of megabytes, which the GNU C
    library returns to the system each time, so that each page is cleared and mapped anew. Elsewhere nothing changes.
    It takes a few rounds until there is room between other things, so that a few of the largest tensors lie unused.
    """
    choose, trim = _malloc()
    choose(M_MMAP_MAX, 0)
    choose(M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        choose(M_MMAP_MAX, 65536)  # both as they are by default
        choose(M_TRIM_THRESHOLD, 128 * 1024)
        trim(ctypes.c_size_t(0))


@contextmanager
def returning_memory() -> Iterator[None]:
    """Within it memory of a megabyte or more that is freed goes back to the system at once, not when the GNU C library
    sees fit: what matters where each of many tensors is made from a larger one. Elsewhere nothing changes."""
    choose, _ = _malloc()
    choose(M_MMAP_THRESHOLD, 1 << 20)
    try:
        yield
    finally:
        choose(M_MMAP_THRESHOLD, 32 << 20)  # what the library itself comes to, once large tensors have been freed
        choose(M_TRIM_THRESHOLD, 64 << 20)


def _malloc() -> tuple[Any, Any]:
    """mallopt and malloc_trim; where the C library has none, functions that do nothing."""
    try:
        libc: Any = ctypes.CDLL(None)
        return libc.mallopt, libc.malloc_trim
    except (OSError, AttributeError, TypeError):
        return (lambda *_: 0), (lambda *_: 0)


@functools.cache
def _found() -> tuple[ctypes.CDLL | None, str]:
    if os.environ.get("QKV_NATIVE") == "0":
        return None, "switched off by QKV_NATIVE=0"
    return load(FILE)


def load(file: Path) -> tuple[ctypes.CDLL | None, str]:
    """The library in `file` and "", or None and the reason it is refused. Never raises."""
    try:
        return _checked(file), ""
    except FileNotFoundError:
        return None, f"missing: installed without a C++ compiler, or never built; {REBUILD}"
    except (OSError, ValueError) as error:
        return None, f"{error}; {REBUILD}"
    except AttributeError as error:  # a function that is not there
        return None, f"stale: {error}; {REBUILD}"


def _checked(file: Path) -> ctypes.CDLL:
    """The library in `file`; OSError, ValueError or AttributeError if this package may not use it."""
    if _is_cut(file):
        raise ValueError(f"broken: {file} is not a whole library")
    try:
        native = ctypes.CDLL(str(file))
    except OSError as error:  # the loader of macOS has a line for each place it tried
        raise OSError(f"not loadable: {' '.join(str(error).split())[:200]}") from None
    native.qkv_abi.restype = c_int
    native.qkv_digest.restype = c_char_p
    if native.qkv_abi() != ABI:
        raise ValueError(f"stale: the library has ABI {native.qkv_abi()}, this package needs {ABI}")
    if SOURCES.is_dir() and native.qkv_digest() != digest(SOURCES).encode():
        raise ValueError("stale: built from other sources")
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(native, name)
        function.restype, function.argtypes = result, arguments
    _share_threads(native)
    return native


def _share_threads(native: ctypes.CDLL) -> None:
    """Let the library work on the threads of torch's OpenMP, if that is there; else it has its own."""
    torch = sys.modules.get("torch")
    if torch is None or sys.platform != "linux":
        return
    try:
        found = ctypes.CDLL(str(Path(torch.__file__ or "").parent / "lib" / "libtorch_cpu.so"))
        names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        native.qkv_team(*(ctypes.cast(getattr(found, name), c_void_p) for name in names))
    except (OSError, AttributeError):
        return


def digest(sources: Path) -> str:
    """16 hexadecimal digits of the names and bytes of the C++ files in a folder."""
    found = hashlib.sha256()
    for path in sorted(sources.iterdir()):
        if path.suffix in (".cpp", ".h", ".inl"):
            data = path.read_bytes()
            found.update(f"{path.name} {len(data)}\n".encode() + data)
    return found.hexdigest()[:16]


def _is_cut(file: Path) -> bool:
    """Whether an ELF file ends before its table of sections does. The loader maps what is missing, and dies of it."""
    with file.open("rb") as opened:
        head = opened.read(64)
        length = opened.seek(0, os.SEEK_END)
    if len(head) < 64 or head[:5] != b"\x7fELF\x02":  # the loader itself refuses those
        return False
    (start,) = struct.unpack_from("=Q", head, 40)
    size, count = struct.unpack_from("=HH", head, 58)
    return length < start + size * count
