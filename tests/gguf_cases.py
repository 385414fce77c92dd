"""What is recorded from the reference library about GGUF files, and compared with it."""

import hashlib
import json
import sys
from pathlib import Path

import gguf_files as files

sys.path.append(str(Path(__file__).parent / "parity" / "tokenizers"))
import tokenizer_strings  # noqa: E402

BLOCK = 20
# the architectures that the reference library reads too
MODELS = {name: (name, "F32") for name in ("llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2")}
MODELS |= {packing: ("llama", packing) for packing in (*files.PACKINGS[1:], *files.SUPERBLOCKS)}
TOKENIZERS = {
    cut: {"architecture": "llama", "vocabulary": files.byte_level_vocabulary(cut)}
    for cut in ("gpt-2", "smollm", "llama-bpe", "dbrx", "tekken", "gpt-4o", "qwen2")
}


def texts(count: int = 400) -> list[str]:
    """Texts in many scripts, without such as hold lone surrogates."""
    return tokenizer_strings.strings(count)


def digest(tensor) -> str:
    """Of a tensor's bytes."""
    return hashlib.sha256(tensor.detach().float().contiguous().numpy().tobytes()).hexdigest()[:32]


def digests(rust, strings: list[str]) -> list[str]:
    """Of the ids that a Rust tokenizer gives, block by block."""
    ids = [rust.encode(text).ids for text in strings]
    blocks = [ids[start : start + BLOCK] for start in range(0, len(ids), BLOCK)]
    return [hashlib.sha256(json.dumps(block).encode()).hexdigest()[:16] for block in blocks]
