"""Models that match pictures with words: two towers, and how the vectors that they give are compared.

Shapes: B pictures, Q texts, T tokens, E of the vectors that are compared.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from ..config import Config
from ..keymap import KeyMap, Rule
from ..outputs import ImageTextOutput, ModelOutput
from .base import PreTrainedModel
from .task import BaseModel
from .towers import POSITIONS, PictureTower, TextTower, TowerConfig
from .vision import VisionTaskModel

PARTS = ("text_config", "vision_config")


def together(
    own: Mapping[str, Rule], text: Mapping[str, Rule], pictures: Mapping[str, Rule], prefix: str = ""
) -> KeyMap:
    """The names of a model of both towers, `own` of what it has beside them; `prefix` as of a KeyMap."""
    keys = KeyMap(own, prefix=prefix)
    for part, table in (("text_model", text), ("vision_model", pictures)):
        keys = keys.holding(part, part, KeyMap(table, ignored=POSITIONS))
    return keys


class MatchingConfig(Config):
    """The configs of two towers, `text_config` and `vision_config`, given as such or as dictionaries."""

    classes: ClassVar[tuple[type[TowerConfig], type[TowerConfig]]]  # of the towers

    text_config: Config | None = None
    vision_config: Config | None = None
    initializer_factor: float = 1.0

    def __init__(self, **values: Any):
        for name in PARTS:
            older = values.pop(f"{name}_dict", None)  # of the oldest files, where it counts
            values[name] = older or values.get(name) or {}
        super().__init__(**values)

    @classmethod
    def from_text_vision_configs(cls, text_config: Config, vision_config: Config, **fields: Any) -> Any:
        """The config of two towers."""
        return cls(text_config=text_config, vision_config=vision_config, **fields)

    @property
    def hidden_size(self) -> int:
        """The width of the tower of pictures, which heads are put on."""
        return self.vision_config.hidden_size  # type: ignore[union-attr]

    def _checked(self, name: str, value: Any) -> Any:
        if name in PARTS and isinstance(value, dict):
            value = self.classes[PARTS.index(name)].from_dict(value)
        return super()._checked(name, value)

    def to_dict(self) -> dict[str, Any]:
        made = super().to_dict()
        for name in PARTS:
            if isinstance(made[name], Config):  # not as it was read
                made[name] = made[name].to_dict()
                made.pop(f"{name}_dict", None)
        return made


class PictureTaskModel(VisionTaskModel):
    """The tower of pictures of a model of two, and a head."""

    backbone_class: ClassVar[type["MatchingModel"]]  # type: ignore[assignment]

    def __init__(self, config: MatchingConfig):
        PreTrainedModel.__init__(self, config)
        self.backbone = self.backbone_class.towers[1](config.vision_config)
        self.head = self.head_spec.cls(config, **self.head_spec.options)
        self.keys = self.backbone.keys.headed(self.head_spec.keys)


class MatchingModel(BaseModel):
    """Two towers. A family gives their classes, and what it has beside them: projections to E, and `scores`."""

    towers: ClassVar[tuple[type[TextTower], type[PictureTower]]]
    loss: ClassVar[Callable[[Tensor], Tensor]]  # of the scores of pairs (B,B)
    projects: ClassVar[bool] = True  # whether what a tower pooled is given as it is compared
    exclusive: ClassVar[bool] = True  # whether one text fits a picture; else each is judged by itself
    text_options: ClassVar[Mapping[str, Any]] = {"padding": True}  # of the tokenizer, as texts were in training
    scores: Callable[[Tensor, Tensor], Tensor]  # vectors of texts (Q,E), of pictures (B,E), of length 1 -> (Q,B)

    def __init__(self, config: Any):
        super().__init__(config)
        self.text_model = self.towers[0](config.text_config)
        self.vision_model = self.towers[1](config.vision_config)
        self.text_projection: nn.Module = nn.Identity()
        self.visual_projection: nn.Module = nn.Identity()

    @classmethod
    def task_model(cls) -> type[PictureTaskModel]:
        return PictureTaskModel

    @property
    def max_tokens(self) -> int | None:
        return self.text_model.max_tokens

    def get_input_embeddings(self) -> Any:
        return self.text_model.get_input_embeddings()

    def set_input_embeddings(self, embeddings: nn.Embedding) -> None:
        self.text_model.set_input_embeddings(embeddings)

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Embedding:
        """Give the token table another number of rows; new rows start as the mean of the old ones."""
        return self.text_model.resize_token_embeddings(*args, **kwargs)

    def get_text_features(
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, **options: Any
    ) -> Tensor:
        """The vectors of texts (Q,E), not of length 1; also as `.pooler_output` of the result, as 5.x has it."""
        return features(self.text_projection, self.text_model(input_ids, attention_mask, return_dict=True, **options))

    def get_image_features(self, pixel_values: Tensor | None = None, **options: Any) -> Tensor:
        """The vectors of pictures (B,E), not of length 1; also as `.pooler_output` of the result, as 5.x has it."""
        return features(self.visual_projection, self.vision_model(pixel_values, return_dict=True, **options))

    def forward(
        self, input_ids: Tensor | None = None, pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None, position_ids: Tensor | None = None, return_loss: bool | None = None,
        *, interpolate_pos_encoding: bool | None = None, return_dict: bool | None = None, **observed: Any,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """How well each text fits each picture.

        Args:
            input_ids, attention_mask, position_ids: texts (Q,T), as the family's processor makes them.
            pixel_values: pictures (B,C,H,W).
            return_loss: whether text i belongs to picture i, so that there is a loss.
            interpolate_pos_encoding: as of the tower of pictures.
            output_attentions, output_hidden_states, return_dict: as the config says if None.

        Raises: ValueError if one of the two is not given, or the inputs do not fit.
        """
        if input_ids is None or pixel_values is None:
            raise ValueError(
                f"{type(self).__name__} compares pictures with texts: give input_ids and pixel_values. For one of "
                f"them alone call get_text_features() or get_image_features()."
            )
        for name in ("output_attentions", "output_hidden_states"):
            observed[name] = getattr(self.config, name) if observed.get(name) is None else observed[name]
        pictures = self.vision_model(
            pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, return_dict=True, **observed
        )
        texts = self.text_model(input_ids, attention_mask, position_ids, return_dict=True, **observed)
        output = self.compared(texts, pictures, bool(return_loss))
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def compared(self, texts: Any, pictures: Any, wants_loss: bool) -> ModelOutput:
        """The output for what the towers gave."""
        check_pooled(pictures)
        text, image = self.text_projection(texts.pooler_output), self.visual_projection(pictures.pooler_output)
        if self.projects:
            texts.pooler_output, pictures.pooler_output = text, image
        text, image = unit(text), unit(image)
        scores, loss = self.scores(text, image), None  # (Q,B)
        if wants_loss:
            if scores.shape[0] != scores.shape[1]:
                raise ValueError(
                    f"return_loss=True takes a text for each picture, got {len(text)} texts and {len(image)} pictures."
                )
            loss = type(self).loss(scores)
        return ImageTextOutput(loss, scores.mT, scores, text, image, texts, pictures)


def check_pooled(output: Any) -> None:
    if output.get("pooler_output") is None:
        raise ValueError("a tower without a pooler (vision_use_head=False in its config) gives no vectors to compare.")


def unit(x: Tensor) -> Tensor:
    """Vectors (...,E) of length 1."""
    return x / x.square().sum(-1, keepdim=True).sqrt()


def features(projection: nn.Module, output: Any) -> Tensor:
    """A tensor, as 4.x gives it, that also answers as the output that 5.x gives.

    Raises: ValueError for a tower that pools nothing.
    """
    check_pooled(output)
    made: Any = projection(output.pooler_output)
    made.pooler_output = made.view_as(made)
    made.hidden_states, made.attentions = output.hidden_states, output.attentions
    return made
