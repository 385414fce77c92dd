"""The methods by which a model computes its blocks again for their gradients, in place of keeping their states."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..layers import Layers
from ..layers.recompute import check_options


class Recomputing(nn.Module):
    """Mixed into PreTrainedModel."""

    supports_gradient_checkpointing = True

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: Mapping[str, Any] | None = None) -> None:
        """In training keep of each block what enters it alone, and compute the rest again: less memory, same numbers.

        Args:
            gradient_checkpointing_kwargs: of torch.utils.checkpoint, such as `context_fn`, which says what to keep.

        Raises: ValueError for an option that is not known, or a model without a stack of blocks.
        """
        options, stacks = check_options(gradient_checkpointing_kwargs), self._stacks()
        if not stacks:
            raise ValueError(f"{type(self).__name__} has no stack of blocks to be computed again (qkv.layers.Layers).")
        for stack in stacks:
            stack.recompute = options

    def gradient_checkpointing_disable(self) -> None:
        """Keep what blocks computed."""
        for stack in self._stacks():
            stack.recompute = None

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether blocks are computed again in training."""
        return any(stack.recompute is not None for stack in self._stacks())

    def enable_input_require_grads(self) -> None:
        """Let gradients go through the token vectors though their table is frozen. Recomputation does without."""
        self.disable_input_require_grads()
        table: Any = self.get_input_embeddings()  # type: ignore[operator]
        vars(self)["_input_hook"] = table.register_forward_hook(_require)

    def disable_input_require_grads(self) -> None:
        hook = vars(self).pop("_input_hook", None)
        if hook is not None:
            hook.remove()

    def _stacks(self) -> list[Layers]:
        return [module for module in self.modules() if isinstance(module, Layers)]


def _require(module: nn.Module, inputs: Any, output: Tensor) -> None:
    output.requires_grad_(True)
