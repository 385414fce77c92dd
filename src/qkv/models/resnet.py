"""ResNet (He et al., 2015, arXiv:1512.03385): convolutions with a sum around each few of them."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..heads import ImageClassifier
from ..keymap import KeyMap
from ..layers import activation
from ..layers.conv import ConvNorm
from ..layers.patches import check_pixels
from ..layers.published import Named
from ..outputs import BaseModelOutputWithPooling, ModelOutput
from .backbone import BackboneConfig, StagedModel, backbone_head
from .task import Head


class ResNetConfig(BackboneConfig):
    model_type = "resnet"

    num_channels: int = 3
    embedding_size: int = 64
    hidden_sizes: list | tuple = (256, 512, 1024, 2048)
    depths: list | tuple = (3, 4, 6, 3)
    layer_type: str = "bottleneck"  # or "basic"
    hidden_act: str = "relu"
    downsample_in_first_stage: bool = False
    downsample_in_bottleneck: bool = False


class Residual(Named):
    """A few convolutions and what they are added to: (B,C,H,W) -> (B,C',H/stride,W/stride)"""

    def __init__(self, c: ResNetConfig, channels: int, out: int, stride: int):
        super().__init__()
        act, narrow = c.hidden_act, out // 4
        first, second = (stride, 1) if c.downsample_in_bottleneck else (1, stride)
        self.convs = nn.ModuleList(
            [
                ConvNorm(channels, narrow, 1, first, "relu"),
                ConvNorm(narrow, narrow, 3, second, "relu"),
                ConvNorm(narrow, out, 1),
            ]
            if c.layer_type == "bottleneck"
            else [ConvNorm(channels, out, 3, stride, "relu"), ConvNorm(out, out)]
        )
        self.shortcut = ConvNorm(channels, out, 1, stride) if channels != out or stride != 1 else None
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in self.convs:
            y = conv(y)
        return self.act(y + self.beside(x))

    def beside(self, x: Tensor) -> Tensor:
        """What the convolutions of x are added to."""
        return x if self.shortcut is None else self.shortcut(x)


class ResNetModel(StagedModel):
    config_class = ResNetConfig
    base_model_prefix = "resnet"
    keys = KeyMap(
        {
            "embedder.embedder.convolution": "embed.conv",
            "embedder.embedder.normalization": "embed.norm",
            "encoder.stages.{}.layers.{}.layer.{}.convolution": "stages.{}.{}.convs.{}.conv",
            "encoder.stages.{}.layers.{}.layer.{}.normalization": "stages.{}.{}.convs.{}.norm",
            "encoder.stages.{}.layers.{}.shortcut.convolution": "stages.{}.{}.shortcut.conv",
            "encoder.stages.{}.layers.{}.shortcut.normalization": "stages.{}.{}.shortcut.norm",
        },
        prefix="resnet.",
    )
    heads = {
        "ForImageClassification": Head(ImageClassifier, {"classifier.1": "out"}, {"token": "pooled"}),
        "Backbone": backbone_head(),
    }

    def __init__(self, config: ResNetConfig):
        super().__init__(config)
        c = config
        if c.layer_type not in ("basic", "bottleneck"):
            raise ValueError(f"config.layer_type must be 'basic' or 'bottleneck', got {c.layer_type!r}.")
        self.embed = self.convolutions(c)
        widths = [c.embedding_size, *c.hidden_sizes]
        strides = [2 if i or c.downsample_in_first_stage else 1 for i in range(len(c.depths))]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(self.block(c, out if j else widths[i], out, 1 if j else strides[i], j) for j in range(depth))
            )
            for i, (out, depth) in enumerate(zip(c.hidden_sizes, c.depths, strict=True))
        )
        self.widths = dict(zip(c.all_stages(), widths, strict=True))

    def convolutions(self, c: Any) -> nn.Module:
        """What a picture is read by first."""
        return ConvNorm(c.num_channels, c.embedding_size, 7, 2, c.hidden_act)

    def block(self, c: Any, channels: int, out: int, stride: int, place: int) -> nn.Module:
        """The one at a place of a stage."""
        return Residual(c, channels, out, stride)

    def stem(self, pixels: Tensor) -> Tensor:
        check_pixels(pixels, self.config.num_channels)
        return F.max_pool2d(self.embed(pixels.to(self.dtype)), 3, stride=2, padding=1)

    def output(self, x: Tensor, **notes: Any) -> ModelOutput:
        return BaseModelOutputWithPooling(x, F.adaptive_avg_pool2d(x, 1), **notes)

    def get_input_embeddings(self) -> nn.Module:
        return self.embed

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif hasattr(module, "reset_parameters"):
            module.reset_parameters()  # type: ignore[operator]
