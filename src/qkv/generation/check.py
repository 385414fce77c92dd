"""Which generation options contradict each other, and what to change."""

from typing import TYPE_CHECKING

from ..errors import short

if TYPE_CHECKING:
    from .config import GenerationConfig


def contradictions(config: "GenerationConfig") -> list[str]:
    """Which options cannot go together, and what to change; a sentence each."""
    rules = (_absent, _lengths, _returned, _groups, _constrained, _contrastive, _dola, _forced)
    found = [problem for rule in rules for problem in rule(config)]
    if config.do_sample and config.temperature == 0:
        found.append("temperature=0 cannot be sampled with. Pass do_sample=False, or a temperature above 0.")
    return found


def _absent(config: "GenerationConfig") -> list[str]:
    if config.use_mtp or config.speculation_type is not None:
        return ["use_mtp and speculation_type need heads that no model here has. Use prompt_lookup_num_tokens instead."]
    if config.cache_implementation == "paged":
        return ["cache_implementation='paged' is for a server of many texts. Use 'dynamic', or leave it out."]
    return []


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
    if config.get_generation_mode() != "constrained_beam_search":
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
    if config.dola_layers is None or config.get_generation_mode() == "dola_generation":
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
