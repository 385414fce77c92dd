"""Record what the reference library's pipelines depth-estimation and mask-generation return, and SamProcessor, into
tests/parity/depth.json, on the tiny checkpoints in tests/parity/vision.

    python tools/golden_depth.py      # in an environment with torch, transformers==5.23.0, without torchvision
"""

import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
import transformers as ref
from PIL import Image
from transformers.models.sam import image_processing_pil_sam as sam

TESTS = Path(__file__).parent.parent / "tests"
VISION = TESTS / "parity" / "vision"
sys.path.insert(0, str(TESTS))
from tiny_depth import DPT_FIELDS, SAM_CASES, SAM_FIELDS, SAM_PROMPTS, pictures, redrawn  # noqa: E402


def batched_nms(boxes, scores, idxs, iou_threshold):
    """torchvision's, in which all are of one class: it is all that the reference needs of that package."""
    left, kept = scores.argsort(descending=True, stable=True).tolist(), []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if not iou(boxes[best].tolist(), boxes[i].tolist()) > iou_threshold]
    return torch.tensor(kept, dtype=torch.long)


def iou(a, b):
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    whole = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / whole if whole else float("nan")


def depth() -> list:
    found = []
    for name, fields in DPT_FIELDS.items():
        model = ref.AutoModelForDepthEstimation.from_pretrained(VISION / name / "ForDepthEstimation")
        processor = ref.DPTImageProcessorPil(**fields)
        pipe = ref.pipeline("depth-estimation", model=model, image_processor=processor)
        results = pipe([Image.fromarray(picture) for picture in pictures()])
        rows = [
            {"predicted_depth": np.round(one["predicted_depth"].numpy().astype(float), 5).tolist()[::4],
             "depth": np.asarray(one["depth"]).tolist()[::4]}
            for one in results
        ]  # fmt: skip
        found.append([name, rows])
    return found


def masks() -> list:
    model = ref.SamModel.from_pretrained(VISION / "sam" / "Model")
    model.load_state_dict(redrawn(model.state_dict()))
    model.tie_weights()
    processor = sam.SamImageProcessorPil(**SAM_FIELDS)
    pipe = ref.pipeline("mask-generation", model=model, image_processor=processor)
    found = []
    for options in SAM_CASES:
        results = pipe(
            [Image.fromarray(picture) for picture in pictures()],
            output_rle_mask=True,
            output_bboxes_mask=True,
            **options,
        )  # noqa: E501
        rows = []
        for one in results:
            for mask, runs in zip(one["masks"], one["rle_mask"], strict=True):
                assert (mask == sam._rle_to_mask(runs)).all()
            rows.append({
                "rle_mask": one["rle_mask"], "scores": one["scores"].tolist(),
                "bounding_boxes": one["bounding_boxes"].tolist(),
            })  # fmt: skip
        print(options, [len(row["scores"]) for row in rows])
        found.append([options, rows])
    return found


def prompts() -> list:
    processor = ref.SamProcessor(sam.SamImageProcessorPil(**SAM_FIELDS))
    found = []
    for count, given in SAM_PROMPTS:
        images = [Image.fromarray(picture) for picture in pictures()[:count]]
        made = processor(images if count > 1 else images[0], return_tensors="pt", **given)
        rest = {name: value.tolist() for name, value in made.items() if name != "pixel_values"}
        found.append([rest, float(made["pixel_values"].double().abs().sum())])
    return found


def restored() -> list:
    """post_process_masks of scores made by a rule."""
    processor = sam.SamImageProcessorPil(**SAM_FIELDS)
    made = processor([Image.fromarray(picture) for picture in pictures()], return_tensors="pt")
    x = torch.sin(torch.arange(3 * 1 * 2 * 16 * 16).float() * 0.37).view(3, 1, 2, 16, 16)
    sizes = made["original_sizes"], made["reshaped_input_sizes"]
    return [one.flatten(0, 1).sum(-1).tolist() for one in processor.post_process_masks(x, *sizes)]


if __name__ == "__main__":
    boxes = types.ModuleType("torchvision.ops.boxes")
    boxes.batched_nms = batched_nms
    sys.modules |= {
        "torchvision": types.ModuleType("torchvision"),
        "torchvision.ops": types.ModuleType("ops"),
        "torchvision.ops.boxes": boxes,
    }  # noqa: E501
    sam.SamImageProcessorPil.post_process_for_mask_generation = lambda self, *given: (
        sam._post_process_for_mask_generation(*given)
    )
    recorded = {"depth": depth(), "masks": masks(), "prompts": prompts(), "restored": restored()}
    (TESTS / "parity" / "depth.json").write_text(json.dumps(recorded) + "\n")
    print((TESTS / "parity" / "depth.json").stat().st_size // 1024, "kB")
