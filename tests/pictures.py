"""Pictures of every mode and shape, made by a recipe, that the tests of image processors share with the script that
records what the reference library makes of them (tools/golden_pixels.py)."""

import hashlib
import io

import numpy as np
from PIL import Image

SHAPES = [(1, 1), (7, 5), (48, 48), (47, 63), (120, 33), (150, 200), (2, 90), (33, 16)]  # (height, width)
LONG = [("RGB", (1, 5000)), ("I;16", (1, 5000)), ("RGBA", (5000, 1)), ("L", (5000, 1))]
MODES = ["1", "L", "LA", "P", "P+", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"]
FORMS = ["PNG", "GIF", "BMP", "TIFF", "PPM", "RGBA PNG", "P PNG"]
TURNED = range(2, 9)  # orientations of EXIF
SIZE, EDGES, PADDED = (
    {"height": 40, "width": 32},
    {"shortest_edge": 36, "longest_edge": 60},
    {"height": 32, "width": 32},
)
CLASSES = {  # name: fields for small pictures
    "Beit": {"size": SIZE}, "Bit": {"size": 40, "crop_size": 32}, "Blip": {"size": SIZE}, "ChineseCLIP": {"size": 40},
    "CLIP": {"size": 40, "crop_size": 50}, "ConditionalDetr": {"size": EDGES}, "ConvNext": {"size": 32},
    "DPT": {"size": SIZE, "keep_aspect_ratio": True, "ensure_multiple_of": 14}, "DeformableDetr": {"size": EDGES},
    "DeiT": {"size": SIZE, "crop_size": 33}, "Detr": {"size": EDGES}, "Mask2Former": {"size": EDGES},
    "MaskFormer": {"size": EDGES}, "OwlViT": {"size": SIZE}, "Pvt": {"size": SIZE}, "RTDetr": {"size": SIZE},
    "Sam": {"size": {"longest_edge": 32}, "pad_size": PADDED}, "Segformer": {"size": SIZE}, "Siglip": {"size": SIZE},
    "ViT": {"size": SIZE}, "Yolos": {"size": EDGES},
}  # fmt: skip
VARIANTS = [  # (class, fields) for RGB pictures
    ("ViT", {"size": 20, "resample": 1}), ("ViT", {"size": [20, 30], "resample": 0}), ("ViT", {"do_normalize": False}),
    ("ViT", {"size": {"max_height": 30, "max_width": 20}}), ("ViT", {"do_rescale": False, "size": 20}),
    ("ViT", {"do_rescale": False, "do_normalize": False, "size": 20}), ("ViT", {"do_resize": False}),
    ("ViT", {"size": 20, "rescale_factor": 1 / 127.5, "image_mean": 1.0, "image_std": [1.0, 2.0, 3.0]}),
    ("ViT", {"do_resize": False, "do_center_crop": True, "crop_size": {"height": 51, "width": 20}}),
    ("DPT", {"do_pad": True, "size_divisor": 14, "do_resize": False}), ("ConvNext", {"size": 390, "resample": 2}),
    ("Detr", {"size": 30, "max_size": 50}), ("Detr", {"size": SIZE, "pad_size": {"height": 50, "width": 70}}),
    ("Detr", {"size": {"max_height": 50, "max_width": 50}, "do_pad": False}), ("Detr", {"do_resize": False}),
    ("MaskFormer", {"size": SIZE, "size_divisor": 1}), ("CLIP", {"do_resize": False, "crop_size": [60, 10]}),
]  # fmt: skip


def plain(height: int, width: int) -> np.ndarray:
    """Edges, slopes and noise: (H,W,3) bytes."""
    y, x, c = np.mgrid[:height, :width, :3]
    noise = np.random.default_rng(height * 10_000 + width).integers(0, 40, (height, width, 3))
    return ((x * 7 + y * 5 * (c + 1) + noise + 90 * (x > width // 2)) % 256).astype(np.uint8)


def in_mode(mode: str, height: int, width: int) -> Image.Image:
    """A picture of a mode of Pillow; "P+" is a palette with a colour that is transparent."""
    array = plain(height, width)
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        return Image.fromarray((array[..., 0].astype(np.int64) * 3).astype(kind))
    alpha = Image.fromarray(array[..., 1])
    picture = Image.fromarray(array)
    if mode in ("LA", "RGBA", "PA"):
        picture.putalpha(alpha)
        return picture if mode == "RGBA" else picture.convert("LA").convert(mode)
    if mode == "P+":
        picture = picture.convert("P")
        picture.info["transparency"] = 15
        return picture
    return picture.convert(mode)


def in_file(form: str, height: int, width: int, orientation: int = 1) -> bytes:
    """The content of a file of a format."""
    mode, _, form = form.rpartition(" ")
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif} if orientation != 1 else {}
    in_mode(mode or "RGB", height, width).save(stream, form, **options)
    return stream.getvalue()


def every() -> "list[tuple[str, bool, object]]":
    """A name, whether it is a file's content, and the picture itself: more than 200."""
    found: list[tuple[str, bool, object]] = []
    for height, width in SHAPES:
        found += [(f"{mode} {height}x{width}", False, in_mode(mode, height, width)) for mode in MODES]
        found += [(f"{form} {height}x{width}", True, in_file(form, height, width)) for form in FORMS]
    for mode, (height, width) in LONG:
        found.append((f"{mode} {height}x{width}", False, in_mode(mode, height, width)))
    for turn in TURNED:
        found += [(f"EXIF {turn} {h}x{w}", True, in_file("PNG", h, w, turn)) for h, w in ((7, 5), (47, 63), (1, 50))]
        found.append((f"JPEG {turn}", True, in_file("JPEG", 30, 44, turn)))
    return found


def digest(array: object) -> str:
    """What tells an array from another: its shape, kind and bytes."""
    value = np.ascontiguousarray(np.asarray(array))
    return hashlib.sha256(f"{value.shape}{value.dtype}".encode() + value.tobytes()).hexdigest()[:12]


def annotation(height: int, width: int, number: int = 0) -> dict:
    """A COCO annotation of detection: boxes that leave the picture or are empty, a crowd, polygons, keypoints."""
    h, w = float(height), float(width)
    rows = [
        (1, [w * 0.1, h * 0.2, w * 0.5, h * 0.3], 0, [[w * 0.1, h * 0.2, w * 0.6, h * 0.25, w * 0.3, h * 0.5]]),
        (7, [w * 0.5, h * 0.5, w, h], 0, [[w * 0.5, h * 0.5, w * 1.2, h * 0.6, w, h, 1, h], [0, 0, 9, 0, 5.5, 8.2]]),
        (3, [w * 0.3, h * 0.3, 0, 4], 0, [[3.3, 3.3, 3.3, 9, 8, 9]]),
        (4, [0, 0, w, h], 1, [[0, 0, w, 0, w, h]]),
        (5, [2.5, 3.5, 9.25, 7.75], 0, [[2.5, 3.5, 11.7, 3.5, 11.7, 11.2, 2.5, 11.2, 4, 7]]),
    ]
    return {
        "image_id": 40 + number,
        "annotations": [
            {"category_id": c, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd, "segmentation": outline,
             "keypoints": [i, 2 * i, 1, 3, 4, 2]}
            for i, (c, box, crowd, outline) in enumerate(rows)
        ],
    }  # fmt: skip


IDS = [0, 7, 300, 70000]  # of panoptic segments; 0 is none


def panoptic_picture(height: int, width: int) -> np.ndarray:
    """(H,W,3) bytes: ids as colours."""
    y, x = np.mgrid[:height, :width]
    ids = np.asarray(IDS)[(x * 3 // width + y * 2 // height) % len(IDS)]
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)


def panoptic(name: str, number: int = 0) -> dict:
    rows = [
        {"id": one, "category_id": 2 * one % 91, "area": 10 + one, "iscrowd": i % 2} for i, one in enumerate(IDS[1:])
    ]
    return {"image_id": number, "file_name": name, "segments_info": rows}


def classes(height: int, width: int) -> np.ndarray:
    """A map (H,W) of class numbers 0..5."""
    y, x = np.mgrid[:height, :width]
    return ((x // 5 + y // 7) % 6).astype(np.uint8)
