"""Adapters into a model and out of it."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from ...backends.quantized import QuantizedLinear
from ...errors import short
from ...models.base import PreTrainedModel
from .config import LoraConfig
from .files import fill_adapter
from .layers import PARTS, Adapted, Replaced, dress, fit, undress
from .targets import Site, chosen_sites, kept_modules


def put(model: Any, config: LoraConfig, name: str, weights: dict[str, Tensor] | None = None) -> None:
    """Put an adapter into a `PeftModel`, with fresh weights or those of a file; if that fails, none is there.

    Raises: ValueError for targets that are none of the model's, or weights that do not fit.
    """
    config = deepcopy(config)
    sites, kept = chosen_sites(model, config), kept_modules(model, config)
    _check_apart(model, sites, kept)
    config.base_model_name_or_path = config.base_model_name_or_path or str(model.config.name_or_path) or None
    model.peft_config[name], model.sites[name] = config, sites
    for site in sites:
        fit(model, site, config, name)
    for path in kept:
        module: Any = model.get_submodule(path)
        copy = deepcopy(module)
        if isinstance(copy, Replaced):
            undress(copy)
        dress(module, Replaced, model.switch)
        module.modules_to_save[name] = copy
    if weights is not None:
        try:
            fill_adapter(model, name, weights)
        except ValueError:
            drop(model, name)
            raise


def drop(model: Any, name: str) -> None:
    """Remove an adapter; layers that have none left are plain again."""
    for module in list(model.modules()):
        if not isinstance(module, Adapted | Replaced):
            continue
        places = [place for part in PARTS if isinstance(place := module._modules.get(part), nn.ModuleDict)]
        for place in places:
            if name in place:
                del place[name]
        vars(module)["sizes"].pop(name, None)
        if not any(len(place) for place in places):
            undress(module)
    del model.peft_config[name], model.sites[name]


def merge(model: Any, names: Sequence[str]) -> None:
    """Put what adapters learned into the weights. Raises: ValueError if these are quantised."""
    layers = [module for module in model.modules() if isinstance(module, Adapted)]
    if any(isinstance(module, QuantizedLinear) for module in layers):
        raise ValueError(
            "adapters are not merged into a quantised model: eight or four bits would round away what they learned. "
            "Load the base without quantize=, merge, save, and quantize() that."
        )
    merged = [(module, there) for module in layers if (there := [name for name in names if name in module.lora_B])]
    for module, there in merged:
        module.weight = nn.Parameter(module.merged(there), requires_grad=module.weight.requires_grad)
    for module in [module for module in model.modules() if isinstance(module, Replaced)]:
        for name in [name for name in names if name in module.modules_to_save][:1]:
            module._parameters.update(module.modules_to_save[name]._parameters)


def _check_apart(model: nn.Module, sites: list[Site], kept: list[str]) -> None:
    """Raises: ValueError for a layer that one adapter changes and another replaces."""
    both = [path for path in kept if isinstance(model.get_submodule(path), Adapted)]
    both += [path for site in sites for path in site.paths if isinstance(model.get_submodule(path), Replaced)]
    if both:
        raise ValueError(
            f"{both[0]} is in modules_to_save of one adapter and a target of another. Give both adapters the same "
            "modules_to_save, or each a model of its own."
        )


def untie(model: PreTrainedModel) -> None:
    """Weights that were one and no longer are, as after merging into a head, are saved apart."""
    shared = {
        name: source for name, source in model._shared().items() if _weight(model, name) is _weight(model, source)
    }
    if len(shared) < len(model._shared()):
        model.tied = shared
        model.config.tie_word_embeddings = bool(shared)


def _weight(model: nn.Module, path: str) -> object:
    module, _, leaf = path.rpartition(".")
    return getattr(model.get_submodule(module), leaf, None)


def check_name(name: object) -> None:
    taken = isinstance(name, str) and hasattr(nn.ModuleDict(), name)
    if not isinstance(name, str) or not name or taken or not name.replace("-", "_").replace(" ", "_").isidentifier():
        raise ValueError(
            f"{short(name)} is no name for an adapter: expected letters, digits and '_', such as 'default'."
        )
