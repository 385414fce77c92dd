"""CamemBERT (Martin et al., 2019, arXiv:1911.03894): RoBERTa for French, over a SentencePiece vocabulary."""

from .roberta import RobertaConfig, RobertaModel


class CamembertConfig(RobertaConfig):
    model_type = "camembert"

    vocab_size: int = 30522


class CamembertModel(RobertaModel):
    config_class = CamembertConfig
