"""Batches for language modelling: the next tokens are to be predicted, or masked ones.

Masks are drawn by torch, in the reference's order of draws: with `seed`, or after `torch.manual_seed`, they are the
reference's. With return_tensors="np" they are the same masks as arrays, where the reference draws with numpy.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from ...errors import short
from ...heads.base import IGNORED
from ...preprocessing.tokenizers.arrays import to_lists
from .rows import DataCollatorMixin, filled, pad_rows


@dataclass
class DataCollatorForLanguageModeling(DataCollatorMixin):
    """Rows of ids, mappings or lists, as a batch (B,T) with `labels` (B,T): the tokens to be predicted, -100 elsewhere.

    Args:
        tokenizer: with a mask token where `mlm`, and a pad token where rows have different lengths.
        mlm: predict masked tokens. If not, labels are the ids themselves, but for the id of padding: where that is the
            id of the end of a text too, ends are not learnt.
        whole_word_mask: mask all tokens of a word; rows then need `offset_mapping` (return_offsets_mapping=True).
            All masked tokens become the mask token: the other two probabilities say nothing.
        mlm_probability: of a token, or a word, to be masked. Special tokens never are: those of `special_tokens_mask`
            if rows have it (return_special_tokens_mask=True), else all whose id is special, the unknown token too.
        mask_replace_prob, random_replace_prob: of a masked token to become the mask token, or any token.
        pad_to_multiple_of: a length is rounded up to a multiple of it.
        return_tensors: "pt", or "np" for the same as arrays.
        seed: draw from a generator of its own, which goes on from batch to batch; each worker i of a DataLoader begins
            with seed + i. If None, from torch's own, which a checkpoint of training holds.

    Raises: ValueError for a tokenizer without the token that is needed, and for probabilities outside 0…1.
    """

    tokenizer: Any
    mlm: bool = True
    whole_word_mask: bool = False
    mlm_probability: float | None = 0.15
    mask_replace_prob: float = 0.8
    random_replace_prob: float = 0.1
    pad_to_multiple_of: int | None = None
    return_tensors: str = "pt"
    seed: int | None = None
    columns = ("special_tokens_mask", "offset_mapping")

    def __post_init__(self) -> None:
        if self.mlm and self.tokenizer.mask_token_id is None:
            raise ValueError(
                f"{type(self).__name__} masks tokens and this tokenizer has no mask token. Pass mlm=False for a causal "
                f"language model, or tokenizer.add_special_tokens({{'mask_token': '[MASK]'}})."
            )
        if self.whole_word_mask and not self.mlm:
            raise ValueError("whole_word_mask=True masks words, which mlm=False does not: pass mlm=True.")
        for name in ("mlm_probability", "mask_replace_prob", "random_replace_prob"):
            value = getattr(self, name)
            if not (value is None and not self.mlm) and (value is None or not 0 <= value <= 1):
                raise ValueError(f"{name}={short(value)} is no probability: give a number in 0…1.")
        if self.mask_replace_prob + self.random_replace_prob > 1:
            raise ValueError(
                f"mask_replace_prob={self.mask_replace_prob} and random_replace_prob={self.random_replace_prob} are "
                f"more than 1 together: what is left of 1 is the share of masked tokens that stay as they are."
            )
        if self.whole_word_mask:
            if (self.mask_replace_prob, self.random_replace_prob) not in ((0.8, 0.1), (1, 0)):
                warnings.warn(
                    "whole_word_mask=True makes all masked tokens the mask token: pass mask_replace_prob=1, "
                    "random_replace_prob=0.",
                    stacklevel=3,
                )
            self.mask_replace_prob, self.random_replace_prob = 1.0, 0.0
        self.generator: torch.Generator | None = None

    def seeded(self) -> torch.Generator | None:
        """The generator of this process, made when it is first needed."""
        if self.seed is not None and self.generator is None:
            worker = get_worker_info()
            self.generator = torch.Generator("cpu").manual_seed(self.seed + (worker.id if worker else 0))
        return self.generator

    def torch_call(self, features: list[Any]) -> Any:
        batch = self.padded(features)
        special = batch.pop("special_tokens_mask", None)
        offsets = batch.pop("offset_mapping", None)
        if self.mlm:
            batch["input_ids"], batch["labels"] = self.torch_mask_tokens(batch["input_ids"], special, offsets)
        else:
            pad = self.tokenizer.pad_token_id
            batch["labels"] = batch["input_ids"].clone()
            if pad is not None:
                batch["labels"][batch["labels"] == pad] = IGNORED
        return batch

    def padded(self, rows: list[Any]) -> Any:
        if not isinstance(rows[0], Mapping):
            return {"input_ids": self.stacked([to_lists(row) for row in rows])}
        if "offset_mapping" in rows[0]:  # the tokenizer does not pad these
            length = self.stacked([to_lists(row["input_ids"]) for row in rows]).shape[1]
            side = self.tokenizer.padding_side
            spans = [filled(to_lists(row["offset_mapping"]), length, (0, 0), side) for row in rows]
            rows = [{**row, "offset_mapping": own} for row, own in zip(rows, spans, strict=True)]
        return pad_rows(self.tokenizer, rows, type(self).__name__, multiple=self.pad_to_multiple_of)

    def stacked(self, rows: list[list[int]]) -> Tensor:
        """Lists of ids as (B,T), padded if need be."""
        lengths = {len(row) for row in rows}
        if len(lengths) == 1 and not max(lengths) % (self.pad_to_multiple_of or 1):
            return torch.tensor(rows, dtype=torch.int64)
        ids = [{"input_ids": row} for row in rows]
        return pad_rows(self.tokenizer, ids, type(self).__name__, multiple=self.pad_to_multiple_of)["input_ids"]

    def special(self, ids: Tensor) -> Tensor:
        """Which ids (B,T) are special tokens."""
        rows = [self.tokenizer.get_special_tokens_mask(row, already_has_special_tokens=True) for row in ids.tolist()]
        return torch.tensor(rows, dtype=torch.bool)

    def torch_mask_tokens(
        self, inputs: Tensor, special_tokens_mask: Any = None, offset_mapping: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Ids (B,T) -> ids with masks, labels; both (B,T). `inputs` are changed."""
        special = self.special(inputs) if special_tokens_mask is None else torch.as_tensor(special_tokens_mask).bool()
        words = None
        if self.whole_word_mask:
            if offset_mapping is None:
                raise ValueError(
                    "whole_word_mask=True tells words by offset_mapping, which rows do not have. Tokenize with "
                    "return_offsets_mapping=True and keep that column (remove_unused_columns=False)."
                )
            words, first = words_of(torch.as_tensor(offset_mapping), special)
            special = ~first  # a word is drawn by its first token
        chances = torch.full(inputs.shape, float(self.mlm_probability or 0)).masked_fill_(special, 0.0)
        masked = torch.bernoulli(chances, generator=self.seeded()).bool()
        if words is not None:
            same = (words[:, :, None] == words[:, None, :]) & (words >= 0)[:, None, :]
            masked = (same & masked[:, None, :]).any(dim=2)
        return self.replace(inputs, masked)

    def replace(self, inputs: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
        """What stands in the place of masked tokens, and the labels."""
        labels = inputs.masked_fill(~masked, IGNORED)
        generator = self.seeded()
        hidden = (
            masked
            & torch.bernoulli(torch.full(masked.shape, float(self.mask_replace_prob)), generator=generator).bool()
        )
        inputs[hidden] = self.tokenizer.mask_token_id
        if self.mask_replace_prob == 1 or self.random_replace_prob == 0:
            return inputs, labels
        chance = self.random_replace_prob / (1 - self.mask_replace_prob)  # of those that are left
        other = masked & ~hidden & torch.bernoulli(torch.full(masked.shape, chance), generator=generator).bool()
        tokens = torch.randint(len(self.tokenizer), masked.shape, dtype=torch.int64, generator=generator)
        inputs[other] = tokens[other]
        return inputs, labels


def words_of(offsets: Tensor, special: Tensor) -> tuple[Tensor, Tensor]:
    """Which word a token is of (B,T), -1 for special ones, and whether it is the word's first (B,T), from where tokens
    begin and end in the text (B,T,2): a word begins where the token before does not end, or after a special token."""
    begin, end = offsets.unbind(-1)
    before = torch.cat([torch.full_like(end[:, :1], -1), end[:, :-1]], dim=1)
    after_special = torch.cat([torch.zeros_like(special[:, :1]), special[:, :-1]], dim=1)
    first = ~special & ((begin != before) | after_special)
    return first.cumsum(dim=1).masked_fill(special, -1), first


@dataclass
class DataCollatorForWholeWordMask(DataCollatorForLanguageModeling):
    """As DataCollatorForLanguageModeling, but words are masked whole: tokens that begin with "##" go on with the word
    before. The asked share of a row's tokens is masked as exactly as whole words allow, 512 tokens at most. Gives
    `input_ids` and `labels` only. Rows may say in `chinese_ref` which other tokens, by position, go on with a word.

    With `seed` the masks are those of 4.57 (5.x has no such class); without, 4.57 shuffles words by Python's `random`,
    and here torch does.
    """

    columns = ("chinese_ref",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any(token.startswith("##") for token in self.tokenizer.get_vocab()):
            warnings.warn(
                "DataCollatorForWholeWordMask tells words by '##', which no token of this tokenizer begins with, so "
                "tokens are masked one by one. Use DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True).",
                stacklevel=3,
            )

    def torch_call(self, features: list[Any]) -> dict[str, Any]:
        rows = [row if isinstance(row, Mapping) else {"input_ids": row} for row in features]
        lists = [to_lists(row["input_ids"]) for row in rows]
        ids = self.stacked(lists)
        chosen = torch.zeros(ids.shape, dtype=torch.bool)
        for index, (row, own) in enumerate(zip(rows, lists, strict=True)):
            start = 0 if self.tokenizer.padding_side == "right" else ids.shape[1] - len(own)
            for position in self.draw_words(own, to_lists(row.get("chinese_ref", []))):
                chosen[index, start + position] = True
        chosen &= ~self.special(ids)
        if self.tokenizer.pad_token_id is not None:
            chosen &= ids != self.tokenizer.pad_token_id
        inputs, labels = self.replace(ids, chosen)
        return {"input_ids": inputs, "labels": labels}

    def draw_words(self, ids: list[int], inside: Sequence[int]) -> list[int]:
        """Positions of the tokens to be masked."""
        ends, words = (self.tokenizer.cls_token, self.tokenizer.sep_token), []
        for position, token in enumerate(self.tokenizer.convert_ids_to_tokens(ids)):
            goes_on = position in inside or (token or "").startswith("##")
            if words and goes_on:
                words[-1].append(position)
            elif goes_on or token not in ends:
                words.append([position])
        wanted = min(512, max(1, round(len(ids) * (self.mlm_probability or 0))))
        chosen: list[int] = []
        for index in torch.randperm(len(words), generator=self.seeded()).tolist():
            if len(chosen) + len(words[index]) <= wanted:
                chosen += words[index]
        return chosen
