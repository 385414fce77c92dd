"""What the headers of weight files say: parameters, precision, bytes. No weight is read."""

import json
import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qkv.errors import short
from qkv.hub import Repo, open_repo

HEADER = 100 * 2**20  # bytes at most, as the format says
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "I8": "int8", "U8": "uint8", "I32": "int32",
}  # fmt: skip
COUNTERS = ("I64", "BOOL")  # position numbers and masks that old files hold


@dataclass
class Summary:
    """Bytes of each file, None where they are not known; parameters and their precision; what is wrong, if anything."""

    sizes: dict[str, int | None] = field(default_factory=dict)
    parameters: int | None = None
    dtype: str | None = None
    problem: str | None = None


def summarise(repo: Repo, files: list[str], revision: str | None = None) -> Summary:
    """What can be known of a repository's weights without downloading them."""
    here = {name: _here(repo, name, revision) for name in files}
    summary = Summary({name: path.stat().st_size if path else None for name, path in here.items()})
    try:
        shards, index = _shards(repo, files)
        if shards[0].endswith(".safetensors") and all(here.get(name) for name in shards):
            headers = [_header(path) for name in shards if (path := here[name])]
            tensors = [entry for header in headers for entry in header]
            summary.parameters = sum(count for _, count in tensors)
            weight = Counter[str]()
            for dtype, count in tensors:
                weight[dtype] += count
            summary.dtype = DTYPES.get(weight.most_common(1)[0][0]) if weight else None
        elif isinstance(index.get("total_parameters"), int):
            summary.parameters = index["total_parameters"]
    except (OSError, ValueError) as error:
        summary.problem = str(error)
    return summary


def _here(repo: Repo, name: str, revision: str | None) -> Path | None:
    """A file's path if it is on this machine already: in the folder, or in the cache."""
    if repo.is_local:
        return repo.folder / name
    with suppress(OSError, ValueError):
        return open_repo(repo.name, revision=revision, local_files_only=True).file(name)
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
    raise OSError(f"it has no weights: expected {' or '.join(WEIGHTS)} (or their shards).")


def _header(path: Path) -> list[tuple[str, int]]:
    """Precision and count of each tensor of a safetensors file. Raises OSError if the file is not whole."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length <= HEADER else b""
    try:
        entries = json.loads(text)
        facts = entries.pop("__metadata__", {})
        end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        tensors = {name: (entry["dtype"], math.prod(entry["shape"])) for name, entry in entries.items()}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise OSError(f"{path.name} is not a safetensors file. Download or save it again.") from None
    if 8 + length + end != path.stat().st_size:
        raise OSError(f"{path.name} has {path.stat().st_size:,} bytes where its header says {8 + length + end:,}.")
    packed = facts.get("format") == "qkv-int8-rows"
    return [v for name, v in tensors.items() if v[0] not in COUNTERS and not (packed and name.endswith(".scale"))]
