"""Language models: the next token of texts or of the assistant's part of chats, and masked tokens."""

import math
from typing import Any

import torch

from ...errors import short
from ...heads.base import IGNORED
from ..data.collators import DataCollatorForTokenClassification
from ..data.masking import DataCollatorForLanguageModeling
from ..data.reading import Row, Rows
from ..data.rows import filled, pad_rows
from .base import TEXTS, Dataset, Options, Report, Task, columns_to_rows, texts_of

CHATS = ("messages", "conversations", "conversation", "chat", "dialogue")
BLOCK = 512  # tokens of a block, if nobody says
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}  # of other files of chats


class LanguageModel(Task):
    """What is measured by its loss."""

    roles = {"text": TEXTS}

    def arguments(self) -> dict[str, Any]:
        return {"prediction_loss_only": True}

    def report(self, trainer: Any, held: Dataset) -> Report:
        report = super().report(trainer, held)
        loss = report.metrics.get("loss", math.inf)
        report.metrics["perplexity"] = math.exp(loss) if loss < 700 else math.inf
        return report


class TextGeneration(LanguageModel):
    names = ("text-generation", "causal-lm")
    auto, lora = "AutoModelForCausalLM", "CAUSAL_LM"

    def __init__(self, options: Options, rows: Rows):
        chat = not {name.lower() for name in rows.columns}.isdisjoint(CHATS) and "text" not in options.columns
        if chat or "messages" in options.columns:
            self.roles = {"messages": CHATS}
        super().__init__(options, rows)
        self.chat = "messages" in self.columns

    def groups(self, rows: Rows) -> list[Any] | None:
        """Lines of a text that goes on stay together, so that its end is what is held out."""
        return ["all"] if rows.form == "txt" else None

    def text(self, row: Row) -> str:
        return str(row.get(next(iter(self.columns.values()))))

    def encode(self, rows: Rows, tokenizer: Any, limit: int | None) -> Dataset:
        """Rows of ids and of labels, which are the ids; of chats those that the assistant wrote."""
        if self.chat:
            return self._chats(rows, tokenizer, limit)
        texts = texts_of(rows, self.columns["text"])
        if rows.form == "txt":
            texts = ["\n".join(texts)]
        texts = [text for text in texts if text.strip()]
        end = tokenizer.eos_token_id
        ids = [
            [*row, end] if end is not None and row[-1:] != [end] else list(row)
            for row in tokenizer(texts, verbose=False)["input_ids"]
        ]
        if self.options.packing:
            length = self.options.max_length or min(BLOCK, limit or BLOCK, max(8, sum(map(len, ids)) // 8))
            self.options.max_length = length
            blocks = packed(ids, self.settle([length], limit))
            self.lengths = None
            self.settle([len(block) for block in blocks], limit)
            return [_row(block, block) for block in blocks]
        most = self.settle([len(row) for row in ids], limit)
        return [_row(row[:most], row[:most]) for row in ids]

    def _chats(self, rows: Rows, tokenizer: Any, limit: int | None) -> Dataset:
        found = []
        for index in range(len(rows)):
            messages = _messages(rows, index, self.columns["messages"])
            ids, mine = assistant_tokens(tokenizer, messages, rows.where(index))
            if not any(mine):
                raise ValueError(f"{rows.where(index)} has no message of the assistant, so nothing to learn.")
            found.append(_row(ids, [token if own else IGNORED for token, own in zip(ids, mine, strict=True)]))
        most = self.settle([len(row["input_ids"]) for row in found], limit)
        found = [{name: values[:most] for name, values in row.items()} for row in found]
        kept = [row for row in found if any(label != IGNORED for label in row["labels"][1:])]
        if len(kept) < len(found):
            self.notes.append(f"{len(found) - len(kept)} chats are left out: cut at {most}, they hold no reply")
        if not kept:
            raise ValueError(f"max_length={most} leaves no reply in any chat. Allow more tokens.")
        return kept

    def collator(self, tokenizer: Any, model: Any) -> Any:
        return DataCollatorForTokenClassification(tokenizer)

    def facts(self) -> list[tuple[str, str]]:
        if self.chat:
            return [*super().facts(), ("loss", "of the assistant's tokens")]
        if not self.options.packing or self.lengths is None:
            return super().facts()
        told = f"texts one after the other: {self.lengths.rows:,} blocks of {self.lengths.limit:,} tokens"
        return [*((name, value) for name, value in super().facts() if name != "lengths"), ("packed", told)]


def _row(ids: list[int], labels: list[int]) -> dict[str, Any]:
    return {"input_ids": list(ids), "attention_mask": [1] * len(ids), "labels": list(labels)}


def packed(ids: list[list[int]], length: int) -> list[list[int]]:
    """Texts one after the other, cut into blocks of so many tokens; what is left over at the end is a shorter one."""
    stream = [token for row in ids for token in row]
    blocks = [stream[start : start + length] for start in range(0, len(stream), length)]
    return blocks[:-1] if len(blocks) > 1 and len(blocks[-1]) < 2 else blocks


def _messages(rows: Rows, index: int, column: str) -> list[dict[str, Any]]:
    """A chat as templates take it; {"from": "human", "value": …} is read too."""
    given = rows[index].get(column)
    found = []
    for message in given if isinstance(given, list) else [given]:
        known = message if isinstance(message, dict) else {}
        role, content = known.get("role", known.get("from")), known.get("content", known.get("value"))
        if role is None or content is None and "tool_calls" not in known:
            raise ValueError(
                f"{rows.where(index)} has {short(message, 60)} in {column!r}; expected messages such as "
                f"{{'role': 'user', 'content': '…'}}."
            )
        rest = {name: value for name, value in known.items() if name not in ("from", "value")}
        found.append({**rest, "role": ROLES.get(str(role), str(role)), "content": content})
    return found


def assistant_tokens(tokenizer: Any, messages: list[dict[str, Any]], where: str) -> tuple[list[int], list[bool]]:
    """The ids of a chat in the model's template, and which of them the assistant has to write, ends of turns included.

    By the template's {% generation %} blocks where it has them; else a turn is what the template adds to the chat
    before it, without the part that it writes itself (add_generation_prompt).
    Raises: ValueError if the template changes earlier turns, so that a turn's part is not known.
    """
    if "generation" in str(tokenizer.get_chat_template()).replace("add_generation_prompt", ""):
        found = tokenizer.apply_chat_template(messages, return_assistant_tokens_mask=True, return_dict=True)
        return list(found["input_ids"]), [bool(mine) for mine in found["assistant_masks"]]
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    spans = []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = tokenizer.apply_chat_template(messages[:i], tokenize=False, add_generation_prompt=True) if i else ""
        after = tokenizer.apply_chat_template(messages[: i + 1], tokenize=False)
        if not whole.startswith(before) or not whole.startswith(after):
            raise ValueError(
                f"{where}: the chat template writes earlier turns differently once there are later ones, so the "
                f"assistant's part is not known. Give the tokenizer a template with {{% generation %}} blocks."
            )
        spans.append((len(before), len(after)))
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    mine = [any(start < last and end > first for first, last in spans) for start, end in encoded["offset_mapping"]]
    return list(encoded["input_ids"]), mine


class FillMask(LanguageModel):
    names = ("fill-mask", "masked-lm")
    auto, lora = "AutoModelForMaskedLM", "FEATURE_EXTRACTION"

    def encode(self, rows: Rows, tokenizer: Any, limit: int | None) -> Dataset:
        """Rows of ids; texts that are too long become several rows."""
        if tokenizer.mask_token_id is None:
            raise ValueError("the tokenizer has no mask token: its model was not made for fill-mask.")
        texts = [text for text in texts_of(rows, self.columns["text"]) if text.strip()]
        first = self.lengths is None
        self.options.max_length = self.options.max_length or min(BLOCK, limit or BLOCK)
        encoded = self.windows(tokenizer, [texts], limit, return_special_tokens_mask=True)
        found = columns_to_rows(encoded, ["overflow_to_sample_mapping"])
        return found if first else self._masked(found, tokenizer)

    def _masked(self, rows: Dataset, tokenizer: Any) -> Dataset:
        """Rows held out with masks of their own, so that all evaluations ask the same."""
        mask = DataCollatorForLanguageModeling(tokenizer, mlm_probability=self.options.mlm_probability, seed=0)
        made = []
        for row in rows:
            batch = mask([row])
            made.append({**row, "input_ids": batch["input_ids"][0].tolist(), "labels": batch["labels"][0].tolist()})
        return [row for row in made if any(label != IGNORED for label in row["labels"])]

    def collator(self, tokenizer: Any, model: Any) -> Any:
        return MaskUnlessMasked(tokenizer, mlm_probability=self.options.mlm_probability)


class MaskUnlessMasked(DataCollatorForLanguageModeling):
    """Masks rows, but for those that have labels already."""

    def torch_call(self, features: list[Any]) -> Any:
        if "labels" not in features[0]:
            return super().torch_call(features)
        rows = [{name: value for name, value in row.items() if name != "labels"} for row in features]
        batch = pad_rows(self.tokenizer, rows, type(self).__name__)
        batch.pop("special_tokens_mask", None)
        length, side = batch["input_ids"].shape[1], self.tokenizer.padding_side
        batch["labels"] = torch.tensor([filled(row["labels"], length, IGNORED, side) for row in features])
        return batch
