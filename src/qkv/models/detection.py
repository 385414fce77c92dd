"""What detectors on a backbone share: their call, with its checks and its output.

Shapes: B batch, C channels, H x W pixels, S places of a map, Q queries, D width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import short
from ..heads.detection import DRAWN
from ..layers.observe import observing
from ..layers.patches import check_pixels
from ..layers.queries import UniformEmbedding
from ..outputs import BaseModelOutput, DetectorOutput, ModelOutput
from .frozen_backbone import BackedConfig, DetectorConfig, FrozenBackbone
from .text import observed, wished
from .vision import VisionModel, VisionTaskModel


@dataclass
class Scene:
    """Pictures as a detector sees them."""

    maps: tuple[Tensor, ...]  # of the backbone, (B,C,H,W)
    x: Tensor  # what the encoder reads (B,S,D)
    positions: Tensor  # of x, (B or 1,S,D)
    inside: Tensor | None  # true where a picture is and not padding (B,S); None if everywhere
    shapes: list[tuple[int, int]]  # height and width of each map that is in x
    more: dict[str, Any] = field(default_factory=dict)


class DetectorModel(VisionModel):
    """A family gives `look`, `encode` and `decode`."""

    output_class: ClassVar[type[ModelOutput]] = DetectorOutput

    def __init__(self, config: BackedConfig):
        super().__init__(config)
        self.backbone = FrozenBackbone(config)
        self.keys = self.backbone.held_by(type(self).keys)

    def look(self, pixels: Tensor, mask: Tensor | None) -> Scene:
        """Pixels (B,C,H,W) and where the pictures are (B,H,W), None if everywhere."""
        raise NotImplementedError

    def decode(self, scene: Scene, states: Tensor, queries: Tensor | None, mask: Tensor | None) -> Mapping[str, Any]:
        """Fields of the output, from the encoder's states (B,S,D), queries (B,Q,D) and their mask (B,Q)."""
        raise NotImplementedError

    def forward(  # type: ignore[override] # noqa: PLR0913 (the reference's signature)
        self, pixel_values: Tensor | None = None, pixel_mask: Tensor | None = None, *,
        decoder_attention_mask: Tensor | None = None, encoder_outputs: Any = None,
        decoder_inputs_embeds: Tensor | None = None, labels: Any = None, output_attentions: bool | None = None,
        output_hidden_states: bool | None = None, return_dict: bool | None = None,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """States of the queries of a batch of pictures.

        Args:
            pixel_values: (B,C,H,W), as an image processor makes them.
            pixel_mask: (B,H,W), 1 where the picture is and 0 for padding; everywhere if None.
            decoder_attention_mask: (B,Q), 0 for queries that none may attend to.
            encoder_outputs: the states of an earlier call, as BaseModelOutput or a tuple.
            decoder_inputs_embeds: queries (B,Q,D) to begin with, in place of zeros.
            labels: in training, of a family that learns from wanted objects with noise.
            output_attentions, output_hidden_states, return_dict: as the config says if None.

        Raises: ValueError if the inputs do not fit the model.
        """
        pixels = self.checked(pixel_values, pixel_mask)
        kinds = wished(self.config, output_attentions, output_hidden_states)
        scene = self.look(pixels, None if pixel_mask is None else pixel_mask.bool())
        scene.more["labels"] = labels
        if encoder_outputs is None:
            with observing(*kinds) as seen:
                states = self.encode(scene)
            encoder_outputs = BaseModelOutput(states, **self.noted(seen, states))
        elif not isinstance(encoder_outputs, ModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs)
        states = encoder_outputs["last_hidden_state"]
        with observing(*kinds, *(["cross_attentions"] if "attentions" in kinds else [])) as notes:
            found = self.decode(scene, states, decoder_inputs_embeds, decoder_attention_mask)
        seen = {f"encoder_{name}": value for name, value in encoder_outputs.items() if name != "last_hidden_state"}
        own = self.noted(notes, found["last_hidden_state"]).items()
        own = {"decoder_" * (not kind.startswith("cross")) + kind: value for kind, value in own}
        output = self.output_class(**{**found, **own, **seen, "encoder_last_hidden_state": states})
        vars(output)["scene"] = scene  # for heads; no field
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def noted(self, notes: Any, x: Tensor) -> dict[str, Any]:
        """What was observed, as outputs."""
        return observed(notes, x)

    def checked(self, pixels: Any, mask: Any) -> Tensor:
        check_pixels(pixels, self.config.num_channels)
        if mask is not None and (not isinstance(mask, Tensor) or mask.shape != (len(pixels), *pixels.shape[2:])):
            got = tuple(mask.shape) if isinstance(mask, Tensor) else short(mask)
            raise ValueError(f"pixel_mask must be (B,H,W), here {(len(pixels), *pixels.shape[2:])}, got {got}.")
        return pixels.to(self.dtype)

    def freeze_backbone(self) -> None:
        self.backbone.requires_grad_(False)

    def unfreeze_backbone(self) -> None:
        self.backbone.requires_grad_(True)

    def get_input_embeddings(self) -> nn.Module:
        return self.backbone

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, (*DRAWN, UniformEmbedding)):
            module.reset_parameters()
        else:
            super()._init_weights(module)


class MaskDetectorModel(VisionTaskModel):
    """A detector whose head reads the backbone's maps."""

    def __init__(self, config: DetectorConfig, **body: Any):
        super().__init__(config, **body)
        self.head.prepare(self.backbone.backbone.model.channels)  # type: ignore[operator]


def places(mask: Tensor | None, map_: Tensor) -> Tensor:
    """Where the pictures are on a map (B,C,H,W): (B or 1,H,W) of bools, by the nearest pixel of a mask (B,H',W')."""
    if mask is None:
        return torch.ones(1, *map_.shape[2:], dtype=torch.bool, device=map_.device)
    return F.interpolate(mask[None].float(), size=map_.shape[2:])[0].bool()
