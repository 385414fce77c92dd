"""Published paths as attributes: `model.bert.encoder.layer[0].attention.self.query` is our `layers.0.attn.q_proj`.

Where a published path and one of ours name the same weights, it is our module, so that hooks on it run and putting
another in its place has an effect; else it is a view of the weights below it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from ..keymap import KeyMap, StateDict


class Named(nn.Module):
    """A module that speaks the published names of what it holds: `keys` has them, once a model has named its parts."""

    keys: KeyMap | None = None  # published names <-> ours, both without the module's own path

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """The weights under their published names. A module that holds this one gets our names, as torch expects."""
        if args or destination is not None:
            return super().state_dict(*args, destination=destination, prefix=prefix, keep_vars=keep_vars)
        state = super().state_dict(keep_vars=keep_vars)
        published = state if self.keys is None else self.keys.to_published(state)
        return {prefix + key: tensor for key, tensor in published.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take weights under their published names (or ours)."""
        known = {name for name, _ in super().named_parameters()}
        ours: StateDict = {}
        for key, tensor in state_dict.items():
            found = None if key in known or self.keys is None else self.keys.to_ours(key, tensor)
            ours |= found or {key: tensor}
        return super().load_state_dict(ours, strict, assign)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """(published name, parameter) pairs: "bert.encoder.layer.0.attention.self.query.weight" and so on."""
        for name, parameter in super().named_parameters("", recurse, remove_duplicate):
            yield f"{prefix}{'.' if prefix else ''}{self.keys.published_name(name) if self.keys else name}", parameter

    def __getattr__(self, name: str) -> Any:
        """A published path, where the module itself has no such attribute."""
        modules = vars(self).get("_modules", ())
        if name in modules:  # first of all, since each forward pass asks for them
            return modules[name]
        try:
            return super().__getattr__(name)
        except AttributeError:
            found = resolve(self, name)
            if found is None:
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}") from None
            return found

    def __setattr__(self, name: str, value: Any) -> None:
        """`model.classifier = nn.Linear(...)` replaces the part that is published as "classifier"."""
        ours = self.keys.places.get(name, name) if self.keys is not None and isinstance(value, nn.Module) else name
        parent, _, leaf = ours.rpartition(".")
        if parent:
            setattr(self.get_submodule(parent), leaf, value)
            return
        old = vars(self).get("_modules", {}).get(leaf)
        if type(value) is nn.ModuleList and isinstance(old, nn.ModuleList):  # fewer layers: still a stack that runs
            value = type(old)(value)
        super().__setattr__(leaf, value)


class View(nn.Module):
    """A published path that lies above parts of several modules of ours: `layer[0].attention` of BERT, with its norm.

    It is a module, so that torch's own tools can follow published names through it, but holds nothing.
    """

    _owner: Named
    _path: str

    def __init__(self, owner: Named, path: str):
        super().__init__()
        vars(self).update(_owner=owner, _path=path)  # not as a submodule

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("__") else resolve(self._owner, f"{self._path}.{name}")
        if found is None:
            raise AttributeError(f"{type(self._owner).__name__} publishes no {self._path}.{name}")
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        path = f"{self._path}.{name}"
        template, index = next(iter(_matches(self._owner.keys, path)), ("", []))
        ours = self._owner.keys.places.get(template) if self._owner.keys is not None else None
        if ours is None or not isinstance(value, nn.Module | Tensor):
            super().__setattr__(name, value)
            return
        parent, _, leaf = ours.format(*index).rpartition(".")
        module = self._owner.get_submodule(parent)
        if leaf in module._parameters:  # where torch.func puts tensors that are no parameters
            module._parameters[leaf] = value  # type: ignore[assignment]
        else:
            setattr(module, leaf, value)

    def __len__(self) -> int:
        start = len(self._path) + 1
        names = (name for name, _ in self._owner.named_parameters())
        return len({n[start:].split(".")[0] for n in names if n.startswith(f"{self._path}.") and n[start].isdecimal()})

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        return resolve(self._owner, f"{self._path}.{range(len(self))[index]}")

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        start = f"{self._path}."
        inside = (pair for pair in self._owner.named_parameters(remove_duplicate=remove_duplicate))
        return ((prefix + name.removeprefix(start), p) for name, p in inside if name.startswith(start))

    def __repr__(self) -> str:
        return f"{self._path} of {type(self._owner).__name__}: {[name for name, _ in self.named_parameters()]}"


def resolve(owner: Named, path: str) -> Any:
    """The module, parameter or view that a published path names; None if it names nothing."""
    keys = owner.keys
    matches = _matches(keys, path)
    if keys is None or not matches:
        return None
    for template, index in matches:
        part = _part(keys, template)
        if part is not None or template in keys.rules and template in keys.places:
            return _at(owner, (part or keys.places[template]).format(*index))
    template, index = matches[0]
    if len(matches) == 1 and template in keys.places:
        found = _at(owner, keys.places[template].format(*index))
        if found is None or isinstance(found, Named):
            return found
    return View(owner, path)


def _matches(keys: KeyMap | None, path: str) -> list[tuple[str, list[str]]]:
    """The templates that a path is an instance of, with its indices: "layers.0.attn" -> ("layers.{}.attn", ["0"])"""
    found: list[tuple[list[str], list[str]]] = [([], [])]
    for part in path.split("."):
        literal = [([*parts, part], index) for parts, index in found]
        found = literal + [([*p, "{}"], [*index, part]) for p, index in found if part.isdecimal()]
    joined = ((".".join(parts), index) for parts, index in found)
    return [] if keys is None else [(t, index) for t, index in joined if t in keys.below or _part(keys, t)]


def _part(keys: KeyMap, template: str) -> str | None:
    """Our path of a part of a fused tensor, under the name that `named_parameters` gives it."""
    above, _, last = template.rpartition(".")
    paths = keys.rules[above].paths if above in keys.rules else ()
    return next((path for path in paths if len(paths) > 1 and path.rpartition(".")[2] == last), None)


def _at(owner: nn.Module, path: str) -> Any:
    parent, _, leaf = path.rpartition(".")
    if not parent:  # its own __getattr__ is what asks
        return {**owner._parameters, **owner._modules}.get(leaf)
    try:
        return getattr(owner.get_submodule(parent), leaf)
    except AttributeError:
        return None


def name_parts(model: Named) -> None:
    """Tell the modules inside a model the published names of what they hold."""
    if model.keys is None:
        return
    theirs = {ours: path for path, ours in model.keys.places.items() if path not in model.keys.rules}
    tables: dict[str, KeyMap] = {}
    for path, module in model.named_modules():
        template = ".".join("{}" if part.isdecimal() else part for part in path.split("."))
        if isinstance(module, Named) and template in theirs:
            if template not in tables:
                tables[template] = model.keys.inside(theirs[template], template)
            module.keys = tables[template]
