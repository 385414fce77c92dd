"""Contrastive search (Su et al., 2022, arXiv:2202.06417): of the k likeliest ids, one that is likely and whose hidden
state is unlike those of the text so far, so that the text does not repeat itself.

    score(id) = (1 - penalty_alpha) * probability - penalty_alpha * largest cosine to a state before

Shapes: B rows, k candidates a row, T ids so far, D width, V vocabulary.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .search import NO_TOKEN, Search


class ContrastiveSearch(Search):
    """See above. The cache holds every row k times, so that all candidates are read at once; only their last token
    differs, and only that is copied. With `low_memory` it holds rows once, and candidates are read one after the other.
    """

    def run(self, ids: Tensor) -> Any:
        if self.runner.cache is None:
            raise ValueError("contrastive search needs its cache: leave use_cache=False out.")
        self.runner.crop(0)  # the states of the whole prompt are needed
        self.runner.observe("output_hidden_states")
        logits, output = self.runner.logits(ids)[:, -1], self.runner.output
        self.count = min(self.config.top_k, logits.shape[-1])
        self.rows = torch.arange(len(ids), device=ids.device)
        seen = F.normalize(self.runner.states[-1], dim=-1)  # (B,T,D)
        if not self.config.low_memory:
            self.runner.select(self.rows.repeat_interleave(self.count))
        unfinished = torch.ones_like(self.rows, dtype=torch.bool)
        while True:
            self.check(logits)
            scores = self.processors(ids, logits)
            self.record.add(output, logits, scores)
            likely, tokens = scores.softmax(dim=-1).topk(self.count)  # (B,k)
            if likely.isnan().any():
                raise ValueError(NO_TOKEN)
            logits, states = self._look_ahead(ids, tokens)
            best = self._best(seen, states, likely)
            seen = torch.cat([seen, states[self.rows, best][:, None]], dim=1)
            chosen = torch.where(unfinished, tokens[self.rows, best], self.pad)
            ids = torch.cat([ids, chosen[:, None]], dim=1)
            self.stream(chosen)
            unfinished &= ~self.stopping(ids, self.record.scores)
            if ids.shape[1] >= self.max_length or not bool(unfinished.any()):
                return self._result(ids)
            logits, output = self._keep(ids, best, logits)

    def _best(self, seen: Tensor, states: Tensor, likely: Tensor) -> Tensor:
        """The number (B,) of the best candidate, by its probability (B,k) and the states seen (B,T,D) and ahead
        (B,k,D), all of length 1."""
        likeness, mask = seen @ states.transpose(1, 2), self.runner.prompt.mask  # (B,T,k)
        if mask is not None:
            prompt = likeness[:, : mask.shape[1]]
            prompt.masked_fill_(~mask.to(seen.device)[..., None], -torch.inf)
        alpha = self.config.penalty_alpha
        return ((1 - alpha) * likely - alpha * likeness.amax(dim=1).to(likely.device)).argmax(dim=1)

    def _look_ahead(self, ids: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Read each candidate: what would follow it (B*k,V), and its state (B,k,D) of length 1."""
        found = []
        for token in tokens.T if self.config.low_memory else [tokens.flatten()]:
            texts = ids.repeat_interleave(len(token) // len(ids), dim=0)
            logits = self.runner.logits(torch.cat([texts, token[:, None]], dim=1))[:, -1]
            found.append((logits, self.runner.states[-1][:, -1]))
            if self.config.low_memory:
                self.runner.crop(self.runner.read - 1)
        logits, states = found[0][0], torch.stack([x for _, x in found], dim=1)
        return logits, F.normalize(states.view(len(ids), self.count, -1), dim=-1)

    def _keep(self, ids: Tensor, best: Tensor, logits: Tensor) -> tuple[Tensor, Any]:
        """Go on with the chosen candidates: what follows them (B,V), and the model's output for them."""
        if self.config.low_memory:
            return self.runner.logits(ids)[:, -1], self.runner.output
        chosen = best + self.rows * self.count
        self.runner.select(chosen.repeat_interleave(self.count), self.runner.read - 1)
        return logits[chosen], self.runner.output_of(chosen) if self.record.observes else None

    def _result(self, ids: Tensor) -> Any:
        """As other methods leave it, the cache holds each row once, without its last token."""
        if self.record.as_output and not self.config.low_memory:
            self.runner.select(self.rows * self.count)
            self.runner.crop(self.runner.read - 1)
        return self.record.result(ids, self.runner)
