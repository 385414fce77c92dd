"""ELECTRA (Clark et al., 2020, arXiv:2003.10555): BERT trained to tell which tokens a smaller model has replaced.

That smaller one, the generator, is the same network with a masked language model's head. Embeddings may be narrower
than the layers; then they are projected. There is no pooler.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import short
from ..heads import MaskedLM, MultipleChoice, SequenceClassifier, TaskHead
from ..keymap import KeyMap
from ..layers import activation
from ..layers.masks import padding_mask
from ..outputs import ModelOutput, ReplacedTokensOutput
from .bert import TIED, BertConfig, BertModel, embeddings
from .task import Head


class ElectraConfig(BertConfig):
    model_type = "electra"

    embedding_size: int = 128
    hidden_size: int = 256
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    summary_type: str = "first"  # what stands for a text that is to be chosen: also "last", "cls_index" and "mean"
    summary_use_proj: bool = True
    summary_activation: str | None = "gelu"
    summary_first_dropout: float = 0.0
    summary_last_dropout: float = 0.1


class SummaryChoice(MultipleChoice):
    """a score for each of several texts, of which one is right (inputs (B,C,T); labels: its index (B,)).

    The summary of a text that is padded reads the padding too, unless it is its first token.
    """

    def __init__(self, config: ElectraConfig):
        super().__init__(config, dropout="summary_last_dropout")
        c = config
        if c.summary_type not in ("first", "last", "cls_index", "mean"):
            raise ValueError(f"summary_type={short(c.summary_type)} in config.json must be 'first', 'last' or 'mean'.")
        self.dense = nn.Linear(c.hidden_size, c.hidden_size) if c.summary_use_proj else nn.Identity()
        self.act = activation(c.summary_activation or "linear")
        self.first_dropout = nn.Dropout(c.summary_first_dropout)

    def summary(self, body: ModelOutput, ids: Tensor | None, mask: Tensor | None) -> Tensor:
        x, kind = body["last_hidden_state"], self.config.summary_type
        return self.first_dropout(x.mean(1) if kind == "mean" else x[:, 0 if kind == "first" else -1])

    def reads(self, inputs: Mapping[str, Any], targets: Mapping[str, Tensor]) -> Tensor | None:
        return super().reads(inputs, targets) if self.config.summary_type == "first" else None


class ReplacedTokens(TaskHead):
    """a score for each token, above zero if it looks replaced (labels: 1 for those that are, 0 for others, (B,T)).

    Tokens that the mask leaves out count for nothing in the loss, nor do those with -100.
    """

    output = ReplacedTokensOutput

    def __init__(self, config: ElectraConfig):
        super().__init__(config)
        self.dense, self.act = nn.Linear(config.hidden_size, config.hidden_size), activation(config.hidden_act)
        self.out = nn.Linear(config.hidden_size, 1)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        return self.out(self.act(self.dense(body["last_hidden_state"])))[..., 0]  # (B,T,D) -> (B,T)

    def total_loss(
        self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], inputs: Mapping[str, Any]
    ) -> Tensor | None:
        logits, labels, mask = scores["logits"], targets["labels"], inputs.get("attention_mask")
        if labels.shape != logits.shape or (labels > 1).any():
            raise ValueError(
                f"labels must be 0 or 1 of shape {tuple(logits.shape)}, or -100 where none is asked; got shape "
                f"{tuple(labels.shape)} of {labels.unique().tolist()[-3:]}."
            )
        kept = labels >= 0
        if mask is not None and mask.shape == labels.shape:
            kept = kept & mask.bool()
        return F.binary_cross_entropy_with_logits(logits[kept], labels[kept].to(logits.dtype))


class ElectraModel(BertModel):
    config_class = ElectraConfig
    base_model_prefix = "electra"
    keys = KeyMap(
        {k: v for k, v in BertModel.keys.rules.items() if k != "pooler.dense"} | {"embeddings_project": "embed_proj"},
        prefix="electra.",
        ignored=BertModel.keys.ignored,
    )
    heads = {
        "ForSequenceClassification": Head(
            SequenceClassifier,
            {"classifier.dense": "dense", "classifier.out_proj": "out"},
            {"act": "gelu", "dropout": "classifier_dropout", "early": True},
        ),
        "ForTokenClassification": replace(BertModel.heads["ForTokenClassification"], body={}),
        "ForQuestionAnswering": replace(BertModel.heads["ForQuestionAnswering"], body={}),
        "ForMultipleChoice": Head(SummaryChoice, {"sequence_summary.summary": "dense", "classifier": "out"}),
        "ForMaskedLM": Head(
            MaskedLM,
            {
                "generator_predictions.dense": "dense",
                "generator_predictions.LayerNorm": "norm",
                "generator_lm_head": "out",
            },
            {"act": "gelu"},
            tied=TIED,
        ),
        "ForPreTraining": Head(
            ReplacedTokens,
            {"discriminator_predictions.dense": "dense", "discriminator_predictions.dense_prediction": "out"},
        ),
    }

    def __init__(self, config: ElectraConfig):
        super().__init__(config, add_pooling_layer=False)
        c, narrow = config, config.embedding_size != config.hidden_size
        if narrow:
            self.embed = embeddings(c, c.embedding_size)
        self.embed_proj = nn.Linear(c.embedding_size, c.hidden_size) if narrow else nn.Identity()

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None) -> Tensor:
        return self.layers(self.embed_proj(self.embed(x, positions, segments)), padding_mask(mask))
