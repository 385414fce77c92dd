"""Published paths as attributes: `model.bert.encoder.layer[0].attention.self.query` is our `layers.0.attn.q_proj`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from .base import PreTrainedModel


class View:
    """A published path that lies above single modules: `model.bert.encoder`, `model.bert.encoder.layer[:6]`."""

    def __init__(self, model: PreTrainedModel, path: str):
        self._model, self._path = model, path

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("__") else resolve(self._model, f"{self._path}.{name}")
        if found is None:
            raise AttributeError(f"{type(self._model).__name__} publishes no {self._path}.{name}")
        return found

    def __len__(self) -> int:
        start = len(self._path) + 1
        names = (name for name, _ in self._model.named_parameters())
        return len({n[start:].split(".")[0] for n in names if n.startswith(f"{self._path}.") and n[start].isdecimal()})

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        return View(self._model, f"{self._path}.{range(len(self))[index]}")

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        start = f"{self._path}."
        return ((n.removeprefix(start), p) for n, p in self._model.named_parameters() if n.startswith(start))

    def parameters(self) -> Iterator[nn.Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def requires_grad_(self, requires_grad: bool = True) -> View:
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def __repr__(self) -> str:
        return f"{self._path} of {type(self._model).__name__}: {[name for name, _ in self.named_parameters()]}"


def resolve(model: PreTrainedModel, path: str) -> Any:
    """The module, parameter or view that a published path names; None if it names nothing."""
    if path == model.base_model_prefix and model.base_model is not model:
        return model.base_model
    template = ".".join("{}" if part.isdecimal() else part for part in path.split("."))
    rule = model.keys.rules.get(template)
    if rule is not None and len(rule.paths) == 1:
        ours = rule.paths[0].format(*(part for part in path.split(".") if part.isdecimal()))
        parent, _, leaf = ours.rpartition(".")
        try:
            return getattr(model.get_submodule(parent), leaf)
        except AttributeError:
            return None
    return View(model, path) if any(theirs.startswith(f"{template}.") for theirs in model.keys.rules) else None
