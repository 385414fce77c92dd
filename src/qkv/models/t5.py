"""T5 (Raffel et al., 2019, arXiv:1910.10683): an encoder-decoder that knows positions only by a bias on the scores.

The bias depends on how far a key is from a query, in buckets that widen with distance, and is shared by all layers of a
stack. Norms are RMSNorm before each sublayer, attention scores are not scaled, and nothing has a bias term.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..config import Config
from ..heads import Seq2SeqLM, SequenceClassifier
from ..keymap import KeyMap
from ..layers import (
    MLP,
    Attention,
    CrossAttention,
    Embeddings,
    GatedMLP,
    Layers,
    PreNormBlock,
    PreNormDecoderBlock,
    RelativeBias,
)
from ..layers.masks import additive, causal_mask, padding_mask
from ..layers.published import Named
from ..outputs import ModelOutput
from .seq2seq import Seq2SeqModel
from .task import Head


class T5Config(Config):
    model_type = "t5"
    aliases = {
        "d_model": "hidden_size",
        "d_kv": "head_dim",
        "d_ff": "intermediate_size",
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "dropout_rate": "hidden_dropout_prob",
        "layer_norm_epsilon": "layer_norm_eps",
    }

    vocab_size: int = 32128
    hidden_size: int = 512
    head_dim: int = 64
    intermediate_size: int = 2048
    num_hidden_layers: int = 6
    num_decoder_layers: int | None = None  # as many as the encoder has
    num_attention_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    hidden_dropout_prob: float = 0.1
    classifier_dropout: float | None = 0.0
    layer_norm_eps: float = 1e-6
    initializer_factor: float = 1.0
    feed_forward_proj: str = "relu"  # "gated-gelu" in T5 v1.1
    scale_decoder_outputs: bool | None = None  # before the scores of words; by tie_word_embeddings if None
    is_encoder_decoder: bool = True
    pad_token_id: int | None = 0
    eos_token_id: int | list | None = 1
    decoder_start_token_id: int | None = 0


class Stack(Named):
    """The encoder or the decoder: blocks, the bias they share, and the norm after them."""

    def __init__(self, c: T5Config, decoder: bool):
        super().__init__()
        count = c.num_decoder_layers if decoder and c.num_decoder_layers is not None else c.num_hidden_layers
        self.layers = Layers(_block(c, decoder) for _ in range(count))
        self.bias = RelativeBias(
            c.relative_attention_num_buckets, c.num_attention_heads,
            max_distance=c.relative_attention_max_distance, bidirectional=not decoder,
        )  # fmt: skip
        self.norm = nn.RMSNorm(c.hidden_size, c.layer_norm_eps)
        self.dropout = nn.Dropout(c.hidden_dropout_prob)

    def forward(self, x: Tensor, mask: Tensor | None, *context: Any, past: int = 0) -> Tensor:
        bias = additive(mask, self.bias.table(x.shape[1], past))
        return self.dropout(self.norm(self.layers(self.dropout(x), bias, *context)))


def _block(c: T5Config, decoder: bool) -> nn.Module:
    def attention(cls: type[Attention]) -> Attention:
        sizes = {"head_dim": c.head_dim, "bias": False, "scale": 1.0, "dropout": c.hidden_dropout_prob}
        return cls(c.hidden_size, c.num_attention_heads, **sizes)

    def norm() -> nn.Module:
        return nn.RMSNorm(c.hidden_size, c.layer_norm_eps)

    gated, _, act = c.feed_forward_proj.rpartition("-")
    act = "gelu_new" if (gated, act) == ("gated", "gelu") else act
    mlp_class = GatedMLP if gated else MLP
    mlp = mlp_class(c.hidden_size, c.intermediate_size, act, bias=False, dropout=c.hidden_dropout_prob)
    parts = attention(Attention), mlp, norm(), norm()
    if not decoder:
        return PreNormBlock(*parts, dropout=c.hidden_dropout_prob)
    cross = {"cross_attn": attention(CrossAttention), "cross_attn_norm": norm()}
    return PreNormDecoderBlock(*parts, **cross, dropout=c.hidden_dropout_prob)


class T5LM(Seq2SeqLM):
    """a score for each word of the vocabulary at each token of the decoder (labels: token ids (B,T), -100 for none)."""

    def __init__(self, config: T5Config):
        super().__init__(config)
        scaled = config.scale_decoder_outputs  # a table made for inputs gives too large scores
        self.scale = config.hidden_size**-0.5 if (config.tie_word_embeddings if scaled is None else scaled) else 1.0

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        return self.out(body["last_hidden_state"] * self.scale)


def _keys(side: str, mlp: int, gated: bool) -> dict[str, str]:
    theirs, ours = f"{side}.block.{{}}.layer", f"{side}.layers.{{}}"
    up = {"wi_0": "gate_proj", "wi_1": "up_proj"} if gated else {"wi": "up_proj"}
    return {
        f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias": f"{side}.bias",
        **{f"{theirs}.0.SelfAttention.{x}": f"{ours}.attn.{x}_proj" for x in "qkvo"},
        f"{theirs}.0.layer_norm": f"{ours}.attn_norm",
        **{f"{theirs}.{mlp}.DenseReluDense.{x}": f"{ours}.mlp.{y}" for x, y in (up | {"wo": "down_proj"}).items()},
        f"{theirs}.{mlp}.layer_norm": f"{ours}.mlp_norm",
        f"{side}.final_layer_norm": f"{side}.norm",
    }


def _key_map(gated: bool) -> KeyMap:
    cross, ours = "decoder.block.{}.layer.1", "decoder.layers.{}"
    return KeyMap(
        {
            "shared": "embed.token",
            **_keys("encoder", 1, gated),
            **_keys("decoder", 2, gated),
            **{f"{cross}.EncDecAttention.{x}": f"{ours}.cross_attn.{x}_proj" for x in "qkvo"},
            f"{cross}.layer_norm": f"{ours}.cross_attn_norm",
        },
        prefix="transformer.",
        ignored=(
            "encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
            "decoder.block.{}.layer.{}.EncDecAttention.relative_attention_bias.weight",
        ),
    )  # fmt: skip


class T5Model(Seq2SeqModel):
    config_class = T5Config
    base_model_prefix = "transformer"
    keys = _key_map(gated=False)
    heads = {
        "ForConditionalGeneration": Head(
            T5LM, {"lm_head": "out"}, tied={"out.weight": "embed.token.weight"}, prefix=""
        ),
        "ForSequenceClassification": Head(
            SequenceClassifier,
            {"classification_head.dense": "dense", "classification_head.out_proj": "out"},
            {"token": "eos", "act": "tanh", "dropout": "classifier_dropout", "early": True},
        ),
    }

    def __init__(self, config: T5Config):
        super().__init__(config)
        self.keys = _key_map(gated=config.feed_forward_proj.startswith("gated-"))
        self.embed = Embeddings(config.vocab_size, config.hidden_size)
        self.encoder = Stack(config, decoder=False)
        self.decoder = Stack(config, decoder=True)

    def std(self, layer: nn.Module, name: str) -> float:
        """As Mesh TensorFlow draws, so that activations have the same size without scaled scores."""
        c = self.config
        wide, words = (
            c.hidden_size,
            name == "token" or name == "out" and getattr(layer, "out_features", 0) == c.vocab_size,
        )
        by_name = {"q_proj": wide * c.head_dim, "o_proj": c.num_attention_heads * c.head_dim}
        sizes = by_name | {"down_proj": c.intermediate_size}
        return c.initializer_factor * (1.0 if words else sizes.get(name, wide) ** -0.5)

    def encode(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.encoder(x, padding_mask(mask))

    def decode(
        self, x: Tensor, mask: Tensor | None, states: Tensor, states_mask: Tensor | None, cache: Any = None
    ) -> Tensor:
        past, cross = 0 if cache is None else cache.length, padding_mask(states_mask)
        causal = causal_mask(x.shape[1], padding_mask(mask), x.device, keys=past + x.shape[1])
        cross = None if cross is None else additive(cross, x.new_zeros(1, 1, 1, 1))
        caches = () if cache is None else (cache.self_attention_cache, cache.cross_attention_cache)
        return self.decoder(x, causal, states, cross, *caches, past=past)
