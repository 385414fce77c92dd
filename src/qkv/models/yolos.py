"""YOLOS (Fang et al., 2021, arXiv:2106.00666): a ViT with tokens that become objects."""

from typing import Any

import torch
from torch import Tensor, nn

from ..heads import Pooler
from ..heads.detection import ObjectDetector
from ..keymap import KeyMap
from ..layers import Layers
from ..layers.observe import note
from ..layers.patches import PictureEmbeddings, stretched
from .task import Head
from .vision import VisionModel
from .vit import ENCODER, NO_POOLER, ViTConfig, block

BOXES = {"class_labels_classifier.layers.{}": "out.layers.{}", "bbox_predictor.layers.{}": "boxes.layers.{}"}


class YolosConfig(ViTConfig):
    model_type = "yolos"

    image_size: int | list | tuple = (512, 864)
    num_detection_tokens: int = 100
    use_mid_position_embeddings: bool = True
    auxiliary_loss: bool = False
    class_cost: float = 1
    bbox_cost: float = 5
    giou_cost: float = 2
    bbox_loss_coefficient: float = 5
    giou_loss_coefficient: float = 2
    eos_coefficient: float = 0.1


class YolosEmbeddings(PictureEmbeddings):
    """A token for the picture, its patches, Q tokens for objects, and positions: (B,C,H,W) -> (B,1+N+Q,D)"""

    position: nn.Parameter

    def __init__(self, c: YolosConfig):
        dim, count = c.hidden_size, c.num_detection_tokens
        super().__init__(c.num_channels, dim, size=c.image_size, patch=c.patch_size, dropout=c.hidden_dropout_prob)
        self.count, rows = count, self.position.shape[1] + count
        self.objects = nn.Parameter(torch.zeros(1, self.count, dim))
        self.position = nn.Parameter(torch.zeros(1, rows, dim))
        mid = torch.zeros(c.num_hidden_layers - 1, 1, rows, dim)
        self.mid = nn.Parameter(mid) if c.use_mid_position_embeddings else None

    def forward(self, pixels: Tensor) -> Tensor:  # type: ignore[override]
        x = self.project(pixels)
        x = torch.cat((self.cls[0].expand(len(x), -1, -1), x, self.objects.expand(len(x), -1, -1)), dim=1)
        return self.dropout(x + self.fitted(self.position, pixels))

    def fitted(self, table: Tensor, pixels: Tensor) -> Tensor:
        """Positions (1,1+N+Q,D), those of patches stretched to the size of the pictures."""
        before, objects = table.split([table.shape[1] - self.count, self.count], dim=1)
        return torch.cat((stretched(before, self.shape, self.patch.grid(pixels), 1), objects), dim=1)


class YolosModel(VisionModel):
    config_class = YolosConfig
    base_model_prefix = "vit"
    draws_vectors = False
    optional = ("pooler.",)
    extra = ("pixel_mask",)  # which its image processor gives, and it does not read
    keys = KeyMap(
        {
            "embeddings.cls_token": "embed.cls.0",
            "embeddings.detection_tokens": "embed.objects",
            "embeddings.position_embeddings": "embed.position",
            "embeddings.patch_embeddings.projection": "embed.patch",
            "encoder.mid_position_embeddings": "embed.mid",
            **ENCODER,
            "pooler.dense": "pooler.dense",
        },
        prefix="vit.",
    )
    heads = {
        "ForObjectDetection": Head(
            ObjectDetector, BOXES, {"deep": True, "tokens": "num_detection_tokens"}, body=NO_POOLER
        )
    }

    def __init__(self, config: YolosConfig, add_pooling_layer: bool = True):
        super().__init__(config)
        c = config
        self.embed = YolosEmbeddings(c)
        self.layers = Layers(block(c) for _ in range(c.num_hidden_layers))
        self.norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        self.pooler = Pooler(c.hidden_size, c.pooler_act, c.hidden_size) if add_pooling_layer else None

    def encode(self, pixels: Tensor, pixel_mask: Any = None) -> Tensor:
        x = self.embed(pixels)
        if self.embed.mid is None:
            return self.norm(self.layers(x))
        note("hidden_states", x)
        for i, one in enumerate(self.layers.blocks):
            x = self.layers.run(one, x)
            note("hidden_states", x)
            if i < len(self.embed.mid):  # positions once more, before each block but the first
                x = x + self.embed.fitted(self.embed.mid[i], pixels)
        return self.norm(x)
