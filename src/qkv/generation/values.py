"""What each generation option may hold.

What is special: every value, typed by a user or read from a file, passes the same rules, and none of them needs torch.
A rule gives the value back in the type that the option has, such as 1.0 for 1, or raises ValueError.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ..errors import nearest, short
from .constraints import Constraint

Rule = Callable[[str, Any], Any]

LARGEST = 2**63 - 1  # what a tensor of ids or lengths can hold
CACHES = (
    "dynamic", "dynamic_full", "static", "offloaded", "offloaded_static", "quantized", "paged", "sliding_window",
    "hybrid", "hybrid_chunked", "offloaded_hybrid", "offloaded_hybrid_chunked",
)  # fmt: skip
SCHEDULES = ("constant", "heuristic", "heuristic_transient")


def refuse(name: str, value: Any, expected: str) -> NoReturn:
    huge = isinstance(value, int) and abs(value) > LARGEST  # Python does not print integers of any length
    shown = f"an integer of {value.bit_length():,} bits" if huge else short(value)
    raise ValueError(f"{name} must be {expected}, got {shown}. Leave it out, or pass None, for the default.")


def whole(least: int) -> Rule:
    def rule(name: str, value: Any) -> int:
        try:  # JSON of other languages has 20.0 for 20; numpy and torch have their own integers
            given: Any = int(value) if isinstance(value, float) and value.is_integer() else value
            number = operator.index(given)
        except (TypeError, ValueError):
            number = None
        if number is None or isinstance(value, bool) or not least <= number <= LARGEST:
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
            refuse(name, value, f"a known name (the nearest: {nearest(short(value), names)})")
        return value

    return rule


def listed(item: Rule, expected: str, least: int = 0) -> Rule:
    def rule(name: str, value: Any) -> list[Any]:
        if not isinstance(value, list | tuple) or len(value) < least:
            refuse(name, value, expected)
        return [item(f"{name}[{i}]", x) for i, x in enumerate(value)]

    return rule


def single_or(many: Rule, single: Rule) -> Rule:
    return lambda name, value: many(name, value) if isinstance(value, list | tuple) else single(name, value)


def text(name: str, value: Any) -> str:
    return value if isinstance(value, str) else refuse(name, value, "a string")


def early_stopping(name: str, value: Any) -> bool | str:
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    return value if isinstance(value, str) and value == "never" else refuse(name, value, "True, False or 'never'")


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


def plain(value: Any) -> Any:
    """A value in the types of JSON; other objects as they are. Raises: ValueError when it is nested too deeply."""
    try:
        return _plain(value)
    except RecursionError:
        raise ValueError("the options are nested too deeply, or contain themselves. Check the file.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    if type(value).__name__ == "dtype":
        return str(value).removeprefix("torch.")
    if callable(getattr(value, "to_dict", None)):
        return _plain(value.to_dict())
    if not isinstance(value, Mapping):
        return value
    if any(isinstance(key, tuple) for key in value):  # JSON has only string keys
        return [[_plain(key), _plain(x)] for key, x in value.items()]
    return {str(key): _plain(x) for key, x in value.items()}
