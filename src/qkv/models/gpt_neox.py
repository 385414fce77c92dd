"""GPT-NeoX (Black et al., 2022, arXiv:2204.06745; Pythia: Biderman et al., 2023, arXiv:2304.01373): a causal decoder
whose attention and MLP read the same x side by side, with rotary positions on a quarter of each head.

Queries, keys and values are published as one tensor, head after head.
"""

from torch import nn

from ..config import Config
from ..heads import CausalLM, SequenceClassifier
from ..keymap import Interleaved, KeyMap
from ..layers import MLP, Attention, Embeddings, Layers, ParallelBlock, PreNormBlock, Rope
from .causal import CausalModel
from .task import Head


class GPTNeoXConfig(Config):
    model_type = "gpt_neox"
    aliases = {"rotary_pct": "partial_rotary_factor", "rotary_emb_base": "rope_theta"}

    vocab_size: int = 50432
    hidden_size: int = 6144
    intermediate_size: int = 24576
    num_hidden_layers: int = 44
    num_attention_heads: int = 64
    hidden_act: str = "gelu"
    max_position_embeddings: int = 2048
    layer_norm_eps: float = 1e-5
    use_parallel_residual: bool = True
    partial_rotary_factor: float = 0.25  # the share of a head that is turned
    rope_theta: float = 10000.0
    rope_scaling: dict | None = None
    rope_parameters: dict | None = None  # 5.x: all of these in one
    original_max_position_embeddings: int | None = None
    attention_bias: bool = True
    attention_dropout: float = 0.0
    hidden_dropout: float = 0.0
    classifier_dropout: float = 0.1  # of a head on tokens
    bos_token_id: int | list | None = 0
    eos_token_id: int | list | None = 2
    tie_word_embeddings: bool = False


def _key_map(heads: int) -> KeyMap:
    return KeyMap(
        {
            "embed_in": "embed.token",
            "layers.{}.input_layernorm": "layers.{}.attn_norm",
            "layers.{}.attention.query_key_value": Interleaved(
                tuple(f"layers.{{}}.attn.{x}_proj" for x in "qkv"), heads=heads
            ),
            "layers.{}.attention.dense": "layers.{}.attn.o_proj",
            "layers.{}.post_attention_layernorm": "layers.{}.mlp_norm",
            "layers.{}.mlp.dense_h_to_4h": "layers.{}.mlp.up_proj",
            "layers.{}.mlp.dense_4h_to_h": "layers.{}.mlp.down_proj",
            "final_layer_norm": "norm",
        },
        prefix="gpt_neox.",
        ignored=[f"layers.{{}}.attention.{name}" for name in ("bias", "masked_bias", "rotary_emb.inv_freq")],
    )


class GPTNeoXModel(CausalModel):
    config_class = GPTNeoXConfig
    base_model_prefix = "gpt_neox"
    keys = _key_map(1)
    heads = {
        "ForCausalLM": Head(  # 5.x calls it lm_head, but writes embed_out into files
            CausalLM, {"lm_head": "out", "embed_out": "out"}, tied={"out.weight": "embed.token.weight"}
        ),
        "ForSequenceClassification": Head(SequenceClassifier, {"score": "out"}, {"token": "last", "bias": False}),
    }

    def __init__(self, config: GPTNeoXConfig):
        super().__init__(config)
        c = config
        self.keys = _key_map(c.num_attention_heads)
        self.embed = Embeddings(c.vocab_size, c.hidden_size, dropout=c.hidden_dropout)
        self.layers = Layers(self._block(c) for _ in range(c.num_hidden_layers))
        self.norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps)
        self.rope = Rope.of(c, c.hidden_size // c.num_attention_heads)

    @staticmethod
    def _block(c: GPTNeoXConfig) -> nn.Module:
        return (ParallelBlock if c.use_parallel_residual else PreNormBlock)(
            Attention(c.hidden_size, c.num_attention_heads, bias=c.attention_bias, dropout=c.attention_dropout),
            MLP(c.hidden_size, c.intermediate_size, c.hidden_act),
            attn_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
            mlp_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
            dropout=c.hidden_dropout,
        )
