"""DINOv2 (Oquab et al., 2023, arXiv:2304.07193): a ViT whose sublayers are scaled, pretrained without labels."""

from typing import Any

from torch import Tensor, nn

from ..heads import ImageClassifier
from ..keymap import Fused, KeyMap, Rule
from ..layers import MLP, Attention, GatedMLP, Layers, ScaledBlock
from ..layers.patches import PictureEmbeddings
from ..outputs import BaseModelOutputWithPooling, ModelOutput
from .backbone import BackboneConfig, backbone_head, maps_of
from .task import Head
from .vision import PatchConfig, VisionModel
from .vit import ENCODER, PATCHES


class Dinov2Config(BackboneConfig, PatchConfig):
    model_type = "dinov2"

    mlp_ratio: int | float = 4
    layer_norm_eps: float = 1e-6
    patch_size: int | list | tuple = 14
    qkv_bias: bool = True
    layerscale_value: float = 1.0
    drop_path_rate: float = 0.0
    use_swiglu_ffn: bool = False
    use_mask_token: bool = True
    apply_layernorm: bool = True  # of a backbone's maps
    reshape_hidden_states: bool = True  # maps are (B,D,h,w) rather than states (B,1+N,D)


BLOCK = {theirs: ours for theirs, ours in ENCODER.items() if ".attention." in theirs} | {
    "encoder.layer.{}.norm1": "layers.{}.attn_norm",
    "encoder.layer.{}.norm2": "layers.{}.mlp_norm",
    "encoder.layer.{}.layer_scale1.lambda1": "layers.{}.attn_scale",
    "encoder.layer.{}.layer_scale2.lambda1": "layers.{}.mlp_scale",
    "layernorm": "norm",
}
PLAIN: dict[str, Rule] = {
    "encoder.layer.{}.mlp.fc1": "layers.{}.mlp.up_proj",
    "encoder.layer.{}.mlp.fc2": "layers.{}.mlp.down_proj",
}
SWIGLU: dict[str, Rule] = {
    "encoder.layer.{}.mlp.weights_in": Fused(("layers.{}.mlp.gate_proj", "layers.{}.mlp.up_proj")),
    "encoder.layer.{}.mlp.weights_out": "layers.{}.mlp.down_proj",
}


def mlp(c: Dinov2Config) -> MLP:
    hidden = int(c.hidden_size * c.mlp_ratio)
    if c.use_swiglu_ffn:  # as many weights, to the next multiple of 8
        return GatedMLP(c.hidden_size, (int(hidden * 2 / 3) + 7) // 8 * 8, "silu", bias=True)
    return MLP(c.hidden_size, hidden, c.hidden_act)


class Dinov2Model(VisionModel):
    config_class = Dinov2Config
    base_model_prefix = "dinov2"
    optional = ("embed.mask",)
    extra = ("bool_masked_pos",)
    tokens = 1  # before the patches
    names = {**PATCHES, **BLOCK}
    keys = KeyMap({**names, **PLAIN}, prefix="dinov2.")
    heads = {
        "ForImageClassification": Head(ImageClassifier, {"classifier": "out"}, {"token": "first+mean"}),
        "Backbone": backbone_head(),
    }

    def __init__(self, config: Dinov2Config):
        super().__init__(config)
        c = config
        if c.use_swiglu_ffn:
            self.keys = KeyMap({**self.names, **SWIGLU}, prefix=self.keys.prefix)
        self.embed = self.embedded(c)
        self.layers = Layers(
            ScaledBlock(
                Attention(
                    c.hidden_size, c.num_attention_heads, bias=c.qkv_bias, out_bias=True,
                    dropout=c.attention_probs_dropout_prob,
                ),
                mlp(c),
                nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                scale=c.layerscale_value, drop_path=c.drop_path_rate,
            )
            for _ in range(c.num_hidden_layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        self.widths = dict.fromkeys(c.all_stages(), c.hidden_size)

    def embedded(
        self, c: Dinov2Config, kind: type[PictureEmbeddings] = PictureEmbeddings, **options: Any
    ) -> PictureEmbeddings:
        embed = kind(
            c.num_channels, c.hidden_size, size=c.image_size, patch=c.patch_size, mask=c.use_mask_token,
            dropout=c.hidden_dropout_prob, **options,
        )  # fmt: skip
        if embed.mask is not None:
            embed.mask = nn.Parameter(embed.mask[0].detach())  # (1,D), as it is published
        return embed

    def encode(self, pixels: Tensor, bool_masked_pos: Tensor | None) -> Tensor:
        return self.norm(self.layers(self.embed(pixels, bool_masked_pos)))

    def maps(self, pixels: Tensor) -> dict[str, Tensor]:
        """States of the chosen stages, of patches (B,D,h,w), or of all tokens (B,K+N,D) if they are not reshaped."""
        states, norm = self.layers.states(self.embed(pixels)), self.norm if self.config.apply_layernorm else None
        return maps_of(self.config, states, self.tokens, self.embed.patch.grid(pixels), norm)

    def output(self, x: Tensor, **notes: Any) -> ModelOutput:
        return BaseModelOutputWithPooling(x, x[:, 0], **notes)
