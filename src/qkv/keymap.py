"""KeyMap: published weight names <-> ours, as a table that is read in both directions.

A family states its table once, {"their.path.{}": "our.path.{}"}: `{}` is a layer index and the parameter's own name
(weight, bias) carries over. Saving reads the table backwards, so a saved folder has the published names again.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class Fused:
    """One published tensor that holds several of ours, concatenated on the output dimension."""

    paths: tuple[str, ...]
    transposed: bool = False  # published as (in, out), as GPT-2's Conv1D does
    shares: tuple[int, ...] = ()  # how wide each is, relative to the others; equally if empty

    @property
    def carries_over(self) -> bool:
        """Whether what is published is ours as it is."""
        return len(self.paths) == 1 and not self.transposed

    def split(self, tensor: Tensor) -> tuple[Tensor, ...]:
        tensor = tensor.t() if self.transposed and tensor.dim() == 2 else tensor
        if len(self.paths) == 1:
            return (tensor,)
        shares = self.shares or (1,) * len(self.paths)
        if tensor.dim() == 0 or tensor.shape[0] % sum(shares):
            raise ValueError(f"shape {tuple(tensor.shape)} does not split into parts of relative widths {shares}")
        return tensor.split([tensor.shape[0] // sum(shares) * share for share in shares])

    def join(self, tensors: list[Tensor]) -> Tensor:
        tensor = torch.cat(tensors) if len(tensors) > 1 else tensors[0]
        return tensor.t().contiguous() if self.transposed and tensor.dim() == 2 else tensor


@dataclass(frozen=True)
class Interleaved(Fused):
    """One published tensor that holds, head after head, the part of each of ours (GPT-NeoX, BLOOM, Falcon)."""

    heads: int = 1

    def split(self, tensor: Tensor) -> tuple[Tensor, ...]:
        if tensor.dim() == 0 or tensor.shape[0] % (self.heads * len(self.paths)):
            raise ValueError(f"shape {tuple(tensor.shape)} does not split into {len(self.paths)} x {self.heads} heads")
        return tuple(part.flatten(0, 1) for part in tensor.unflatten(0, (self.heads, len(self.paths), -1)).unbind(1))

    def join(self, tensors: list[Tensor]) -> Tensor:
        return torch.stack([tensor.unflatten(0, (self.heads, -1)) for tensor in tensors], dim=1).flatten(0, 2)


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
        also: the same for names that are read and not written, as of another layout of the family's files.
    """

    def __init__(
        self, table: Mapping[str, Rule], *, prefix: str = "", ignored: Iterable[str] = (),
        also: Mapping[str, Rule] | None = None,
    ):  # fmt: skip
        self.rules, self.also = _rules(table), _rules(also or {})
        self.prefix = self.usual_prefix = prefix  # before the body's names in this task's files; in the family's others
        self.ignored = frozenset(ignored)
        self.owner = {ours: theirs for theirs, rule in self.rules.items() for ours in rule.paths}
        self._theirs, self._ours = _tree({**self.rules, **self.also}), _tree(self.owner)
        self.body = {theirs.split(".")[0] for theirs in (*self.rules, *self.also)}

    @cached_property
    def below(self) -> dict[str, list[tuple[str, str]]]:
        """Each published path and each path above one -> the (published, our) paths that begin with it."""
        found: dict[str, list[tuple[str, str]]] = {}
        for theirs, ours in ((theirs, ours) for theirs, rule in self.rules.items() for ours in rule.paths):
            parts = theirs.split(".")
            for end in range(1, len(parts) + 1):
                found.setdefault(".".join(parts[:end]), []).append((theirs, ours))
        return found

    @cached_property
    def places(self) -> dict[str, str]:
        """Published path -> our path that names the same weights, for single modules and for those above them."""
        found = {path: rule.paths[0] for path, rule in self.rules.items() if len(rule.paths) == 1}
        for path, pairs in self.below.items():
            ours = "" if path in self.rules or self._is_wrapper(path) else _common(path, [ours for _, ours in pairs])
            if ours and sum(_is_under(ours, one) for one in self.owner) == len(pairs):
                found[path] = ours
        return found

    def _is_wrapper(self, path: str) -> bool:
        """Whether the path one longer, or one shorter, is the better name of the same weights: that of a numbered
        block, else the longest."""
        above, _, _ = path.rpartition(".")
        if above.endswith("{}") and len(self.below[above]) == len(self.below[path]):
            return True
        nexts = {theirs[len(path) + 1 :].split(".")[0] for theirs, _ in self.below[path]}
        return not path.endswith("{}") and len(nexts) == 1 and nexts != {"{}"}

    def inside(self, theirs: str, ours: str) -> "KeyMap":
        """The table of the module at these paths, which are left out of its names."""
        rules = {k[len(theirs) + 1 :]: rule for k, rule in self.rules.items() if k.startswith(f"{theirs}.")}
        cut = {k: replace(rule, paths=tuple(p[len(ours) + 1 :] for p in rule.paths)) for k, rule in rules.items()}
        return KeyMap(cut)

    def holding(self, theirs: str, ours: str, inner: "KeyMap") -> "KeyMap":
        """This table and that of a part, such as a backbone, whose names stand after `theirs` and `ours`."""

        def moved(rules: Mapping[str, Fused]) -> dict[str, Rule]:
            found = {
                k: replace(rule, paths=tuple(f"{ours}.{path}" for path in rule.paths)) for k, rule in rules.items()
            }
            return {f"{theirs}.{k}": rule for k, rule in found.items()}

        ignored = [*self.ignored, *(f"{theirs}.{name}" for name in inner.ignored)]
        also = {**self.also, **moved(inner.also)}
        return KeyMap({**self.rules, **moved(inner.rules)}, prefix=self.prefix, ignored=ignored, also=also)

    def headed(
        self, head: Mapping[str, Rule], ignored: Iterable[str] = (), prefix: str | None = None,
        head_also: Mapping[str, Rule] | None = None,
    ) -> "KeyMap":  # fmt: skip
        """The table of a model that has this body as `backbone` and a task's head as `head`."""
        prefix = self.prefix if prefix is None else prefix
        body, also = (
            {
                prefix + theirs: replace(rule, paths=tuple(f"backbone.{path}" for path in rule.paths))
                for theirs, rule in rules.items()
            }
            for rules in (self.rules, self.also)
        )
        ours, read = (
            {theirs: f"head.{rule}" if isinstance(rule, str) else rule for theirs, rule in rules.items()}
            for rules in (head, head_also or {})
        )
        ignored = [*(prefix + name for name in self.ignored), *ignored]
        both = KeyMap({**body, **ours}, ignored=ignored, also={**also, **read})
        both.prefix, both.usual_prefix, both.body = prefix, self.prefix, self.body
        return both

    def to_ours(self, key: str, tensor: Tensor) -> StateDict | None:
        """Our tensors for one published tensor; None for a name that no rule covers.

        Raises: ValueError if a fused tensor cannot be split.
        """
        found = next(filter(None, (_find(spelling, self._theirs) for spelling in self._spellings(key))), None)
        if found is None:
            return None
        theirs, index, name = found
        rule = self.rules.get(theirs) or self.also[theirs]
        if _is_inside(name) and not rule.carries_over:  # of a layer's adapter: see `published_name`
            part, _, rest = name.partition(".")
            own = [path for path in rule.paths if path.rpartition(".")[2] == part]
            return {_join(own[0], index, rest) if own else _join(rule.paths[0], index, name): tensor}
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
            if _is_inside(name) and not rule.carries_over:  # an adapter's, inside a layer
                published[self.published_name(key)] = tensor
            elif path == rule.paths[0]:
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

    def site(self, path: str) -> tuple[str, tuple[str, ...], Fused]:
        """Of one of our modules: its published path, our paths of all that is published there, how that is split."""
        found = _find(path, self._ours) or _find(f"{path}.weight", self._ours)
        if found is None:
            return path, (path,), Fused((path,))
        ours, index, name = found
        theirs, rule = self.owner[ours], self.rules[self.owner[ours]]
        published, *paths = [_join(one, index, name).removesuffix(".weight") for one in (theirs, *rule.paths)]
        return published, tuple(paths), rule

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
        return (key, key.removeprefix(self.prefix), self.prefix + key, key.removeprefix(self.usual_prefix))


def _rules(table: Mapping[str, Rule]) -> dict[str, Fused]:
    return {theirs: Fused((rule,)) if isinstance(rule, str) else rule for theirs, rule in table.items()}


def _common(theirs: str, paths: list[str]) -> str:
    """What our paths begin with alike, without their last parts and with no more indices than `theirs` has."""
    found: list[str] = []
    for column in zip(*(path.split(".")[:-1] for path in paths), strict=False):
        if len(set(column)) > 1 or (column[0] == "{}" and found.count("{}") == theirs.split(".").count("{}")):
            break
        found.append(column[0])
    return ".".join(found)


def _is_under(above: str, path: str) -> bool:
    """Whether a path, of which an index may stand for a given number, lies under another."""
    parts, start = path.split("."), above.split(".")
    pairs = zip(parts, start, strict=False)
    return len(parts) > len(start) and all(one == other or one == "{}" and other.isdecimal() for one, other in pairs)


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
    rest = parts[best[2] :]
    rest[-1:] = [{"gamma": "weight", "beta": "bias"}.get(part, part) for part in rest[-1:]]  # TensorFlow's names
    return best[0], best[1], ".".join(rest)


def _is_inside(name: str) -> bool:
    """Whether a name that is left of a path is of a module in it, not of its own weight, or of that one's scales."""
    return "." in name and not name.startswith("weight.")


def _join(path: str, index: list[str], name: str) -> str:
    return path.format(*index) + (f".{name}" if name else "")


def attention_keys(theirs: str, ours: str) -> dict[str, str]:
    """Published names of an attention, as many families have them -> ours."""
    return {f"{theirs}.{x}_proj": f"{ours}.{x}_proj" for x in "qkv"} | {f"{theirs}.out_proj": f"{ours}.o_proj"}
