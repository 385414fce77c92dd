"""image-segmentation: the parts of a picture, each with a mask."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..errors import nearest, short
from ..preprocessing.image import from_array
from .drawn import Segments
from .pictures import PictureOptions, PicturePipeline

SUBTASKS = ("panoptic", "instance", "semantic")  # the first that the model does is done if none is named
THRESHOLDS = ("threshold", "mask_threshold", "overlap_mask_area_threshold")
SCORES = ("logits", "pred_masks", "class_queries_logits", "masks_queries_logits")  # what models call them


@dataclass(frozen=True)
class Options(PictureOptions):
    """
    subtask: "panoptic" (each place is of one thing or of the background), "instance" (things), "semantic" (classes,
        with no scores); the first of these that the model does if None.
    threshold: parts that are less certain are left out.
    mask_threshold: where a mask is at least so likely, it is counted as a part's area.
    overlap_mask_area_threshold: parts that keep less of that area, as others cover it, are left out.
    timeout: seconds that fetching a picture from the network may take.
    """

    between = PictureOptions.between | dict.fromkeys(THRESHOLDS, (0, 1))

    subtask: str | None = None
    threshold: float = 0.9
    mask_threshold: float = 0.5
    overlap_mask_area_threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.subtask is not None and self.subtask not in SUBTASKS:
            raise ValueError(
                f"subtask={short(self.subtask)} is unknown; the nearest are {nearest(str(self.subtask), SUBTASKS)}."
            )


class ImageSegmentationPipeline(PicturePipeline):
    """Pictures -> [{"score", "label", "mask"}] each; a mask is a picture in black and white of the same size.

    An input is a path, a URL, bytes, base64 text, a PIL.Image, or an array or tensor; a list gives a list of results.
    """

    task = "image-segmentation"
    options_class = Options
    drawn = Segments

    def __init__(self, model: Any, tokenizer: Any = None, **options: Any):
        super().__init__(model, tokenizer, **options)
        fields = getattr(type(self.model), "head_spec").cls.output.__dataclass_fields__  # noqa: B009
        self.needs = tuple(name for name in SCORES if name in fields)  # type: ignore[misc]

    def choose(self, **options: Any) -> Any:
        """The options of a call, with the subtask that the model does. Raises: ValueError for one that it does not."""
        chosen = super().choose(**options)
        done = [one for one in SUBTASKS if hasattr(self.image_processor, f"post_process_{one}_segmentation")]
        if not done or chosen.subtask not in (None, *done):
            raise ValueError(
                f"subtask={chosen.subtask!r} is not what {type(self.model).__name__} with a "
                f"{type(self.image_processor).__name__} does; it does {', '.join(done) or 'none'}."
            )
        return self._changed(chosen, {"subtask": chosen.subtask or done[0]})

    def postprocess(self, outputs: list[Any], options: Any) -> list[dict[str, Any]]:
        given = outputs[0]
        scores = SimpleNamespace(**{name: given[name][None] for name in self.needs})
        finish = getattr(self.image_processor, f"post_process_{options.subtask}_segmentation")
        labels = self.model.config.id2label or {}
        if options.subtask == "semantic":
            ids = finish(scores, target_sizes=[given["size"]])[0].numpy()
            return [part(None, labels.get(int(i), f"LABEL_{i}"), ids == i) for i in np.unique(ids)]
        settings = {name: getattr(options, name) for name in THRESHOLDS}
        found = finish(scores, target_sizes=[given["size"]], **settings)[0]
        ids = found["segmentation"].numpy()
        return [
            part(one["score"], labels.get(one["label_id"], f"LABEL_{one['label_id']}"), ids == one["id"])
            for one in found["segments_info"]
        ]


def part(score: float | None, label: str, inside: np.ndarray) -> dict[str, Any]:
    """One result; `inside` is (H,W) of bools."""
    return {"score": score, "label": label, "mask": from_array(inside.astype(np.uint8) * 255)}
