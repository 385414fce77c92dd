"""Swin (Liu et al., 2021, arXiv:2103.14030): attention within windows of a map, which is halved from stage to stage.

Shapes: B batch, h x w a map of patches, D its width, H heads, G the side of a window.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heads import ImageClassifier, MaskedImageModeling
from ..keymap import KeyMap
from ..layers import MLP, Attention, GridBias, Layers
from ..layers.block import Block, DropPath
from ..layers.observe import note, observing
from ..layers.patches import PictureEmbeddings, whole, windows
from ..layers.published import Named
from ..outputs import BaseModelOutputWithPooling, ModelOutput
from .backbone import BackboneConfig, backbone_head
from .task import Head
from .vision import VisionModel


class SwinConfig(BackboneConfig):
    model_type = "swin"

    image_size: int | list | tuple = 224
    patch_size: int | list | tuple = 4
    num_channels: int = 3
    embed_dim: int = 96
    depths: list | tuple = (2, 2, 6, 2)
    num_heads: list | tuple = (3, 6, 12, 24)
    window_size: int = 7
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    drop_path_rate: float = 0.1
    hidden_act: str = "gelu"
    use_absolute_embeddings: bool = False
    layer_norm_eps: float = 1e-5
    encoder_stride: int = 32

    @property
    def hidden_size(self) -> int:
        """The width of what leaves the last stage."""
        return self.embed_dim * 2 ** (len(self.depths) - 1)

    @hidden_size.setter
    def hidden_size(self, _: int) -> None:
        """Files say it too; it follows from the others."""


BLOCK = {
    "attention.self.query": "attn.q_proj",
    "attention.self.key": "attn.k_proj",
    "attention.self.value": "attn.v_proj",
    "attention.self.relative_position_bias_table": "bias.table",
    "attention.output.dense": "attn.o_proj",
    "layernorm_before": "attn_norm",
    "layernorm_after": "mlp_norm",
    "intermediate.dense": "mlp.up_proj",
    "output.dense": "mlp.down_proj",
}


class Windows(PictureEmbeddings):
    """Patches as a map, normalised: (B,C,H,W) -> (B,h,w,D). A picture is padded to whole patches."""

    def __init__(self, c: SwinConfig, mask: bool):
        super().__init__(
            c.num_channels, c.embed_dim, size=c.image_size, patch=c.patch_size, tokens=0, mask=mask,
            positions=c.use_absolute_embeddings, dropout=c.hidden_dropout_prob,
        )  # fmt: skip
        self.norm = nn.LayerNorm(c.embed_dim)

    def forward(self, pixels: Tensor, hidden: Tensor | None = None) -> Tensor:
        high, wide = self.patch.stride
        pixels = F.pad(pixels, (0, -pixels.shape[3] % wide, 0, -pixels.shape[2] % high))
        return super().forward(pixels, hidden).unflatten(1, self.patch.grid(pixels))

    def project(self, pixels: Tensor) -> Tensor:
        return self.norm(self.patch(pixels))


class WindowBlock(Block):
    """Attention within windows of a map, and an MLP: (B,h,w,D) -> (B,h,w,D)"""

    def __init__(self, c: SwinConfig, dim: int, heads: int, shift: int, drop_path: float):
        attn = Attention(dim, heads, bias=c.qkv_bias, out_bias=True, dropout=c.attention_probs_dropout_prob)
        mlp = MLP(dim, int(c.mlp_ratio * dim), c.hidden_act)
        norms = nn.LayerNorm(dim, c.layer_norm_eps), nn.LayerNorm(dim, c.layer_norm_eps)
        super().__init__(attn, mlp, *norms, c.hidden_dropout_prob)
        self.bias = GridBias((c.window_size, c.window_size), heads)
        self.window, self.shift, self.drop_path = c.window_size, shift, DropPath(drop_path)

    def forward(self, x: Tensor, fixed: bool) -> Tensor:
        """`fixed`: windows keep their size where the map is smaller, and are padded."""
        size = x.shape[1:3]
        side, shift = (self.window, self.shift) if fixed or min(size) > self.window else (min(size), 0)
        y = F.pad(self.attn_norm(x), (0, 0, 0, -size[1] % side, 0, -size[0] % side))
        grid, bias = (y.shape[1], y.shape[2]), self.bias((side, side))  # (1,H,G*G,G*G)
        if shift:
            y = y.roll((-shift, -shift), (1, 2))
            bias = (bias + apart(grid, side, shift, y)[:, None]).repeat(len(y), 1, 1, 1)  # (B*n,H,G*G,G*G)
        y = whole(self.attn(windows(y, side), bias), grid, side)
        y = y.roll((shift, shift), (1, 2)) if shift else y
        x = x + self.drop_path(self.dropout(y[:, : size[0], : size[1]]))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


def apart(grid: tuple[int, int], side: int, shift: int, like: Tensor) -> Tensor:
    """What keeps apart the patches of a window that were not neighbours before the shift: 0 or -100, (n,G*G,G*G)"""
    rows, columns = (torch.arange(count, device=like.device) for count in grid)
    down, across = (
        (i >= count - side).int() + (i >= count - shift) for i, count in zip((rows, columns), grid, strict=True)
    )
    region = windows((down[:, None] * 3 + across)[None, :, :, None], side)[..., 0]  # (n,G*G)
    return (region[:, None] != region[:, :, None]).to(like.dtype) * -100.0


class Merge(Named):
    """Each four neighbours become one of twice the width: (B,h,w,D) -> (B,h/2,w/2,2D)"""

    def __init__(self, dim: int):
        super().__init__()
        self.norm, self.proj = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        four = [x[:, i::2, j::2] for j in range(2) for i in range(2)]
        return self.proj(self.norm(torch.cat(four, dim=-1)))


class Stage(Named):
    """Blocks on a map, then a smaller one: (B,h,w,D) -> what leaves the blocks, and what the next stage gets."""

    def __init__(self, c: SwinConfig, index: int, rates: list[float]):
        super().__init__()
        dim, shift = c.embed_dim * 2**index, c.window_size // 2
        self.layers = Layers(
            WindowBlock(c, dim, c.num_heads[index], shift if i % 2 else 0, rate) for i, rate in enumerate(rates)
        )
        self.down = Merge(dim) if index + 1 < len(c.depths) else None

    def forward(self, x: Tensor, fixed: bool) -> tuple[Tensor, Tensor]:
        *first, last = self.layers
        with observing():  # attention is noted once a stage
            for block in first:
                x = self.layers.run(block, x, fixed)
        x = self.layers.run(last, x, fixed)
        return x, x if self.down is None else self.down(x)


class SwinModel(VisionModel):
    config_class = SwinConfig
    base_model_prefix = "swin"
    draws_vectors = False
    optional = ("embed.mask",)
    extra = ("bool_masked_pos",)
    keys = KeyMap(
        {
            "embeddings.mask_token": "embed.mask",
            "embeddings.position_embeddings": "embed.position",
            "embeddings.patch_embeddings.projection": "embed.patch",
            "embeddings.norm": "embed.norm",
            **{f"encoder.layers.{{}}.blocks.{{}}.{k}": f"stages.{{}}.layers.{{}}.{v}" for k, v in BLOCK.items()},
            "encoder.layers.{}.downsample.norm": "stages.{}.down.norm",
            "encoder.layers.{}.downsample.reduction": "stages.{}.down.proj",
            "layernorm": "norm",
        },
        prefix="swin.",
        ignored=("encoder.layers.{}.blocks.{}.attention.self.relative_position_index",),
    )
    heads = {
        "ForImageClassification": Head(ImageClassifier, {"classifier": "out"}, {"token": "pooled"}),
        "ForMaskedImageModeling": Head(
            MaskedImageModeling, {"decoder.0": "out"}, {"skipped": 0},
            {"add_pooling_layer": False, "use_mask_token": True},
        ),
        "Backbone": backbone_head({"hidden_states_norms": "norms"}, norms=True, body={"norm": False}),
    }  # fmt: skip

    def __init__(
        self, config: SwinConfig, add_pooling_layer: bool = True, use_mask_token: bool = False, norm: bool = True
    ):
        super().__init__(config)
        c, self.pools = config, add_pooling_layer
        self.embed = Windows(c, use_mask_token)
        rates = [c.drop_path_rate * i / max(sum(c.depths) - 1, 1) for i in range(sum(c.depths))]
        ends = [sum(c.depths[: i + 1]) for i in range(len(c.depths))]
        self.stages = nn.ModuleList(
            Stage(c, i, rates[end - depth : end]) for i, (depth, end) in enumerate(zip(c.depths, ends, strict=True))
        )
        self.norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps) if norm else nn.Identity()
        self.widths = {"stem": c.embed_dim} | {name: c.embed_dim * 2**i for i, name in enumerate(c.all_stages()[1:])}

    def encode(self, pixels: Tensor, bool_masked_pos: Tensor | None) -> Tensor:
        x = self.embed(pixels, bool_masked_pos)
        note("hidden_states", x)
        for stage in self.stages:
            x = stage(x, fixed=False)[1]
            note("hidden_states", x)
        return self.norm(x.flatten(1, 2))

    def output(self, x: Tensor, hidden_states: tuple[Tensor, ...] | None = None, **notes: Any) -> ModelOutput:
        """Hidden states (B,h*w,D), and as maps (B,D,h,w); pooled is the mean of the last."""
        if hidden_states is not None:
            notes["reshaped_hidden_states"] = tuple(state.permute(0, 3, 1, 2) for state in hidden_states)
            notes["hidden_states"] = tuple(state.flatten(1, 2) for state in hidden_states)
        return BaseModelOutputWithPooling(x, x.mean(dim=1) if self.pools else None, **notes)

    def maps(self, pixels: Tensor) -> dict[str, Tensor]:
        """What leaves the blocks of each stage, (B,D,h,w)."""
        x = self.embed(pixels)
        found = [x]
        for stage in self.stages:
            before, x = stage(x, fixed=True)
            found.append(before)
        maps = [x.permute(0, 3, 1, 2) for x in found]
        for each in maps:
            note("hidden_states", each)
        return dict(zip(self.widths, maps, strict=True))
