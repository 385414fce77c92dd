"""What the public names are, for type checkers and editors. tools/public.py writes this file."""

from typing import Any

from torch import Tensor

from .auto import AutoConfig as AutoConfig
from .auto import AutoImageProcessor as AutoImageProcessor
from .auto import AutoModel as AutoModel
from .auto import AutoModelForCausalLM as AutoModelForCausalLM
from .auto import AutoModelForDocumentQuestionAnswering as AutoModelForDocumentQuestionAnswering
from .auto import AutoModelForMaskedLM as AutoModelForMaskedLM
from .auto import AutoModelForMultipleChoice as AutoModelForMultipleChoice
from .auto import AutoModelForNextSentencePrediction as AutoModelForNextSentencePrediction
from .auto import AutoModelForPreTraining as AutoModelForPreTraining
from .auto import AutoModelForQuestionAnswering as AutoModelForQuestionAnswering
from .auto import AutoModelForSeq2SeqLM as AutoModelForSeq2SeqLM
from .auto import AutoModelForSequenceClassification as AutoModelForSequenceClassification
from .auto import AutoModelForTableQuestionAnswering as AutoModelForTableQuestionAnswering
from .auto import AutoModelForTokenClassification as AutoModelForTokenClassification
from .auto import AutoProcessor as AutoProcessor
from .auto import AutoTokenizer as AutoTokenizer
from .backends.quantize import quantize as quantize
from .config import Config as Config
from .generation.config import GenerationConfig as GenerationConfig
from .generation.constraints import Constraint as Constraint
from .generation.constraints import ConstraintListState as ConstraintListState
from .generation.constraints import DisjunctiveConstraint as DisjunctiveConstraint
from .generation.constraints import PhrasalConstraint as PhrasalConstraint
from .generation.logits import ClassifierFreeGuidanceLogitsProcessor as ClassifierFreeGuidanceLogitsProcessor
from .generation.logits import EncoderNoRepeatNGramLogitsProcessor as EncoderNoRepeatNGramLogitsProcessor
from .generation.logits import EncoderRepetitionPenaltyLogitsProcessor as EncoderRepetitionPenaltyLogitsProcessor
from .generation.logits import EpsilonLogitsWarper as EpsilonLogitsWarper
from .generation.logits import EtaLogitsWarper as EtaLogitsWarper
from .generation.logits import ExponentialDecayLengthPenalty as ExponentialDecayLengthPenalty
from .generation.logits import ForcedBOSTokenLogitsProcessor as ForcedBOSTokenLogitsProcessor
from .generation.logits import ForcedEOSTokenLogitsProcessor as ForcedEOSTokenLogitsProcessor
from .generation.logits import GrammarLogitsProcessor as GrammarLogitsProcessor
from .generation.logits import HammingDiversityLogitsProcessor as HammingDiversityLogitsProcessor
from .generation.logits import InfNanRemoveLogitsProcessor as InfNanRemoveLogitsProcessor
from .generation.logits import LogitNormalization as LogitNormalization
from .generation.logits import LogitsProcessor as LogitsProcessor
from .generation.logits import LogitsProcessorList as LogitsProcessorList
from .generation.logits import MinLengthLogitsProcessor as MinLengthLogitsProcessor
from .generation.logits import MinNewTokensLengthLogitsProcessor as MinNewTokensLengthLogitsProcessor
from .generation.logits import MinPLogitsWarper as MinPLogitsWarper
from .generation.logits import NoBadWordsLogitsProcessor as NoBadWordsLogitsProcessor
from .generation.logits import NoRepeatNGramLogitsProcessor as NoRepeatNGramLogitsProcessor
from .generation.logits import PrefixConstrainedLogitsProcessor as PrefixConstrainedLogitsProcessor
from .generation.logits import RepetitionPenaltyLogitsProcessor as RepetitionPenaltyLogitsProcessor
from .generation.logits import SequenceBiasLogitsProcessor as SequenceBiasLogitsProcessor
from .generation.logits import SuppressTokensAtBeginLogitsProcessor as SuppressTokensAtBeginLogitsProcessor
from .generation.logits import SuppressTokensLogitsProcessor as SuppressTokensLogitsProcessor
from .generation.logits import SynthIDTextWatermarkingConfig as SynthIDTextWatermarkingConfig
from .generation.logits import SynthIDTextWatermarkLogitsProcessor as SynthIDTextWatermarkLogitsProcessor
from .generation.logits import TemperatureLogitsWarper as TemperatureLogitsWarper
from .generation.logits import TopHLogitsWarper as TopHLogitsWarper
from .generation.logits import TopKLogitsWarper as TopKLogitsWarper
from .generation.logits import TopPLogitsWarper as TopPLogitsWarper
from .generation.logits import TypicalLogitsWarper as TypicalLogitsWarper
from .generation.logits import (
    UnbatchedClassifierFreeGuidanceLogitsProcessor as UnbatchedClassifierFreeGuidanceLogitsProcessor,
)
from .generation.logits import WatermarkDetector as WatermarkDetector
from .generation.logits import WatermarkDetectorOutput as WatermarkDetectorOutput
from .generation.logits import WatermarkingConfig as WatermarkingConfig
from .generation.logits import WatermarkLogitsProcessor as WatermarkLogitsProcessor
from .generation.mixin import GenerationMixin as GenerationMixin
from .generation.stopping import ConfidenceCriteria as ConfidenceCriteria
from .generation.stopping import EosTokenCriteria as EosTokenCriteria
from .generation.stopping import MaxLengthCriteria as MaxLengthCriteria
from .generation.stopping import MaxTimeCriteria as MaxTimeCriteria
from .generation.stopping import StoppingCriteria as StoppingCriteria
from .generation.stopping import StoppingCriteriaList as StoppingCriteriaList
from .generation.stopping import StopStringCriteria as StopStringCriteria
from .generation.streamers import AsyncTextIteratorStreamer as AsyncTextIteratorStreamer
from .generation.streamers import BaseStreamer as BaseStreamer
from .generation.streamers import TextIteratorStreamer as TextIteratorStreamer
from .generation.streamers import TextStreamer as TextStreamer
from .layers.cache import Cache as Cache
from .layers.cache import DynamicCache as DynamicCache
from .layers.cache import EncoderDecoderCache as EncoderDecoderCache
from .layers.cache import QuantizedCache as QuantizedCache
from .layers.cache import StaticCache as StaticCache
from .models.albert import AlbertConfig as AlbertConfig
from .models.albert import AlbertModel as AlbertModel
from .models.base import PreTrainedModel as PreTrainedModel
from .models.bert import BertConfig as BertConfig
from .models.bert import BertModel as BertModel
from .models.big_bird import BigBirdConfig as BigBirdConfig
from .models.big_bird import BigBirdModel as BigBirdModel
from .models.camembert import CamembertConfig as CamembertConfig
from .models.camembert import CamembertModel as CamembertModel
from .models.deberta import DebertaConfig as DebertaConfig
from .models.deberta import DebertaModel as DebertaModel
from .models.deberta_v2 import DebertaV2Config as DebertaV2Config
from .models.deberta_v2 import DebertaV2Model as DebertaV2Model
from .models.distilbert import DistilBertConfig as DistilBertConfig
from .models.distilbert import DistilBertModel as DistilBertModel
from .models.electra import ElectraConfig as ElectraConfig
from .models.electra import ElectraModel as ElectraModel
from .models.gemma import GemmaConfig as GemmaConfig
from .models.gemma import GemmaModel as GemmaModel
from .models.gemma2 import Gemma2Config as Gemma2Config
from .models.gemma2 import Gemma2Model as Gemma2Model
from .models.gemma3 import Gemma3TextConfig as Gemma3TextConfig
from .models.gemma3 import Gemma3TextModel as Gemma3TextModel
from .models.gpt2 import GPT2Config as GPT2Config
from .models.gpt2 import GPT2Model as GPT2Model
from .models.gpt_neox import GPTNeoXConfig as GPTNeoXConfig
from .models.gpt_neox import GPTNeoXModel as GPTNeoXModel
from .models.granite import GraniteConfig as GraniteConfig
from .models.granite import GraniteModel as GraniteModel
from .models.layoutlm import LayoutLMConfig as LayoutLMConfig
from .models.layoutlm import LayoutLMModel as LayoutLMModel
from .models.layoutlmv3 import LayoutLMv3Config as LayoutLMv3Config
from .models.layoutlmv3 import LayoutLMv3Model as LayoutLMv3Model
from .models.lilt import LiltConfig as LiltConfig
from .models.lilt import LiltModel as LiltModel
from .models.llama import LlamaConfig as LlamaConfig
from .models.llama import LlamaModel as LlamaModel
from .models.longformer import LongformerConfig as LongformerConfig
from .models.longformer import LongformerModel as LongformerModel
from .models.mistral import MistralConfig as MistralConfig
from .models.mistral import MistralModel as MistralModel
from .models.modernbert import ModernBertConfig as ModernBertConfig
from .models.modernbert import ModernBertModel as ModernBertModel
from .models.mpnet import MPNetConfig as MPNetConfig
from .models.mpnet import MPNetModel as MPNetModel
from .models.nomic_bert import NomicBertConfig as NomicBertConfig
from .models.nomic_bert import NomicBertModel as NomicBertModel
from .models.olmo2 import Olmo2Config as Olmo2Config
from .models.olmo2 import Olmo2Model as Olmo2Model
from .models.opt import OPTConfig as OPTConfig
from .models.opt import OPTModel as OPTModel
from .models.phi3 import Phi3Config as Phi3Config
from .models.phi3 import Phi3Model as Phi3Model
from .models.qwen2 import Qwen2Config as Qwen2Config
from .models.qwen2 import Qwen2Model as Qwen2Model
from .models.qwen3 import Qwen3Config as Qwen3Config
from .models.qwen3 import Qwen3Model as Qwen3Model
from .models.roberta import RobertaConfig as RobertaConfig
from .models.roberta import RobertaModel as RobertaModel
from .models.smollm3 import SmolLM3Config as SmolLM3Config
from .models.smollm3 import SmolLM3Model as SmolLM3Model
from .models.t5 import T5Config as T5Config
from .models.t5 import T5Model as T5Model
from .models.tapas import TapasConfig as TapasConfig
from .models.tapas import TapasModel as TapasModel
from .models.task import TaskModel
from .models.xlm_roberta import XLMRobertaConfig as XLMRobertaConfig
from .models.xlm_roberta import XLMRobertaModel as XLMRobertaModel
from .outputs import (
    CausalLMOutput,
    MaskedLMOutput,
    MultipleChoiceOutput,
    NextSentencePredictorOutput,
    PreTrainingOutput,
    QuestionAnsweringOutput,
    ReplacedTokensOutput,
    SentenceOrderOutput,
    Seq2SeqLMOutput,
    SequenceClassifierOutput,
    TableQuestionAnsweringOutput,
    TokenClassifierOutput,
)
from .outputs import ModelOutput as ModelOutput
from .pipelines import Pipeline as Pipeline
from .pipelines import pipeline as pipeline
from .pipelines.document_question_answering import (
    DocumentQuestionAnsweringPipeline as DocumentQuestionAnsweringPipeline,
)
from .pipelines.feature_extraction import FeatureExtractionPipeline as FeatureExtractionPipeline
from .pipelines.fill_mask import FillMaskPipeline as FillMaskPipeline
from .pipelines.question_answering import QuestionAnsweringPipeline as QuestionAnsweringPipeline
from .pipelines.sentence_similarity import SentenceSimilarityPipeline as SentenceSimilarityPipeline
from .pipelines.table_question_answering import TableQuestionAnsweringPipeline as TableQuestionAnsweringPipeline
from .pipelines.text_classification import TextClassificationPipeline as TextClassificationPipeline
from .pipelines.text_generation import TextGenerationPipeline as TextGenerationPipeline
from .pipelines.text_ranking import TextRankingPipeline as TextRankingPipeline
from .pipelines.token_classification import AggregationStrategy as AggregationStrategy
from .pipelines.token_classification import TokenClassificationPipeline as TokenClassificationPipeline
from .pipelines.zero_shot_classification import ZeroShotClassificationPipeline as ZeroShotClassificationPipeline
from .preprocessing.image import load_image as load_image
from .preprocessing.image_processor import ImageProcessor as ImageProcessor
from .preprocessing.image_processor import LayoutLMv3ImageProcessor as LayoutLMv3ImageProcessor
from .preprocessing.processor import LayoutLMv3Processor as LayoutLMv3Processor
from .preprocessing.tokenizers import AlbertTokenizer as AlbertTokenizer
from .preprocessing.tokenizers import BatchEncoding as BatchEncoding
from .preprocessing.tokenizers import BertTokenizer as BertTokenizer
from .preprocessing.tokenizers import BigBirdTokenizer as BigBirdTokenizer
from .preprocessing.tokenizers import CamembertTokenizer as CamembertTokenizer
from .preprocessing.tokenizers import DebertaTokenizer as DebertaTokenizer
from .preprocessing.tokenizers import DebertaV2Tokenizer as DebertaV2Tokenizer
from .preprocessing.tokenizers import DistilBertTokenizer as DistilBertTokenizer
from .preprocessing.tokenizers import ElectraTokenizer as ElectraTokenizer
from .preprocessing.tokenizers import GemmaTokenizer as GemmaTokenizer
from .preprocessing.tokenizers import GPT2Tokenizer as GPT2Tokenizer
from .preprocessing.tokenizers import LayoutLMv2Tokenizer as LayoutLMv2Tokenizer
from .preprocessing.tokenizers import LayoutLMv3Tokenizer as LayoutLMv3Tokenizer
from .preprocessing.tokenizers import LayoutXLMTokenizer as LayoutXLMTokenizer
from .preprocessing.tokenizers import LlamaTokenizer as LlamaTokenizer
from .preprocessing.tokenizers import MPNetTokenizer as MPNetTokenizer
from .preprocessing.tokenizers import PreTrainedTokenizer as PreTrainedTokenizer
from .preprocessing.tokenizers import RobertaTokenizer as RobertaTokenizer
from .preprocessing.tokenizers import T5Tokenizer as T5Tokenizer
from .preprocessing.tokenizers import TapasTokenizer as TapasTokenizer
from .preprocessing.tokenizers import XLMRobertaTokenizer as XLMRobertaTokenizer
from .seed import set_seed as set_seed
from .training.adafactor import Adafactor as Adafactor
from .training.adafactor import AdafactorSchedule as AdafactorSchedule
from .training.adafactor import get_adafactor_schedule as get_adafactor_schedule
from .training.arguments import TrainingArguments as TrainingArguments
from .training.average import WeightAverage as WeightAverage
from .training.callbacks import DefaultFlowCallback as DefaultFlowCallback
from .training.callbacks import EarlyStoppingCallback as EarlyStoppingCallback
from .training.callbacks import PrinterCallback as PrinterCallback
from .training.callbacks import ProgressCallback as ProgressCallback
from .training.callbacks import TrainerCallback as TrainerCallback
from .training.checkpoint import get_last_checkpoint as get_last_checkpoint
from .training.collators import DataCollatorForMultipleChoice as DataCollatorForMultipleChoice
from .training.collators import DataCollatorForSeq2Seq as DataCollatorForSeq2Seq
from .training.collators import DataCollatorForTokenClassification as DataCollatorForTokenClassification
from .training.collators import DataCollatorWithPadding as DataCollatorWithPadding
from .training.collators import DefaultDataCollator as DefaultDataCollator
from .training.collators import default_data_collator as default_data_collator
from .training.flattening import DataCollatorWithFlattening as DataCollatorWithFlattening
from .training.greedy import GreedyLR as GreedyLR
from .training.lora import LoraConfig as LoraConfig
from .training.lora import PeftModel as PeftModel
from .training.lora import TaskType as TaskType
from .training.lora import get_peft_model as get_peft_model
from .training.lora import load_adapter as load_adapter
from .training.masking import DataCollatorForLanguageModeling as DataCollatorForLanguageModeling
from .training.masking import DataCollatorForWholeWordMask as DataCollatorForWholeWordMask
from .training.metrics import EvalPrediction as EvalPrediction
from .training.metrics import compute_metrics_for as compute_metrics_for
from .training.optimizers import layerwise_groups as layerwise_groups
from .training.schedules import SchedulerType as SchedulerType
from .training.schedules import get_constant_schedule as get_constant_schedule
from .training.schedules import get_constant_schedule_with_warmup as get_constant_schedule_with_warmup
from .training.schedules import get_cosine_schedule_with_warmup as get_cosine_schedule_with_warmup
from .training.schedules import (
    get_cosine_with_hard_restarts_schedule_with_warmup as get_cosine_with_hard_restarts_schedule_with_warmup,
)
from .training.schedules import (
    get_cosine_with_min_lr_schedule_with_warmup as get_cosine_with_min_lr_schedule_with_warmup,
)
from .training.schedules import (
    get_cosine_with_min_lr_schedule_with_warmup_lr_rate as get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
)
from .training.schedules import get_greedy_schedule as get_greedy_schedule
from .training.schedules import get_inverse_sqrt_schedule as get_inverse_sqrt_schedule
from .training.schedules import get_linear_schedule_with_warmup as get_linear_schedule_with_warmup
from .training.schedules import get_polynomial_decay_schedule_with_warmup as get_polynomial_decay_schedule_with_warmup
from .training.schedules import get_reduce_on_plateau_schedule as get_reduce_on_plateau_schedule
from .training.schedules import get_scheduler as get_scheduler
from .training.schedules import get_wsd_schedule as get_wsd_schedule
from .training.state import TrainerControl as TrainerControl
from .training.state import TrainerState as TrainerState
from .training.trainer import Trainer as Trainer

__version__: str
__all__: list[str]

class _CausalLM(GenerationMixin, TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> CausalLMOutput: ...

class _MaskedLM(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> MaskedLMOutput: ...

class _MultipleChoice(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> MultipleChoiceOutput: ...

class _NextSentencePredictor(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> NextSentencePredictorOutput: ...

class _PreTraining(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        next_sentence_label: Tensor | None = ...,
        **inputs: Any,
    ) -> PreTrainingOutput: ...

class _QuestionAnswering(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        start_positions: Tensor | None = ...,
        end_positions: Tensor | None = ...,
        **inputs: Any,
    ) -> QuestionAnsweringOutput: ...

class _ReplacedTokens(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> ReplacedTokensOutput: ...

class _SentenceOrder(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        sentence_order_label: Tensor | None = ...,
        **inputs: Any,
    ) -> SentenceOrderOutput: ...

class _Seq2SeqLM(GenerationMixin, TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> Seq2SeqLMOutput: ...

class _SequenceClassifier(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> SequenceClassifierOutput: ...

class _TableQuestionAnswering(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        aggregation_labels: Tensor | None = ...,
        float_answer: Tensor | None = ...,
        numeric_values: Tensor | None = ...,
        numeric_values_scale: Tensor | None = ...,
        table_mask: Tensor | None = ...,
        **inputs: Any,
    ) -> TableQuestionAnsweringOutput: ...

class _TokenClassifier(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> TokenClassifierOutput: ...

class AlbertForMaskedLM(_MaskedLM): ...
class AlbertForMultipleChoice(_MultipleChoice): ...
class AlbertForPreTraining(_SentenceOrder): ...
class AlbertForQuestionAnswering(_QuestionAnswering): ...
class AlbertForSequenceClassification(_SequenceClassifier): ...
class AlbertForTokenClassification(_TokenClassifier): ...
class BertForMaskedLM(_MaskedLM): ...
class BertForMultipleChoice(_MultipleChoice): ...
class BertForNextSentencePrediction(_NextSentencePredictor): ...
class BertForPreTraining(_PreTraining): ...
class BertForQuestionAnswering(_QuestionAnswering): ...
class BertForSequenceClassification(_SequenceClassifier): ...
class BertForTokenClassification(_TokenClassifier): ...
class BigBirdForMaskedLM(_MaskedLM): ...
class BigBirdForMultipleChoice(_MultipleChoice): ...
class BigBirdForQuestionAnswering(_QuestionAnswering): ...
class BigBirdForSequenceClassification(_SequenceClassifier): ...
class BigBirdForTokenClassification(_TokenClassifier): ...
class CamembertForMaskedLM(_MaskedLM): ...
class CamembertForMultipleChoice(_MultipleChoice): ...
class CamembertForQuestionAnswering(_QuestionAnswering): ...
class CamembertForSequenceClassification(_SequenceClassifier): ...
class CamembertForTokenClassification(_TokenClassifier): ...
class DebertaForMaskedLM(_MaskedLM): ...
class DebertaForQuestionAnswering(_QuestionAnswering): ...
class DebertaForSequenceClassification(_SequenceClassifier): ...
class DebertaForTokenClassification(_TokenClassifier): ...
class DebertaV2ForMaskedLM(_MaskedLM): ...
class DebertaV2ForMultipleChoice(_MultipleChoice): ...
class DebertaV2ForQuestionAnswering(_QuestionAnswering): ...
class DebertaV2ForSequenceClassification(_SequenceClassifier): ...
class DebertaV2ForTokenClassification(_TokenClassifier): ...
class DistilBertForMaskedLM(_MaskedLM): ...
class DistilBertForMultipleChoice(_MultipleChoice): ...
class DistilBertForQuestionAnswering(_QuestionAnswering): ...
class DistilBertForSequenceClassification(_SequenceClassifier): ...
class DistilBertForTokenClassification(_TokenClassifier): ...
class ElectraForMaskedLM(_MaskedLM): ...
class ElectraForMultipleChoice(_MultipleChoice): ...
class ElectraForPreTraining(_ReplacedTokens): ...
class ElectraForQuestionAnswering(_QuestionAnswering): ...
class ElectraForSequenceClassification(_SequenceClassifier): ...
class ElectraForTokenClassification(_TokenClassifier): ...
class GPT2ForSequenceClassification(_SequenceClassifier): ...
class GPT2LMHeadModel(_CausalLM): ...
class GPTNeoXForCausalLM(_CausalLM): ...
class GPTNeoXForSequenceClassification(_SequenceClassifier): ...
class Gemma2ForCausalLM(_CausalLM): ...
class Gemma2ForSequenceClassification(_SequenceClassifier): ...
class Gemma3ForCausalLM(_CausalLM): ...
class Gemma3TextForSequenceClassification(_SequenceClassifier): ...
class GemmaForCausalLM(_CausalLM): ...
class GemmaForSequenceClassification(_SequenceClassifier): ...
class GraniteForCausalLM(_CausalLM): ...
class GraniteForSequenceClassification(_SequenceClassifier): ...
class LayoutLMForMaskedLM(_MaskedLM): ...
class LayoutLMForQuestionAnswering(_QuestionAnswering): ...
class LayoutLMForSequenceClassification(_SequenceClassifier): ...
class LayoutLMForTokenClassification(_TokenClassifier): ...
class LayoutLMv3ForQuestionAnswering(_QuestionAnswering): ...
class LayoutLMv3ForSequenceClassification(_SequenceClassifier): ...
class LayoutLMv3ForTokenClassification(_TokenClassifier): ...
class LiltForQuestionAnswering(_QuestionAnswering): ...
class LiltForSequenceClassification(_SequenceClassifier): ...
class LiltForTokenClassification(_TokenClassifier): ...
class LlamaForCausalLM(_CausalLM): ...
class LlamaForSequenceClassification(_SequenceClassifier): ...
class LongformerForMaskedLM(_MaskedLM): ...
class LongformerForMultipleChoice(_MultipleChoice): ...
class LongformerForQuestionAnswering(_QuestionAnswering): ...
class LongformerForSequenceClassification(_SequenceClassifier): ...
class LongformerForTokenClassification(_TokenClassifier): ...
class MPNetForMaskedLM(_MaskedLM): ...
class MPNetForMultipleChoice(_MultipleChoice): ...
class MPNetForQuestionAnswering(_QuestionAnswering): ...
class MPNetForSequenceClassification(_SequenceClassifier): ...
class MPNetForTokenClassification(_TokenClassifier): ...
class MistralForCausalLM(_CausalLM): ...
class MistralForSequenceClassification(_SequenceClassifier): ...
class ModernBertForMaskedLM(_MaskedLM): ...
class ModernBertForMultipleChoice(_MultipleChoice): ...
class ModernBertForQuestionAnswering(_QuestionAnswering): ...
class ModernBertForSequenceClassification(_SequenceClassifier): ...
class ModernBertForTokenClassification(_TokenClassifier): ...
class NomicBertForMaskedLM(_MaskedLM): ...
class NomicBertForSequenceClassification(_SequenceClassifier): ...
class NomicBertForTokenClassification(_TokenClassifier): ...
class OPTForCausalLM(_CausalLM): ...
class OPTForSequenceClassification(_SequenceClassifier): ...
class Olmo2ForCausalLM(_CausalLM): ...
class Olmo2ForSequenceClassification(_SequenceClassifier): ...
class Phi3ForCausalLM(_CausalLM): ...
class Phi3ForSequenceClassification(_SequenceClassifier): ...
class Qwen2ForCausalLM(_CausalLM): ...
class Qwen2ForSequenceClassification(_SequenceClassifier): ...
class Qwen3ForCausalLM(_CausalLM): ...
class Qwen3ForSequenceClassification(_SequenceClassifier): ...
class RobertaForMaskedLM(_MaskedLM): ...
class RobertaForMultipleChoice(_MultipleChoice): ...
class RobertaForQuestionAnswering(_QuestionAnswering): ...
class RobertaForSequenceClassification(_SequenceClassifier): ...
class RobertaForTokenClassification(_TokenClassifier): ...
class SmolLM3ForCausalLM(_CausalLM): ...
class SmolLM3ForSequenceClassification(_SequenceClassifier): ...
class T5ForConditionalGeneration(_Seq2SeqLM): ...
class T5ForSequenceClassification(_SequenceClassifier): ...
class TapasForMaskedLM(_MaskedLM): ...
class TapasForQuestionAnswering(_TableQuestionAnswering): ...
class TapasForSequenceClassification(_SequenceClassifier): ...
class XLMRobertaForMaskedLM(_MaskedLM): ...
class XLMRobertaForMultipleChoice(_MultipleChoice): ...
class XLMRobertaForQuestionAnswering(_QuestionAnswering): ...
class XLMRobertaForSequenceClassification(_SequenceClassifier): ...
class XLMRobertaForTokenClassification(_TokenClassifier): ...

AlbertTokenizerFast = AlbertTokenizer
BertTokenizerFast = BertTokenizer
BigBirdTokenizerFast = BigBirdTokenizer
CamembertTokenizerFast = CamembertTokenizer
DebertaTokenizerFast = DebertaTokenizer
DebertaV2TokenizerFast = DebertaV2Tokenizer
DistilBertTokenizerFast = DistilBertTokenizer
ElectraTokenizerFast = ElectraTokenizer
GPT2TokenizerFast = GPT2Tokenizer
GemmaTokenizerFast = GemmaTokenizer
LayoutLMTokenizer = BertTokenizer
LayoutLMTokenizerFast = BertTokenizer
LayoutLMv2TokenizerFast = LayoutLMv2Tokenizer
LayoutLMv3FeatureExtractor = LayoutLMv3ImageProcessor
LayoutLMv3ImageProcessorFast = LayoutLMv3ImageProcessor
LayoutLMv3TokenizerFast = LayoutLMv3Tokenizer
LayoutXLMTokenizerFast = LayoutXLMTokenizer
LlamaTokenizerFast = LlamaTokenizer
LongformerTokenizer = RobertaTokenizer
LongformerTokenizerFast = RobertaTokenizer
MPNetTokenizerFast = MPNetTokenizer
NerPipeline = TokenClassificationPipeline
PreTrainedTokenizerFast = PreTrainedTokenizer
RobertaTokenizerFast = RobertaTokenizer
T5TokenizerFast = T5Tokenizer
XLMRobertaTokenizerFast = XLMRobertaTokenizer
