"""What every head has: the class of its result, and a loss."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from ..config import Config
from ..outputs import ModelOutput

Scores = Tensor | dict[str, Tensor]  # logits, or scores by their names in `output`; others are for the loss only


class TaskHead(nn.Module):
    """Called with the body's output and the model's inputs by name, gives scores; its last layer is `out`.

    A head whose only target is `labels` gives `loss`; one with others names them in `targets` and gives `total_loss`.
    """

    output: ClassVar[type[ModelOutput]]
    targets: ClassVar[tuple[str, ...]] = ("labels",)  # the arguments of a model that are for the loss
    chooses: ClassVar[bool] = False  # whether its inputs are (B,C,T): C choices, of which one is right
    generates: ClassVar[bool] = False  # whether its scores are of the token that comes next
    reads_labels: ClassVar[bool] = False  # whether the decoder of an encoder-decoder is fed the labels

    def __init__(self, config: Config):
        super().__init__()
        self.config = config

    def total_loss(
        self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], inputs: Mapping[str, Any]
    ) -> Tensor | None:
        """The loss for the targets that were given; None if they make none."""
        return self.loss(scores["logits"], targets["labels"]) if "labels" in targets else None

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        raise NotImplementedError


def check_labels(labels: Tensor, count: int) -> None:
    """Raises: ValueError for a class index that is none of `count`, nor -100."""
    if labels.numel() and not -100 <= int(labels.min()) <= int(labels.max()) < count:
        raise ValueError(
            f"labels hold {int(labels.min())}…{int(labels.max())}, but the model has {count} labels. "
            f"Load it with num_labels={int(labels.max()) + 1}."
        )
