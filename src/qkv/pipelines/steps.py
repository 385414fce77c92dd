"""The modules of sentence-transformers that follow a transformer. Shapes: B batch, T tokens, D width."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from ..checkpoint import read_weights, write_weights
from ..errors import short
from ..files import write_file
from ..hub import Repo
from ..layers import activation
from .pooling import find_modes, pool

FLAGS = {  # of older pooling configs, in the order in which their vectors are joined
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weighted_mean",
    "pooling_mode_lasttoken": "last",
}
PLACES = ("module_input_name", "module_output_name")
ACTIVATIONS = {  # class of torch.nn -> our name
    "GELU": "gelu", "Identity": "linear", "LeakyReLU": "leaky_relu", "Mish": "mish", "ReLU": "relu", "ReLU6": "relu6",
    "SiLU": "silu", "Sigmoid": "sigmoid", "Tanh": "tanh",
}  # fmt: skip


class Step:
    """A module: vectors (B,D) -> (B,D').

    Args:
        settings: its config.json, which is written back as it was.
        weights: by published names.
    """

    kind: ClassVar[str]
    described: ClassVar[bool] = True  # whether there must be a config.json

    def __init__(self, settings: Mapping[str, Any] | None = None, weights: Mapping[str, Tensor] | None = None):
        self.settings, self.weights = dict(settings or {}), dict(weights or {})

    @classmethod
    def shapes(cls, settings: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        """Published names and shapes of the weights that a config.json describes."""
        return {}

    @classmethod
    def read(cls, repo: Repo) -> "Step":
        """From its folder. Raises: OSError if that is damaged, ValueError if it asks for what qkv does not have."""
        settings = repo.json("config.json") or {}
        if cls.described and not settings:
            repo.require("config.json")  # says what is there instead
        if any(settings.get(name) not in (None, "sentence_embedding") for name in PLACES):
            raise ValueError(f"a {cls.kind} that reads or gives anything but vectors of whole texts is not in qkv.")
        expected = cls.shapes(settings)
        weights = {name: tensor.float() for name, tensor in read_weights(repo)} if expected else {}
        found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        if found != expected:
            raise OSError(
                f"the {cls.kind} of {short(str(repo.name))} has the weights {short(found, 100)}, and its config.json "
                f"says {short(expected, 100)}. Download or save it again."
            )
        return cls(settings, weights)

    def save(self, folder: Path) -> None:
        write_file(folder, "config.json", json.dumps(self.settings, indent=2) + "\n")
        if self.weights:
            write_weights(folder, self.weights)

    def fitting(self, x: Tensor, width: int) -> Tensor:
        """The vectors. Raises: ValueError if they are not of that width."""
        if x.shape[-1] != width:
            raise ValueError(
                f"the {self.kind} of modules.json takes vectors of {width} numbers, and gets {x.shape[-1]}. Say "
                f"pooling='mean' to leave it out."
            )
        return x


class Pooling(Step):
    """Vectors of tokens (B,T,D) and their mask (B,T) -> (B, D * modes); a prompt's tokens may not count."""

    kind = "Pooling"

    def __init__(self, settings: Mapping[str, Any] | None = None, weights: Mapping[str, Tensor] | None = None):
        super().__init__(settings, weights)
        flagged = [mode for flag, mode in FLAGS.items() if self.settings.get(flag)]
        self.modes = find_modes(self.settings.get("pooling_mode") or flagged or "mean")
        self.reads_prompt = self.settings.get("include_prompt", True) is not False

    def __call__(self, x: Tensor, mask: Tensor, skip: int = 0) -> Tensor:
        return pool(x, mask, self.modes, 0 if self.reads_prompt else skip)


class Dense(Step):
    """act(x W + b), with x added to it, or x R where that has another width, if it has a residual path."""

    kind = "Dense"

    def __init__(self, settings: Mapping[str, Any] | None = None, weights: Mapping[str, Tensor] | None = None):
        super().__init__(settings, weights)
        name = self.settings.get("activation_function", "torch.nn.modules.activation.Tanh")
        leaf = name.rpartition(".")[2] if isinstance(name, str) and name.startswith("torch.nn.") else ""
        if leaf not in ACTIVATIONS:
            raise ValueError(
                f"the activation_function {short(name)} of a Dense is not in qkv, which runs no code by its name. Of "
                f"torch.nn it has {', '.join(ACTIVATIONS)}."
            )
        self.act = activation(ACTIVATIONS[leaf])

    @classmethod
    def shapes(cls, settings: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        rows, columns = settings.get("out_features"), settings.get("in_features")
        found: dict[str, tuple[Any, ...]] = {"linear.weight": (rows, columns)}
        if settings.get("bias", True):
            found["linear.bias"] = (rows,)
        if settings.get("use_residual") and rows != columns:
            found["residual.weight"] = (rows, columns)
        return found

    def __call__(self, x: Tensor) -> Tensor:
        weight = self.weights["linear.weight"]
        y = self.act(F.linear(self.fitting(x, weight.shape[1]), weight, self.weights.get("linear.bias")))
        if not self.settings.get("use_residual"):
            return y
        return y + (F.linear(x, self.weights["residual.weight"]) if "residual.weight" in self.weights else x)


class LayerNorm(Step):
    kind = "LayerNorm"

    @classmethod
    def shapes(cls, settings: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        width = (settings.get("dimension"),)
        return {"norm.weight": width, "norm.bias": width}

    def __call__(self, x: Tensor) -> Tensor:
        weight = self.weights["norm.weight"]
        return F.layer_norm(self.fitting(x, len(weight)), weight.shape, weight, self.weights["norm.bias"])


class Normalize(Step):
    """Vectors of length 1; zeros stay zeros."""

    kind = "Normalize"
    described = False

    def __call__(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1)


STEPS: dict[str, type[Step]] = {cls.kind: cls for cls in (Pooling, Dense, LayerNorm, Normalize)}
