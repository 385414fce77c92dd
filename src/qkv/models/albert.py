"""ALBERT (Lan et al., 2019, arXiv:1909.11942): BERT whose layers share weights, over a narrow table of tokens.

Embeddings are of width `embedding_size` and are projected once. The layers come in groups, mostly one, and those of a
group are the same blocks over and over. Beside hidden words it is trained on whether two texts are in their order.
"""

from collections.abc import Iterable
from typing import cast

from torch import Tensor, nn

from ..heads import MaskedLM, MultipleChoice, PreTraining, QuestionAnswering, SequenceClassifier, TokenClassifier
from ..keymap import KeyMap
from ..layers import Attention, Layers
from ..layers.dropout import Dropout
from ..layers.masks import padding_mask
from ..outputs import SentenceOrderOutput
from .bert import NO_POOLER, TIED, BertConfig, block, embeddings
from .task import Head
from .text import TextModel

MOST_BLOCKS = 2000  # that a text goes through; the deepest published models have some hundreds


class AlbertConfig(BertConfig):
    model_type = "albert"
    aliases = {"classifier_dropout_prob": "classifier_dropout"}

    vocab_size: int = 30000
    embedding_size: int = 128
    hidden_size: int = 4096
    num_hidden_groups: int = 1  # sets of weights that the layers are divided among
    num_attention_heads: int = 64
    intermediate_size: int = 16384
    inner_group_num: int = 1  # blocks of a layer
    hidden_act: str = "gelu_new"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    classifier_dropout: float | None = 0.1
    bos_token_id: int | list | None = 2
    eos_token_id: int | list | None = 3


class SharedLayers(Layers):
    """Groups of blocks, each a stack; `count` layers are divided among them, in order. As many as groups if None."""

    def __init__(self, groups: Iterable[nn.Module] = (), count: int | None = None):
        super().__init__(groups)
        self.count = len(self) if count is None else count

    @property
    def blocks(self) -> list[nn.Module]:
        share = self.count / len(self)  # a float that is rounded: which layer begins a group depends on it
        return [one for i in range(self.count) for one in self[int(i / share)].children()]


class Pooler(nn.Linear):
    """First token -> this layer -> tanh: (B,T,D) -> (B,D)"""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[:, 0]).tanh()


class OrderPreTraining(PreTraining):
    """the scores of a masked language model, and two for whether two texts are in their order, which is the first.

    There is a loss if both are given: labels, token ids (B,T), -100 where none is asked, and sentence_order_label, 0 or
    1 (B,).
    """

    output = SentenceOrderOutput
    names = ("prediction_logits", "sop_logits")
    targets = ("labels", "sentence_order_label")


WORDS = {
    "predictions.dense": "dense",
    "predictions.LayerNorm": "norm",
    "predictions.decoder.weight": "out.weight",
    "predictions.bias": "out.bias",
}
WORDS_TWICE = ("predictions.decoder.bias",)
DROPOUT = {"dropout": "classifier_dropout"}
BLOCK, OURS = "encoder.albert_layer_groups.{}.albert_layers.{}", "layers.{}.{}"


class AlbertModel(TextModel):
    config_class = AlbertConfig
    base_model_prefix = "albert"
    optional = ("pooler.",)
    keys = KeyMap(
        {
            "embeddings.word_embeddings": "embed.token",
            "embeddings.position_embeddings": "embed.position",
            "embeddings.token_type_embeddings": "embed.segment",
            "embeddings.LayerNorm": "embed.norm",
            "encoder.embedding_hidden_mapping_in": "embed_proj",
            f"{BLOCK}.attention.query": f"{OURS}.attn.q_proj",
            f"{BLOCK}.attention.key": f"{OURS}.attn.k_proj",
            f"{BLOCK}.attention.value": f"{OURS}.attn.v_proj",
            f"{BLOCK}.attention.dense": f"{OURS}.attn.o_proj",
            f"{BLOCK}.attention.LayerNorm": f"{OURS}.attn_norm",
            f"{BLOCK}.ffn": f"{OURS}.mlp.up_proj",
            f"{BLOCK}.ffn_output": f"{OURS}.mlp.down_proj",
            f"{BLOCK}.full_layer_layer_norm": f"{OURS}.mlp_norm",
            "pooler": "pooler",
        },
        prefix="albert.",
        ignored=("embeddings.position_ids", "embeddings.token_type_ids"),
    )
    heads = {
        "ForSequenceClassification": Head(SequenceClassifier, {"classifier": "out"}, {"token": "pooled", **DROPOUT}),
        "ForTokenClassification": Head(TokenClassifier, {"classifier": "out"}, DROPOUT, body=NO_POOLER),
        "ForQuestionAnswering": Head(QuestionAnswering, {"qa_outputs": "out"}, body=NO_POOLER),
        "ForMultipleChoice": Head(MultipleChoice, {"classifier": "out"}, {"token": "pooled", **DROPOUT}),
        "ForMaskedLM": Head(MaskedLM, WORDS, body=NO_POOLER, tied=TIED, ignored=WORDS_TWICE),
        "ForPreTraining": Head(
            OrderPreTraining, {**WORDS, "sop_classifier.classifier": "order"}, DROPOUT, tied=TIED, ignored=WORDS_TWICE
        ),
    }

    def __init__(self, config: AlbertConfig, add_pooling_layer: bool = True):
        super().__init__(config)
        c = config
        if not 1 <= c.num_hidden_groups <= c.num_hidden_layers <= MOST_BLOCKS // max(1, c.inner_group_num):
            raise ValueError(
                f"config.json describes an impossible network: {c.num_hidden_layers} layers of {c.inner_group_num} "
                f"blocks in {c.num_hidden_groups} groups (num_hidden_layers, inner_group_num, num_hidden_groups)."
            )
        self.embed = embeddings(c, c.embedding_size)
        self.embed_proj = nn.Linear(c.embedding_size, c.hidden_size)
        groups = (Layers(block(c) for _ in range(c.inner_group_num)) for _ in range(c.num_hidden_groups))
        self.layers = SharedLayers(groups, c.num_hidden_layers)
        for each in self.layers.blocks:  # dropout after attention alone
            each.dropout, cast(Attention, each.attn).out_dropout = Dropout(0.0), c.hidden_dropout_prob
        self.pooler = Pooler(c.hidden_size, c.hidden_size) if add_pooling_layer else None

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None) -> Tensor:
        return self.layers(self.embed_proj(self.embed(x, positions, segments)), padding_mask(mask))
