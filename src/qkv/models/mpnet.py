"""MPNet (Song et al., 2020, arXiv:2004.09297): RoBERTa without segments, and with T5's bias on how far a key is.

The bias is one for all layers.
"""

from torch import Tensor

from ..keymap import KeyMap
from ..layers import RelativeBias
from ..layers.masks import additive, padding_mask
from .bert import BertModel
from .roberta import RobertaConfig, RobertaModel

BUCKETS, LONGEST = 32, 128  # of distances


class MPNetConfig(RobertaConfig):
    model_type = "mpnet"

    vocab_size: int = 30527
    max_position_embeddings: int = 512
    type_vocab_size: int = 0
    layer_norm_eps: float = 1e-12
    relative_attention_num_buckets: int = BUCKETS


NAMES = {f"attention.self.{name}": f"attention.attn.{name[0]}" for name in ("query", "key", "value")}
NAMES |= {"attention.output.dense": "attention.attn.o", "attention.output.LayerNorm": "attention.LayerNorm"}


def _renamed(path: str) -> str:
    """What MPNet calls a part of BERT."""
    layer, inside = path[: len("encoder.layer.{}.")], path[len("encoder.layer.{}.") :]
    return layer + NAMES.get(inside, inside)


class MPNetModel(RobertaModel):
    config_class = MPNetConfig
    base_model_prefix = "mpnet"
    keys = KeyMap(
        {_renamed(theirs): rule for theirs, rule in BertModel.keys.rules.items() if rule.paths != ("embed.segment",)}
        | {"encoder.relative_attention_bias": "relative_bias"},
        prefix="mpnet.",
        ignored=("embeddings.position_ids",),
    )

    def __init__(self, config: MPNetConfig, add_pooling_layer: bool = True):
        super().__init__(config, add_pooling_layer)
        rows = config.relative_attention_num_buckets
        if rows != BUCKETS:  # the reference library then reads other rows than such a config means
            raise ValueError(f"MPNet has relative_attention_num_buckets={BUCKETS}, not {rows}; correct config.json.")
        self.relative_bias = RelativeBias(BUCKETS, config.num_attention_heads, max_distance=LONGEST, bidirectional=True)

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None) -> Tensor:
        bias = additive(padding_mask(mask), self.relative_bias.table(x.shape[1]))
        return self.layers(self.embed(x, positions), bias)
