"""Adapters in files: adapter_config.json and adapter_model.safetensors, as PEFT writes and reads them.

Keys are "base_model.model." and the published path of a layer, with lora_A.weight (r,K), lora_B.weight (N,r) and, for
DoRA, lora_magnitude_vector (N,). Where a layer is published fused, as GPT-2's c_attn is, B and the lengths are split by
rows and A is shared. Parts that have an A each are written as one of the sum of their ranks: the A's below each other,
the B's as blocks beside each other, so that the product, and all that is computed, is the same.
"""

import math
import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...checkpoint import read_file, write_tensors
from ...errors import nearest, short
from ...files import write_json
from ...hub import open_repo
from ...keymap import Fused
from .config import LoraConfig
from .targets import Site, all_sites, chosen_sites

CONFIG, WEIGHTS, OLD_WEIGHTS = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
PREFIX = "base_model.model."
KEY = re.compile(r"(.+)\.(lora_A|lora_B|lora_magnitude_vector)(?:\.weight)?")


def read_adapter(name_or_path: Any, **where: Any) -> tuple[LoraConfig, dict[str, Tensor]]:
    """The configuration and the tensors, by their keys, of a folder or a Hub repository.

    Raises: OSError if there is no adapter or a file is damaged; ValueError for another method than LoRA and DoRA.
    """
    repo = open_repo(name_or_path, **where)
    published = repo.json(CONFIG)
    if published is None:
        raise OSError(f"{short(str(repo.name))} has no {CONFIG}, so it is no adapter. Name the folder that has one.")
    path = repo.file(WEIGHTS) or repo.require(OLD_WEIGHTS if repo.file(OLD_WEIGHTS) else WEIGHTS)
    return LoraConfig.from_dict(published), dict(read_file(path))


def fill_adapter(model: Any, name: str, weights: dict[str, Tensor]) -> None:
    """Put the tensors of a file into an adapter that has been made for them.

    Raises: ValueError for tensors that are missing, of another shape, or for no layer of the model.
    """
    places, kept = _by_spelling(model, model.sites[name]), _kept_places(model, name)
    left = {f"{site.published}.{part}" for site in model.sites[name] for part in _parts(model, site, name)}
    missing = dict.fromkeys(kept)
    for key, tensor in weights.items():
        path = key.removeprefix(PREFIX)
        match = KEY.fullmatch(path)
        if match and match[1] in places:
            site = places[match[1]]
            _put(model, site, name, match[2], tensor, key)
            left.discard(f"{site.published}.{match[2]}")
            continue
        ours = None if match else model.keys.to_ours(path, tensor)
        if ours is None or not kept.keys() >= ours.keys():
            close = nearest(path, [site.published for site in all_sites(model)], 1)
            raise ValueError(
                f"the adapter has {short(key)}, for which {type(model).__name__} with the targets of its {CONFIG} has "
                f"no place (the nearest layer is {close}). Is it of another model?"
            )
        for one, part in ours.items():
            _copy(kept[one], part, key)
            missing.pop(one, None)
    if left or missing:
        raise ValueError(
            f"the adapter lacks {sorted([*left, *missing])[0]}, which {CONFIG} speaks of. Is the file whole?"
        )


def _by_spelling(model: Any, sites: list[Site]) -> dict[str, Site]:
    """Sites by their published paths, with and without what a model with a head puts before them."""
    prefix = model.keys.prefix
    found = {site.published.removeprefix(prefix): site for site in sites}
    return found | {prefix + path: site for path, site in found.items()} | {site.published: site for site in sites}


def _parts(model: Any, site: Site, name: str) -> list[str]:
    module = model.get_submodule(site.paths[0])
    return ["lora_A", "lora_B", *(["lora_magnitude_vector"] if name in module.lora_magnitude_vector else [])]


def _put(model: Any, site: Site, name: str, part: str, tensor: Tensor, key: str) -> None:
    modules = [model.get_submodule(path) for path in site.paths]
    if part == "lora_A":
        _copy(modules[0].lora_A[name].weight, tensor, key)
        return
    try:
        tensors = _plain(site.rule).split(tensor)
    except ValueError as error:
        raise ValueError(f"{key}: {error}. Is the adapter of another model?") from None
    chosen = [tensors[site.whole.index(path)] for path in site.paths]
    for module, rows in zip(modules, chosen, strict=True):
        there = getattr(module, part)
        if name not in there:
            raise ValueError(f"the adapter has {short(key)}, but its {CONFIG} does not say use_dora.")
        _copy(there[name].weight, rows, key)


def _plain(rule: Fused) -> Fused:
    """How rows are split and joined, of what is not published transposed."""
    return replace(rule, transposed=False)


def _copy(target: Tensor, tensor: Tensor, key: str) -> None:
    if target.shape != tensor.shape:
        raise ValueError(
            f"{key} has shape {tuple(tensor.shape)} in the file, {tuple(target.shape)} by the model and the ranks of "
            f"{CONFIG}. Is the adapter of another model?"
        )
    with torch.no_grad():
        target.copy_(tensor)


def _kept_places(model: Any, name: str) -> dict[str, Tensor]:
    """Our name of a weight -> the adapter's own copy of it."""
    return {
        f"{path}.{leaf}": tensor
        for path, module in model.named_modules()
        if name in (module._modules.get("modules_to_save") or ())
        for leaf, tensor in nn.Module.state_dict(module.modules_to_save[name], keep_vars=True).items()
    }


# -------------------------------------------------------------------------------------------------------- out


def adapter_state(model: Any, name: str) -> tuple[LoraConfig, dict[str, Tensor]]:
    """What is written for an adapter: its configuration, in published names, and its tensors by PEFT's keys."""
    config: LoraConfig = deepcopy(model.peft_config[name])
    state: dict[str, Tensor] = {}
    sizes: dict[str, tuple[int, float]] = {}
    sites = {site.published: site for site in model.sites[name]}
    for published, site in sites.items():
        parts, rank, scaling = _joined(model, site, name)
        state |= {f"{PREFIX}{published}.{part}": tensor for part, tensor in parts.items()}
        sizes[published] = rank, scaling * (math.sqrt(rank) if config.use_rslora else rank)
    published = model.keys.to_published(_kept_places(model, name))
    state |= {PREFIX + key: tensor for key, tensor in published.items()}
    _describe(model, config, sizes)
    config.fan_in_fan_out = any(site.rule.transposed for site in sites.values())
    config.inference_mode = True
    return config, {key: tensor.detach().contiguous() for key, tensor in state.items()}


def save_adapter(model: Any, folder: str | Path, name: str) -> None:
    """Write an adapter as adapter_config.json and adapter_model.safetensors; the base model is not written."""
    config, state = adapter_state(model, name)
    write_tensors(Path(folder), WEIGHTS, state)
    write_json(folder, CONFIG, config.to_dict(), sort_keys=True)


def _joined(model: Any, site: Site, name: str) -> tuple[dict[str, Tensor], int, float]:
    """The tensors of a layer as it is published, with its rank and scaling.

    Matrices of its parts are as one: A's below each other, B's as blocks; a part without an adapter has zeros.
    """
    holders = [one for one in model.sites[name] if one.published == site.published]
    owners = {path: i for i, holder in enumerate(holders) for path in holder.paths}
    firsts = [model.get_submodule(holder.paths[0]) for holder in holders]
    ranks, scaling = [module.sizes[name].rank for module in firsts], firsts[0].sizes[name].scaling
    bs, lengths = [], []
    for path in site.whole:
        module, owner = model.get_submodule(path), owners.get(path)
        rows = torch.zeros(module.out_features, sum(ranks), device=firsts[0].lora_A[name].weight.device)
        if owner is not None:
            start, ratio = sum(ranks[:owner]), module.sizes[name].scaling / scaling
            rows[:, start : start + ranks[owner]] = module.lora_B[name].weight.detach() * ratio
        bs.append(rows)
        if name in firsts[0].lora_magnitude_vector:
            own = None if owner is None else module.lora_magnitude_vector[name].weight
            lengths.append(module.weight.detach().float().norm(dim=1) if own is None else own)
    rule = _plain(site.rule)
    parts = {"lora_A.weight": torch.cat([module.lora_A[name].weight for module in firsts])}
    parts["lora_B.weight"] = rule.join(bs)
    return parts | ({"lora_magnitude_vector": rule.join(lengths)} if lengths else {}), sum(ranks), scaling


def _describe(model: Any, config: LoraConfig, sizes: dict[str, tuple[int, float]]) -> None:
    """Let a configuration say, in published names, which layers there are, and their ranks and alphas."""
    if _selected(model, config) != sizes.keys():
        config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
        config.target_modules = _short_names(model, config, sizes.keys())
    if any((config.rank_of([path]), config.alpha_of([path])) != size for path, size in sizes.items()):
        config.r, config.lora_alpha = next(iter(sizes.values()))
        config.rank_pattern = {re.escape(path): r for path, (r, _) in sizes.items() if r != config.r}
        config.alpha_pattern = {re.escape(path): a for path, (_, a) in sizes.items() if a != config.lora_alpha}


def _selected(model: Any, config: LoraConfig) -> set[str] | None:
    """The published paths of layers that PEFT would choose; None if it would refuse or choose otherwise."""
    targets = config.target_modules
    if targets is None or isinstance(targets, str) and targets.lower() == "all-linear":
        return None
    try:
        found = chosen_sites(model, config)
    except ValueError:
        return None
    names = [targets] if isinstance(targets, str) else list(targets)
    every = all_sites(model)
    known = re.fullmatch if isinstance(targets, str) else lambda name, path: path == name or path.endswith(f".{name}")
    if not all(any(known(name, site.published) for site in every) for name in names):
        return None
    return {site.published for site in found}


def _short_names(model: Any, config: LoraConfig, paths: Iterable[str]) -> list[str]:
    """Ends of paths that choose these layers and no other; the whole paths where there are none."""
    wanted = list(paths)
    ends = sorted({re.split(r"\.\d+\.", path)[-1] for path in wanted})
    shorter = sorted({end.rpartition(".")[2] for end in ends})
    for names in (shorter, ends):
        trial = deepcopy(config)
        trial.target_modules = names
        if _selected(model, trial) == set(wanted):
            return names
    return wanted
