"""qkv: transformers, fast on the machine you have.

The public names. Each is imported when it is first used, so that `import qkv` costs nothing; __init__.pyi tells type
checkers and editors what they are.
"""

# pyright: reportUnsupportedDunderAll=false
import importlib
from typing import Any

__version__ = "0.1.0.dev0"

_HOMES = {
    "auto": (
        "AutoConfig AutoModel AutoModelForCausalLM AutoModelForMaskedLM AutoModelForSeq2SeqLM "
        "AutoModelForSequenceClassification AutoTokenizer"
    ),
    "config": "Config",
    "models.base": "PreTrainedModel",
    "models.bert": "BertConfig BertForMaskedLM BertForSequenceClassification BertModel",
    "models.camembert": "CamembertConfig CamembertForMaskedLM CamembertForSequenceClassification CamembertModel",
    "models.deberta_v2": "DebertaV2Config DebertaV2ForMaskedLM DebertaV2ForSequenceClassification DebertaV2Model",
    "models.distilbert": ("DistilBertConfig DistilBertForMaskedLM DistilBertForSequenceClassification DistilBertModel"),
    "models.gpt2": "GPT2Config GPT2ForSequenceClassification GPT2LMHeadModel GPT2Model",
    "models.roberta": "RobertaConfig RobertaForMaskedLM RobertaForSequenceClassification RobertaModel",
    "models.t5": "T5Config T5ForConditionalGeneration T5ForSequenceClassification T5Model",
    "models.xlm_roberta": (
        "XLMRobertaConfig XLMRobertaForMaskedLM XLMRobertaForSequenceClassification XLMRobertaModel"
    ),
    "outputs": "ModelOutput",
    "pipelines": "Pipeline pipeline",
    "preprocessing.tokenizers": (
        "AlbertTokenizer AlbertTokenizerFast BatchEncoding BertTokenizer BertTokenizerFast CamembertTokenizer "
        "CamembertTokenizerFast DebertaV2Tokenizer DebertaV2TokenizerFast DistilBertTokenizer "
        "DistilBertTokenizerFast ElectraTokenizer ElectraTokenizerFast GPT2Tokenizer GPT2TokenizerFast "
        "LlamaTokenizer LlamaTokenizerFast MPNetTokenizer MPNetTokenizerFast PreTrainedTokenizer "
        "PreTrainedTokenizerFast RobertaTokenizer RobertaTokenizerFast T5Tokenizer T5TokenizerFast "
        "XLMRobertaTokenizer XLMRobertaTokenizerFast"
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "__version__",
    "AlbertTokenizer",
    "AlbertTokenizerFast",
    "AutoConfig",
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoModelForMaskedLM",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
    "AutoTokenizer",
    "BatchEncoding",
    "BertConfig",
    "BertForMaskedLM",
    "BertForSequenceClassification",
    "BertModel",
    "BertTokenizer",
    "BertTokenizerFast",
    "CamembertConfig",
    "CamembertForMaskedLM",
    "CamembertForSequenceClassification",
    "CamembertModel",
    "CamembertTokenizer",
    "CamembertTokenizerFast",
    "Config",
    "DebertaV2Config",
    "DebertaV2ForMaskedLM",
    "DebertaV2ForSequenceClassification",
    "DebertaV2Model",
    "DebertaV2Tokenizer",
    "DebertaV2TokenizerFast",
    "DistilBertConfig",
    "DistilBertForMaskedLM",
    "DistilBertForSequenceClassification",
    "DistilBertModel",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "ElectraTokenizer",
    "ElectraTokenizerFast",
    "GPT2Config",
    "GPT2ForSequenceClassification",
    "GPT2LMHeadModel",
    "GPT2Model",
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "LlamaTokenizer",
    "LlamaTokenizerFast",
    "MPNetTokenizer",
    "MPNetTokenizerFast",
    "ModelOutput",
    "Pipeline",
    "PreTrainedModel",
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "RobertaConfig",
    "RobertaForMaskedLM",
    "RobertaForSequenceClassification",
    "RobertaModel",
    "RobertaTokenizer",
    "RobertaTokenizerFast",
    "T5Config",
    "T5ForConditionalGeneration",
    "T5ForSequenceClassification",
    "T5Model",
    "T5Tokenizer",
    "T5TokenizerFast",
    "XLMRobertaConfig",
    "XLMRobertaForMaskedLM",
    "XLMRobertaForSequenceClassification",
    "XLMRobertaModel",
    "XLMRobertaTokenizer",
    "XLMRobertaTokenizerFast",
    "pipeline",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        from .errors import nearest

        raise AttributeError(f"qkv has no {name!r}; the nearest names are {nearest(name, _HOME)}.")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
