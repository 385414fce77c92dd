"""How well maps of classes cover the true ones: the mean intersection over union."""

from typing import Any

import numpy as np

from .inputs import Metric, as_array, same_count, some


class MeanIoU(Metric):
    """How much of each class's area, found or true, is both: {"mean_iou", "mean_accuracy", "overall_accuracy"}, the
    means of those classes that there are; as "mean_iou" of `evaluate`. Keeps three numbers for each class.

    Predictions are classes (N,H,W), or scores (N,L,h,w), which are enlarged to the references (N,H,W); or lists of
    such, one a picture, of any sizes.

    Args:
        num_labels: L.
        ignore_index: the reference where nothing is asked.
        reduce_labels: whether reference 0 is to be ignored, and the others are one less.
    """

    kept = ("both", "found", "true")
    both: Any = 0  # areas (L,)
    found: Any = 0
    true: Any = 0

    def __init__(self, num_labels: int, ignore_index: int = 255, reduce_labels: bool = False):
        super().__init__()
        self.count, self.ignored, self.reduced = num_labels, ignore_index, reduce_labels

    def update(self, predictions: Any, references: Any) -> None:
        same_count(predictions, references)
        for found, true in zip(predictions, references, strict=True):
            self.picture(as_array(found), as_array(true).astype(np.int64))

    def picture(self, found: np.ndarray, true: np.ndarray) -> None:
        """Raises: ValueError for maps of other sizes, or of classes that there are not."""
        if self.reduced:
            true = np.where((true == 0) | (true == self.ignored), self.ignored, true - 1)
        found = best(found, true.shape) if found.ndim == 3 else found
        if found.shape != true.shape or true.ndim != 2:
            raise ValueError(
                f"a prediction of shape {found.shape} does not fit a reference of shape {true.shape}: give classes "
                f"(H,W), or scores (L,h,w)."
            )
        kept = true != self.ignored
        found, true = found[kept].astype(np.int64), true[kept]
        for name, values in (("predictions", found), ("references", true)):
            if values.size and not (values.min() >= 0 and values.max() < self.count):
                raise ValueError(
                    f"{name} hold {values.min()} to {values.max()}, but num_labels={self.count}; what is not to be "
                    f"measured is {self.ignored} in the references (ignore_index)."
                )
        for name, values in (("both", found[found == true]), ("found", found), ("true", true)):
            setattr(self, name, getattr(self, name) + np.bincount(values, minlength=self.count))

    def per_label(self) -> dict[str, np.ndarray]:
        """IoU and accuracy of each class (L,), NaN of one that there was not."""
        some(np.sum(self.true))
        with np.errstate(invalid="ignore"):
            union = self.found + self.true - self.both
            return {"per_category_iou": self.both / union, "per_category_accuracy": self.both / self.true}

    def compute(self) -> dict[str, float]:
        each = self.per_label()
        return {
            "mean_iou": float(np.nanmean(each["per_category_iou"])),
            "mean_accuracy": float(np.nanmean(each["per_category_accuracy"])),
            "overall_accuracy": float(self.both.sum() / self.true.sum()),
        }


def best(scores: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The class (H,W) with the highest of scores (L,h,w)."""
    import torch

    x = torch.from_numpy(np.ascontiguousarray(scores, np.float32))[None]
    return torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)[0].argmax(0).numpy()
