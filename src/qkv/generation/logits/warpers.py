"""Warpers: what sampling does to the distribution of the next token.

Each but the first and last rules tokens out: the unlikely ones, by a measure of its own. The measures are computed with
the same operations in the same order as elsewhere, since a token more or less changes every sample after it.
"""

import torch
from torch import Tensor

from .base import EXCLUDED, LogitsProcessor, is_count, is_number, require

ALIGNED = 64  # elements; see _likely


class TemperatureLogitsWarper(LogitsProcessor):
    """Scores divided by a temperature: below 1 likely tokens gain, above 1 they lose.

    Args:
        temperature: above 0.
    """

    def __init__(self, temperature: float):
        hint = "a number above 0; for the most likely token every time, use do_sample=False"
        require(is_number(temperature) and temperature > 0, "temperature", temperature, hint)
        self.temperature = temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores / self.temperature


class Filter(LogitsProcessor):
    """Base of the warpers that rule tokens out; they say which in `removed`.

    Args:
        filter_value: the score of what is ruled out.
        min_tokens_to_keep: the most likely tokens that stay in any case, at least 1.
    """

    def __init__(self, filter_value: float = EXCLUDED, min_tokens_to_keep: int = 1):
        require(is_count(min_tokens_to_keep, 1), "min_tokens_to_keep", min_tokens_to_keep, "an integer of at least 1")
        self.filter_value = filter_value
        self.min_tokens_to_keep = min_tokens_to_keep

    def removed(self, scores: Tensor) -> Tensor:
        """A mask (B,V), true for what is ruled out."""
        raise NotImplementedError

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores.masked_fill(self.removed(scores), self.filter_value)


class TopKLogitsWarper(Filter):
    """The `top_k` most likely tokens stay (Fan et al., 2018), and those as likely as the last of them.

    Args:
        top_k: at least 1.
    """

    def __init__(self, top_k: int, filter_value: float = EXCLUDED, min_tokens_to_keep: int = 1):
        super().__init__(filter_value, min_tokens_to_keep)
        require(is_count(top_k, 1), "top_k", top_k, "an integer of at least 1; top_k=0 in generate() turns it off")
        self.top_k = max(top_k, min_tokens_to_keep)

    def removed(self, scores: Tensor) -> Tensor:
        return scores < _lowest_of_top(scores, self.top_k)


class TopPLogitsWarper(Filter):
    """The most likely tokens stay whose probabilities add up to `top_p` (nucleus sampling, Holtzman et al., 2019).

    Args:
        top_p: from 0 to 1.
    """

    def __init__(self, top_p: float, filter_value: float = EXCLUDED, min_tokens_to_keep: int = 1):
        super().__init__(filter_value, min_tokens_to_keep)
        require(is_number(top_p) and 0 <= top_p <= 1, "top_p", top_p, "a number from 0 to 1")
        self.top_p = float(top_p)

    def removed(self, scores: Tensor) -> Tensor:
        few = _likely(scores) if self.filter_value == EXCLUDED else None
        if few is not None and (unlikely := self.unlikely(few[0])) is not None:
            return torch.ones_like(scores, dtype=torch.bool).scatter_(1, few[1], unlikely)
        values, index = scores.sort(dim=-1)
        unlikely = self._unlikely(values)
        return unlikely.scatter(1, index, unlikely)

    def unlikely(self, values: Tensor) -> Tensor | None:
        """What is removed of scores in ascending order; None if the order of equal ones decides."""
        unlikely = self._unlikely(values)
        tied = (values[:, 1:] == values[:, :-1]) & (values[:, 1:] > EXCLUDED)
        return None if (tied & (unlikely[:, 1:] != unlikely[:, :-1])).any() else unlikely

    def _unlikely(self, values: Tensor) -> Tensor:
        unlikely = values.softmax(dim=-1).cumsum(dim=-1) <= (1 - self.top_p)
        unlikely[:, -self.min_tokens_to_keep :] = False
        return unlikely


class MinPLogitsWarper(Filter):
    """Tokens stay that are at least `min_p` times as likely as the most likely one (Nguyen et al., 2024).

    Args:
        min_p: from 0 to 1.
    """

    def __init__(self, min_p: float, filter_value: float = EXCLUDED, min_tokens_to_keep: int = 1):
        super().__init__(filter_value, min_tokens_to_keep)
        require(is_number(min_p) and 0 <= min_p <= 1, "min_p", min_p, "a number from 0 to 1")
        self.min_p = min_p

    def removed(self, scores: Tensor) -> Tensor:
        probabilities = scores.softmax(dim=-1)
        kept = probabilities.topk(min(self.min_tokens_to_keep, scores.shape[-1]), dim=-1).indices
        unlikely = probabilities < self.min_p * probabilities.amax(dim=-1, keepdim=True)
        return unlikely.scatter_(-1, kept, False)


class TopHLogitsWarper(Filter):
    """The most likely tokens stay until their part of the entropy exceeds `top_h` of it (top-H decoding,
    https://arxiv.org/abs/2509.02510); of the 100 most likely, and at least one.

    Args:
        top_h: above 0, at most 1.
    """

    top_n = 100

    def __init__(self, top_h: float, filter_value: float = EXCLUDED):
        super().__init__(filter_value)
        require(is_number(top_h) and 0 < top_h <= 1, "top_h", top_h, "a number above 0 and at most 1")
        self.top_h = top_h

    def removed(self, scores: Tensor) -> Tensor:
        top, index = scores.topk(min(self.top_n, scores.shape[-1]), dim=-1)
        entropy, probabilities = _entropy(top)
        reached = (-probabilities * probabilities.log()).cumsum(dim=-1)
        beyond = ~(reached <= (entropy * self.top_h)[:, None])  # also where a probability of 0 makes it NaN
        beyond[:, 0] = False
        return torch.ones_like(scores, dtype=torch.bool).scatter_(1, index, beyond)


class TypicalLogitsWarper(Filter):
    """Tokens stay whose information is closest to the entropy, up to a probability of `mass` (locally typical
    sampling, Meister et al., 2022).

    Args:
        mass: above 0, below 1; `typical_p` in generate().
    """

    def __init__(self, mass: float = 0.9, filter_value: float = EXCLUDED, min_tokens_to_keep: int = 1):
        super().__init__(filter_value, min_tokens_to_keep)
        require(is_number(mass) and 0 < mass < 1, "typical_p", mass, "a number above 0 and below 1")
        self.mass = float(mass)

    def removed(self, scores: Tensor) -> Tensor:
        information = scores.log_softmax(dim=-1)
        entropy = -(information * information.exp()).nansum(dim=-1, keepdim=True)
        distance, index = (-information - entropy).abs().sort()
        reached = scores.gather(-1, index).softmax(dim=-1).cumsum(dim=-1)
        last = (reached < self.mass).sum(dim=-1, keepdim=True).clamp_(max=scores.shape[-1] - 1)
        untypical = distance > distance.gather(-1, last)
        untypical[:, : self.min_tokens_to_keep] = False
        return untypical.scatter(1, index, untypical)


class EpsilonLogitsWarper(Filter):
    """Tokens stay that are at least `epsilon` likely (Hewitt et al., 2022).

    Args:
        epsilon: above 0, below 1; 3e-4 to 9e-4 in the paper.
    """

    argument = "epsilon_cutoff"

    def __init__(self, epsilon: float, filter_value: float = EXCLUDED, min_tokens_to_keep: int = 1):
        super().__init__(filter_value, min_tokens_to_keep)
        require(is_number(epsilon) and 0 < epsilon < 1, self.argument, epsilon, "a number above 0 and below 1")
        self.epsilon = float(epsilon)

    def least(self, scores: Tensor) -> float | Tensor:
        """The probability that a token needs."""
        return self.epsilon

    def removed(self, scores: Tensor) -> Tensor:
        unlikely = scores.softmax(dim=-1) < self.least(scores)
        return unlikely & (scores < _lowest_of_top(scores, self.min_tokens_to_keep))


class EtaLogitsWarper(EpsilonLogitsWarper):
    """As epsilon sampling, with less asked of a token where the distribution is flat: at least
    min(epsilon, sqrt(epsilon) * exp(-entropy)) (eta sampling, Hewitt et al., 2022).

    Args:
        epsilon: above 0, below 1; 3e-4 to 4e-3 in the paper.
        device: accepted for compatibility; the scores say where to compute.
    """

    argument = "eta_cutoff"

    def __init__(
        self, epsilon: float, filter_value: float = EXCLUDED, min_tokens_to_keep: int = 1, device: object = "cpu"
    ):
        super().__init__(epsilon, filter_value, min_tokens_to_keep)

    def least(self, scores: Tensor) -> Tensor:
        epsilon = torch.tensor(self.epsilon, dtype=torch.float32, device=scores.device)
        entropy, _ = _entropy(scores)
        return torch.minimum(epsilon, epsilon.sqrt() * (-entropy).exp())[:, None]


class LogitNormalization(LogitsProcessor):
    """Log-probabilities again, after other processors have changed them."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores.log_softmax(dim=-1)


def _lowest_of_top(scores: Tensor, count: int) -> Tensor:
    """The lowest of the `count` highest scores of each row, (B,1)."""
    return scores.topk(min(count, scores.shape[-1]), dim=-1).values[:, -1:]


def _entropy(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The entropy in nats (B,) and the probabilities (B,N) of logits (B,N)."""
    normalized = logits - logits.logsumexp(dim=-1, keepdim=True)
    probabilities = normalized.softmax(dim=-1)
    finite = normalized.clamp(min=torch.finfo(logits.dtype).min)  # -inf times a probability of 0 would be NaN
    return -(finite * probabilities).sum(dim=-1), probabilities


def _likely(scores: Tensor) -> tuple[Tensor, Tensor] | None:
    """Scores in ascending order with their indices, (B,N) each, without most of the tokens ruled out before; None if
    there are not many of those.

    Sorting a vocabulary costs more than a small model's step, and after top-k few of its tokens are left. N differs
    from V by a multiple of what a vector instruction takes, so that a sum has the same terms in the same places as one
    over all, and the same rounding. Only the order of equal scores is another.
    """
    size = scores.shape[-1]
    if scores.device.type != "cpu":
        return None
    count = int((scores != EXCLUDED).sum(dim=-1).max())
    count += (size - count) % ALIGNED + ALIGNED
    if count >= size // 4:
        return None
    values, index = scores.topk(count, dim=-1)
    return values.flip(-1), index.flip(-1)
