"""The processes of a run: what they share, who writes, how they agree.

`torchrun` starts a program several times and tells each its place by the environment. `Trainer` asks a `Processes`
object for everything that differs then. A process alone has `Processes()`, whose methods do nothing or the obvious.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..optim.adamw import AdamW
from ..state import TrainerControl

T = TypeVar("T")
Take = Callable[[Any, Tensor], Tensor]


class Processes:
    """A process alone.

    rank, count: its number among all processes, and how many there are; local_rank: its number on its machine.
    data_rank, data_count: the same among those that read different rows.
    """

    rank, count, local_rank, data_rank, data_count = 0, 1, 0, 0, 1

    @property
    def main(self) -> bool:
        """Whether this is the one that prints and writes."""
        return self.rank == 0

    def share(self, rows: Sequence[int]) -> list[int]:
        """This process's rows of a batch of all: each n-th, so that sorted lengths are spread evenly."""
        return list(rows[self.data_rank :: self.data_count])

    def turn(self, rows: Sequence[int], size: int) -> list[int]:
        """This process's rows of a round of evaluation: a batch of `size` in a row."""
        return list(rows[self.data_rank * size : (self.data_rank + 1) * size])

    def total(self, value: float) -> float:
        """The sum over those that read different rows."""
        return value

    def gather(self, value: T, everywhere: bool = True) -> list[T]:
        """What each that reads different rows has, by their order; [] where it is not wanted."""
        return [value]

    def first(self, make: Callable[[], T], take: Take | None = None) -> T:
        """What `make` gives in the first process, which alone calls it. An error there is an error in all.

        take: what each process keeps of a tensor in it: (path, tensor) -> tensor.
        """
        return make()

    def agree(self, control: TrainerControl, ended: bool) -> bool:
        """What a callback asked for in one process is asked for in all. Whether any process was `ended`."""
        return ended

    def spread(self, model: nn.Module, args: Any = None, optimizer: Any = None) -> None:
        """All have the weights of the first, or their parts of them: what an optimiser is then made for.

        Raises: ValueError for what does not go with parts: some of what `args` say, an `optimizer` made before.
        """

    def load(self, model: nn.Module, read: Callable[[], Any]) -> tuple[Sequence[str], Sequence[str]]:
        """Weights that the first process reads, by published names -> names that are missing, and that are not known.

        Raises: RuntimeError for weights of other shapes.
        """
        return model.load_state_dict(read(), strict=False)

    def whole(self, model: nn.Module) -> Any:
        """The weights to save by published names, in the process that writes them; None if the model has them all."""
        return None

    def whole_optimizer(self, optimizer: Any) -> dict[str, Any]:
        """The state to save of an optimiser; of what another process writes a tensor without data."""
        return optimizer.state_dict()

    def write_shards(self, folder: Path, weights: Any, moments: Any = None) -> Path | None:
        """Where all processes wrote what `whole` and `whole_optimizer` left each of them; None if the first writes all.

        Raises: OSError, in all of them, if one could not, or the first does not find the files of another.
        """
        return None

    def part_of(self, optimizer: Any) -> Take | None:
        """What a process keeps of each tensor of an optimiser's state; None for all of it."""
        return None

    def backward(self, loss: Tensor, optimizer: Any, last: bool) -> None:
        """Gradients of a batch; after the last of a step they are sums over all processes."""
        loss.backward()

    def clip(self, optimizer: Any, parameters: list[Tensor], limit: float) -> float:
        """The norm of all gradients, which go into the optimiser's next step with at most the norm `limit`."""
        if isinstance(optimizer, AdamW):  # that scales them in the step itself
            return optimizer.clip(limit)
        return float(torch.nn.utils.clip_grad_norm_(parameters, limit))

    def wait(self) -> None:
        """Until all are here."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Errors within are told to whoever started the processes."""
        yield


def parameters_of(optimizer: Any) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
