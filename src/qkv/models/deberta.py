"""DeBERTa (He et al., 2020, arXiv:2006.03654): DeBERTa v2 with a vector for each distance instead of one for a bucket.

Queries, keys and values are published as one tensor, head after head, and the biases, which keys have none of, apart.
"""

from typing import Any

from ..heads import MaskedLM
from ..keymap import Interleaved, KeyMap
from .bert import TIED, WORDS
from .deberta_v2 import DebertaV2Config, DebertaV2Model, DisentangledAttention
from .task import Head


class DebertaConfig(DebertaV2Config):
    model_type = "deberta"

    vocab_size: int = 50265
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    legacy: bool = True  # whether a head of words is published as BERT's


class DebertaAttention(DisentangledAttention):
    """DeBERTa v2's, without biases of keys and of their distances."""

    def __init__(self, c: DebertaConfig):
        super().__init__(c)
        for projection in (self.k_proj, self.pos_k_proj):
            if projection is not None:
                projection.register_parameter("bias", None)


class Words(MaskedLM):
    """a score for each word of the vocabulary at each token (labels: token ids (B,T), -100 where none is asked)."""

    def __init__(self, config: Any):
        super().__init__(config)
        config.legacy = True  # the newer head is the same under other names, and is saved under BERT's


def _key_map(heads: int) -> KeyMap:
    attention, parts = "encoder.layer.{}.attention.self.", [f"layers.{{}}.attn.{x}_proj" for x in "qkv"]
    own = {
        f"{attention}in_proj": Interleaved(tuple(parts), heads=heads),
        f"{attention}q_bias": f"{parts[0]}.bias",
        f"{attention}v_bias": f"{parts[2]}.bias",
        f"{attention}pos_proj": "layers.{}.attn.pos_k_proj",
        f"{attention}pos_q_proj": "layers.{}.attn.pos_q_proj",
    }
    v2 = {theirs: rule for theirs, rule in DebertaV2Model.keys.rules.items() if ".self." not in theirs}
    return KeyMap(v2 | own, prefix="deberta.", ignored=DebertaV2Model.keys.ignored)


class DebertaModel(DebertaV2Model):
    config_class = DebertaConfig
    attention = DebertaAttention
    keys = _key_map(1)
    heads = {
        **{name: head for name, head in DebertaV2Model.heads.items() if name != "ForMultipleChoice"},
        "ForMaskedLM": Head(
            Words,
            {  # as the first checkpoints have it, and configs with "legacy": false
                "lm_predictions.lm_head.dense": "dense",
                "lm_predictions.lm_head.LayerNorm": "norm",
                "lm_predictions.lm_head.bias": "out.bias",
                **WORDS,
            },
            tied=TIED,
            ignored=("cls.predictions.decoder.bias",),
        ),
    }

    def __init__(self, config: DebertaConfig):
        super().__init__(config)
        self.keys = _key_map(config.num_attention_heads)
