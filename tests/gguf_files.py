"""Tiny GGUF files as llama.cpp's converter writes them, from checkpoints in Hugging Face's form.

Names come from gguf's own table, what the converter does to the numbers stands in `converted`, and the numbers
themselves are whole multiples of a power of two, so that a file has the same bytes on every machine.
"""

import json
from pathlib import Path

import gguf
import numpy as np

VOCABULARIES = Path(__file__).parent / "parity" / "tokenizers" / "vocab"
HIDDEN, LAYERS, HEADS, KV_HEADS, WIDTH, VOCAB = 64, 2, 4, 2, 256, 40
ARCHITECTURES = {
    **{name: name for name in ("llama", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "granite", "olmo2", "smollm3")},
    "gemma3": "gemma3_text",
    "gpt2": "gpt2",
    "gptneox": "gpt_neox",
}
TIED = ("gemma", "gemma2")  # llama.cpp has no place for an output matrix of these
PACKINGS = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")
# bytes of a block of 256 numbers, and where its float16 scales are; gguf unpacks these types but does not pack them
SUPERBLOCKS = {"Q2_K": (84, (80, 82)), "Q3_K": (110, (108,)), "Q4_K": (144, (0, 2)), "Q5_K": (176, (0, 2))}
SUPERBLOCKS["Q6_K"] = (210, (208,))


def numbers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers between -0.5 and 0.5."""
    index = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(seed * 7919)
    return ((index * np.uint64(2654435761) >> np.uint64(7)) % np.uint64(1024)).astype(np.float32).reshape(
        shape
    ) / 1024 - np.float32(0.5)


def head_dim(architecture: str) -> int:
    return 32 if architecture in ("gemma", "gemma2", "gemma3", "qwen3") else HIDDEN // HEADS


def shapes(architecture: str, tied: bool) -> dict[str, tuple[int, ...]]:
    """The weights of a checkpoint in Hugging Face's form."""
    if architecture == "gpt2":
        return _gpt2_shapes()
    if architecture == "gptneox":
        return _neox_shapes()
    head = head_dim(architecture)
    found = {"model.embed_tokens.weight": (VOCAB, HIDDEN), "model.norm.weight": (HIDDEN,)}
    if not tied:
        found["lm_head.weight"] = (VOCAB, HIDDEN)
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        rows = {"q": HEADS * head, "k": KV_HEADS * head, "v": KV_HEADS * head}
        if architecture == "phi3":
            found[f"{layer}self_attn.qkv_proj.weight"] = (sum(rows.values()), HIDDEN)
            found[f"{layer}mlp.gate_up_proj.weight"] = (2 * WIDTH, HIDDEN)
        else:
            found |= {f"{layer}self_attn.{x}_proj.weight": (n, HIDDEN) for x, n in rows.items()}
            found |= {f"{layer}mlp.{x}_proj.weight": (WIDTH, HIDDEN) for x in ("gate", "up")}
        if architecture == "qwen2":
            found |= {f"{layer}self_attn.{x}_proj.bias": (n,) for x, n in rows.items()}
        if architecture in ("qwen3", "gemma3"):
            found |= {f"{layer}self_attn.{x}_norm.weight": (head,) for x in "qk"}
        if architecture == "olmo2":
            found |= {f"{layer}self_attn.{x}_norm.weight": (rows[x],) for x in "qk"}
        found[f"{layer}self_attn.o_proj.weight"] = (HIDDEN, HEADS * head)
        found[f"{layer}mlp.down_proj.weight"] = (HIDDEN, WIDTH)
        norms = ["post_attention_layernorm"]
        norms += ["input_layernorm"] if architecture != "olmo2" else []
        norms += ["post_feedforward_layernorm"] if architecture in ("olmo2", "gemma2", "gemma3") else []
        norms += ["pre_feedforward_layernorm"] if architecture in ("gemma2", "gemma3") else []
        found |= {f"{layer}{norm}.weight": (HIDDEN,) for norm in norms}
    return found


def _gpt2_shapes() -> dict[str, tuple[int, ...]]:
    found = {"transformer.wte.weight": (VOCAB, HIDDEN), "transformer.wpe.weight": (128, HIDDEN)}
    linear = {"attn.c_attn": 3 * HIDDEN, "attn.c_proj": HIDDEN, "mlp.c_fc": 4 * HIDDEN}
    for i in range(LAYERS):
        layer = f"transformer.h.{i}."
        found |= {f"{layer}{name}.weight": (HIDDEN, out) for name, out in linear.items()}
        found |= {f"{layer}{name}.bias": (out,) for name, out in linear.items()}
        found |= {f"{layer}mlp.c_proj.weight": (4 * HIDDEN, HIDDEN), f"{layer}mlp.c_proj.bias": (HIDDEN,)}
        found |= {f"{layer}{norm}.{leaf}": (HIDDEN,) for norm in ("ln_1", "ln_2") for leaf in ("weight", "bias")}
    return found | {f"transformer.ln_f.{leaf}": (HIDDEN,) for leaf in ("weight", "bias")}


def _neox_shapes() -> dict[str, tuple[int, ...]]:
    found = {"gpt_neox.embed_in.weight": (VOCAB, HIDDEN), "embed_out.weight": (VOCAB, HIDDEN)}
    sizes = {"attention.query_key_value": (3 * HIDDEN, HIDDEN), "attention.dense": (HIDDEN, HIDDEN)}
    sizes |= {"mlp.dense_h_to_4h": (WIDTH, HIDDEN), "mlp.dense_4h_to_h": (HIDDEN, WIDTH)}
    for i in range(LAYERS):
        layer = f"gpt_neox.layers.{i}."
        found |= {f"{layer}{name}.weight": size for name, size in sizes.items()}
        found |= {f"{layer}{name}.bias": size[:1] for name, size in sizes.items()}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found |= {f"{layer}{norm}.{leaf}": (HIDDEN,) for leaf in ("weight", "bias")}
    return found | {f"gpt_neox.final_layer_norm.{leaf}": (HIDDEN,) for leaf in ("weight", "bias")}


def checkpoint(architecture: str, tied: bool = False) -> dict[str, np.ndarray]:
    """A random checkpoint in Hugging Face's form."""
    return {name: numbers(shape, i) for i, (name, shape) in enumerate(shapes(architecture, tied).items())}


def converted(architecture: str, name: str, tensor: np.ndarray) -> np.ndarray:
    """What llama.cpp's converter makes of a tensor."""
    if architecture in ("llama", "granite", "smollm3") and (".q_proj." in name or ".k_proj." in name):
        heads = HEADS if ".q_proj." in name else KV_HEADS
        pairs = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
        return pairs.swapaxes(1, 2).reshape(tensor.shape)
    if architecture.startswith("gemma") and name.endswith("norm.weight"):
        return tensor + 1
    if architecture == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
        return tensor.T
    if architecture == "gptneox" and "query_key_value" in name:
        by_head = tensor.reshape(HEADS, 3, HIDDEN // HEADS, *tensor.shape[1:])
        return np.concatenate([by_head[:, i].reshape(HIDDEN, *tensor.shape[1:]) for i in range(3)])
    return tensor


def write(
    path: Path, architecture: str = "llama", packing: str = "F32", *, tied: bool = False, extra: dict | None = None,
    tensors: dict[str, np.ndarray] | None = None, vocabulary: dict | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Write a GGUF file and give back the checkpoint it was made from.

    extra: more metadata, or other values, without the architecture's name; tensors: more tensors under GGUF's names.
    """
    writer = gguf.GGUFWriter(path, architecture)
    head = head_dim(architecture)
    settings = {
        "block_count": LAYERS, "embedding_length": HIDDEN, "context_length": 128, "attention.head_count": HEADS,
        "feed_forward_length": 4 * HIDDEN if architecture == "gpt2" else WIDTH, "rope.dimension_count": head,
    }  # fmt: skip
    if architecture in ("gpt2", "gptneox"):
        settings["attention.layer_norm_epsilon"] = 1e-5
    else:
        settings |= {"attention.head_count_kv": KV_HEADS, "attention.layer_norm_rms_epsilon": 1e-5}
        settings |= {"rope.freq_base": 20000.0, "attention.key_length": head, "attention.value_length": head}
    if architecture in ("gemma2", "gemma3"):
        settings["attention.sliding_window"] = 32
    put(writer, {f"{architecture}.{key}": value for key, value in (settings | (extra or {})).items()})
    put(writer, toy_vocabulary() if vocabulary is None else vocabulary)
    weights = checkpoint(architecture, tied or architecture in TIED)
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, architecture.upper()), LAYERS)
    for name, tensor in weights.items():
        there = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert there is not None, name
        add(writer, there, np.ascontiguousarray(converted(architecture, name, tensor)), packing)
    for name, tensor in (tensors or {}).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


def add(writer: gguf.GGUFWriter, name: str, tensor: np.ndarray, packing: str) -> None:
    """Matrices are packed; what has one dimension stays float32, as in published files."""
    kind = gguf.GGMLQuantizationType[packing]
    if tensor.ndim == 1 or packing == "F32" or packing in SUPERBLOCKS and tensor.shape[-1] % 256:
        writer.add_tensor(name, tensor)
    elif packing in SUPERBLOCKS:
        size, scales = SUPERBLOCKS[packing]
        blocks = ((numbers((tensor.size // 256, size), len(name)) + 0.5) * 256).astype(np.uint8)
        for at in scales:
            blocks[:, at : at + 2] = np.frombuffer(np.float16(0.0078125).tobytes(), dtype=np.uint8)
        writer.add_tensor(name, blocks.reshape(tensor.shape[0], -1), raw_dtype=kind)
    else:
        writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)


def put(writer: gguf.GGUFWriter, values: dict) -> None:
    """Metadata, each of the type that llama.cpp writes."""
    for key, value in values.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)


def toy_vocabulary(**changes: object) -> dict:
    """Forty tokens of SentencePiece's kind."""
    tokens = ["<unk>", "<s>", "</s>", *(f"t{i}" for i in range(3, VOCAB))]
    values = {"model": "llama", "tokens": tokens, "scores": [-float(i) for i in range(VOCAB)]}
    values |= {"token_type": [2, 3, 3] + [1] * (VOCAB - 3)}
    values |= {"bos_token_id": 1, "eos_token_id": 2, "padding_token_id": 0}
    return {f"tokenizer.ggml.{key}": value for key, value in (values | changes).items()}


def byte_level_vocabulary(pre: str, **changes: object) -> dict:
    """The small byte-level vocabulary of the tokenizer tests, with a special and a plain token at its end."""
    vocab = json.loads((VOCABULARIES / "vocab.json").read_text("utf8"))
    merges = (VOCABULARIES / "merges.txt").read_text("utf8").splitlines()
    tokens = sorted(vocab, key=vocab.get) + ["<|end|>", "<think>"]
    types = [3 if token.startswith("<|") else 4 if token == "<think>" else 1 for token in tokens]
    values = {"model": "gpt2", "pre": pre, "tokens": tokens, "token_type": types, "add_bos_token": False}
    values |= {"merges": [line for line in merges if line and not line.startswith("#version")]}
    return {f"tokenizer.ggml.{key}": value for key, value in (values | {"eos_token_id": len(vocab)} | changes).items()}


def sentencepiece_vocabulary(pieces: list, **changes: object) -> dict:
    """A SentencePiece model's pieces, each with text, score and kind."""
    values = {"model": "llama", "tokens": [one.text for one in pieces], "scores": [one.score for one in pieces]}
    values |= {"token_type": [one.kind for one in pieces], "unknown_token_id": 0}
    values |= {"bos_token_id": 1, "eos_token_id": 2}
    return {f"tokenizer.ggml.{key}": value for key, value in (values | changes).items()}
