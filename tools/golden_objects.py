"""Record what the reference library's object-detection pipeline says of small pictures, into tests/parity/objects.json.

python tools/golden_objects.py      # with transformers==5.23.0, torch and pillow
"""

import json
import sys
from pathlib import Path

import transformers

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from plain_pictures import pictures  # noqa: E402

SIZE = {"size": {"shortest_edge": 36, "longest_edge": 48}}
CASES = [  # folder in tests/parity/vision, class of the image processor, its fields, options of the call
    ("detr", "Detr", SIZE, {}),
    ("detr", "Detr", SIZE, {"threshold": 0.0}),
    ("detr-auxiliary", "Detr", SIZE, {"threshold": 0.1}),
    ("conditional_detr", "ConditionalDetr", SIZE, {}),
    ("deformable_detr", "DeformableDetr", SIZE, {}),
    ("rt_detr", "RTDetr", {"size": {"height": 32, "width": 48}}, {"threshold": 0.3}),
    ("yolos", "Yolos", SIZE, {"threshold": 0.2}),
    ("deformable_detr-stages", "DeformableDetr", SIZE, {"threshold": 0.3}),
]


def main() -> None:
    recorded = []
    for folder, kind, fields, call in CASES:
        path = TESTS / "parity" / "vision" / folder / "ForObjectDetection"
        processor = getattr(transformers, f"{kind}ImageProcessorPil")(**fields)
        model = transformers.AutoModelForObjectDetection.from_pretrained(path)
        pipe = transformers.pipeline("object-detection", model=model, image_processor=processor)
        found = [pipe(picture, **call) for picture in pictures()]
        print(folder, call, [len(one) for one in found])
        recorded.append([folder, kind, fields, call, found])
    (TESTS / "parity" / "objects.json").write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
