"""Heads on pictures. Shapes: B batch, K tokens before the patches, N patches, C channels, D width, L labels."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..layers.patches import pair
from ..outputs import ImageClassifierOutput, MaskedImageModelingOutput, MaskedLMOutput, ModelOutput
from .base import TaskHead, cross_entropy
from .text import label_loss


class ImageClassifier(TaskHead):
    """a score for each label of a picture (labels: class indices (B,), or floats for a regression).

    Args:
        token: which state stands for the picture: "first", "pooled" (the body's pooler), "mean" (of the patches), or
            "first+mean".
        skipped: how many tokens stand before the patches, but for the config's num_register_tokens.
    """

    output = ImageClassifierOutput

    def __init__(self, config: Config, *, token: str = "first", skipped: int = 1):
        super().__init__(config)
        self.token, self.skipped = token, skipped + getattr(config, "num_register_tokens", 0)
        width = (getattr(config, "hidden_size", None) or config.hidden_sizes[-1]) * (2 if "+" in token else 1)
        self.out = nn.Linear(width, config.num_labels) if config.num_labels else nn.Identity()

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        return self.out(self.summary(body))  # (B,L)

    def summary(self, body: ModelOutput) -> Tensor:
        if self.token == "pooled":
            return body["pooler_output"].flatten(1)  # (B,D), or (B,D,1,1)
        x = body["last_hidden_state"]  # (B,K+N,D)
        x = x.flatten(2).mT if x.dim() == 4 else x  # a map (B,D,h,w)
        parts = {"first": lambda: x[:, 0], "mean": lambda: x[:, self.skipped :].mean(dim=1)}
        return torch.cat([parts[part]() for part in self.token.split("+")], dim=-1)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return label_loss(self.config, logits, labels)


class VisualTokens(TaskHead):
    """a score of each visual token for each patch, (B,N,V) (labels: the tokens of the hidden patches, one after the
    other, as bool_masked_pos (B,N) says)."""

    output = MaskedLMOutput

    def __init__(self, config: Config):
        super().__init__(config)
        self.norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.out = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        return self.out(self.norm(body["last_hidden_state"])[:, 1:])

    def total_loss(
        self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], inputs: Mapping[str, Any]
    ) -> Tensor | None:
        hidden = inputs.get("bool_masked_pos")
        if hidden is None:
            raise ValueError("labels are of hidden patches: give bool_masked_pos (B,N), true where one is hidden, too.")
        return cross_entropy(scores["logits"][hidden.bool()], targets["labels"], classes="visual tokens")


class MaskedImageModeling(TaskHead):
    """the pixels of a picture whose patches were hidden, by bool_masked_pos (B,N): reconstruction (B,C,H,W).

    The loss is the mean distance of the hidden pixels (SimMIM, Xie et al., 2021, section 3.4), given whenever patches
    are hidden: it has no other target than the pixels themselves.
    """

    output = MaskedImageModelingOutput
    targets = ()

    def __init__(self, config: Config, *, skipped: int = 1):
        super().__init__(config)
        self.skipped, self.patch, self.stride = skipped, pair(config.patch_size)[0], config.encoder_stride
        self.out = nn.Conv2d(config.hidden_size, config.encoder_stride**2 * config.num_channels, 1)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        pixels, hidden = inputs["pixel_values"], inputs.get("bool_masked_pos")
        high, wide = pixels.shape[2:]
        x = body["last_hidden_state"][:, self.skipped :].mT  # (B,D,N)
        side = round((high * wide / x.shape[2]) ** 0.5)  # of what a state is for, in pixels
        made = F.pixel_shuffle(self.out(x.unflatten(2, (high // side, wide // side))), self.stride)  # (B,C,H,W)
        if hidden is None:
            return {"reconstruction": made}
        if made.shape != pixels.shape:
            raise ValueError(f"config.encoder_stride={self.stride} must be {side}, the pixels of a state, for a loss.")
        mask = hidden.view(-1, high // self.patch, wide // self.patch)
        mask = mask.repeat_interleave(self.patch, 1).repeat_interleave(self.patch, 2)[:, None].to(made.dtype)
        loss = (F.l1_loss(pixels, made, reduction="none") * mask).sum() / (mask.sum() + 1e-5) / pixels.shape[1]
        return {"reconstruction": made, "loss": loss}
