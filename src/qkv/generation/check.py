"""What each generation option may hold, and which options contradict each other.

What is special: nothing here needs torch, and every value, typed by a user or read from a file, passes the same rules.
A rule gives the value back in the type that the option has, such as 1.0 for 1.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import nearest, short
from .constraints import Constraint

if TYPE_CHECKING:
    from .config import GenerationConfig

Rule = Callable[[str, Any], Any]

LARGEST = 2**63 - 1  # what a tensor of ids or lengths can hold
CACHES = (
    "dynamic", "dynamic_full", "static", "offloaded", "offloaded_static", "quantized", "paged", "sliding_window",
    "hybrid", "hybrid_chunked", "offloaded_hybrid", "offloaded_hybrid_chunked",
)  # fmt: skip
SCHEDULES = ("constant", "heuristic", "heuristic_transient")
OF_GENERATE = (
    "logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "synced_gpus", "assistant_model", "streamer",
    "negative_prompt_ids", "negative_prompt_attention_mask", "use_model_defaults", "custom_generate",
)  # fmt: skip


def refuse(name: str, value: Any, expected: str) -> NoReturn:
    huge = isinstance(value, int) and abs(value) > LARGEST  # Python does not print integers of any length
    shown = f"an integer of {value.bit_length():,} bits" if huge else short(value)
    raise ValueError(f"{name} must be {expected}, got {shown}. Leave it out, or pass None, for the default.")


# -------------------------------------------------------------------------------------------------- rules of one option


def whole(least: int) -> Rule:
    def rule(name: str, value: Any) -> int:
        number = value
        if isinstance(value, float) and value.is_integer():
            number = int(value)
        elif not isinstance(value, int):
            try:
                number = operator.index(value)  # of numpy and torch
            except TypeError:
                pass
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= LARGEST:
            refuse(name, value, f"a whole number from {least} up")
        return number

    return rule


def real(expected: str, allowed: Callable[[float], bool]) -> Rule:
    def rule(name: str, value: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool | str | bytes) else float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            number = math.nan
        if not math.isfinite(number) or not allowed(number):
            refuse(name, value, expected)
        return number

    return rule


def flag(name: str, value: Any) -> bool:
    if isinstance(value, bool | int | float) or type(value).__module__ == "numpy":
        try:
            if value in (0, 1):
                return bool(value)
        except ValueError:  # an array
            pass
    refuse(name, value, "True or False")


def one_of(*names: str) -> Rule:
    def rule(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            refuse(name, value, f"one of {', '.join(map(repr, names))}; the nearest are {nearest(short(value), names)}")
        return value

    return rule


def listed(item: Rule, expected: str, least: int = 0) -> Rule:
    def rule(name: str, value: Any) -> list[Any]:
        if not isinstance(value, list | tuple) or len(value) < least:
            refuse(name, value, expected)
        return [item(f"each item of {name}", x) for x in value]

    return rule


def single_or(many: Rule, single: Rule) -> Rule:
    return lambda name, value: many(name, value) if isinstance(value, list | tuple) else single(name, value)


def text(name: str, value: Any) -> str:
    return value if isinstance(value, str) else refuse(name, value, "a string")


def early_stopping(name: str, value: Any) -> bool | str:
    return value if isinstance(value, str) and value == "never" else flag(f"{name}, unless it is 'never',", value)


def options(name: str, value: Any) -> Any:
    """A dict, or an object that can be written as one; its own class checks what is in it."""
    if isinstance(value, Mapping) or callable(getattr(value, "to_dict", None)):
        return value
    refuse(name, value, "a dict, or a config object with to_dict()")


def constraint(name: str, value: Any) -> Constraint:
    return value if isinstance(value, Constraint) else refuse(name, value, "a Constraint, as PhrasalConstraint([5, 7])")


def decay(name: str, value: Any) -> tuple[int, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        refuse(name, value, "(start, factor), as (15, 1.6)")
    return whole(0)(f"start of {name}", value[0]), positive(f"factor of {name}", value[1])


def sequence_bias(name: str, value: Any) -> dict[tuple[int, ...], float]:
    """{(id, id): bias}, from that, from [[[id, id], bias], ...] as JSON has it, or with keys written "(5, 7)"."""
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
        refuse(name, value, "{(5, 7): -1.5} or [[[5, 7], -1.5]], ids and their bias")
    return {tuple(sequence(f"ids of {name}", _digits(ids))): bias(f"bias of {name}", x) for ids, x in pairs}


def _digits(ids: Any) -> Any:
    return [int(x) for x in re.findall(r"\d{1,19}", ids)] if isinstance(ids, str) else ids


def bias(name: str, value: Any) -> float:
    infinite = isinstance(value, float) and math.isinf(value)
    return value if infinite else real("a number", lambda x: True)(name, value)


positive = real("a number above 0", lambda x: x > 0)
not_negative = real("a number from 0 up", lambda x: x >= 0)
anything = real("a number", lambda x: True)
probability = real("a number from 0 to 1", lambda x: 0 <= x <= 1)
fraction = real("a number above 0, at most 1", lambda x: 0 < x <= 1)
cutoff = real("a number from 0 up, below 1", lambda x: 0 <= x < 1)
token = whole(-1)  # published files have -1 for "none"
tokens = single_or(listed(token, "an id or a list of ids"), token)
sequence = listed(whole(0), "a list of ids, not empty", least=1)
sequences = listed(sequence, "a list of lists of ids, as [[5, 7], [9]], not empty", least=1)


def words(name: str, value: Any) -> list[Any]:
    nested = isinstance(value, list | tuple) and bool(value) and isinstance(value[0], list | tuple)
    return sequences(name, value) if nested else sequence(name, value)


def _each(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


RULES: dict[str, Rule] = {
    **_each("max_length max_new_tokens min_length min_new_tokens top_k no_repeat_ngram_size", whole(0)),
    **_each("encoder_no_repeat_ngram_size assistant_lookbehind target_lookbehind", whole(0)),
    **_each("num_beams num_beam_groups num_return_sequences max_cache_len prefill_chunk_size", whole(1)),
    **_each("num_assistant_tokens prompt_lookup_num_tokens max_matching_ngram_size assistant_early_exit", whole(1)),
    **_each("do_sample use_cache use_mtp return_legacy_cache renormalize_logits remove_invalid_values", flag),
    **_each("token_healing output_attentions output_hidden_states output_scores output_logits", flag),
    **_each("return_dict_in_generate is_assistant disable_compile low_memory", flag),
    **_each("repetition_penalty encoder_repetition_penalty", positive),
    **_each("temperature max_time diversity_penalty penalty_alpha", not_negative),
    **_each("length_penalty guidance_scale", anything),
    **_each("top_p min_p assistant_confidence_threshold", probability),
    **_each("top_h typical_p", fraction),
    **_each("epsilon_cutoff eta_cutoff", cutoff),
    **_each("pad_token_id bos_token_id forced_bos_token_id", token),
    **_each("eos_token_id forced_eos_token_id decoder_start_token_id", tokens),
    **_each("suppress_tokens begin_suppress_tokens", listed(token, "a list of ids")),
    **_each("cache_config watermarking_config compile_config continuous_batching_config", options),
    "assistant_ensemble_weight": real("a number above 0, below 1", lambda x: 0 < x < 1),
    "bad_words_ids": sequences,
    "cache_implementation": one_of(*CACHES),
    "constraints": listed(constraint, "a list of constraints, not empty", least=1),
    "dola_layers": single_or(listed(whole(0), "a list of layers", least=1), one_of("low", "high")),
    "early_stopping": early_stopping,
    "exponential_decay_length_penalty": decay,
    "force_words_ids": listed(words, "a list of lists of ids, as [[5, 7], [9]], not empty", least=1),
    "num_assistant_tokens_schedule": one_of(*SCHEDULES),
    "sequence_bias": sequence_bias,
    "speculation_type": text,
    "stop_strings": single_or(listed(text, "a string or a list of strings"), text),
}


# -------------------------------------------------------------------------------------------- rules of several options


def contradictions(config: "GenerationConfig") -> list[str]:
    """Which options cannot go together, and what to change; a sentence each."""
    rules = (_lengths, _returned, _groups, _constrained, _contrastive, _dola, _forced)
    found = [problem for rule in rules for problem in rule(config)]
    if config.do_sample and config.temperature == 0:
        found.append("temperature=0 cannot be sampled with. Pass do_sample=False, or a temperature above 0.")
    return found


def _lengths(config: "GenerationConfig") -> list[str]:
    low, high, given = config.min_length, config.max_length, vars(config)
    found = []
    if {"min_length", "max_length"} <= given.keys() and "max_new_tokens" not in given and low > high:
        found.append(f"min_length={low} is more than max_length={high}. Lower the first or raise the second.")
    low, high = config.min_new_tokens, config.max_new_tokens
    if low is not None and high is not None and low > high:
        found.append(f"min_new_tokens={low} is more than max_new_tokens={high}. Lower the first or raise the second.")
    return found


def _returned(config: "GenerationConfig") -> list[str]:
    count, beams = config.num_return_sequences, config.num_beams
    if beams == 1 and count > 1 and not config.do_sample:
        return [f"num_return_sequences={count} needs do_sample=True, or num_beams={count}: greedy gives one sequence."]
    if 1 < beams < count:
        return [f"num_return_sequences={count} is more than num_beams={beams}. Lower the first or raise the second."]
    return []


def _groups(config: "GenerationConfig") -> list[str]:
    groups, beams = config.num_beam_groups, config.num_beams
    if groups == 1:
        return []
    if beams == 1:
        return [f"num_beam_groups={groups} needs beams: pass num_beams={groups}, or a multiple of it."]
    found = []
    if beams % groups:
        found.append(f"num_beams={beams} is not a multiple of num_beam_groups={groups}. Pass num_beams={2 * groups}.")
    if config.diversity_penalty == 0:
        found.append("num_beam_groups needs a diversity_penalty above 0, as 0.5, or all groups are the same.")
    if config.do_sample:
        found.append("num_beam_groups does not go with do_sample=True. Drop one of them.")
    return found


def _constrained(config: "GenerationConfig") -> list[str]:
    if config.mode != "constrained_beam":
        return []
    found = []
    if config.num_beams == 1:
        found.append("constraints and force_words_ids need beams. Pass num_beams=4, or another number above 1.")
    if config.do_sample:
        found.append("constraints and force_words_ids do not go with do_sample=True. Drop one of them.")
    if config.num_beam_groups > 1:
        found.append("constraints and force_words_ids do not go with num_beam_groups. Drop one of them.")
    return found


def _contrastive(config: "GenerationConfig") -> list[str]:
    if not config.penalty_alpha:
        return []
    found = []
    if config.top_k <= 1:
        found.append(f"penalty_alpha needs top_k of 2 or more, as 4, got {config.top_k}. Raise it.")
    if config.num_beams > 1:
        found.append("penalty_alpha does not go with num_beams above 1. Drop it, or pass num_beams=1.")
    if config.do_sample:
        found.append("penalty_alpha does not go with do_sample=True. Pass penalty_alpha=0, or do_sample=False.")
    return found


def _dola(config: "GenerationConfig") -> list[str]:
    if config.dola_layers is None or config.mode == "dola":
        return []
    return ["dola_layers goes with greedy search and sampling only. Drop num_beams, penalty_alpha and constraints."]


def _forced(config: "GenerationConfig") -> list[str]:
    found = []
    for name in ("forced_bos_token_id", "forced_eos_token_id"):
        forced = getattr(config, name)
        ids = forced if isinstance(forced, list) else [] if forced is None else [forced]
        if ids and set(ids) <= set(config.suppress_tokens or ()):
            found.append(f"{name}={short(forced)} is in suppress_tokens, so nothing could come. Take it out of one.")
    return found
