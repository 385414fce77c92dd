"""Constrained beam search: texts that contain given words (Post and Vilar, 2018, arXiv:1804.06609; Hu et al., 2019).

At each step the likeliest continuations compete with those that are a step towards a constraint. Texts are ranked in
banks of equal progress, and the beams are filled by the best of each bank, then the second of each, and so on.

Shapes: B rows, K beams, C candidates, T ids so far, V vocabulary.
"""

import warnings
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from .beam import Beams
from .constraints import Constraint, ConstraintListState, DisjunctiveConstraint, PhrasalConstraint
from .group_beam import Group, GroupBeamSearch

BANK = 100  # a step towards a constraint outweighs so much log-probability
Pick = tuple[int, int]  # number of an open text, and the id it is continued by


class ConstrainedBeamSearch(GroupBeamSearch):
    """See above: a search with a single group, in which a text ends only where it meets all constraints.

    Prompt and answer count together. Where texts run out of room before, others are given, and a warning says so.
    The scores recorded are sums with those of the texts so far, as the reference records them.
    """

    def run(self, ids: Tensor) -> Any:
        self.constraints = wanted_constraints(self.config)
        return super().run(ids)

    def _progress(self, text: list[int]) -> ConstraintListState:
        """How far a text is. It is read anew, since constraints of the caller's may share state between copies."""
        state = ConstraintListState(self.constraints)
        state.reset(text)
        return state

    def _recorded(self, processed: Tensor, sums: Tensor) -> Tensor:
        return sums

    def _accepted(self, candidates: Beams, ends: Tensor, length: int) -> Tensor:
        ends = ends.clone()
        for row, i in ends[:, : self.beams].nonzero().tolist():
            ends[row, i] = self._progress(candidates.ids[row, i, :length].tolist()).completed
        return ends

    def _next(self, group: Group, candidates: Beams, ends: Tensor, sums: Tensor, length: int) -> Beams:
        likely = self._go_on(candidates, ends)
        beams = likely.origins[:, :, length - self.prompt] % self.beams
        picks = torch.stack([beams, likely.ids[:, :, length]], dim=-1)  # (B,K,2)
        for row in (~group.over[:, 0]).nonzero()[:, 0].tolist():
            texts = group.open.ids[row, :, :length].tolist()
            chosen = self._ranked(texts, [(beam, token) for beam, token in picks[row].tolist()], sums[row])
            picks[row] = picks.new_tensor(chosen)
        beam, token = picks.unbind(dim=-1)
        scores = sums.flatten(1).gather(1, beam * sums.shape[-1] + token)
        return self._continued(group.open, beam, token, scores, length)

    def _ranked(self, texts: list[list[int]], likely: list[Pick], sums: Tensor) -> list[Pick]:
        """Of the likely continuations of K texts and those that are a step towards a constraint, the K to go on with.

        Args:
            sums: (K,V), scores of all continuations.
        """
        written = [[*texts[beam], token] for beam, token in likely]
        picks, states = list(likely), [self._progress(text) for text in written]
        for beam, text in enumerate(texts):
            for token, state in self._steps(text, sums.shape[-1]):
                if [*text, token] not in written:
                    written.append([*text, token])
                    picks.append((beam, token))
                    states.append(state)
        if len(picks) == len(likely):
            return likely
        banks = torch.tensor([state.get_bank() for state in states])
        beams, tokens = torch.tensor(picks, device=sums.device).unbind(dim=-1)
        order = (banks * BANK + sums[beams, tokens].cpu()).sort(descending=True).indices.tolist()
        places = [place for _, bank in groupby(banks[order].tolist()) for place, _ in enumerate(bank)]
        ranked = sorted(zip(places, order, strict=True), key=lambda pair: pair[0])
        return [picks[i] for _, i in ranked[: self.beams]]

    def _steps(self, text: list[int], vocabulary: int) -> list[tuple[int, ConstraintListState]]:
        """The ids that are a step of a text towards a constraint, and how far it is then."""
        state, found = self._progress(text), []
        begun = state.inprogress_constraint
        for token in () if state.completed else state.advance() or ():
            if token >= vocabulary:
                raise ValueError(f"a constraint asks for the id {token}, but the model has {vocabulary} words only.")
            then = state.copy(stateful=True)
            then.add(token)
            if isinstance(begun, DisjunctiveConstraint) and begun.does_advance(token):
                begun.current_seq = [*begun.current_seq, token]  # so the reference ranks the second of two forms lower
            found.append((token, then))
        return found

    def _closed(self, group: Group, length: int) -> Tensor:
        """Texts that meet the constraints; all, where these are fewer than asked for."""
        texts = group.open.ids[:, :, :length].tolist()
        met = torch.tensor([[self._progress(text).completed for text in row] for row in texts]).to(group.over.device)
        return met | (met.sum(dim=1, keepdim=True) < self.config.num_return_sequences)

    def _result(self, done: Beams) -> Any:
        texts = done.flat(done.ids.shape[2]).tolist()
        lengths = (self.prompt + (done.origins >= 0).sum(dim=-1)).flatten().tolist()
        met = [self._progress(text[:length]).completed for text, length in zip(texts, lengths, strict=True)]
        if not all(met):
            warnings.warn(
                f"{len(met) - sum(met)} of {len(met)} texts end before they contain all that constraints or "
                f"force_words_ids demand. Raise max_new_tokens or num_beams, or demand less, to end this warning.",
                stacklevel=6,
            )
        return super()._result(done)


def wanted_constraints(config: Any) -> list[Constraint]:
    """The constraints of a config; a word of `force_words_ids` is a list of ids, or a list of its forms."""
    words = [
        DisjunctiveConstraint(word) if isinstance(word[0], list) else PhrasalConstraint(word)
        for word in config.force_words_ids or ()
    ]
    return [*(config.constraints or ()), *words]
