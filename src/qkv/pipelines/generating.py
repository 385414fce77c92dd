"""What pipelines that write text share: the keywords of generate(), and which options hold when several speak.

A call's options go before the pipeline's, these before the model's generation_config, and this before the defaults of
the task, which only fill in what nobody has said.
"""

from collections.abc import Mapping
from typing import Any

from ..generation.config import GenerationConfig

CONFIG = "generation_config"
GRAMMARS = ("json_schema", "regex", "choice", "grammar")
KEYWORDS = (  # of generate(), beside the fields of a GenerationConfig
    "streamer", "logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "assistant_model",
    "negative_prompt_ids", "negative_prompt_attention_mask", "synced_gpus", "use_model_defaults", *GRAMMARS,
)  # fmt: skip
OF_ONE = ("streamer", "prefix_allowed_tokens_fn", "negative_prompt_ids", "assistant_model")  # they know one text only
WITHOUT_DRAWING = ("penalty_alpha", "num_beam_groups", "constraints", "force_words_ids")


def names() -> tuple[str, ...]:
    """Every option that is handed on to generate()."""
    return (*GenerationConfig.fields(), CONFIG, *KEYWORDS)


def laid_over(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline's options with a call's: a generation_config in the call takes the place of all fields before it."""
    if changes.get(CONFIG) is not None:
        before = {name: value for name, value in before.items() if name in KEYWORDS}
    return {**before, **{name: value for name, value in changes.items() if value is not None}}


def settled(model: Any, tokenizer: Any, options: Mapping[str, Any], defaults: Mapping[str, Any]) -> GenerationConfig:
    """The config of a call.

    Args:
        options: of `names()`.
        defaults: of the task. Its length gives way to any that is set, its temperature where nothing is drawn, and
            drawing where a method is asked for that does not draw.

    Raises: ValueError for a bad value, or options that contradict each other.
    """
    chosen = said(model, options)
    filling = {name: value for name, value in defaults.items() if name not in chosen}
    if "max_length" in chosen:
        filling.pop("max_new_tokens", None)
    if any(chosen.get(name) for name in WITHOUT_DRAWING):
        filling.pop("do_sample", None)
    if not {**chosen, **filling}.get("do_sample"):
        filling.pop("temperature", None)
    if tokenizer.pad_token_id is not None and "pad_token_id" not in chosen:
        filling["pad_token_id"] = tokenizer.pad_token_id
    config = model.generation_config.merged(filling, options.get(CONFIG) or {}, _fields(options))
    config.validate()
    return config


def said(model: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the caller or the model's files set, with their values."""
    given = options.get(CONFIG)
    if given is not None and not isinstance(given, GenerationConfig):
        raise TypeError(f"generation_config must be a GenerationConfig, got a {type(given).__name__}.")
    return {**vars(model.generation_config), **(vars(given) if given else {}), **_fields(options)}


def _fields(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in GenerationConfig.fields()}


def keywords(options: Mapping[str, Any]) -> dict[str, Any]:
    """What generate() gets beside its config."""
    return {name: value for name, value in options.items() if name in KEYWORDS}


def is_of_one(options: Mapping[str, Any], config: GenerationConfig) -> bool:
    """Whether texts must be written one at a time."""
    one = any(options.get(name) is not None for name in OF_ONE)
    return one or config.get_generation_mode(options.get("assistant_model")) == "assisted_generation"
