"""OWL-ViT (Minderer et al., 2022, arXiv:2205.06230): a CLIP each of whose patches may be an object, found by words."""

from typing import Any

from torch import Tensor

from ..heads.open_vocabulary import QueryDetector
from ..outputs import GroundedObjectDetectionOutput, ImageGuidedObjectDetectionOutput, ModelOutput
from .clip import CLIPModel, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel
from .matching import MatchingConfig, together
from .task import Head
from .towers import PICTURES, TEXT, TowerConfig, alone
from .vision import VisionTaskModel


class OwlViTTextConfig(TowerConfig):
    model_type = "owlvit_text_model"
    part = "text_config"

    vocab_size: int = 49408
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_attention_heads: int = 8
    max_position_embeddings: int = 16
    pad_token_id: int | None = 0
    bos_token_id: int | list | None = 49406
    eos_token_id: int | list | None = 49407


class OwlViTVisionConfig(CLIPVisionConfig):
    model_type = "owlvit_vision_model"

    image_size: int | list = 768


class OwlViTConfig(MatchingConfig):
    model_type = "owlvit"
    classes = (OwlViTTextConfig, OwlViTVisionConfig)

    projection_dim: int = 512
    logit_scale_init_value: float = 2.6592


PICTURES = PICTURES | {"embeddings.class_embedding": "embed.cls", "pre_layernorm": "embed.norm"}


class OwlViTTextModel(CLIPTextModel):
    config_class = OwlViTTextConfig
    keys = alone("text_model", TEXT)
    heads = {}

    def last(self, ids: Tensor) -> Tensor:
        return ids.argmax(-1)


class OwlViTVisionModel(CLIPVisionModel):
    config_class = OwlViTVisionConfig
    keys = alone("vision_model", PICTURES)
    heads = {}


class OwlViTDetector(VisionTaskModel):
    """A model of two towers, and the objects that a query finds in its patches."""

    head: QueryDetector
    backbone: "OwlViTModel"

    def forward(  # type: ignore[override]
        self, input_ids: Tensor | None = None, pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None, *, return_dict: bool | None = None, **options: Any,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """What texts ask for in pictures.

        Args:
            input_ids, attention_mask: (B*Q,T), Q texts for each picture, one picture after the other; those that begin
                with token 0 fill up.
            pixel_values: pictures (B,C,H,W).
            options: as of the model without a head.

        Raises: ValueError if the texts are not as many for each picture, or as the model without a head.
        """
        body: Any = self.backbone(input_ids, pixel_values, attention_mask, return_dict=True, **options)
        ids: Any = input_ids
        count = len(body.image_embeds)
        if len(ids) % count:
            raise ValueError(
                f"{len(ids)} texts for {count} pictures: each picture takes as many, filled up with zeros."
            )
        queries = body.text_embeds.unflatten(0, (count, -1))  # (B,Q,E)
        asked = ids.unflatten(0, (count, -1))[..., 0] > 0
        x, grid = self.patches(pixel_values, body.vision_model_output)
        scores, vectors = self.head.scores(x, queries, asked)
        output = GroundedObjectDetectionOutput(
            None, scores, self.head.boxes(x, grid), queries, x.unflatten(1, grid), vectors, body.text_model_output,
            body.vision_model_output,
        )  # fmt: skip
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def find(self, pixel_values: Tensor, queries: Tensor, **options: Any) -> dict[str, Tensor]:
        """logits (B,N,Q) and pred_boxes (B,N,4) of queries (Q,E) that were read before, the same for all pictures."""
        x, grid = self.patches(pixel_values, self.backbone.vision_model(pixel_values, return_dict=True, **options))
        return {"logits": self.head.scores(x, queries)[0], "pred_boxes": self.head.boxes(x, grid)}

    def image_guided_detection(
        self, pixel_values: Tensor, query_pixel_values: Tensor | None = None, *, return_dict: bool | None = None,
        **options: Any,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """What looks like the object that fills most of another picture.

        Args:
            pixel_values, query_pixel_values: (B,C,H,W) each.

        Raises: ValueError if they are not as many.
        """
        if query_pixel_values is None or len(query_pixel_values) != len(pixel_values):
            raise ValueError(
                "image_guided_detection takes query_pixel_values, a picture of an object for each picture."
            )
        tower = self.backbone.vision_model
        y, own = self.patches(query_pixel_values, tower(query_pixel_values, return_dict=True))
        seen = tower(pixel_values, return_dict=True, **options)
        x, grid = self.patches(pixel_values, seen)
        query, boxes = self.head.object_in(y, own)
        scores, vectors = self.head.scores(x, query)
        output = ImageGuidedObjectDetectionOutput(
            scores, x.unflatten(1, grid), y.unflatten(1, own), self.head.boxes(x, grid), boxes, vectors,
            vision_model_output=seen,
        )  # fmt: skip
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def patches(self, pixels: Any, seen: Any) -> tuple[Tensor, tuple[int, int]]:
        """Vectors (B,N,D) of the patches of pictures, and how many are on top of and beside each other."""
        tower = self.backbone.vision_model
        return self.head.patches(tower.norm(seen.last_hidden_state)), tower.embed.patch.grid(pixels)


class OwlViTModel(CLIPModel):
    config_class = OwlViTConfig
    base_model_prefix = "owlvit"
    towers = (OwlViTTextModel, OwlViTVisionModel)
    projects = False
    keys = together(
        {name: name for name in ("text_projection", "visual_projection", "logit_scale")}, TEXT, PICTURES, "owlvit."
    )
    heads = {
        "ForObjectDetection": Head(
            QueryDetector,
            {
                "class_head.dense0": "classes",
                "class_head.logit_shift": "shift",
                "class_head.logit_scale": "scale",
                "box_head.dense0": "box.0",
                "box_head.dense1": "box.2",
                "box_head.dense2": "box.4",
                "layer_norm": "norm",
            },
            model=OwlViTDetector,
        )
    }
