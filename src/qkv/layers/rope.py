"""Rotary position embedding (Su et al., 2021, arXiv:2104.09864): queries and keys are turned by their positions.

A wavelength for each pair of a head's numbers; the ways to read longer texts than a model was trained on change these
wavelengths. Shapes: B batch, T tokens, H heads, C head width, R <= C the width that is turned.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import nearest, short

Angles = tuple[Tensor, Tensor]  # cosines and sines, each (B,1,T,R)
Settings = Mapping[str, Any]


class Rope(nn.Module):
    """Angles for positions.

    Args:
        dim: R, the width that is turned.
        theta: the longest wavelength is about 2*pi*theta.
        settings: what a config says of longer texts: "rope_type" (a key of `SCALINGS`) and its numbers.
        max_positions: tokens that the model reads at most.

    Raises: ValueError for an unknown rope_type, or one that lacks a number.
    """

    def __init__(self, dim: int, theta: float = 10_000.0, settings: Settings | None = None, max_positions: int = 0):
        super().__init__()
        self.dim, self.theta, self.max_positions = dim, theta, max_positions
        self.settings = dict(settings or {})
        kind = self.settings.get("rope_type", self.settings.get("type", "default"))
        if kind == "yarn" and "short_factor" in self.settings:
            kind = "longrope"  # which early files of Phi-3 call so
        if kind not in SCALINGS:
            raise ValueError(f"rope_type {short(kind)} is not known; the nearest are {nearest(kind, SCALINGS)}.")
        self.frequencies = SCALINGS[kind]
        self.exponents = torch.arange(0, dim, 2, dtype=torch.float32, device="cpu") / dim  # (R/2,)
        try:
            waves, factor = self.frequencies(self, self.exponents, torch.ones(1, 1, device="cpu"))
            self.fixed = waves.repeat(2) if waves.dim() == 1 else None, factor  # (R,); None where lengths matter
        except (KeyError, TypeError, ZeroDivisionError, ValueError, RuntimeError) as error:
            raise ValueError(f"rope_type {kind!r} in config.json lacks or misstates {short(error.args[0])}.") from None

    @classmethod
    def of(cls, config: Any, head_dim: int, layer_type: str | None = None) -> "Rope":
        """The rope that a config describes, spelt as in 4.x (rope_theta, rope_scaling) or 5.x (rope_parameters).

        Args:
            head_dim: C.
            layer_type: "full_attention" or "sliding_attention", where the config has settings for each.
        """
        settings = dict(config.rope_parameters or config.rope_scaling or {})
        settings = dict(settings.get(layer_type) or settings)
        if config.original_max_position_embeddings is not None:
            settings["original_max_position_embeddings"] = config.original_max_position_embeddings
        theta = settings.get("rope_theta", config.rope_theta)
        share = settings.get("partial_rotary_factor", config.partial_rotary_factor)
        return cls(int(head_dim * (1.0 if share is None else share)), theta, settings, config.max_position_embeddings)

    def forward(self, positions: Tensor) -> Angles:
        """Positions (B,T) -> cosines and sines (B,1,T,R), float32."""
        waves, factor = self.fixed
        if waves is None:
            lengths = positions.amax(dim=1, keepdim=True) + 1 if positions.numel() else positions.new_ones(1, 1)
            waves, factor = self.frequencies(self, self.exponents.to(positions.device), lengths)  # (B,R/2)
            waves = waves.repeat(1, 2)[:, None, None]
        angles = positions[:, None, :, None] * waves.to(positions.device)  # (B,1,T,R)
        cos, sin = angles.cos(), angles.sin()
        return (cos, sin) if factor == 1.0 else (cos * factor, sin * factor)

    def turns_anew(self, read: int, total: int) -> bool:
        """Whether a text that grows from `read` to `total` tokens needs other angles for the tokens it has read."""
        return self.frequencies is _longrope and 0 < read <= self.original < total

    @property
    def original(self) -> int:
        """Tokens that the model read at most before it was extended."""
        return self.settings.get("original_max_position_embeddings") or self.max_positions


def _plain(rope: Rope, exponents: Tensor, lengths: Tensor) -> tuple[Tensor, float]:
    return 1.0 / rope.theta**exponents, 1.0


def _linear(rope: Rope, exponents: Tensor, lengths: Tensor) -> tuple[Tensor, float]:
    """Positions divided by a factor (Chen et al., 2023, arXiv:2306.15595)."""
    return 1.0 / rope.theta**exponents / rope.settings["factor"], 1.0


def _dynamic(rope: Rope, exponents: Tensor, lengths: Tensor) -> tuple[Tensor, float]:
    """A base that grows with the text once it is longer than what was trained ("dynamic NTK")."""
    factor, longest = rope.settings["factor"], rope.max_positions
    stretch = factor * lengths.clamp(min=longest) / longest - (factor - 1)  # (B,1)
    return 1.0 / (rope.theta * stretch ** (rope.dim / (rope.dim - 2))) ** exponents, 1.0


def _yarn(rope: Rope, exponents: Tensor, lengths: Tensor) -> tuple[Tensor, float]:
    """YaRN (Peng et al., 2023, arXiv:2309.00071): long waves are stretched, short ones kept, a ramp between them."""
    s = rope.settings
    factor = s.get("factor") or rope.max_positions / rope.original
    plain = 1.0 / rope.theta**exponents

    def turns_at(rotations: float) -> float:  # the index of the wave that turns so often in the original length
        return rope.dim * math.log(rope.original / (rotations * 2 * math.pi)) / (2 * math.log(rope.theta))

    low, high = turns_at(s.get("beta_fast") or 32), turns_at(s.get("beta_slow") or 1)
    if s.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, rope.dim - 1)
    steps = torch.arange(len(exponents), dtype=torch.float32, device=exponents.device)
    ramp = ((steps - low) / (high - low or 0.001)).clamp(0, 1)
    scale = s.get("attention_factor")
    if scale is None:
        m, all_dims = s.get("mscale"), s.get("mscale_all_dim")
        scale = _yarn_scale(factor, m) / _yarn_scale(factor, all_dims) if m and all_dims else _yarn_scale(factor, 1.0)
    return plain / factor * ramp + plain * (1 - ramp), scale


def _yarn_scale(factor: float, weight: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0


def _longrope(rope: Rope, exponents: Tensor, lengths: Tensor) -> tuple[Tensor, float]:
    """LongRoPE (Ding et al., 2024, arXiv:2402.13753): a factor for each wave, one set for short texts, one for long."""
    s = rope.settings
    long, brief = (exponents.new_tensor(s[name]) for name in ("long_factor", "short_factor"))
    factors = torch.where(lengths > rope.original, long, brief)  # (B,R/2)
    factor = s.get("factor") or rope.max_positions / rope.original
    scale = s.get("attention_factor")
    if scale is None:
        scale = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(rope.original))
    return 1.0 / (factors * rope.theta**exponents), scale


def _llama3(rope: Rope, exponents: Tensor, lengths: Tensor) -> tuple[Tensor, float]:
    """Llama 3.1's: waves longer than the original text are stretched, short ones kept, those between are mixed."""
    s = rope.settings
    plain = 1.0 / rope.theta**exponents
    turns = rope.original * plain / (2 * math.pi)  # of a wave in the original length
    low, high = s["low_freq_factor"], s["high_freq_factor"]
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - kept) * plain / s["factor"] + kept * plain, 1.0


SCALINGS = {
    "default": _plain, "linear": _linear, "dynamic": _dynamic, "yarn": _yarn, "longrope": _longrope, "su": _longrope,
    "llama3": _llama3,
}  # fmt: skip


def rotate(x: Tensor, angles: Angles) -> Tensor:
    """Turn x (B,H,T,C) by angles of width R <= C; what is beyond passes through."""
    cos, sin = (part.to(x.dtype) for part in angles)
    width = cos.shape[-1]
    turned, rest = x[..., :width], x[..., width:]
    a, b = turned.chunk(2, dim=-1)
    turned = turned * cos + torch.cat([-b, a], dim=-1) * sin
    return turned if not rest.shape[-1] else torch.cat([turned, rest], dim=-1)
