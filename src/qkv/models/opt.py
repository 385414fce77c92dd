"""OPT (Zhang et al., 2022, arXiv:2205.01068): a causal decoder like GPT-2 whose positions skip padding.

OPT 350m differs from its siblings: its norms stand after the sublayers, and its token vectors are narrower than it is.
"""

from functools import partial
from typing import Any

from torch import Tensor, nn

from ..config import Config
from ..heads import CausalLM, SequenceClassifier
from ..keymap import KeyMap
from ..layers import MLP, Attention, Cache, Embeddings, Layers, PostNormBlock, PreNormBlock
from .causal import CausalModel
from .task import Head

OFFSET = 2  # the first position has row 2 of the table, padding has row 1
WIDTH = {"width": "word_embed_proj_dim"}  # of what the heads read


class OPTConfig(Config):
    model_type = "opt"
    aliases = {
        "ffn_dim": "intermediate_size",
        "activation_function": "hidden_act",
        "init_std": "initializer_range",
    }

    vocab_size: int = 50272
    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    word_embed_proj_dim: int | None = None  # width of token vectors, hidden_size if None
    max_position_embeddings: int = 2048
    hidden_act: str = "relu"
    dropout: float = 0.1
    attention_dropout: float = 0.0
    layerdrop: float = 0.0  # published models have 0; training here drops no layers
    do_layer_norm_before: bool = True
    _remove_final_layer_norm: bool = False
    enable_bias: bool = True
    layer_norm_elementwise_affine: bool = True
    pad_token_id: int | None = 1
    bos_token_id: int | list | None = 2
    eos_token_id: int | list | None = 2


class OPTModel(CausalModel):
    config_class = OPTConfig
    base_model_prefix = "model"
    reserved_positions = OFFSET
    keys = KeyMap(
        {
            "decoder.embed_tokens": "embed.token",
            "decoder.embed_positions": "embed.position",
            "decoder.project_in": "embed.proj",
            "decoder.layers.{}.self_attn_layer_norm": "layers.{}.attn_norm",
            **{f"decoder.layers.{{}}.self_attn.{x}_proj": f"layers.{{}}.attn.{x}_proj" for x in "qkv"},
            "decoder.layers.{}.self_attn.out_proj": "layers.{}.attn.o_proj",
            "decoder.layers.{}.final_layer_norm": "layers.{}.mlp_norm",
            "decoder.layers.{}.fc1": "layers.{}.mlp.up_proj",
            "decoder.layers.{}.fc2": "layers.{}.mlp.down_proj",
            "decoder.final_layer_norm": "norm",
            "decoder.project_out": "out_proj",
        },
        prefix="model.",
        ignored=("decoder.version",),
    )
    heads = {
        "ForCausalLM": Head(CausalLM, {"lm_head": "out"}, WIDTH, tied={"out.weight": "embed.token.weight"}),
        "ForSequenceClassification": Head(
            SequenceClassifier, {"score": "out"}, dict(token="last", bias=False, **WIDTH)
        ),
    }

    def __init__(self, config: OPTConfig):
        super().__init__(config)
        c, width = config, config.word_embed_proj_dim or config.hidden_size
        block = PreNormBlock if c.do_layer_norm_before else PostNormBlock
        norm = partial(nn.LayerNorm, c.hidden_size, elementwise_affine=c.layer_norm_elementwise_affine)
        attn = partial(Attention, c.hidden_size, c.num_attention_heads, bias=c.enable_bias, dropout=c.attention_dropout)
        mlp = partial(MLP, c.hidden_size, c.intermediate_size, c.hidden_act, bias=c.enable_bias)
        self.embed = Embeddings(c.vocab_size, width, padding_idx=c.pad_token_id)
        self.embed.position = nn.Embedding(c.max_position_embeddings + OFFSET, c.hidden_size)
        self.embed.proj = nn.Linear(width, c.hidden_size, bias=False) if width != c.hidden_size else nn.Identity()
        self.layers = Layers(block(attn(), mlp(), norm(), norm(), c.dropout) for _ in range(c.num_hidden_layers))
        self.norm = norm() if c.do_layer_norm_before and not c._remove_final_layer_norm else nn.Identity()
        self.out_proj = nn.Linear(c.hidden_size, width, bias=False) if width != c.hidden_size else nn.Identity()

    def positions(self, x: Tensor, mask: Tensor | None, past: int) -> Tensor:
        if mask is None or mask.dim() != 2:
            return super().positions(x, mask, past)
        real = mask.long()
        return (real.cumsum(dim=1) * real - 1)[:, past:]

    def decode(self, x: Tensor, masks: Any, positions: Tensor, segments: Tensor | None, cache: Cache | None) -> Tensor:
        x = self.embed.proj(x) + self.embed.position(positions + OFFSET)  # type: ignore[misc]
        return self.out_proj(self.norm(self.layers(x, masks, None, cache)))
