"""pipeline(): from a task's name, or a model's, to a ready Pipeline; and the table of tasks."""

import importlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import auto
from ..adapters import reader_home
from ..config import Config
from ..errors import nearest, short
from ..hub import Repo, is_cached, open_repo, split_options
from ..models.base import PreTrainedModel
from ..network import reachable
from .base import Pipeline

logger = logging.getLogger("qkv")


@dataclass(frozen=True)
class Task:
    """Where a task's pipeline is, which models do it, and which one is used when none is named."""

    file: str
    pipeline: str
    model: str  # an Auto class
    default: str
    embedded: str = ""  # a folder in qkv/assets that stands in for the default without a network
    instead: str = ""  # a model that works, where the default's family is not here yet
    implied: bool = True  # whether the class of a model alone says that it is for this task


TASKS = {
    "document-question-answering": Task(
        "document_question_answering",
        "DocumentQuestionAnsweringPipeline",
        "AutoModelForDocumentQuestionAnswering",
        "impira/layoutlm-document-qa",
    ),
    "text-classification": Task(
        "text_classification",
        "TextClassificationPipeline",
        "AutoModelForSequenceClassification",
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        embedded="sentiment",
    ),
    "token-classification": Task(
        "token_classification",
        "TokenClassificationPipeline",
        "AutoModelForTokenClassification",
        "dbmdz/bert-large-cased-finetuned-conll03-english",
    ),
    "table-question-answering": Task(
        "table_question_answering",
        "TableQuestionAnsweringPipeline",
        "AutoModelForTableQuestionAnswering",
        "google/tapas-base-finetuned-wtq",
    ),
    "image-classification": Task(
        "image_classification",
        "ImageClassificationPipeline",
        "AutoModelForImageClassification",
        "google/vit-base-patch16-224",
    ),
    "image-feature-extraction": Task(
        "image_feature_extraction",
        "ImageFeatureExtractionPipeline",
        "AutoModel",
        "google/vit-base-patch16-224",
        implied=False,
    ),
    "image-segmentation": Task(
        "image_segmentation",
        "ImageSegmentationPipeline",
        "AutoModelForImageSegmentation",
        "facebook/detr-resnet-50-panoptic",
    ),
    "zero-shot-object-detection": Task(
        "zero_shot_object_detection",
        "ZeroShotObjectDetectionPipeline",
        "AutoModelForZeroShotObjectDetection",
        "google/owlvit-base-patch32",
    ),
    "object-detection": Task(
        "object_detection", "ObjectDetectionPipeline", "AutoModelForObjectDetection", "facebook/detr-resnet-50"
    ),
    "depth-estimation": Task(
        "depth_estimation", "DepthEstimationPipeline", "AutoModelForDepthEstimation", "Intel/dpt-large"
    ),
    "mask-generation": Task(
        "mask_generation", "MaskGenerationPipeline", "AutoModelForMaskGeneration", "facebook/sam-vit-huge"
    ),
    "text-generation": Task(
        "text_generation", "TextGenerationPipeline", "AutoModelForCausalLM", "openai-community/gpt2"
    ),
    "question-answering": Task(
        "question_answering",
        "QuestionAnsweringPipeline",
        "AutoModelForQuestionAnswering",
        "distilbert/distilbert-base-cased-distilled-squad",
    ),
    "fill-mask": Task("fill_mask", "FillMaskPipeline", "AutoModelForMaskedLM", "distilbert/distilroberta-base"),
    "zero-shot-classification": Task(
        "zero_shot_classification",
        "ZeroShotClassificationPipeline",
        "AutoModelForSequenceClassification",
        "facebook/bart-large-mnli",
        instead="MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli",
        implied=False,
    ),
    "zero-shot-image-classification": Task(
        "zero_shot_image_classification",
        "ZeroShotImageClassificationPipeline",
        "AutoModelForZeroShotImageClassification",
        "openai/clip-vit-base-patch32",
    ),
    "feature-extraction": Task(
        "feature_extraction", "FeatureExtractionPipeline", "AutoModel", "distilbert/distilbert-base-cased"
    ),
    "sentence-similarity": Task(
        "sentence_similarity",
        "SentenceSimilarityPipeline",
        "AutoModel",
        "sentence-transformers/all-MiniLM-L6-v2",
        implied=False,
    ),  # fmt: skip
    "text-ranking": Task(
        "text_ranking",
        "TextRankingPipeline",
        "AutoModelForSequenceClassification",
        "cross-encoder/ms-marco-MiniLM-L6-v2",
        implied=False,
    ),  # fmt: skip
}
ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}
# Tasks of the field that have no row yet: a typing error and a missing feature are told apart.
_FIELD = (
    "ner token-classification question-answering fill-mask summarization translation text-generation "
    "text2text-generation zero-shot-classification feature-extraction image-classification object-detection "
    "image-segmentation depth-estimation image-feature-extraction zero-shot-image-classification "
    "zero-shot-object-detection automatic-speech-recognition audio-classification zero-shot-audio-classification "
    "text-to-audio text-to-speech document-question-answering table-question-answering visual-question-answering vqa "
    "image-to-text image-text-to-text image-to-image video-classification mask-generation keypoint-matching "
    "any-to-any sentence-similarity text-ranking"
)
FIELD = frozenset(_FIELD.split())
ASSETS = Path(__file__).parent.parent / "assets"
MODEL_ARGUMENTS = ("dtype", "torch_dtype", "device_map", "quantize", "dequantize")
UNUSED = ("framework", "use_fast", "pipeline_class")
READERS = {"tokenizer": "AutoTokenizer", "image_processor": "AutoImageProcessor"}


def pipeline(  # noqa: PLR0913 (the field's signature)
    task: str | None = None, model: Any = None, config: Any = None, tokenizer: Any = None,
    feature_extractor: Any = None, image_processor: Any = None, *, processor: Any = None, device: Any = None,
    model_kwargs: dict[str, Any] | None = None, **options: Any,
) -> Pipeline:  # fmt: skip
    """A ready-made path from raw input to results.

    Args:
        task: a key of TASKS or ALIASES, such as "sentiment-analysis"; read from the model if None.
        model: a folder, a name on the Hub, or a loaded model; the task's default if None.
        config, tokenizer, image_processor (or feature_extractor), processor: as names or objects, if not the model's
            own.
        device: -1 or "cpu", 0 or "cuda:0", a torch.device, "auto"; CPU if None.
        model_kwargs: passed to from_pretrained.
        options: revision, token, cache_dir, local_files_only, dtype, device_map, quantize ("int8" or "int4"),
            dequantize; the rest are the task's.

    Raises: KeyError for an unknown task; OSError if the model is not found; ValueError if it cannot do the task.
    """
    where, options = split_options(options)
    loading = {name: options.pop(name) for name in MODEL_ARGUMENTS if name in options} | (model_kwargs or {})
    if model is None and task is None:
        raise ValueError(f"name a task or a model, such as pipeline('sentiment-analysis'). Tasks: {_names()}.")
    name = find_task(task) if task is not None else _task_of(model, config, where)
    cls = _pipeline_class(name)
    given = {"tokenizer": tokenizer, "image_processor": image_processor or feature_extractor}
    given = {part: one if one is not None else getattr(processor, part, None) for part, one in given.items()}
    for unused in UNUSED:
        options.pop(unused, None)
    if isinstance(model, PreTrainedModel) and loading.get("quantize") is not None:
        raise ValueError(
            "quantize= is for a model that the pipeline loads; give a loaded one as qkv.quantize(model, how)."
        )
    if not isinstance(model, PreTrainedModel):
        instead = TASKS[name].instead if model is None else ""
        repo = default_repo(name, where) if model is None else open_repo(model, **where)
        repo, found = cls.opened(repo)
        options = found | options
        home = reader_home(repo, where)
        given = {part: home if one is None and part in cls.reads else one for part, one in given.items()}
        config = auto.AutoConfig.from_pretrained(config, **where) if isinstance(config, str | Path) else config
        auto_model = getattr(auto, TASKS[name].model)
        try:
            config = config or auto.AutoConfig.from_pretrained(repo)
            _same_head(repo, config.architectures or [], name)
            model = auto_model.from_pretrained(repo, config=config, device=device, complete=True, **loading)
        except ValueError as error:
            if not instead:
                raise
            raise ValueError(f"{error} Name another model, such as pipeline({name!r}, model={instead!r}).") from None
    suffixes = getattr(auto, TASKS[name].model).suffix
    if not any(cls.__name__.endswith(suffixes) for cls in type(model).__mro__):
        raise ValueError(f"{type(model).__name__} has no head for {name}; load it with {TASKS[name].model}.")
    if name == "feature-extraction" and getattr(model.base_model, "main_input_name", "") == "pixel_values":
        raise ValueError(f"{type(model).__name__} reads pictures; its task is 'image-feature-extraction'.")
    return cls(model, device=device, **_parts(cls, given, where), **options)


def _parts(cls: type[Pipeline], given: dict[str, Any], where: dict[str, Any]) -> dict[str, Any]:
    """What a pipeline is made of beside a model, loaded. Raises: ValueError for what is missing."""
    missing = next((part for part in cls.reads if given[part] is None), None)
    if missing is not None:
        raise ValueError(f"a loaded model needs its {missing} beside it: pipeline(task, model=model, {missing}=…).")
    wanted = {part: given[part] for part in (*cls.reads, *cls.takes) if given[part] is not None}
    return {
        part: getattr(auto, READERS[part]).from_pretrained(one, **where) if isinstance(one, str | Path | Repo) else one
        for part, one in wanted.items()
    }


def _same_head(repo: Repo, names: list[Any], task: str) -> None:
    """Raises ValueError for a checkpoint that labels tokens where texts are, or the other way: weights fit both."""
    entry, kinds = TASKS[task], ("ForSequenceClassification", "ForTokenClassification")
    names = [str(name) for name in names if str(name).endswith(kinds)]
    wanted = getattr(auto, entry.model).suffix
    if names and set(wanted) & set(kinds) and not any(name.endswith(wanted) for name in names):
        raise ValueError(
            f"{short(str(repo.name))} is a {short(names[0])} and has no head for {task}; it is for "
            f"pipeline({tasks_of(names)[0]!r})."
        )


def find_task(name: str) -> str:
    """The task that a name or an alias stands for. Raises KeyError for another."""
    found = ALIASES.get(name, name)
    if found not in TASKS and (name in FIELD or str(name).startswith("translation_")):
        raise KeyError(f"qkv does not do {name!r} yet. It does: {_names()}. See the table in the README.")
    if found not in TASKS:
        raise KeyError(
            f"unknown task {short(name)}; the nearest are {nearest(name, [*TASKS, *ALIASES])}. All: {_names()}."
        )
    return found


def default_repo(task: str, where: dict[str, Any]) -> Repo:
    """The model of a task when none is named: the usual one, or the embedded one where that cannot be had."""
    entry = TASKS[task]
    if not entry.embedded or where:
        return open_repo(entry.default, **where)
    if is_cached(entry.default) or reachable():
        repo = open_repo(entry.default)
        try:
            repo.require("config.json")
            return repo
        except OSError:  # something answers, but not the Hub: a hotel's login page, a firewall
            pass
    logger.warning(
        "No network, and %s is not in the cache: using the model that comes with qkv. Name a model to end this.",
        entry.default,
    )
    return open_repo(ASSETS / entry.embedded)


def _task_of(model: Any, config: Any, where: dict[str, Any]) -> str:
    """The task that a model was made for, by the class that its config names."""
    if isinstance(model, PreTrainedModel):
        config = model.config
    elif not isinstance(config, Config):
        config = auto.AutoConfig.from_pretrained(model if config is None else config, **where)
    names = [str(name) for name in config.architectures or []]
    if tasks := tasks_of(names):
        pictures = getattr(auto.body_class(config.model_type), "main_input_name", "") == "pixel_values"
        return "image-feature-extraction" if pictures and tasks[0] == "feature-extraction" else tasks[0]
    raise ValueError(f"the config names {short(names)}, which does no task of qkv's; name one: {_names()}.")


def tasks_of(names: list[str]) -> list[str]:
    """The tasks that published classes, such as BertForSequenceClassification, are for."""
    names = [name for name in names if not name.endswith("HeadsModel")]  # with heads that no task has
    bodies = [name for name in names if not name.endswith("HeadModel")]
    found = [
        (len(suffix), task)
        for task, entry in TASKS.items()
        for suffix in getattr(auto, entry.model).suffix
        if entry.implied
        and any(name.endswith(suffix) for name in (bodies if suffix == "Model" else names))
        and getattr(auto, entry.model).is_for(names)
    ]
    longest = max((length for length, _ in found), default=0)  # TapasForQuestionAnswering is about tables alone
    return [task for length, task in found if length == longest]


def _pipeline_class(task: str) -> type[Pipeline]:
    module = importlib.import_module(f".{TASKS[task].file}", __package__)
    return getattr(module, TASKS[task].pipeline)


def _names() -> str:
    return ", ".join(sorted([*TASKS, *ALIASES]))
