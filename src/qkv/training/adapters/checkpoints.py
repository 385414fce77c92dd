"""Adapters in the checkpoints of a run: they alone are written, in PEFT's files, and come back bit for bit."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...adapters import BASE, CONFIG
from ...checkpoint import write_tensors
from ...files import write_file
from ..state_files import read_part, write_part
from .files import fill_adapter, read_adapter
from .layers import is_of_adapter
from .lora import PeftModel

REST = "trained"  # what is trained and has no place in PEFT's files


def write_adapters(model: Any, folder: Path) -> None:
    """All adapters of a `PeftModel`, and its config: `from_pretrained(folder)` so knows the names of labels."""
    model.save_pretrained(folder)
    config = type(model.config).from_dict(model.config.to_dict())
    config.architectures = [model.plain_class.__name__]
    write_file(folder, BASE, config.to_json_string())
    if rest := _rest(model):
        write_part(folder, REST, rest)


def restore_adapters(model: Any, folder: Path) -> bool:
    """Put what `write_adapters` wrote, or PEFT, into a model with the same adapters; whether it is one with adapters.

    Raises: OSError if one is damaged, ValueError if it is another's, or one of the two has none.
    """
    if not isinstance(model, PeftModel):
        if (folder / CONFIG).is_file():
            raise ValueError(
                f"{folder.name} holds an adapter, and the model has none: make it with get_peft_model(model, "
                "LoraConfig(…)) as in the run that is resumed."
            )
        return False
    if not any((place / CONFIG).is_file() for place in (folder, *(folder / name for name in model.peft_config))):
        raise ValueError(
            f"{folder.name} holds a whole model, and this one has adapters, which its run did not have. Resume without "
            f"them, or train these into another output_dir."
        )
    rest: dict[str, Tensor] = read_part(folder, REST) if (folder / f"{REST}.json").is_file() else {}
    if not any(map(is_of_adapter, rest)):
        for name in model.peft_config:
            fill_adapter(model, name, read_adapter(folder if name == "default" else folder / name)[1])
    places = dict(nn.Module.named_parameters(model))
    with torch.no_grad():
        for name, tensor in rest.items():
            if name not in places or places[name].shape != tensor.shape:
                raise ValueError(f"{folder.name} has {name} {tuple(tensor.shape)}, which is no weight of this model's.")
            places[name].copy_(tensor)
    return True


def _rest(model: Any) -> dict[str, Tensor]:
    """Parameters by our names: those of the base that were thawed; and, where parts of a layer that is published as one
    have an adapter each, which the files join, all of the adapters."""
    joined = any(site.paths != site.whole for sites in model.sites.values() for site in sites)
    named = nn.Module.named_parameters(model)
    return {name: p for name, p in named if (joined if is_of_adapter(name) else p.requires_grad)}


def write_weights(model: Any, folder: Path, weights: Any = None) -> None:
    """A model as its kind is written: adapters alone, with its config, or its weights.

    weights: by published names, if it is not those that the model has.
    """
    if isinstance(model, PeftModel):
        write_adapters(model, folder)
    elif hasattr(model, "save_pretrained"):
        model.save_pretrained(folder, state_dict=weights)
    elif weights is None or weights:
        write_tensors(folder, "model.safetensors", model.state_dict() if weights is None else weights)
