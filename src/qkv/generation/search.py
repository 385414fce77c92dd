"""Decoding methods: from scores to ids. Each is a class with `run(ids) -> ids or output`; here what all share, and the
two that go on with one text a row. Shapes: B rows, T ids so far, V vocabulary.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .record import Record
from .runner import Runner

NO_TOKEN = (
    "no token may come next: the options that forbid tokens (suppress_tokens, bad_words_ids, min_length, forced or "
    "allowed ids, a grammar) leave none. Loosen one of them."
)
Process = Callable[..., Tensor]


@dataclass
class Search:
    """What a decoding method works with.

    Args:
        config: a GenerationConfig with every option settled.
        processors: (ids (B,T), scores (B,V)) -> scores (B,V)
        stopping: (ids (B,T), scores) -> (B,) bool, true where a row is done.
        eos: ids that end a text.
        pad: what follows the end of a text.
        max_length: ids of a row at most, the prompt included.
        streamer: gets new ids as they come, or None.
    """

    runner: Runner
    config: Any
    processors: Process
    stopping: Callable[[Tensor, Any], Tensor]
    record: Record
    eos: list[int]
    pad: int
    max_length: int
    streamer: Any = None

    def run(self, ids: Tensor) -> Any:
        """Continue ids (B,T). Raises: ValueError when the scores are not numbers, or allow no token."""
        raise NotImplementedError

    def step(self, ids: Tensor) -> Tensor:
        """The processed scores (B,V) of what may follow all ids (B,T)."""
        logits = self.runner.logits(ids)[:, -1]
        self.check(logits)
        scores = self.processors(ids, logits)
        self.record.add(self.runner.output, logits, scores)
        return scores

    def check(self, logits: Tensor) -> None:
        if math.isnan(float(logits.sum())) and not self.config.remove_invalid_values and bool(logits.isnan().any()):
            raise ValueError(
                "the model's scores are not numbers (NaN): its weights are damaged or overflow in this dtype. Load it "
                "with dtype='float32'; remove_invalid_values=True goes on with zeros in their place."
            )

    def choose(self, scores: Tensor) -> Tensor:
        """The next id of each row, (B,): drawn if `do_sample`, else the best."""
        if self.config.do_sample:
            probabilities = scores.softmax(dim=-1)
            none = bool(probabilities[:, 0].isnan().any())  # a row without a chance is NaN throughout
            chosen = None if none else torch.multinomial(probabilities, 1)[:, 0]
        else:
            chosen = scores.argmax(dim=-1)
            chosen = None if (scores.gather(1, chosen[:, None]) == -torch.inf).any() else chosen
        if chosen is None:
            raise ValueError(NO_TOKEN)
        return chosen

    def ended(self, chosen: Tensor, unfinished: Tensor) -> Tensor:
        """The chosen ids (B,), with padding in rows that are done."""
        return torch.where(unfinished, chosen, self.pad)

    def stream(self, ids: Tensor) -> None:
        if self.streamer is not None:
            self.streamer.put(ids.cpu())


class Sampling(Search):
    """Greedy search, or ancestral sampling with `do_sample`: one id at a time."""

    def run(self, ids: Tensor) -> Any:
        unfinished = ids.new_ones(len(ids), dtype=torch.bool)
        while ids.shape[1] < self.max_length and bool(unfinished.any()):
            scores = self.step(ids)
            chosen = self.ended(self.choose(scores), unfinished)
            ids = torch.cat([ids, chosen[:, None]], dim=1)
            self.stream(chosen)
            unfinished &= ~self.stopping(ids, self.record.scores)
        return self.record.result(ids, self.runner)
