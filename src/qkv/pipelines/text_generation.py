"""text-generation: texts that go on, and chats that are answered.

    "Once upon"                    - the same text with more                    [{"generated_text": "Once upon a time"}]
    [{"role": ..., "content": ...}] - the messages with the assistant's answer  [{"generated_text": [..., {...}]}]

What is special: texts of different lengths are written together, and none of them shows it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import torch

from ..errors import nearest, short
from . import base, generating
from .base import Pipeline, Row
from .writing import write

DEFAULTS = {"max_new_tokens": 256, "do_sample": True, "temperature": 0.7}
HOLE = "hole"
SETTLED = {"generate_kwargs", "config", "open_end"}  # fields that no caller sets
RETURNS = ("return_full_text", "return_text", "return_tensors")


@dataclass(frozen=True)
class Options(base.Options):
    """
    return_full_text: the prompt before what was written, which is the default; False for what was written alone.
    return_text: True, which is the default anyway; return_tensors: True for {"generated_token_ids"} in place of texts.
    clean_up_tokenization_spaces: remove spaces before punctuation; by the tokenizer's own rule if None.
    skip_special_tokens: leave special tokens out of texts.
    prefix: a text before each prompt, which is read but not returned; the model's own if None.
    handle_long_generation: "hole" cuts the beginning of a prompt that leaves too little room.
    stop_sequence: a string or several; a text ends with the first of them.
    truncation, add_special_tokens, tokenizer_encode_kwargs: of the tokenizer's call, or the chat template's.
    padding: accepted for compatibility: rows are padded to the longest of their batch.
    continue_final_message: go on within a chat's last message; if None, where that is the assistant's.
    tools, documents: for the chat template.
    generate_kwargs: a dict of the options below.
    any field of GenerationConfig (max_new_tokens, max_length, temperature ...), generation_config, and keywords of
    generate() (streamer, json_schema, logits_processor ...). Unless the call or the model says otherwise, up to 256 new
    tokens are drawn with temperature=0.7.
    batch_size: 1 writes the texts one after the other, in order: a seed then draws what it draws elsewhere.
    """

    return_full_text: bool | None = None
    return_text: bool | None = None
    return_tensors: bool | None = None
    clean_up_tokenization_spaces: bool | None = None
    skip_special_tokens: bool | None = None
    prefix: str | None = None
    handle_long_generation: str | None = None
    stop_sequence: str | Sequence[str] | None = None
    truncation: bool | str | None = None
    add_special_tokens: bool | None = None
    padding: bool | str | None = None
    tokenizer_encode_kwargs: Mapping[str, Any] | None = None
    continue_final_message: bool | None = None
    tools: Sequence[Any] | None = None
    documents: Sequence[Any] | None = None
    generate_kwargs: Mapping[str, Any] = field(default_factory=dict)  # everything for generate(), by name
    config: Any = None  # the GenerationConfig of the call, see `choose`
    open_end: bool = False  # nobody said how many new tokens

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.handle_long_generation not in (None, HOLE):
            raise ValueError(f"handle_long_generation={short(self.handle_long_generation)} must be 'hole' or None.")
        if not isinstance(self.prefix, str | None):
            raise TypeError(f"prefix={short(self.prefix)} must be a string.")


class TextGenerationPipeline(Pipeline):
    """Texts, or chats -> the same with more.

    An input is a string; or a chat: a list of messages {"role", "content"}, or an object with `.messages`. One input
    gives a list of results, as many as `num_return_sequences`; a list of inputs gives a list of such lists.
    """

    task = "text-generation"
    options_class = Options
    defaults: ClassVar[dict[str, Any]] = DEFAULTS

    def __call__(self, inputs: Any, **options: Any) -> Any:
        if isinstance(inputs, list) and not self.is_single(inputs) and self.choose(**options).batch_size == 1:
            # The reference reads lists through a DataLoader, which draws a number: so that a seed gives the same texts.
            torch.empty((), dtype=torch.int64).random_()
        return super().__call__(inputs, **options)

    # ---------------------------------------------------------------------------------------------- options

    def _changed(self, options: Any, changes: dict[str, Any]) -> Any:
        changes = {**(changes.get("generate_kwargs") or {}), **changes}
        changes.pop("generate_kwargs", None)
        own = {entry.name for entry in fields(options)} - SETTLED
        known = own.union(generating.names())
        if unknown := sorted(changes.keys() - known):
            raise TypeError(f"{self.task} has no option {unknown[0]!r}; the nearest are {nearest(unknown[0], known)}.")
        given = {name: changes[name] for name in changes.keys() - own}
        changes = {name: changes[name] for name in changes.keys() & own}
        said = [name for name in RETURNS if changes.get(name) is not None and changes[name] is not False]
        said += ["return_full_text"] if changes.get("return_full_text") is False else []
        if len(said) > 1:
            raise ValueError(f"{' and '.join(said)} contradict each other: pass one of them.")
        if said:  # what the pipeline was made with gives way
            changes = {**dict.fromkeys(RETURNS), **changes}
        return replace(options, generate_kwargs=generating.laid_over(options.generate_kwargs, given), **changes)

    def choose(self, **options: Any) -> Any:
        chosen = super().choose(**options)
        given = dict(chosen.generate_kwargs)
        if chosen.stop_sequence is not None:
            stop = chosen.stop_sequence
            given["stop_strings"] = stop if isinstance(stop, str) else list(stop)
        config = generating.settled(self.model, self.tokenizer, given, self.defaults)
        if prefix := self._prefix(chosen):  # a length that counts the prompt leaves the prefix out
            more = len(self.tokenizer(prefix, add_special_tokens=bool(chosen.add_special_tokens))["input_ids"])
            for total, new in (("max_length", "max_new_tokens"), ("min_length", "min_new_tokens")):
                if total in vars(config) and new not in vars(config):
                    setattr(config, total, getattr(config, total) + more)
        said = generating.said(self.model, given)
        return replace(chosen, config=config, open_end=not {"max_new_tokens", "max_length"} & said.keys())

    def _prefix(self, options: Any) -> str:
        return (getattr(self.model.config, "prefix", None) if options.prefix is None else options.prefix) or ""

    # ---------------------------------------------------------------------------------------------- to ids

    def is_single(self, inputs: Any) -> bool:
        listed = isinstance(inputs, list | tuple) and len(inputs) > 0 and isinstance(inputs[0], dict)
        return isinstance(inputs, str) or listed or hasattr(inputs, "messages")

    def accepts(self) -> str:
        return 'a string or a chat, such as [{"role": "user", "content": "Hi"}]'

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        cutting = {"truncation": options.truncation}
        if options.truncation is not None or options.config.max_new_tokens is not None or self._prefix(options):
            cutting["max_length"] = options.generate_kwargs.get("max_length")
        cutting = {name: value for name, value in cutting.items() if value is not None}
        texts = [item for item in inputs if isinstance(item, str)]
        read = iter(self._read(texts, options, cutting) if texts else ())
        rows = [next(read) if isinstance(item, str) else self._read_chat(item, options, cutting) for item in inputs]
        for row in rows:
            row["input_ids"] = self._fitting(row["input_ids"], options)
        return [[row] for row in rows]

    def _read(self, texts: list[str], options: Any, cutting: dict[str, Any]) -> Iterator[Row]:
        if options.add_special_tokens is not None:
            cutting = {**cutting, "add_special_tokens": options.add_special_tokens}
        prefix = self._prefix(options)
        cutting = {"verbose": False, **cutting, **(options.tokenizer_encode_kwargs or {})}
        rows = self.tokenizer([prefix + text for text in texts], **cutting)["input_ids"]
        return ({"input_ids": ids, "prompt": text} for ids, text in zip(rows, texts, strict=True))

    def _read_chat(self, chat: Any, options: Any, cutting: dict[str, Any]) -> Row:
        """Raises: TypeError for what is no chat, and what `apply_chat_template` raises."""
        messages = getattr(chat, "messages", chat)
        if not isinstance(messages, list | tuple) or not all(isinstance(m, dict) and "role" in m for m in messages):
            raise TypeError(f"{self.task} takes {self.accepts()}; got {short(chat)}.")
        going_on = options.continue_final_message
        if going_on is None:
            going_on = bool(messages) and messages[-1]["role"] == "assistant"
        encoded = self.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=not going_on, continue_final_message=going_on, return_dict=True,
            tools=options.tools, documents=options.documents, **cutting, **(options.tokenizer_encode_kwargs or {}),
        )  # fmt: skip
        return {"input_ids": list(encoded["input_ids"]), "prompt": list(messages), "going_on": going_on}

    def _fitting(self, ids: list[int], options: Any) -> list[int]:
        """The ids of a prompt, or the last of them for "hole". Raises: ValueError if they leave no room."""
        config, table = options.config, self.model.base_model.max_tokens
        if options.handle_long_generation == HOLE:
            new = config.max_new_tokens
            new = config.max_length - len(ids) if new is None else new
            keep = self.limit - new
            if new < 0 or keep <= 0:
                raise ValueError(
                    f"handle_long_generation='hole' cannot make room: of the {self.limit} tokens this model reads, "
                    f"{new} are for new text. Set max_new_tokens to less."
                )
            ids = ids[-keep:]
        if table is not None and max(1, len(ids)) >= table:
            raise ValueError(
                f"the prompt has {len(ids)} tokens, and prompt and text together can have {table} with this model. "
                f"Shorten it; handle_long_generation='hole' with a max_new_tokens cuts its beginning."
            )
        return ids

    def _forward(self, rows: list[Row], options: Any) -> list[dict[str, Any]]:
        written = write(self.model, self.tokenizer, [row["input_ids"] for row in rows], options)
        return [row | found for row, found in zip(rows, written, strict=True)]

    # ---------------------------------------------------------------------------------------------- to text

    def postprocess(self, outputs: list[dict[str, Any]], options: Any) -> Any:
        """A result for each sequence of one input."""
        output = outputs[0]
        results = []
        for i, ids in enumerate(output["sequences"]):
            if options.return_tensors:
                results.append({"generated_token_ids": ids})
                continue
            more = {name: values[i] for name, values in output["more"].items()}
            results.append({"generated_text": self._text(ids, output, options), **more})
        return results

    def _text(self, ids: list[int], output: dict[str, Any], options: Any) -> Any:
        prompt, going_on = output["prompt"], output.get("going_on", True)
        text = self._written(ids, len(output["input_ids"]), going_on, options)
        if options.return_full_text is False:
            return text
        if isinstance(prompt, str):
            return prompt + text
        if not going_on:
            return [*prompt, {"role": "assistant", "content": text}]
        return [*prompt[:-1], prompt[-1] | {"content": _continued(prompt[-1]["content"], text)}]

    def _written(self, ids: list[int], start: int, going_on: bool, options: Any) -> str:
        """The text of the ids from number `start` on; with the space before it where it goes on in a text."""

        def decode(ids: list[int]) -> str:
            skip = True if options.skip_special_tokens is None else options.skip_special_tokens
            return self.tokenizer.decode(ids, skip, options.clean_up_tokenization_spaces)

        if going_on and start > 0:  # some decoders drop the space that a text begins with
            before, whole = decode(ids[:start]), decode(ids)
            if whole.startswith(before):
                return whole[len(before) :]
        return decode(ids[start:])


def _continued(content: Any, text: str) -> Any:
    """A message's content, a text or a list of parts, with more text at its end."""
    if isinstance(content, str):
        return content + text
    last = max(i for i, part in enumerate(content) if isinstance(part, dict) and "text" in part)
    return [part | {"text": part["text"] + text} if i == last else part for i, part in enumerate(content)]
