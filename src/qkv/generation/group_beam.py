"""Diverse beam search (Vijayakumar et al., 2016, arXiv:1610.02424): groups of beams, each a search of its own, where
what earlier groups chose at a step costs the later ones `diversity_penalty`.

Shapes: B rows, G groups, k beams of a group, K = G*k, C candidates, T ids so far, L ids at most, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .beam import NEVER, Beams, BeamSearch
from .search import NO_TOKEN


@dataclass
class Group:
    """One group: its open and its finished texts, which of the latter there are (B,k), and where it is over (B,1)."""

    open: Beams
    done: Beams
    finished: Tensor
    over: Tensor


class GroupBeamSearch(BeamSearch):
    """See above. A group is over when `early_stopping` says so of its own k texts; the best of all groups are given."""

    def run(self, ids: Tensor) -> Any:
        self.beams = self.config.num_beams // self.config.num_beam_groups
        self.prompt = length = ids.shape[1]
        groups = self._groups(ids)
        stopped = False
        while length < self.max_length and not stopped:
            self._step(groups, length)
            length += 1
            open_ = Beams.join([group.open for group in groups])
            self.runner.select(open_.origins[:, :, length - 1 - self.prompt].flatten())
            over = torch.cat([group.over.expand(-1, self.beams) for group in groups], dim=1)
            stopped = bool((over.flatten() | self.stopping(open_.flat(length), self.record.scores)).all())
        for group in groups:  # where a group is not over, its open texts count as finished
            self._add(group, group.open, self._closed(group, length), length)
        done = Beams.join([group.done for group in groups])
        worth = _worth(done.scores, torch.cat([group.finished for group in groups], dim=1))
        worst_first = worth.sort(dim=1, stable=True).indices  # so that the last of equals is the best
        return self._result(done.take(worst_first.flip(1)[:, : self.config.num_return_sequences]))

    def _groups(self, ids: Tensor) -> list[Group]:
        count = self.config.num_beam_groups
        open_, done = (
            [Beams(*(x.unflatten(0, (-1, count))[:, i] for x in vars(beams).values())) for i in range(count)]
            for beams in self._start(ids)
        )
        return [Group(a, b, b.scores > NEVER, b.scores[:, :1] > NEVER) for a, b in zip(open_, done, strict=True)]

    def _step(self, groups: list[Group], length: int) -> None:
        """One id more for all, group after group."""
        texts = Beams.join([group.open for group in groups]).flat(length)
        logits = self.runner.logits(texts)[:, -1]
        self.check(logits)
        scores = logits.log_softmax(dim=-1).unflatten(0, (-1, self.config.num_beams))  # (B,K,V)
        current, recorded = texts.new_zeros(scores.shape[:2]), []
        for i, group in enumerate(groups):
            own = slice(i * self.beams, (i + 1) * self.beams)
            given = {"current_tokens": current.flatten(), "beam_group_idx": i}
            processed = self.processors(group.open.flat(length), scores[:, own].flatten(0, 1), **given)
            processed = processed.unflatten(0, (-1, self.beams))
            sums = processed + group.open.scores[..., None]
            recorded.append(self._recorded(processed, sums))
            over = group.over
            self._advance(group, sums, length, own.start)
            current[:, own] = torch.where(over, self.pad, group.open.ids[:, :, length])
        self.record.add(self.runner.output, logits, torch.cat(recorded, dim=1).flatten(0, 1))

    def _advance(self, group: Group, sums: Tensor, length: int, first: int) -> None:
        """The best continuations of a group, by the sums of log-probabilities (B,k,V)."""
        vocabulary, flat = sums.shape[-1], sums.flatten(1)
        if not bool((group.over | (flat.amax(dim=1, keepdim=True) > 2 * NEVER)).all()):
            raise ValueError(NO_TOKEN)
        count = max(2, 1 + len(self.eos)) * self.beams  # enough to have k open ones if the others end
        scores, chosen = flat.topk(min(count, flat.shape[1]))
        candidates = self._continued(group.open, chosen // vocabulary, chosen % vocabulary, scores, length, first)
        token = candidates.ids[:, :, length]
        ends = torch.isin(token, token.new_tensor(self.eos))
        if self.eos:  # the reference writes the first of several, whichever was chosen
            token.masked_fill_(ends, self.eos[0])
        self._add(group, candidates, self._accepted(candidates, ends, length), length + 1)
        group.open = self._next(group, candidates, ends, sums, length)
        full = group.finished.all(dim=1, keepdim=True) & (self.config.early_stopping is True)
        improvable = self._may_improve(candidates, group.done, group.finished, length + 1)
        group.over = group.over | full | ~improvable

    def _add(self, group: Group, candidates: Beams, ends: Tensor, length: int) -> None:
        """Of the finished texts of a group and the first k candidates, if they end now, keep the best k."""
        ends = ends & ~group.over & (torch.arange(ends.shape[1], device=ends.device) < self.beams)
        scores = candidates.scores / (length - self.prompt) ** self.config.length_penalty
        both = Beams.join([group.done, Beams(candidates.ids, scores, candidates.origins)])
        finished = torch.cat([group.finished, ends], dim=1)
        order = _worth(both.scores, finished).sort(dim=1, descending=True, stable=True).indices[:, : self.beams]
        group.done, group.finished = both.take(order), finished.gather(1, order)

    # ---------------------------------------------------------------------------------------------- to be narrowed

    def _recorded(self, processed: Tensor, sums: Tensor) -> Tensor:
        """What is recorded of the scores of a group (B,k,V) and their sums with those of the texts."""
        return processed

    def _accepted(self, candidates: Beams, ends: Tensor, length: int) -> Tensor:
        """Which of the candidates that end (B,C) count as finished."""
        return ends

    def _next(self, group: Group, candidates: Beams, ends: Tensor, sums: Tensor, length: int) -> Beams:
        """The texts to go on with, (B,k)."""
        return self._go_on(candidates, ends)

    def _closed(self, group: Group, length: int) -> Tensor:
        """Which of the open texts (B,k) count as finished at the end."""
        return torch.ones_like(group.finished)


def _worth(scores: Tensor, finished: Tensor) -> Tensor:
    """Scores by which finished texts are ranked, even if made of ids that must not come, before those that are not."""
    return torch.where(finished, scores.clamp(min=NEVER / 2), NEVER)
