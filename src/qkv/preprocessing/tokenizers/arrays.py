"""Lists of ids to tensors and back. torch and numpy are imported only when a caller asks for their kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qkv.errors import short


def to_arrays(data: Mapping[str, Any], kind: Any, prepend_batch_axis: bool = False) -> dict[str, Any]:
    """Every value as a tensor ("pt") or array ("np") of integers where it holds integers.

    Raises ValueError naming the key whose rows differ in length, or for a kind other than these two.
    """
    convert = _converter(str(getattr(kind, "value", kind)))
    result = {}
    for key, value in data.items():
        rows = [value] if prepend_batch_axis and not _is_array(value) else value
        try:
            result[key] = convert(rows)
        except (ValueError, TypeError, RuntimeError, OverflowError):
            raise ValueError(
                f"Cannot make a tensor of {key!r}: its rows differ in length or hold no numbers. Pass padding=True "
                "and, for long texts, truncation=True, so that all rows are equally long."
            ) from None
    return result


def _converter(kind: str) -> Any:
    if kind in ("pt", "pytorch"):
        import torch

        def to_torch(rows: Any) -> Any:
            if isinstance(rows, torch.Tensor):
                return rows
            if _is_array(rows):
                return torch.as_tensor(rows)
            if isinstance(rows, list) and rows and _is_array(rows[0]):
                return torch.stack([torch.as_tensor(row) for row in rows])
            made = torch.tensor(rows)
            return made if made.numel() else made.long()

        return to_torch
    if kind in ("np", "numpy"):
        import numpy

        def to_numpy(rows: Any) -> Any:
            made = numpy.asarray(rows)
            if made.dtype == object:
                raise ValueError
            return made if made.size else made.astype(numpy.int64)

        return to_numpy
    raise ValueError(f"return_tensors={short(kind)} is not known. Use 'pt' (torch), 'np' (numpy) or None (lists).")


def to_lists(value: Any) -> Any:
    """Tensors and arrays, alone or inside lists, tuples and mappings, as plain lists and numbers."""
    if isinstance(value, Mapping):
        return {key: to_lists(item) for key, item in value.items()}
    if _is_array(value):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [to_lists(item) for item in value] if value and not isinstance(value[0], (int, str)) else list(value)
    return value


def array_kind(value: Any) -> str | None:
    """ "pt" for a torch tensor, "np" for a numpy array or number, else None; without importing either."""
    if not _is_array(value):
        return None
    return "pt" if type(value).__module__.partition(".")[0] == "torch" else "np"


def _is_array(value: Any) -> bool:
    return hasattr(value, "tolist") and hasattr(value, "dtype")
