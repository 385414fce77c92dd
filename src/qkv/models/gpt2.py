"""GPT-2 (Radford et al., 2019): a causal decoder with the norms before the sublayers and learned positions.

Its linear layers are published as (in, out), with queries, keys and values in one tensor.
"""

from torch import nn

from ..config import Config
from ..heads import CausalLM, SequenceClassifier
from ..keymap import Fused, KeyMap, transposed
from ..layers import MLP, Attention, Embeddings, Layers, PreNormBlock
from .causal import CausalModel
from .task import Head


class GPT2Config(Config):
    model_type = "gpt2"
    aliases = {
        "n_embd": "hidden_size",
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "n_inner": "intermediate_size",
        "n_positions": "max_position_embeddings",
        "activation_function": "hidden_act",
        "resid_pdrop": "hidden_dropout_prob",
        "attn_pdrop": "attention_probs_dropout_prob",
        "layer_norm_epsilon": "layer_norm_eps",
    }

    vocab_size: int = 50257
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int | None = None  # 4 * hidden_size
    max_position_embeddings: int = 1024
    hidden_act: str = "gelu_new"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    embd_pdrop: float = 0.1
    layer_norm_eps: float = 1e-5
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False  # scores of layer i, from 1, are divided by i too
    bos_token_id: int | list | None = 50256
    eos_token_id: int | list | None = 50256


def _scale(c: GPT2Config, layer: int) -> float:
    scale = (c.hidden_size // c.num_attention_heads) ** -0.5 if c.scale_attn_weights else 1.0
    return scale / (layer + 1) if c.scale_attn_by_inverse_layer_idx else scale


class GPT2Model(CausalModel):
    config_class = GPT2Config
    base_model_prefix = "transformer"
    segments_are_tokens = True
    keys = KeyMap(
        {
            "wte": "embed.token",
            "wpe": "embed.position",
            "h.{}.ln_1": "layers.{}.attn_norm",
            "h.{}.attn.c_attn": Fused(tuple(f"layers.{{}}.attn.{x}_proj" for x in "qkv"), transposed=True),
            "h.{}.attn.c_proj": transposed("layers.{}.attn.o_proj"),
            "h.{}.ln_2": "layers.{}.mlp_norm",
            "h.{}.mlp.c_fc": transposed("layers.{}.mlp.up_proj"),
            "h.{}.mlp.c_proj": transposed("layers.{}.mlp.down_proj"),
            "ln_f": "norm",
        },
        prefix="transformer.",
        ignored=("h.{}.attn.bias", "h.{}.attn.masked_bias"),
    )
    heads = {
        "LMHeadModel": Head(CausalLM, {"lm_head": "out"}, tied={"out.weight": "embed.token.weight"}),
        "ForSequenceClassification": Head(SequenceClassifier, {"score": "out"}, {"token": "last", "bias": False}),
    }

    def __init__(self, config: GPT2Config):
        super().__init__(config)
        c = config
        self.embed = Embeddings(c.vocab_size, c.hidden_size, positions=c.max_position_embeddings, dropout=c.embd_pdrop)
        self.layers = Layers(
            PreNormBlock(
                Attention(
                    c.hidden_size, c.num_attention_heads, scale=_scale(c, i), dropout=c.attention_probs_dropout_prob
                ),
                MLP(c.hidden_size, c.intermediate_size or 4 * c.hidden_size, c.hidden_act),
                attn_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                mlp_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                dropout=c.hidden_dropout_prob,
            )
            for i in range(c.num_hidden_layers)
        )
        self.norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)

    def std(self, layer: nn.Module, name: str) -> float:
        last = name in ("o_proj", "down_proj")  # of a sublayer: what all of them add up to stays the same (section 2.3)
        return super().std(layer, name) * ((2 * self.config.num_hidden_layers) ** -0.5 if last else 1.0)
