"""DoLa (Chuang et al., 2023, arXiv:2309.03883): what the last layer knows better than an earlier one, for facts' sake.

An id's score is its log-probability by the last layer less that by the earlier layer, of the candidates, whose
distribution differs most from the last one's (Jensen-Shannon divergence). Ids that are less than a tenth as likely as
the best by the last layer are left out. Shapes: B rows, N earlier layers, D width, V vocabulary.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import short
from .search import Sampling

LEAST = math.log(0.1)  # of the best id's probability


class DolaDecoding(Sampling):
    """See above. Each row has an earlier layer of its own; the reference takes one for the whole batch."""

    def run(self, ids: Tensor) -> Any:
        config = self.runner.model.config
        if config.is_encoder_decoder:
            raise ValueError("dola_layers needs a decoder alone, this model has an encoder too. Leave it out.")
        self.layers = early_layers(self.config.dola_layers, config.num_hidden_layers, config.tie_word_embeddings)
        self.runner.observe("output_hidden_states")
        return super().run(ids)

    def step(self, ids: Tensor) -> Tensor:
        logits = self.runner.logits(ids)[:, -1]
        self.check(logits)
        early = torch.stack([self.runner.states[layer][:, -1] for layer in self.layers])  # (N,B,D)
        words = self.runner.model.head.out(early).to(logits.device)  # without the last norm, as the paper's code has it
        scores = self.processors(ids, contrast(logits, words))
        self.record.add(self.runner.output, logits, scores)
        return scores

    def choose(self, scores: Tensor) -> Tensor:
        # Options may forbid all of the few ids that are left. The reference then goes on with id 0.
        return super().choose(scores) if self.config.do_sample else scores.argmax(dim=-1)


def early_layers(wanted: str | list[int], count: int, tied: bool) -> list[int]:
    """The layers to contrast with the last, 0 being the embeddings.

    Args:
        wanted: "low" or "high", every second layer of that half but of 20 at most; or layers, of which those that the
            model has count.
        count: layers of the model.
        tied: whether embeddings are the last layer's weights too; then the lowest layers just repeat the last word.

    Raises: ValueError if no layer is left.
    """
    first = min(count - 1, 2) if tied else 0
    half = count // 2
    if wanted == "low":
        layers = [first] if first == half else list(range(first, min(half, 20), 2))
    elif wanted == "high":
        layers = list(range(max(half, count - 20), count, 2))
    else:
        layers = [layer for layer in wanted if isinstance(layer, int) and layer < count]
    if not layers:
        raise ValueError(
            f"dola_layers={short(wanted)} names no layer that comes before the last of {count}. Use 'high', or a "
            f"list of layers from 0 to {count - 1}."
        )
    return layers


def contrast(last: Tensor, early: Tensor) -> Tensor:
    """Scores (B,V) from those of the last layer (B,V) and of earlier ones (N,B,V)."""
    rows = torch.arange(len(last), device=last.device)
    base = early[_divergence(last, early).argmax(dim=0), rows] if len(early) > 1 else early[0]
    last, base = last.log_softmax(dim=-1), base.log_softmax(dim=-1)
    unlikely = last < last.amax(dim=-1, keepdim=True) + LEAST
    return (last - base).masked_fill(unlikely, -torch.inf)


def _divergence(last: Tensor, early: Tensor) -> Tensor:
    """Jensen-Shannon divergence of the last layer's distributions (B,V) to those of each earlier one, (N,B)."""
    middle = 0.5 * (last.softmax(dim=-1) + early.softmax(dim=-1))
    parts = (F.kl_div(x.log_softmax(dim=-1).expand_as(middle), middle, reduction="none") for x in (last, early))
    return sum(part.mean(dim=-1) for part in parts)  # type: ignore[return-value]
