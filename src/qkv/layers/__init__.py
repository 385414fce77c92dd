"""The parts that families are made of. No family is named here.

The names of weights, the same in all families (frozen: quantisation, fusion, adapters and parallelism go by them):

    embed.token  embed.position  embed.segment  embed.norm      input embeddings
    layers.{i}                                                  block i; after encoder. or decoder. if both are there
      .attn_norm  .attn.{q,k,v,o}_proj                          self-attention and its norm
      .cross_attn_norm  .cross_attn.{q,k,v,o}_proj              attention of a decoder to the encoder
      .mlp_norm  .mlp.{gate,up,down}_proj                       feed-forward network and its norm
      .attn.{q,k}_norm  .attn_out_norm  .mlp_out_norm           of queries and keys; of what leaves a part
      .attn_scale  .mlp_scale                                   vectors that scale what leaves a part
    norm                                                        after the last block
    pooler.dense                                                the summary of the first token

A model with a task's head has all of these under `backbone.` and the head's own under `head.`; the last layer of a head
is `out`. Norms are named by what follows them, whether they stand before it (pre-norm) or after it (post-norm).
"""

from .attention import Attention, CrossAttention, attend
from .block import (
    Layers,
    ParallelBlock,
    PostNormBlock,
    PreNormBlock,
    PreNormDecoderBlock,
    SandwichNormBlock,
    ScaledBlock,
    SublayerNormBlock,
)
from .cache import Cache, DynamicCache, EncoderDecoderCache, PerLayer, QuantizedCache, StaticCache
from .embedding import Embeddings
from .linear import Linear
from .mlp import MLP, GatedMLP, activation
from .norm import RMSNorm1p
from .position import GridBias, RelativeBias
from .rope import Rope

__all__ = [
    "Attention", "Cache", "CrossAttention", "DynamicCache", "Embeddings", "EncoderDecoderCache", "GatedMLP", "GridBias",
    "Layers", "Linear", "MLP", "ParallelBlock", "PerLayer", "PostNormBlock", "PreNormBlock", "PreNormDecoderBlock",
    "QuantizedCache", "RMSNorm1p", "RelativeBias", "Rope", "SandwichNormBlock", "ScaledBlock", "StaticCache",
    "SublayerNormBlock", "activation", "attend",
]  # fmt: skip
