"""Assisted decoding: something cheap guesses several ids ahead, the model checks all guesses in one pass.

The guesses come from a smaller model (Leviathan et al., 2023, arXiv:2211.17192), from the model's own first layers
(Elhoushi et al., 2024, arXiv:2404.16710), or from the text so far (prompt lookup). Greedy text is that of greedy
search, whatever is guessed; drawn text has the model's own distribution. Shapes: T ids so far, n guesses, V vocabulary.
"""

import copy
from typing import Any

import torch
from torch import Tensor

from ..errors import short
from ..layers import Layers
from ..outputs import ModelOutput
from .runner import Prompt, Runner
from .search import Search

Guess = tuple[Tensor, Tensor | None]  # ids (n,), and the scores (n,V) they were drawn from


class AssistedDecoding(Search):
    """See above. `assist` says who guesses, before `run`."""

    def assist(self, assistant: Any, prompt: Prompt | None = None, cache: Any = None) -> None:
        """Guess by a model that reads its own prompt into its own cache; by prompt lookup if there is none.

        Raises: ValueError for more than one row, or a model with another vocabulary.
        """
        if self.runner.cache is None:
            raise ValueError("assisted decoding needs its cache: leave use_cache=False out.")
        if assistant is None or prompt is None:
            self.guesser: DraftModel | PromptLookup = PromptLookup(self)
            return
        ours, theirs = (model.config.vocab_size for model in (self.runner.model, assistant))
        if ours != theirs:
            raise ValueError(
                f"assistant_model has {theirs} words, this model {ours}: both must have the same tokenizer, since ids "
                f"are compared. Use a smaller model of the same family, or prompt_lookup_num_tokens."
            )
        self.guesser = DraftModel(self, Runner(assistant, prompt, cache))

    def run(self, ids: Tensor) -> Any:
        if len(ids) > 1:
            raise ValueError(f"assisted decoding takes one text at a time, got {len(ids)}: generate row by row.")
        done = False
        while ids.shape[1] < self.max_length and not done:
            guesses, scores = self.guesser.guess(ids, self.max_length - ids.shape[1] - 1)
            checked = torch.cat([ids, guesses[None]], dim=1)
            logits = self.runner.logits(checked, keep=len(guesses) + 1)[0]  # (n+1,V)
            self.check(logits)
            start = ids.shape[1]
            own = torch.cat([self.processors(checked[:, : start + i], logits[i : i + 1]) for i in range(len(logits))])
            chosen, right = self._accepted(guesses, scores, own)
            for i, token in enumerate(chosen):
                self.record.add(_shown(self.runner.output or {}, len(logits), i), logits[i : i + 1], own[i : i + 1])
                ids = torch.cat([ids, token.view(1, 1)], dim=1)
                self.stream(token[None])
                done = bool(self.stopping(ids, self.record.scores).all())
                if done:
                    break
            self.runner.crop(ids.shape[1] - 1)
            self.guesser.learn(ids.shape[1] - 1, right, len(guesses))
        return self.record.result(ids, self.runner)

    def _accepted(self, guesses: Tensor, scores: Tensor | None, own: Tensor) -> tuple[Tensor, int]:
        """The right guesses and one id more, and how many were right; `own` are the model's scores (n+1,V)."""
        weight = self.config.assistant_ensemble_weight
        if self.config.do_sample and scores is not None:
            return _speculative(guesses, scores.softmax(dim=-1), own.softmax(dim=-1), weight)
        if self.config.do_sample or weight is None or scores is None:
            chosen = self.choose(own)
        else:
            mixed = weight * own[:-1].softmax(dim=-1) + (1 - weight) * scores.softmax(dim=-1)
            chosen = torch.cat([mixed.argmax(dim=-1), own[-1:].argmax(dim=-1)])
        right = int((chosen[:-1] == guesses).long().cumprod(dim=0).sum())
        return chosen[: right + 1], right


def _shown(output: Any, count: int, place: int) -> ModelOutput:
    """What an output shows of the token that id number `place` of `count` follows; with the first, of the prompt."""
    shown = {}
    for name in ("attentions", "decoder_attentions", "cross_attentions", "hidden_states", "decoder_hidden_states"):
        layers = output.get(name)
        if layers is None:
            continue
        states = name.endswith("hidden_states")
        read = layers[0].shape[1 if states else 2]
        last = read - count + place + 1
        own = slice(last - 1 if place else 0, last)
        hidden = 0 if name.startswith("cross") else read - last  # keys that came later
        shown[name] = tuple(x[:, own] if states else x[:, :, own, : x.shape[-1] - hidden] for x in layers)
    return type(output)(**shown)


def _speculative(guesses: Tensor, q: Tensor, p: Tensor, weight: float | None) -> tuple[Tensor, int]:
    """Algorithm 1 of the speculative decoding paper: q (n,V) drew the guesses, p (n+1,V) is to be drawn from."""
    at = torch.arange(len(guesses), device=guesses.device)
    ratio = p[at, guesses] / q[at, guesses]
    if weight is not None:
        ratio = 1 - weight + weight * ratio
    right = int((torch.rand_like(ratio) <= ratio).long().cumprod(dim=0).sum())
    rest = p[right]
    if right < len(guesses):
        surplus = (p[right] - q[right]).clamp(min=0)
        rest = surplus / surplus.sum() if surplus.sum() > torch.finfo(p.dtype).tiny else rest
    return torch.cat([guesses[:right], torch.multinomial(rest, 1)]), right


class DraftModel:
    """Guesses by a smaller model, until it is less sure of its own guess than `assistant_confidence_threshold`."""

    def __init__(self, search: Search, runner: Runner):
        self.search, self.runner, self.count = search, runner, float(search.config.num_assistant_tokens)

    def guess(self, ids: Tensor, at_most: int) -> Guess:
        """Up to `num_assistant_tokens` ids that may follow ids (1,T)."""
        start, threshold = ids.shape[1], self.search.config.assistant_confidence_threshold
        scores: list[Tensor] = []
        while ids.shape[1] - start < min(int(self.count), at_most):
            scores.append(self.search.processors(ids, self.runner.logits(ids)[:, -1]))
            chosen = self.search.choose(scores[-1])
            ids = torch.cat([ids, chosen[:, None]], dim=1)
            sure = threshold is None or float(scores[-1].softmax(dim=-1)[0, chosen]) >= threshold
            if int(chosen) in self.search.eos or not sure:
                break
        return ids[0, start:], torch.cat(scores) if scores else None

    def learn(self, length: int, right: int, guessed: int) -> None:
        """Forget what was read beyond a length; a schedule guesses more when all was right, less when not."""
        self.runner.crop(length)
        if self.search.config.num_assistant_tokens_schedule in ("heuristic", "heuristic_transient"):
            self.count = self.count + 2.0 if right == int(self.count) else max(1.0, self.count - 1.0)


class PromptLookup:
    """Guesses that the text goes on as it did the last time it came by these words."""

    def __init__(self, search: Search):
        self.search = search

    def guess(self, ids: Tensor, at_most: int) -> Guess:
        """What followed the first place before the end of ids (1,T) that has the same last ids as the end."""
        config, text = self.search.config, ids[0]
        count = min(config.prompt_lookup_num_tokens or 10, at_most)
        for size in range(min(config.max_matching_ngram_size or 2, len(text) - 1), 0, -1):
            same = (text.unfold(0, size, 1) == text[-size:]).all(dim=1).nonzero()[:, 0]
            for start in (same + size).tolist():
                found = self._allowed(ids, text[start : start + count])
                if len(found):
                    ends = torch.isin(found, found.new_tensor(self.search.eos)).nonzero()
                    return found[: int(ends[0])] if len(ends) else found, None
        return text[:0], None

    def _allowed(self, ids: Tensor, found: Tensor) -> Tensor:
        """The guesses before the first that the options forbid."""
        flat = torch.ones(1, self.search.runner.model.config.vocab_size, device=ids.device)
        for i, token in enumerate(found):
            scores = self.search.processors(torch.cat([ids, found[None, :i]], dim=1), flat.clone())
            if scores[0, token] == -torch.inf:
                return found[:i]
        return found

    def learn(self, length: int, right: int, guessed: int) -> None:
        """Nothing: the text is all there is."""


def early_exit(model: Any, layers: int) -> Any:
    """The same model with its first layers only; weights are shared.

    Raises: ValueError if it has no such layers.
    """
    stack = getattr(model.base_model, "layers", None)
    if not isinstance(stack, Layers) or not 0 < layers <= len(stack):
        raise ValueError(f"assistant_early_exit={short(layers)} must be 1 to {len(stack or ())}, a number of layers.")
    twin, body = copy.copy(model), copy.copy(model.base_model)
    body._modules = {**body._modules, "layers": Layers(list(stack)[:layers])}
    body.config = copy.copy(body.config)
    body.config.num_hidden_layers = layers
    twin._modules = {**twin._modules, "backbone": body}
    return twin
