"""Heads and losses of models that compare pictures with texts. Shapes: B pairs, D width, E of the vectors compared."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..outputs import ImageEmbedsOutput, ModelOutput, TextEmbedsOutput
from .base import TaskHead


class TextProjection(TaskHead):
    """the vectors (B,E) of texts that are compared with those of pictures."""

    output: ClassVar[type[ModelOutput]] = TextEmbedsOutput
    targets = ()
    name: ClassVar[str] = "text_embeds"

    def __init__(self, config: Config):
        super().__init__(config)
        self.out = nn.Linear(config.hidden_size, config.projection_dim, bias=False)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        return {self.name: self.out(body["pooler_output"])}


class PictureProjection(TextProjection):
    """the vectors (B,E) of pictures that are compared with those of texts."""

    output = ImageEmbedsOutput
    name = "image_embeds"


def contrastive(scores: Tensor) -> Tensor:
    """The loss of scores (B,B) of pairs: each text is to find its picture, each picture its text (CLIP, figure 3)."""
    own = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.mT, own)) / 2


def pairwise(scores: Tensor) -> Tensor:
    """The loss of scores (B,B) of pairs: of each, whether it is one (SigLIP, Zhai et al., 2023, section 3.2)."""
    signs = 2 * torch.eye(len(scores), dtype=scores.dtype, device=scores.device) - 1
    return -F.logsigmoid(signs * scores).sum(-1).mean()
