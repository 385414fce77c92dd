"""Conversations to text and ids: a tokenizer's chat templates, and what a template is given.

conversation.py makes plain data of what is given; template.py, which the first call imports, renders it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qkv.errors import nearest, short

from .batch import BatchEncoding
from .conversation import REASONING, checked_documents, conversations, plain, schemas

if TYPE_CHECKING:
    from .base import PreTrainedTokenizer

MARK = "QKV_THE_MESSAGE_GOES_ON_HERE "  # the space shows whether the template trims messages


def apply_chat_template(  # noqa: PLR0913 (the reference's signature)
    self: PreTrainedTokenizer,
    conversation: Any,
    tools: Sequence[Any] | None = None,
    documents: Sequence[Mapping[str, Any]] | None = None,
    chat_template: str | None = None,
    add_generation_prompt: bool = False,
    continue_final_message: bool | str = False,
    tokenize: bool = True,
    padding: bool | str = False,
    truncation: bool | str = False,
    max_length: int | None = None,
    return_tensors: str | None = None,
    return_dict: bool | None = None,
    return_assistant_tokens_mask: bool = False,
    tokenizer_kwargs: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """A conversation as the text, or the ids, that a chat model was trained on.

    conversation: messages, dicts with "role" and "content" (text, or a list of parts as the template takes it); or an
    object with `.messages`; or a list of conversations. Fields that are None are left out.
    tools: Python functions (see get_json_schema) or JSON schemas. documents: dicts, by custom with "title" and "text".
    chat_template: a template, or the name of one of the tokenizer's; None for its "tool_use" (with tools) or "default".
    add_generation_prompt: end with the start of the assistant's next message.
    continue_final_message: end inside the last message, for the model to go on; a str names the field that goes on,
    such as "reasoning_content".
    tokenize: ids; False for the text. padding, truncation, max_length, return_tensors, tokenizer_kwargs: as in a call
    of the tokenizer. Special tokens are the template's matter, none are added.
    return_dict: True for a BatchEncoding, for `model.generate(**inputs)`. By default the ids alone, a list (T,) or with
    return_tensors a tensor (1, T), for `model.generate(ids)`, as in Transformers 4; in 5 True is the default. A tensor
    is no mapping: code for 5 that writes `inputs["input_ids"]` has to pass return_dict=True, which 4 also knows.
    return_assistant_tokens_mask: "assistant_masks" beside the ids, 1 for tokens inside the template's
    `{% generation %}` blocks; it implies return_dict.
    kwargs: variables of the template. It also gets the special tokens by role (`bos_token`).

    Raises ValueError (TypeError for input of a wrong kind): no template, a template that fails or does too much (the
    message names its line), an empty conversation, options that contradict each other.
    """
    _check(continue_final_message, add_generation_prompt, return_assistant_tokens_mask, kwargs)
    if return_assistant_tokens_mask and (return_dict is False or not tokenize):
        raise ValueError("return_assistant_tokens_mask=True needs return_dict=True and tokenize=True: leave them out.")
    template = get_chat_template(self, chat_template, tools)
    if return_assistant_tokens_mask and not re.search(r"\{%-?\s*generation\s*-?%\}", template):
        warnings.warn(
            "The chat template has no {% generation %} block, so the assistant's tokens are unknown and the mask is 0 "
            "everywhere. Pass chat_template= one that has, or leave out return_assistant_tokens_mask.",
            stacklevel=2,
        )
    chats, batched = conversations(conversation)
    shared = {**self.special_tokens_map, **kwargs, "tools": schemas(tools), "documents": checked_documents(documents)}
    shared = plain({**shared, "add_generation_prompt": add_generation_prompt})
    made = [_rendered(template, messages, shared, continue_final_message) for messages in chats]
    texts = [text for text, _ in made]
    if not tokenize:
        return texts if batched else texts[0]
    options = dict(padding=padding, truncation=truncation, max_length=max_length, return_tensors=return_tensors)
    options = {**options, "add_special_tokens": False, **(tokenizer_kwargs or {})}
    encoded = self(texts if batched else texts[0], **options)
    if return_assistant_tokens_mask:
        _add_masks(encoded, [spans for _, spans in made])
        encoded.convert_to_tensors(return_tensors)
    return encoded if return_dict or return_assistant_tokens_mask else encoded["input_ids"]


def get_chat_template(self: PreTrainedTokenizer, chat_template: str | None = None, tools: Any = None) -> str:
    """The text of the template that apply_chat_template uses for these arguments. ValueError when there is none."""
    own = self.chat_template
    if chat_template is not None and not isinstance(chat_template, str):
        raise TypeError(f"chat_template={short(chat_template)} is not the text or the name of a template.")
    if isinstance(own, dict):
        name = chat_template or ("tool_use" if tools is not None and "tool_use" in own else "default")
        chosen = own.get(name, chat_template)
        if chosen is None:
            raise ValueError(
                f"The tokenizer has {len(own)} chat templates, none named 'default'. Pass chat_template= the name "
                f"of one: {nearest('default', map(str, own), 5)}."
            )
    else:
        chosen = own if chat_template is None else chat_template
    if not chosen:
        raise ValueError(
            "The tokenizer has no chat template; a model that was not trained for chat has none. Pass chat_template= "
            "the text of one (Jinja), or set tokenizer.chat_template, for example to that of the model's chat version."
        )
    if chosen == chat_template and re.fullmatch(r"[\w-]+", chosen):  # a name, then: no template is one word
        names = (
            f"Did you mean {nearest(chosen, map(str, own))}?" if isinstance(own, dict) else "Its template is unnamed."
        )
        raise ValueError(f"The tokenizer has no chat template named {short(chosen)}. {names}")
    return chosen


def encode_message_with_chat_template(
    self: PreTrainedTokenizer,
    message: Mapping[str, Any],
    conversation_history: Sequence[Any] | None = None,
    **kwargs: Any,
) -> list[int]:
    """The ids that a message adds to those of the conversation before it: from where the two first differ.

    kwargs go to apply_chat_template; add_generation_prompt raises ValueError.
    """
    if "add_generation_prompt" in kwargs:
        raise ValueError("A message has no generation prompt: leave out add_generation_prompt, and add it at the end.")
    history = list(conversation_history or ())
    ids = apply_chat_template(self, [*history, message], **kwargs)
    before = apply_chat_template(self, history, **kwargs) if history else []
    same = next((i for i, pair in enumerate(zip(ids, before, strict=False)) if pair[0] != pair[1]), len(before))
    return ids[min(same, len(ids)) :]


def _check(going_on: Any, prompt: bool, mask: bool, kwargs: Mapping[str, Any]) -> None:
    if going_on and (prompt or mask):
        other = "add_generation_prompt" if prompt else "return_assistant_tokens_mask"
        raise ValueError(
            f"continue_final_message and {other} contradict each other: one leaves the last message open, the "
            "other needs it closed. Leave one out."
        )
    if kwargs.get("sanitize_control_tokens"):
        raise ValueError("sanitize_control_tokens is not there: remove special tokens from what users write yourself.")
    taken = {"messages"} & kwargs.keys()
    if taken:
        raise TypeError("messages= is the name templates know the conversation by: pass it as the first argument.")


def _rendered(
    template: str, messages: list[dict[str, Any]], shared: Mapping[str, Any], going_on: bool | str
) -> tuple[str, list[tuple[int, int]]]:
    from .template import render

    if not going_on:
        return render(template, {**shared, "messages": messages})
    field = going_on if isinstance(going_on, str) else "content"
    messages, said = _marked(template, messages, field)
    text, spans = render(template, {**shared, "messages": messages})
    before, mark, after = text.rpartition(MARK.strip())
    if not mark or said.strip() not in text:
        raise ValueError(
            f"continue_final_message: the template leaves out or changes the last message's {short(field)}, "
            f"{short(said)}, so nothing can continue it. Leave continue_final_message out."
        )
    return (before if after.startswith(" ") else before.rstrip()), spans


def _marked(template: str, messages: list[dict[str, Any]], field: str) -> tuple[list[dict[str, Any]], str]:
    """The messages with a mark where the last one goes on, and what it says so far."""
    last, said = messages[-1], messages[-1].get(field)
    names = [name for name in REASONING if last.get(name) == said] if field in REASONING else [field]
    if said is None:
        raise ValueError(f"continue_final_message: the last message has no {short(field)}; it has {short([*last])}.")
    if not any(name in template for name in names):
        raise ValueError(f"continue_final_message={short(field)}: the template does not read this field.")
    if isinstance(said, str):
        return [*messages[:-1], last | dict.fromkeys(names, said + MARK)], said
    parts = list(said) if isinstance(said, (list, tuple)) else []
    place = next((i for i in reversed(range(len(parts))) if isinstance(parts[i], dict) and "text" in parts[i]), None)
    if place is None:
        raise ValueError("continue_final_message: the last message has no text that could be continued.")
    said = parts[place]["text"]
    parts[place] = parts[place] | {"text": said + MARK}
    return [*messages[:-1], last | {field: parts}], said


def _add_masks(encoded: BatchEncoding, spans: list[list[tuple[int, int]]]) -> None:
    ids = encoded["input_ids"]
    nested = not isinstance(ids[0], int) if len(ids) else False
    rows = ids if nested else [ids]
    chats = encoded.get("overflow_to_sample_mapping", range(len(rows)))
    masks = [_mask(encoded, row, len(rows[row]), spans[int(chats[row])]) for row in range(len(rows))]
    encoded["assistant_masks"] = masks if nested else masks[0]


def _mask(encoded: BatchEncoding, row: int, length: int, spans: list[tuple[int, int]]) -> list[int]:
    """1 for the tokens of the spans of characters, 0 for the others."""
    mask = [0] * length
    for start, end in spans:
        if start == end:
            continue
        first, last = encoded.char_to_token(row, start), encoded.char_to_token(row, end - 1)
        if first is None:  # cut off, as all that follows
            break
        stop = last + 1 if last else length
        mask[first:stop] = [1] * (stop - first)
    return mask
