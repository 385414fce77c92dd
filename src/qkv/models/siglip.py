"""SigLIP (Zhai et al., 2023, arXiv:2303.15343): as CLIP, but each pair of a text and a picture is judged by itself."""

from typing import Any

import torch
from torch import Tensor, nn

from ..backends.cpu.stack import steady
from ..heads import ImageClassifier
from ..heads.towers import pairwise
from ..keymap import Fused
from ..layers import MLP, Attention, CrossAttention
from ..layers.published import Named
from .matching import MatchingConfig, MatchingModel, together
from .task import Head
from .towers import PICTURES, TEXT, PatchTokens, PictureTower, TextTower, TowerConfig, alone

TRUNCATED = 0.87962566103423978  # the spread of a standard normal that is cut at 2


class SiglipTowerConfig(TowerConfig):
    hidden_act: str = "gelu_pytorch_tanh"
    layer_norm_eps: float = 1e-6


class SiglipTextConfig(SiglipTowerConfig):
    model_type = "siglip_text_model"
    part = "text_config"

    vocab_size: int = 32000
    max_position_embeddings: int = 64
    projection_size: int | None = None  # hidden_size if None
    pad_token_id: int | None = 1
    bos_token_id: int | list | None = 49406
    eos_token_id: int | list | None = 49407


class SiglipVisionConfig(SiglipTowerConfig):
    model_type = "siglip_vision_model"
    part = "vision_config"

    image_size: int | list = 224
    patch_size: int | list = 16
    num_channels: int = 3
    vision_use_head: bool = True


class SiglipConfig(MatchingConfig):
    model_type = "siglip"
    classes = (SiglipTextConfig, SiglipVisionConfig)


TEXT = TEXT | {"head": "pooler"}
PICTURES = PICTURES | {
    "head.probe": "pooler.probe",
    **{
        f"head.attention.in_proj_{name}": Fused(tuple(f"pooler.attn.{x}_proj.{name}" for x in "qkv"))
        for name in ("weight", "bias")
    },
    "head.attention.out_proj": "pooler.attn.o_proj",
    "head.layernorm": "pooler.norm",
    "head.mlp.fc1": "pooler.mlp.up_proj",
    "head.mlp.fc2": "pooler.mlp.down_proj",
}


class AttentionPool(Named):
    """A learned vector asks all states of a picture (Lee et al., 2019, section 3.2): (B,T,D) -> (B,D)"""

    def __init__(self, c: SiglipVisionConfig):
        super().__init__()
        self.probe = nn.Parameter(torch.zeros(1, 1, c.hidden_size))
        self.attn = CrossAttention(c.hidden_size, c.num_attention_heads)
        self.norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        self.mlp = MLP(c.hidden_size, c.intermediate_size, c.hidden_act)

    def forward(self, states: Tensor) -> Tensor:
        x = self.attn(self.probe.expand(len(states), -1, -1), None, states)
        return (x + self.mlp(self.norm(x)))[:, 0]


class Drawn:
    """Mixed into towers: fresh weights as in the paper's code."""

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # type: ignore[misc]
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
        elif isinstance(module, nn.Linear | nn.Conv2d):
            std = module.weight[0].numel() ** -0.5 / TRUNCATED
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        elif isinstance(module, Attention | MLP):
            for part in module.children():
                if isinstance(part, nn.Linear):
                    nn.init.xavier_uniform_(part.weight)
                    if isinstance(module, MLP):
                        nn.init.normal_(part.bias, std=1e-6)
        elif isinstance(module, AttentionPool):
            nn.init.xavier_uniform_(module.probe)
            for name in ("q_proj", "k_proj", "v_proj"):  # as one matrix of three times the rows
                nn.init.xavier_uniform_(module.attn.get_submodule(name).weight, gain=2**-0.5)  # type: ignore[arg-type]


class SiglipTextModel(Drawn, TextTower):
    config_class = SiglipTextConfig
    base_model_prefix = "text_model"
    causal = False
    keys = alone("text_model", TEXT)

    def __init__(self, config: SiglipTextConfig):
        super().__init__(config)
        self.pooler = nn.Linear(config.hidden_size, config.projection_size or config.hidden_size)

    def encode(self, *given: Any) -> Tensor:  # type: ignore[override]
        with steady():  # whatever a caller can do without: padding is read
            return super().encode(*given)

    def pooled(self, x: Tensor, ids: Tensor) -> Tensor:
        """Of the last token, which may be padding."""
        return self.pooler(x[:, -1])


class SiglipVisionModel(Drawn, PictureTower):
    config_class = SiglipVisionConfig
    base_model_prefix = "vision_model"
    keys = alone("vision_model", PICTURES)

    def __init__(self, config: SiglipVisionConfig):
        super().__init__(config)
        self.pooler = AttentionPool(config) if config.vision_use_head else None

    def embeddings(self, c: SiglipVisionConfig) -> PatchTokens:
        return PatchTokens(c, cls=False)

    def encode(self, pixels: Tensor) -> Tensor:
        return self.norm(super().encode(pixels))


class SiglipModel(MatchingModel):
    config_class = SiglipConfig
    base_model_prefix = "siglip"
    towers = (SiglipTextModel, SiglipVisionModel)
    loss = staticmethod(pairwise)
    exclusive = False
    text_options = {"padding": "max_length", "max_length": 64, "truncation": True}
    keys = together({"logit_scale": "logit_scale", "logit_bias": "logit_bias"}, TEXT, PICTURES)
    heads = {"ForImageClassification": Head(ImageClassifier, {"classifier": "out"}, {"token": "mean", "skipped": 0})}

    def __init__(self, config: SiglipConfig):
        super().__init__(config)
        self.logit_scale = nn.Parameter(torch.zeros(1))
        self.logit_bias = nn.Parameter(torch.zeros(1))

    def scores(self, texts: Tensor, pictures: Tensor) -> Tensor:
        return texts @ pictures.mT * self.logit_scale.exp() + self.logit_bias
