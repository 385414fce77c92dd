"""The tensors of a GGUF file under their published names and in the published layout. The only importer of `gguf`."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import nearest, short
from .architectures import SETTINGS, Architecture
from .config import architecture
from .header import Entry, Header


def read_weights(path: Path, header: Header) -> Iterator[tuple[str, Tensor]]:
    """The (published name, float32 tensor) pairs of a file, unpacked one at a time.

    Raises: ImportError without the gguf package; OSError for a file that is cut off or holds more than it has room
        for; ValueError for a tensor or a type of packing that is not known.
    """
    library = _library()
    kind = architecture(header)
    heads = _heads(header)
    entries = [entry for entry in header.tensors.values() if entry.name not in SETTINGS]
    plan = [(entry, published_name(kind, entry.name), *_packing(library, entry, path)) for entry in entries]
    size = path.stat().st_size
    if sum(width for *_, width in plan) > size or any(entry.start + width > size for entry, *_, width in plan):
        raise OSError(f"{short(str(path), 120)} is cut off: its {size:,} bytes end before its weights. Get it again.")
    for entry, name, packing, width in plan:
        yield name, _restored(kind, entry, _unpacked(library, path, entry, packing, width), heads)


def published_name(kind: Architecture, name: str) -> str:
    """What a tensor is called in the original checkpoint. ValueError: the architecture has no such tensor."""
    path, _, leaf = name.rpartition(".")
    index = re.match(r"blk\.(\d{1,4})\.", path)
    general = path.replace(index[0], "blk.{}.", 1) if index else path
    if general not in kind.names or leaf not in ("weight", "bias"):
        raise ValueError(
            f"the GGUF file has a tensor {short(name)}, which a {kind.model_type} has no place for; the nearest are "
            f"{nearest(general, kind.names)}. Without it the numbers would be wrong."
        )
    return f"{kind.names[general].format(int(index[1]) if index else 0)}.{leaf}"


def _library() -> Any:
    try:
        import gguf
    except ImportError:
        raise ImportError(
            "GGUF weights are unpacked by the gguf package, which is not installed. Type: pip install qkv[gguf]"
        ) from None
    return gguf


def _packing(library: Any, entry: Entry, path: Path) -> tuple[Any, int]:
    """How a tensor's numbers are packed, and in how many bytes."""
    try:
        packing = library.GGMLQuantizationType(entry.kind)
        block, size = library.GGML_QUANT_SIZES[packing]
    except (ValueError, KeyError):
        raise ValueError(
            f"{short(entry.name)} in {short(str(path), 100)} is of type {entry.kind}, which the installed gguf package "
            f"does not know. Type: pip install --upgrade gguf"
        ) from None
    if entry.shape[-1] % block:
        raise OSError(
            f"{short(str(path), 120)} is damaged: rows of {entry.shape[-1]} in {short(entry.name)} are no whole blocks "
            f"of {block}. Download it again."
        )
    return packing, math.prod(entry.shape) // block * size


def _unpacked(library: Any, path: Path, entry: Entry, packing: Any, width: int) -> Tensor:
    """The numbers of a tensor as float32."""
    if width == 0:
        return torch.empty(entry.shape)
    with open(path, "rb") as file:
        file.seek(entry.start)
        raw = torch.frombuffer(bytearray(file.read(width)), dtype=torch.uint8)
    kinds = library.GGMLQuantizationType
    plain = {kinds.F32: torch.float32, kinds.F16: torch.float16, kinds.BF16: torch.bfloat16, kinds.F64: torch.float64}
    if packing in plain:
        return raw.view(plain[packing]).view(entry.shape).float()
    try:
        with np.errstate(all="ignore"):  # a scale that is no number makes numbers that are none
            numbers = library.quants.dequantize(raw.view(*entry.shape[:-1], -1).numpy(), packing)
    except NotImplementedError:
        raise ValueError(
            f"{short(entry.name)} is packed as {packing.name}, which the installed gguf package cannot unpack. "
            f"Type: pip install --upgrade gguf"
        ) from None
    return torch.from_numpy(numbers).view(entry.shape)


def _heads(header: Header) -> dict[str, int]:
    """How many heads queries and keys have, by tensor."""
    name = header.get("general.architecture")
    queries = header.get(f"{name}.attention.head_count")
    return {"attn_q": queries, "attn_k": header.get(f"{name}.attention.head_count_kv", queries), "attn_qkv": queries}


def _restored(kind: Architecture, entry: Entry, tensor: Tensor, heads: dict[str, int]) -> Tensor:
    """A tensor as the original checkpoint has it."""
    part = entry.name.split(".")[-2]
    if part in kind.turned and tensor.dim() == 2:
        return tensor.t()
    if kind.raised and entry.name.endswith("norm.weight"):
        return tensor - 1
    if part not in kind.interleaved and part not in kind.grouped:
        return tensor
    rows, count, thirds = tensor.shape[0], heads[part], part in kind.grouped
    if type(count) is not int or count < 1 or rows % (count * (3 if thirds else 2)):
        raise ValueError(f"{short(entry.name)} of {rows} rows does not split into {short(count)} heads.")
    shape = (3, count, -1) if thirds else (count, rows // count // 2, 2)
    swapped = (0, 1) if thirds else (1, 2)
    return tensor.reshape(*shape, *tensor.shape[1:]).transpose(*swapped).reshape(tensor.shape)
