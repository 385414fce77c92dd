"""Streamers: the text of a generation while it comes. generate() gives them ids, the prompt first.

A character may be several tokens, and a word may change with the next token, so text is given out when it is settled:
up to the last space, or at once after a newline or a CJK character, which no later token changes.
"""

import asyncio
from queue import Queue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self

# CJK ideographs: scripts that put no spaces between words
IDEOGRAPHS = (
    range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xF900, 0xFB00), range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2CEB0), range(0x2F800, 0x2FA20),
)  # fmt: skip


class BaseStreamer:
    """What generate() needs of a streamer; any object with these two methods will do."""

    def put(self, value: "Tensor") -> None:
        """Take the prompt, of shape (1, T), or the next ids, of shape (1,)."""
        raise NotImplementedError

    def end(self) -> None:
        """Take note that the generation is over."""
        raise NotImplementedError


class TextStreamer(BaseStreamer):
    """Prints text as soon as words are complete.

    Args:
        skip_prompt: leave the prompt out.
        decode_kwargs: for `tokenizer.decode`, such as skip_special_tokens=True.

    Override `on_finalized_text` to do something else with the text.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, **decode_kwargs: Any):
        self.tokenizer = tokenizer
        self.skip_prompt = skip_prompt
        self.decode_kwargs = decode_kwargs
        self._start()

    def _start(self) -> None:
        self.token_cache: list[int] = []  # of the line before and the current one
        self.print_len = 0  # characters of their text that were given out
        self.line = 0  # where the current line starts in token_cache
        self.next_tokens_are_prompt = True

    def put(self, value: "Tensor") -> None:
        """Raises: ValueError for more than one row."""
        if value.ndim > 1 and len(value) > 1:
            raise ValueError(
                f"{type(self).__name__} shows one text, and this batch has {len(value)}. Generate one prompt at a "
                f"time, with num_return_sequences=1, or leave the streamer out."
            )
        prompt, self.next_tokens_are_prompt = self.next_tokens_are_prompt, False
        if prompt and self.skip_prompt:
            return
        self.token_cache += value.flatten().tolist()
        text = self._decoded(self.token_cache)
        settled = max(self.print_len, _settled(text))
        ready, self.print_len = text[self.print_len : settled], settled
        if text.endswith("\n"):
            self._next_line()
        self.on_finalized_text(ready)

    def end(self) -> None:
        """Give out what is left, then a newline."""
        rest = self._decoded(self.token_cache)[self.print_len :]
        self._start()
        self.on_finalized_text(rest, stream_end=True)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Called with each new piece of text, which may be empty, and with `stream_end` for the last one."""
        print(text, end="\n" if stream_end else "", flush=True)

    def _next_line(self) -> None:
        """Forget all but the line that just ended: decoders treat a text's first token otherwise than a line's."""
        self.token_cache = self.token_cache[self.line :]
        self.line = len(self.token_cache)
        self.print_len = len(self._decoded(self.token_cache))

    def _decoded(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, **self.decode_kwargs) if ids else ""


class TextIteratorStreamer(TextStreamer):
    """Gives the text to another thread, as an iterator.

        thread = Thread(target=model.generate, kwargs={**inputs, "streamer": streamer})
        thread.start()
        for text in streamer: ...

    Args:
        timeout: seconds to wait for the next text, then the iterator raises queue.Empty. None waits for ever, also
            if the generation failed.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, timeout: float | None = None, **decode_kwargs: Any):
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.text_queue: Queue[str | None] = Queue()
        self.stop_signal = None
        self.timeout = timeout

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self.text_queue.put(text)
        if stream_end:
            self.text_queue.put(self.stop_signal)

    def __iter__(self) -> "Self":
        return self

    def __next__(self) -> str:
        text = self.text_queue.get(timeout=self.timeout)
        if text is None:
            raise StopIteration
        return text


class AsyncTextIteratorStreamer(TextStreamer):
    """Gives the text of a generation in a thread to a coroutine, as an asynchronous iterator, made inside it.

    Args:
        timeout: seconds to wait for the next text, then the iterator raises TimeoutError. None waits for ever.

    Raises: RuntimeError if no event loop runs.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, timeout: float | None = None, **decode_kwargs: Any):
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.loop = asyncio.get_running_loop()
        self.text_queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.stop_signal = None
        self.timeout = timeout

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        for value in (text, self.stop_signal) if stream_end else (text,):
            self.loop.call_soon_threadsafe(self.text_queue.put_nowait, value)

    def __aiter__(self) -> "Self":
        return self

    async def __anext__(self) -> str:
        try:
            text = await asyncio.wait_for(self.text_queue.get(), self.timeout)
        except asyncio.TimeoutError:  # noqa: UP041 - not the builtin one in Python 3.10
            raise TimeoutError(f"no text for {self.timeout} seconds; raise timeout= if the model is slow.") from None
        if text is None:
            raise StopAsyncIteration
        return text


def _settled(text: str) -> int:
    """How many characters of a text no later token changes."""
    if text and (text[-1] == "\n" or any(ord(text[-1]) in block for block in IDEOGRAPHS)):
        return len(text)
    return text.rfind(" ") + 1
