"""Optimisers by the names of the field, and which weights they make smaller."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn, optim
from torch.optim import SGD, Adagrad, Optimizer, RMSprop

from ...errors import nearest, short
from .adafactor import Adafactor
from .adamw import AdamW
from .lion import Lion
from .muon import Muon

Groups = list[dict[str, Any]]
Kind = type[float] | type[int] | type[bool] | type[str]


@dataclass(frozen=True)
class Recipe:
    """How an optimiser is made of TrainingArguments.

    Args:
        options: what `optim_args` may say beside `weight_decay` and `layer_decay`.
        fixed: keywords that the name stands for.
        reads: of "betas" and "eps", which the arguments adam_beta1, adam_beta2 and adam_epsilon give.
    """

    cls: type[Optimizer]
    options: Mapping[str, Kind] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()


_BETAS: dict[str, Kind] = {"beta1": float, "beta2": float}
_ADAM = _BETAS | {"eps": float}
_LION = Recipe(Lion, _BETAS, reads=("betas",))
OPTIMIZERS: dict[str, Recipe] = {  # adamw_torch is torch's loop, as the reference's
    "adamw_torch": Recipe(optim.AdamW, _ADAM | {"amsgrad": bool}, reads=("betas", "eps")),
    "adamw_torch_fused": Recipe(AdamW, _ADAM | {"amsgrad": bool}, {"fused": True}, ("betas", "eps")),
    "adafactor": Recipe(
        Adafactor, {"clip_threshold": float, "decay_rate": float, "beta1": float, "scale_parameter": bool},
        {"scale_parameter": False, "relative_step": False},
    ),
    "sgd": Recipe(SGD, {"momentum": float, "dampening": float, "nesterov": bool}),
    "adagrad": Recipe(Adagrad, {"lr_decay": float, "eps": float}),
    "rmsprop": Recipe(RMSprop, {"momentum": float, "alpha": float, "eps": float, "centered": bool}),
    "lion": _LION, "lion_32bit": _LION,
    "muon": Recipe(
        Muon, _ADAM | {"momentum": float, "nesterov": bool, "ns_steps": int, "adjust_lr_fn": str}, {"fused": True},
        ("betas", "eps"),
    ),
}  # fmt: skip
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_READ: dict[Kind, Callable[[str], Any]] = {float: float, int: int, str: str, bool: lambda word: _WORDS[word.lower()]}
_ALWAYS: dict[str, Kind] = {"weight_decay": float, "layer_decay": float}

# Names that the field has for optimisers of packages: a pattern, the package, and what is nearest here.
_FOREIGN = (
    (r"(paged_)?adamw_(8bit|32bit|bnb_8bit)", "bitsandbytes", "adamw_torch_fused"),
    (r"(paged_)?lion_(8bit|32bit)", "bitsandbytes", "lion"),
    (r"(paged_)?ademamix.*", "bitsandbytes", "adamw_torch_fused"),
    (r"rmsprop_bnb.*", "bitsandbytes", "rmsprop"),
    (r"galore_.*", "galore-torch", "adafactor"),
    (r"apollo_.*", "apollo-torch", "adafactor"),
    (r"(ada)?lomo", "lomo-optim", "adafactor"),
    (r"adamw_torch_[48]bit", "torchao", "adafactor"),
    (r"schedule_free_.*", "schedulefree", "adamw_torch_fused"),
    (r"grokadamw", "grokadamw", "adamw_torch_fused"),
    (r"stable_adamw", "torch-optimi", "adafactor"),
    (r"adamw_anyprecision", "torchdistx", "adamw_torch_fused"),
    (r"adamw_torch_xla", "torch_xla", "adamw_torch_fused"),
    (r"adamw_torch_npu_fused", "torch_npu", "adamw_torch_fused"),
    (r"adamw_apex_fused", "apex", "adamw_torch_fused"),
)

_FUSED = ("cpu", "cuda", "mps", "xpu", "hpu")  # devices for which torch has AdamW as one kernel
_NO_DECAY = re.compile(r"bias|layernorm|rmsnorm|(^|\.)norm(\.|$)|_norm(\.|$)")
_LAYER = re.compile(r"(^|\.)layers\.(\d+)\.")


def make_optimizer(model: nn.Module, args: Any) -> Optimizer:
    """The optimiser that `args.optim` names, over the parameters that require gradients.

    Args:
        args: with optim, optim_args, learning_rate, weight_decay, adam_beta1, adam_beta2 and adam_epsilon.
            `optim_args` is "key=value,key=value", of the optimiser's own numbers (see OPTIMIZERS), of `weight_decay`,
            which goes before the argument's, and of `layer_decay`, as in `layerwise_groups`.

    Raises: ValueError for an unknown name, key or value, or if no parameter requires a gradient.
    """
    cls, keywords, weight_decay, layer_decay = optimizer_options(args)
    if layer_decay is None:
        groups = decay_groups(model, weight_decay)
    else:
        groups = layerwise_groups(model, args.learning_rate, layer_decay, weight_decay)
    if not any(group["params"] for group in groups):
        raise ValueError(
            "no parameter of the model requires a gradient, so there is nothing to train. Thaw some: "
            "model.requires_grad_(True); or, of a quantised model, train adapters: get_peft_model(model, LoraConfig())."
        )
    if cls is Muon:
        groups = _split_matrices(model, groups)
    if keywords.get("fused"):
        weights = [weight for group in groups for weight in group["params"]]
        keywords["fused"] = all(weight.is_floating_point() and weight.device.type in _FUSED for weight in weights)
    return cls(groups, **keywords)


def optimizer_options(args: Any) -> tuple[type[Optimizer], dict[str, Any], float, float | None]:
    """The class and the keywords of `make_optimizer`'s `args`, and the decays of weights and of rates by layers."""
    recipe = find_optimizer(args.optim)
    numbers = _read_options(args.optim, recipe, args.optim_args)
    weight_decay, layer_decay = numbers.pop("weight_decay", args.weight_decay), numbers.pop("layer_decay", None)
    if "betas" in recipe.reads:
        numbers["betas"] = (numbers.pop("beta1", args.adam_beta1), numbers.pop("beta2", args.adam_beta2))
    if "eps" in recipe.reads:
        numbers.setdefault("eps", args.adam_epsilon)
    return recipe.cls, {"lr": args.learning_rate, **recipe.fixed, **numbers}, weight_decay, layer_decay


def find_optimizer(name: str) -> Recipe:
    """The recipe of a name. Raises: ValueError for one that is unknown, or of a package that qkv does not use."""
    name = str(getattr(name, "value", name))
    if name in OPTIMIZERS:
        return OPTIMIZERS[name]
    for pattern, package, ours in _FOREIGN:
        if re.fullmatch(pattern, name):
            raise ValueError(
                f"optim={short(name)} is of the package {package}, which qkv does not use; the nearest here is "
                f"{ours!r}. Or make one yourself: Trainer(..., optimizers=(optimizer, None))."
            )
    raise ValueError(f"optim={short(name)} is unknown; the nearest are {nearest(name, OPTIMIZERS)}.")


def decay_groups(model: nn.Module, weight_decay: float) -> Groups:
    """Two groups, decayed and not: biases and the weights of norms are not, as in the reference's Trainer.

    Those are the parameters of LayerNorm, and those whose published names have "bias" or a norm's name in them.
    """
    kept = _undecayed(model)
    groups: Groups = [{"params": [], "weight_decay": weight_decay}, {"params": [], "weight_decay": 0.0}]
    for weight in model.parameters():
        if weight.requires_grad:
            groups[id(weight) in kept]["params"].append(weight)
    return groups


def get_decay_parameter_names(model: nn.Module) -> list[str]:
    """Published names of the parameters that are decayed, whether or not they are trained."""
    kept = _undecayed(model)
    return [name for name, weight in model.named_parameters() if id(weight) not in kept]


def layerwise_groups(model: nn.Module, learning_rate: float, decay: float, weight_decay: float = 0.0) -> Groups:
    """Groups whose rate is `decay` times that of the layer above (Clark et al., 2020, arXiv:2003.10555).

    The head, the pooler and the last norm have `learning_rate`, the uppermost of n layers `decay` times it, the
    embeddings `decay ** (n + 1)` times it. Layers of an encoder and of a decoder are counted each from its own first.
    A schedule multiplies each group's rate.

    Raises: ValueError if the model has no layers that are called so, or `decay` is not in (0, 1].
    """
    if not 0 < decay <= 1:
        raise ValueError(f"layer_decay={decay} must be above 0 and at most 1; 0.9 is usual.")
    named = list(nn.Module.named_parameters(model))
    depth = {id(weight): int(found[2]) + 1 for name, weight in named if (found := _LAYER.search(name))}
    if not depth:
        raise ValueError(f"layer_decay needs a model with layers; {type(model).__name__} has none called layers.0.")
    top, kept = max(depth.values()) + 1, _undecayed(model)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, weight in named:
        below = 0 if re.search(r"(^|\.)embed\.", name) else top
        key = depth.get(id(weight), below), id(weight) in kept
        rate = learning_rate * decay ** (top - key[0])
        fresh = {"params": [], "lr": rate, "weight_decay": 0.0 if key[1] else weight_decay}
        if weight.requires_grad:
            groups.setdefault(key, fresh)["params"].append(weight)
    return [groups[key] for key in sorted(groups)]


def _undecayed(model: nn.Module) -> set[int]:
    """ids of parameters that weight decay leaves alone, whether or not they are trained."""
    kept = {id(weight) for part in model.modules() if isinstance(part, nn.LayerNorm) for weight in part.parameters()}
    return kept | {id(weight) for name, weight in model.named_parameters() if _NO_DECAY.search(name.lower())}


def _split_matrices(model: nn.Module, groups: Groups) -> Groups:
    """Each group in two: matrices inside of layers, which are Muon's, and the rest."""
    tables = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    named = list(nn.Module.named_parameters(model))
    inside = [(name, weight) for name, weight in named if _LAYER.search(name)] or named
    matrices = {id(weight) for _, weight in inside if weight.dim() == 2} - tables
    split = []
    for group in groups:
        for muon in (True, False):
            chosen = [weight for weight in group["params"] if (id(weight) in matrices) == muon]
            split += [{**group, "params": chosen, "muon": muon}] if chosen else []
    return split


def _read_options(name: str, recipe: Recipe, given: str | None) -> dict[str, Any]:
    """ "momentum=0.9,nesterov=true" as keywords."""
    allowed, found = _ALWAYS | dict(recipe.options), {}
    for pair in filter(None, (given or "").replace(" ", "").split(",")):
        key, _, value = pair.partition("=")
        if key not in allowed:
            near = nearest(key, allowed)
            raise ValueError(f"optim_args: {str(name)!r} has no option {short(key)}; the nearest are {near}.")
        read = _READ[allowed[key]]
        try:
            found[key] = read(value)
        except (KeyError, ValueError):
            what = {float: "a number", int: "a whole number", bool: "true or false", str: "a word"}[allowed[key]]
            raise ValueError(f"optim_args: {key}={short(value)} must be {what}.") from None
    return found
