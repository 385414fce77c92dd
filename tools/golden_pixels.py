"""Record what the reference library's image processors give, into tests/parity/pixels.json.

python tools/golden_pixels.py      # with transformers==5.23.0, torch, pillow==13.0.0, pycocotools; no torchvision
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import transformers
from PIL import Image
from transformers.image_utils import load_image

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
import pictures as made  # noqa: E402


def processor(name: str, fields: dict):
    return getattr(transformers, f"{name}ImageProcessorPil")(**fields)


def digests(batch) -> dict[str, str]:
    return {name: made.digest(batch[name]) for name in sorted(batch)}


def opened(picture: object, is_file: bool) -> Image.Image:
    """A picture as `load_image` of the reference gives it."""
    if not is_file:
        return load_image(picture)
    with tempfile.NamedTemporaryFile() as file:
        file.write(picture)
        file.flush()
        return load_image(file.name)


def pixels() -> dict[str, list[str | None]]:
    """A digest for each picture; None where the reference makes none."""
    found: dict[str, list[str | None]] = {}
    for name, fields in made.CLASSES.items():
        process, rows = processor(name, fields), []
        for picture_name, is_file, picture in made.every():
            direct = process.do_convert_rgb and not is_file
            try:
                batch = process(picture if direct else opened(picture, is_file), return_tensors="np")
                rows.append(made.digest(batch["pixel_values"]))
            except Exception as error:
                print(name, picture_name, str(error)[:70], file=sys.stderr)
                rows.append(None)
        found[name] = rows
    return found


def targets(batch) -> list[dict[str, str]]:
    return [digests(row) for row in batch["labels"]]


def annotated(folder: Path) -> dict[str, list]:
    """The targets of detectors, of two pictures padded to one size."""
    shapes = [(47, 63), (60, 33)]
    given = [Image.fromarray(made.plain(*shape)) for shape in shapes]
    rows = [made.annotation(*shape, i) for i, shape in enumerate(shapes)]
    for i, shape in enumerate(shapes):
        Image.fromarray(made.panoptic_picture(*shape)).save(folder / f"{i}.png")
    found: dict[str, list] = {}
    for name in ("Detr", "ConditionalDetr", "DeformableDetr", "Yolos", "RTDetr"):
        fields, own = made.CLASSES[name], found.setdefault(name, [])
        for masks in (False, True):
            for more in (
                {},
                {"do_convert_annotations": False},
                {"do_pad": True, "pad_size": {"height": 70, "width": 80}},
            ):
                batch = processor(name, {**fields, **more})(
                    given, annotations=rows, return_segmentation_masks=masks, return_tensors="np"
                )
                own.append([digests({k: v for k, v in batch.items() if k != "labels"}), targets(batch)])
        if name != "RTDetr":
            panoptic = [made.panoptic(f"{i}.png", i) for i in range(2)]
            process = processor(name, {**fields, "format": "coco_panoptic"})
            batch = process(given, annotations=panoptic, masks_path=folder, return_tensors="np")
            own.append([digests({k: v for k, v in batch.items() if k != "labels"}), targets(batch)])
    return found


def maps() -> dict[str, list]:
    """The labels that come from maps of classes."""
    shapes = [(47, 63), (60, 33)]
    given = [Image.fromarray(made.plain(*shape)) for shape in shapes]
    rows = [made.classes(*shape) for shape in shapes]
    found: dict[str, list] = {}
    for name in ("Segformer", "Beit", "DPT", "Sam"):
        own = found.setdefault(name, [])
        for more in ({}, {"do_reduce_labels": True}) if name != "Sam" else ({"mask_size": 16, "mask_pad_size": 16},):
            more = {**made.CLASSES[name], **more}
            more |= {"mask_size": {"longest_edge": 16}} if name == "Sam" else {}
            more |= {"keep_aspect_ratio": False} if name == "DPT" else {}
            if name in ("Beit", "DPT"):  # the reference has class numbers between two classes there; not so here
                more["resample"] = 0
            batch = processor(name, more)(given, [row.copy() for row in rows], return_tensors="np")
            own.append(digests(batch))
    for name in ("MaskFormer", "Mask2Former"):
        own = found.setdefault(name, [])
        for more, ids in (
            ({"ignore_index": 255}, None),
            ({"ignore_index": 255, "do_reduce_labels": True}, None),
            ({"ignore_index": 0}, {i: 2 * i for i in range(6)}),
        ):
            batch = processor(name, {**made.CLASSES[name], **more})(
                given, [row.copy() for row in rows], instance_id_to_semantic_id=ids, return_tensors="np"
            )
            own.append({name: [made.digest(one) for one in batch[name]] for name in sorted(batch)})
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    own = [Image.fromarray(made.plain(*shape)) for shape in ((47, 63), (150, 200))]
    found = {"pixels": pixels()}
    found["variants"] = [
        [digests(processor(name, fields)(one, return_tensors="np")) for one in own] for name, fields in made.VARIANTS
    ]
    with tempfile.TemporaryDirectory() as folder:
        found["annotations"] = annotated(Path(folder))
    found["maps"] = maps()
    found["saved"] = {name: json.loads(processor(name, {}).to_json_string()) for name in made.CLASSES}
    target = TESTS / "parity" / "pixels.json"
    target.write_text(json.dumps(found, separators=(",", ":"), sort_keys=True) + "\n")
    print(f"{target.stat().st_size / 1024:.0f} kB by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
