"""Record what ONNX Runtime makes of the two real token classifiers' files, into tests/parity/real/taggers.json.

.venvs/bench/bin/python tools/golden_taggers.py FOLDER     # FOLDER as QKV_REAL_MODELS: `make real bench-peers`
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from real_taggers import QUIRE, RAMPART  # noqa: E402

PERSONAL = [
    "My name is Maria Gonzalez and I live at 742 Evergreen Terrace, Springfield, IL 62704. Call me at (415) 555-2671 "
    "or write to maria.gonzalez@example.com.",
    "Please ring Jonathan Whitfield on 020 7946 0958; his office is at 221B Baker Street, London.",
    "Nothing personal is said here.",
]
WRONG = [
    "They has a big house.",
    "He has went home.",
    "The children lost there books.",
    "Its a lovely day.",
    "She is taller then him.",
    "There are two cats in the garden, and its tail is long.",
]


def logits(model: Path, tokenizer: Path, text: str) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    encoding = Tokenizer.from_file(str(tokenizer)).encode(text)
    columns = {
        "input_ids": encoding.ids,
        "attention_mask": encoding.attention_mask,
        "token_type_ids": encoding.type_ids,
    }
    inputs = {put.name: np.array([columns[put.name]], np.int64) for put in session.get_inputs()}
    return session.run(None, inputs)[0][0]


def main(folder: Path) -> None:
    rampart, quire = folder / RAMPART, folder / QUIRE
    found: dict[str, list] = {"rampart": [], "quire": []}
    for text in PERSONAL:
        scores = logits(rampart / "onnx" / "model_q4.onnx", rampart / "tokenizer.json", text)
        found["rampart"].append([text, scores.argmax(-1).tolist(), np.round(scores.max(-1).astype(float), 5).tolist()])
    for text in WRONG:
        scores = logits(quire / "tagger.onnx", quire / "tokenizer.json", text)
        found["quire"].append([text, scores.argmax(-1).tolist()])
    target = TESTS / "parity" / "real" / "taggers.json"
    target.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{target}, by onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
