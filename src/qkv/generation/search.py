"""Decoding methods: from scores to ids. Each is a class with `run(ids) -> ids or output`; here what all share, and the
two that go on with one text a row. Shapes: B rows, T ids so far, V vocabulary.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .logits.few import divided, draw
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
        warpers: the last of the processors, where `choose` applies them.
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
    warpers: Any = ()

    def run(self, ids: Tensor) -> Any:
        """Continue ids (B,T). Raises: ValueError when the scores are not numbers, or allow no token."""
        raise NotImplementedError

    def step(self, ids: Tensor) -> Tensor:
        """The processed scores (B,V) of what may follow all ids (B,T); that they are numbers, `choose` sees."""
        logits = self.runner.logits(ids)[:, -1]
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
        chosen = draw(scores, self.warpers) if self.config.do_sample else best(scores)
        if chosen is None:
            self.check(scores)
            raise ValueError(NO_TOKEN)
        return chosen

    def stream(self, ids: Tensor) -> None:
        if self.streamer is not None:
            self.streamer.put(ids.cpu())


def best(scores: Tensor) -> Tensor | None:
    """The token with the highest of scores (B,V), the first of several, (B,); None if a row has none, or is NaN."""
    if scores.device.type == "cpu" and scores.dtype == torch.float32:
        rows = scores.detach().numpy()
        chosen = rows.argmax(axis=1)  # ten times as fast as torch's, and that of NaN if there is one
        found = all(-math.inf < row[at] for row, at in zip(rows, chosen, strict=True))
        return torch.from_numpy(chosen) if found else None
    highest, chosen = scores.max(dim=-1)
    return chosen if bool((highest > -math.inf).all()) else None


class Sampling(Search):
    """Greedy search, or ancestral sampling with `do_sample`: one id at a time."""

    def run(self, ids: Tensor) -> Any:
        if self.config.do_sample and "scores" not in self.record.steps:
            self.processors, self.warpers = divided(self.processors)
        finished: Tensor | None = None  # (B,), once a row is done
        while ids.shape[1] < self.max_length and (finished is None or not bool(finished.all())):
            chosen = self.choose(self.step(ids))
            chosen = chosen if finished is None else chosen.masked_fill(finished, self.pad)
            ids = torch.cat([ids, chosen[:, None]], dim=1)
            self.stream(chosen)
            ends = self.stopping(ids, self.record.scores)
            if bool(ends.any()):
                finished = ends if finished is None else finished | ends
        return self.record.result(ids, self.runner)
