"""SegFormer (Xie et al., 2021, arXiv:2105.15203): four stages of attention, each on a coarser map; no positions."""

from itertools import accumulate
from operator import mul
from typing import Any

from torch import Tensor, nn

from ..config import Config
from ..heads import ImageClassifier
from ..heads.segmentation import StageDecoder
from ..keymap import KeyMap
from ..layers import MLP, Attention, Layers
from ..layers.block import Block, DropPath
from ..layers.observe import note
from ..layers.patches import as_map, check_pixels
from ..layers.published import Named
from .task import Head
from .vision import VisionModel

Grid = tuple[int, int]


class SegformerConfig(Config):
    model_type = "segformer"

    num_channels: int = 3
    num_encoder_blocks: int = 4
    depths: list | tuple = (2, 2, 2, 2)
    sr_ratios: list | tuple = (8, 4, 2, 1)  # how many times narrower the map of keys is, by stage
    hidden_sizes: list | tuple = (32, 64, 160, 256)
    patch_sizes: list | tuple = (7, 3, 3, 3)
    strides: list | tuple = (4, 2, 2, 2)
    num_attention_heads: list | tuple = (1, 2, 5, 8)
    mlp_ratios: list | tuple = (4, 4, 4, 4)
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    classifier_dropout_prob: float = 0.1
    drop_path_rate: float = 0.1  # of the last block; less in those before
    layer_norm_eps: float = 1e-6  # read by nothing: the norms have 1e-5
    decoder_hidden_size: int = 256
    semantic_loss_ignore_index: int = 255
    reshape_last_stage: bool = True


class ConvTokens(Named):
    """A convolution whose pixels are read as tokens, and a norm: (B,C,H,W) -> (B,N,D)"""

    def __init__(self, channels: int, dim: int, size: int, stride: int, padding: int = 0):
        super().__init__()
        self.patch = nn.Conv2d(channels, dim, size, stride, padding)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Grid]:
        x = self.patch(x)
        return self.norm(x.flatten(2).mT), (x.shape[2], x.shape[3])


class ReducedAttention(Attention):
    """Attention of patches (B,N,D) to a coarser map of the same (section 3.1)."""

    def __init__(self, dim: int, heads: int, ratio: int, dropout: float):
        super().__init__(dim, heads, dropout=dropout)
        self.reduce = ConvTokens(dim, dim, ratio, ratio) if ratio > 1 else None

    def forward(self, x: Tensor, grid: Grid) -> Tensor:  # type: ignore[override]
        y = x if self.reduce is None else self.reduce(as_map(x, grid))[0]
        return self.attend(self.split(self.q_proj(x)), self.split(self.k_proj(y)), self.split(self.v_proj(y)), None)


class MixMLP(MLP):
    """An MLP that looks at a patch's neighbours, and so knows where it is (section 3.1)."""

    def __init__(self, dim: int, hidden: int, act: str, dropout: float):
        super().__init__(dim, hidden, act, dropout=dropout)
        self.conv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:  # type: ignore[override]
        x = self.conv(as_map(self.up_proj(x), grid)).flatten(2).mT
        return self.down_proj(nn.functional.dropout(self.act(x), self.dropout, self.training))


class MixBlock(Block):
    """x (B,N,D), patches of a grid -> (B,N,D)"""

    def __init__(self, *parts: Any, dropout: float, drop_path: float):
        super().__init__(*parts, dropout=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        x = x + self.drop_path(self.dropout(self.attn(self.attn_norm(x), grid)))
        return x + self.drop_path(self.dropout(self.mlp(self.mlp_norm(x), grid)))


class Stage(Named):
    """(B,C,H,W) -> (B,D,H/stride,W/stride)"""

    def __init__(self, c: SegformerConfig, number: int):
        super().__init__()
        dim, size = c.hidden_sizes[number], c.patch_sizes[number]
        channels = c.hidden_sizes[number - 1] if number else c.num_channels
        self.embed = ConvTokens(channels, dim, size, c.strides[number], size // 2)
        first, last = sum(c.depths[:number]), max(sum(c.depths) - 1, 1)
        self.layers = Layers(
            MixBlock(
                ReducedAttention(
                    dim, c.num_attention_heads[number], c.sr_ratios[number], c.attention_probs_dropout_prob
                ),
                MixMLP(dim, int(dim * c.mlp_ratios[number]), c.hidden_act, c.hidden_dropout_prob),
                nn.LayerNorm(dim),
                nn.LayerNorm(dim),
                dropout=c.hidden_dropout_prob,
                drop_path=c.drop_path_rate * (first + i) / last,
            )
            for i in range(c.depths[number])
        )
        self.norm = nn.LayerNorm(dim)
        self.flat = number == c.num_encoder_blocks - 1 and not c.reshape_last_stage

    def forward(self, x: Tensor) -> Tensor:
        x, grid = self.embed(x)
        for block in self.layers:
            x = self.layers.run(block, x, grid)
        x = self.norm(x)
        return x if self.flat else as_map(x, grid).contiguous()


class SegformerModel(VisionModel):
    config_class = SegformerConfig
    base_model_prefix = "segformer"
    keys = KeyMap(
        {
            "encoder.patch_embeddings.{}.proj": "stages.{}.embed.patch",
            "encoder.patch_embeddings.{}.layer_norm": "stages.{}.embed.norm",
            "encoder.block.{}.{}.layer_norm_1": "stages.{}.layers.{}.attn_norm",
            "encoder.block.{}.{}.attention.self.query": "stages.{}.layers.{}.attn.q_proj",
            "encoder.block.{}.{}.attention.self.key": "stages.{}.layers.{}.attn.k_proj",
            "encoder.block.{}.{}.attention.self.value": "stages.{}.layers.{}.attn.v_proj",
            "encoder.block.{}.{}.attention.self.sr": "stages.{}.layers.{}.attn.reduce.patch",
            "encoder.block.{}.{}.attention.self.layer_norm": "stages.{}.layers.{}.attn.reduce.norm",
            "encoder.block.{}.{}.attention.output.dense": "stages.{}.layers.{}.attn.o_proj",
            "encoder.block.{}.{}.layer_norm_2": "stages.{}.layers.{}.mlp_norm",
            "encoder.block.{}.{}.mlp.dense1": "stages.{}.layers.{}.mlp.up_proj",
            "encoder.block.{}.{}.mlp.dwconv.dwconv": "stages.{}.layers.{}.mlp.conv",
            "encoder.block.{}.{}.mlp.dense2": "stages.{}.layers.{}.mlp.down_proj",
            "encoder.layer_norm.{}": "stages.{}.norm",
        },
        prefix="segformer.",
    )
    heads = {
        "ForImageClassification": Head(ImageClassifier, {"classifier": "out"}, {"token": "mean", "skipped": 0}),
        "ForSemanticSegmentation": Head(
            StageDecoder,
            {
                "decode_head.linear_c.{}.proj": "proj.{}",
                "decode_head.linear_fuse": "fuse",
                "decode_head.batch_norm": "norm",
                "decode_head.classifier": "out",
            },
        ),
    }

    def __init__(self, config: SegformerConfig):
        super().__init__(config)
        self.stages = nn.ModuleList(Stage(config, i) for i in range(config.num_encoder_blocks))
        scales = accumulate(config.strides, mul)
        self.smallest = max((r - 1) * scale + 1 for r, scale in zip(config.sr_ratios, scales, strict=True))

    def encode(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The map of the last stage, and of each, (B,D,H,W)."""
        check_pixels(pixels, self.config.num_channels, (self.smallest, self.smallest))
        x, maps = pixels.to(self.dtype), []
        for stage in self.stages:
            x = stage(x)
            note("hidden_states", x)
            maps.append(x)
        return x, maps

    def get_input_embeddings(self) -> nn.Module:
        return self.get_submodule("stages.0.embed.patch")
