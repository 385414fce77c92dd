"""Checkpoints of a run: JSON and safetensors, complete or absent.

checkpoint-<step>/ holds the model (as `save_pretrained` writes it) and its tokenizer, optimizer.safetensors and
optimizer.json, scheduler.json, rng.json and rng.safetensors, trainer_state.json, training_args.json, and manifest.json
with the size of each file. It is written beside and renamed when it is whole: a process that is killed leaves the
checkpoints that there were.
"""

import json
import os
import random
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import read_file, write_tensors
from ..files import read_json, write_file
from .state import TrainerState

NAME = re.compile(r"checkpoint-(\d+)")
MANIFEST, STATE, ARGUMENTS = "manifest.json", "trainer_state.json", "training_args.json"


def save(folder: Path, step: int, write: Any) -> Path:
    """A checkpoint of this step: `write(path)` fills it. Returns its folder.

    Raises: OSError if it cannot be written; then what was there before still is.
    """
    target = folder / f"checkpoint-{step}"
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{target.name}.{secrets.token_hex(4)}"
    try:
        new.mkdir()
        write(new)
        sizes = {str(path.relative_to(new)): path.stat().st_size for path in sorted(new.rglob("*")) if path.is_file()}
        write_file(new, MANIFEST, json.dumps({"step": step, "files": sizes}, indent=2) + "\n")
        if target.exists():  # of the same step: a run that was resumed
            old = folder / f".{target.name}.{secrets.token_hex(4)}.old"
            os.replace(target, old)
            os.replace(new, target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(new, target)
        _sync(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target


def is_whole(folder: Path) -> bool:
    """Whether it is a checkpoint whose files are there in full."""
    try:
        files = read_json(folder / MANIFEST)["files"]
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, KeyError, AttributeError):
        return False


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints in a folder, by step."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if NAME.fullmatch(path.name) and is_whole(path)]
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def get_last_checkpoint(folder: str | os.PathLike[str]) -> str | None:
    """The newest whole checkpoint in a folder; None if there is none."""
    found = checkpoints(Path(folder))
    return str(found[-1]) if found else None


def rotate(folder: Path, limit: int | None, keep: str | None) -> None:
    """Remove the oldest checkpoints beyond `limit`, but not `keep`, and what a killed process left half written."""
    for left in folder.glob(".checkpoint-*"):
        shutil.rmtree(left, ignore_errors=True)
    if limit is None or limit < 1:
        return
    found = checkpoints(folder)
    kept = set(found[-limit:])
    best = next((path for path in found if keep is not None and path == Path(keep)), None)
    if best is not None and best not in kept:  # it takes the place of the oldest, but never of the newest
        kept = {best, *found[len(found) - max(limit - 1, 1) :]}
    for path in found:
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)


# ------------------------------------------------------------------------------------------------------ parts


def write_part(folder: Path, name: str, value: Any) -> None:
    """State of nested dictionaries, lists and tuples with numbers, strings and tensors, as <name>.json, and its tensors
    as <name>.safetensors."""
    tensors: dict[str, Tensor] = {}
    write_file(folder, f"{name}.json", json.dumps(_pack(value, "", tensors)) + "\n")
    if tensors:
        write_tensors(folder, f"{name}.safetensors", tensors)


def read_part(folder: Path, name: str) -> Any:
    """What `write_part` wrote, bit for bit. Raises: OSError for a file that is missing or damaged."""
    file = folder / f"{name}.safetensors"
    tensors = dict(read_file(file)) if file.is_file() else {}
    try:
        return _unpack(read_json(folder / f"{name}.json"), tensors)
    except (KeyError, TypeError) as error:
        raise OSError(
            f"{name}.json in {folder.name} does not fit its tensors ({error}). Use another checkpoint."
        ) from None


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


def read_state(folder: Path) -> TrainerState:
    return TrainerState.from_dict(read_json(folder / STATE))


def _sync(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
