"""What the public names are, for type checkers and editors. A test holds this file against __init__.py."""

from typing import Any

from torch import Tensor

from .auto import AutoConfig as AutoConfig
from .auto import AutoModel as AutoModel
from .auto import AutoModelForCausalLM as AutoModelForCausalLM
from .auto import AutoModelForMaskedLM as AutoModelForMaskedLM
from .auto import AutoModelForSeq2SeqLM as AutoModelForSeq2SeqLM
from .auto import AutoModelForSequenceClassification as AutoModelForSequenceClassification
from .auto import AutoTokenizer as AutoTokenizer
from .config import Config as Config
from .models.base import PreTrainedModel as PreTrainedModel
from .models.bert import BertConfig as BertConfig
from .models.bert import BertModel as BertModel
from .models.camembert import CamembertConfig as CamembertConfig
from .models.camembert import CamembertModel as CamembertModel
from .models.deberta_v2 import DebertaV2Config as DebertaV2Config
from .models.deberta_v2 import DebertaV2Model as DebertaV2Model
from .models.distilbert import DistilBertConfig as DistilBertConfig
from .models.distilbert import DistilBertModel as DistilBertModel
from .models.gpt2 import GPT2Config as GPT2Config
from .models.gpt2 import GPT2Model as GPT2Model
from .models.roberta import RobertaConfig as RobertaConfig
from .models.roberta import RobertaModel as RobertaModel
from .models.t5 import T5Config as T5Config
from .models.t5 import T5Model as T5Model
from .models.task import TaskModel
from .models.xlm_roberta import XLMRobertaConfig as XLMRobertaConfig
from .models.xlm_roberta import XLMRobertaModel as XLMRobertaModel
from .outputs import CausalLMOutput, MaskedLMOutput, Seq2SeqLMOutput, SequenceClassifierOutput
from .outputs import ModelOutput as ModelOutput
from .pipelines import Pipeline as Pipeline
from .pipelines import pipeline as pipeline
from .preprocessing.tokenizers import AlbertTokenizer as AlbertTokenizer
from .preprocessing.tokenizers import BatchEncoding as BatchEncoding
from .preprocessing.tokenizers import BertTokenizer as BertTokenizer
from .preprocessing.tokenizers import CamembertTokenizer as CamembertTokenizer
from .preprocessing.tokenizers import DebertaV2Tokenizer as DebertaV2Tokenizer
from .preprocessing.tokenizers import DistilBertTokenizer as DistilBertTokenizer
from .preprocessing.tokenizers import ElectraTokenizer as ElectraTokenizer
from .preprocessing.tokenizers import GPT2Tokenizer as GPT2Tokenizer
from .preprocessing.tokenizers import LlamaTokenizer as LlamaTokenizer
from .preprocessing.tokenizers import MPNetTokenizer as MPNetTokenizer
from .preprocessing.tokenizers import PreTrainedTokenizer as PreTrainedTokenizer
from .preprocessing.tokenizers import PreTrainedTokenizerFast as PreTrainedTokenizerFast
from .preprocessing.tokenizers import RobertaTokenizer as RobertaTokenizer
from .preprocessing.tokenizers import T5Tokenizer as T5Tokenizer
from .preprocessing.tokenizers import XLMRobertaTokenizer as XLMRobertaTokenizer

__version__: str
__all__: list[str]

class _SequenceClassifier(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> SequenceClassifierOutput: ...

class _MaskedLM(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> MaskedLMOutput: ...

class _CausalLM(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> CausalLMOutput: ...

class _Seq2SeqLM(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> Seq2SeqLMOutput: ...

class BertForMaskedLM(_MaskedLM): ...
class BertForSequenceClassification(_SequenceClassifier): ...
class CamembertForMaskedLM(_MaskedLM): ...
class CamembertForSequenceClassification(_SequenceClassifier): ...
class DebertaV2ForMaskedLM(_MaskedLM): ...
class DebertaV2ForSequenceClassification(_SequenceClassifier): ...
class DistilBertForMaskedLM(_MaskedLM): ...
class DistilBertForSequenceClassification(_SequenceClassifier): ...
class GPT2ForSequenceClassification(_SequenceClassifier): ...
class GPT2LMHeadModel(_CausalLM): ...
class RobertaForMaskedLM(_MaskedLM): ...
class RobertaForSequenceClassification(_SequenceClassifier): ...
class T5ForConditionalGeneration(_Seq2SeqLM): ...
class T5ForSequenceClassification(_SequenceClassifier): ...
class XLMRobertaForMaskedLM(_MaskedLM): ...
class XLMRobertaForSequenceClassification(_SequenceClassifier): ...

AlbertTokenizerFast = AlbertTokenizer
BertTokenizerFast = BertTokenizer
CamembertTokenizerFast = CamembertTokenizer
DebertaV2TokenizerFast = DebertaV2Tokenizer
DistilBertTokenizerFast = DistilBertTokenizer
ElectraTokenizerFast = ElectraTokenizer
GPT2TokenizerFast = GPT2Tokenizer
LlamaTokenizerFast = LlamaTokenizer
MPNetTokenizerFast = MPNetTokenizer
RobertaTokenizerFast = RobertaTokenizer
T5TokenizerFast = T5Tokenizer
XLMRobertaTokenizerFast = XLMRobertaTokenizer
