"""Published paths as attributes: `model.bert.encoder.layer[0].attention.self.query` is our `layers.0.attn.q_proj`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from .base import PreTrainedModel


class View(nn.Module):
    """A published path that lies above single modules: `model.bert.encoder`, `model.bert.encoder.layer[:6]`.

    It is a module, so that torch's own tools can follow published names through it, but holds nothing.
    """

    _model: PreTrainedModel
    _path: str

    def __init__(self, model: PreTrainedModel, path: str):
        super().__init__()
        vars(self).update(_model=model, _path=path)  # not as a submodule

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

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        start = f"{self._path}."
        inside = (pair for pair in self._model.named_parameters(remove_duplicate=remove_duplicate))
        return ((prefix + name.removeprefix(start), p) for name, p in inside if name.startswith(start))

    def __repr__(self) -> str:
        return f"{self._path} of {type(self._model).__name__}: {[name for name, _ in self.named_parameters()]}"


def resolve(model: PreTrainedModel, path: str) -> Any:
    """The module, parameter or view that a published path names; None if it names nothing."""
    if path == model.base_model_prefix and model.base_model is not model:
        return model.base_model
    rules, index = model.keys.rules, [part for part in path.split(".") if part.isdecimal()]
    template = ".".join("{}" if part.isdecimal() else part for part in path.split("."))
    above, _, last = template.rpartition(".")
    ours = [p for p in rules[template].paths if len(rules[template].paths) == 1] if template in rules else []
    if above in rules:  # a part of a fused tensor, under the name that `named_parameters` gives it
        ours = [p for p in rules[above].paths if p.endswith(f".{last}")]
    if ours:
        parent, _, leaf = ours[0].format(*index).rpartition(".")
        try:
            return getattr(model.get_submodule(parent), leaf)
        except AttributeError:
            return None
    inner = template in rules or any(theirs.startswith(f"{template}.") for theirs in rules)
    return View(model, path) if inner else None
