"""Text on the screen, or in a pipe, while a model writes it."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from qkv.generation.streamers import TextStreamer

from .terminal import clean_lines


class Printer(TextStreamer):
    """Prints the text that a model writes, without control characters, and counts its tokens."""

    def __init__(self, tokenizer: Any):
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.tokens = 0

    def put(self, value: Any) -> None:
        self.tokens += 0 if self.next_tokens_are_prompt else value.numel()
        super().put(value)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        sys.stdout.write(clean_lines(text) + ("\n" if stream_end else ""))
        sys.stdout.flush()


def stream(pipe: Any, items: Iterable[Any], asked: Callable[[Any], Any]) -> None:
    """Print a text for each input, after the input unless the pipeline leaves it out."""
    for item in items:
        prompt = asked(item)
        if isinstance(prompt, str) and pipe.options.return_full_text is not False:
            print(clean_lines(prompt), end="", flush=True)
        try:
            pipe(prompt, streamer=Printer(pipe.tokenizer))
        except KeyboardInterrupt:
            print(flush=True)
            raise
