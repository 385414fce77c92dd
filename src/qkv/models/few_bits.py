"""Loading a model with weights of few bits: what is asked for, and each tensor quantised as it is read."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..backends.packing import Codes
from ..backends.quantize import METHODS, bits_of, check_method, dequantize, frozen, plan, replace
from ..checkpoint import read_quantized, read_weights
from ..config import Config
from ..errors import short
from ..hub import Repo
from ..keymap import KeyMap
from .base import PreTrainedModel

NAMES = {bits: name for name, bits in METHODS.items()}
Value = Tensor | dict[str, Tensor]  # a published tensor, or the codes of one and their numbers by name


class FewBits:
    """How a repository's weights are to be kept.

    Args:
        how: "int8", "int4", or None: as the files have them.
        plain: whether files with few bits are to give a plain model.

    Raises: ValueError for another `how`, one that the files contradict, or files that another library quantised.
    """

    def __init__(self, config: Config, how: str | None = None, plain: bool = False):
        self.stored = _stored(config)
        self.plain = plain
        if how is not None:
            check_method(how)
            if plain:
                raise ValueError("quantize= and dequantize=True contradict each other; give one of them.")
            if self.stored not in (None, how):
                raise ValueError(
                    f"{short(config.name_or_path)} is quantised already ({self.stored}); load it without quantize=, "
                    f"or name the original model."
                )
        self.how = self.stored if how is None else how
        self.targets: dict[str, int] = {}  # our path of a layer -> the bits of its weight

    def prepare(self, model: PreTrainedModel) -> None:
        """Choose the layers of a model that has no memory behind its weights yet."""
        if self.how is not None:
            self.targets = plan(model, self.how)

    def read(self, repo: Repo) -> Iterator[tuple[str, Value]]:
        """The published weights, one at a time."""
        if self.stored is not None:
            return read_quantized(repo, METHODS[self.stored])
        return read_weights(repo, kept=self.how is None)

    def place(
        self, model: PreTrainedModel, key: str, name: str, part: Tensor | Codes, dtype: torch.dtype | None
    ) -> Tensor | None:
        """Put a weight, by our name, in its place if it is one with few bits, or is to be; else give it back.

        Raises: ValueError, with the published `key`, for codes or values that do not fit.
        """
        path, _, leaf = name.rpartition(".")
        if not isinstance(part, Codes):
            if self.how is None:
                return part
            if leaf != "weight" or path not in self.targets:
                return part.clone()  # so that the file does not stay mapped for its sake
        try:
            if path not in self.targets:
                raise ValueError("the file has codes of few bits for what is no layer of that kind.")
            bits = (8 if part.minimum is None else 4) if isinstance(part, Codes) else self.targets[path]
            replace(model, path, part, bits, dtype or torch.get_default_dtype())
        except ValueError as error:
            raise ValueError(f"{short(key)}: {error}") from None
        return None

    def finish(self, model: PreTrainedModel, dtype: torch.dtype) -> None:
        """Quantise what the file did not have and was drawn, and freeze; or make all plain."""
        if self.plain and self.stored is not None:
            dequantize(model, dtype)
            for values in (model.config.extra, model.config._published):
                values.pop("quantization_config", None)
        elif self.how is not None:
            for path in self.targets:
                layer = model.get_submodule(path)
                if bits_of(layer) is None:
                    replace(model, path, layer.get_parameter("weight"), self.targets[path], dtype)
            frozen(model)
        model.tie_weights()


def to_ours(keys: KeyMap, key: str, value: Value) -> dict[str, Any]:
    """Our weights for a published one: tensors, or Codes. Raises ValueError if a fused one cannot be split."""
    if isinstance(value, Tensor):
        return keys.to_ours(key, value) or {}
    parts = {leaf: keys.to_ours(f"{key}.{leaf}" if leaf else key, tensor) or {} for leaf, tensor in value.items()}
    if len(value) == 1:
        return parts[""]
    found: dict[str, Any] = {}
    for name, weight in parts[""].items():
        scale, minimum = (parts.get(leaf, {}).get(f"{name}.{leaf}") for leaf in ("scale", "minimum"))
        if scale is None:
            raise ValueError(f"{key} has minima without scales")
        found[name] = Codes(weight, scale.reshape(-1, 1).float() if minimum is None else scale, minimum)
    return found


def _stored(config: Config) -> str | None:
    """How the files are quantised, by config.json; None if they are not."""
    stated = config.extra.get("quantization_config")
    if stated is None:
        return None
    stated = stated if isinstance(stated, dict) else {}
    method, bits = stated.get("quant_method"), stated.get("bits")
    if method == "qkv" and isinstance(bits, int) and bits in NAMES:
        return NAMES[bits]
    if method == "qkv":
        raise ValueError(f"config.json says quantization_config bits={short(bits)}; qkv's own have 8 or 4.")
    raise ValueError(
        f"{short(config.name_or_path)} has weights quantised by {short(method)} (quantization_config in config.json), "
        f"which qkv does not read. Load the original model, and pass quantize='int8' or 'int4'."
    )
