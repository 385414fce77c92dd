"""From a configuration of generate() to its processors, in the order of a table."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .base import LogitsProcessor, LogitsProcessorList, merged
from .grammar import GrammarLogitsProcessor
from .guidance import UnbatchedClassifierFreeGuidanceLogitsProcessor
from .length import (
    ExponentialDecayLengthPenalty,
    ForcedBOSTokenLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    InfNanRemoveLogitsProcessor,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
)
from .repetition import (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    HammingDiversityLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)
from .sequences import NoBadWordsLogitsProcessor, PrefixConstrainedLogitsProcessor, SequenceBiasLogitsProcessor
from .synthid import SynthIDTextWatermarkingConfig
from .warpers import (
    EpsilonLogitsWarper,
    EtaLogitsWarper,
    LogitNormalization,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopHLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)
from .watermark import WatermarkingConfig


@dataclass(frozen=True)
class Call:
    """A call of generate(), as far as processors depend on it."""

    config: Any
    prompt_ids: Tensor
    encoder_ids: Tensor | None
    prompt_mask: Tensor | None
    prompt_length: int
    max_length: int
    eos_token_ids: list[int]
    device: torch.device
    prefix_allowed_tokens_fn: Any
    model: Any
    negative_ids: Tensor | None
    negative_mask: Tensor | None
    tokenizer: Any
    grammar: dict[str, Any]

    @property
    def source(self) -> Tensor:
        """The text that encoder_repetition_penalty and encoder_no_repeat_ngram_size mean.

        Raises: ValueError if the model does not read tokens.
        """
        encodes = getattr(getattr(self.model, "config", None), "is_encoder_decoder", False)
        ids = self.encoder_ids if self.encoder_ids is not None or encodes else self.prompt_ids
        if ids is None or ids.dim() != 2 or ids.is_floating_point() or not ids.shape[1]:
            raise ValueError(
                "encoder_repetition_penalty and encoder_no_repeat_ngram_size look at the input's token ids, and this "
                "input has none. Leave them out, or give input_ids."
            )
        if ids is self.prompt_ids and self.prompt_mask is not None:
            ids = ids.masked_fill(self.prompt_mask == 0, -1)  # padding is no text
        return ids

    @property
    def padding(self) -> Tensor | None:
        """Tokens of padding at the left of each prompt (P,)."""
        return None if self.prompt_mask is None else (self.prompt_mask != 0).int().argmax(dim=1)

    @property
    def begin(self) -> int:
        """Tokens before the first that is not forced."""
        return self.prompt_length + (self.prompt_length <= 1 and self.config.forced_bos_token_id is not None)

    @property
    def least(self) -> int:
        """Tokens that sampling must keep: with beams one more than there are ends, for a beam that goes on."""
        return max(len(self.eos_token_ids), 1) + 1 if (self.config.num_beams or 1) > 1 else 1

    @property
    def watermark(self) -> LogitsProcessor:
        config = self.config.watermarking_config
        if isinstance(config, Mapping):
            kind = SynthIDTextWatermarkingConfig if "ngram_len" in config else WatermarkingConfig
            config = kind(**config)
        return config.construct_processor(self.model.config.vocab_size, self.device)


Condition = Callable[[Call], Any]
Table = tuple[tuple[Condition, Callable[[Call, Any], LogitsProcessor]], ...]


def _given(name: str) -> Condition:
    return lambda call: getattr(call.config, name, None) is not None


def _differs(name: str, neutral: float) -> Condition:
    return lambda call: getattr(call.config, name, None) not in (None, neutral)


def _above(name: str, limit: float) -> Condition:
    return lambda call: (getattr(call.config, name, None) or limit) > limit


def _below(name: str, limit: float) -> Condition:
    return lambda call: _given(name)(call) and getattr(call.config, name) < limit


def _ends_after(name: str) -> Condition:
    return lambda call: call.eos_token_ids and _above(name, 0)(call)


def _fraction(name: str) -> Condition:
    return lambda call: _above(name, 0)(call) and _below(name, 1)(call)


# When a processor is wanted, and how it is made of the call and its configuration; in the order of application.
PROCESSORS: Table = (
    (
        _differs("guidance_scale", 1),
        lambda c, g: UnbatchedClassifierFreeGuidanceLogitsProcessor(
            g.guidance_scale, c.model, c.negative_ids, c.negative_mask, g.use_cache
        ),
    ),
    (_given("sequence_bias"), lambda c, g: SequenceBiasLogitsProcessor(g.sequence_bias)),
    (
        _above("diversity_penalty", 0),
        lambda c, g: HammingDiversityLogitsProcessor(g.diversity_penalty, g.num_beams, g.num_beam_groups),
    ),
    (
        _differs("encoder_repetition_penalty", 1),
        lambda c, g: EncoderRepetitionPenaltyLogitsProcessor(g.encoder_repetition_penalty, c.source),
    ),
    (
        _differs("repetition_penalty", 1),
        lambda c, g: RepetitionPenaltyLogitsProcessor(g.repetition_penalty, c.padding),
    ),
    (_above("no_repeat_ngram_size", 0), lambda c, g: NoRepeatNGramLogitsProcessor(g.no_repeat_ngram_size, c.padding)),
    (
        _above("encoder_no_repeat_ngram_size", 0),
        lambda c, g: EncoderNoRepeatNGramLogitsProcessor(g.encoder_no_repeat_ngram_size, c.source),
    ),
    (_given("bad_words_ids"), lambda c, g: NoBadWordsLogitsProcessor(g.bad_words_ids, c.eos_token_ids)),
    (_ends_after("min_length"), lambda c, g: MinLengthLogitsProcessor(g.min_length, c.eos_token_ids)),
    (
        _ends_after("min_new_tokens"),
        lambda c, g: MinNewTokensLengthLogitsProcessor(c.prompt_length, g.min_new_tokens, c.eos_token_ids),
    ),
    (
        lambda c: c.prefix_allowed_tokens_fn is not None,
        lambda c, g: PrefixConstrainedLogitsProcessor(c.prefix_allowed_tokens_fn, g.num_beams or 1),
    ),
    (_given("forced_bos_token_id"), lambda c, g: ForcedBOSTokenLogitsProcessor(g.forced_bos_token_id)),
    (_given("forced_eos_token_id"), lambda c, g: ForcedEOSTokenLogitsProcessor(c.max_length, g.forced_eos_token_id)),
    (_differs("remove_invalid_values", False), lambda c, g: InfNanRemoveLogitsProcessor()),
    (
        _given("exponential_decay_length_penalty"),
        lambda c, g: ExponentialDecayLengthPenalty(
            g.exponential_decay_length_penalty, c.eos_token_ids, c.prompt_length
        ),
    ),
    (_given("suppress_tokens"), lambda c, g: SuppressTokensLogitsProcessor(g.suppress_tokens)),
    (
        _given("begin_suppress_tokens"),
        lambda c, g: SuppressTokensAtBeginLogitsProcessor(g.begin_suppress_tokens, c.begin),
    ),
    (
        lambda c: c.grammar,
        lambda c, g: GrammarLogitsProcessor(
            c.tokenizer, **c.grammar, eos_token_id=c.eos_token_ids or None, prompt_length=c.prompt_length
        ),
    ),
)

WARPERS: Table = (
    (_differs("temperature", 1), lambda c, g: TemperatureLogitsWarper(g.temperature)),
    (_given("top_h"), lambda c, g: TopHLogitsWarper(g.top_h)),
    (_differs("top_k", 0), lambda c, g: TopKLogitsWarper(g.top_k, min_tokens_to_keep=c.least)),
    (_below("top_p", 1), lambda c, g: TopPLogitsWarper(g.top_p, min_tokens_to_keep=c.least)),
    (_given("min_p"), lambda c, g: MinPLogitsWarper(g.min_p, min_tokens_to_keep=c.least)),
    (_below("typical_p", 1), lambda c, g: TypicalLogitsWarper(g.typical_p, min_tokens_to_keep=c.least)),
    (_fraction("epsilon_cutoff"), lambda c, g: EpsilonLogitsWarper(g.epsilon_cutoff, min_tokens_to_keep=c.least)),
    (_fraction("eta_cutoff"), lambda c, g: EtaLogitsWarper(g.eta_cutoff, min_tokens_to_keep=c.least)),
)

LAST: Table = (
    (_given("watermarking_config"), lambda c, g: c.watermark),
    (_differs("renormalize_logits", False), lambda c, g: LogitNormalization()),
)


def build_processors(  # noqa: PLR0913 (everything processors depend on)
    config: Any, *, prompt_ids: Tensor, encoder_ids: Tensor | None, prompt_length: int, eos_token_ids: list[int],
    device: Any, prefix_allowed_tokens_fn: Callable[[int, Tensor], Iterable[int]] | None = None,
    extra: Iterable[Callable[..., Tensor]] | None = None, model: Any = None, negative_ids: Tensor | None = None,
    negative_mask: Tensor | None = None, tokenizer: Any = None, prompt_mask: Tensor | None = None,
    max_length: int | None = None, **grammars: Any,
) -> LogitsProcessorList:  # fmt: skip
    """The processors of a call.

    Args:
        config: a GenerationConfig.
        prompt_ids: (P,T) int64, of the decoder.
        encoder_ids: (P,S) int64 that an encoder reads; None without one, or if it reads no tokens.
        prompt_length: tokens in a row before the first new one.
        eos_token_ids: ids that end a row; may be empty.
        device: of the scores.
        extra: the caller's processors, applied after those of the configuration and before the warpers; one of a class
            that the configuration asks for too takes its place.
        negative_ids, negative_mask: a prompt to move away from, with guidance_scale.
        tokenizer: for a grammar.
        prompt_mask: (P,T), 0 at padding; repetition_penalty does not count padding at the left.
        max_length: tokens in a row, prompt included; that of the configuration if None.
        grammars: one of json_schema, regex, choice and grammar, for GrammarLogitsProcessor; None does not count.

    Raises: ValueError for a value out of its range.
    """
    grammar = {name: value for name, value in grammars.items() if value is not None}
    call = Call(
        config, prompt_ids, encoder_ids, prompt_mask, prompt_length, max_length or config.max_length, eos_token_ids,
        torch.device(device), prefix_allowed_tokens_fn, model, negative_ids, negative_mask, tokenizer, grammar,
    )  # fmt: skip
    made = merged(_made(PROCESSORS, call), extra or ())
    warpers = _made(WARPERS, call) if config.do_sample else []
    return LogitsProcessorList([*made, *warpers, *_made(LAST, call)])


def _made(table: Table, call: Call) -> list[LogitsProcessor]:
    return [make(call, call.config) for wanted, make in table if wanted(call)]
