"""Record what the reference's processors and pipelines of pictures and words give, into tests/parity/matching.json.

python tools/golden_matching.py      # with transformers==5.23.0, torch, sentencepiece and pillow
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from plain_pictures import pictures  # noqa: E402
from tiny_matching import LABELS, PARTS, TEXTS, parts  # noqa: E402

IMAGES, OBJECTS = "zero-shot-image-classification", "zero-shot-object-detection"
CASES = [  # name in tiny_matching.PARTS, options of the call
    ("owlvit", {}),
    ("owlvit", {"threshold": 0.6, "top_k": 7}),
    ("owlvit", {"candidate_labels": ["a cat"], "threshold": 0.65}),
    ("clip", {}),
    ("clip", {"hypothesis_template": "{}"}),
    ("clip", {"candidate_labels": ["a cat"]}),
    ("siglip", {}),
    ("siglip", {"candidate_labels": ["a cat"]}),
]


def guided() -> list:
    """What OWL-ViT finds for two texts a picture, one of them to fill up, and for pictures, after post-processing."""
    model = transformers.OwlViTForObjectDetection.from_pretrained(
        TESTS / "parity" / "vision" / "owlvit" / "ForObjectDetection"
    )
    processor = transformers.OwlViTProcessor(*parts(transformers, "owlvit", Path(tempfile.mkdtemp())))
    sizes = torch.tensor([(one.height, one.width) for one in pictures()[:2]])
    with torch.no_grad():
        given = processor(text=[["a cat", "dog"], ["car"]], images=pictures()[:2], return_tensors="pt")
        given["input_ids"][3, 0] = 0
        names = [["a cat", "dog"], ["car", ""]]
        asked = processor.post_process_grounded_object_detection(model(**given), 0.6, sizes, names)
        given = processor(images=pictures()[:2], query_images=pictures()[2:], return_tensors="pt")
        out = model.image_guided_detection(**given)
    found = processor.post_process_image_guided_detection(out, 0.6, 0.3, sizes)
    plain = [{k: v.tolist() if torch.is_tensor(v) else v for k, v in one.items()} for one in [*asked, *found]]
    return [plain, out.logits.tolist(), out.query_pred_boxes.tolist()]


def main() -> None:
    recorded: dict[str, list] = {"pipelines": [], "processors": []}
    for name, call in CASES:
        task, kind = (OBJECTS, "ForObjectDetection") if name.startswith("owl") else (IMAGES, "Model")
        auto = transformers.AutoModelForZeroShotObjectDetection if task == OBJECTS else transformers.AutoModel
        model = auto.from_pretrained(TESTS / "parity" / "vision" / name / kind)
        image_processor, tokenizer = parts(transformers, name, Path(tempfile.mkdtemp()))
        pipe = transformers.pipeline(task, model=model, tokenizer=tokenizer, image_processor=image_processor)
        found = [pipe(picture, **{"candidate_labels": LABELS, **call}) for picture in pictures()]
        recorded["pipelines"].append([task, name, kind, call, found])
        print(name, call, [len(one) for one in found], found[0][:2])
    for name, (kind, *_) in PARTS.items():
        processor = getattr(transformers, f"{kind}Processor")(*parts(transformers, name, Path(tempfile.mkdtemp())))
        made = processor(text=TEXTS, images=pictures()[:1], padding=True, return_tensors="np")
        sums = {key: [list(value.shape), float(value.astype("float64").sum())] for key, value in made.items()}
        recorded["processors"].append([name, sums, made["input_ids"].tolist()])
    recorded["guided"] = guided()
    (TESTS / "parity" / "matching.json").write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
