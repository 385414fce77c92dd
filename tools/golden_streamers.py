"""Record the pieces of text that the reference's TextStreamer gives out, into tests/parity/generation/streamers.json.

    .venvs/peer5/bin/python tools/golden_streamers.py      # transformers==5.23.0

The tokenizer is the byte-level one of tests/parity/tokenizers/vocab, with which a character may be several tokens.
"""

import json
from pathlib import Path

import torch
import transformers as ref

TESTS = Path(__file__).parent.parent / "tests" / "parity"
TEXTS = [
    "hello world", " leading and trailing ", "two\nlines\n\nand more\n", "日本語のテキスト。 mixed 中文 text",
    "naïve café crème",
    "🎉🎉 party 👩‍👩‍👧 end", "ends in 中", "भाषा ภาษาไทย", "a  b   c", "", "\n\n", "x" * 30, "don't , stop . now !",
    "tab\tand\r\nreturn", "<s>special</s> text",
]  # fmt: skip
OPTIONS = [{}, {"skip_special_tokens": True}]


class Recorder(ref.TextStreamer):
    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self.pieces.append([text, stream_end])


def main() -> None:
    vocab = TESTS / "tokenizers" / "vocab"
    tokenizer = ref.GPT2Tokenizer(str(vocab / "vocab.json"), str(vocab / "merges.txt"))
    recorded = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        for skip_prompt in (False, True):
            for options in OPTIONS:
                streamer = Recorder(tokenizer, skip_prompt=skip_prompt, **options)
                streamer.pieces = []
                prompt = tokenizer("the prompt\nof it")["input_ids"]
                streamer.put(torch.tensor([prompt]))
                for index in ids:
                    streamer.put(torch.tensor([index]))
                streamer.end()
                recorded.append([prompt, ids, skip_prompt, options, streamer.pieces])
    target = TESTS / "generation" / "streamers.json"
    target.write_text("[\n" + ",\n".join(map(json.dumps, recorded)) + "\n]\n")
    print(f"{len(recorded)} texts by transformers {ref.__version__}")


if __name__ == "__main__":
    main()
