"""BatchFeature: what an image processor returns."""

from typing import Any

import numpy as np

from ...errors import short
from ..tokenizers.batch import BatchEncoding


class BatchFeature(BatchEncoding):
    """`made["pixel_values"]`, `made.pixel_values`, `**made`.

    Args:
        data: the mapping.
        tensor_type: "pt" or "np" makes one tensor or array of each value.
    """

    def __init__(self, data: dict[str, Any] | None = None, tensor_type: Any = None):
        super().__init__(data)
        self.convert_to_tensors(tensor_type)

    def convert_to_tensors(
        self, tensor_type: Any = None, prepend_batch_axis: bool = False, *, skip: tuple[str, ...] = ()
    ) -> "BatchFeature":
        """Make a tensor ("pt") or array ("np") of every value, in place, and return self.

        Args:
            skip: the keys of values that stay lists.

        Raises: ValueError where the pictures differ in size.
        """
        if tensor_type is None:
            return self
        kind = str(getattr(tensor_type, "value", tensor_type))
        if kind not in ("pt", "pytorch", "np", "numpy"):
            raise ValueError(
                f"return_tensors={short(kind)} is not known. Use 'pt' (torch), 'np' (numpy) or None (lists)."
            )
        for key, value in self.data.items():
            if key not in skip:
                self.data[key] = made(key, value, kind)
        return self

    def to(self, device: Any = None, dtype: Any = None, *, non_blocking: bool = False) -> "BatchFeature":
        """Move every tensor, in lists and dictionaries too, in place, and return self; only numbers with a fraction
        become of another dtype. `made.to(torch.float16)` is meant as dtype."""
        import torch

        device, dtype = (None, device) if isinstance(device, torch.dtype) else (device, dtype)

        def moved(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return value.to(device, dtype if value.is_floating_point() else None, non_blocking=non_blocking)
            if isinstance(value, BatchFeature):
                return value.to(device, dtype, non_blocking=non_blocking)
            return [moved(one) for one in value] if isinstance(value, list) else value

        self.data = {key: moved(value) for key, value in self.data.items()}
        return self


def parts_of(outputs: Any, *names: str) -> tuple[Any, ...]:
    """Fields of a model's output. Raises: ValueError for an output that lacks one."""
    for name in names:
        if getattr(outputs, name, None) is None:
            raise ValueError(f"a {type(outputs).__name__} has no {name}: give the output of a model of this task.")
    return tuple(getattr(outputs, name) for name in names)


def made(key: str, value: Any, kind: str) -> Any:
    """One tensor or array of a value."""
    shapes = {np.shape(one) for one in value} if isinstance(value, list | tuple) else set()
    if len(shapes) > 1:
        raise ValueError(
            f"{key!r}: the pictures differ in size, {short(sorted(shapes), 120)}, so they make no tensor. Let them be "
            f"resized to one size (do_resize=True, size={{'height': 224, 'width': 224}}) or padded (do_pad=True), or "
            f"leave return_tensors out."
        )
    return converted(np.stack(value) if shapes else np.asarray(value), kind)


def converted(array: np.ndarray, tensor_type: Any) -> Any:
    """An array as it is, or as a tensor for "pt"."""
    if str(getattr(tensor_type, "value", tensor_type)) not in ("pt", "pytorch"):
        return array
    import torch

    return torch.from_numpy(np.ascontiguousarray(array))
