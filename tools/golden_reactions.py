"""Record what the reference library fills into reactions, each of whose tokens is hidden in turn, with real models.

QKV_REAL_MODELS=.cache/real python tools/golden_reactions.py     # with transformers==5.23.0, after `make real-all`
"""

import json
import os
import sys
from pathlib import Path

import torch
import transformers

TARGET = Path(__file__).parent.parent / "tests" / "parity" / "real"
sys.path.insert(0, str(TARGET))

from reaction_cases import ALBERT, BERT, CLASSIFIER, NAMES, PAIRS, REACTIONS, masked, rust_tokenizer  # noqa: E402


@torch.inference_mode()
def main() -> None:
    folder = Path(os.environ["QKV_REAL_MODELS"])
    rust = rust_tokenizer(folder / ALBERT / "vocab.txt")  # all three have this vocabulary
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=rust, **NAMES)
    texts = [tokenizer(text, return_tensors="pt")["input_ids"][0] for text in REACTIONS]
    expected: dict = {"ids": [ids.tolist() for ids in texts]}
    for name, cls in ((ALBERT, "AlbertForMaskedLM"), (BERT, "BertForPreTraining")):
        model = getattr(transformers, cls).from_pretrained(folder / name).eval()
        found = expected[cls] = []
        for ids in texts:
            out = model(masked(ids, tokenizer.mask_token_id))
            logits = out[0].diagonal(1).T  # (T-2,V)
            scores = [round(score, 5) for score in logits.max(1).values.tolist()]
            found.append({"filled": logits.argmax(1).tolist(), "scores": scores})
            if cls == "BertForPreTraining":
                found[-1]["order"] = [[round(x, 5) for x in row] for row in out.seq_relationship_logits.tolist()]
            print(f"{cls}: {int((logits.argmax(1) == ids[1:-1]).sum())} of {len(logits)} right")
    model = transformers.BertForSequenceClassification.from_pretrained(folder / CLASSIFIER).eval()
    pairs = {
        name: [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in PAIRS[name][1:]] for name in PAIRS
    }
    expected["pairs"] = {name: [round(float(x.max()), 5) for x in logits] for name, logits in pairs.items()}
    print("classes", {name: [int(x.argmax()) for x in logits] for name, logits in pairs.items()})
    (TARGET / "reactions.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
