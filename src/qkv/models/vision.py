"""What models of pictures share: their call, with its checks and its output."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..config import Config
from ..errors import nearest
from ..layers.observe import observing
from ..layers.patches import check_pixels, pair
from ..outputs import BaseModelOutput, BaseModelOutputWithPooling, ModelOutput
from .task import BaseModel, TaskModel
from .text import wished


class PatchConfig(Config):
    """Sizes of an encoder over the patches of a picture."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    layer_norm_eps: float = 1e-12
    image_size: int | list | tuple = 224
    patch_size: int | list | tuple = 16
    num_channels: int = 3


class VisionTaskModel(TaskModel):
    """A body that reads pictures, and the head of a task."""

    def forward(  # type: ignore[override]
        self, pixel_values: Tensor | None = None, *, return_dict: bool | None = None, **inputs: Any
    ) -> ModelOutput | tuple[Any, ...]:
        """As the body's, and `labels` for a loss, or what the head names in `targets`; gives the head's `output`."""
        targets = self.take_targets(inputs)
        inputs = self.complete({"pixel_values": pixel_values, **inputs}, targets)
        body = self.backbone(return_dict=True, **inputs)
        return self.scored(body, inputs, targets, return_dict)

    def _init_weights(self, module: torch.nn.Module) -> None:
        self.backbone._init_weights(module)

    def get_input_embeddings(self) -> Any:
        return self.base_model.get_input_embeddings()


class VisionModel(BaseModel):
    """A family gives `encode`. What it reads beside pixels it names in `extra`: `encode` gets it by name, None if it
    was not given."""

    main_input_name: ClassVar[str] = "pixel_values"
    extra: ClassVar[tuple[str, ...]] = ()
    draws_vectors: ClassVar[bool] = True  # or its positions and tokens begin as zeros
    encode: Callable[..., Any]
    """Pixels (B,C,H,W) -> states (B,T,D), after the last norm; with them, in a tuple, maps that heads read."""

    @property
    def max_tokens(self) -> int | None:
        return None

    @classmethod
    def task_model(cls) -> type[TaskModel]:
        return VisionTaskModel

    def forward(
        self, pixel_values: Tensor | None = None, *, output_attentions: bool | None = None,
        output_hidden_states: bool | None = None, interpolate_pos_encoding: bool | None = None,
        return_dict: bool | None = None, **extra: Any,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """Hidden states of a batch of pictures.

        Args:
            pixel_values: (B,C,H,W), as an image processor makes them.
            output_attentions, output_hidden_states, return_dict: as the config says if None.
            interpolate_pos_encoding: positions are stretched to the size of the pictures; if False, another size than
                the model's is an error.

        Raises: ValueError if the inputs do not fit the model.
        """
        check_pixels(pixel_values)
        unknown = next((name for name in extra if name not in self.extra), None)
        if unknown is not None:
            near = nearest(unknown, ["pixel_values", *self.extra])
            raise TypeError(f"{type(self).__name__} has no input {unknown!r}; the nearest are {near}.")
        if interpolate_pos_encoding is False:
            self.check_size(pixel_values)  # type: ignore[arg-type]
        with observing(*wished(self.config, output_attentions, output_hidden_states)) as notes:
            x = self.encode(pixel_values, **{name: extra.get(name) for name in self.extra})
        output = self.output(x, **{kind: tuple(tensors) for kind, tensors in notes.items()})
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def check_size(self, pixels: Tensor) -> None:
        """Raises: ValueError for pictures that are not of the config's image_size."""
        size = getattr(self.config, "image_size", None)
        if size is not None and pair(size) != tuple(pixels.shape[2:]):
            raise ValueError(
                f"pictures of {tuple(pixels.shape[2:])} for a model of {pair(size)}; resize them, or leave out "
                f"interpolate_pos_encoding=False."
            )

    def output(self, x: Any, **notes: Any) -> ModelOutput:
        """The output for what `encode` gave and what was noted."""
        x, maps = x if isinstance(x, tuple) else (x, None)
        pooler = getattr(self, "pooler", None)
        made = BaseModelOutput(x, **notes) if pooler is None else BaseModelOutputWithPooling(x, pooler(x), **notes)
        vars(made)["maps"] = maps  # no field
        return made

    def get_input_embeddings(self) -> Any:
        return self.get_submodule("embed.patch")

    def _init_weights(self, module: torch.nn.Module) -> None:
        super()._init_weights(module)
        for name in ("position", "cls") if self.draws_vectors else ():  # learned, and of no layer
            given = getattr(module, name, None) if isinstance(module, torch.nn.Module) else None
            for parameter in given if isinstance(given, torch.nn.ParameterList) else [given]:
                if isinstance(parameter, torch.nn.Parameter):
                    torch.nn.init.trunc_normal_(parameter, std=self.config.initializer_range)
