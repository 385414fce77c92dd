"""The options of `generate()`: their names, types, defaults and meaning.

What is special: an option has its default on the class and stands on the object only when it was set, so to lay one
config over another is a union of two dicts, and a file holds what was chosen and no more. None is "not set".
"""

import difflib
from collections.abc import Mapping
from typing import Any

from ..errors import short
from .values import RULES

OF_GENERATE = (
    "logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "synced_gpus", "assistant_model", "streamer",
    "negative_prompt_ids", "negative_prompt_attention_mask", "use_model_defaults", "custom_generate",
)  # fmt: skip
ALIKE = 0.81  # of names: "max_tokens" is max_new_tokens misspelt, "stop_words_ids" is a name of its own


class GenerationOptions:
    """Every option, checked when it is set. Ids are token ids, lengths are in tokens."""

    # length
    max_length: int = 20  # of prompt and answer together; max_new_tokens wins over it
    max_new_tokens: int | None = None  # of the answer
    min_length: int = 0  # of prompt and answer together; eos cannot come before
    min_new_tokens: int | None = None  # of the answer
    early_stopping: bool | str = False  # beams: True stops at num_beams ended ones, "never" when none can get better
    max_time: float | None = None  # seconds, after which no step is begun
    stop_strings: str | list[str] | None = None  # texts that end the answer
    # search
    do_sample: bool = False  # draw from the distribution instead of taking the best
    num_beams: int = 1  # candidates that are followed at once
    num_beam_groups: int = 1  # groups of beams that differ (Vijayakumar et al., 2018)
    diversity_penalty: float = 0.0  # on a token that another group chose at the same step
    length_penalty: float = 1.0  # beams: the score is divided by length to this power
    penalty_alpha: float | None = None  # contrastive search: weight of unlikeness to the text so far (Su et al., 2022)
    dola_layers: str | list[int] | None = None  # layers to contrast, "low" or "high" for a half (Chuang et al., 2024)
    constraints: list[Any] | None = None  # Constraint objects that the answer must meet
    force_words_ids: list[Any] | None = None  # words that must come, each as ids, or a list of forms of it
    low_memory: bool | None = None  # one row after the other in contrastive search
    # cache
    use_cache: bool = True  # keep keys and values of the tokens before
    cache_implementation: str | None = None  # "dynamic", "static", "offloaded", "quantized" ...
    cache_config: dict[str, Any] | Any = None  # options of that cache
    max_cache_len: int | None = None  # tokens that a static cache has room for
    return_legacy_cache: bool | None = None  # keys and values as tuples
    prefill_chunk_size: int | None = None  # tokens of the prompt that are read at once
    # sampling
    temperature: float = 1.0  # scores are divided by it
    top_k: int = 50  # keep the k best tokens; 0 keeps all
    top_p: float = 1.0  # keep the best tokens that sum to p (Holtzman et al., 2020)
    min_p: float | None = None  # keep tokens of at least min_p times the best probability (Nguyen et al., 2025)
    top_h: float | None = None  # keep the best tokens with that part of the entropy (Potraghloo et al., 2025)
    typical_p: float = 1.0  # keep the tokens nearest to the expected surprise that sum to p (Meister et al., 2023)
    epsilon_cutoff: float = 0.0  # drop tokens less probable than this (Hewitt et al., 2022)
    eta_cutoff: float = 0.0  # the same, with a bound that depends on the entropy (Hewitt et al., 2022)
    # scores
    repetition_penalty: float = 1.0  # above 1 makes tokens that came less likely (Keskar et al., 2019)
    encoder_repetition_penalty: float = 1.0  # above 1 makes tokens of the input more likely
    no_repeat_ngram_size: int = 0  # n-grams of this size come once; 0 is off
    encoder_no_repeat_ngram_size: int = 0  # n-grams of the encoder's input do not come; 0 is off
    bad_words_ids: list[list[int]] | None = None  # sequences that must not come
    sequence_bias: dict[tuple[int, ...], float] | None = None  # added to the score of a sequence's last token
    exponential_decay_length_penalty: tuple[int, float] | None = None  # (start, factor): eos grows likelier from there
    suppress_tokens: list[int] | None = None  # never come
    begin_suppress_tokens: list[int] | None = None  # do not come first
    forced_bos_token_id: int | None = None  # comes first
    forced_eos_token_id: int | list[int] | None = None  # comes last, when max_length is reached
    remove_invalid_values: bool = False  # replace NaN and infinite scores
    renormalize_logits: bool = False  # log-probabilities again, after all changes of the scores
    guidance_scale: float | None = None  # above 1 leads away from the negative prompt (Sanchez et al., 2023)
    token_healing: bool = False  # let the last token of the prompt be a longer one
    watermarking_config: dict[str, Any] | Any = None  # a mark for detectors (Kirchenbauer et al., 2023)
    # result
    num_return_sequences: int = 1  # answers for each prompt
    return_dict_in_generate: bool = False  # an output object in place of ids; the four below need it
    output_attentions: bool = False
    output_hidden_states: bool = False
    output_scores: bool = False  # as the search saw them
    output_logits: bool | None = None  # as the model gave them
    # tokens
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None  # any of them ends an answer
    decoder_start_token_id: int | list[int] | None = None  # of an encoder-decoder; a list has one for each row
    # a smaller model, or the prompt, that guesses ahead (Leviathan et al., 2023)
    is_assistant: bool = False
    num_assistant_tokens: int = 20  # guesses at once
    num_assistant_tokens_schedule: str = "constant"  # "heuristic" adapts it, "heuristic_transient" for one call
    assistant_confidence_threshold: float = 0.4  # the assistant stops guessing below it (Mamou et al., 2024)
    prompt_lookup_num_tokens: int | None = None  # guesses copied from the prompt
    max_matching_ngram_size: int | None = None  # of the n-gram looked up in the prompt; 2 if None
    assistant_early_exit: int | None = None  # layer whose scores are the guesses (Elhoushi et al., 2024)
    assistant_lookbehind: int = 10  # tokens compared when the assistant has another tokenizer
    target_lookbehind: int = 10
    assistant_ensemble_weight: float | None = None  # accept against a mixture with this weight of the model
    speculation_type: str | None = None
    use_mtp: bool | None = None  # guesses by the model's own heads
    # speed
    compile_config: dict[str, Any] | Any = None  # not written
    disable_compile: bool = False
    continuous_batching_config: dict[str, Any] | Any = None

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """The names of all options."""
        return tuple(RULES)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in RULES:
            self._check_unknown(name)
        if value is None:
            vars(self).pop(name, None)
        else:
            vars(self)[name] = RULES[name](name, value) if name in RULES else value

    def _set(self, options: Mapping[str, Any]) -> None:
        for name, value in options.items():
            if not name.startswith("_"):
                setattr(self, name, value)

    def _check_unknown(self, name: str) -> None:
        if name in OF_GENERATE:
            raise ValueError(f"{name} is an argument of generate(), not of GenerationConfig. Pass it to generate().")
        if hasattr(type(self), name):
            raise ValueError(f"{name} is a method of GenerationConfig, not an option. Choose another name.")
        meant = not name.startswith("_") and not name.endswith("_token_id") and len(name) < 64
        if meant and (near := difflib.get_close_matches(name, RULES, cutoff=ALIKE)):
            raise ValueError(f"there is no option {short(name)}. Do you mean {' or '.join(map(repr, near))}?")
