"""Nomic-BERT (Nussbaum et al., 2024, arXiv:2402.01613): BERT with rotary positions, a gated MLP, and few biases.

The first config.json files, of code that came with them, have other names for the sizes; they load too.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ..heads import MaskedLM, Pooler
from ..keymap import Fused, KeyMap
from ..layers import Attention, Embeddings, GatedMLP, Layers, PostNormBlock, Rope
from ..layers.masks import padding_mask
from .bert import NO_POOLER, TIED, BertConfig, BertModel
from .task import Head
from .text import TextModel

OLDER = {  # names of the first config.json files
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
    "n_positions": "max_position_embeddings",
    "layer_norm_epsilon": "layer_norm_eps",
    "rotary_emb_base": "rope_theta",
    "resid_pdrop": "hidden_dropout_prob",
    "attn_pdrop": "attention_probs_dropout_prob",
}
ALONE = {  # what those files could say otherwise, and none of this network does
    "activation_function": "swiglu",
    "prenorm": False,
    "parallel_block": False,
    "use_rms_norm": False,
    "causal": False,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_scaling_factor": None,
}


class NomicBertConfig(BertConfig):
    model_type = "nomic_bert"

    vocab_size: int = 30528
    hidden_act: str = "silu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    max_position_embeddings: int = 2048
    head_dim: int | None = None  # hidden_size / num_attention_heads
    rope_theta: float = 1000.0
    rope_scaling: dict | None = None
    rope_parameters: dict | None = None  # both in one
    partial_rotary_factor: float | None = None
    original_max_position_embeddings: int | None = None

    @classmethod
    def from_dict(cls, published: dict[str, Any], **changes: Any) -> "NomicBertConfig":
        for name, only in ALONE.items():
            if published.get(name) not in (None, only):
                raise ValueError(
                    f"config.json says {name}={published[name]!r}; qkv has Nomic-BERT with {name}={only!r} alone."
                )
        return super().from_dict({OLDER.get(name, name): value for name, value in published.items()}, **changes)


class NomicBertModel(TextModel):
    config_class = NomicBertConfig
    base_model_prefix = "nomic_bert"
    optional = ("pooler.",)
    keys = KeyMap(
        {
            "embeddings.word_embeddings": "embed.token",
            "embeddings.token_type_embeddings": "embed.segment",
            "emb_ln": "embed.norm",
            "encoder.layers.{}.attn.Wqkv": Fused(tuple(f"layers.{{}}.attn.{x}_proj" for x in "qkv")),
            "encoder.layers.{}.attn.out_proj": "layers.{}.attn.o_proj",
            "encoder.layers.{}.norm1": "layers.{}.attn_norm",
            "encoder.layers.{}.mlp.fc11": "layers.{}.mlp.up_proj",
            "encoder.layers.{}.mlp.fc12": "layers.{}.mlp.gate_proj",
            "encoder.layers.{}.mlp.fc2": "layers.{}.mlp.down_proj",
            "encoder.layers.{}.norm2": "layers.{}.mlp_norm",
            "pooler.dense": "pooler.dense",
        },
        prefix="nomic_bert.",
        also={  # what the reference calls them in memory
            "embeddings.LayerNorm": "embed.norm",
            **{f"layers.{{}}.self_attn.{x}_proj": f"layers.{{}}.attn.{x}_proj" for x in "qkvo"},
            "layers.{}.post_attention_layernorm": "layers.{}.attn_norm",
            **{f"layers.{{}}.mlp.{x}_proj": f"layers.{{}}.mlp.{x}_proj" for x in ("gate", "up", "down")},
            "layers.{}.post_mlp_layernorm": "layers.{}.mlp_norm",
        },
    )
    heads = {
        "ForSequenceClassification": replace(
            BertModel.heads["ForSequenceClassification"], body={"add_pooling_layer": True}
        ),
        "ForTokenClassification": BertModel.heads["ForTokenClassification"],
        "ForMaskedLM": Head(
            MaskedLM,
            {
                "cls.predictions.transform.dense": "dense",
                "cls.predictions.transform.layer_norm": "norm",
                "cls.predictions.decoder.weight": "out.weight",
                "cls.predictions.bias": "out.bias",
            },
            body=NO_POOLER,
            tied=TIED,
            ignored=("cls.predictions.decoder.bias",),
        ),
    }

    def __init__(self, config: NomicBertConfig, add_pooling_layer: bool = False):
        super().__init__(config)
        c, width = config, config.head_dim or config.hidden_size // config.num_attention_heads
        self.embed = Embeddings(
            c.vocab_size, c.hidden_size, segments=c.type_vocab_size, norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
            dropout=c.hidden_dropout_prob, padding_idx=c.pad_token_id,
        )  # fmt: skip
        self.layers = Layers(
            PostNormBlock(
                Attention(
                    c.hidden_size, c.num_attention_heads, head_dim=width, bias=False,
                    dropout=c.attention_probs_dropout_prob,
                ),
                GatedMLP(c.hidden_size, c.intermediate_size, c.hidden_act),
                attn_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                mlp_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                dropout=c.hidden_dropout_prob,
            )
            for _ in range(c.num_hidden_layers)
        )  # fmt: skip
        self.rope = Rope.of(c, width)
        self.pooler = Pooler(c.hidden_size) if add_pooling_layer else None

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None) -> Tensor:
        return self.layers(self.embed(x, None, segments), padding_mask(mask), self.rope(positions))
