"""generate(): settles the options, prepares the prompt, and hands both to the decoding method they ask for."""

import importlib
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..backends.cpu.stack import steady
from ..errors import nearest, short
from ..layers.cache import Cache, DynamicCache, EncoderDecoderCache, QuantizedCache, StaticCache
from .assisted import AssistedDecoding, early_exit
from .config import GenerationConfig
from .healing import healed
from .logits import build_processors
from .prompt import Prompt, decoder_prompt, encoder_prompt, eos_ids
from .record import STEPS, Record
from .runner import Runner
from .stopping import build_stopping

METHODS = {  # mode of a GenerationConfig: file and class
    "greedy_search": ("search", "Sampling"),
    "sample": ("search", "Sampling"),
    "beam_search": ("beam", "BeamSearch"),
    "beam_sample": ("beam", "BeamSearch"),
    "group_beam_search": ("group_beam", "GroupBeamSearch"),
    "constrained_beam_search": ("constrained", "ConstrainedBeamSearch"),
    "contrastive_search": ("contrastive", "ContrastiveSearch"),
    "dola_generation": ("dola", "DolaDecoding"),
    "assisted_generation": ("assisted", "AssistedDecoding"),
}
GOES_BACK = ("contrastive_search", "assisted_generation")  # methods that crop the cache
DEFAULT_NEW = 20  # new ids if nothing says how many
ROOM = 512  # new ids that a cache makes room for at once
MODEL_INPUTS = (
    "input_ids", "attention_mask", "position_ids", "token_type_ids", "inputs_embeds", "past_key_values",
    "encoder_outputs", "decoder_input_ids", "decoder_attention_mask", "cache_position",
)  # fmt: skip
GRAMMARS = ("json_schema", "regex", "choice", "grammar")
REFUSED = ("custom_generate", "trust_remote_code")
WITHOUT_EFFECT = ("use_model_defaults", "assistant_tokenizer")


def generate(  # noqa: PLR0913 (the reference's signature)
    model: Any, inputs: Tensor | None, generation_config: GenerationConfig | None, processors: Sequence[Any] | None,
    criteria: Sequence[Any] | None, *, prefix_allowed_tokens_fn: Any = None, assistant_model: Any = None,
    streamer: Any = None, tokenizer: Any = None, negative_prompt_ids: Tensor | None = None,
    negative_prompt_attention_mask: Tensor | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """`GenerationMixin.generate`, where the arguments are described."""
    config, given = settle(model, generation_config, kwargs)
    mode = config.get_generation_mode(assistant_model)
    if streamer is not None and config.num_beams > 1:
        raise ValueError("a streamer needs one text that only grows: use num_beams=1, or leave streamer= out.")
    file, name = METHODS[mode]
    method = getattr(importlib.import_module(f".{file}", __package__), name)
    with torch.no_grad(), steady():
        source = given.get("input_ids", inputs) if model.config.is_encoder_decoder else None
        copies = max(config.num_beams, config.num_return_sequences)
        grammar = {name: given.pop(name) for name in GRAMMARS if name in given}
        if config.assistant_early_exit is not None:
            assistant_model = early_exit(model, config.assistant_early_exit)
        draft = None if assistant_model is None else prepare(assistant_model, config, inputs, dict(given))
        prompt = prepare(model, config, inputs, given)
        if source is not None and prompt.encoder["attention_mask"] is not None:
            source = source.masked_fill(prompt.encoder["attention_mask"] == 0, -1)  # padding is no text
        if unused := given.keys() - {"past_key_values", "cache_position"}:
            raise ValueError(f"{type(model).__name__} has no use for {sorted(unused)[0]}: leave it out.")
        if config.token_healing:
            prompt = healed(model, prompt, tokenizer)
        max_length = longest(model, config, prompt)
        cache = choose_cache(model, config, given, prompt, max_length, mode in GOES_BACK)
        wanted = tuple(step for step in STEPS if getattr(config, f"output_{step}"))
        record = Record(
            wanted, config.return_dict_in_generate, model.config.is_encoder_decoder, config.return_legacy_cache
        )
        runner = Runner(model, prompt, cache, copies, record.observes, config.prefill_chunk_size)
        ids = prompt.ids.repeat_interleave(copies, dim=0)
        if max_length <= ids.shape[1]:  # max_new_tokens=0
            return record.result(ids, runner)
        call = {"prompt_length": ids.shape[1], "max_length": max_length, "device": ids.device, "tokenizer": tokenizer}
        eos = call["eos_token_ids"] = eos_ids(config)
        search = method(
            runner=runner, config=config, record=record, eos=eos, max_length=max_length, streamer=streamer,
            pad=config.pad_token_id if config.pad_token_id is not None else eos[0] if eos else 0,
            processors=build_processors(
                config, prompt_ids=prompt.ids, prompt_mask=prompt.mask, encoder_ids=source, model=model,
                extra=processors, prefix_allowed_tokens_fn=prefix_allowed_tokens_fn,
                negative_ids=negative_prompt_ids, negative_mask=negative_prompt_attention_mask, **call, **grammar,
            ),
            stopping=build_stopping(config, extra=criteria, **call),
        )  # fmt: skip
        if isinstance(search, AssistedDecoding):
            own = None if draft is None else choose_cache(assistant_model, config, {}, draft, max_length, True)
            search.assist(assistant_model, draft, own)
        search.stream(ids)
        result = search.run(ids)
        if streamer is not None:
            streamer.end()
    return result


def settle(
    model: Any, generation_config: GenerationConfig | None, kwargs: dict[str, Any]
) -> tuple[GenerationConfig, dict[str, Any]]:
    """The options of a call, checked: keywords before the given config before the model's; and the model's inputs.

    Raises: ValueError for a keyword that is neither.
    """
    refused = [name for name in REFUSED if kwargs.get(name)]
    if refused:
        raise ValueError(f"{refused[0]} is not supported: qkv never runs code from a repository. Leave it out.")
    if kwargs.get("assistant_tokenizer") is not None:
        raise ValueError("an assistant with another tokenizer is not supported: both models must share one vocabulary.")
    kwargs = {name: value for name, value in kwargs.items() if name not in (*REFUSED, *WITHOUT_EFFECT)}
    given = {name: kwargs.pop(name) for name in (*MODEL_INPUTS, *GRAMMARS) if name in kwargs}
    given = {name: value for name, value in given.items() if value is not None}
    fields = GenerationConfig.fields()
    for name in kwargs:
        if name not in fields:
            near = nearest(name, [*fields, *MODEL_INPUTS, *GRAMMARS])
            raise ValueError(f"generate() has no option {short(name)}; the nearest are {near}.")
    if generation_config is not None and not isinstance(generation_config, GenerationConfig):
        raise TypeError(f"generation_config must be a GenerationConfig, got {short(generation_config)}.")
    config = model.generation_config.merged(generation_config or {}, kwargs)
    config.validate()
    return config, given


def prepare(model: Any, config: Any, inputs: Tensor | None, given: dict[str, Any]) -> Prompt:
    """The prompt of a call, on the model's device."""
    if not model.config.is_encoder_decoder:
        return decoder_prompt(config, inputs, given, model.device)
    observe = {name: getattr(config, name) for name in ("output_attentions", "output_hidden_states")}
    return encoder_prompt(model, config, inputs, given, observe)


def longest(model: Any, config: GenerationConfig, prompt: Prompt) -> int:
    """Ids of a row at most, the prompt included.

    Raises: ValueError if the prompt leaves no room.
    """
    have, explicit = prompt.ids.shape[1], "max_length" in vars(config)
    longest_row = prompt.length if prompt.mask is None else int(prompt.mask.sum(dim=1).max())
    if config.max_new_tokens is not None:
        limit = have + config.max_new_tokens
    elif explicit:
        limit = config.max_length - (prompt.length - have)
        if limit <= have:
            raise ValueError(
                f"the prompt has {prompt.length} tokens, which leaves no room under max_length={config.max_length}. "
                f"Set max_new_tokens, which does not count the prompt."
            )
    else:
        positions = getattr(model.config, "max_position_embeddings", None)
        limit = have + DEFAULT_NEW
        limit = limit if positions is None else max(have, min(limit, have + positions - longest_row))
    table = None if model.config.is_encoder_decoder else model.base_model.max_tokens
    if table is None:
        return limit
    if longest_row > table:
        raise ValueError(f"the prompt has {longest_row} tokens, this model reads {table} at most: shorten it.")
    room = have + table - longest_row
    if limit > room and (explicit or config.max_new_tokens is not None):
        warnings.warn(
            f"texts end at {table} tokens, the most this model reads. Ask for max_new_tokens={table - longest_row} or "
            f"fewer to end this warning.",
            stacklevel=4,
        )
    return min(limit, room)


def choose_cache(
    model: Any, config: GenerationConfig, given: dict[str, Any], prompt: Prompt, max_length: int, goes_back: bool
) -> Any:
    """The cache that a call uses: the given one, or what `cache_implementation` names; None for use_cache=False."""
    cache = given.pop("past_key_values", None)
    if cache is not None:
        return continued(cache, prompt)
    if not config.use_cache and prompt.embeds is None:
        return None
    kind, options = config.cache_implementation or "dynamic", dict(config.cache_config or {})
    ahead = prompt.length - prompt.ids.shape[1] + max_length
    if kind == "quantized":
        cache: Cache = QuantizedCache(**options)
    elif "static" in kind:
        cache = StaticCache(max_cache_len=options.get("max_cache_len") or config.max_cache_len or ahead)
    else:
        cache = DynamicCache(None if goes_back else model.config, room=min(ahead, prompt.length + ROOM))
    return EncoderDecoderCache(cache, DynamicCache()) if model.config.is_encoder_decoder else cache


def continued(cache: Any, prompt: Prompt) -> Any:
    """A cache that has read the beginning of a prompt; the last token is always read anew."""
    if not isinstance(cache, Cache | EncoderDecoderCache):
        cache = DynamicCache.from_legacy_cache(cache)
    if cache.length > prompt.length:
        raise ValueError(
            f"past_key_values holds {cache.length} tokens, the prompt only {prompt.length}: give all ids of the text "
            f"so far, those in the cache too."
        )
    if cache.length >= prompt.length:
        cache.crop(prompt.length - 1)
    return cache
