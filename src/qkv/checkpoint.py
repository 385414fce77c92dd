"""Checkpoints: weight files in and out, and the tables that translate their published names to ours.

A family states its table once, {"their.path.{}": "our.path.{}"}: `{}` is a layer index and the parameter's own name
(weight, bias) carries over. Saving reads the table backwards, so a saved folder has the published names again.
This is the only module that opens weight files; nothing in it can run code from them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import short
from .hub import Repo, write_file

StateDict = dict[str, Tensor]

# ---------------------------------------------------------------------------------------------------------- names


@dataclass(frozen=True)
class Fused:
    """One published tensor that holds several of ours, concatenated on the output dimension."""

    paths: tuple[str, ...]
    transposed: bool = False  # published as (in, out), as GPT-2's Conv1D does

    def split(self, tensor: Tensor) -> tuple[Tensor, ...]:
        tensor = tensor.t() if self.transposed and tensor.dim() == 2 else tensor
        if len(self.paths) == 1:
            return (tensor,)
        if tensor.dim() == 0 or tensor.shape[0] % len(self.paths):
            raise ValueError(f"shape {tuple(tensor.shape)} does not split into {len(self.paths)} equal parts")
        return tensor.chunk(len(self.paths))

    def join(self, tensors: list[Tensor]) -> Tensor:
        tensor = torch.cat(tensors) if len(tensors) > 1 else tensors[0]
        return tensor.t().contiguous() if self.transposed and tensor.dim() == 2 else tensor


def transposed(path: str) -> Fused:
    """One of our tensors, published as (in, out)."""
    return Fused((path,), transposed=True)


Rule = str | Fused


class KeyMap:
    """A reversible table of names.

    Args:
        table: published path -> our path, or a `Fused` rule. A path names a module, or a single parameter.
        prefix: what a model with a head puts before the names of its body, "bert." for example.
        ignored: names that old files carry and no model needs, such as position_ids.
    """

    def __init__(self, table: Mapping[str, Rule], *, prefix: str = "", ignored: Iterable[str] = ()):
        self.rules = {theirs: Fused((rule,)) if isinstance(rule, str) else rule for theirs, rule in table.items()}
        self.prefix = prefix
        self.ignored = frozenset(ignored)
        self.owner = {ours: theirs for theirs, rule in self.rules.items() for ours in rule.paths}
        self._theirs, self._ours = _tree(self.rules), _tree(self.owner)
        self.body = {theirs.split(".")[0] for theirs in self.rules}

    def headed(self, head: Mapping[str, Rule], ignored: Iterable[str] = (), prefix: str | None = None) -> "KeyMap":
        """The table of a model that has this body as `backbone` and a task's head as `head`."""
        prefix = self.prefix if prefix is None else prefix
        body = {
            prefix + theirs: Fused(tuple(f"backbone.{path}" for path in rule.paths), rule.transposed)
            for theirs, rule in self.rules.items()
        }
        ours = {theirs: f"head.{rule}" if isinstance(rule, str) else rule for theirs, rule in head.items()}
        both = KeyMap({**body, **ours}, ignored=[*(prefix + name for name in self.ignored), *ignored])
        both.prefix, both.body = prefix, self.body
        return both

    def to_ours(self, key: str, tensor: Tensor) -> StateDict | None:
        """Our tensors for one published tensor; None for a name that no rule covers.

        Raises: ValueError if a fused tensor cannot be split.
        """
        found = next(filter(None, (_find(spelling, self._theirs) for spelling in self._spellings(key))), None)
        if found is None:
            return None
        theirs, index, name = found
        rule = self.rules[theirs]
        return {_join(ours, index, name): part for ours, part in zip(rule.paths, rule.split(tensor), strict=True)}

    def to_published(self, state: Mapping[str, Tensor]) -> StateDict:
        """The published tensors for ours; a name outside the table, such as an adapter's, stays."""
        published: StateDict = {}
        for key, tensor in state.items():
            found = _find(key, self._ours)
            if found is None:
                published[key] = tensor
                continue
            path, index, name = found
            theirs = self.owner[path]
            rule = self.rules[theirs]
            if path == rule.paths[0]:
                published[_join(theirs, index, name)] = rule.join([state[_join(p, index, name)] for p in rule.paths])
        return published

    def published_name(self, key: str) -> str:
        """The published name of one of our parameters; of a part of a fused one, with the part's name put in."""
        found = _find(key, self._ours)
        if found is None:
            return key
        path, index, name = found
        theirs = self.owner[path]
        part = f".{path.rpartition('.')[2]}" if len(self.rules[theirs].paths) > 1 else ""
        return _join(theirs + part, index, name)

    def covers(self, key: str) -> bool:
        """Whether a rule covers the module of this name, whether or not the model at hand has it."""
        found = (_find(spelling, self._theirs) for spelling in self._spellings(key))
        return any(one is not None and "." not in one[2] for one in found)

    def ignores(self, key: str) -> bool:
        return any(re.sub(r"\b\d+\b", "{}", name) in self.ignored for name in self._spellings(key))

    def is_body(self, key: str) -> bool:
        """Whether a name lies among the names of the body, so that leaving it out would change the numbers."""
        return key.removeprefix(self.prefix).split(".")[0] in self.body and not self.ignores(key)

    def _spellings(self, key: str) -> tuple[str, ...]:
        """A body's names come with the prefix or without it, whichever model they are loaded into."""
        return (key, key.removeprefix(self.prefix), self.prefix + key)


def _tree(paths: Iterable[str]) -> dict:
    """Paths as nested dictionaries by their parts, each path at its end under None."""
    root: dict = {}
    for path in paths:
        node = root
        for part in path.split("."):
            node = node.setdefault(part, {})
        node[None] = path
    return root


def _find(key: str, tree: dict) -> tuple[str, list[str], str] | None:
    """'layers.3.attn.q_proj.weight' -> ('layers.{}.attn.q_proj', ['3'], 'weight'): the longest path that the name
    begins with, its indices and what is left; None if there is none. A digit in a path goes before a placeholder."""
    parts = key.split(".")
    best: tuple[str, list[str], int] | None = None
    open_ends: list[tuple[dict, int, list[str]]] = [(tree, 0, [])]
    while open_ends:
        node, at, index = open_ends.pop()
        if None in node and (best is None or at > best[2]):
            best = (node[None], index, at)
        part = parts[at] if at < len(parts) else ""
        if part.isdecimal() and "{}" in node:
            open_ends.append((node["{}"], at + 1, [*index, part]))
        if part in node:
            open_ends.append((node[part], at + 1, index))
    if best is None:
        return None
    rest = [{"gamma": "weight", "beta": "bias"}.get(part, part) for part in parts[best[2] :]]  # TensorFlow's names
    return best[0], best[1], ".".join(rest)


def _join(path: str, index: list[str], name: str) -> str:
    return path.format(*index) + (f".{name}" if name else "")


# ---------------------------------------------------------------------------------------------------------- files

SAFETENSORS, BIN = "model.safetensors", "pytorch_model.bin"
# A name of its own, because other libraries would take the integers of a model.safetensors for weights.
COMPACT = "model.int8.safetensors"
INT8_ROWS = "qkv-int8-rows"  # see `int8_rows`


def read_weights(repo: Repo) -> Iterator[tuple[str, Tensor]]:
    """The (name, tensor) pairs of a repository's weights, one at a time, mapped from the file where possible.

    Looks for model.safetensors, its shards, model.int8.safetensors, pytorch_model.bin, its shards. Raises OSError if
    there is none or a file is damaged.
    """
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
