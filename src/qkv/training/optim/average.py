"""A running mean of a model's weights, which often scores better than the last weights (Polyak & Juditsky, 1992)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..state_files import read_part


class WeightAverage:
    """Weights averaged over the steps of a run: mean = decay * mean + (1 - decay) * weights, after each `update`.

        average = WeightAverage(model, decay=0.999)
        ...; optimizer.step(); average.update()
        with average.applied():
            model.save_pretrained("out")

    Args:
        decay: how much of the mean stays in a step; the mean is of about the last 1 / (1 - decay) steps.
        warmup: begin with less, (1 + n) / (10 + n) after n steps, so that first weights are soon forgotten.

    Parameters that are not trained, and buffers, are left out. Raises: ValueError for a decay outside [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float = 0.999, warmup: bool = True):
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay} must be in [0, 1); 0.999 is usual.")
        self.decay, self.warmup, self.steps = decay, warmup, 0
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.mean: dict[str, Tensor] = {
            name: weight.detach().to(torch.float32, copy=True) for name, weight in self._weights.items()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Count the model's weights of this moment in."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.warmup else self.decay
        self.steps += 1
        for name, weight in self._weights.items():
            self.mean[name].lerp_(weight.float(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the mean for weights inside of the `with` block, and its own again after it."""
        own = {name: weight.detach().clone() for name, weight in self._weights.items()}
        try:
            self._put(self.mean)
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, tensors: dict[str, Tensor]) -> None:
        for name, weight in self._weights.items():
            weight.copy_(tensors[name])

    def keep(self) -> None:
        """The model has the mean for weights from now on."""
        self._put(self.mean)

    def state_dict(self) -> dict[str, Any]:
        """{"steps": how many were counted, "mean" and "own": tensors by published name, float32 and the model's}"""
        return {
            "steps": self.steps,
            "mean": dict(self.mean),
            "own": {name: weight.detach() for name, weight in self._weights.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict()` of another, with its model's weights if there are any.

        Raises: ValueError if it is of other parameters.
        """
        given = state_dict["mean"]
        if given.keys() != self.mean.keys():
            other = sorted(given.keys() ^ self.mean.keys())
            raise ValueError(f"the mean is of other parameters than the model trains: {', '.join(other[:3])} differ.")
        self.steps = int(state_dict["steps"])
        self.mean = {name: given[name].to(mean.device, copy=True) for name, mean in self.mean.items()}
        self._put(state_dict.get("own", self._weights))


def in_use(average: WeightAverage | None) -> AbstractContextManager[None]:
    """Within it the model has the mean for weights, if there is one."""
    return nullcontext() if average is None else average.applied()


def averaged_from(trainer: Any, path: Path | None) -> WeightAverage | None:
    """The mean of a run that begins, None without a decay; or of one that goes on from a checkpoint.

    The model in a checkpoint is the mean, so that it is what was evaluated; its own weights go back into it here.
    """
    decay, first = trainer.args.weight_average, trainer.processes.first
    there = path is not None and first((path / "average.json").is_file)
    if decay is None and not there:
        return None
    average = WeightAverage(trainer.model, 0.0 if decay is None else decay)
    if path is not None and there:
        average.load_state_dict(first(lambda: read_part(path, "average")))
    return None if decay is None else average
