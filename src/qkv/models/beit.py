"""BEiT (Bao et al., 2021, arXiv:2106.08254): a ViT that knows how far patches are apart, and learns to fill them in.

Shapes: B batch, N patches in a grid h x w, D width, H heads.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heads import ImageClassifier, PyramidDecoder, VisualTokens
from ..heads.pyramid import Pyramid
from ..keymap import KeyMap, Rule
from ..layers import MLP, Attention, GridBias, Layers, Linear, ScaledBlock
from ..layers.observe import wanted
from ..layers.patches import PictureEmbeddings, as_map, pair
from .backbone import BackboneConfig, FeatureMaps, backbone_head, maps_of
from .task import Head
from .vision import PatchConfig, VisionModel
from .vit import ENCODER, PATCHES


class BeitConfig(BackboneConfig, PatchConfig):
    model_type = "beit"

    vocab_size: int = 8192  # of visual tokens
    intermediate_size: int = 3072
    use_mask_token: bool = False
    use_absolute_position_embeddings: bool = False
    use_relative_position_bias: bool = False  # a table for each layer
    use_shared_relative_position_bias: bool = False  # one for all
    layer_scale_init_value: float = 0.1
    drop_path_rate: float = 0.1
    use_mean_pooling: bool = True
    segmentation_indices: list | None = None  # what old files call out_indices
    pool_scales: list | tuple = (1, 2, 3, 6)
    use_auxiliary_head: bool = True
    auxiliary_loss_weight: float = 0.4
    auxiliary_channels: int = 256
    auxiliary_num_convs: int = 1
    auxiliary_concat_input: bool = False
    semantic_loss_ignore_index: int = 255
    add_fpn: bool = False  # of a backbone: maps of four sizes
    reshape_hidden_states: bool = True  # maps are (B,D,h,w) rather than states (B,1+N,D)

    def chosen(self) -> list[str]:
        if self.out_features is None and self.out_indices is None and self.segmentation_indices is not None:
            self.out_indices = self.segmentation_indices
        return super().chosen()

    def levels(self) -> list[int]:
        """Of which states, the embeddings first, masks are made. Raises: ValueError unless there are four."""
        found = [self.all_stages().index(name) - 1 for name in self.chosen()]
        if len(found) != 4 or found[0] < 0:
            raise ValueError(
                "config.out_indices must name the four layers, from 1, that masks are made of: [3,5,7,11]."
            )
        return found


class PatchBias(GridBias):
    """As Swin's, stretched to other grids, with numbers for the token of the whole picture: to patches, from them, and
    to itself."""

    def __init__(self, c: BeitConfig):
        high, wide = (side // patch for side, patch in zip(pair(c.image_size), pair(c.patch_size), strict=True))
        super().__init__((high, wide), c.num_attention_heads, more=3)

    def forward(self, grid: tuple[int, int]) -> Tensor:
        """(1,H,1+N,1+N)"""
        own, new = ([2 * side - 1 for side in sides] for sides in (self.grid, grid))
        table = self.table[:-3].T.view(1, -1, own[1], own[0])  # as published: a grid's width first
        table = F.interpolate(table, new, mode="bilinear", align_corners=False) if own[::-1] != new else table
        out, back, self_ = self.table[-3:, :, None, None]  # (H,1,1) each
        bias = self.between(table.flatten(2)[0].T, grid, grid)[0]  # (H,N,N)
        count = bias.shape[-1]
        first = torch.cat((self_, out.expand(-1, 1, count)), dim=2)
        return torch.cat((first, torch.cat((back.expand(-1, count, 1), bias), dim=2)), dim=1)[None]


class BiasedBlock(ScaledBlock):
    """A block with a table of its own, and with that of all."""

    def __init__(self, *parts: Any, bias: PatchBias | None, **options: Any):
        super().__init__(*parts, **options)
        self.bias = bias

    def forward(self, x: Tensor, grid: tuple[int, int], shared: Tensor | None) -> Tensor:  # type: ignore[override]
        own = None if self.bias is None else self.bias(grid)
        return super().forward(x, own if shared is None else shared if own is None else own + shared)


def block(c: BeitConfig, drop_path: float) -> BiasedBlock:
    dim = c.hidden_size
    attn = Attention(dim, c.num_attention_heads, dropout=c.attention_probs_dropout_prob)
    attn.k_proj = Linear(dim, dim, bias=False)
    return BiasedBlock(
        attn,
        MLP(dim, c.intermediate_size, c.hidden_act),
        nn.LayerNorm(dim, c.layer_norm_eps),
        nn.LayerNorm(dim, c.layer_norm_eps),
        dropout=c.hidden_dropout_prob, scale=c.layer_scale_init_value, drop_path=drop_path,
        bias=PatchBias(c) if c.use_relative_position_bias else None,
    )  # fmt: skip


class MeanPooler(nn.Module):
    """The mean of the patches, normalised, or the first token: (B,1+N,D) -> (B,D)"""

    def __init__(self, c: BeitConfig):
        super().__init__()
        self.norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps) if c.use_mean_pooling else None

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0] if self.norm is None else self.norm(x[:, 1:].mean(dim=1))


class BeitMaps(FeatureMaps):
    """the maps (B,D,h,w) of chosen stages; with `add_fpn`, of four sizes."""

    def __init__(self, config: BeitConfig):
        super().__init__(config)
        self.pyramid = Pyramid(config.hidden_size) if config.add_fpn else None
        if config.add_fpn and len(config.chosen()) != 4:
            raise ValueError("config.add_fpn makes maps of four sizes; config.out_indices must name four layers.")

    def forward(self, maps: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        found = super().forward(maps)
        return found if self.pyramid is None else self.pyramid(found)


TABLE = "relative_position_bias.relative_position_bias_table"
INDEX = "relative_position_bias.relative_position_index"
PYRAMID: dict[str, Rule] = {
    "fpn1.0": "pyramid.up4.0", "fpn1.1": "pyramid.up4.1", "fpn1.3": "pyramid.up4.3", "fpn2.0": "pyramid.up2",
}  # fmt: skip
DECODER = PYRAMID | {
    f"{theirs}.{kind}": f"{ours}.{own}"
    for theirs, ours in {
        "decode_head.psp_modules.{}.1": "pools.{}",
        "decode_head.bottleneck": "fuse_pools",
        "decode_head.lateral_convs.{}": "sides.{}",
        "decode_head.fpn_convs.{}": "levels.{}",
        "decode_head.fpn_bottleneck": "fuse",
        "auxiliary_head.convs.{}": "auxiliary.convs.{}",
        "auxiliary_head.conv_cat": "auxiliary.fuse",
    }.items()
    for kind, own in (("conv", "conv"), ("bn", "norm"))
}
DECODER |= {"decode_head.classifier": "out", "auxiliary_head.classifier": "auxiliary.out"}


class BeitModel(VisionModel):
    config_class = BeitConfig
    base_model_prefix = "beit"
    draws_vectors = False
    optional = ("pooler.", "embed.mask")
    extra = ("bool_masked_pos",)
    names = {
        **PATCHES,
        **ENCODER,
        f"encoder.layer.{{}}.attention.attention.{TABLE}": "layers.{}.bias.table",
        f"encoder.{TABLE}": "bias.table",
        "encoder.layer.{}.lambda_1": "layers.{}.attn_scale",
        "encoder.layer.{}.lambda_2": "layers.{}.mlp_scale",
        "pooler.layernorm": "pooler.norm",
    }
    ignored = (f"encoder.layer.{{}}.attention.attention.{INDEX}", f"encoder.{INDEX}")
    keys = KeyMap(names, prefix="beit.", ignored=ignored)
    heads = {
        "ForImageClassification": Head(ImageClassifier, {"classifier": "out"}, {"token": "pooled"}),
        "ForMaskedImageModeling": Head(
            VisualTokens, {"layernorm": "norm", "lm_head": "out"}, body={"add_pooling_layer": False}
        ),
        "ForSemanticSegmentation": Head(PyramidDecoder, DECODER, body={"add_pooling_layer": False, "gives_maps": True}),
        "Backbone": backbone_head(PYRAMID, cls=BeitMaps, body={"add_pooling_layer": False, "norm": False}),
    }

    def __init__(self, config: BeitConfig, add_pooling_layer: bool = True, norm: bool = True, gives_maps: bool = False):
        super().__init__(config)
        c = config
        self.embed = PictureEmbeddings(
            c.num_channels, c.hidden_size, size=c.image_size, patch=c.patch_size, mask=c.use_mask_token,
            positions=c.use_absolute_position_embeddings, dropout=c.hidden_dropout_prob,
        )  # fmt: skip
        self.bias = PatchBias(c) if c.use_shared_relative_position_bias else None
        last = max(c.num_hidden_layers - 1, 1)
        self.layers = Layers(block(c, c.drop_path_rate * i / last) for i in range(c.num_hidden_layers))
        plain = c.use_mean_pooling or not norm  # where patches are averaged, the norm is after that
        self.norm = nn.Identity() if plain else nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        self.pooler = MeanPooler(c) if add_pooling_layer else None
        self.levels = c.levels() if gives_maps else []
        self.widths = dict.fromkeys(c.all_stages(), c.hidden_size)

    def states(self, pixels: Tensor, hidden: Tensor | None = None) -> Iterator[Tensor]:
        grid = self.embed.patch.grid(pixels)
        shared = None if self.bias is None else self.bias(grid)
        return self.layers.states(self.embed(pixels, hidden), grid, shared)

    def encode(self, pixels: Tensor, bool_masked_pos: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """The last states, and the maps (B,D,h,w) that masks are made of."""
        x, maps = pixels, []
        for i, x in enumerate(self.states(pixels, bool_masked_pos)):
            if i in self.levels:
                maps.append(as_map(x[:, 1:], self.embed.patch.grid(pixels)))
            if len(maps) == 4 and not (wanted("hidden_states") or wanted("attentions")):
                break  # no map is made of the last layer
        return self.norm(x), maps

    def maps(self, pixels: Tensor) -> dict[str, Tensor]:
        """States of the chosen stages, of patches (B,D,h,w), or of all tokens (B,1+N,D) if they are not reshaped."""
        return maps_of(self.config, self.states(pixels), 1, self.embed.patch.grid(pixels))
