"""The encoder of SAM (Kirillov et al., 2023, arXiv:2304.02643): a ViT that sees windows, and now and then the whole
picture (ViTDet: Li et al., 2022, section 3).

Shapes: B pictures, H heads, h x w patches, D width, C channels of embeddings.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..keymap import Fused, KeyMap, Rule
from ..layers import MLP, Attention, Layers
from ..layers.block import Block
from ..layers.norm import MapNorm
from ..layers.patches import Patches, check_pixels, whole, windows
from ..layers.published import Named
from ..outputs import ModelOutput
from .vision import VisionModel


class SamVisionConfig(Config):
    model_type = "sam_vision_model"

    hidden_size: int = 768
    output_channels: int = 256
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    num_channels: int = 3
    image_size: int = 1024
    patch_size: int = 16
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    attention_dropout: float = 0.0
    initializer_range: float = 1e-10
    qkv_bias: bool = True
    mlp_ratio: int | float = 4.0
    mlp_dim: int | None = None  # hidden_size * mlp_ratio if None
    use_abs_pos: bool = True
    use_rel_pos: bool = True
    window_size: int = 14
    global_attn_indexes: list | tuple = (2, 5, 8, 11)  # of layers that see the whole picture
    num_pos_feats: int = 128


@dataclass
class SamVisionEncoderOutput(ModelOutput):
    """Embeddings of pictures (B,C,h,w); hidden states (B,h,w,D), attention weights (B*windows*H,T,T)."""

    last_hidden_state: "Tensor | None" = None
    hidden_states: "tuple[Tensor, ...] | None" = None
    attentions: "tuple[Tensor, ...] | None" = None


class PlaneAttention(Attention):
    """Attention of places (B,h,w,D) that also see how far off, down and across, a place is (MViTv2, section 4.1)."""

    def __init__(self, *sizes: Any, side: int, near: bool, **options: Any):
        super().__init__(*sizes, out_bias=True, **options)
        rows = 2 * side - 1
        self.down = nn.Parameter(torch.zeros(rows, self.head_dim)) if near else None
        self.across = nn.Parameter(torch.zeros(rows, self.head_dim)) if near else None

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        shape, x = x.shape, x.flatten(1, 2)
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        return self.attend(q, k, v, self.bias(q, shape[1], shape[2])).view(shape)

    def bias(self, q: Tensor, height: int, width: int) -> Tensor | None:
        """What is added to the scores of queries (B,H,h*w,C), (B,H,h*w,h*w)."""
        if self.down is None or self.across is None:
            return None
        q = q.unflatten(2, (height, width))
        down = torch.einsum("bnhwc,hkc->bnhwk", q, self.down[apart(height, q.device)])
        across = torch.einsum("bnhwc,wkc->bnhwk", q, self.across[apart(width, q.device)])
        return (down[..., :, None] + across[..., None, :]).flatten(4).flatten(2, 3)

    def reset_parameters(self) -> None:
        for table in (self.down, self.across):
            if table is not None:
                nn.init.zeros_(table)


def apart(count: int, device: torch.device) -> Tensor:
    """Row of a table of distances for each pair of so many places (count,count)."""
    places = torch.arange(count, device=device)
    return places[:, None] - places + count - 1


class WindowBlock(Block):
    """A pre-norm block over places (B,h,w,D) that sees windows of `side` x `side`; the whole picture if 0."""

    def __init__(self, *parts: Any, side: int, **options: Any):
        super().__init__(*parts, **options)
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        y = self.attn_norm(x)
        x = x + (self.windows(y) if self.side else self.attn(y))
        return x + self.mlp(self.mlp_norm(x))

    def windows(self, x: Tensor) -> Tensor:
        (height, width), side = x.shape[1:3], self.side
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        y = self.attn(windows(x, side).unflatten(1, (side, side))).flatten(1, 2)
        return whole(y, (x.shape[1], x.shape[2]), side)[:, :height, :width]


class VisionEncoder(Named):
    """Pictures (B,3,H,W) -> their embeddings (B,C,h,w)"""

    def __init__(self, c: SamVisionConfig):
        super().__init__()
        side, hidden = c.image_size // c.patch_size, c.mlp_dim or int(c.hidden_size * c.mlp_ratio)
        self.embed = Patches(c.num_channels, c.hidden_size, c.patch_size)
        self.places = nn.Parameter(torch.zeros(1, side, side, c.hidden_size)) if c.use_abs_pos else None
        windows = [0 if i in c.global_attn_indexes else c.window_size for i in range(c.num_hidden_layers)]
        self.layers = Layers(
            WindowBlock(
                PlaneAttention(
                    c.hidden_size, c.num_attention_heads, bias=c.qkv_bias, dropout=c.attention_dropout,
                    side=window or side, near=c.use_rel_pos,
                ),
                MLP(c.hidden_size, hidden, c.hidden_act),
                nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                side=window,
            )
            for window in windows
        )  # fmt: skip
        self.neck = nn.Sequential(
            nn.Conv2d(c.hidden_size, c.output_channels, 1, bias=False),
            MapNorm(c.output_channels, 1e-6),
            nn.Conv2d(c.output_channels, c.output_channels, 3, padding=1, bias=False),
            MapNorm(c.output_channels, 1e-6),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.embed(pixels).unflatten(1, self.embed.grid(pixels))  # (B,h,w,D)
        x = self.layers(x if self.places is None else x + self.places)
        return self.neck(x.permute(0, 3, 1, 2))


VISION: dict[str, Rule] = {
    "pos_embed": "places",
    "patch_embed.projection": "embed",
    "layers.{}.layer_norm1": "layers.{}.attn_norm",
    "layers.{}.layer_norm2": "layers.{}.mlp_norm",
    "layers.{}.attn.qkv": Fused(tuple(f"layers.{{}}.attn.{part}_proj" for part in "qkv")),
    "layers.{}.attn.proj": "layers.{}.attn.o_proj",
    "layers.{}.attn.rel_pos_h": "layers.{}.attn.down",
    "layers.{}.attn.rel_pos_w": "layers.{}.attn.across",
    "layers.{}.mlp.lin1": "layers.{}.mlp.up_proj",
    "layers.{}.mlp.lin2": "layers.{}.mlp.down_proj",
    "neck.conv1": "neck.0",
    "neck.layer_norm1": "neck.1",
    "neck.conv2": "neck.2",
    "neck.layer_norm2": "neck.3",
}


class SamVisionModel(VisionModel):
    config_class = SamVisionConfig
    base_model_prefix = "sam"
    extra = ("original_sizes", "reshaped_input_sizes")  # which its image processor gives, and it does not read
    keys = KeyMap({}).holding("vision_encoder", "vision", KeyMap(VISION))

    def __init__(self, config: SamVisionConfig):
        super().__init__(config)
        self.vision = VisionEncoder(config)

    def encode(self, pixels: Tensor, **_: Any) -> Tensor:
        check_size(pixels, self.config.image_size)
        return self.vision(pixels)

    def output(self, x: Tensor, **notes: Any) -> ModelOutput:
        return SamVisionEncoderOutput(x, **flat(notes))

    def get_input_embeddings(self) -> nn.Module:
        return self.vision.embed


def check_size(pixels: Tensor, side: int) -> None:
    """Raises: ValueError for pictures that are not squares of this side: tables of distances have its size."""
    check_pixels(pixels)
    if tuple(pixels.shape[2:]) != (side, side):
        raise ValueError(
            f"pixel_values must have the shape (B,3,{side},{side}), got {tuple(pixels.shape)}. SamProcessor makes them "
            f"of pictures of any size."
        )


def flat(notes: dict[str, Any]) -> dict[str, tuple[Tensor, ...]]:
    """Notes with the heads of attention weights beside the windows, as they are published (B*windows*H,T,T)."""
    return {kind: tuple(x.flatten(0, 1) if kind == "attentions" else x for x in made) for kind, made in notes.items()}
