"""BERT (Devlin et al., 2018, arXiv:1810.04805): a bidirectional encoder with the norms after the residual sums."""

from torch import Tensor, nn

from ..config import Config
from ..heads import (
    MaskedLM,
    MultipleChoice,
    NextSentence,
    Pooler,
    PreTraining,
    QuestionAnswering,
    SequenceClassifier,
    TokenClassifier,
)
from ..keymap import KeyMap
from ..layers import MLP, Attention, Embeddings, Layers, PostNormBlock
from ..layers.masks import padding_mask
from .task import Head
from .text import TextModel


class BertConfig(Config):
    model_type = "bert"

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    classifier_dropout: float | None = None
    is_decoder: bool = False


NO_POOLER = {"add_pooling_layer": False}
TIED = {"out.weight": "embed.token.weight"}
WORDS = {
    "cls.predictions.transform.dense": "dense",
    "cls.predictions.transform.LayerNorm": "norm",
    "cls.predictions.decoder.weight": "out.weight",
    "cls.predictions.bias": "out.bias",
}


def embeddings(c: BertConfig, width: int) -> Embeddings:
    return Embeddings(
        c.vocab_size, width, positions=c.max_position_embeddings, segments=c.type_vocab_size,
        norm=nn.LayerNorm(width, c.layer_norm_eps), dropout=c.hidden_dropout_prob, padding_idx=c.pad_token_id,
    )  # fmt: skip


def block(c: BertConfig) -> PostNormBlock:
    return PostNormBlock(
        Attention(c.hidden_size, c.num_attention_heads, dropout=c.attention_probs_dropout_prob),
        MLP(c.hidden_size, c.intermediate_size, c.hidden_act),
        attn_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
        mlp_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
        dropout=c.hidden_dropout_prob,
    )


class BertModel(TextModel):
    config_class = BertConfig
    base_model_prefix = "bert"
    optional = ("pooler.",)
    keys = KeyMap(
        {
            "embeddings.word_embeddings": "embed.token",
            "embeddings.position_embeddings": "embed.position",
            "embeddings.token_type_embeddings": "embed.segment",
            "embeddings.LayerNorm": "embed.norm",
            "encoder.layer.{}.attention.self.query": "layers.{}.attn.q_proj",
            "encoder.layer.{}.attention.self.key": "layers.{}.attn.k_proj",
            "encoder.layer.{}.attention.self.value": "layers.{}.attn.v_proj",
            "encoder.layer.{}.attention.output.dense": "layers.{}.attn.o_proj",
            "encoder.layer.{}.attention.output.LayerNorm": "layers.{}.attn_norm",
            "encoder.layer.{}.intermediate.dense": "layers.{}.mlp.up_proj",
            "encoder.layer.{}.output.dense": "layers.{}.mlp.down_proj",
            "encoder.layer.{}.output.LayerNorm": "layers.{}.mlp_norm",
            "pooler.dense": "pooler.dense",
        },
        prefix="bert.",
        ignored=("embeddings.position_ids", "embeddings.token_type_ids"),
    )
    heads = {
        "ForSequenceClassification": Head(
            SequenceClassifier, {"classifier": "out"}, {"token": "pooled", "dropout": "classifier_dropout"}
        ),
        "ForTokenClassification": Head(
            TokenClassifier, {"classifier": "out"}, {"dropout": "classifier_dropout"}, body=NO_POOLER
        ),
        "ForQuestionAnswering": Head(QuestionAnswering, {"qa_outputs": "out"}, body=NO_POOLER),
        "ForMultipleChoice": Head(
            MultipleChoice, {"classifier": "out"}, {"token": "pooled", "dropout": "classifier_dropout"}
        ),
        "ForMaskedLM": Head(MaskedLM, WORDS, body=NO_POOLER, tied=TIED, ignored=("cls.predictions.decoder.bias",)),
        "ForNextSentencePrediction": Head(NextSentence, {"cls.seq_relationship": "out"}),
        "ForPreTraining": Head(
            PreTraining,
            {**WORDS, "cls.seq_relationship": "order"},
            tied=TIED,
            ignored=("cls.predictions.decoder.bias",),
        ),
    }

    def __init__(self, config: BertConfig, add_pooling_layer: bool = True):
        super().__init__(config)
        c = config
        if c.is_decoder:  # it would read what comes after a token
            raise ValueError(f"{c.model_type} as a decoder (is_decoder in config.json) is not in qkv; GPT-2 is one.")
        self.embed = embeddings(c, c.hidden_size)
        self.layers = Layers(block(c) for _ in range(c.num_hidden_layers))
        self.pooler = Pooler(c.hidden_size) if add_pooling_layer else None

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None) -> Tensor:
        return self.layers(self.embed(x, positions, segments), padding_mask(mask))
