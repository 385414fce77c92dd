"""Where a model goes, and in which precision."""

from typing import Any

import torch

from ..config import Config
from ..errors import short


def choose_device(place: Any) -> torch.device:
    """The device that "auto", None, an index, a name or a one-entry map stands for.

    Raises: ValueError for what is no device, or none of this machine.
    """
    places = list(place.values()) if isinstance(place, dict) else [place]
    asked: Any = places[0] if places and places.count(places[0]) == len(places) else place
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if asked is None or asked == "auto" or asked == -1:
        return accelerator if asked == "auto" and accelerator is not None else torch.device("cpu")
    try:
        device = torch.device(asked)
        torch.empty(0, device=device)
        return device
    except (RuntimeError, TypeError, ValueError, AssertionError, NotImplementedError):
        here = f"'cpu' and {str(accelerator)!r}" if accelerator is not None else "'cpu'"
        raise ValueError(
            f"device={short(asked)}: no such device on this machine, which has {here}; or say 'auto'."
        ) from None


def choose_dtype(asked: Any, config: Config, device: torch.device) -> torch.dtype | None:
    """The dtype of the weights; None for the file's own. Raises ValueError for a name that is no dtype."""
    if asked is None:
        return torch.float32 if device.type == "cpu" else None
    if asked == "auto":
        asked = config.dtype
    found = getattr(torch, asked.removeprefix("torch."), None) if isinstance(asked, str) else asked
    if found is None and asked is None or isinstance(found, torch.dtype):
        return found
    raise ValueError(f"dtype={short(asked)} is not a dtype; use 'auto', 'float32', 'bfloat16' or 'float16'.")
