"""Layers that carry adapters: what stands in the place of a layer's class while a model has some."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...backends.quantized import QuantizedLinear
from .config import LoraConfig
from .targets import Site

PARTS = ("lora_A", "lora_B", "lora_magnitude_vector", "modules_to_save")  # what a layer gets, each by adapter


@dataclass
class Switch:
    """Which adapters of a model are in use: one for all of its layers."""

    active: tuple[str, ...] = ()
    enabled: bool = True

    def chosen(self, there: nn.ModuleDict) -> list[str]:
        return [name for name in self.active if name in there] if self.enabled else []


class Magnitude(nn.Module):
    """The lengths of the rows of a weight, (N,)."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)


@dataclass
class Sizes:
    """Of an adapter in a layer: its rank, what B A is multiplied by, and the dropout of what enters A.

    `first` is the layer that holds A, where that is the same for all parts of a fused layer.
    """

    rank: int
    scaling: float
    dropout: float = 0.0
    first: nn.Module | None = None


class Adapted(nn.Module):
    """A linear layer with adapters; a mixin. x (…,K) -> (…,N)"""

    switch: Switch
    sizes: dict[str, Sizes]
    lora_A: Any  # module dictionaries, by adapter
    lora_B: Any
    lora_magnitude_vector: Any
    weight: Tensor
    bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        found = y
        for name in self.switch.chosen(self.lora_B):
            found = found + self.change(name, x, y)
        return found.to(y.dtype)

    def a(self, name: str) -> Any:
        """The matrix A of an adapter, as a layer."""
        owner: Any = self.sizes[name].first or self
        return owner.lora_A[name]

    def change(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """What an adapter adds to y, the layer's own."""
        a, b, sizes = self.a(name), self.lora_B[name], self.sizes[name]
        x = x.to(b.weight.dtype)
        dropped = F.dropout(x, sizes.dropout) if self.training and sizes.dropout else x
        added = b(a(dropped)) * sizes.scaling
        if name not in self.lora_magnitude_vector:
            return added
        if dropped is x:
            base = y if self.bias is None else y - self.bias
        else:
            base = F.linear(dropped, self.weight.to(x.dtype))
        with torch.no_grad():  # as the paper has it: the length is a constant for the gradient
            length = torch.linalg.norm(self.weight.to(x.dtype) + self.delta(name), dim=1)
        factor = self.lora_magnitude_vector[name].weight / length
        return (factor - 1) * base + factor * added

    def delta(self, name: str) -> Tensor:
        """s B A, (N,K)."""
        return self.sizes[name].scaling * (self.lora_B[name].weight @ self.a(name).weight)

    def merged(self, names: Sequence[str]) -> Tensor:
        """The weight (N,K) that gives, without adapters, what these give together, in its own dtype."""
        start = self.weight.detach().double()  # rounded once, at the end
        found = start
        for name in names:
            a, b = (part.weight.detach().double() for part in (self.a(name), self.lora_B[name]))
            delta = self.sizes[name].scaling * (b @ a)
            if name in self.lora_magnitude_vector:
                factor = self.lora_magnitude_vector[name].weight.detach().double()
                factor = factor / torch.linalg.norm(start + delta, dim=1)
                delta = factor[:, None] * (start + delta) - start
            found = found + delta
        return found.to(self.weight.dtype)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, adapters={list(self.lora_B)}"


class Replaced(nn.Module):
    """A module of which adapters bring trained copies of their own (modules_to_save); a mixin."""

    switch: Switch
    modules_to_save: nn.ModuleDict

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        for name in self.switch.chosen(self.modules_to_save):
            return self.modules_to_save[name](*args, **kwargs)
        return super().forward(*args, **kwargs)


@cache
def _class(mixin: type[nn.Module], cls: type[nn.Module]) -> type[nn.Module]:
    """A class with a mixin over it; adapters belong to the product, so under what a pooler's class does around it."""
    product = next((one for one in (nn.Linear, QuantizedLinear) if mixin is Adapted and issubclass(cls, one)), cls)
    bases: tuple[type, ...] = (mixin, cls) if cls is product else (cls, _class(mixin, product))
    return type(cls.__name__, bases, {})


def dress(module: nn.Module, mixin: type[nn.Module], switch: Switch) -> None:
    """Give a module the class that knows of adapters, and empty places for them."""
    if "switch" not in vars(module):
        vars(module).update(switch=switch, sizes={}, own_class=type(module))
        module.__class__ = _class(mixin, type(module))
        for part in PARTS[:3] if mixin is Adapted else PARTS[3:]:
            setattr(module, part, nn.ModuleDict())


def undress(module: nn.Module) -> None:
    """Give a module its own class back."""
    for part in PARTS:
        module._modules.pop(part, None)
    module.__class__ = vars(module).pop("own_class")
    for part in ("switch", "sizes"):
        vars(module).pop(part)


def parts_of(model: nn.Module, name: str) -> list[nn.Module]:
    """The modules that an adapter is made of."""
    places = (module._modules.get(part) for module in model.modules() if "switch" in vars(module) for part in PARTS)
    return [place[name] for place in places if isinstance(place, nn.ModuleDict) and name in place]


def is_of_adapter(name: str) -> bool:
    """Whether a parameter's name is of an adapter."""
    return any(part in PARTS for part in name.split("."))


def fit(model: Any, site: Site, config: LoraConfig, name: str) -> None:
    """A fresh adapter for a layer, or for the parts of one that is published as one; float32 beside half precision."""
    rank, alpha = config.rank_of(site.names), config.alpha_of(site.names)
    scaling = alpha / (math.sqrt(rank) if config.use_rslora else rank)
    first: Any = None
    for path in site.paths:
        module: Any = model.get_submodule(path)
        dress(module, Adapted, model.switch)
        device = next(tensor.device for tensor in (*module.parameters(), *module.buffers()))
        kind: dict[str, Any] = {"bias": False, "device": device, "dtype": torch.float32}
        if first is None:
            module.lora_A[name] = nn.Linear(module.in_features, rank, **kind)
            _draw(module.lora_A[name].weight, config, rank)
        module.lora_B[name] = nn.Linear(rank, module.out_features, **kind)
        if config.init_lora_weights is not False:
            nn.init.zeros_(module.lora_B[name].weight)
        module.sizes[name] = Sizes(rank, scaling, config.lora_dropout, first)
        first = first or module
        if config.use_dora:
            weight = module.weight.detach().float() + module.delta(name).detach()
            module.lora_magnitude_vector[name] = Magnitude(torch.linalg.norm(weight, dim=1))
        module.train(module.training)


def _draw(a: Tensor, config: LoraConfig, rank: int) -> None:
    if config.init_lora_weights == "gaussian":
        nn.init.normal_(a, std=1 / rank)
    else:
        nn.init.kaiming_uniform_(a, a=math.sqrt(5))
