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
        "AutoConfig AutoImageProcessor AutoModel AutoModelForCausalLM AutoModelForDocumentQuestionAnswering "
        "AutoModelForMaskedLM AutoModelForMultipleChoice AutoModelForNextSentencePrediction AutoModelForPreTraining "
        "AutoModelForQuestionAnswering AutoModelForSeq2SeqLM AutoModelForSequenceClassification "
        "AutoModelForTableQuestionAnswering AutoModelForTokenClassification AutoProcessor AutoTokenizer"
    ),
    "backends.quantize": "quantize",
    "config": "Config",
    "generation.config": "GenerationConfig",
    "generation.constraints": "Constraint ConstraintListState DisjunctiveConstraint PhrasalConstraint",
    "generation.logits": (
        "ClassifierFreeGuidanceLogitsProcessor EncoderNoRepeatNGramLogitsProcessor "
        "EncoderRepetitionPenaltyLogitsProcessor EpsilonLogitsWarper EtaLogitsWarper ExponentialDecayLengthPenalty "
        "ForcedBOSTokenLogitsProcessor ForcedEOSTokenLogitsProcessor GrammarLogitsProcessor "
        "HammingDiversityLogitsProcessor InfNanRemoveLogitsProcessor LogitNormalization LogitsProcessor "
        "LogitsProcessorList MinLengthLogitsProcessor MinNewTokensLengthLogitsProcessor MinPLogitsWarper "
        "NoBadWordsLogitsProcessor NoRepeatNGramLogitsProcessor PrefixConstrainedLogitsProcessor "
        "RepetitionPenaltyLogitsProcessor SequenceBiasLogitsProcessor SuppressTokensAtBeginLogitsProcessor "
        "SuppressTokensLogitsProcessor SynthIDTextWatermarkLogitsProcessor SynthIDTextWatermarkingConfig "
        "TemperatureLogitsWarper TopHLogitsWarper TopKLogitsWarper TopPLogitsWarper TypicalLogitsWarper "
        "UnbatchedClassifierFreeGuidanceLogitsProcessor WatermarkDetector WatermarkDetectorOutput "
        "WatermarkLogitsProcessor WatermarkingConfig"
    ),
    "generation.mixin": "GenerationMixin",
    "generation.stopping": (
        "ConfidenceCriteria EosTokenCriteria MaxLengthCriteria MaxTimeCriteria StopStringCriteria StoppingCriteria "
        "StoppingCriteriaList"
    ),
    "generation.streamers": "AsyncTextIteratorStreamer BaseStreamer TextIteratorStreamer TextStreamer",
    "layers.cache": "Cache DynamicCache EncoderDecoderCache QuantizedCache StaticCache",
    "models.albert": (
        "AlbertConfig AlbertForMaskedLM AlbertForMultipleChoice AlbertForPreTraining AlbertForQuestionAnswering "
        "AlbertForSequenceClassification AlbertForTokenClassification AlbertModel"
    ),
    "models.base": "PreTrainedModel",
    "models.bert": (
        "BertConfig BertForMaskedLM BertForMultipleChoice BertForNextSentencePrediction BertForPreTraining "
        "BertForQuestionAnswering BertForSequenceClassification BertForTokenClassification BertModel"
    ),
    "models.big_bird": (
        "BigBirdConfig BigBirdForMaskedLM BigBirdForMultipleChoice BigBirdForQuestionAnswering "
        "BigBirdForSequenceClassification BigBirdForTokenClassification BigBirdModel"
    ),
    "models.camembert": (
        "CamembertConfig CamembertForMaskedLM CamembertForMultipleChoice CamembertForQuestionAnswering "
        "CamembertForSequenceClassification CamembertForTokenClassification CamembertModel"
    ),
    "models.deberta": (
        "DebertaConfig DebertaForMaskedLM DebertaForQuestionAnswering DebertaForSequenceClassification "
        "DebertaForTokenClassification DebertaModel"
    ),
    "models.deberta_v2": (
        "DebertaV2Config DebertaV2ForMaskedLM DebertaV2ForMultipleChoice DebertaV2ForQuestionAnswering "
        "DebertaV2ForSequenceClassification DebertaV2ForTokenClassification DebertaV2Model"
    ),
    "models.distilbert": (
        "DistilBertConfig DistilBertForMaskedLM DistilBertForMultipleChoice DistilBertForQuestionAnswering "
        "DistilBertForSequenceClassification DistilBertForTokenClassification DistilBertModel"
    ),
    "models.electra": (
        "ElectraConfig ElectraForMaskedLM ElectraForMultipleChoice ElectraForPreTraining ElectraForQuestionAnswering "
        "ElectraForSequenceClassification ElectraForTokenClassification ElectraModel"
    ),
    "models.gemma": "GemmaConfig GemmaForCausalLM GemmaForSequenceClassification GemmaModel",
    "models.gemma2": "Gemma2Config Gemma2ForCausalLM Gemma2ForSequenceClassification Gemma2Model",
    "models.gemma3": "Gemma3ForCausalLM Gemma3TextConfig Gemma3TextForSequenceClassification Gemma3TextModel",
    "models.gpt2": "GPT2Config GPT2ForSequenceClassification GPT2LMHeadModel GPT2Model",
    "models.gpt_neox": "GPTNeoXConfig GPTNeoXForCausalLM GPTNeoXForSequenceClassification GPTNeoXModel",
    "models.granite": "GraniteConfig GraniteForCausalLM GraniteForSequenceClassification GraniteModel",
    "models.layoutlm": (
        "LayoutLMConfig LayoutLMForMaskedLM LayoutLMForQuestionAnswering LayoutLMForSequenceClassification "
        "LayoutLMForTokenClassification LayoutLMModel"
    ),
    "models.layoutlmv3": (
        "LayoutLMv3Config LayoutLMv3ForQuestionAnswering LayoutLMv3ForSequenceClassification "
        "LayoutLMv3ForTokenClassification LayoutLMv3Model"
    ),
    "models.lilt": (
        "LiltConfig LiltForQuestionAnswering LiltForSequenceClassification LiltForTokenClassification LiltModel"
    ),
    "models.llama": "LlamaConfig LlamaForCausalLM LlamaForSequenceClassification LlamaModel",
    "models.longformer": (
        "LongformerConfig LongformerForMaskedLM LongformerForMultipleChoice LongformerForQuestionAnswering "
        "LongformerForSequenceClassification LongformerForTokenClassification LongformerModel"
    ),
    "models.mistral": "MistralConfig MistralForCausalLM MistralForSequenceClassification MistralModel",
    "models.modernbert": (
        "ModernBertConfig ModernBertForMaskedLM ModernBertForMultipleChoice ModernBertForQuestionAnswering "
        "ModernBertForSequenceClassification ModernBertForTokenClassification ModernBertModel"
    ),
    "models.mpnet": (
        "MPNetConfig MPNetForMaskedLM MPNetForMultipleChoice MPNetForQuestionAnswering "
        "MPNetForSequenceClassification MPNetForTokenClassification MPNetModel"
    ),
    "models.nomic_bert": (
        "NomicBertConfig NomicBertForMaskedLM NomicBertForSequenceClassification NomicBertForTokenClassification "
        "NomicBertModel"
    ),
    "models.olmo2": "Olmo2Config Olmo2ForCausalLM Olmo2ForSequenceClassification Olmo2Model",
    "models.opt": "OPTConfig OPTForCausalLM OPTForSequenceClassification OPTModel",
    "models.phi3": "Phi3Config Phi3ForCausalLM Phi3ForSequenceClassification Phi3Model",
    "models.qwen2": "Qwen2Config Qwen2ForCausalLM Qwen2ForSequenceClassification Qwen2Model",
    "models.qwen3": "Qwen3Config Qwen3ForCausalLM Qwen3ForSequenceClassification Qwen3Model",
    "models.roberta": (
        "RobertaConfig RobertaForMaskedLM RobertaForMultipleChoice RobertaForQuestionAnswering "
        "RobertaForSequenceClassification RobertaForTokenClassification RobertaModel"
    ),
    "models.smollm3": "SmolLM3Config SmolLM3ForCausalLM SmolLM3ForSequenceClassification SmolLM3Model",
    "models.t5": "T5Config T5ForConditionalGeneration T5ForSequenceClassification T5Model",
    "models.tapas": "TapasConfig TapasForMaskedLM TapasForQuestionAnswering TapasForSequenceClassification TapasModel",
    "models.xlm_roberta": (
        "XLMRobertaConfig XLMRobertaForMaskedLM XLMRobertaForMultipleChoice XLMRobertaForQuestionAnswering "
        "XLMRobertaForSequenceClassification XLMRobertaForTokenClassification XLMRobertaModel"
    ),
    "outputs": "ModelOutput",
    "pipelines": "Pipeline pipeline",
    "pipelines.document_question_answering": "DocumentQuestionAnsweringPipeline",
    "pipelines.feature_extraction": "FeatureExtractionPipeline",
    "pipelines.fill_mask": "FillMaskPipeline",
    "pipelines.question_answering": "QuestionAnsweringPipeline",
    "pipelines.sentence_similarity": "SentenceSimilarityPipeline",
    "pipelines.table_question_answering": "TableQuestionAnsweringPipeline",
    "pipelines.text_classification": "TextClassificationPipeline",
    "pipelines.text_generation": "TextGenerationPipeline",
    "pipelines.text_ranking": "TextRankingPipeline",
    "pipelines.token_classification": "AggregationStrategy NerPipeline TokenClassificationPipeline",
    "pipelines.zero_shot_classification": "ZeroShotClassificationPipeline",
    "preprocessing.image": "load_image",
    "preprocessing.image_processor": (
        "ImageProcessor LayoutLMv3FeatureExtractor LayoutLMv3ImageProcessor LayoutLMv3ImageProcessorFast"
    ),
    "preprocessing.processor": "LayoutLMv3Processor",
    "preprocessing.tokenizers": (
        "AlbertTokenizer AlbertTokenizerFast BatchEncoding BertTokenizer BertTokenizerFast BigBirdTokenizer "
        "BigBirdTokenizerFast CamembertTokenizer CamembertTokenizerFast DebertaTokenizer DebertaTokenizerFast "
        "DebertaV2Tokenizer DebertaV2TokenizerFast DistilBertTokenizer DistilBertTokenizerFast ElectraTokenizer "
        "ElectraTokenizerFast GPT2Tokenizer GPT2TokenizerFast GemmaTokenizer GemmaTokenizerFast LayoutLMTokenizer "
        "LayoutLMTokenizerFast LayoutLMv2Tokenizer LayoutLMv2TokenizerFast LayoutLMv3Tokenizer "
        "LayoutLMv3TokenizerFast LayoutXLMTokenizer LayoutXLMTokenizerFast LlamaTokenizer LlamaTokenizerFast "
        "LongformerTokenizer LongformerTokenizerFast MPNetTokenizer MPNetTokenizerFast PreTrainedTokenizer "
        "PreTrainedTokenizerFast RobertaTokenizer RobertaTokenizerFast T5Tokenizer T5TokenizerFast TapasTokenizer "
        "XLMRobertaTokenizer XLMRobertaTokenizerFast"
    ),
    "seed": "set_seed",
    "training.adafactor": "Adafactor AdafactorSchedule get_adafactor_schedule",
    "training.arguments": "TrainingArguments",
    "training.average": "WeightAverage",
    "training.callbacks": "DefaultFlowCallback EarlyStoppingCallback PrinterCallback ProgressCallback TrainerCallback",
    "training.checkpoint": "get_last_checkpoint",
    "training.collators": (
        "DataCollatorForMultipleChoice DataCollatorForSeq2Seq DataCollatorForTokenClassification "
        "DataCollatorWithPadding DefaultDataCollator default_data_collator"
    ),
    "training.flattening": "DataCollatorWithFlattening",
    "training.greedy": "GreedyLR",
    "training.lora": "LoraConfig PeftModel TaskType get_peft_model load_adapter",
    "training.masking": "DataCollatorForLanguageModeling DataCollatorForWholeWordMask",
    "training.metrics": "EvalPrediction compute_metrics_for",
    "training.optimizers": "layerwise_groups",
    "training.schedules": (
        "SchedulerType get_constant_schedule get_constant_schedule_with_warmup get_cosine_schedule_with_warmup "
        "get_cosine_with_hard_restarts_schedule_with_warmup get_cosine_with_min_lr_schedule_with_warmup "
        "get_cosine_with_min_lr_schedule_with_warmup_lr_rate get_greedy_schedule get_inverse_sqrt_schedule "
        "get_linear_schedule_with_warmup get_polynomial_decay_schedule_with_warmup get_reduce_on_plateau_schedule "
        "get_scheduler get_wsd_schedule"
    ),
    "training.state": "TrainerControl TrainerState",
    "training.trainer": "Trainer",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "__version__", "Adafactor", "AdafactorSchedule", "AggregationStrategy", "AlbertConfig", "AlbertForMaskedLM",
    "AlbertForMultipleChoice", "AlbertForPreTraining", "AlbertForQuestionAnswering", "AlbertForSequenceClassification",
    "AlbertForTokenClassification", "AlbertModel", "AlbertTokenizer", "AlbertTokenizerFast",
    "AsyncTextIteratorStreamer", "AutoConfig", "AutoImageProcessor", "AutoModel", "AutoModelForCausalLM",
    "AutoModelForDocumentQuestionAnswering", "AutoModelForMaskedLM", "AutoModelForMultipleChoice",
    "AutoModelForNextSentencePrediction", "AutoModelForPreTraining", "AutoModelForQuestionAnswering",
    "AutoModelForSeq2SeqLM", "AutoModelForSequenceClassification", "AutoModelForTableQuestionAnswering",
    "AutoModelForTokenClassification", "AutoProcessor", "AutoTokenizer", "BaseStreamer", "BatchEncoding", "BertConfig",
    "BertForMaskedLM", "BertForMultipleChoice", "BertForNextSentencePrediction", "BertForPreTraining",
    "BertForQuestionAnswering", "BertForSequenceClassification", "BertForTokenClassification", "BertModel",
    "BertTokenizer", "BertTokenizerFast", "BigBirdConfig", "BigBirdForMaskedLM", "BigBirdForMultipleChoice",
    "BigBirdForQuestionAnswering", "BigBirdForSequenceClassification", "BigBirdForTokenClassification", "BigBirdModel",
    "BigBirdTokenizer", "BigBirdTokenizerFast", "Cache", "CamembertConfig", "CamembertForMaskedLM",
    "CamembertForMultipleChoice", "CamembertForQuestionAnswering", "CamembertForSequenceClassification",
    "CamembertForTokenClassification", "CamembertModel", "CamembertTokenizer", "CamembertTokenizerFast",
    "ClassifierFreeGuidanceLogitsProcessor", "ConfidenceCriteria", "Config", "Constraint", "ConstraintListState",
    "DataCollatorForLanguageModeling", "DataCollatorForMultipleChoice", "DataCollatorForSeq2Seq",
    "DataCollatorForTokenClassification", "DataCollatorForWholeWordMask", "DataCollatorWithFlattening",
    "DataCollatorWithPadding", "DebertaConfig", "DebertaForMaskedLM", "DebertaForQuestionAnswering",
    "DebertaForSequenceClassification", "DebertaForTokenClassification", "DebertaModel", "DebertaTokenizer",
    "DebertaTokenizerFast", "DebertaV2Config", "DebertaV2ForMaskedLM", "DebertaV2ForMultipleChoice",
    "DebertaV2ForQuestionAnswering", "DebertaV2ForSequenceClassification", "DebertaV2ForTokenClassification",
    "DebertaV2Model", "DebertaV2Tokenizer", "DebertaV2TokenizerFast", "DefaultDataCollator", "DefaultFlowCallback",
    "DisjunctiveConstraint", "DistilBertConfig", "DistilBertForMaskedLM", "DistilBertForMultipleChoice",
    "DistilBertForQuestionAnswering", "DistilBertForSequenceClassification", "DistilBertForTokenClassification",
    "DistilBertModel", "DistilBertTokenizer", "DistilBertTokenizerFast", "DocumentQuestionAnsweringPipeline",
    "DynamicCache", "EarlyStoppingCallback", "ElectraConfig", "ElectraForMaskedLM", "ElectraForMultipleChoice",
    "ElectraForPreTraining", "ElectraForQuestionAnswering", "ElectraForSequenceClassification",
    "ElectraForTokenClassification", "ElectraModel", "ElectraTokenizer", "ElectraTokenizerFast", "EncoderDecoderCache",
    "EncoderNoRepeatNGramLogitsProcessor", "EncoderRepetitionPenaltyLogitsProcessor", "EosTokenCriteria",
    "EpsilonLogitsWarper", "EtaLogitsWarper", "EvalPrediction", "ExponentialDecayLengthPenalty",
    "FeatureExtractionPipeline", "FillMaskPipeline", "ForcedBOSTokenLogitsProcessor", "ForcedEOSTokenLogitsProcessor",
    "GPT2Config", "GPT2ForSequenceClassification", "GPT2LMHeadModel", "GPT2Model", "GPT2Tokenizer",
    "GPT2TokenizerFast", "GPTNeoXConfig", "GPTNeoXForCausalLM", "GPTNeoXForSequenceClassification", "GPTNeoXModel",
    "Gemma2Config", "Gemma2ForCausalLM", "Gemma2ForSequenceClassification", "Gemma2Model", "Gemma3ForCausalLM",
    "Gemma3TextConfig", "Gemma3TextForSequenceClassification", "Gemma3TextModel", "GemmaConfig", "GemmaForCausalLM",
    "GemmaForSequenceClassification", "GemmaModel", "GemmaTokenizer", "GemmaTokenizerFast", "GenerationConfig",
    "GenerationMixin", "GrammarLogitsProcessor", "GraniteConfig", "GraniteForCausalLM",
    "GraniteForSequenceClassification", "GraniteModel", "GreedyLR", "HammingDiversityLogitsProcessor",
    "ImageProcessor", "InfNanRemoveLogitsProcessor", "LayoutLMConfig", "LayoutLMForMaskedLM",
    "LayoutLMForQuestionAnswering", "LayoutLMForSequenceClassification", "LayoutLMForTokenClassification",
    "LayoutLMModel", "LayoutLMTokenizer", "LayoutLMTokenizerFast", "LayoutLMv2Tokenizer", "LayoutLMv2TokenizerFast",
    "LayoutLMv3Config", "LayoutLMv3FeatureExtractor", "LayoutLMv3ForQuestionAnswering",
    "LayoutLMv3ForSequenceClassification", "LayoutLMv3ForTokenClassification", "LayoutLMv3ImageProcessor",
    "LayoutLMv3ImageProcessorFast", "LayoutLMv3Model", "LayoutLMv3Processor", "LayoutLMv3Tokenizer",
    "LayoutLMv3TokenizerFast", "LayoutXLMTokenizer", "LayoutXLMTokenizerFast", "LiltConfig",
    "LiltForQuestionAnswering", "LiltForSequenceClassification", "LiltForTokenClassification", "LiltModel",
    "LlamaConfig", "LlamaForCausalLM", "LlamaForSequenceClassification", "LlamaModel", "LlamaTokenizer",
    "LlamaTokenizerFast", "LogitNormalization", "LogitsProcessor", "LogitsProcessorList", "LongformerConfig",
    "LongformerForMaskedLM", "LongformerForMultipleChoice", "LongformerForQuestionAnswering",
    "LongformerForSequenceClassification", "LongformerForTokenClassification", "LongformerModel",
    "LongformerTokenizer", "LongformerTokenizerFast", "LoraConfig", "MPNetConfig", "MPNetForMaskedLM",
    "MPNetForMultipleChoice", "MPNetForQuestionAnswering", "MPNetForSequenceClassification",
    "MPNetForTokenClassification", "MPNetModel", "MPNetTokenizer", "MPNetTokenizerFast", "MaxLengthCriteria",
    "MaxTimeCriteria", "MinLengthLogitsProcessor", "MinNewTokensLengthLogitsProcessor", "MinPLogitsWarper",
    "MistralConfig", "MistralForCausalLM", "MistralForSequenceClassification", "MistralModel", "ModelOutput",
    "ModernBertConfig", "ModernBertForMaskedLM", "ModernBertForMultipleChoice", "ModernBertForQuestionAnswering",
    "ModernBertForSequenceClassification", "ModernBertForTokenClassification", "ModernBertModel", "NerPipeline",
    "NoBadWordsLogitsProcessor", "NoRepeatNGramLogitsProcessor", "NomicBertConfig", "NomicBertForMaskedLM",
    "NomicBertForSequenceClassification", "NomicBertForTokenClassification", "NomicBertModel", "OPTConfig",
    "OPTForCausalLM", "OPTForSequenceClassification", "OPTModel", "Olmo2Config", "Olmo2ForCausalLM",
    "Olmo2ForSequenceClassification", "Olmo2Model", "PeftModel", "Phi3Config", "Phi3ForCausalLM",
    "Phi3ForSequenceClassification", "Phi3Model", "PhrasalConstraint", "Pipeline", "PreTrainedModel",
    "PreTrainedTokenizer", "PreTrainedTokenizerFast", "PrefixConstrainedLogitsProcessor", "PrinterCallback",
    "ProgressCallback", "QuantizedCache", "QuestionAnsweringPipeline", "Qwen2Config", "Qwen2ForCausalLM",
    "Qwen2ForSequenceClassification", "Qwen2Model", "Qwen3Config", "Qwen3ForCausalLM",
    "Qwen3ForSequenceClassification", "Qwen3Model", "RepetitionPenaltyLogitsProcessor", "RobertaConfig",
    "RobertaForMaskedLM", "RobertaForMultipleChoice", "RobertaForQuestionAnswering",
    "RobertaForSequenceClassification", "RobertaForTokenClassification", "RobertaModel", "RobertaTokenizer",
    "RobertaTokenizerFast", "SchedulerType", "SentenceSimilarityPipeline", "SequenceBiasLogitsProcessor",
    "SmolLM3Config", "SmolLM3ForCausalLM", "SmolLM3ForSequenceClassification", "SmolLM3Model", "StaticCache",
    "StopStringCriteria", "StoppingCriteria", "StoppingCriteriaList", "SuppressTokensAtBeginLogitsProcessor",
    "SuppressTokensLogitsProcessor", "SynthIDTextWatermarkLogitsProcessor", "SynthIDTextWatermarkingConfig",
    "T5Config", "T5ForConditionalGeneration", "T5ForSequenceClassification", "T5Model", "T5Tokenizer",
    "T5TokenizerFast", "TableQuestionAnsweringPipeline", "TapasConfig", "TapasForMaskedLM",
    "TapasForQuestionAnswering", "TapasForSequenceClassification", "TapasModel", "TapasTokenizer", "TaskType",
    "TemperatureLogitsWarper", "TextClassificationPipeline", "TextGenerationPipeline", "TextIteratorStreamer",
    "TextRankingPipeline", "TextStreamer", "TokenClassificationPipeline", "TopHLogitsWarper", "TopKLogitsWarper",
    "TopPLogitsWarper", "Trainer", "TrainerCallback", "TrainerControl", "TrainerState", "TrainingArguments",
    "TypicalLogitsWarper", "UnbatchedClassifierFreeGuidanceLogitsProcessor", "WatermarkDetector",
    "WatermarkDetectorOutput", "WatermarkLogitsProcessor", "WatermarkingConfig", "WeightAverage", "XLMRobertaConfig",
    "XLMRobertaForMaskedLM", "XLMRobertaForMultipleChoice", "XLMRobertaForQuestionAnswering",
    "XLMRobertaForSequenceClassification", "XLMRobertaForTokenClassification", "XLMRobertaModel",
    "XLMRobertaTokenizer", "XLMRobertaTokenizerFast", "ZeroShotClassificationPipeline", "compute_metrics_for",
    "default_data_collator", "get_adafactor_schedule", "get_constant_schedule", "get_constant_schedule_with_warmup",
    "get_cosine_schedule_with_warmup", "get_cosine_with_hard_restarts_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup", "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "get_greedy_schedule", "get_inverse_sqrt_schedule", "get_last_checkpoint", "get_linear_schedule_with_warmup",
    "get_peft_model", "get_polynomial_decay_schedule_with_warmup", "get_reduce_on_plateau_schedule", "get_scheduler",
    "get_wsd_schedule", "layerwise_groups", "load_adapter", "load_image", "pipeline", "quantize", "set_seed",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        from .errors import nearest

        raise AttributeError(f"qkv has no {name!r}; the nearest names are {nearest(name, _HOME)}.")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
