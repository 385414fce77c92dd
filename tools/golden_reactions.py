"""Record what the reference library fills into reactions, each of whose tokens is hidden in turn, with a real ALBERT.

QKV_REAL_MODELS=.cache/real python tools/golden_reactions.py     # in an environment with transformers==5.23.0
"""

import json
import os
import sys
from pathlib import Path

import torch
import transformers

TARGET = Path(__file__).parent.parent / "tests" / "parity" / "real"
sys.path.insert(0, str(TARGET))

from reaction_cases import ALBERT, NAMES, REACTIONS, masked, rust_tokenizer  # noqa: E402


def main() -> None:
    folder = Path(os.environ["QKV_REAL_MODELS"]) / ALBERT
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=rust_tokenizer(folder / "vocab.txt"), **NAMES)
    model = transformers.AlbertForMaskedLM.from_pretrained(folder).eval()
    found = []
    for text in REACTIONS:
        ids = tokenizer(text, return_tensors="pt")["input_ids"][0]
        with torch.inference_mode():
            logits = model(masked(ids, tokenizer.mask_token_id)).logits.diagonal(1).T  # (T-2,V)
        filled, scores = logits.argmax(1), logits.max(1).values
        right = int((filled == ids[1:-1]).sum())
        scores = [round(score, 5) for score in scores.tolist()]
        found.append({"ids": ids.tolist(), "filled": filled.tolist(), "scores": scores, "right": right})
        print(f"{right} of {len(filled)} right by transformers {transformers.__version__}")
    (TARGET / "reactions.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
