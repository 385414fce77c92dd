"""Annotations of COCO (Lin et al. 2014) as the targets of a detector: class_labels, boxes, masks of each picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import nearest, short
from ..image import load_image
from . import steps
from .polygons import mask_of

FORMATS = {"coco_detection": ("image_id", "annotations"), "coco_panoptic": ("file_name", "segments_info")}


def checked(annotations: Any, count: int, form: Any) -> list[Mapping[str, Any]]:
    """One annotation a picture. Raises: ValueError for what is none of `form`."""
    rows = list(annotations) if isinstance(annotations, list | tuple) else [annotations]
    form = getattr(form, "value", form)
    if form not in FORMATS:
        raise ValueError(f"format={short(form)} is none of {nearest(str(form), FORMATS)}.")
    if len(rows) != count:
        raise ValueError(f"{count} pictures and {len(rows)} annotations: give one annotation a picture.")
    for i, row in enumerate(rows):
        missing = [name for name in FORMATS[form] if not isinstance(row, Mapping) or name not in row]
        if missing and form == "coco_panoptic" and isinstance(row, Mapping) and "segments_info" not in row:
            missing = []  # a test picture
        if missing:
            raise ValueError(
                f"annotation {i} has no {missing[0]!r}. {form} expects a dictionary of "
                f"{' and '.join(map(repr, FORMATS[form]))} for each picture; got {short(row, 80)}."
            )
    return rows


def detection(row: Mapping[str, Any], size: tuple[int, int], masks: bool) -> dict[str, np.ndarray]:
    """The target of {"image_id", "annotations": [{"bbox": (left, top, width, height), "category_id", "area"}]}.

    Args:
        size: (height, width) of the picture.
        masks: whether to draw the polygons of `segmentation`.
    """
    found = [one for one in mappings(row["annotations"]) if not one.get("iscrowd")]
    if masks and any("segmentation" not in one for one in found):
        raise ValueError(f"an annotation of image_id {short(row['image_id'], 40)} has no 'segmentation'.")
    boxes = column(found, "bbox", np.float32, 4)
    found = [{"area": one["bbox"][2] * one["bbox"][3], **one} for one in found]
    boxes[:, 2:] += boxes[:, :2]
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, size[1])
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, size[0])
    keep = (boxes[:, 3] > boxes[:, 1]) & (boxes[:, 2] > boxes[:, 0])
    target: dict[str, Any] = {
        "image_id": column([row], "image_id", np.int64),
        "class_labels": column(found, "category_id", np.int64)[keep],
        "boxes": boxes[keep],
        "area": column(found, "area", np.float32)[keep],
        "iscrowd": np.zeros(len(found), np.int64)[keep],
        "orig_size": np.asarray(size, np.int64),
    }
    if found and "keypoints" in found[0]:
        points = column(found, "keypoints", np.float32, len(found[0]["keypoints"]))[keep]
        target["keypoints"] = points.reshape(-1, 3) if len(points) else points
    if masks:
        drawn = [mask_of(one["segmentation"], *size) for one in found]
        target["masks"] = np.stack(drawn)[keep] if drawn else np.zeros((0, *size), np.uint8)
    return target


def panoptic(row: Mapping[str, Any], size: tuple[int, int], masks: bool, folder: Any) -> dict[str, np.ndarray]:
    """The target of {"file_name", "segments_info": [{"id", "category_id", "area", "iscrowd"}]}; the colours of the
    picture `folder`/file_name are the ids, red + 256 green + 65536 blue."""
    target: dict[str, Any] = {
        "image_id": column([{"image_id": row.get("id"), **row}], "image_id", np.int64),
        "size": np.asarray(size, np.int64),
        "orig_size": np.asarray(size, np.int64),
    }
    if "segments_info" not in row:
        return target
    if folder is None:
        raise ValueError("coco_panoptic annotations need masks_path=, the folder of the pictures that file_name names.")
    segments = mappings(row["segments_info"])
    colours = np.asarray(load_image(Path(folder) / row["file_name"])).astype(np.int64) @ (1, 256, 65536)
    if colours.shape != size:
        raise ValueError(f"{short(row['file_name'])} is of {colours.shape}, its picture of {size} (height, width).")
    drawn = (colours == column(segments, "id", np.int64)[:, None, None]).astype(np.uint8)
    if masks:
        target["masks"] = drawn
    target["boxes"] = np.asarray([around(mask) for mask in drawn], np.float32).reshape(-1, 4)
    target["class_labels"] = column(segments, "category_id", np.int64)
    target["iscrowd"], target["area"] = column(segments, "iscrowd", np.int64), column(segments, "area", np.float32)
    return target


def mappings(given: Any) -> list[Mapping[str, Any]]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, Mapping) for one in given):
        raise ValueError(f"annotations of a picture must be a list of dictionaries, got {short(given)}.")
    return list(given)


def column(rows: Sequence[Mapping[str, Any]], name: str, kind: type[np.generic], *width: int) -> np.ndarray:
    """A field of all rows: (N,) or (N,width). Raises: ValueError where it is missing, or of another kind."""
    try:
        return np.asarray([row[name] for row in rows], kind).reshape(len(rows), *width)
    except KeyError:
        raise ValueError(f"an annotation has no {name!r}; of the first: {short(list(rows[0]))}.") from None
    except (TypeError, ValueError):
        kind_of = f"{width[0]} numbers" if width else "a number"
        given = short([row[name] for row in rows])
        raise ValueError(f"{name} of each annotation must be {kind_of}, got {given}.") from None


def around(mask: np.ndarray) -> tuple[float, ...]:
    """The first and last column and row of a mask: (left, top, right, bottom)."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return (columns[0], rows[0], columns[-1], rows[-1]) if len(rows) else (1e8, 1e8, 0, 0)


def scaled(target: dict[str, Any], size: tuple[int, int], new: tuple[int, int]) -> dict[str, Any]:
    """The target of a picture of `size` resized to `new`."""
    high, wide = (float(after) / float(before) for after, before in zip(new, size, strict=True))
    made = {**target, "size": np.asarray(new, np.int64)}
    if "boxes" in made:
        made["boxes"] = made["boxes"] * np.asarray([wide, high, wide, high], np.float32)
        made["area"] = made["area"] * (wide * high)
    if "masks" in made:
        masks = [steps.nearest_pixel(mask.astype(np.int64), new) > 0 for mask in made["masks"]]
        made["masks"] = np.stack(masks) if masks else np.zeros((0, *new), bool)
    return made


def relative(target: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """Boxes as (centre x, centre y, width, height) in parts of the picture."""
    boxes = target.get("boxes")
    if boxes is None:
        return target
    left, top, right, bottom = boxes.T
    boxes = np.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], -1)
    return {**target, "boxes": boxes / np.asarray([size[1], size[0]] * 2, np.float32)}


def padded(target: dict[str, Any], size: tuple[int, int], new: tuple[int, int], boxes: bool) -> dict[str, Any]:
    """The target of a picture of `size` padded to `new`. boxes: whether they are parts of the picture."""
    if size == new:
        return target
    made = {**target, "size": np.asarray(new, np.int64)}
    if "masks" in made:
        made["masks"] = steps.padded(made["masks"], new)
    if boxes and "boxes" in made:
        kind = made["boxes"].dtype
        made["boxes"] = (made["boxes"] * np.asarray([size[1] / new[1], size[0] / new[0]] * 2)).astype(kind)
    return made
