"""ViT (Dosovitskiy et al., 2020, arXiv:2010.11929): a pre-norm encoder over the patches of a picture."""

from typing import ClassVar

from torch import Tensor, nn

from ..heads import ImageClassifier, MaskedImageModeling, Pooler
from ..keymap import KeyMap
from ..layers import MLP, Attention, Layers, PreNormBlock
from ..layers.patches import PictureEmbeddings
from .task import Head
from .vision import PatchConfig, VisionModel


class ViTConfig(PatchConfig):
    model_type = "vit"

    intermediate_size: int = 3072
    qkv_bias: bool = True
    encoder_stride: int = 16
    pooler_output_size: int | None = None  # hidden_size if None
    pooler_act: str = "tanh"


ENCODER = {
    "encoder.layer.{}.attention.attention.query": "layers.{}.attn.q_proj",
    "encoder.layer.{}.attention.attention.key": "layers.{}.attn.k_proj",
    "encoder.layer.{}.attention.attention.value": "layers.{}.attn.v_proj",
    "encoder.layer.{}.attention.output.dense": "layers.{}.attn.o_proj",
    "encoder.layer.{}.intermediate.dense": "layers.{}.mlp.up_proj",
    "encoder.layer.{}.output.dense": "layers.{}.mlp.down_proj",
    "encoder.layer.{}.layernorm_before": "layers.{}.attn_norm",
    "encoder.layer.{}.layernorm_after": "layers.{}.mlp_norm",
    "layernorm": "norm",
}
PATCHES = {
    "embeddings.cls_token": "embed.cls.0",
    "embeddings.mask_token": "embed.mask",
    "embeddings.position_embeddings": "embed.position",
    "embeddings.patch_embeddings.projection": "embed.patch",
}
NO_POOLER = {"add_pooling_layer": False}


def block(c: ViTConfig) -> PreNormBlock:
    return PreNormBlock(
        Attention(
            c.hidden_size, c.num_attention_heads, bias=c.qkv_bias, out_bias=True, dropout=c.attention_probs_dropout_prob
        ),
        MLP(c.hidden_size, c.intermediate_size, c.hidden_act),
        attn_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
        mlp_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
        dropout=c.hidden_dropout_prob,
    )


class ViTModel(VisionModel):
    config_class = ViTConfig
    base_model_prefix = "vit"
    optional = ("pooler.", "embed.mask")
    extra = ("bool_masked_pos",)
    tokens = 1  # before the patches
    embed_class: ClassVar[type[PictureEmbeddings]] = PictureEmbeddings
    keys = KeyMap({**PATCHES, **ENCODER, "pooler.dense": "pooler.dense"}, prefix="vit.")
    heads = {
        "ForImageClassification": Head(ImageClassifier, {"classifier": "out"}, body=NO_POOLER),
        "ForMaskedImageModeling": Head(
            MaskedImageModeling, {"decoder.0": "out"}, body={**NO_POOLER, "use_mask_token": True}
        ),
    }

    def __init__(self, config: ViTConfig, add_pooling_layer: bool = True, use_mask_token: bool = False):
        super().__init__(config)
        c = config
        self.embed = self.embed_class(
            c.num_channels, c.hidden_size, size=c.image_size, patch=c.patch_size, tokens=self.tokens,
            mask=use_mask_token, dropout=c.hidden_dropout_prob,
        )  # fmt: skip
        self.layers = Layers(block(c) for _ in range(c.num_hidden_layers))
        self.norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        width = getattr(c, "pooler_output_size", None) or c.hidden_size
        self.pooler = Pooler(c.hidden_size, c.pooler_act, width) if add_pooling_layer else None

    def encode(self, pixels: Tensor, bool_masked_pos: Tensor | None) -> Tensor:
        return self.norm(self.layers(self.embed(pixels, bool_masked_pos)))
