"""Towers of models that match pictures with words: an encoder of texts and one of pictures, each of use by itself.

Shapes: B pictures, Q texts, T tokens, N patches, D a tower's width.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..config import Config
from ..keymap import KeyMap, Rule, attention_keys
from ..layers import MLP, Attention, Embeddings, Layers, PreNormBlock
from ..layers.masks import causal_mask, padding_mask
from ..layers.patches import Patches, pair, stretched
from ..layers.published import Named
from ..outputs import BaseModelOutputWithPooling, ModelOutput
from .text import TextModel
from .vision import VisionModel

POSITIONS = ("embeddings.position_ids",)  # of old files
BLOCK = {
    **attention_keys("encoder.layers.{}.self_attn", "layers.{}.attn"),
    "encoder.layers.{}.layer_norm1": "layers.{}.attn_norm",
    "encoder.layers.{}.mlp.fc1": "layers.{}.mlp.up_proj",
    "encoder.layers.{}.mlp.fc2": "layers.{}.mlp.down_proj",
    "encoder.layers.{}.layer_norm2": "layers.{}.mlp_norm",
}
TEXT = BLOCK | {
    "embeddings.token_embedding": "embed.token",
    "embeddings.position_embedding": "embed.position",
    "final_layer_norm": "norm",
}
PICTURES = BLOCK | {
    "embeddings.patch_embedding": "embed.patch",
    "embeddings.position_embedding": "embed.position",
    "post_layernorm": "norm",
}


def alone(part: str, table: Mapping[str, Rule]) -> KeyMap:
    """The names of a tower by itself: as in a file of both towers, which 4.x reads; those that 5.x writes are read."""
    ignored = [*POSITIONS, *(f"{part}.{name}" for name in POSITIONS)]
    return KeyMap({f"{part}.{theirs}": ours for theirs, ours in table.items()}, also=table, ignored=ignored)


class TowerConfig(Config):
    """The config of one tower, by itself or as a `part` of that of both."""

    part: ClassVar[str] = ""

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    attention_dropout: float = 0.0
    initializer_factor: float = 1.0

    @classmethod
    def from_pretrained(cls, name_or_path: Any, **kwargs: Any) -> Any:
        """As of every config; of a repository of both towers, this one's part."""
        from ..auto import read_config
        from ..hub import open_with

        repo, changes = open_with(name_or_path, kwargs)
        found = read_config(repo, {}, cls.model_type)
        if not isinstance(part := getattr(found, cls.part, None), cls):
            return super().from_pretrained(repo, **changes)
        part.change(changes)
        part.name_or_path = found.name_or_path
        return part


def block(c: TowerConfig) -> PreNormBlock:
    return PreNormBlock(
        Attention(c.hidden_size, c.num_attention_heads, dropout=c.attention_dropout),
        MLP(c.hidden_size, c.intermediate_size, c.hidden_act),
        attn_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
        mlp_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
    )


class PatchTokens(Named):
    """Patches with a table of positions, behind a learned vector if `cls`: (B,C,H,W) -> (B,1+N,D)"""

    def __init__(self, c: Any, *, cls: bool, norm: nn.Module | None = None):
        super().__init__()
        self.patch = Patches(c.num_channels, c.hidden_size, c.patch_size, bias=not cls)
        high, wide = (full // part for full, part in zip(pair(c.image_size), pair(c.patch_size), strict=True))
        self.shape = high, wide
        self.cls = nn.Parameter(torch.zeros(c.hidden_size)) if cls else None
        self.position = nn.Embedding(high * wide + cls, c.hidden_size)
        self.norm = norm or nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patch(pixels)
        if self.cls is not None:
            x = torch.cat((self.cls.expand(len(x), 1, -1), x), dim=1)
        table = self.position.weight[None]
        return self.norm(x + stretched(table, self.shape, self.patch.grid(pixels), self.cls is not None))


class TextTower(TextModel):
    """A pre-norm encoder of texts; a family gives `pooled`."""

    causal: ClassVar[bool] = True  # whether a token sees those before it alone
    pooled: Callable[[Tensor, Tensor], Tensor]  # states (Q,T,D) after the last norm, token ids (Q,T) -> (Q,D)

    def __init__(self, config: Any):
        super().__init__(config)
        c = config
        self.embed = Embeddings(c.vocab_size, c.hidden_size, positions=c.max_position_embeddings)
        self.layers = Layers(block(c) for _ in range(c.num_hidden_layers))
        self.norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None) -> Tensor:
        padding = padding_mask(mask)
        mask = causal_mask(x.shape[1], padding, x.device) if self.causal else padding
        return self.layers(self.embed(x, positions), mask)

    def forward(  # type: ignore[override]
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None, *, return_dict: bool | None = None, **options: Any,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """Hidden states of a batch of texts, and of each the vector that stands for it (`pooler_output`)."""
        found: Any = super().forward(
            input_ids, attention_mask, position_ids=position_ids, return_dict=True, **options
        )  # fmt: skip
        x = self.norm(found.last_hidden_state)
        output = BaseModelOutputWithPooling(x, self.pooled(x, input_ids), found.hidden_states, found.attentions)  # type: ignore[arg-type]
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()


class PictureTower(VisionModel):
    """A pre-norm encoder of pictures; a family gives `embeddings` and `output`."""

    embeddings: Callable[[Any], PatchTokens]

    def __init__(self, config: Any):
        super().__init__(config)
        self.embed = self.embeddings(config)
        self.layers = Layers(block(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def encode(self, pixels: Tensor) -> Tensor:
        return self.layers(self.embed(pixels))
