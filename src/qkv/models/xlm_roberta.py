"""XLM-RoBERTa (Conneau et al., 2019, arXiv:1911.02116): RoBERTa over a SentencePiece vocabulary of 100 languages."""

from .roberta import RobertaConfig, RobertaModel


class XLMRobertaConfig(RobertaConfig):
    model_type = "xlm-roberta"

    vocab_size: int = 30522


class XLMRobertaModel(RobertaModel):
    config_class = XLMRobertaConfig
