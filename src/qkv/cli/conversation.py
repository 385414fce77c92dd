"""A conversation with a chat model: its messages, its settings, and replies that read only what is new."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qkv.errors import nearest, short
from qkv.generation.config import GenerationConfig
from qkv.layers.cache import DynamicCache

Message = dict[str, Any]
NEW = 1024  # tokens of a reply, if neither the model nor a setting says how many
ROLES = ("system", "user", "assistant", "tool")


@dataclass
class Reply:
    """How a reply came about: tokens read and written, of those read how many were known, and what cut things off."""

    read: int
    known: int
    written: int
    seconds: float
    dropped: int  # old messages for which there was no room
    full: bool  # it has as many tokens as it may


class Conversation:
    """Messages and the model that answers them.

    Args:
        pipe: a text-generation pipeline whose tokenizer has a chat template.
        system: instructions before the conversation.
        settings: fields of GenerationConfig.
    """

    def __init__(self, pipe: Any, system: str | None = None, **settings: Any):
        self.pipe, self.settings = pipe, settings
        self.messages: list[Message] = []
        self.config = self._config(settings)
        self.set_system(system)
        self.forget()

    # ---------------------------------------------------------------------------------------------- messages

    def set_system(self, text: str | None) -> None:
        """Give other instructions, or none."""
        self.messages = self.messages[self._start :]
        if text:
            self.messages.insert(0, {"role": "system", "content": text})

    def reset(self) -> None:
        """Forget all but the instructions."""
        self.messages = self.messages[: self._start]

    def undo(self) -> str:
        """Take back the last message of the user, and the reply to it. Raises: ValueError if there is none."""
        places = [i for i, message in enumerate(self.messages) if message["role"] == "user"]
        if not places:
            raise ValueError("nothing has been said yet.")
        last, self.messages = self.messages[places[-1]], self.messages[: places[-1]]
        return last["content"]

    @property
    def _start(self) -> int:
        return int(bool(self.messages) and self.messages[0]["role"] == "system")

    def save(self, path: str) -> None:
        """Write the messages: as text to read if it ends in .md, else as JSON for `load`."""
        if path.lower().endswith(".md"):
            text = "\n\n".join(f"**{message['role']}**\n\n{message['content']}" for message in self.messages) + "\n"
        else:
            text = json.dumps(self.messages, indent=2, ensure_ascii=False) + "\n"
        Path(path).write_text(text, encoding="utf-8", errors="backslashreplace")

    def load(self, path: str) -> None:
        """Take the messages of a JSON file. Raises: OSError, or ValueError if it holds something else."""
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            raise ValueError(f"{short(path)} is not JSON. /save FILE writes what /load reads.") from None
        if not isinstance(found, list) or not all(map(_is_message, found)):
            raise ValueError(f'{short(path)} must hold [{{"role": "user", "content": "..."}}, ...].')
        self.messages = [{"role": message["role"], "content": message["content"]} for message in found]

    # ---------------------------------------------------------------------------------------------- settings

    def set(self, name: str, text: str) -> Any:
        """Set a field of GenerationConfig from what was typed; "none" goes back to the default.

        Raises: ValueError for an unknown name, or a value it cannot have.
        """
        if name not in GenerationConfig.fields():
            raise ValueError(f"there is no setting {short(name)}; the nearest are {_near(name)}.")
        value = _parsed(text)
        settings = {key: old for key, old in self.settings.items() if key != name}
        settings |= {} if value is None else {name: value}
        config = self._config(settings)
        self.settings, self.config = settings, config
        return getattr(config, name)

    def _config(self, settings: dict[str, Any]) -> GenerationConfig:
        length = {"max_new_tokens": NEW} if self.pipe.choose(**settings).open_end else {}
        config = self.pipe.choose(**length, **settings).config
        if config.num_beams > 1 or config.num_return_sequences > 1:
            raise ValueError("a chat shows one reply while it grows: num_beams and num_return_sequences stay at 1.")
        return config

    # ---------------------------------------------------------------------------------------------- replies

    def ask(self, text: str, streamer: Any, stopped: Callable[[], bool]) -> Reply:
        """Say something, and add the model's reply.

        Args:
            streamer: gets the reply's ids as they come.
            stopped: asked after each token; true ends the reply, which stays as far as it got.

        Raises: ValueError if the message does not fit; then nothing was said.
        """
        before = list(self.messages)
        self.messages.append({"role": "user", "content": text})
        try:
            return self._reply(streamer, stopped)
        except BaseException:
            self.messages = before
            self.forget()
            raise

    def forget(self) -> None:
        """Drop what the cache holds: the next reply reads all messages anew."""
        self._cache, self._known = DynamicCache(), []

    def _reply(self, streamer: Any, stopped: Callable[[], bool]) -> Reply:
        begin = time.perf_counter()
        ids, dropped = self._fitting()
        known = next((i for i, pair in enumerate(zip(ids, self._known, strict=False)) if pair[0] != pair[1]), None)
        known = min(len(ids), len(self._known)) if known is None else known
        self._cache.crop(known)
        config = self.config
        if config.max_new_tokens is not None:
            config = config.merged({"max_new_tokens": min(config.max_new_tokens, self.limit - len(ids))})
        prompt = torch.tensor([ids], device=self.pipe.device)
        output = self.pipe.model.generate(
            prompt, attention_mask=torch.ones_like(prompt), generation_config=config, tokenizer=self.pipe.tokenizer,
            past_key_values=self._cache, streamer=streamer,
            stopping_criteria=[lambda ids, scores: torch.full((len(ids),), stopped(), device=ids.device)],
        )  # fmt: skip
        whole = (output if isinstance(output, torch.Tensor) else output["sequences"])[0].tolist()
        self._known = whole[: self._cache.length]
        written = whole[len(ids) :]
        self.messages.append({"role": "assistant", "content": self.pipe.tokenizer.decode(written, True)})
        seconds = time.perf_counter() - begin
        return Reply(len(ids), known, len(written), seconds, dropped, len(written) == config.max_new_tokens)

    def _fitting(self) -> tuple[list[int], int]:
        """The ids of the conversation, and how many of its oldest messages were dropped so that a reply has room."""
        room, dropped = min(self.config.max_new_tokens or 1, max(1, self.limit // 4)), 0
        while True:
            ids = self.pipe.tokenizer.apply_chat_template(self.messages, add_generation_prompt=True)
            if len(ids) + room <= self.limit:
                return ids, dropped
            start = self._start
            later = [i for i, m in enumerate(self.messages) if m["role"] == "user" and i > start]
            if not later:
                raise ValueError(f"the message has {len(ids)} tokens, the model reads {self.limit}: shorten it.")
            dropped += later[0] - start
            del self.messages[start : later[0]]

    @property
    def limit(self) -> int:
        """Tokens that the model can read, the reply among them."""
        trained = getattr(self.pipe.model.config, "max_position_embeddings", None)
        return self.pipe.limit if trained is None else min(self.pipe.limit, trained)


def _parsed(text: str) -> Any:
    """What was typed as a number, a list, a bool, None, or else as a text."""
    try:
        return json.loads({"True": "true", "False": "false", "None": "null", "none": "null"}.get(text, text))
    except (ValueError, RecursionError):
        return text


def _near(name: str) -> str:
    return nearest(name, GenerationConfig.fields())


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and value.get("role") in ROLES and isinstance(value.get("content"), str)
