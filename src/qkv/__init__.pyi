"""What the public names are, for type checkers and editors. tools/public.py writes this file."""

from typing import Any

from torch import Tensor

from .auto import AutoBackbone as AutoBackbone
from .auto import AutoConfig as AutoConfig
from .auto import AutoImageProcessor as AutoImageProcessor
from .auto import AutoModel as AutoModel
from .auto import AutoModelForCausalLM as AutoModelForCausalLM
from .auto import AutoModelForDepthEstimation as AutoModelForDepthEstimation
from .auto import AutoModelForDocumentQuestionAnswering as AutoModelForDocumentQuestionAnswering
from .auto import AutoModelForImageClassification as AutoModelForImageClassification
from .auto import AutoModelForImageSegmentation as AutoModelForImageSegmentation
from .auto import AutoModelForInstanceSegmentation as AutoModelForInstanceSegmentation
from .auto import AutoModelForMaskedImageModeling as AutoModelForMaskedImageModeling
from .auto import AutoModelForMaskedLM as AutoModelForMaskedLM
from .auto import AutoModelForMaskGeneration as AutoModelForMaskGeneration
from .auto import AutoModelForMultipleChoice as AutoModelForMultipleChoice
from .auto import AutoModelForNextSentencePrediction as AutoModelForNextSentencePrediction
from .auto import AutoModelForObjectDetection as AutoModelForObjectDetection
from .auto import AutoModelForPreTraining as AutoModelForPreTraining
from .auto import AutoModelForQuestionAnswering as AutoModelForQuestionAnswering
from .auto import AutoModelForSemanticSegmentation as AutoModelForSemanticSegmentation
from .auto import AutoModelForSeq2SeqLM as AutoModelForSeq2SeqLM
from .auto import AutoModelForSequenceClassification as AutoModelForSequenceClassification
from .auto import AutoModelForTableQuestionAnswering as AutoModelForTableQuestionAnswering
from .auto import AutoModelForTokenClassification as AutoModelForTokenClassification
from .auto import AutoModelForUniversalSegmentation as AutoModelForUniversalSegmentation
from .auto import AutoModelForZeroShotImageClassification as AutoModelForZeroShotImageClassification
from .auto import AutoModelForZeroShotObjectDetection as AutoModelForZeroShotObjectDetection
from .auto import AutoPeftModel as AutoPeftModel
from .auto import AutoPeftModelForCausalLM as AutoPeftModelForCausalLM
from .auto import AutoPeftModelForQuestionAnswering as AutoPeftModelForQuestionAnswering
from .auto import AutoPeftModelForSeq2SeqLM as AutoPeftModelForSeq2SeqLM
from .auto import AutoPeftModelForSequenceClassification as AutoPeftModelForSequenceClassification
from .auto import AutoPeftModelForTokenClassification as AutoPeftModelForTokenClassification
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
from .models.beit import BeitConfig as BeitConfig
from .models.beit import BeitModel as BeitModel
from .models.bert import BertConfig as BertConfig
from .models.bert import BertModel as BertModel
from .models.big_bird import BigBirdConfig as BigBirdConfig
from .models.big_bird import BigBirdModel as BigBirdModel
from .models.camembert import CamembertConfig as CamembertConfig
from .models.camembert import CamembertModel as CamembertModel
from .models.clip import CLIPConfig as CLIPConfig
from .models.clip import CLIPModel as CLIPModel
from .models.clip import CLIPTextConfig as CLIPTextConfig
from .models.clip import CLIPTextModel as CLIPTextModel
from .models.clip import CLIPVisionConfig as CLIPVisionConfig
from .models.clip import CLIPVisionModel as CLIPVisionModel
from .models.conditional_detr import ConditionalDetrConfig as ConditionalDetrConfig
from .models.conditional_detr import ConditionalDetrModel as ConditionalDetrModel
from .models.convnext import ConvNextConfig as ConvNextConfig
from .models.convnext import ConvNextModel as ConvNextModel
from .models.convnextv2 import ConvNextV2Config as ConvNextV2Config
from .models.convnextv2 import ConvNextV2Model as ConvNextV2Model
from .models.data2vec_vision import Data2VecVisionConfig as Data2VecVisionConfig
from .models.data2vec_vision import Data2VecVisionModel as Data2VecVisionModel
from .models.deberta import DebertaConfig as DebertaConfig
from .models.deberta import DebertaModel as DebertaModel
from .models.deberta_v2 import DebertaV2Config as DebertaV2Config
from .models.deberta_v2 import DebertaV2Model as DebertaV2Model
from .models.deformable_detr import DeformableDetrConfig as DeformableDetrConfig
from .models.deformable_detr import DeformableDetrModel as DeformableDetrModel
from .models.deit import DeiTConfig as DeiTConfig
from .models.deit import DeiTModel as DeiTModel
from .models.depth_anything import DepthAnythingConfig as DepthAnythingConfig
from .models.depth_anything import DepthAnythingModel as DepthAnythingModel
from .models.detr import DetrConfig as DetrConfig
from .models.detr import DetrModel as DetrModel
from .models.dinov2 import Dinov2Config as Dinov2Config
from .models.dinov2 import Dinov2Model as Dinov2Model
from .models.dinov2_with_registers import Dinov2WithRegistersConfig as Dinov2WithRegistersConfig
from .models.dinov2_with_registers import Dinov2WithRegistersModel as Dinov2WithRegistersModel
from .models.distilbert import DistilBertConfig as DistilBertConfig
from .models.distilbert import DistilBertModel as DistilBertModel
from .models.dpt import DPTConfig as DPTConfig
from .models.dpt import DPTModel as DPTModel
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
from .models.mask2former import Mask2FormerConfig as Mask2FormerConfig
from .models.mask2former import Mask2FormerModel as Mask2FormerModel
from .models.maskformer import MaskFormerConfig as MaskFormerConfig
from .models.maskformer import MaskFormerModel as MaskFormerModel
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
from .models.owlvit import OwlViTConfig as OwlViTConfig
from .models.owlvit import OwlViTModel as OwlViTModel
from .models.owlvit import OwlViTTextConfig as OwlViTTextConfig
from .models.owlvit import OwlViTTextModel as OwlViTTextModel
from .models.owlvit import OwlViTVisionConfig as OwlViTVisionConfig
from .models.owlvit import OwlViTVisionModel as OwlViTVisionModel
from .models.phi3 import Phi3Config as Phi3Config
from .models.phi3 import Phi3Model as Phi3Model
from .models.qwen2 import Qwen2Config as Qwen2Config
from .models.qwen2 import Qwen2Model as Qwen2Model
from .models.qwen3 import Qwen3Config as Qwen3Config
from .models.qwen3 import Qwen3Model as Qwen3Model
from .models.resnet import ResNetConfig as ResNetConfig
from .models.resnet import ResNetModel as ResNetModel
from .models.roberta import RobertaConfig as RobertaConfig
from .models.roberta import RobertaModel as RobertaModel
from .models.rt_detr import RTDetrConfig as RTDetrConfig
from .models.rt_detr import RTDetrModel as RTDetrModel
from .models.rt_detr_resnet import RTDetrResNetConfig as RTDetrResNetConfig
from .models.rt_detr_resnet import RTDetrResNetModel as RTDetrResNetModel
from .models.sam import SamConfig as SamConfig
from .models.sam import SamMaskDecoderConfig as SamMaskDecoderConfig
from .models.sam import SamModel as SamModel
from .models.sam import SamPromptEncoderConfig as SamPromptEncoderConfig
from .models.sam_vision import SamVisionConfig as SamVisionConfig
from .models.sam_vision import SamVisionModel as SamVisionModel
from .models.segformer import SegformerConfig as SegformerConfig
from .models.segformer import SegformerModel as SegformerModel
from .models.siglip import SiglipConfig as SiglipConfig
from .models.siglip import SiglipModel as SiglipModel
from .models.siglip import SiglipTextConfig as SiglipTextConfig
from .models.siglip import SiglipTextModel as SiglipTextModel
from .models.siglip import SiglipVisionConfig as SiglipVisionConfig
from .models.siglip import SiglipVisionModel as SiglipVisionModel
from .models.smollm3 import SmolLM3Config as SmolLM3Config
from .models.smollm3 import SmolLM3Model as SmolLM3Model
from .models.swin import SwinConfig as SwinConfig
from .models.swin import SwinModel as SwinModel
from .models.t5 import T5Config as T5Config
from .models.t5 import T5Model as T5Model
from .models.tapas import TapasConfig as TapasConfig
from .models.tapas import TapasModel as TapasModel
from .models.task import TaskModel
from .models.vit import ViTConfig as ViTConfig
from .models.vit import ViTModel as ViTModel
from .models.xlm_roberta import XLMRobertaConfig as XLMRobertaConfig
from .models.xlm_roberta import XLMRobertaModel as XLMRobertaModel
from .models.yolos import YolosConfig as YolosConfig
from .models.yolos import YolosModel as YolosModel
from .outputs import (
    BackboneOutput,
    CausalLMOutput,
    DeformableObjectDetectionOutput,
    DeiTForImageClassificationWithTeacherOutput,
    DepthEstimatorOutput,
    GroundedObjectDetectionOutput,
    ImageClassifierOutput,
    ImageEmbedsOutput,
    MaskedImageModelingOutput,
    MaskedLMOutput,
    MaskQueriesOutput,
    MultipleChoiceOutput,
    NextSentencePredictorOutput,
    ObjectDetectionOutput,
    ObjectMasksOutput,
    PreTrainingOutput,
    QuestionAnsweringOutput,
    RefiningDetectionOutput,
    ReplacedTokensOutput,
    SemanticSegmenterOutput,
    SentenceOrderOutput,
    Seq2SeqLMOutput,
    SequenceClassifierOutput,
    TableQuestionAnsweringOutput,
    TextEmbedsOutput,
    TokenClassifierOutput,
)
from .outputs import ModelOutput as ModelOutput
from .pipelines import Pipeline as Pipeline
from .pipelines import pipeline as pipeline
from .pipelines.depth_estimation import DepthEstimationPipeline as DepthEstimationPipeline
from .pipelines.document_question_answering import (
    DocumentQuestionAnsweringPipeline as DocumentQuestionAnsweringPipeline,
)
from .pipelines.feature_extraction import FeatureExtractionPipeline as FeatureExtractionPipeline
from .pipelines.fill_mask import FillMaskPipeline as FillMaskPipeline
from .pipelines.image_classification import ImageClassificationPipeline as ImageClassificationPipeline
from .pipelines.image_feature_extraction import ImageFeatureExtractionPipeline as ImageFeatureExtractionPipeline
from .pipelines.image_segmentation import ImageSegmentationPipeline as ImageSegmentationPipeline
from .pipelines.mask_generation import MaskGenerationPipeline as MaskGenerationPipeline
from .pipelines.object_detection import ObjectDetectionPipeline as ObjectDetectionPipeline
from .pipelines.question_answering import QuestionAnsweringPipeline as QuestionAnsweringPipeline
from .pipelines.sentence_similarity import SentenceSimilarityPipeline as SentenceSimilarityPipeline
from .pipelines.table_question_answering import TableQuestionAnsweringPipeline as TableQuestionAnsweringPipeline
from .pipelines.text_classification import TextClassificationPipeline as TextClassificationPipeline
from .pipelines.text_generation import TextGenerationPipeline as TextGenerationPipeline
from .pipelines.text_ranking import TextRankingPipeline as TextRankingPipeline
from .pipelines.token_classification import AggregationStrategy as AggregationStrategy
from .pipelines.token_classification import TokenClassificationPipeline as TokenClassificationPipeline
from .pipelines.zero_shot_classification import ZeroShotClassificationPipeline as ZeroShotClassificationPipeline
from .pipelines.zero_shot_image_classification import (
    ZeroShotImageClassificationPipeline as ZeroShotImageClassificationPipeline,
)
from .pipelines.zero_shot_object_detection import ZeroShotObjectDetectionPipeline as ZeroShotObjectDetectionPipeline
from .preprocessing.image import load_image as load_image
from .preprocessing.image_processor import ImageProcessor as ImageProcessor
from .preprocessing.images.batch import BatchFeature as BatchFeature
from .preprocessing.images.classification import BitImageProcessor as BitImageProcessor
from .preprocessing.images.classification import BlipImageProcessor as BlipImageProcessor
from .preprocessing.images.classification import ChineseCLIPImageProcessor as ChineseCLIPImageProcessor
from .preprocessing.images.classification import CLIPImageProcessor as CLIPImageProcessor
from .preprocessing.images.classification import ConvNextImageProcessor as ConvNextImageProcessor
from .preprocessing.images.classification import DeiTImageProcessor as DeiTImageProcessor
from .preprocessing.images.classification import LayoutLMv3ImageProcessor as LayoutLMv3ImageProcessor
from .preprocessing.images.classification import PvtImageProcessor as PvtImageProcessor
from .preprocessing.images.classification import SiglipImageProcessor as SiglipImageProcessor
from .preprocessing.images.classification import ViTImageProcessor as ViTImageProcessor
from .preprocessing.images.detection import ConditionalDetrImageProcessor as ConditionalDetrImageProcessor
from .preprocessing.images.detection import DeformableDetrImageProcessor as DeformableDetrImageProcessor
from .preprocessing.images.detection import DetrImageProcessor as DetrImageProcessor
from .preprocessing.images.detection import OwlViTImageProcessor as OwlViTImageProcessor
from .preprocessing.images.detection import RTDetrImageProcessor as RTDetrImageProcessor
from .preprocessing.images.detection import YolosImageProcessor as YolosImageProcessor
from .preprocessing.images.segmentation import BeitImageProcessor as BeitImageProcessor
from .preprocessing.images.segmentation import DPTImageProcessor as DPTImageProcessor
from .preprocessing.images.segmentation import Mask2FormerImageProcessor as Mask2FormerImageProcessor
from .preprocessing.images.segmentation import MaskFormerImageProcessor as MaskFormerImageProcessor
from .preprocessing.images.segmentation import SamImageProcessor as SamImageProcessor
from .preprocessing.images.segmentation import SegformerImageProcessor as SegformerImageProcessor
from .preprocessing.processor import CLIPProcessor as CLIPProcessor
from .preprocessing.processor import LayoutLMv3Processor as LayoutLMv3Processor
from .preprocessing.processor import OwlViTProcessor as OwlViTProcessor
from .preprocessing.processor import SiglipProcessor as SiglipProcessor
from .preprocessing.sam_processor import SamProcessor as SamProcessor
from .preprocessing.tokenizers import AlbertTokenizer as AlbertTokenizer
from .preprocessing.tokenizers import BatchEncoding as BatchEncoding
from .preprocessing.tokenizers import BertTokenizer as BertTokenizer
from .preprocessing.tokenizers import BigBirdTokenizer as BigBirdTokenizer
from .preprocessing.tokenizers import CamembertTokenizer as CamembertTokenizer
from .preprocessing.tokenizers import CLIPTokenizer as CLIPTokenizer
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
from .preprocessing.tokenizers import SiglipTokenizer as SiglipTokenizer
from .preprocessing.tokenizers import T5Tokenizer as T5Tokenizer
from .preprocessing.tokenizers import TapasTokenizer as TapasTokenizer
from .preprocessing.tokenizers import XLMRobertaTokenizer as XLMRobertaTokenizer
from .seed import enable_full_determinism as enable_full_determinism
from .seed import set_seed as set_seed
from .training.adapters.lora import LoraConfig as LoraConfig
from .training.adapters.lora import PeftModel as PeftModel
from .training.adapters.lora import TaskType as TaskType
from .training.adapters.lora import get_peft_model as get_peft_model
from .training.adapters.lora import load_adapter as load_adapter
from .training.arguments import TrainingArguments as TrainingArguments
from .training.callbacks import CallbackHandler as CallbackHandler
from .training.callbacks import DefaultFlowCallback as DefaultFlowCallback
from .training.callbacks import EarlyStoppingCallback as EarlyStoppingCallback
from .training.callbacks import TrainerCallback as TrainerCallback
from .training.checkpoint import get_last_checkpoint as get_last_checkpoint
from .training.data.collators import DataCollatorForMultipleChoice as DataCollatorForMultipleChoice
from .training.data.collators import DataCollatorForSeq2Seq as DataCollatorForSeq2Seq
from .training.data.collators import DataCollatorForTokenClassification as DataCollatorForTokenClassification
from .training.data.collators import DataCollatorWithPadding as DataCollatorWithPadding
from .training.data.collators import DefaultDataCollator as DefaultDataCollator
from .training.data.collators import default_data_collator as default_data_collator
from .training.data.flattening import DataCollatorWithFlattening as DataCollatorWithFlattening
from .training.data.masking import DataCollatorForLanguageModeling as DataCollatorForLanguageModeling
from .training.data.masking import DataCollatorForWholeWordMask as DataCollatorForWholeWordMask
from .training.data.reading import read_rows as read_rows
from .training.metrics import EvalPrediction as EvalPrediction
from .training.metrics import compute_metrics_for as compute_metrics_for
from .training.metrics import load_metric as load_metric
from .training.optim.adafactor import Adafactor as Adafactor
from .training.optim.adafactor import AdafactorSchedule as AdafactorSchedule
from .training.optim.adafactor import get_adafactor_schedule as get_adafactor_schedule
from .training.optim.average import WeightAverage as WeightAverage
from .training.optim.choose import layerwise_groups as layerwise_groups
from .training.optim.greedy import GreedyLR as GreedyLR
from .training.optim.schedules import SchedulerType as SchedulerType
from .training.optim.schedules import get_constant_schedule as get_constant_schedule
from .training.optim.schedules import get_constant_schedule_with_warmup as get_constant_schedule_with_warmup
from .training.optim.schedules import get_cosine_schedule_with_warmup as get_cosine_schedule_with_warmup
from .training.optim.schedules import (
    get_cosine_with_hard_restarts_schedule_with_warmup as get_cosine_with_hard_restarts_schedule_with_warmup,
)
from .training.optim.schedules import (
    get_cosine_with_min_lr_schedule_with_warmup as get_cosine_with_min_lr_schedule_with_warmup,
)
from .training.optim.schedules import (
    get_cosine_with_min_lr_schedule_with_warmup_lr_rate as get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
)
from .training.optim.schedules import get_greedy_schedule as get_greedy_schedule
from .training.optim.schedules import get_inverse_sqrt_schedule as get_inverse_sqrt_schedule
from .training.optim.schedules import get_linear_schedule_with_warmup as get_linear_schedule_with_warmup
from .training.optim.schedules import (
    get_polynomial_decay_schedule_with_warmup as get_polynomial_decay_schedule_with_warmup,
)
from .training.optim.schedules import get_reduce_on_plateau_schedule as get_reduce_on_plateau_schedule
from .training.optim.schedules import get_scheduler as get_scheduler
from .training.optim.schedules import get_wsd_schedule as get_wsd_schedule
from .training.parser import HfArgumentParser as HfArgumentParser
from .training.preparing import Prepared as Prepared
from .training.preparing import prepare_training as prepare_training
from .training.reporting.history import History as History
from .training.reporting.loggers import MLflowCallback as MLflowCallback
from .training.reporting.loggers import TensorBoardCallback as TensorBoardCallback
from .training.reporting.loggers import WandbCallback as WandbCallback
from .training.reporting.notebook import NotebookProgressCallback as NotebookProgressCallback
from .training.reporting.progress import PrinterCallback as PrinterCallback
from .training.reporting.progress import ProgressCallback as ProgressCallback
from .training.seq2seq import Seq2SeqTrainer as Seq2SeqTrainer
from .training.seq2seq import Seq2SeqTrainingArguments as Seq2SeqTrainingArguments
from .training.state import TrainerControl as TrainerControl
from .training.state import TrainerState as TrainerState
from .training.trainer import Trainer as Trainer
from .training.tuning.search import BestRun as BestRun
from .training.tuning.search import default_compute_objective as default_compute_objective
from .training.tuning.search import default_hp_space_optuna as default_hp_space_optuna

__version__: str
__all__: list[str]

class _Backbone(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        **inputs: Any,
    ) -> BackboneOutput: ...

class _CausalLM(GenerationMixin, TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> CausalLMOutput: ...

class _DeformableObjectDetection(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> DeformableObjectDetectionOutput: ...

class _DeiTForImageClassificationWithTeacher(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        **inputs: Any,
    ) -> DeiTForImageClassificationWithTeacherOutput: ...

class _DepthEstimator(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> DepthEstimatorOutput: ...

class _GroundedObjectDetection(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        **inputs: Any,
    ) -> GroundedObjectDetectionOutput: ...

class _ImageClassifier(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> ImageClassifierOutput: ...

class _ImageEmbeds(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        **inputs: Any,
    ) -> ImageEmbedsOutput: ...

class _MaskQueries(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        *,
        mask_labels: Tensor | None = ...,
        class_labels: Tensor | None = ...,
        **inputs: Any,
    ) -> MaskQueriesOutput: ...

class _MaskedImageModeling(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        **inputs: Any,
    ) -> MaskedImageModelingOutput: ...

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

class _ObjectDetection(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> ObjectDetectionOutput: ...

class _ObjectMasks(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> ObjectMasksOutput: ...

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

class _RefiningDetection(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> RefiningDetectionOutput: ...

class _ReplacedTokens(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> ReplacedTokensOutput: ...

class _SemanticSegmenter(TaskModel):
    def __call__(
        self,
        pixel_values: Tensor | None = ...,
        *,
        labels: Tensor | None = ...,
        **inputs: Any,
    ) -> SemanticSegmenterOutput: ...

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

class _TextEmbeds(TaskModel):
    def __call__(
        self,
        input_ids: Tensor | None = ...,
        attention_mask: Tensor | None = ...,
        **inputs: Any,
    ) -> TextEmbedsOutput: ...

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
class BeitBackbone(_Backbone): ...
class BeitForImageClassification(_ImageClassifier): ...
class BeitForMaskedImageModeling(_MaskedLM): ...
class BeitForSemanticSegmentation(_SemanticSegmenter): ...
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
class CLIPForImageClassification(_ImageClassifier): ...
class CLIPTextModelWithProjection(_TextEmbeds): ...
class CLIPVisionModelWithProjection(_ImageEmbeds): ...
class CamembertForMaskedLM(_MaskedLM): ...
class CamembertForMultipleChoice(_MultipleChoice): ...
class CamembertForQuestionAnswering(_QuestionAnswering): ...
class CamembertForSequenceClassification(_SequenceClassifier): ...
class CamembertForTokenClassification(_TokenClassifier): ...
class ConditionalDetrForObjectDetection(_ObjectDetection): ...
class ConditionalDetrForSegmentation(_ObjectMasks): ...
class ConvNextBackbone(_Backbone): ...
class ConvNextForImageClassification(_ImageClassifier): ...
class ConvNextV2Backbone(_Backbone): ...
class ConvNextV2ForImageClassification(_ImageClassifier): ...
class DPTForDepthEstimation(_DepthEstimator): ...
class DPTForSemanticSegmentation(_SemanticSegmenter): ...
class Data2VecVisionForImageClassification(_ImageClassifier): ...
class DebertaForMaskedLM(_MaskedLM): ...
class DebertaForQuestionAnswering(_QuestionAnswering): ...
class DebertaForSequenceClassification(_SequenceClassifier): ...
class DebertaForTokenClassification(_TokenClassifier): ...
class DebertaV2ForMaskedLM(_MaskedLM): ...
class DebertaV2ForMultipleChoice(_MultipleChoice): ...
class DebertaV2ForQuestionAnswering(_QuestionAnswering): ...
class DebertaV2ForSequenceClassification(_SequenceClassifier): ...
class DebertaV2ForTokenClassification(_TokenClassifier): ...
class DeformableDetrForObjectDetection(_DeformableObjectDetection): ...
class DeiTForImageClassification(_ImageClassifier): ...
class DeiTForImageClassificationWithTeacher(_DeiTForImageClassificationWithTeacher): ...
class DeiTForMaskedImageModeling(_MaskedImageModeling): ...
class DepthAnythingForDepthEstimation(_DepthEstimator): ...
class DetrForObjectDetection(_ObjectDetection): ...
class DetrForSegmentation(_ObjectMasks): ...
class Dinov2Backbone(_Backbone): ...
class Dinov2ForImageClassification(_ImageClassifier): ...
class Dinov2WithRegistersBackbone(_Backbone): ...
class Dinov2WithRegistersForImageClassification(_ImageClassifier): ...
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
class Mask2FormerForUniversalSegmentation(_MaskQueries): ...
class MaskFormerForInstanceSegmentation(_MaskQueries): ...
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
class OwlViTForObjectDetection(_GroundedObjectDetection): ...
class Phi3ForCausalLM(_CausalLM): ...
class Phi3ForSequenceClassification(_SequenceClassifier): ...
class Qwen2ForCausalLM(_CausalLM): ...
class Qwen2ForSequenceClassification(_SequenceClassifier): ...
class Qwen3ForCausalLM(_CausalLM): ...
class Qwen3ForSequenceClassification(_SequenceClassifier): ...
class RTDetrForObjectDetection(_RefiningDetection): ...
class RTDetrResNetBackbone(_Backbone): ...
class ResNetBackbone(_Backbone): ...
class ResNetForImageClassification(_ImageClassifier): ...
class RobertaForMaskedLM(_MaskedLM): ...
class RobertaForMultipleChoice(_MultipleChoice): ...
class RobertaForQuestionAnswering(_QuestionAnswering): ...
class RobertaForSequenceClassification(_SequenceClassifier): ...
class RobertaForTokenClassification(_TokenClassifier): ...
class SegformerForImageClassification(_ImageClassifier): ...
class SegformerForSemanticSegmentation(_SemanticSegmenter): ...
class SiglipForImageClassification(_ImageClassifier): ...
class SmolLM3ForCausalLM(_CausalLM): ...
class SmolLM3ForSequenceClassification(_SequenceClassifier): ...
class SwinBackbone(_Backbone): ...
class SwinForImageClassification(_ImageClassifier): ...
class SwinForMaskedImageModeling(_MaskedImageModeling): ...
class T5ForConditionalGeneration(_Seq2SeqLM): ...
class T5ForSequenceClassification(_SequenceClassifier): ...
class TapasForMaskedLM(_MaskedLM): ...
class TapasForQuestionAnswering(_TableQuestionAnswering): ...
class TapasForSequenceClassification(_SequenceClassifier): ...
class ViTForImageClassification(_ImageClassifier): ...
class ViTForMaskedImageModeling(_MaskedImageModeling): ...
class XLMRobertaForMaskedLM(_MaskedLM): ...
class XLMRobertaForMultipleChoice(_MultipleChoice): ...
class XLMRobertaForQuestionAnswering(_QuestionAnswering): ...
class XLMRobertaForSequenceClassification(_SequenceClassifier): ...
class XLMRobertaForTokenClassification(_TokenClassifier): ...
class YolosForObjectDetection(_ObjectDetection): ...

AlbertTokenizerFast = AlbertTokenizer
BeitFeatureExtractor = BeitImageProcessor
BeitImageProcessorFast = BeitImageProcessor
BertTokenizerFast = BertTokenizer
BigBirdTokenizerFast = BigBirdTokenizer
BitFeatureExtractor = BitImageProcessor
BitImageProcessorFast = BitImageProcessor
BlipFeatureExtractor = BlipImageProcessor
BlipImageProcessorFast = BlipImageProcessor
CLIPFeatureExtractor = CLIPImageProcessor
CLIPImageProcessorFast = CLIPImageProcessor
CLIPTokenizerFast = CLIPTokenizer
CamembertTokenizerFast = CamembertTokenizer
ChineseCLIPFeatureExtractor = ChineseCLIPImageProcessor
ChineseCLIPImageProcessorFast = ChineseCLIPImageProcessor
ConditionalDetrFeatureExtractor = ConditionalDetrImageProcessor
ConditionalDetrImageProcessorFast = ConditionalDetrImageProcessor
ConvNextFeatureExtractor = ConvNextImageProcessor
ConvNextImageProcessorFast = ConvNextImageProcessor
DPTFeatureExtractor = DPTImageProcessor
DPTImageProcessorFast = DPTImageProcessor
DebertaTokenizerFast = DebertaTokenizer
DebertaV2TokenizerFast = DebertaV2Tokenizer
DeformableDetrFeatureExtractor = DeformableDetrImageProcessor
DeformableDetrImageProcessorFast = DeformableDetrImageProcessor
DeiTFeatureExtractor = DeiTImageProcessor
DeiTImageProcessorFast = DeiTImageProcessor
DetrFeatureExtractor = DetrImageProcessor
DetrImageProcessorFast = DetrImageProcessor
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
Mask2FormerFeatureExtractor = Mask2FormerImageProcessor
Mask2FormerImageProcessorFast = Mask2FormerImageProcessor
MaskFormerFeatureExtractor = MaskFormerImageProcessor
MaskFormerImageProcessorFast = MaskFormerImageProcessor
NerPipeline = TokenClassificationPipeline
OwlViTFeatureExtractor = OwlViTImageProcessor
OwlViTImageProcessorFast = OwlViTImageProcessor
PreTrainedTokenizerFast = PreTrainedTokenizer
PvtFeatureExtractor = PvtImageProcessor
PvtImageProcessorFast = PvtImageProcessor
RTDetrFeatureExtractor = RTDetrImageProcessor
RTDetrImageProcessorFast = RTDetrImageProcessor
RobertaTokenizerFast = RobertaTokenizer
SamFeatureExtractor = SamImageProcessor
SamImageProcessorFast = SamImageProcessor
SegformerFeatureExtractor = SegformerImageProcessor
SegformerImageProcessorFast = SegformerImageProcessor
SiglipFeatureExtractor = SiglipImageProcessor
SiglipImageProcessorFast = SiglipImageProcessor
T5TokenizerFast = T5Tokenizer
ViTFeatureExtractor = ViTImageProcessor
ViTImageProcessorFast = ViTImageProcessor
XLMRobertaTokenizerFast = XLMRobertaTokenizer
YolosFeatureExtractor = YolosImageProcessor
YolosImageProcessorFast = YolosImageProcessor
