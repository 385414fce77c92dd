"""Repetition: penalties and bans for tokens that occurred before, here, in the encoder's text or in other beams."""

import torch
from torch import Tensor

from .base import EXCLUDED, LogitsProcessor, is_count, is_number, occurring, per_row, require


def _penalized(ids: Tensor, scores: Tensor, penalty: float) -> Tensor:
    """Scores with those of tokens in ids (B,N) divided by the penalty, or multiplied where they are negative."""
    return torch.where(occurring(ids, scores), torch.where(scores < 0, scores * penalty, scores / penalty), scores)


class RepetitionPenaltyLogitsProcessor(LogitsProcessor):
    """Tokens that occurred before are less likely, once each however often they occurred (CTRL, Keskar et al., 2019).

    Args:
        penalty: above 0; above 1 against repetition (the paper: 1.2), below 1 in favour of it.
        prompt_ignore_length: tokens at the start that do not count, padding on the left or the whole prompt; a number,
            or one for each row (B,).
    """

    def __init__(self, penalty: float, prompt_ignore_length: int | Tensor | None = None):
        require(is_number(penalty) and penalty > 0, "penalty", penalty, "a number above 0")
        if isinstance(prompt_ignore_length, Tensor):
            shape = tuple(prompt_ignore_length.shape)
            require(len(shape) == 1, "prompt_ignore_length", shape, "a tensor of shape (B,)")
        elif prompt_ignore_length is not None:
            allowed = "an integer of at least 0, or a tensor of shape (B,)"
            require(is_count(prompt_ignore_length), "prompt_ignore_length", prompt_ignore_length, allowed)
        self.penalty = penalty
        self.prompt_ignore_length = prompt_ignore_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        ignored = self.prompt_ignore_length
        if isinstance(ignored, Tensor):
            ignored = per_row(ignored, input_ids.shape[0], "prompt_ignore_length").to(input_ids.device)
            at = torch.arange(input_ids.shape[1], device=input_ids.device)
            input_ids = input_ids.masked_fill(at < ignored[:, None], -1)
        elif ignored:
            input_ids = input_ids[:, ignored:]
        return _penalized(input_ids, scores, self.penalty)


class EncoderRepetitionPenaltyLogitsProcessor(LogitsProcessor):
    """Tokens of the encoder's text, or of the prompt, are more likely: against inventions in a summary.

    Args:
        penalty: above 0; above 1 in favour of these tokens, below 1 against them.
        encoder_input_ids: (P,S) int64, a row for each prompt.
    """

    def __init__(self, penalty: float, encoder_input_ids: Tensor):
        require(is_number(penalty) and penalty > 0, "penalty", penalty, "a number above 0")
        self.penalty = 1 / penalty
        self.encoder_input_ids = encoder_input_ids

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return _penalized(per_row(self.encoder_input_ids, scores.shape[0], "encoder_input_ids"), scores, self.penalty)


def _completing(windows: Tensor, input_ids: Tensor, scores: Tensor) -> Tensor:
    """Scores without the last tokens of the n-grams (B,W,n) whose other tokens the ids (B,T) end with."""
    size = windows.shape[-1]
    recent = input_ids[:, input_ids.shape[1] - size + 1 :]
    matches = (windows[:, :, :-1] == recent[:, None].to(windows.device)).all(dim=-1)
    return scores.masked_fill(occurring(windows[:, :, -1].masked_fill(~matches, -1), scores), EXCLUDED)


class NoRepeatNGramLogitsProcessor(LogitsProcessor):
    """No n tokens come twice in the same order, prompt included (Paulus et al., 2017).

    Args:
        ngram_size: n, at least 1.
        padding: tokens of padding at the left of each row (B,), which do not count; None for none.
    """

    def __init__(self, ngram_size: int, padding: Tensor | None = None):
        require(is_count(ngram_size, 1), "ngram_size", ngram_size, "an integer of at least 1")
        self.ngram_size, self.padding = ngram_size, padding

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if input_ids.shape[1] < self.ngram_size:
            return scores
        if self.padding is not None:
            padding = per_row(self.padding, input_ids.shape[0], "padding").to(input_ids.device)
            at = torch.arange(input_ids.shape[1], device=input_ids.device)
            input_ids = input_ids.masked_fill(at < padding[:, None], -1)
        return _completing(input_ids.unfold(1, self.ngram_size, 1), input_ids, scores)


class EncoderNoRepeatNGramLogitsProcessor(LogitsProcessor):
    """No n tokens of the encoder's text, or of the prompt, come in the same order: against copying.

    Args:
        encoder_ngram_size: n, at least 1.
        encoder_input_ids: (P,S) int64, a row for each prompt, or (S,).
    """

    def __init__(self, encoder_ngram_size: int, encoder_input_ids: Tensor):
        require(is_count(encoder_ngram_size, 1), "encoder_ngram_size", encoder_ngram_size, "an integer of at least 1")
        self.ngram_size = encoder_ngram_size
        self.encoder_input_ids = torch.atleast_2d(encoder_input_ids)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if min(input_ids.shape[1] + 1, self.encoder_input_ids.shape[1]) < self.ngram_size:
            return scores
        windows = self.encoder_input_ids.unfold(1, self.ngram_size, 1)
        return _completing(per_row(windows, scores.shape[0], "encoder_input_ids"), input_ids, scores)


class HammingDiversityLogitsProcessor(LogitsProcessor):
    """In group beam search: what earlier groups chose at this step is less likely (diverse beam search,
    Vijayakumar et al., 2016).

    Args:
        diversity_penalty: above 0; it is taken off for each beam that chose the token.
        num_beams: of all groups together, at least 2.
        num_beam_groups: from 2 to num_beams.
    """

    def __init__(self, diversity_penalty: float, num_beams: int, num_beam_groups: int):
        fits = is_number(diversity_penalty) and diversity_penalty > 0
        require(fits, "diversity_penalty", diversity_penalty, "a number above 0")
        require(is_count(num_beams, 2), "num_beams", num_beams, "an integer of at least 2")
        fits = is_count(num_beam_groups, 2) and num_beam_groups <= num_beams
        require(fits, "num_beam_groups", num_beam_groups, f"an integer from 2 to num_beams={num_beams}")
        self.diversity_penalty = diversity_penalty
        self.num_beams = num_beams
        self.group_size = num_beams // num_beam_groups

    def __call__(  # type: ignore[override]
        self, input_ids: Tensor, scores: Tensor, current_tokens: Tensor, beam_group_idx: int
    ) -> Tensor:
        """The scores (P*G,V) of one group's beams.

        Args:
            current_tokens: (P*num_beams,) int64, chosen at this step; those of later groups do not matter.
            beam_group_idx: of the group, from 0.
        """
        if not beam_group_idx:
            return scores
        chosen = current_tokens.view(-1, self.num_beams)[:, : beam_group_idx * self.group_size]
        counts = torch.zeros(chosen.shape[0], scores.shape[-1], dtype=torch.float32, device=scores.device)
        counts.scatter_add_(1, chosen.to(scores.device), torch.ones_like(chosen, dtype=torch.float32))
        penalty = (self.diversity_penalty * counts).repeat_interleave(self.group_size, dim=0)
        return (scores - penalty).to(scores.dtype)
