"""Checkpoints: weight files in and out. The only module that opens them; nothing in it can run code from them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import short
from .gguf import GGUFRepo
from .hub import Repo, write_file
from .keymap import StateDict

SAFETENSORS, BIN = "model.safetensors", "pytorch_model.bin"
# A name of its own, because other libraries would take the integers of a model.safetensors for weights.
COMPACT = "model.int8.safetensors"
INT8_ROWS = "qkv-int8-rows"  # see `int8_rows`


def read_weights(repo: Repo) -> Iterator[tuple[str, Tensor]]:
    """The (name, tensor) pairs of a repository's weights, one at a time, mapped from the file where possible.

    Looks for model.safetensors, its shards, model.int8.safetensors, pytorch_model.bin, its shards; a GGUF file gives
    its own. Raises OSError if there is none or a file is damaged.
    """
    if isinstance(repo, GGUFRepo):
        yield from repo.weights()
        return
    for name in (SAFETENSORS, f"{SAFETENSORS}.index.json", COMPACT, BIN, f"{BIN}.index.json"):
        path = repo.file(name)
        if path is None:
            continue
        shards = [path] if not name.endswith(".json") else [repo.require(shard) for shard in _shards(repo, name)]
        for shard in shards:
            yield from read_file(shard)
        return
    held = ", ".join(sorted(repo.files())[:6]) or "nothing"
    raise OSError(f"{repo.name!r} has no weights: expected {SAFETENSORS} or {BIN} (or their shards), found {held}.")


def read_file(path: Path) -> Iterator[tuple[str, Tensor]]:
    """The (name, tensor) pairs of one .safetensors or .bin file. Raises OSError if it is damaged."""
    if path.suffix == ".bin":
        from .unpickle import read_bin

        try:
            yield from read_bin(path).items()
        except ValueError as error:
            raise OSError(str(error)) from None
        return
    try:
        with safe_open(path, framework="pt") as file:
            packed = (file.metadata() or {}).get("format") == INT8_ROWS
            names = sorted(file.keys())
            for name in names:
                if packed and name.endswith(".scale"):
                    continue
                tensor = file.get_tensor(name)
                if packed and f"{name}.scale" in names:
                    tensor = tensor.float() * file.get_tensor(f"{name}.scale").float()[:, None]
                yield name, tensor.float() if packed else tensor
    except SafetensorError as error:
        raise OSError(
            f"{path} is not a whole safetensors file ({short(str(error), 120)}); it has {path.stat().st_size:,} bytes. "
            f"Download or save it again."
        ) from None


def _shards(repo: Repo, index: str) -> list[str]:
    """The file names of an index, each checked to be a plain name: a name from a file never becomes a path."""
    weight_map = (repo.json(index) or {}).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise OSError(f"{index} of {repo.name!r} has no 'weight_map'. Download it again.")
    suffix = Path(index.removesuffix(".index.json")).suffix
    shards = sorted({name if isinstance(name, str) else repr(name) for name in weight_map.values()})
    for name in shards:
        if not re.fullmatch(r"\w[\w.-]{0,200}", name) or not name.endswith(suffix):
            raise OSError(
                f"{index} of {repo.name!r} names the shard {short(name)}; expected a plain *{suffix} file name."
            )
    return shards


def write_weights(folder: Path, state: StateDict, *, max_shard_size: int | str = "50GB") -> None:
    """Write tensors as model.safetensors, or as shards and their index when they exceed `max_shard_size`.

    Each file appears whole or not at all; the index, which makes a set of shards valid, is written last.
    """
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file

    split = split_torch_state_dict_into_shards(
        state, filename_pattern="model{suffix}.safetensors", max_shard_size=max_shard_size
    )
    for name, keys in split.filename_to_tensors.items():
        part = {key: state[key].detach().contiguous() for key in keys}
        write_file(folder, name, lambda path, part=part: save_file(part, path, metadata={"format": "pt"}))
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        write_file(folder, f"{SAFETENSORS}.index.json", json.dumps(index, indent=2, sort_keys=True) + "\n")
    for stale in set(p.name for p in folder.glob("model*.safetensors*")) - set(split.filename_to_tensors):
        if re.fullmatch(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?", stale) and not (
            split.is_sharded and stale.endswith(".json")
        ):
            (folder / stale).unlink()  # of an earlier save with another number of shards


def write_compact(folder: Path, state: StateDict) -> None:
    """Write tensors as model.int8.safetensors, in the form that `int8_rows` describes: a quarter of float32's size."""
    from safetensors.torch import save_file

    packed = int8_rows(state)
    write_file(folder, COMPACT, lambda path: save_file(packed, path, metadata={"format": INT8_ROWS}))


def int8_rows(state: StateDict) -> StateDict:
    """The compact form of weights: each matrix as int8 with one float16 scale per row beside it (`name.scale`, shape
    (rows,)), all else as float16. A file of them has `{"format": "qkv-int8-rows"}` as its metadata; reading multiplies.
    """
    packed: StateDict = {}
    for name, tensor in state.items():
        if tensor.dim() == 2 and tensor.is_floating_point():
            largest = tensor.abs().amax(dim=1)  # (rows,)
            scale = (largest / 127).half()
            short_of = scale.float() * 127 < largest  # rounded down: the next float16 up, so that nothing is clipped
            scale = torch.where(short_of, (scale.float() * (1 + 2**-10) + 6e-8).half(), scale).clamp(min=6e-8)
            packed[name] = (tensor / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8)
            packed[f"{name}.scale"] = scale
        else:
            packed[name] = tensor.half()
    return packed
