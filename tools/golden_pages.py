"""Record what the reference library's tokenizers and image processor of pages give, into tests/parity/pages.json.

python tools/golden_pages.py      # with transformers==4.57.6, sentencepiece and pillow
"""

import json
import sys
from pathlib import Path

import transformers
from PIL import Image

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from pages import CALLS, OWN, PICTURES, SIZE, TOKENIZERS, VOCAB, pixels  # noqa: E402


def main() -> None:
    found: dict = {"tokenizers": {}, "pictures": []}
    for name, files in TOKENIZERS.items():
        rows = found["tokenizers"][name] = []
        for own in OWN:
            slow = getattr(transformers, name)(**{role: str(VOCAB / file) for role, file in files.items()}, **own)
            slow.save_pretrained("/tmp/page-tokenizer")
            tokenizer = getattr(transformers, f"{name}Fast").from_pretrained("/tmp/page-tokenizer", **own)
            rows += [dict(tokenizer(**given, **call)) for given, call in CALLS]
    for (height, width), fields in PICTURES:
        process = transformers.LayoutLMv3ImageProcessor(apply_ocr=False, size=SIZE, **rescaled(fields))
        given = process(Image.fromarray(pixels(height, width)), return_tensors="np")["pixel_values"]
        found["pictures"].append(given[0].round(6).tolist())
    target = TESTS / "parity" / "pages.json"
    target.write_text(json.dumps(found, separators=(",", ":")) + "\n")
    print(f"{target.stat().st_size / 1024:.0f} kB by transformers {transformers.__version__}")


def rescaled(fields: dict) -> dict:
    """4.57.6 spells the argument of the constructor otherwise than the field."""
    return {"rescale_value" if name == "rescale_factor" else name: value for name, value in fields.items()}


if __name__ == "__main__":
    main()
