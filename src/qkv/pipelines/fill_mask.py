"""fill-mask: the words that a masked language model would put in the place of a mask token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from ..errors import short, warn
from .base import Row
from .texts import Pair, TextOptions, TextPipeline

INPUTS = ("input_ids", "token_type_ids", "attention_mask")
UNUSED = ("padding", "padding_side", "pad_to_multiple_of", "return_tensors", "return_overflowing_tokens", "stride")


@dataclass(frozen=True)
class Options(TextOptions):
    """
    top_k: words for each mask, best first; 5 if None.
    targets: the only words that may come, as strings or token ids; scores are still of the whole vocabulary.
    tokenizer_kwargs: of the tokenizer's call, such as {"truncation": True, "max_length": 128}.
    """

    counts = ("batch_size", "top_k", "max_length")

    top_k: int | None = None
    targets: Any = None
    tokenizer_kwargs: Mapping[str, Any] | None = None


class FillMaskPipeline(TextPipeline):
    """Texts with mask tokens -> words for them.

    A text with one mask gives a list of {"score", "token", "token_str", "sequence"}; with several, such a list for
    each, in which the other masks stay; a list of texts gives a list. A text that is too long is cut around its masks.
    """

    task = "fill-mask"
    options_class = Options
    needs = ("scores", "tokens")

    def __init__(self, model: Any, tokenizer: Any = None, **options: Any):
        super().__init__(model, tokenizer, **options)
        if tokenizer.mask_token_id is None:
            raise ValueError(
                f"{short(tokenizer.name_or_path)} has a tokenizer without a mask token, so there is nothing to fill; "
                f"use a masked language model's, or set tokenizer.mask_token if it has one under another name."
            )

    def __call__(self, inputs: Any, **options: Any) -> Any:
        found = super().__call__(inputs, **options)
        return found[0] if isinstance(inputs, list) and len(inputs) == 1 else found

    def accepts(self) -> str:
        return f"a string with {self.tokenizer.mask_token}"

    def choose(self, **options: Any) -> Any:
        chosen = super().choose(**options)
        asked = chosen.tokenizer_kwargs or {}
        if not isinstance(asked, Mapping):
            raise TypeError(f"tokenizer_kwargs={short(asked)} must be a dict, such as {{'truncation': True}}.")
        cutting = {name: asked[name] for name in ("truncation", "max_length") if asked.get(name) is not None}
        if "max_length" in cutting:
            cutting.setdefault("truncation", True)
        rest = {name: value for name, value in asked.items() if name not in (*UNUSED, "truncation", "max_length")}
        targets = None if chosen.targets is None else self._targets(chosen.targets)
        return replace(chosen, top_k=chosen.top_k or 5, targets=targets, tokenizer_kwargs=rest, **cutting)

    def _targets(self, given: Any) -> list[int]:
        """Token ids of targets; of one that is several tokens the first, as everywhere, but told."""
        words = [given] if isinstance(given, str | int) else given
        known = isinstance(words, Sequence) and all(isinstance(word, str | int) for word in words)
        if not known or any(isinstance(word, bool) for word in words):
            raise TypeError(f"targets={short(given)} must be a word or a token id, or a list of them.")
        found, told = [], []
        for word in words:
            ids = [word] if isinstance(word, int) else self._ids(word)
            if len(ids) != 1 or ids[0] == self.tokenizer.unk_token_id:
                first = short(self.tokenizer.convert_ids_to_tokens(ids[0]), 20) if ids else "left out"
                told.append(f"{short(word, 30)} ({first})")
            found += ids[:1]
        size = self.model.config.vocab_size
        if wrong := [word for word in found if not 0 <= word < size]:
            raise ValueError(f"targets holds token id {wrong[0]}; this model's are 0 to {size - 1}.")
        if told:
            warn(
                f"{len(told)} of {len(words)} targets are not one token of this model, and their first one stands for "
                f"them: {', '.join(told)[:160]}. Pass other targets, or token ids, to end this."
            )
        if not found:
            raise ValueError(f"targets={short(given)} holds no word of this model; give at least one, or None for all.")
        return list(dict.fromkeys(found))

    def _ids(self, word: str) -> list[int]:
        if word in self.tokenizer:
            return [self.tokenizer.convert_tokens_to_ids(word)]
        return self.tokenizer(word, add_special_tokens=False, verbose=False)["input_ids"]

    def preprocess(self, inputs: list[Any], options: Options) -> list[list[Row]]:
        mask = self.tokenizer.mask_token
        for item in inputs:
            if not isinstance(item, str):
                raise TypeError(f"fill-mask takes {self.accepts()}, got {type(item).__name__}: {short(item)}.")
        rows = self.encode([(text, None) for text in inputs], options, **options.tokenizer_kwargs or {})
        for i, row in enumerate(rows):
            if self.tokenizer.mask_token_id not in row["input_ids"]:
                raise ValueError(
                    f"text {i} of {len(rows)} has no mask token: {short(inputs[i])}. Write {mask} where a word is to "
                    f"come, such as 'The capital of France is {mask}.'"
                )
        return [[row] for row in rows]

    def _rows(self, pairs: list[Pair], asked: dict[str, Any]) -> list[Row]:
        limit = asked["max_length"] if "truncation" in asked else None
        rest = {name: value for name, value in asked.items() if name not in ("truncation", "max_length")}
        encoded = self.tokenizer([text for text, _ in pairs], verbose=False, **rest)
        rows = []
        for place, (text, _) in enumerate(pairs):
            row = {name: encoded[name][place] for name in INPUTS if name in encoded}
            if limit is not None and len(row["input_ids"]) > limit:
                kept = self._around(row["input_ids"], encoded.sequence_ids(place), limit, text)
                row = {name: [column[i] for i in kept] for name, column in row.items()}
            rows.append(row)
        return rows

    def _around(self, ids: list[int], parts: list[int | None], limit: int, text: str) -> list[int]:
        """The tokens that stay of a text that is cut: its masks if they fit, and the special tokens around it."""
        inside = [i for i, part in enumerate(parts) if part is not None]
        masks = [i for i in inside if ids[i] == self.tokenizer.mask_token_id] or inside[:1]
        room = limit - (len(ids) - len(inside))
        if room < 1:
            special = len(ids) - len(inside)
            raise ValueError(f"max_length={limit} has no room for a mask beside {special} special tokens; pass more.")
        first, last = masks[0], masks[-1]
        if last - first >= room:
            raise ValueError(
                f"{short(text)} has its first and its last mask {last - first} tokens apart, and {limit} can be read: "
                f"shorten it between them, or give it as several texts."
            )
        begin, latest = inside[0], inside[-1] + 1 - room
        if self.tokenizer.truncation_side == "left":
            begin = latest
        if not begin <= first <= last < begin + room:  # the usual cut would lose a mask
            begin = min(max((first + last + 1 - room) // 2, inside[0]), latest)
        return [i for i, part in enumerate(parts) if part is None or begin <= i < begin + room]

    def compute(self, inputs: dict[str, torch.Tensor], rows: list[Row], options: Options) -> dict[str, torch.Tensor]:
        """Scores and ids of the K best words at each mask, of M at most; the head sees no other token."""
        masks = inputs["input_ids"] == self.tokenizer.mask_token_id  # (B,T)
        scores = self.model(**inputs, logits_to_keep=masks)["logits"][0].float().softmax(-1)  # (N,V)
        words = None if options.targets is None else torch.tensor(options.targets, device=scores.device)
        scores = scores if words is None else scores[:, words]
        best, tokens = scores.topk(min(options.top_k or 5, scores.shape[-1]))  # (N,K)
        tokens = tokens if words is None else words[tokens]
        each = masks.sum(1).tolist()
        found = {"scores": best, "tokens": tokens}
        return {name: pad_sequence(list(x.split(each)), batch_first=True) for name, x in found.items()}  # (B,M,K)

    def read(self, output: dict[str, torch.Tensor], row: Row, options: Options) -> Row:
        return {"ids": row["input_ids"], **{name: output[name].tolist() for name in self.needs}}

    def postprocess(self, outputs: list[Row], options: Options) -> Any:
        ids = outputs[0]["ids"]
        masks = [i for i, token in enumerate(ids) if token == self.tokenizer.mask_token_id]
        found = []
        for mask, scores, tokens in zip(masks, outputs[0]["scores"], outputs[0]["tokens"], strict=False):
            words = []
            for score, token in zip(scores, map(int, tokens), strict=True):
                filled = [token if i == mask else other for i, other in enumerate(ids)]
                filled = [other for other in filled if other != self.tokenizer.pad_token_id]
                text = self.tokenizer.decode(filled, skip_special_tokens=len(masks) == 1)  # else the other masks go
                words.append(
                    {"score": score, "token": token, "token_str": self.tokenizer.decode([token]), "sequence": text}
                )
            found.append(words)
        return found[0] if len(found) == 1 else found
