"""Streamers give out text in the same pieces as the reference's (tools/golden_streamers.py recorded them)."""

import asyncio
import json
import queue
import threading
from pathlib import Path

import pytest
import torch

from qkv import AsyncTextIteratorStreamer, GPT2Tokenizer, TextIteratorStreamer, TextStreamer

PARITY = Path(__file__).parent.parent / "parity"
RECORDED = json.loads((PARITY / "generation" / "streamers.json").read_text())


@pytest.fixture(scope="module")
def tokenizer():
    vocab = PARITY / "tokenizers" / "vocab"
    return GPT2Tokenizer(str(vocab / "vocab.json"), str(vocab / "merges.txt"))


class Pieces(TextStreamer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pieces = []

    def on_finalized_text(self, text, stream_end=False):
        self.pieces.append([text, stream_end])


def feed(streamer, prompt, ids, block=1):
    streamer.put(torch.tensor([prompt]))
    for start in range(0, len(ids), block):
        streamer.put(torch.tensor(ids[start : start + block]))
    streamer.end()


@pytest.mark.parametrize("case", range(len(RECORDED)))
def test_the_same_pieces(case, tokenizer):
    prompt, ids, skip_prompt, options, expected = RECORDED[case]
    streamer = Pieces(tokenizer, skip_prompt=skip_prompt, **options)
    feed(streamer, prompt, ids)
    assert streamer.pieces == expected


@pytest.mark.parametrize("text", ["日本語 🎉 naïve\nline two , and more.", "भाषा ภาษาไทย 👩‍👩‍👧 x"])
def test_pieces_are_the_whole_text_whatever_comes_at_once(text, tokenizer):
    ids = tokenizer(text)["input_ids"]
    for block in (1, 2, 5, len(ids)):
        streamer = Pieces(tokenizer, skip_prompt=True)
        feed(streamer, [10, 11], ids, block)
        assert "".join(piece for piece, _ in streamer.pieces) == text
        assert [end for _, end in streamer.pieces].count(True) == 1 and streamer.pieces[-1][1]


def test_a_streamer_serves_again_and_prints(tokenizer, capsys):
    streamer = TextStreamer(tokenizer, skip_prompt=True)
    for text in ("one two", "three"):
        feed(streamer, [10], tokenizer(text)["input_ids"])
    assert capsys.readouterr().out == "one two\nthree\n"


def test_one_text_at_a_time(tokenizer):
    with pytest.raises(ValueError, match="one text, and this batch has 2"):
        TextStreamer(tokenizer).put(torch.ones(2, 3, dtype=torch.long))


def test_iterator_in_a_thread(tokenizer):
    ids = tokenizer("text for another thread")["input_ids"]
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, timeout=10)
    thread = threading.Thread(target=feed, args=(streamer, [10], ids))
    thread.start()
    assert "".join(streamer) == "text for another thread"
    thread.join()
    with pytest.raises(queue.Empty):
        next(TextIteratorStreamer(tokenizer, timeout=0.01))


def test_asynchronous_iterator(tokenizer):
    async def gather():
        ids = tokenizer("text for a coroutine")["input_ids"]
        streamer = AsyncTextIteratorStreamer(tokenizer, skip_prompt=True, timeout=10)
        thread = threading.Thread(target=feed, args=(streamer, [10], ids))
        thread.start()
        found = [text async for text in streamer]
        thread.join()
        with pytest.raises(TimeoutError, match="timeout="):
            await AsyncTextIteratorStreamer(tokenizer, timeout=0.01).__anext__()
        return found

    assert "".join(asyncio.run(gather())) == "text for a coroutine"
    with pytest.raises(RuntimeError):
        AsyncTextIteratorStreamer(tokenizer)
