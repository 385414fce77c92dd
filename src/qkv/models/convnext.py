"""ConvNeXt (Liu et al., 2022, arXiv:2201.03545): convolutions in the shape of transformer blocks.

Shapes: B batch, h x w a map, D its width.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..heads import ImageClassifier
from ..keymap import KeyMap
from ..layers import MLP, Layers
from ..layers.block import DropPath, scaled
from ..layers.norm import MapNorm
from ..layers.patches import check_pixels, pair
from ..layers.published import Named
from ..outputs import BaseModelOutputWithPooling, ModelOutput
from .backbone import BackboneConfig, StagedModel, backbone_head
from .task import Head


class ConvNextConfig(BackboneConfig):
    model_type = "convnext"

    num_channels: int = 3
    patch_size: int | list | tuple = 4
    hidden_sizes: list | tuple = (96, 192, 384, 768)
    depths: list | tuple = (3, 3, 9, 3)
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12  # of the pooled state; maps are normalised with 1e-6
    layer_scale_init_value: float = 1e-6
    drop_path_rate: float = 0.0
    image_size: int | list | tuple = 224


class ConvBlock(Named):
    """A convolution of each channel by itself, then an MLP at each place: (B,D,h,w) -> (B,D,h,w)"""

    def __init__(self, c: ConvNextConfig, dim: int, drop_path: float):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.mlp_norm, self.mlp = nn.LayerNorm(dim, 1e-6), self.network(c, dim)
        self.begin = c.layer_scale_init_value
        self.mlp_scale = nn.Parameter(torch.full((dim,), self.begin)) if self.begin > 0 else None
        self.drop_path = DropPath(drop_path)

    def network(self, c: ConvNextConfig, dim: int) -> MLP:
        return MLP(dim, 4 * dim, c.hidden_act)

    def forward(self, x: Tensor) -> Tensor:
        y = self.mlp(self.mlp_norm(self.conv(x).permute(0, 2, 3, 1)))  # (B,h,w,D)
        return x + self.drop_path(scaled(y, self.mlp_scale).permute(0, 3, 1, 2))

    def reset_parameters(self) -> None:
        if self.mlp_scale is not None:
            nn.init.constant_(self.mlp_scale, self.begin)


class Stem(Named):
    """Patches as a map, normalised: (B,C,H,W) -> (B,D,h,w)"""

    def __init__(self, c: ConvNextConfig):
        super().__init__()
        self.patch = nn.Conv2d(c.num_channels, c.hidden_sizes[0], pair(c.patch_size), pair(c.patch_size))
        self.norm = MapNorm(c.hidden_sizes[0], 1e-6)

    def forward(self, pixels: Tensor) -> Tensor:
        check_pixels(pixels, self.patch.in_channels, self.patch.stride)
        return self.norm(self.patch(pixels.to(self.patch.weight.dtype)))


class Halve(Named):
    """(B,D,h,w) -> (B,D',h/2,w/2)"""

    def __init__(self, dim: int, wider: int):
        super().__init__()
        self.norm, self.conv = MapNorm(dim, 1e-6), nn.Conv2d(dim, wider, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x))


class ConvStage(Named):
    """A map made smaller, but in the first stage, and blocks on it: (B,D,h,w) -> (B,D',h/2,w/2)"""

    def __init__(self, blocks: Iterable[ConvBlock], down: Halve | None):
        super().__init__()
        self.down, self.layers = down, Layers(blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.down is None else self.down(x)
        for block in self.layers:
            x = self.layers.run(block, x)
        return x


class ConvNextModel(StagedModel):
    config_class = ConvNextConfig
    base_model_prefix = "convnext"
    optional = ("norm.",)
    block: ClassVar[type[ConvBlock]] = ConvBlock
    names = {
        "embeddings.patch_embeddings": "embed.patch",
        "embeddings.layernorm": "embed.norm",
        "encoder.stages.{}.downsampling_layer.0": "stages.{}.down.norm",
        "encoder.stages.{}.downsampling_layer.1": "stages.{}.down.conv",
        "encoder.stages.{}.layers.{}.dwconv": "stages.{}.layers.{}.conv",
        "encoder.stages.{}.layers.{}.layernorm": "stages.{}.layers.{}.mlp_norm",
        "encoder.stages.{}.layers.{}.pwconv1": "stages.{}.layers.{}.mlp.up_proj",
        "encoder.stages.{}.layers.{}.pwconv2": "stages.{}.layers.{}.mlp.down_proj",
        "encoder.stages.{}.layers.{}.layer_scale_parameter": "stages.{}.layers.{}.mlp_scale",
        "layernorm": "norm",
    }
    keys = KeyMap(names, prefix="convnext.")
    heads = {
        "ForImageClassification": Head(ImageClassifier, {"classifier": "out"}, {"token": "pooled"}),
        "Backbone": backbone_head({"hidden_states_norms": "norms"}, norms=True, eps=1e-6, body={"norm": False}),
    }

    def __init__(self, config: ConvNextConfig, norm: bool = True):
        super().__init__(config)
        c, widths = config, config.hidden_sizes
        self.embed = Stem(c)
        rates = torch.linspace(0, c.drop_path_rate, sum(c.depths), device="cpu").split(list(c.depths))
        self.stages = nn.ModuleList(
            ConvStage(
                (self.block(c, dim, rate) for rate in rates[i].tolist()), Halve(widths[i - 1], dim) if i else None
            )
            for i, dim in enumerate(widths)
        )
        self.norm = nn.LayerNorm(widths[-1], c.layer_norm_eps) if norm else None
        self.widths = dict(zip(c.all_stages(), [widths[0], *widths], strict=True))

    def output(self, x: Tensor, **notes: Any) -> ModelOutput:
        pooled = x.mean((2, 3))
        return BaseModelOutputWithPooling(x, pooled if self.norm is None else self.norm(pooled), **notes)
