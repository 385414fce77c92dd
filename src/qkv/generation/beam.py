"""Beam search: several texts a row, of which the most likely survive each step.

Shapes: B rows, K beams, C candidates, T ids so far, L ids at most, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .search import NO_TOKEN, Search

NEVER = -1e9  # the score of what must not be chosen


@dataclass
class Beams:
    """Texts with their scores: ids (B,K,L); sum of log-probabilities, or final score (B,K); and for each generated id
    the row of B*K whose scores it was chosen from (B,K,L-prompt), -1 where there is none."""

    ids: Tensor
    scores: Tensor
    origins: Tensor

    def take(self, index: Tensor) -> "Beams":
        """Those with these numbers, (B,K')."""
        rows = torch.arange(len(index), device=index.device)[:, None]
        return Beams(self.ids[rows, index], self.scores[rows, index], self.origins[rows, index])

    @staticmethod
    def join(parts: "list[Beams]") -> "Beams":
        """The texts of several next to each other, (B,K+K'+...)."""
        return Beams(*(torch.cat([getattr(x, f) for x in parts], dim=1) for f in ("ids", "scores", "origins")))

    def flat(self, length: int) -> Tensor:
        """All ids up to a length, (B*K,length)."""
        return self.ids[:, :, :length].flatten(0, 1)


class BeamSearch(Search):
    """Beam search, or with `do_sample` candidates drawn without replacement (beam sampling).

    A finished text is scored by its log-probability divided by length**length_penalty. `early_stopping`: True ends when
    each row has K finished texts, False when no open one is likely to beat them, "never" when none can.
    """

    def run(self, ids: Tensor) -> Any:
        self.beams = self.config.num_beams
        self.prompt = length = ids.shape[1]
        open_, done = self._start(ids)
        finished = done.scores > NEVER  # (B,K)
        improvable = finished.new_ones(len(done.ids), 1)
        while length < self.max_length:
            candidates = self._candidates(open_, length)
            ends = self.stopping(candidates.flat(length + 1), self.record.scores).view(candidates.scores.shape)
            open_ = self._go_on(candidates, ends)
            done, finished = self._finish(done, finished, candidates, ends, improvable, length + 1)
            length += 1
            self.runner.select(open_.origins[:, :, length - 1 - self.prompt].flatten())
            improvable = improvable & self._may_improve(open_, done, finished, length)
            all_full = bool(finished.all()) and self.config.early_stopping is True
            if not improvable.any() or all_full or ends.all():
                break
        return self._result(done)

    def _start(self, ids: Tensor) -> tuple[Beams, Beams]:
        """Open texts, all but the first of a row without a chance so that they differ, and room for finished ones."""
        shape = len(ids) // self.beams, self.beams
        texts = ids.new_full((*shape, self.max_length), self.pad)
        texts[:, :, : self.prompt] = ids.view(*shape, self.prompt)
        origins = ids.new_full((*shape, self.max_length - self.prompt), -1)
        scores = torch.full(shape, NEVER, device=ids.device)
        first = scores.clone()
        first[:, 0] = 0
        return Beams(texts, first, origins), Beams(texts.clone(), scores, origins.clone())

    def _candidates(self, open_: Beams, length: int) -> Beams:
        """Continuations by one id, the best first: enough to have K open ones if the others end."""
        rows, count = len(open_.ids), max(2, 1 + len(self.eos)) * self.beams
        sums = self._log_probabilities(open_.flat(length)).view(rows, self.beams, -1) + open_.scores[..., None]
        vocabulary, sums = sums.shape[-1], sums.flatten(1)  # (B,K*V)
        if not bool((sums.amax(dim=1) > 2 * NEVER).all()):
            raise ValueError(NO_TOKEN)
        if self.config.do_sample:
            chosen = torch.multinomial(sums.softmax(dim=-1), count)
            scores = sums.gather(1, chosen)
        else:
            scores, chosen = sums.topk(min(count, sums.shape[1]))
        return self._continued(open_, chosen // vocabulary, chosen % vocabulary, scores, length)

    def _continued(  # noqa: PLR0913 (what is continued, and by what)
        self, open_: Beams, beam: Tensor, token: Tensor, scores: Tensor, length: int, first: int = 0
    ) -> Beams:
        """Open texts (B,K) with these numbers (B,C), one id longer and with new scores (B,C).

        Args:
            first: the number of the first open text among all that a row has.
        """
        candidates = open_.take(beam)
        candidates.scores = scores
        candidates.ids[:, :, length] = token
        offset = torch.arange(len(beam), device=beam.device)[:, None] * self.config.num_beams
        candidates.origins[:, :, length - self.prompt] = beam + offset + first
        return candidates

    def _log_probabilities(self, ids: Tensor) -> Tensor:
        """Processed log-probabilities (B*K,V) of the next ids."""
        logits = self.runner.logits(ids)[:, -1]
        self.check(logits)
        scores = self.processors(ids, logits.log_softmax(dim=-1))
        self.record.add(self.runner.output, logits, scores)
        return scores

    def _go_on(self, candidates: Beams, ends: Tensor) -> Beams:
        scores = candidates.scores + ends * NEVER
        return Beams(candidates.ids, scores, candidates.origins).take(scores.topk(self.beams)[1])

    def _finish(  # noqa: PLR0913 (the state of a search)
        self, done: Beams, finished: Tensor, candidates: Beams, ends: Tensor, improvable: Tensor, length: int
    ) -> tuple[Beams, Tensor]:
        """Of the finished texts and the candidates that end now, the best K."""
        best = torch.arange(ends.shape[1], device=ends.device) < self.beams  # the others are only there to go on with
        ends = ends & best
        full = finished.all(dim=1, keepdim=True) & (self.config.early_stopping is True)
        scores = candidates.scores / (length - self.prompt) ** self.config.length_penalty
        scores = scores + (full | ~improvable) * NEVER + ~ends * NEVER
        both = Beams.join([done, Beams(candidates.ids, scores, candidates.origins)])
        chosen = both.scores.topk(self.beams)[1]
        return both.take(chosen), torch.cat([finished, ends], dim=1).gather(1, chosen)

    def _may_improve(self, open_: Beams, done: Beams, finished: Tensor, length: int) -> Tensor:
        """Whether the best open text of a row could still beat its worst finished one, (B,1)."""
        penalty = self.config.length_penalty
        longest = self.max_length if self.config.early_stopping == "never" and penalty > 0 else length
        possible = open_.scores[:, :1] / (longest - self.prompt) ** penalty
        worst = torch.where(finished, done.scores.amin(dim=1, keepdim=True), NEVER)
        return (possible > worst).any(dim=1, keepdim=True)

    def _result(self, done: Beams) -> Any:
        count = self.config.num_return_sequences
        texts, scores, origins = (x[:, :count].flatten(0, 1) for x in (done.ids, done.scores, done.origins))
        new = int((origins >= 0).sum(dim=1).max())
        scored = scores if "scores" in self.record.steps else None
        return self.record.result(
            texts[:, : self.prompt + new], self.runner, sequences_scores=scored, beam_indices=origins[:, :new]
        )
