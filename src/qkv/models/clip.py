"""CLIP (Radford et al., 2021, arXiv:2103.00020): texts and pictures as vectors, near where they belong together."""

from typing import Any

import torch
from torch import Tensor, nn

from ..heads import ImageClassifier
from ..heads.towers import PictureProjection, TextProjection, contrastive
from ..outputs import BaseModelOutputWithPooling, ModelOutput
from .matching import MatchingConfig, MatchingModel, together
from .task import Head
from .towers import PICTURES, TEXT, PatchTokens, PictureTower, TextTower, TowerConfig, alone

OLD_EOS = 2  # in configs that name the wrong token: a text then ends at the token with the largest id


class CLIPTextConfig(TowerConfig):
    model_type = "clip_text_model"
    part = "text_config"

    vocab_size: int = 49408
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    projection_dim: int | None = 512
    pad_token_id: int | None = 1
    bos_token_id: int | list | None = 49406
    eos_token_id: int | list | None = 49407


class CLIPVisionConfig(TowerConfig):
    model_type = "clip_vision_model"
    part = "vision_config"

    image_size: int | list = 224
    patch_size: int | list = 32
    num_channels: int = 3
    projection_dim: int | None = 512


class CLIPConfig(MatchingConfig):
    model_type = "clip"
    classes = (CLIPTextConfig, CLIPVisionConfig)

    projection_dim: int = 512
    logit_scale_init_value: float = 2.6592


PICTURES = PICTURES | {"embeddings.class_embedding": "embed.cls", "pre_layrnorm": "embed.norm"}


class Drawn:
    """Mixed into towers: fresh weights as in the paper's code, by width and depth."""

    config: Any

    def std(self, layer: nn.Module, name: str) -> float:
        c = self.config
        wide, deep = c.initializer_factor * c.hidden_size**-0.5, (2 * c.num_hidden_layers) ** -0.5
        found = dict.fromkeys(("q_proj", "k_proj", "v_proj", "down_proj"), wide * deep)
        found |= {"o_proj": wide, "out": wide, "up_proj": wide * 2**-0.5}
        return found.get(name) or super().std(layer, name)  # type: ignore[misc]

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # type: ignore[misc]
        if isinstance(module, PatchTokens) and module.cls is not None:
            nn.init.normal_(module.cls, std=self.config.initializer_factor * self.config.hidden_size**-0.5)


class CLIPTextModel(Drawn, TextTower):
    config_class = CLIPTextConfig
    base_model_prefix = "text_model"
    keys = alone("text_model", TEXT)
    heads = {"ModelWithProjection": Head(TextProjection, {"text_projection": "out"})}

    def pooled(self, x: Tensor, ids: Tensor) -> Tensor:
        return x[torch.arange(len(x), device=x.device), self.last(ids)]

    def last(self, ids: Tensor) -> Tensor:
        """Where the first token is that ends a text: (Q,T) -> (Q,)"""
        eos = self.config.eos_token_id
        found = ids if eos == OLD_EOS else torch.isin(ids, torch.as_tensor(eos, device=ids.device)).int()
        return found.argmax(-1)


class CLIPVisionModel(Drawn, PictureTower):
    config_class = CLIPVisionConfig
    base_model_prefix = "vision_model"
    keys = alone("vision_model", PICTURES)
    heads = {"ModelWithProjection": Head(PictureProjection, {"visual_projection": "out"})}

    def embeddings(self, c: CLIPVisionConfig) -> PatchTokens:
        return PatchTokens(c, cls=True, norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps))

    def output(self, x: Tensor, **notes: object) -> ModelOutput:
        return BaseModelOutputWithPooling(x, self.norm(x[:, 0]), **notes)  # type: ignore[arg-type]


class CLIPModel(MatchingModel):
    config_class = CLIPConfig
    base_model_prefix = "clip"
    towers = (CLIPTextModel, CLIPVisionModel)
    loss = staticmethod(contrastive)
    keys = together({name: name for name in ("text_projection", "visual_projection", "logit_scale")}, TEXT, PICTURES)
    heads = {"ForImageClassification": Head(ImageClassifier, {"classifier": "out"}, {"token": "mean"})}

    def __init__(self, config: CLIPConfig):
        super().__init__(config)
        self.text_projection = nn.Linear(self.text_model.config.hidden_size, config.projection_dim, bias=False)
        self.visual_projection = nn.Linear(config.hidden_size, config.projection_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale_init_value))

    def scores(self, texts: Tensor, pictures: Tensor) -> Tensor:
        return texts @ pictures.mT * self.logit_scale.exp()

    def std(self, layer: nn.Module, name: str) -> float:  # of projections and classifiers
        return self.config.initializer_factor * layer.in_features**-0.5  # type: ignore[operator]
