"""State of any kind, such as an optimiser's or that of all generators: JSON and safetensors, bit for bit."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import read_file, write_tensors
from ..files import read_json, write_file


def write_part(folder: Path, name: str, value: Any, file: str | None = None) -> None:
    """State of nested dictionaries, lists and tuples with numbers, strings and tensors, as <name>.json, and its tensors
    as <name>.safetensors, or `file`; those without data another process writes."""
    tensors: dict[str, Tensor] = {}
    write_file(folder, f"{name}.json", json.dumps(_pack(value, "", tensors)) + "\n")
    if tensors := {path: tensor for path, tensor in tensors.items() if not tensor.is_meta}:
        write_tensors(folder, file or f"{name}.safetensors", tensors)


def read_part(folder: Path, name: str) -> Any:
    """What `write_part` wrote, bit for bit. Raises: OSError for a file that is missing or damaged."""
    files = (*folder.glob(f"{name}.safetensors"), *folder.glob(f"{name}-*-of-*.safetensors"))
    tensors = {path: tensor for file in files for path, tensor in dict(read_file(file)).items()}
    try:
        return _unpack(read_json(folder / f"{name}.json"), tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise OSError(
            f"{name}.json in {folder.name} does not fit its tensors ({error}). Use another checkpoint."
        ) from None


def read_all(folder: Path, name: str) -> list[Any]:
    """A part of each process, by rank: <name>.json, <name>-1.json and so on; [] if there is none."""
    names = [name, *(f"{name}-{rank}" for rank in range(1, len(list(folder.glob(f"{name}-*.json"))) + 1))]
    return [read_part(folder, each) for each in names if (folder / f"{each}.json").is_file()]


def _pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor | np.ndarray):
        tensors[path] = torch.as_tensor(value)
        return {"tensor": path, "numpy": isinstance(value, np.ndarray)}
    if isinstance(value, dict):
        pairs = [[key, _pack(item, f"{path}.{key}" if path else str(key), tensors)] for key, item in value.items()]
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(item, f"{path}.{i}" if path else str(i), tensors) for i, item in enumerate(value)]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(f"{path or 'it'} is a {type(value).__name__}, which no checkpoint holds; keep numbers and tensors.")


def _unpack(value: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    if "tensor" in value:
        return tensors[value["tensor"]].numpy() if value["numpy"] else tensors[value["tensor"]]
    if "dict" in value:
        return {key: _unpack(item, tensors) for key, item in value["dict"]}
    for kind, make in (("list", list), ("tuple", tuple)):
        if kind in value:
            return make(_unpack(item, tensors) for item in value[kind])
    return value["value"]


def rng_state() -> dict[str, Any]:
    """Of everything that draws in this process."""
    name, keys, *numbers = np.random.get_state(legacy=True)
    keys = np.asarray(keys)
    state = {
        "python": random.getstate(),
        "numpy": (name, keys.astype(np.int64), *numbers),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    """What `rng_state` gave."""
    random.setstate(state["python"])
    name, keys, *numbers = state["numpy"]
    np.random.set_state((name, keys.astype(np.uint32), *numbers))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
