"""Checkpoints: weight files in and out. The only module that opens them; nothing in it can run code from them."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
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
QUANTIZED = {8: (COMPACT, INT8_ROWS), 4: ("model.int4.safetensors", "qkv-int4-groups")}  # docs/quantization.md
STEP = 2**24  # bytes that are mapped at a time where nobody keeps what was read


def read_weights(repo: Repo, *, kept: bool = True) -> Iterator[tuple[str, Tensor]]:
    """The (name, tensor) pairs of a repository's weights, one at a time, mapped from the file where possible.

    Args:
        kept: False if the caller drops each tensor before it asks for the next: then a file is never in memory whole.

    Looks for model.safetensors, its shards, model.int8.safetensors, pytorch_model.bin, its shards; a GGUF file gives
    its own. Raises OSError if there is none or a file is damaged.
    """
    if isinstance(repo, GGUFRepo):
        yield from repo.weights()
        return
    for name in (SAFETENSORS, f"{SAFETENSORS}.index.json", COMPACT, BIN, f"{BIN}.index.json", QUANTIZED[4][0]):
        path = repo.file(name)
        if path is None:
            continue
        shards = [path] if not name.endswith(".json") else [repo.require(shard) for shard in _shards(repo, name)]
        for shard in shards:
            yield from read_file(shard, kept=kept)
        return
    held = ", ".join(sorted(repo.files())[:6]) or "nothing"
    raise OSError(f"{repo.name!r} has no weights: expected {SAFETENSORS} or {BIN} (or their shards), found {held}.")


def read_file(path: Path, *, kept: bool = True) -> Iterator[tuple[str, Tensor]]:
    """The (name, tensor) pairs of one .safetensors or .bin file. Raises OSError if it is damaged."""
    if path.suffix == ".bin":
        from .unpickle import read_bin

        try:
            yield from read_bin(path).items()
        except ValueError as error:
            raise OSError(str(error)) from None
        return
    names, form = _contents(path)
    if form == QUANTIZED[4][1]:
        raise OSError(
            f"{path} has weights of four bits, and the config.json beside it does not say so. Copy the folder that "
            f"save_pretrained wrote as a whole."
        )
    if form != INT8_ROWS:
        yield from _read(path, names, kept)
        return
    for name, parts in _matrices(path, names, kept):
        yield name, parts[""].float() * parts["scale"].float() if "scale" in parts else parts[""].float()


def read_quantized(repo: Repo, bits: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The weights of a quantised folder, as `write_quantized` was given them: name -> {"": tensor}, or the codes of a
    matrix under "", with its "scale" and, for four bits, its "minimum".

    Raises: OSError if there is no such file or it is damaged. What shapes fit the model, the model knows.
    """
    file, expected = QUANTIZED[bits]
    path = repo.require(file)
    names, form = _contents(path)
    if form != expected:
        raise OSError(f"{path} has the form {short(form)}, expected {expected!r}. Save the model again.")
    yield from _matrices(path, names, kept=False)


def _matrices(path: Path, names: list[str], kept: bool) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The tensors of a file, each matrix of few bits together with its numbers: name -> {"": codes, "scale": ...}."""
    parts: dict[str, list[str]] = {}
    for name in names:  # sorted: a matrix before its numbers
        stem, _, leaf = name.rpartition(".")
        is_part = leaf in ("scale", "minimum") and stem in parts
        parts.setdefault(stem if is_part else name, []).append(leaf if is_part else "")
    order = [f"{name}.{leaf}" if leaf else name for name, leaves in parts.items() for leaf in leaves]
    stream = _read(path, order, kept)
    for name, leaves in parts.items():
        tensors = {leaf: next(stream)[1] for leaf in leaves}
        if "minimum" not in tensors and ("scale" in tensors or tensors[""].dtype in (torch.int8, torch.uint8)):
            tensors["scale"] = _spread(path, name, tensors[""], tensors.get("scale", tensors[""].new_empty(0)))
        yield name, tensors


def _contents(path: Path) -> tuple[list[str], str]:
    """The names of a safetensors file's tensors, and the form that its metadata states."""
    with _whole(path), safe_open(path, framework="pt") as file:
        return sorted(file.keys()), (file.metadata() or {}).get("format", "")


def _read(path: Path, names: list[str], kept: bool) -> Iterator[tuple[str, Tensor]]:
    """Tensors of a safetensors file, views of its pages; the map is made anew every so many bytes, unless kept."""
    names = list(names)
    while names:
        with _whole(path), safe_open(path, framework="pt") as file:
            read = 0
            while names and (kept or read < STEP):
                name = names.pop(0)
                tensor = file.get_tensor(name)
                read += tensor.nbytes
                yield name, tensor
                del tensor


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except SafetensorError as error:
        raise OSError(
            f"{path} is not a whole safetensors file ({short(str(error), 120)}); it has {path.stat().st_size:,} bytes. "
            f"Download or save it again."
        ) from None


def _spread(path: Path, name: str, codes: Tensor, scale: Tensor) -> Tensor:
    """The scales of a matrix in a shape that multiplies it: (rows,1) or (1,columns). Raises OSError if none fits."""
    rows, columns = codes.shape if codes.dim() == 2 else (-1, -1)
    fitting = {(rows,): (rows, 1), (rows, 1): (rows, 1), (1, columns): (1, columns)}
    if codes.dtype != torch.int8 or tuple(scale.shape) not in fitting or not scale.is_floating_point():
        raise OSError(
            f"{path} is damaged: {short(name)} is {codes.dtype} {tuple(codes.shape)} with {scale.dtype} scales "
            f"{tuple(scale.shape)}; expected torch.int8 (rows, columns) with a scale for each row. Save it again."
        )
    return scale.reshape(fitting[tuple(scale.shape)])


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

    split = split_torch_state_dict_into_shards(
        state, filename_pattern="model{suffix}.safetensors", max_shard_size=max_shard_size
    )
    for name, keys in split.filename_to_tensors.items():
        part = {key: state[key].detach().contiguous() for key in keys}
        _write(folder, name, part)
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        write_file(folder, f"{SAFETENSORS}.index.json", json.dumps(index, indent=2, sort_keys=True) + "\n")
    _drop_quantized(folder)
    for stale in set(p.name for p in folder.glob("model*.safetensors*")) - set(split.filename_to_tensors):
        if re.fullmatch(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?", stale) and not (
            split.is_sharded and stale.endswith(".json")
        ):
            (folder / stale).unlink()  # of an earlier save with another number of shards


def write_tensors(folder: Path, name: str, tensors: StateDict) -> None:
    """Write any tensors as one .safetensors file, which appears whole or not at all."""
    kept = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}  # none shares memory
    _write(folder, name, kept)


def _write(folder: Path, name: str, tensors: StateDict, form: str = "pt") -> None:
    from safetensors.torch import save_file

    def write(path: Path) -> None:
        try:
            save_file(tensors, path, metadata={"format": form})
        except SafetensorError as error:  # a full disk, as any other file has it
            found = re.search(r"os error (\d+)", str(error))
            if found is None:
                raise
            raise OSError(int(found[1]), os.strerror(int(found[1])), str(folder / name)) from None

    write_file(folder, name, write)


def write_compact(folder: Path, state: StateDict) -> None:
    """Write tensors as model.int8.safetensors, in the form that `int8_rows` describes: a quarter of float32's size."""
    packed = int8_rows(state)
    _write(folder, COMPACT, packed, INT8_ROWS)


def write_quantized(folder: Path, state: StateDict, bits: int) -> None:
    """Write the state of a quantised model as model.int8.safetensors or model.int4.safetensors.

    Each matrix of eight bits is `name` int8 with `name.scale` (float32, one for each of our rows) beside it; of four
    bits `name` uint8, two codes in a byte, with `name.scale` and `name.minimum` (float16, one for each 32 weights of a
    row). All else is as it is in the model. docs/quantization.md has the details.

    Raises: FileExistsError if the folder has plain weights, which its config.json would no longer describe.
    """
    file, form = QUANTIZED[bits]
    plain = next((p.name for p in (*folder.glob("model*.safetensors*"), *folder.glob(f"{BIN}*")) if _is_plain(p)), None)
    if plain is not None:
        raise FileExistsError(f"{folder} has the weights {plain}. Save a quantised model to a folder of its own.")
    rows = {
        name: tensor[:, 0]
        if name.endswith(".scale") and tensor.dtype == torch.float32 and tensor.shape[1:] == (1,)
        else tensor
        for name, tensor in state.items()
    }
    packed = {name: tensor.detach().contiguous() for name, tensor in rows.items()}
    _write(folder, file, packed, form)
    _drop_quantized(folder, but=file)


def _is_plain(path: Path) -> bool:
    return path.name not in {name for name, _ in QUANTIZED.values()}


def _drop_quantized(folder: Path, but: str = "") -> None:
    """Remove what an earlier save in another form left, so that a folder has one model."""
    for name, _ in QUANTIZED.values():
        if name != but:
            (folder / name).unlink(missing_ok=True)


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
