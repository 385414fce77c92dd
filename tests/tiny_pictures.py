"""Pictures that tests look at: smooth, of several sizes, the same on every machine."""

from pathlib import Path

import torch

from plain_pictures import pictures as pictures
from qkv import (
    BitImageProcessor,
    DetrConfig,
    DetrForObjectDetection,
    DetrImageProcessor,
    Dinov2Config,
    Dinov2Model,
    ResNetConfig,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

LABELS = ["tabby cat", "Egyptian cat", "remote control"]
NAMED = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}


def saved(folder: Path, model_class, config, processor) -> Path:
    """A model of fixed weights and its image processor, in `folder`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model_class(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def make_vit(folder: Path) -> Path:
    """A ViT of 16 x 16 pixels that tells three classes."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = ViTConfig(**sizes, image_size=16, patch_size=4, **NAMED)
    return saved(folder, ViTForImageClassification, config, ViTImageProcessor(size=16))


def make_dinov2(folder: Path) -> Path:
    """A DINOv2 of 28 x 28 pixels."""
    config = Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=28)
    return saved(folder, Dinov2Model, config, BitImageProcessor(size={"shortest_edge": 28}, crop_size=28))


def make_segformer(folder: Path) -> Path:
    """A SegFormer of three classes, 64 x 64 pixels."""
    sizes = {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "num_attention_heads": [1, 1, 2, 2]}
    config = SegformerConfig(**sizes, decoder_hidden_size=16, **NAMED)
    return saved(folder, SegformerForSemanticSegmentation, config, SegformerImageProcessor(size=64))


def make_detr(folder: Path) -> Path:
    """A DETR of three classes."""
    back = ResNetConfig(embedding_size=4, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], out_features=["stage4"])
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    config = DetrConfig(**sizes, num_queries=4, backbone_config=back, **NAMED)
    return saved(folder, DetrForObjectDetection, config, DetrImageProcessor(size=64, max_size=96))
