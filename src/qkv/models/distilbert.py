"""DistilBERT (Sanh et al., 2019, arXiv:1910.01108): BERT at half depth, without segments and pooler."""

from typing import cast

from ..heads import MaskedLM, MultipleChoice, QuestionAnswering, SequenceClassifier, TokenClassifier
from ..keymap import KeyMap
from ..layers import MLP
from ..layers.dropout import Dropout
from .bert import TIED, BertConfig, BertModel
from .task import Head


class DistilBertConfig(BertConfig):
    model_type = "distilbert"
    aliases = {
        "dim": "hidden_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "hidden_dim": "intermediate_size",
        "activation": "hidden_act",
        "dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
        "seq_classif_dropout": "classifier_dropout",
    }

    num_hidden_layers: int = 6
    type_vocab_size: int = 0
    classifier_dropout: float | None = 0.2
    qa_dropout: float = 0.1


CLASSES = {"pre_classifier": "dense", "classifier": "out"}


class DistilBertModel(BertModel):
    config_class = DistilBertConfig
    base_model_prefix = "distilbert"
    keys = KeyMap(
        {
            "embeddings.word_embeddings": "embed.token",
            "embeddings.position_embeddings": "embed.position",
            "embeddings.LayerNorm": "embed.norm",
            "transformer.layer.{}.attention.q_lin": "layers.{}.attn.q_proj",
            "transformer.layer.{}.attention.k_lin": "layers.{}.attn.k_proj",
            "transformer.layer.{}.attention.v_lin": "layers.{}.attn.v_proj",
            "transformer.layer.{}.attention.out_lin": "layers.{}.attn.o_proj",
            "transformer.layer.{}.sa_layer_norm": "layers.{}.attn_norm",
            "transformer.layer.{}.ffn.lin1": "layers.{}.mlp.up_proj",
            "transformer.layer.{}.ffn.lin2": "layers.{}.mlp.down_proj",
            "transformer.layer.{}.output_layer_norm": "layers.{}.mlp_norm",
        },
        prefix="distilbert.",
        ignored=("embeddings.position_ids",),
    )
    heads = {
        **{
            task: Head(head, CLASSES, {"act": "relu", "dropout": "classifier_dropout"})
            for task, head in (("ForSequenceClassification", SequenceClassifier), ("ForMultipleChoice", MultipleChoice))
        },
        "ForTokenClassification": Head(TokenClassifier, {"classifier": "out"}),
        "ForQuestionAnswering": Head(QuestionAnswering, {"qa_outputs": "out"}, {"dropout": "qa_dropout"}),
        "ForMaskedLM": Head(
            MaskedLM, {"vocab_transform": "dense", "vocab_layer_norm": "norm", "vocab_projector": "out"}, tied=TIED
        ),
    }

    def __init__(self, config: DistilBertConfig):
        super().__init__(config, add_pooling_layer=False)
        for each in self.layers:  # dropout after the feed-forward network alone
            each.dropout, cast(MLP, each.mlp).out_dropout = Dropout(0.0), config.hidden_dropout_prob
