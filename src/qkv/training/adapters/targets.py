"""Which layers of a model an adapter is for: names of PEFT's configurations, published or qkv's, to layers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ...backends.quantize import VOCABULARY
from ...backends.quantized import QuantizedLinear
from ...errors import nearest, short
from ...keymap import Fused
from .config import LoraConfig

LINEAR = (nn.Linear, QuantizedLinear)


@dataclass(frozen=True)
class Site:
    """A layer as it is published: one of ours, or several that are published as one.

    Args:
        published: its path, as in "bert.encoder.layer.0.attention.self.query".
        paths: ours that get the adapter; several share one A.
        whole: ours of all that is published under this path.
        rule: how the whole is split and joined.
    """

    published: str
    paths: tuple[str, ...]
    whole: tuple[str, ...]
    rule: Fused

    @property
    def names(self) -> tuple[str, ...]:
        """What patterns and names are compared with."""
        return self.published, *(own_name(path) for path in self.paths)


def own_name(path: str) -> str:
    return path.removeprefix("backbone.")


def all_sites(model: Any) -> list[Site]:
    """All linear layers, in their order."""
    found: dict[str, Site] = {}
    for path, module in model.named_modules():
        if not isinstance(module, LINEAR) or _inside_adapter(path):
            continue
        published, paths, rule = model.keys.site(path)
        found.setdefault(published, Site(published, paths, paths, rule))
    return list(found.values())


def _inside_adapter(path: str) -> bool:
    return any(part in ("lora_A", "lora_B", "modules_to_save") for part in path.split("."))


def chosen_sites(model: Any, config: LoraConfig) -> list[Site]:
    """The layers that a configuration is for. Raises: ValueError if it names what is none."""
    every = [site for site in all_sites(model) if not _is_kept(site.published, site.paths[0], config.whole)]
    targets = config.target_modules
    if targets is None:
        found = [site for site in every if any(path.endswith((".q_proj", ".v_proj")) for path in site.paths)]
        if not found:
            raise ValueError(f"{type(model).__name__} has no projections of queries. Say target_modules='all-linear'.")
    elif isinstance(targets, str):
        found = _all_linear(model, every, config) if targets.lower() == "all-linear" else _matching(every, targets)
    else:
        names = [site for one in targets for site in _named(every, one)]
        found = _merged(names)
        unknown = [one for one in targets if not _named(every, one)]
        if unknown and not _only_elsewhere(model, unknown, config):
            raise _unknown(model, every, unknown[0])
    found = [site for site in found if not _excluded(site, config)]
    if config.layers_to_transform is not None:
        found = [site for site in found if _in_layers(site, config)]
    if not found:
        raise ValueError(
            f"the adapter is for no layer of {type(model).__name__}: target_modules={short(targets, 120)}, after "
            "exclude_modules and layers_to_transform. Say target_modules='all-linear', or name some."
        )
    return found


def _named(every: list[Site], name: str) -> list[Site]:
    """The layers whose published paths end with a name, else those whose paths of ours do, as parts on their own."""
    found = [site for site in every if _ends(site.published, name)]
    if found:
        return found
    parts = ((site, tuple(p for p in site.paths if _ends(own_name(p), name) or _ends(p, name))) for site in every)
    return [replace(site, paths=(path,)) for site, paths in parts for path in paths]


def _ends(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _matching(every: list[Site], pattern: str) -> list[Site]:
    found = [site for site in every if re.fullmatch(pattern, site.published)]
    own = (replace(s, paths=(path,)) for s in every for path in s.paths if re.fullmatch(pattern, own_name(path)))
    return found or list(own)


def _merged(found: list[Site]) -> list[Site]:
    """Without repetitions: what is in a fused layer that is named as a whole is not named again."""
    seen: set[str] = set()
    kept = []
    for site in sorted(found, key=lambda site: -len(site.paths)):
        if seen.isdisjoint(site.paths):
            kept.append(site)
            seen.update(site.paths)
    order = {id(site): i for i, site in enumerate(found)}
    return sorted(kept, key=lambda site: order[id(site)])


def _all_linear(model: Any, every: list[Site], config: LoraConfig) -> list[Site]:
    """All but the head that scores a vocabulary, and that on classes where the task says there is one."""
    output = getattr(getattr(model, "head", None), "output", None)
    without = output in VOCABULARY or config.task_type == "SEQ_CLS"
    return [site for site in every if not (without and site.paths == ("head.out",))]


def _excluded(site: Site, config: LoraConfig) -> bool:
    names = config.exclude_modules
    if not names:
        return False
    if isinstance(names, str):
        return any(re.fullmatch(names, name) for name in site.names)
    return any(_ends(name, one) for name in site.names for one in names)


def _in_layers(site: Site, config: LoraConfig) -> bool:
    """Whether its block has one of the numbers: the first in its path, or that after `layers_pattern`."""
    wanted = config.layers_to_transform
    names = [config.layers_pattern] if isinstance(config.layers_pattern, str) else config.layers_pattern
    parts = site.published.split(".")
    for before, part in zip(["", *parts], parts, strict=False):
        if part.isdecimal() and (not names or any(re.fullmatch(name, before) for name in names)):
            return int(part) in ([wanted] if isinstance(wanted, int) else wanted or ())
    return False


def _only_elsewhere(model: Any, unknown: list[str], config: LoraConfig) -> bool:
    """Whether names are of layers that are trained whole, which needs no word."""
    every = all_sites(model)
    return all(any(_is_kept(s.published, s.paths[0], config.whole) for s in _named(every, one)) for one in unknown)


def _unknown(model: Any, every: Iterable[Site], name: str) -> ValueError:
    names = {part for site in every for path in (site.published, *site.paths) for part in (path.rpartition(".")[2],)}
    tables = [path for path, module in model.named_modules() if isinstance(module, nn.Embedding)]
    if any(_ends(model.keys.published_name(f"{path}.weight"), f"{name}.weight") for path in tables):
        return ValueError(
            f"target_modules has {short(name)}, a table: adapters are for linear layers. Say modules_to_save."
        )
    return ValueError(
        f"target_modules has {short(name)}, which is no linear layer of {type(model).__name__}; the nearest are "
        f"{nearest(name, names)}. Or say 'all-linear'."
    )


def kept_modules(model: Any, config: LoraConfig) -> list[str]:
    """Our paths of the modules that are trained whole. Raises: ValueError if names that were given are none's."""
    leaves = [path for path, module in model.named_modules() if module._parameters and not _inside_adapter(path)]
    published = {path: model.keys.site(path)[0] for path in leaves}
    found = [path for path, name in published.items() if _is_kept(name, path, config.whole)]
    found = [path for path in found if not any(path.startswith(f"{above}.") for above in found)]
    given = list(config.modules_to_save or ())
    for name in given:
        if not any(_is_kept(theirs, path, [name]) for path, theirs in published.items()):
            if name in ("classifier", "score") and found:
                continue
            names = {part for path in published.values() for part in path.split(".") if not part.isdecimal()}
            raise ValueError(
                f"modules_to_save has {short(name)}, which {type(model).__name__} does not have; the nearest are "
                f"{nearest(name, names)}."
            )
    quantised = next((path for path in found if isinstance(model.get_submodule(path), QuantizedLinear)), None)
    if quantised is not None:
        raise ValueError(f"modules_to_save names {quantised}, which is quantised. Load the base without quantize=.")
    return found


def _is_kept(published: str, path: str, names: Iterable[str]) -> bool:
    """Whether a module is, or is in, one whose path ends with one of the names, as PEFT compares them."""
    parts = [published.split("."), own_name(path).split(".")]
    above = [".".join(part[:end]) for part in parts for end in range(1, len(part) + 1)]
    return any(one.endswith(name) for one in above for name in names)
