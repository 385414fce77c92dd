"""RoBERTa (Liu et al., 2019, arXiv:1907.11692): BERT whose positions start after the padding id and skip padding."""

import torch
from torch import Tensor

from ..heads import MaskedLM, SequenceClassifier
from ..keymap import KeyMap
from .bert import NO_POOLER, TIED, BertConfig, BertModel
from .task import Head


class RobertaConfig(BertConfig):
    model_type = "roberta"

    vocab_size: int = 50265
    pad_token_id: int | None = 1
    bos_token_id: int | list | None = 0
    eos_token_id: int | list | None = 2


class RobertaModel(BertModel):
    config_class = RobertaConfig
    base_model_prefix = "roberta"
    reserved_positions = 2
    keys = KeyMap(BertModel.keys.rules, prefix="roberta.", ignored=BertModel.keys.ignored)
    heads = {
        **{
            task: BertModel.heads[task]
            for task in ("ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice")
        },
        "ForSequenceClassification": Head(
            SequenceClassifier,
            {"classifier.dense": "dense", "classifier.out_proj": "out"},
            {"act": "tanh", "dropout": "classifier_dropout", "early": True},
            body=NO_POOLER,
        ),
        "ForMaskedLM": Head(
            MaskedLM,
            {
                "lm_head.dense": "dense",
                "lm_head.layer_norm": "norm",
                "lm_head.decoder.weight": "out.weight",
                "lm_head.bias": "out.bias",
            },
            {"act": "gelu"},
            body=NO_POOLER,
            tied=TIED,
            ignored=("lm_head.decoder.bias",),
        ),
    }

    def __init__(self, config: RobertaConfig, add_pooling_layer: bool = True):
        super().__init__(config, add_pooling_layer)
        if self.embed.position is not None:
            self.embed.position.padding_idx = config.pad_token_id  # the position of padding is not trained

    def positions(self, x: Tensor, ids: Tensor | None) -> Tensor:
        pad = self.config.pad_token_id or 0
        if ids is None:  # only vectors: nothing tells padding
            return torch.arange(x.shape[1], device=x.device)[None] + pad + 1
        real = (ids != pad).long()
        return real.cumsum(dim=1) * real + pad
