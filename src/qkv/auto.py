"""Auto classes: config.json -> family -> object. The only place that goes by a model_type."""

import importlib
import os
from typing import TYPE_CHECKING, Any, ClassVar

from .config import Config
from .errors import nearest, short
from .models import FAMILIES

if TYPE_CHECKING:
    from .hub import Repo


def family(model_type: str) -> Any:
    """The module of a family. Raises ValueError for a model_type that qkv does not have."""
    if model_type not in FAMILIES:
        raise ValueError(
            f"qkv has no family for model_type {short(model_type)}; the nearest are {nearest(model_type, FAMILIES)}. "
            f"See the list in the README, and CONTRIBUTING.md for how to add one."
        )
    return importlib.import_module(f".models.{FAMILIES[model_type]}", __package__)


def body_class(model_type: str) -> Any:
    """The model without a head that reads this model_type, such as BertModel."""
    classes = vars(family(model_type)).values()
    bodies = (c for c in classes if isinstance(c, type) and getattr(c, "config_class", Config).model_type == model_type)
    return next(c for c in bodies if c.__name__.endswith("Model") and "heads" in dir(c))


def read_config(
    name_or_path: "str | os.PathLike[str] | Repo", kwargs: dict[str, Any], model_type: str | None = None
) -> Config:
    """`AutoConfig.from_pretrained`; `model_type` is that of a config.json which names none, as the oldest do."""
    from .adapters import published_config
    from .hub import open_repo, split_options

    where, changes = split_options(kwargs)
    repo = open_repo(name_or_path, **where)
    raw = published_config(repo, where)
    if raw is None:
        repo.require("config.json")  # says what is there instead
        raise OSError(f"{short(repo.name)} has no config.json.")
    model_type = raw.get("model_type", model_type)
    if not isinstance(model_type, str):
        raise ValueError(
            f"config.json of {short(str(repo.name))} has no 'model_type'. If you know the family, add one, such as "
            f"'bert', or load with its own class, such as BertModel; otherwise this is not a model of Transformers."
        )
    config = body_class(model_type).config_class.from_dict(raw, **changes)
    config.name_or_path = str(repo.name)
    return config


class AutoConfig:
    """The config of any repository."""

    @classmethod
    def from_pretrained(cls, name_or_path: "str | os.PathLike[str] | Repo", **kwargs: Any) -> Config:
        """Read config.json from a folder or from the Hub; other keywords override its fields.

        Raises: OSError if there is no such repository or file; ValueError for an unknown model_type.
        """
        return read_config(name_or_path, kwargs)

    @classmethod
    def for_model(cls, model_type: str, **fields: Any) -> Config:
        return body_class(model_type).config_class(**fields)


class _AutoModel:
    """A class of models chosen by the config: `suffix` is what follows the family's name."""

    suffix: ClassVar[tuple[str, ...]]
    families: ClassVar[tuple[str, ...]] = ()  # model types; all if empty
    instead: ClassVar[str] = ""  # what an error says of other families

    def __init__(self, *_: Any, **__: Any):
        name = type(self).__name__
        raise OSError(f"{name} is made by {name}.from_pretrained(name_or_path) or {name}.from_config(config).")

    @classmethod
    def from_pretrained(
        cls, name_or_path: "str | os.PathLike[str] | Repo", *, config: Config | None = None, **kwargs: Any
    ) -> Any:
        """Load the model that a repository holds, with this class's head.

        Keywords and errors are those of `PreTrainedModel.from_pretrained`.
        """
        from .hub import open_with

        repo, rest = open_with(name_or_path, kwargs)
        config = config or AutoConfig.from_pretrained(repo)
        return cls.for_config(config).from_pretrained(repo, config=config, **rest)

    @classmethod
    def is_for(cls, names: list[str]) -> bool:
        """Whether its families have a model class of one of these published names."""
        families = [body_class(name) for name in cls.families]
        made = {body.class_name(suffix) for body in families for suffix in cls.suffix if suffix in body.heads}
        made |= {body.__name__ for body in families if "Model" in cls.suffix}
        return not families or any(name in made for name in names)

    @classmethod
    def from_config(cls, config: Config, **kwargs: Any) -> Any:
        """The model that a config describes, with fresh random weights."""
        return cls.for_config(config).from_config(config, **kwargs)

    @classmethod
    def for_config(cls, config: Config) -> Any:
        """The class for a config. Raises ValueError if its family has no such head."""
        body = body_class(config.model_type)
        if cls.families and config.model_type not in cls.families:
            raise ValueError(
                f"{cls.__name__} is for {', '.join(cls.families)}, and not for {config.model_type!r}.{cls.instead}"
            )
        for suffix in cls.suffix:
            if suffix == "Model" or suffix in body.heads:
                return body if suffix == "Model" else getattr(family(config.model_type), body.class_name(suffix))
        heads = ", ".join(sorted(body.class_name(suffix) for suffix in body.heads)) or f"{body.__name__} alone"
        raise ValueError(f"{cls.__name__}: {config.model_type!r} has no such head in qkv; it has {heads}.")


class AutoModel(_AutoModel):
    suffix = ("Model",)


class AutoModelForSequenceClassification(_AutoModel):
    suffix = ("ForSequenceClassification",)


class AutoModelForTokenClassification(_AutoModel):
    suffix = ("ForTokenClassification",)


class AutoModelForQuestionAnswering(_AutoModel):
    suffix = ("ForQuestionAnswering",)


class AutoModelForDocumentQuestionAnswering(_AutoModel):
    """A model that answers questions about a page; those of other families answer them about plain text."""

    suffix = ("ForQuestionAnswering",)
    families = ("layoutlm", "layoutlmv3", "lilt")
    instead = " They read boxes of words; for a question about plain text use AutoModelForQuestionAnswering."


class AutoModelForTableQuestionAnswering(_AutoModel):
    suffix = ("ForTableQuestionAnswering", "TapasForQuestionAnswering")  # the head; how its public class is named


class AutoModelForMultipleChoice(_AutoModel):
    suffix = ("ForMultipleChoice",)


class AutoModelForNextSentencePrediction(_AutoModel):
    suffix = ("ForNextSentencePrediction",)


class AutoModelForPreTraining(_AutoModel):
    suffix = ("ForPreTraining", "ForMaskedLM", "LMHeadModel", "ForCausalLM", "ForConditionalGeneration")


class AutoModelForMaskedLM(_AutoModel):
    suffix = ("ForMaskedLM",)


class AutoModelForCausalLM(_AutoModel):
    suffix = ("LMHeadModel", "ForCausalLM")


class AutoModelForSeq2SeqLM(_AutoModel):
    suffix = ("ForConditionalGeneration",)


class AutoModelForImageClassification(_AutoModel):
    suffix = ("ForImageClassification",)


class AutoModelForObjectDetection(_AutoModel):
    """A model that finds objects in a picture, with a label and a box of each."""

    suffix = ("ForObjectDetection",)


class AutoModelForSemanticSegmentation(_AutoModel):
    """A model that says of each place of a picture which class it is of."""

    suffix = ("ForSemanticSegmentation",)


class AutoModelForInstanceSegmentation(_AutoModel):
    """A model that finds things in a picture, with a mask of each."""

    suffix = ("ForInstanceSegmentation",)


class AutoModelForUniversalSegmentation(_AutoModel):
    """A model of masks that serves all three kinds: of classes, of things, of both."""

    suffix = ("ForUniversalSegmentation",)


class AutoModelForImageSegmentation(_AutoModel):
    """A model of masks of any kind, as the pipeline takes them."""

    suffix = (
        "ForSegmentation", "ForUniversalSegmentation", "ForInstanceSegmentation", "ForSemanticSegmentation",
    )  # fmt: skip


class AutoModelForDepthEstimation(_AutoModel):
    """A model that says how far each place of a picture is."""

    suffix = ("ForDepthEstimation",)


class AutoModelForMaskGeneration(_AutoModel):
    """A model that makes masks of points and boxes."""

    suffix = ("Model",)
    families = ("sam",)


class AutoModelForZeroShotObjectDetection(_AutoModel):
    """A model that finds in a picture what words ask for."""

    suffix = ("ForObjectDetection",)
    families = ("owlvit",)
    instead = " They find what words ask for; for labels that were trained use AutoModelForObjectDetection."


class AutoModelForZeroShotImageClassification(_AutoModel):
    """A model that matches pictures with words."""

    suffix = ("Model",)
    families = ("clip", "siglip")
    instead = " They match pictures with words."


class AutoBackbone(_AutoModel):
    """The stages of a model of pictures as maps, for models that are built on them."""

    suffix = ("Backbone",)


class AutoModelForMaskedImageModeling(_AutoModel):
    suffix = ("ForMaskedImageModeling",)


class _AutoPeft(_AutoModel):
    """A base model and the adapter of a repository, chosen by what the adapter is for."""

    @classmethod
    def from_pretrained(
        cls, name_or_path: "str | os.PathLike[str] | Repo", adapter_name: str = "default", is_trainable: bool = False,
        config: Config | None = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """Load an adapter and the base that it names, as a `PeftModel`; other keywords as those of the base.

        Args:
            is_trainable: whether to train on; else it is frozen.

        Raises: OSError if the repository holds no adapter.
        """
        from .adapters import CONFIG
        from .hub import open_with
        from .training.adapters.lora import load_adapter

        repo, rest = open_with(name_or_path, kwargs)
        if repo.json(CONFIG) is None:
            raise OSError(f"{short(str(repo.name))} has no {CONFIG}, so it holds no adapter. Use AutoModelFor… for it.")
        model = cls.kind(str((repo.json(CONFIG) or {}).get("task_type"))).from_pretrained(repo, config=config, **rest)
        if adapter_name == "default" and not is_trainable:
            return model
        return load_adapter(model.unload(), repo, adapter_name, is_trainable=is_trainable)

    @classmethod
    def kind(cls, task: str) -> Any:
        """The class of the base model."""
        return next(base for base in cls.__mro__ if base.__name__ == cls.__name__.replace("Peft", ""))


class AutoPeftModel(_AutoPeft):
    """A base model and an adapter; its head is that of the adapter's task_type."""

    suffix = ("Model",)

    @classmethod
    def kind(cls, task: str) -> Any:
        return ADAPTED.get(task, AutoModel)


class AutoPeftModelForCausalLM(_AutoPeft, AutoModelForCausalLM): ...


class AutoPeftModelForSeq2SeqLM(_AutoPeft, AutoModelForSeq2SeqLM): ...


class AutoPeftModelForSequenceClassification(_AutoPeft, AutoModelForSequenceClassification): ...


class AutoPeftModelForTokenClassification(_AutoPeft, AutoModelForTokenClassification): ...


class AutoPeftModelForQuestionAnswering(_AutoPeft, AutoModelForQuestionAnswering): ...


ADAPTED = {  # task_type of an adapter -> the class of its base
    "CAUSAL_LM": AutoModelForCausalLM,
    "SEQ_2_SEQ_LM": AutoModelForSeq2SeqLM,
    "SEQ_CLS": AutoModelForSequenceClassification,
    "TOKEN_CLS": AutoModelForTokenClassification,
    "QUESTION_ANS": AutoModelForQuestionAnswering,
}


class AutoImageProcessor:
    """The image processor of any repository."""

    def __init__(self, *_: Any, **__: Any):
        raise OSError("AutoImageProcessor is made by AutoImageProcessor.from_pretrained(name_or_path).")

    @classmethod
    def from_pretrained(cls, name_or_path: "str | os.PathLike[str] | Repo", **kwargs: Any) -> Any:
        """Load the image processor of a folder or a Hub repository; keywords override preprocessor_config.json."""
        from .hub import open_with
        from .preprocessing.images.table import load_image_processor

        repo, rest = open_with(name_or_path, kwargs)
        return load_image_processor(repo, **rest)


class AutoProcessor:
    """What makes all inputs of the model of any repository: a processor, or a tokenizer, or an image processor."""

    def __init__(self, *_: Any, **__: Any):
        raise OSError("AutoProcessor is made by AutoProcessor.from_pretrained(name_or_path).")

    @classmethod
    def from_pretrained(cls, name_or_path: "str | os.PathLike[str] | Repo", **kwargs: Any) -> Any:
        """Load the processor of a folder or a Hub repository; keywords override its files."""
        from .hub import open_with
        from .preprocessing.processor import load_processor

        repo, rest = open_with(name_or_path, kwargs)
        return load_processor(repo, **rest)


class AutoTokenizer:
    """The tokenizer of any repository."""

    def __init__(self, *_: Any, **__: Any):
        raise OSError("AutoTokenizer is made by AutoTokenizer.from_pretrained(name_or_path).")

    @classmethod
    def from_pretrained(cls, name_or_path: "str | os.PathLike[str] | Repo", **kwargs: Any) -> Any:
        """Load the tokenizer of a folder or a Hub repository; keywords override tokenizer_config.json."""
        from .hub import open_with
        from .preprocessing.tokenizers import load_tokenizer

        repo, rest = open_with(name_or_path, kwargs)
        return load_tokenizer(repo, **rest)
