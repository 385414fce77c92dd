"""Record what the reference library's image-feature-extraction pipeline makes of small pictures, into
tests/parity/features.json.

python tools/golden_features.py      # with transformers==5.23.0, torch and pillow
"""

import json
import sys
from pathlib import Path

import transformers

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from plain_pictures import pictures  # noqa: E402

SIZE = {"size": {"height": 16, "width": 16}}
SMALL = {"image_processor_kwargs": {"size": {"height": 24, "width": 20}}}
CASES = [  # folder in tests/parity/vision, options of the call
    ("vit", {}),
    ("vit", {"pool": True}),
    ("dinov2-registers", {"pool": True} | SMALL),
    ("swin", {}),
    ("swin", {"pool": True} | SMALL),
    ("resnet", {"pool": True}),
    ("convnext", SMALL),
]


def main() -> None:
    recorded = []
    for folder, call in CASES:
        processor = transformers.ViTImageProcessorPil(**SIZE)
        model = transformers.AutoModel.from_pretrained(TESTS / "parity" / "vision" / folder / "Model")
        pipe = transformers.pipeline("image-feature-extraction", model=model, image_processor=processor)
        found = [pipe(picture, **call) for picture in pictures()[:2]]
        recorded.append([folder, call, [rounded(one) for one in found]])
    (TESTS / "parity" / "features.json").write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


def rounded(x: object) -> object:
    return [rounded(one) for one in x] if isinstance(x, list) else float(f"{x:.7g}")


if __name__ == "__main__":
    main()
