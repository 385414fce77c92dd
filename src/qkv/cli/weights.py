"""What the headers of weight files say: parameters, precision, bytes. No weight is read."""

import json
import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qkv.errors import short
from qkv.gguf import GGUFRepo
from qkv.hub import Repo, open_repo

HEADER = 100 * 2**20  # bytes at most, as the format says
WEIGHTS = (
    "model.safetensors",
    "model.int8.safetensors",
    "model.int4.safetensors",
    "pytorch_model.bin",
)  # in the order loading looks
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "I8": "int8", "U8": "uint8", "I32": "int32", "INT4": "int4",
}  # fmt: skip
FEW_BITS = ("qkv-int8-rows", "qkv-int4-groups")  # docs/quantization.md
COUNTERS = ("I64", "BOOL")  # position numbers and masks that old files hold


@dataclass
class Summary:
    """Bytes of each file and of all; parameters and their precision; None where unknown. What is wrong, if anything."""

    sizes: dict[str, int | None] = field(default_factory=dict)
    bytes: int | None = None
    parameters: int | None = None
    dtype: str | None = None
    problem: str | None = None


def summarise(repo: Repo, files: list[str], revision: str | None = None) -> Summary:
    """What can be known of a repository's weights without downloading them."""
    if isinstance(repo, GGUFRepo):
        size = repo.path.stat().st_size
        return Summary({repo.path.name: size}, size, repo.parameters)
    here = repo if repo.is_local else open_repo(repo.name, revision=revision, local_files_only=True)
    summary = Summary({name: _size(here, name) for name in files})
    try:
        shards, index = _shards(repo, files)
        if shards[0].endswith(".safetensors") and all(summary.sizes[name] is not None for name in shards):
            weight = Counter[str]()
            for name in shards:
                weight.update(_header(here.require(name)))
            summary.parameters = weight.total()
            summary.dtype = DTYPES.get(max(weight, key=weight.__getitem__, default=""))
        elif isinstance(index.get("total_parameters"), int):
            summary.parameters = index["total_parameters"]
        summary.bytes = sum(count or 0 for count in summary.sizes.values())
        if any(summary.sizes[name] is None for name in shards):
            summary.bytes = index["total_size"] if isinstance(index.get("total_size"), int) else None
    except (OSError, ValueError) as error:
        summary.problem = str(error)
    return summary


def _size(here: Repo, name: str) -> int | None:
    """Bytes of a file if it is on this machine already: in the folder, or in the cache."""
    with suppress(OSError, ValueError):
        path = here.folder / name if here.is_local else here.file(name)
        return path.stat().st_size if path else None
    return None


def _shards(repo: Repo, files: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The names of the weight files that loading would read, and what their index says of them."""
    for name in WEIGHTS:
        if name in files:
            return [name], {}
        index = f"{name}.index.json"
        if index in files:
            value = repo.json(index) or {}
            table, facts = value.get("weight_map"), value.get("metadata")
            shards = sorted({str(shard) for shard in table.values()}) if isinstance(table, dict) else []
            absent = [shard for shard in shards if shard not in files]
            if absent or not shards:
                raise OSError(f"{index} names {short(absent[0]) if absent else 'no files'}, which is not there.")
            return shards, facts if isinstance(facts, dict) else {}
    raise OSError(f"it has no weights: expected {WEIGHTS[0]} or {WEIGHTS[-1]} (or their shards).")


def _header(path: Path) -> Counter[str]:
    """Weights of each precision in a safetensors file. Raises OSError if the file is not whole."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length <= HEADER else b""
    try:
        entries = json.loads(text)
        form = entries.pop("__metadata__", {}).get("format")
        end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        count = Counter[str]()
        for name, entry in entries.items():
            dtype, size = entry["dtype"], math.prod(entry["shape"])
            if form in FEW_BITS and name.endswith((".scale", ".minimum")) or dtype in COUNTERS:
                continue
            if form == FEW_BITS[1] and dtype == "U8":  # two in a byte
                dtype, size = "INT4", 2 * size
            count[dtype] += size
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise OSError(f"{path.name} is not a safetensors file. Download or save it again.") from None
    if 8 + length + end != path.stat().st_size:
        raise OSError(f"{path.name} has {path.stat().st_size:,} bytes where its header says {8 + length + end:,}.")
    return count
