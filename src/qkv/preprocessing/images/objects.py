"""Objects that a detector found, from its outputs: mixed into the image processors of detectors."""

from typing import TYPE_CHECKING, Any

from .batch import parts_of
from .sam import suppressed
from .sizes import pairs

if TYPE_CHECKING:
    from torch import Tensor


class OneEach:
    """Each query has found one object, or none, which is the last of its labels (DETR, YOLOS)."""

    def post_process_object_detection(
        self, outputs: Any, threshold: float = 0.5, target_sizes: Any = None
    ) -> list[dict[str, Any]]:
        """scores (N,), labels (N,) and boxes (N,4), as left, top, right, bottom, of each picture.

        Args:
            outputs: with logits (B,Q,L+1) and pred_boxes (B,Q,4).
            threshold: the least score, exclusive.
            target_sizes: (height, width) of each picture, a list or a tensor (B,2), in whose pixels boxes are; in parts
                of the picture if None.

        Raises: ValueError if there is not a size for each picture.
        """
        logits, boxes = parts_of(outputs, "logits", "pred_boxes")
        scores, labels = logits.softmax(-1)[..., :-1].max(-1)
        return chosen(scores, labels, in_pixels(boxes, target_sizes), threshold)


class BestPairs:
    """Pairs of a query and a label are scored one by one (Deformable and Conditional DETR)."""

    def post_process_object_detection(
        self, outputs: Any, threshold: float = 0.5, target_sizes: Any = None, top_k: int | None = 100
    ) -> list[dict[str, Any]]:
        """The same of logits (B,Q,L), best first. top_k: how many pairs at most; as many as queries if None."""
        logits, boxes = parts_of(outputs, "logits", "pred_boxes")
        flat = logits.sigmoid().flatten(1)
        scores, places = flat.topk(min(logits.shape[1] if top_k is None else top_k, flat.shape[1]), dim=1)
        queries, labels = places // logits.shape[2], places % logits.shape[2]
        boxes = in_pixels(boxes.gather(1, queries[..., None].expand(-1, -1, 4)), target_sizes)
        return chosen(scores, labels, boxes, threshold)


class PairsOrOneEach(BestPairs, OneEach):
    """As the model was trained (RT-DETR)."""

    def post_process_object_detection(  # type: ignore[override]
        self, outputs: Any, threshold: float = 0.5, target_sizes: Any = None, use_focal_loss: bool = True
    ) -> list[dict[str, Any]]:
        """The same. use_focal_loss: whether labels are scored one by one; else the last is "no object"."""
        if use_focal_loss:
            return BestPairs.post_process_object_detection(self, outputs, threshold, target_sizes, None)
        return OneEach.post_process_object_detection(self, outputs, threshold, target_sizes)


class PatchObjects:
    """Each patch may be an object of those that were asked for (OWL-ViT)."""

    def post_process_object_detection(
        self, outputs: Any, threshold: float = 0.1, target_sizes: Any = None
    ) -> list[dict[str, Any]]:
        """The same of logits (B,N,Q); labels are the numbers of the queries."""
        logits, boxes = parts_of(outputs, "logits", "pred_boxes")
        scores, labels = logits.max(-1)
        return chosen(scores.sigmoid(), labels, in_pixels(boxes, target_sizes), threshold)

    def post_process_image_guided_detection(
        self, outputs: Any, threshold: float = 0.0, nms_threshold: float = 0.3, target_sizes: Any = None
    ) -> list[dict[str, Any]]:
        """The same of what a picture asked for, `labels` None. Scores are from 0 to 1, the best of a picture.

        Args:
            nms_threshold: of boxes that overlap by more (IoU), the better alone is kept.
        """
        import torch

        logits, boxes = parts_of(outputs, "logits", "target_pred_boxes")
        scores, found = logits.max(-1).values.sigmoid(), []
        for row, parts, whole in zip(scores, in_pixels(boxes, None), in_pixels(boxes, target_sizes), strict=True):
            kept = torch.zeros_like(row)
            best = suppressed(parts, row, nms_threshold)
            kept[best] = row[best].masked_fill(row[best] < threshold, 0)
            most = kept.max() + 1e-6
            shown = ((kept - most * 0.1) / (most * 0.9)).clamp(0, 1)
            found.append({"scores": shown[shown > 0], "labels": None, "boxes": whole[shown > 0]})
        return found


def in_pixels(boxes: "Tensor", sizes: Any) -> "Tensor":
    """(B,Q,4) of centres and sizes in parts of the picture -> corners, in pixels if there are `sizes`."""
    import torch

    from ...layers.boxes import corners

    found = corners(boxes)
    if sizes is None:
        return found
    sides = torch.tensor(pairs("target_sizes", sizes, len(boxes)), device=boxes.device)
    return found * sides.flip(1).repeat(1, 2)[:, None]


def chosen(scores: "Tensor", labels: "Tensor", boxes: "Tensor", threshold: float) -> list[dict[str, Any]]:
    rows = zip(scores, labels, boxes, scores > threshold, strict=True)
    return [{"scores": s[kept], "labels": label[kept], "boxes": box[kept]} for s, label, box, kept in rows]
