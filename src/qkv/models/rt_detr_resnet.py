"""The ResNet of RT-DETR, ResNet-D (He et al., 2018, arXiv:1812.01187): a deep stem, and shortcuts that pool."""

import torch.nn.functional as F
from torch import Tensor, nn

from ..keymap import KeyMap
from ..layers.conv import ConvNorm
from ..layers.published import Named
from .backbone import backbone_head
from .resnet import Residual, ResNetConfig, ResNetModel


class RTDetrResNetConfig(ResNetConfig):
    model_type = "rt_detr_resnet"


class Stem(Named):
    """Three convolutions: (B,3,H,W) -> (B,C,H/2,W/2)"""

    def __init__(self, c: RTDetrResNetConfig):
        super().__init__()
        half = c.embedding_size // 2
        sizes = [(c.num_channels, half, 2), (half, half, 1), (half, c.embedding_size, 1)]
        self.convs = nn.ModuleList(ConvNorm(n, out, 3, stride, c.hidden_act) for n, out, stride in sizes)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = conv(x)
        return x


class PooledResidual(Residual):
    """Convolutions and what they are added to; where the map becomes smaller, that is pooled."""

    def __init__(self, c: RTDetrResNetConfig, channels: int, out: int, stride: int, first: bool):
        super().__init__(c, channels, out, stride)
        basic = c.layer_type == "basic"
        pools = channels != out and first if basic else stride == 2
        self.pooled = ConvNorm(channels, out, 1) if pools else None
        self.shortcut = ConvNorm(channels, out, 1, stride) if basic and first else self.shortcut
        self.shortcut = None if pools else self.shortcut

    def beside(self, x: Tensor) -> Tensor:
        return super().beside(x) if self.pooled is None else self.pooled(F.avg_pool2d(x, 2, 2, ceil_mode=True))


class RTDetrResNetModel(ResNetModel):
    config_class = RTDetrResNetConfig
    keys = KeyMap(
        {
            **ResNetModel.keys.rules,
            "embedder.embedder.{}.convolution": "embed.convs.{}.conv",
            "embedder.embedder.{}.normalization": "embed.convs.{}.norm",
            "encoder.stages.{}.layers.{}.shortcut.1.convolution": "stages.{}.{}.pooled.conv",
            "encoder.stages.{}.layers.{}.shortcut.1.normalization": "stages.{}.{}.pooled.norm",
        },
        prefix="resnet.",
    )
    heads = {"Backbone": backbone_head(prefix="")}

    def convolutions(self, c: RTDetrResNetConfig) -> nn.Module:
        return Stem(c)

    def block(self, c: RTDetrResNetConfig, channels: int, out: int, stride: int, place: int) -> nn.Module:
        return PooledResidual(c, channels, out, stride, first=place == 0)
