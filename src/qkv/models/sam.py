"""SAM (Kirillov et al., 2023, arXiv:2304.02643): masks of what points and boxes in a picture mean.

Shapes: B pictures, P prompts of a picture, K points of a prompt, M masks of a prompt, h x w patches, C channels.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..config import Config
from ..errors import short
from ..keymap import KeyMap
from ..layers.observe import observing
from ..outputs import ModelOutput
from .sam_masks import MASKS, MaskDecoder, Prompts, Waves, check_prompts
from .sam_vision import VISION, SamVisionConfig, VisionEncoder, check_size, flat
from .text import wished
from .vision import VisionModel


class SamPromptEncoderConfig(Config):
    model_type = "sam_prompt_encoder"

    hidden_size: int = 256
    image_size: int = 1024
    patch_size: int = 16
    mask_input_channels: int = 16
    num_point_embeddings: int = 4
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6


class SamMaskDecoderConfig(Config):
    model_type = "sam_mask_decoder"

    hidden_size: int = 256
    hidden_act: str = "relu"
    mlp_dim: int = 2048
    num_hidden_layers: int = 2
    num_attention_heads: int = 8
    attention_downsample_rate: int = 2
    num_multimask_outputs: int = 3
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    layer_norm_eps: float = 1e-6


class SamConfig(Config):
    model_type = "sam"
    parts = {
        "vision_config": SamVisionConfig,
        "prompt_encoder_config": SamPromptEncoderConfig,
        "mask_decoder_config": SamMaskDecoderConfig,
    }

    vision_config: SamVisionConfig
    prompt_encoder_config: SamPromptEncoderConfig
    mask_decoder_config: SamMaskDecoderConfig


@dataclass
class SamImageSegmentationOutput(ModelOutput):
    """Masks (B,P,M,4h,4w) as scores above 0 where they are, and how good the model thinks each is (B,P,M)."""

    iou_scores: "Tensor | None" = None
    pred_masks: "Tensor | None" = None
    vision_hidden_states: "tuple[Tensor, ...] | None" = None
    vision_attentions: "tuple[Tensor, ...] | None" = None


class SamModel(VisionModel):
    config_class = SamConfig
    base_model_prefix = "sam"
    keys = KeyMap(MASKS, also={"prompt_encoder.shared_embedding.positional_embedding": "waves.weight"}).holding(
        "vision_encoder", "vision", KeyMap(VISION)
    )

    def __init__(self, config: SamConfig):
        super().__init__(config)
        c = config
        self.waves = Waves(c.vision_config.num_pos_feats, c.vision_config.hidden_size // 2)
        self.vision = VisionEncoder(c.vision_config)
        self.prompts = Prompts(c.prompt_encoder_config)
        self.decoder = MaskDecoder(c.mask_decoder_config)

    def forward(  # type: ignore[override]  # noqa: PLR0913 (each is an input of the field's)
        self, pixel_values: Tensor | None = None, input_points: Tensor | None = None,
        input_labels: Tensor | None = None, input_boxes: Tensor | None = None, input_masks: Tensor | None = None,
        image_embeddings: Tensor | None = None, multimask_output: bool = True,
        attention_similarity: Tensor | None = None, target_embedding: Tensor | None = None, *,
        output_attentions: bool | None = None, output_hidden_states: bool | None = None,
        return_dict: bool | None = None, original_sizes: Any = None, reshaped_input_sizes: Any = None,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """Masks of what prompts mean. Points and boxes are in pixels of pixel_values: `SamProcessor` makes them.

        Args:
            pixel_values: (B,3,H,W), or `image_embeddings` (B,C,h,w) of `get_image_embeddings` in their place.
            input_points: (B,P,K,2), x and y; a mask is made of all K points of a prompt.
            input_labels: (B,P,K), 1 for a point in what is meant, 0 for one outside, -10 for none; all 1 if None.
            input_boxes: (B,P,4), left, top, right, bottom.
            input_masks: (B,1,4h,4w), scores of a mask that was made before.
            multimask_output: whether each prompt gets M=3 masks, of a part, a thing, a whole; else the one of all.
            attention_similarity, target_embedding: of PerSAM (Zhang et al., 2023): added to the scores of prompts that
                look at places, and to the prompts.
            output_attentions, output_hidden_states, return_dict: as the config says if None.
            original_sizes, reshaped_input_sizes: are for `post_process_masks`, and not read here.

        Raises: ValueError for inputs that do not fit together.
        """
        kinds = wished(self.config, output_attentions, output_hidden_states)
        with observing(*kinds) as notes:
            x = self.embeddings(pixel_values, image_embeddings)
            seen = {f"vision_{kind}": given for kind, given in flat(notes).items()} if pixel_values is not None else {}
        check_prompts(x, input_points, input_labels, input_boxes, input_masks)
        if input_points is not None and input_labels is None:
            input_labels = torch.ones_like(input_points[..., 0], dtype=torch.long)
        sparse = self.prompts(self.waves, input_points, input_labels, input_boxes)  # (B,P,K',C)
        dense = self.prompts.dense(input_masks)  # (B,C,h,w) or (1,C,1,1)
        masks, scores = self.decoder(
            x + dense, self.waves.plane(*x.shape[2:]), sparse, attention_similarity, target_embedding
        )
        kept = slice(1, None) if multimask_output else slice(0, 1)
        output = SamImageSegmentationOutput(scores[:, :, kept], masks[:, :, kept], **seen)
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def embeddings(self, pixels: Tensor | None, given: Tensor | None) -> Tensor:
        if (pixels is None) == (given is None):
            raise ValueError("give pixel_values (B,3,H,W), or image_embeddings (B,C,h,w), one of the two.")
        if pixels is None:
            width = self.config.prompt_encoder_config.hidden_size
            if not isinstance(given, Tensor) or given.dim() != 4 or given.shape[1] != width:
                got = tuple(given.shape) if isinstance(given, Tensor) else short(given)
                raise ValueError(f"image_embeddings must be (B,{width},h,w), as get_image_embeddings gives, got {got}.")
            return given
        check_size(pixels, self.config.vision_config.image_size)
        return self.vision(pixels)

    @torch.no_grad()
    def get_image_embeddings(self, pixel_values: Tensor) -> Tensor:
        """(B,C,h,w) of pictures (B,3,H,W): computed once, and then given to the model with one prompt after another."""
        return self.embeddings(pixel_values, None)

    @torch.no_grad()
    def get_prompt_embeddings(
        self, input_points: Tensor | None = None, input_labels: Tensor | None = None,
        input_boxes: Tensor | None = None, input_masks: Tensor | None = None,
    ) -> tuple[Tensor | None, Tensor]:  # fmt: skip
        """Of points and boxes (B,P,K,C), None if there are none, and of masks (B,C,h,w)."""
        side = self.config.prompt_encoder_config.image_size // self.config.prompt_encoder_config.patch_size
        given = [x for x in (input_points, input_boxes) if x is not None]
        dense = self.prompts.dense(input_masks)
        dense = dense if input_masks is not None else dense.expand(len(given[0]) if given else 1, -1, side, side)
        return self.prompts(self.waves, input_points, input_labels, input_boxes), dense

    def get_image_wide_positional_embeddings(self) -> Tensor:
        """(1,C,h,w)"""
        c = self.config.prompt_encoder_config
        return self.waves.plane(c.image_size // c.patch_size, c.image_size // c.patch_size)

    def get_input_embeddings(self) -> nn.Module:
        return self.vision.embed
