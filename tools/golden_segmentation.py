"""Record what the reference library makes of scores of segments: by its image processors, and by its pipeline.

    python tools/golden_segmentation.py     # in an environment with torch, transformers==5.23.0, safetensors, pillow

tests/parity/segments/ then holds scores.safetensors (random outputs of models), finished.json with what became of them
(`post_process_*`), and pipeline.json with what pipelines on the tiny checkpoints of tests/parity/vision/ say of
picture.png; maps of both are in maps.npz, numbers of segments and their parts counted from 1.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import transformers as ref
from safetensors.torch import save_file

PARITY = Path(__file__).parent.parent / "tests" / "parity"
TARGET = PARITY / "segments"
SIZES = [(20, 31), (9, 12)]
FINISHED = [  # class, kind, whether pictures have sizes of their own, options
    ("Segformer", "semantic", False, {}),
    ("Segformer", "semantic", True, {}),
    *((name, "semantic", sized, {}) for name in ("MaskFormer", "Mask2Former", "Detr") for sized in (False, True)),
    *(
        (name, kind, sized, options)
        for name in ("MaskFormer", "Mask2Former", "Detr")
        for kind in ("instance", "panoptic")
        for sized in (False, True)
        for options in ({}, {"threshold": 0.3}, {"threshold": 0.3, "overlap_mask_area_threshold": 0.2})
    ),
    *((name, "panoptic", True, {"threshold": 0.2, "label_ids_to_fuse": [2]}) for name in ("MaskFormer", "Detr")),
    ("MaskFormer", "panoptic", True, {"threshold": 0.999}),
    ("MaskFormer", "instance", True, {"threshold": 0.2, "return_coco_annotation": True}),
    ("MaskFormer", "instance", True, {"threshold": 0.2, "return_binary_maps": True}),
    ("Detr", "instance", True, {"threshold": 0.2, "return_coco_annotation": True}),
]
PIPELINES = [  # folder in tests/parity/vision, class of the image processor, its fields, options of the call
    ("segformer/ForSemanticSegmentation", "Segformer", {"size": {"height": 64, "width": 96}}, {}),
    ("segformer/ForSemanticSegmentation", "Segformer", {"size": {"height": 32, "width": 32}}, {"subtask": "semantic"}),
    *(
        (folder, name, {"size": {"shortest_edge": 64, "longest_edge": 96}}, options)
        for folder, name in (
            ("maskformer/ForInstanceSegmentation", "MaskFormer"),
            ("mask2former-pre/ForUniversalSegmentation", "Mask2Former"),
            ("detr/ForSegmentation", "Detr"),
        )
        for options in (
            {"threshold": 0.4},
            {"threshold": 0.1, "subtask": "instance"},
            {"threshold": 0.3, "mask_threshold": 0.2, "overlap_mask_area_threshold": 0.1},
            {"subtask": "semantic"},
        )
    ),
]


def scores() -> dict[str, torch.Tensor]:
    """Outputs of two pictures: smooth masks of 6 queries, and classes of which some are certain."""
    torch.manual_seed(0)
    rough = torch.randn(2, 6, 3, 4) * 4
    masks = torch.nn.functional.interpolate(rough, (10, 13), mode="bilinear")
    return {"logits": torch.randn(2, 5, 10, 13), "masks": masks, "classes": torch.randn(2, 6, 5) * 2}


def outputs(name: str, given: dict[str, torch.Tensor]) -> SimpleNamespace:
    classes, masks = given["classes"].clone(), given["masks"].clone()
    if name == "Segformer":
        return SimpleNamespace(logits=given["logits"].clone())
    if name == "Detr":
        return SimpleNamespace(logits=classes, pred_masks=masks)
    return SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks)


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    given, maps, finished, said = scores(), {}, [], []
    for number, (name, kind, sized, options) in enumerate(FINISHED):
        finish = getattr(getattr(ref, f"{name}ImageProcessorPil")(), f"post_process_{kind}_segmentation")
        fuse = {"label_ids_to_fuse": set(options["label_ids_to_fuse"])} if "label_ids_to_fuse" in options else {}
        found = finish(outputs(name, given), target_sizes=SIZES if sized else None, **{**options, **fuse})
        case = {"name": name, "kind": kind, "sized": sized, "options": options, "info": []}
        for i, one in enumerate(found):
            one = {"segmentation": one} if kind == "semantic" else one
            if isinstance(one["segmentation"], list):
                case.setdefault("runs", []).append([[int(x) for x in run] for run in one["segmentation"]])
            else:
                maps[f"finished.{number}.{i}"] = one["segmentation"].to(torch.int8).numpy()
            case["info"].append(one.get("segments_info"))
        finished.append(case)
    picture = TARGET / "picture.png"
    for number, (folder, name, fields, options) in enumerate(PIPELINES):
        processor = getattr(ref, f"{name}ImageProcessorPil")(**fields)
        model = ref.AutoConfig.from_pretrained(PARITY / "vision" / folder).architectures[0]
        model = getattr(ref, model).from_pretrained(PARITY / "vision" / folder)
        found = ref.pipeline("image-segmentation", model=model, image_processor=processor)(str(picture), **options)
        shape = np.asarray(found[0]["mask"]).shape if found else (1, 1)
        whole = np.zeros(shape, np.uint8)
        for i, one in enumerate(found):
            whole[np.asarray(one["mask"]) > 0] = i + 1
        maps[f"pipeline.{number}"] = whole
        parts = [{"score": one["score"], "label": one["label"]} for one in found]
        said.append({"folder": folder, "name": name, "fields": fields, "options": options, "parts": parts})
    save_file(given, TARGET / "scores.safetensors")
    np.savez_compressed(TARGET / "maps.npz", **maps)
    (TARGET / "finished.json").write_text(json.dumps(finished) + "\n")
    (TARGET / "pipeline.json").write_text(json.dumps(said) + "\n")
    print(
        {f"{c['name']} {c['kind']}": [len(x or ()) for x in c["info"]] for c in finished},
        [len(c["parts"]) for c in said],
    )


if __name__ == "__main__":
    main()
