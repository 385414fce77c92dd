"""What every head has: the class of its result, and a loss."""

from typing import ClassVar

from torch import Tensor, nn

from ..config import Config
from ..outputs import ModelOutput


class TaskHead(nn.Module):
    """Called with the body's output and the inputs, gives logits; its last layer is `out`."""

    output: ClassVar[type[ModelOutput]]
    generates: ClassVar[bool] = False  # whether its scores are of the token that comes next
    reads_labels: ClassVar[bool] = False  # whether the decoder of an encoder-decoder is fed the labels

    def __init__(self, config: Config):
        super().__init__()
        self.config = config

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        raise NotImplementedError
