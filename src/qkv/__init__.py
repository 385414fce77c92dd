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
        "AutoBackbone AutoConfig AutoImageProcessor AutoModel AutoModelForCausalLM AutoModelForDepthEstimation "
        "AutoModelForDocumentQuestionAnswering AutoModelForImageClassification AutoModelForImageSegmentation "
        "AutoModelForInstanceSegmentation AutoModelForMaskGeneration AutoModelForMaskedImageModeling "
        "AutoModelForMaskedLM AutoModelForMultipleChoice AutoModelForNextSentencePrediction "
        "AutoModelForObjectDetection AutoModelForPreTraining AutoModelForQuestionAnswering "
        "AutoModelForSemanticSegmentation AutoModelForSeq2SeqLM AutoModelForSequenceClassification "
        "AutoModelForTableQuestionAnswering AutoModelForTokenClassification AutoModelForUniversalSegmentation "
        "AutoModelForZeroShotImageClassification AutoModelForZeroShotObjectDetection AutoPeftModel "
        "AutoPeftModelForCausalLM AutoPeftModelForQuestionAnswering AutoPeftModelForSeq2SeqLM "
        "AutoPeftModelForSequenceClassification AutoPeftModelForTokenClassification AutoProcessor AutoTokenizer"
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
    "models.beit": (
        "BeitBackbone BeitConfig BeitForImageClassification BeitForMaskedImageModeling BeitForSemanticSegmentation "
        "BeitModel"
    ),
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
    "models.clip": (
        "CLIPConfig CLIPForImageClassification CLIPModel CLIPTextConfig CLIPTextModel CLIPTextModelWithProjection "
        "CLIPVisionConfig CLIPVisionModel CLIPVisionModelWithProjection"
    ),
    "models.conditional_detr": (
        "ConditionalDetrConfig ConditionalDetrForObjectDetection ConditionalDetrForSegmentation ConditionalDetrModel"
    ),
    "models.convnext": "ConvNextBackbone ConvNextConfig ConvNextForImageClassification ConvNextModel",
    "models.convnextv2": "ConvNextV2Backbone ConvNextV2Config ConvNextV2ForImageClassification ConvNextV2Model",
    "models.data2vec_vision": "Data2VecVisionConfig Data2VecVisionForImageClassification Data2VecVisionModel",
    "models.deberta": (
        "DebertaConfig DebertaForMaskedLM DebertaForQuestionAnswering DebertaForSequenceClassification "
        "DebertaForTokenClassification DebertaModel"
    ),
    "models.deberta_v2": (
        "DebertaV2Config DebertaV2ForMaskedLM DebertaV2ForMultipleChoice DebertaV2ForQuestionAnswering "
        "DebertaV2ForSequenceClassification DebertaV2ForTokenClassification DebertaV2Model"
    ),
    "models.deformable_detr": "DeformableDetrConfig DeformableDetrForObjectDetection DeformableDetrModel",
    "models.deit": (
        "DeiTConfig DeiTForImageClassification DeiTForImageClassificationWithTeacher DeiTForMaskedImageModeling "
        "DeiTModel"
    ),
    "models.depth_anything": "DepthAnythingConfig DepthAnythingForDepthEstimation DepthAnythingModel",
    "models.detr": "DetrConfig DetrForObjectDetection DetrForSegmentation DetrModel",
    "models.dinov2": "Dinov2Backbone Dinov2Config Dinov2ForImageClassification Dinov2Model",
    "models.dinov2_with_registers": (
        "Dinov2WithRegistersBackbone Dinov2WithRegistersConfig Dinov2WithRegistersForImageClassification "
        "Dinov2WithRegistersModel"
    ),
    "models.distilbert": (
        "DistilBertConfig DistilBertForMaskedLM DistilBertForMultipleChoice DistilBertForQuestionAnswering "
        "DistilBertForSequenceClassification DistilBertForTokenClassification DistilBertModel"
    ),
    "models.dpt": "DPTConfig DPTForDepthEstimation DPTForSemanticSegmentation DPTModel",
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
    "models.mask2former": "Mask2FormerConfig Mask2FormerForUniversalSegmentation Mask2FormerModel",
    "models.maskformer": "MaskFormerConfig MaskFormerForInstanceSegmentation MaskFormerModel",
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
    "models.owlvit": (
        "OwlViTConfig OwlViTForObjectDetection OwlViTModel OwlViTTextConfig OwlViTTextModel OwlViTVisionConfig "
        "OwlViTVisionModel"
    ),
    "models.phi3": "Phi3Config Phi3ForCausalLM Phi3ForSequenceClassification Phi3Model",
    "models.qwen2": "Qwen2Config Qwen2ForCausalLM Qwen2ForSequenceClassification Qwen2Model",
    "models.qwen3": "Qwen3Config Qwen3ForCausalLM Qwen3ForSequenceClassification Qwen3Model",
    "models.resnet": "ResNetBackbone ResNetConfig ResNetForImageClassification ResNetModel",
    "models.roberta": (
        "RobertaConfig RobertaForMaskedLM RobertaForMultipleChoice RobertaForQuestionAnswering "
        "RobertaForSequenceClassification RobertaForTokenClassification RobertaModel"
    ),
    "models.rt_detr": "RTDetrConfig RTDetrForObjectDetection RTDetrModel",
    "models.rt_detr_resnet": "RTDetrResNetBackbone RTDetrResNetConfig RTDetrResNetModel",
    "models.sam": "SamConfig SamMaskDecoderConfig SamModel SamPromptEncoderConfig",
    "models.sam_vision": "SamVisionConfig SamVisionModel",
    "models.segformer": (
        "SegformerConfig SegformerForImageClassification SegformerForSemanticSegmentation SegformerModel"
    ),
    "models.siglip": (
        "SiglipConfig SiglipForImageClassification SiglipModel SiglipTextConfig SiglipTextModel SiglipVisionConfig "
        "SiglipVisionModel"
    ),
    "models.smollm3": "SmolLM3Config SmolLM3ForCausalLM SmolLM3ForSequenceClassification SmolLM3Model",
    "models.swin": "SwinBackbone SwinConfig SwinForImageClassification SwinForMaskedImageModeling SwinModel",
    "models.t5": "T5Config T5ForConditionalGeneration T5ForSequenceClassification T5Model",
    "models.tapas": "TapasConfig TapasForMaskedLM TapasForQuestionAnswering TapasForSequenceClassification TapasModel",
    "models.vit": "ViTConfig ViTForImageClassification ViTForMaskedImageModeling ViTModel",
    "models.xlm_roberta": (
        "XLMRobertaConfig XLMRobertaForMaskedLM XLMRobertaForMultipleChoice XLMRobertaForQuestionAnswering "
        "XLMRobertaForSequenceClassification XLMRobertaForTokenClassification XLMRobertaModel"
    ),
    "models.yolos": "YolosConfig YolosForObjectDetection YolosModel",
    "outputs": "ModelOutput",
    "pipelines": "Pipeline pipeline",
    "pipelines.depth_estimation": "DepthEstimationPipeline",
    "pipelines.document_question_answering": "DocumentQuestionAnsweringPipeline",
    "pipelines.feature_extraction": "FeatureExtractionPipeline",
    "pipelines.fill_mask": "FillMaskPipeline",
    "pipelines.image_classification": "ImageClassificationPipeline",
    "pipelines.image_feature_extraction": "ImageFeatureExtractionPipeline",
    "pipelines.image_segmentation": "ImageSegmentationPipeline",
    "pipelines.mask_generation": "MaskGenerationPipeline",
    "pipelines.object_detection": "ObjectDetectionPipeline",
    "pipelines.question_answering": "QuestionAnsweringPipeline",
    "pipelines.sentence_similarity": "SentenceSimilarityPipeline",
    "pipelines.table_question_answering": "TableQuestionAnsweringPipeline",
    "pipelines.text_classification": "TextClassificationPipeline",
    "pipelines.text_generation": "TextGenerationPipeline",
    "pipelines.text_ranking": "TextRankingPipeline",
    "pipelines.token_classification": "AggregationStrategy NerPipeline TokenClassificationPipeline",
    "pipelines.zero_shot_classification": "ZeroShotClassificationPipeline",
    "pipelines.zero_shot_image_classification": "ZeroShotImageClassificationPipeline",
    "pipelines.zero_shot_object_detection": "ZeroShotObjectDetectionPipeline",
    "preprocessing.image": "load_image",
    "preprocessing.image_processor": "ImageProcessor",
    "preprocessing.images.batch": "BatchFeature",
    "preprocessing.images.classification": (
        "BitImageProcessor BlipImageProcessor CLIPImageProcessor ChineseCLIPImageProcessor ConvNextImageProcessor "
        "DeiTImageProcessor LayoutLMv3ImageProcessor PvtImageProcessor SiglipImageProcessor ViTImageProcessor"
    ),
    "preprocessing.images.detection": (
        "ConditionalDetrImageProcessor DeformableDetrImageProcessor DetrImageProcessor OwlViTImageProcessor "
        "RTDetrImageProcessor YolosImageProcessor"
    ),
    "preprocessing.images.segmentation": (
        "BeitImageProcessor DPTImageProcessor Mask2FormerImageProcessor MaskFormerImageProcessor SamImageProcessor "
        "SegformerImageProcessor"
    ),
    "preprocessing.images.table": (
        "BeitFeatureExtractor BeitImageProcessorFast BitFeatureExtractor BitImageProcessorFast BlipFeatureExtractor "
        "BlipImageProcessorFast CLIPFeatureExtractor CLIPImageProcessorFast ChineseCLIPFeatureExtractor "
        "ChineseCLIPImageProcessorFast ConditionalDetrFeatureExtractor ConditionalDetrImageProcessorFast "
        "ConvNextFeatureExtractor ConvNextImageProcessorFast DPTFeatureExtractor DPTImageProcessorFast "
        "DeformableDetrFeatureExtractor DeformableDetrImageProcessorFast DeiTFeatureExtractor DeiTImageProcessorFast "
        "DetrFeatureExtractor DetrImageProcessorFast LayoutLMv3FeatureExtractor LayoutLMv3ImageProcessorFast "
        "Mask2FormerFeatureExtractor Mask2FormerImageProcessorFast MaskFormerFeatureExtractor "
        "MaskFormerImageProcessorFast OwlViTFeatureExtractor OwlViTImageProcessorFast PvtFeatureExtractor "
        "PvtImageProcessorFast RTDetrFeatureExtractor RTDetrImageProcessorFast SamFeatureExtractor "
        "SamImageProcessorFast SegformerFeatureExtractor SegformerImageProcessorFast SiglipFeatureExtractor "
        "SiglipImageProcessorFast ViTFeatureExtractor ViTImageProcessorFast YolosFeatureExtractor "
        "YolosImageProcessorFast"
    ),
    "preprocessing.processor": "CLIPProcessor LayoutLMv3Processor OwlViTProcessor SiglipProcessor",
    "preprocessing.sam_processor": "SamProcessor",
    "preprocessing.tokenizers": (
        "AlbertTokenizer AlbertTokenizerFast BatchEncoding BertTokenizer BertTokenizerFast BigBirdTokenizer "
        "BigBirdTokenizerFast CLIPTokenizer CLIPTokenizerFast CamembertTokenizer CamembertTokenizerFast "
        "DebertaTokenizer DebertaTokenizerFast DebertaV2Tokenizer DebertaV2TokenizerFast DistilBertTokenizer "
        "DistilBertTokenizerFast ElectraTokenizer ElectraTokenizerFast GPT2Tokenizer GPT2TokenizerFast "
        "GemmaTokenizer GemmaTokenizerFast LayoutLMTokenizer LayoutLMTokenizerFast LayoutLMv2Tokenizer "
        "LayoutLMv2TokenizerFast LayoutLMv3Tokenizer LayoutLMv3TokenizerFast LayoutXLMTokenizer "
        "LayoutXLMTokenizerFast LlamaTokenizer LlamaTokenizerFast LongformerTokenizer LongformerTokenizerFast "
        "MPNetTokenizer MPNetTokenizerFast PreTrainedTokenizer PreTrainedTokenizerFast RobertaTokenizer "
        "RobertaTokenizerFast SiglipTokenizer T5Tokenizer T5TokenizerFast TapasTokenizer XLMRobertaTokenizer "
        "XLMRobertaTokenizerFast"
    ),
    "seed": "enable_full_determinism set_seed",
    "training.adapters.lora": "LoraConfig PeftModel TaskType get_peft_model load_adapter",
    "training.arguments": "TrainingArguments",
    "training.callbacks": "CallbackHandler DefaultFlowCallback EarlyStoppingCallback TrainerCallback",
    "training.checkpoint": "get_last_checkpoint",
    "training.data.collators": (
        "DataCollatorForMultipleChoice DataCollatorForSeq2Seq DataCollatorForTokenClassification "
        "DataCollatorWithPadding DefaultDataCollator default_data_collator"
    ),
    "training.data.flattening": "DataCollatorWithFlattening",
    "training.data.masking": "DataCollatorForLanguageModeling DataCollatorForWholeWordMask",
    "training.data.reading": "read_rows",
    "training.metrics": "EvalPrediction compute_metrics_for load_metric",
    "training.optim.adafactor": "Adafactor AdafactorSchedule get_adafactor_schedule",
    "training.optim.average": "WeightAverage",
    "training.optim.choose": "layerwise_groups",
    "training.optim.greedy": "GreedyLR",
    "training.optim.schedules": (
        "SchedulerType get_constant_schedule get_constant_schedule_with_warmup get_cosine_schedule_with_warmup "
        "get_cosine_with_hard_restarts_schedule_with_warmup get_cosine_with_min_lr_schedule_with_warmup "
        "get_cosine_with_min_lr_schedule_with_warmup_lr_rate get_greedy_schedule get_inverse_sqrt_schedule "
        "get_linear_schedule_with_warmup get_polynomial_decay_schedule_with_warmup get_reduce_on_plateau_schedule "
        "get_scheduler get_wsd_schedule"
    ),
    "training.parser": "HfArgumentParser",
    "training.preparing": "Prepared prepare_training",
    "training.reporting.history": "History",
    "training.reporting.loggers": "MLflowCallback TensorBoardCallback WandbCallback",
    "training.reporting.notebook": "NotebookProgressCallback",
    "training.reporting.progress": "PrinterCallback ProgressCallback",
    "training.seq2seq": "Seq2SeqTrainer Seq2SeqTrainingArguments",
    "training.state": "TrainerControl TrainerState",
    "training.trainer": "Trainer",
    "training.tuning.search": "BestRun default_compute_objective default_hp_space_optuna",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "__version__", "Adafactor", "AdafactorSchedule", "AggregationStrategy", "AlbertConfig", "AlbertForMaskedLM",
    "AlbertForMultipleChoice", "AlbertForPreTraining", "AlbertForQuestionAnswering", "AlbertForSequenceClassification",
    "AlbertForTokenClassification", "AlbertModel", "AlbertTokenizer", "AlbertTokenizerFast",
    "AsyncTextIteratorStreamer", "AutoBackbone", "AutoConfig", "AutoImageProcessor", "AutoModel",
    "AutoModelForCausalLM", "AutoModelForDepthEstimation", "AutoModelForDocumentQuestionAnswering",
    "AutoModelForImageClassification", "AutoModelForImageSegmentation", "AutoModelForInstanceSegmentation",
    "AutoModelForMaskGeneration", "AutoModelForMaskedImageModeling", "AutoModelForMaskedLM",
    "AutoModelForMultipleChoice", "AutoModelForNextSentencePrediction", "AutoModelForObjectDetection",
    "AutoModelForPreTraining", "AutoModelForQuestionAnswering", "AutoModelForSemanticSegmentation",
    "AutoModelForSeq2SeqLM", "AutoModelForSequenceClassification", "AutoModelForTableQuestionAnswering",
    "AutoModelForTokenClassification", "AutoModelForUniversalSegmentation", "AutoModelForZeroShotImageClassification",
    "AutoModelForZeroShotObjectDetection", "AutoPeftModel", "AutoPeftModelForCausalLM",
    "AutoPeftModelForQuestionAnswering", "AutoPeftModelForSeq2SeqLM", "AutoPeftModelForSequenceClassification",
    "AutoPeftModelForTokenClassification", "AutoProcessor", "AutoTokenizer", "BaseStreamer", "BatchEncoding",
    "BatchFeature", "BeitBackbone", "BeitConfig", "BeitFeatureExtractor", "BeitForImageClassification",
    "BeitForMaskedImageModeling", "BeitForSemanticSegmentation", "BeitImageProcessor", "BeitImageProcessorFast",
    "BeitModel", "BertConfig", "BertForMaskedLM", "BertForMultipleChoice", "BertForNextSentencePrediction",
    "BertForPreTraining", "BertForQuestionAnswering", "BertForSequenceClassification", "BertForTokenClassification",
    "BertModel", "BertTokenizer", "BertTokenizerFast", "BestRun", "BigBirdConfig", "BigBirdForMaskedLM",
    "BigBirdForMultipleChoice", "BigBirdForQuestionAnswering", "BigBirdForSequenceClassification",
    "BigBirdForTokenClassification", "BigBirdModel", "BigBirdTokenizer", "BigBirdTokenizerFast", "BitFeatureExtractor",
    "BitImageProcessor", "BitImageProcessorFast", "BlipFeatureExtractor", "BlipImageProcessor",
    "BlipImageProcessorFast", "CLIPConfig", "CLIPFeatureExtractor", "CLIPForImageClassification", "CLIPImageProcessor",
    "CLIPImageProcessorFast", "CLIPModel", "CLIPProcessor", "CLIPTextConfig", "CLIPTextModel",
    "CLIPTextModelWithProjection", "CLIPTokenizer", "CLIPTokenizerFast", "CLIPVisionConfig", "CLIPVisionModel",
    "CLIPVisionModelWithProjection", "Cache", "CallbackHandler", "CamembertConfig", "CamembertForMaskedLM",
    "CamembertForMultipleChoice", "CamembertForQuestionAnswering", "CamembertForSequenceClassification",
    "CamembertForTokenClassification", "CamembertModel", "CamembertTokenizer", "CamembertTokenizerFast",
    "ChineseCLIPFeatureExtractor", "ChineseCLIPImageProcessor", "ChineseCLIPImageProcessorFast",
    "ClassifierFreeGuidanceLogitsProcessor", "ConditionalDetrConfig", "ConditionalDetrFeatureExtractor",
    "ConditionalDetrForObjectDetection", "ConditionalDetrForSegmentation", "ConditionalDetrImageProcessor",
    "ConditionalDetrImageProcessorFast", "ConditionalDetrModel", "ConfidenceCriteria", "Config", "Constraint",
    "ConstraintListState", "ConvNextBackbone", "ConvNextConfig", "ConvNextFeatureExtractor",
    "ConvNextForImageClassification", "ConvNextImageProcessor", "ConvNextImageProcessorFast", "ConvNextModel",
    "ConvNextV2Backbone", "ConvNextV2Config", "ConvNextV2ForImageClassification", "ConvNextV2Model", "DPTConfig",
    "DPTFeatureExtractor", "DPTForDepthEstimation", "DPTForSemanticSegmentation", "DPTImageProcessor",
    "DPTImageProcessorFast", "DPTModel", "Data2VecVisionConfig", "Data2VecVisionForImageClassification",
    "Data2VecVisionModel", "DataCollatorForLanguageModeling", "DataCollatorForMultipleChoice",
    "DataCollatorForSeq2Seq", "DataCollatorForTokenClassification", "DataCollatorForWholeWordMask",
    "DataCollatorWithFlattening", "DataCollatorWithPadding", "DebertaConfig", "DebertaForMaskedLM",
    "DebertaForQuestionAnswering", "DebertaForSequenceClassification", "DebertaForTokenClassification", "DebertaModel",
    "DebertaTokenizer", "DebertaTokenizerFast", "DebertaV2Config", "DebertaV2ForMaskedLM",
    "DebertaV2ForMultipleChoice", "DebertaV2ForQuestionAnswering", "DebertaV2ForSequenceClassification",
    "DebertaV2ForTokenClassification", "DebertaV2Model", "DebertaV2Tokenizer", "DebertaV2TokenizerFast",
    "DefaultDataCollator", "DefaultFlowCallback", "DeformableDetrConfig", "DeformableDetrFeatureExtractor",
    "DeformableDetrForObjectDetection", "DeformableDetrImageProcessor", "DeformableDetrImageProcessorFast",
    "DeformableDetrModel", "DeiTConfig", "DeiTFeatureExtractor", "DeiTForImageClassification",
    "DeiTForImageClassificationWithTeacher", "DeiTForMaskedImageModeling", "DeiTImageProcessor",
    "DeiTImageProcessorFast", "DeiTModel", "DepthAnythingConfig", "DepthAnythingForDepthEstimation",
    "DepthAnythingModel", "DepthEstimationPipeline", "DetrConfig", "DetrFeatureExtractor", "DetrForObjectDetection",
    "DetrForSegmentation", "DetrImageProcessor", "DetrImageProcessorFast", "DetrModel", "Dinov2Backbone",
    "Dinov2Config", "Dinov2ForImageClassification", "Dinov2Model", "Dinov2WithRegistersBackbone",
    "Dinov2WithRegistersConfig", "Dinov2WithRegistersForImageClassification", "Dinov2WithRegistersModel",
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
    "HfArgumentParser", "History", "ImageClassificationPipeline", "ImageFeatureExtractionPipeline", "ImageProcessor",
    "ImageSegmentationPipeline", "InfNanRemoveLogitsProcessor", "LayoutLMConfig", "LayoutLMForMaskedLM",
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
    "LongformerTokenizer", "LongformerTokenizerFast", "LoraConfig", "MLflowCallback", "MPNetConfig",
    "MPNetForMaskedLM", "MPNetForMultipleChoice", "MPNetForQuestionAnswering", "MPNetForSequenceClassification",
    "MPNetForTokenClassification", "MPNetModel", "MPNetTokenizer", "MPNetTokenizerFast", "Mask2FormerConfig",
    "Mask2FormerFeatureExtractor", "Mask2FormerForUniversalSegmentation", "Mask2FormerImageProcessor",
    "Mask2FormerImageProcessorFast", "Mask2FormerModel", "MaskFormerConfig", "MaskFormerFeatureExtractor",
    "MaskFormerForInstanceSegmentation", "MaskFormerImageProcessor", "MaskFormerImageProcessorFast", "MaskFormerModel",
    "MaskGenerationPipeline", "MaxLengthCriteria", "MaxTimeCriteria", "MinLengthLogitsProcessor",
    "MinNewTokensLengthLogitsProcessor", "MinPLogitsWarper", "MistralConfig", "MistralForCausalLM",
    "MistralForSequenceClassification", "MistralModel", "ModelOutput", "ModernBertConfig", "ModernBertForMaskedLM",
    "ModernBertForMultipleChoice", "ModernBertForQuestionAnswering", "ModernBertForSequenceClassification",
    "ModernBertForTokenClassification", "ModernBertModel", "NerPipeline", "NoBadWordsLogitsProcessor",
    "NoRepeatNGramLogitsProcessor", "NomicBertConfig", "NomicBertForMaskedLM", "NomicBertForSequenceClassification",
    "NomicBertForTokenClassification", "NomicBertModel", "NotebookProgressCallback", "OPTConfig", "OPTForCausalLM",
    "OPTForSequenceClassification", "OPTModel", "ObjectDetectionPipeline", "Olmo2Config", "Olmo2ForCausalLM",
    "Olmo2ForSequenceClassification", "Olmo2Model", "OwlViTConfig", "OwlViTFeatureExtractor",
    "OwlViTForObjectDetection", "OwlViTImageProcessor", "OwlViTImageProcessorFast", "OwlViTModel", "OwlViTProcessor",
    "OwlViTTextConfig", "OwlViTTextModel", "OwlViTVisionConfig", "OwlViTVisionModel", "PeftModel", "Phi3Config",
    "Phi3ForCausalLM", "Phi3ForSequenceClassification", "Phi3Model", "PhrasalConstraint", "Pipeline",
    "PreTrainedModel", "PreTrainedTokenizer", "PreTrainedTokenizerFast", "PrefixConstrainedLogitsProcessor",
    "Prepared", "PrinterCallback", "ProgressCallback", "PvtFeatureExtractor", "PvtImageProcessor",
    "PvtImageProcessorFast", "QuantizedCache", "QuestionAnsweringPipeline", "Qwen2Config", "Qwen2ForCausalLM",
    "Qwen2ForSequenceClassification", "Qwen2Model", "Qwen3Config", "Qwen3ForCausalLM",
    "Qwen3ForSequenceClassification", "Qwen3Model", "RTDetrConfig", "RTDetrFeatureExtractor",
    "RTDetrForObjectDetection", "RTDetrImageProcessor", "RTDetrImageProcessorFast", "RTDetrModel",
    "RTDetrResNetBackbone", "RTDetrResNetConfig", "RTDetrResNetModel", "RepetitionPenaltyLogitsProcessor",
    "ResNetBackbone", "ResNetConfig", "ResNetForImageClassification", "ResNetModel", "RobertaConfig",
    "RobertaForMaskedLM", "RobertaForMultipleChoice", "RobertaForQuestionAnswering",
    "RobertaForSequenceClassification", "RobertaForTokenClassification", "RobertaModel", "RobertaTokenizer",
    "RobertaTokenizerFast", "SamConfig", "SamFeatureExtractor", "SamImageProcessor", "SamImageProcessorFast",
    "SamMaskDecoderConfig", "SamModel", "SamProcessor", "SamPromptEncoderConfig", "SamVisionConfig", "SamVisionModel",
    "SchedulerType", "SegformerConfig", "SegformerFeatureExtractor", "SegformerForImageClassification",
    "SegformerForSemanticSegmentation", "SegformerImageProcessor", "SegformerImageProcessorFast", "SegformerModel",
    "SentenceSimilarityPipeline", "Seq2SeqTrainer", "Seq2SeqTrainingArguments", "SequenceBiasLogitsProcessor",
    "SiglipConfig", "SiglipFeatureExtractor", "SiglipForImageClassification", "SiglipImageProcessor",
    "SiglipImageProcessorFast", "SiglipModel", "SiglipProcessor", "SiglipTextConfig", "SiglipTextModel",
    "SiglipTokenizer", "SiglipVisionConfig", "SiglipVisionModel", "SmolLM3Config", "SmolLM3ForCausalLM",
    "SmolLM3ForSequenceClassification", "SmolLM3Model", "StaticCache", "StopStringCriteria", "StoppingCriteria",
    "StoppingCriteriaList", "SuppressTokensAtBeginLogitsProcessor", "SuppressTokensLogitsProcessor", "SwinBackbone",
    "SwinConfig", "SwinForImageClassification", "SwinForMaskedImageModeling", "SwinModel",
    "SynthIDTextWatermarkLogitsProcessor", "SynthIDTextWatermarkingConfig", "T5Config", "T5ForConditionalGeneration",
    "T5ForSequenceClassification", "T5Model", "T5Tokenizer", "T5TokenizerFast", "TableQuestionAnsweringPipeline",
    "TapasConfig", "TapasForMaskedLM", "TapasForQuestionAnswering", "TapasForSequenceClassification", "TapasModel",
    "TapasTokenizer", "TaskType", "TemperatureLogitsWarper", "TensorBoardCallback", "TextClassificationPipeline",
    "TextGenerationPipeline", "TextIteratorStreamer", "TextRankingPipeline", "TextStreamer",
    "TokenClassificationPipeline", "TopHLogitsWarper", "TopKLogitsWarper", "TopPLogitsWarper", "Trainer",
    "TrainerCallback", "TrainerControl", "TrainerState", "TrainingArguments", "TypicalLogitsWarper",
    "UnbatchedClassifierFreeGuidanceLogitsProcessor", "ViTConfig", "ViTFeatureExtractor", "ViTForImageClassification",
    "ViTForMaskedImageModeling", "ViTImageProcessor", "ViTImageProcessorFast", "ViTModel", "WandbCallback",
    "WatermarkDetector", "WatermarkDetectorOutput", "WatermarkLogitsProcessor", "WatermarkingConfig", "WeightAverage",
    "XLMRobertaConfig", "XLMRobertaForMaskedLM", "XLMRobertaForMultipleChoice", "XLMRobertaForQuestionAnswering",
    "XLMRobertaForSequenceClassification", "XLMRobertaForTokenClassification", "XLMRobertaModel",
    "XLMRobertaTokenizer", "XLMRobertaTokenizerFast", "YolosConfig", "YolosFeatureExtractor",
    "YolosForObjectDetection", "YolosImageProcessor", "YolosImageProcessorFast", "YolosModel",
    "ZeroShotClassificationPipeline", "ZeroShotImageClassificationPipeline", "ZeroShotObjectDetectionPipeline",
    "compute_metrics_for", "default_compute_objective", "default_data_collator", "default_hp_space_optuna",
    "enable_full_determinism", "get_adafactor_schedule", "get_constant_schedule", "get_constant_schedule_with_warmup",
    "get_cosine_schedule_with_warmup", "get_cosine_with_hard_restarts_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup", "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "get_greedy_schedule", "get_inverse_sqrt_schedule", "get_last_checkpoint", "get_linear_schedule_with_warmup",
    "get_peft_model", "get_polynomial_decay_schedule_with_warmup", "get_reduce_on_plateau_schedule", "get_scheduler",
    "get_wsd_schedule", "layerwise_groups", "load_adapter", "load_image", "load_metric", "pipeline",
    "prepare_training", "quantize", "read_rows", "set_seed",
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
