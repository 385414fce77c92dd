"""Backbones: bodies that give the maps of their stages, which models of boxes, masks and depth are built on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..config import Config
from ..errors import nearest, short
from ..heads.base import TaskHead
from ..keymap import KeyMap, Rule
from ..layers.norm import MapNorm
from ..layers.observe import note, observing
from ..layers.patches import as_map, check_pixels
from ..outputs import BackboneOutput, ModelOutput
from .task import Head
from .text import wished
from .vision import VisionModel, VisionTaskModel


class BackboneConfig(Config):
    """A config of a family that has a backbone: which of its stages that gives, by name or by number."""

    out_features: list | None = None
    out_indices: list | tuple | None = None  # of stage_names; the last if neither is given
    stage_names: list | None = None

    def all_stages(self) -> list[str]:
        """Names of what a backbone can give, in order: "stem", "stage1" …"""
        depths = getattr(self, "depths", None)
        count = getattr(self, "num_hidden_layers", 0) if depths is None else len(depths)
        return ["stem", *(f"stage{i + 1}" for i in range(count))]

    def chosen(self) -> list[str]:
        """Names of what it gives. Raises: ValueError for a stage that it does not have."""
        stages = self.all_stages()
        if self.out_features is not None:
            unknown = next((name for name in self.out_features if name not in stages), None)
            if unknown is not None:
                raise ValueError(
                    f"out_features={short(unknown)} is no stage; the nearest are {nearest(unknown, stages)}."
                )
            return [name for name in stages if name in self.out_features]
        indices = [-1] if self.out_indices is None else self.out_indices
        wrong = next((i for i in indices if not -len(stages) <= i < len(stages)), None)
        if wrong is not None:
            raise ValueError(f"out_indices={short(wrong)} is no stage; there are {len(stages)}: {', '.join(stages)}.")
        return [stages[i] for i in sorted(i % len(stages) for i in indices)]


class StagedModel(VisionModel):
    """A body whose stages each read the map of the one before. A family gives `stem`, `stages` and `widths`."""

    stages: nn.ModuleList
    widths: dict[str, int]  # C of what leaves the stem and each stage

    def stem(self, pixels: Tensor) -> Tensor:
        """(B,C,H,W) -> (B,C',h,w)"""
        return self.get_submodule("embed")(pixels)

    def maps(self, pixels: Tensor) -> dict[str, Tensor]:
        """What leaves the stem and each stage, (B,C,h,w)."""
        found = [self.stem(pixels)]
        note("hidden_states", found[-1])
        for stage in self.stages:
            found.append(stage(found[-1]))
            note("hidden_states", found[-1])
        return dict(zip(self.widths, found, strict=True))

    def encode(self, pixels: Tensor) -> Tensor:
        return list(self.maps(pixels).values())[-1]


def maps_of(
    c: Any, states: Iterable[Tensor], tokens: int, grid: tuple[int, int], norm: Any = None
) -> dict[str, Tensor]:
    """The states (B,K+N,D) of a ViT that a config names: as maps (B,D,h,w) of patches, which K tokens are before, or as
    they are if they are not reshaped."""
    chosen = {name: x for name, x in zip(c.all_stages(), states, strict=True) if name in c.chosen()}
    chosen = chosen if norm is None else {name: norm(x) for name, x in chosen.items()}
    return {name: as_map(x[:, tokens:], grid) for name, x in chosen.items()} if c.reshape_hidden_states else chosen


class FeatureMaps(TaskHead):
    """the maps (B,C,H,W) of chosen stages; with `norms`, each normalised by a layer of its own."""

    output = BackboneOutput
    targets = ()

    def __init__(self, config: BackboneConfig, *, norms: bool = False, eps: float = 1e-5):
        super().__init__(config)
        self.norms = nn.ModuleDict()
        self.wants_norms, self.eps = norms, eps

    def prepare(self, widths: Mapping[str, int]) -> None:
        chosen = self.config.chosen()
        if self.wants_norms:
            self.norms.update({name: MapNorm(widths[name], self.eps) for name in chosen})

    def forward(self, maps: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Of the maps of all stages those of the chosen ones."""
        return tuple(self.norms[name](maps[name]) if self.wants_norms else maps[name] for name in self.config.chosen())


class BackboneModel(VisionTaskModel):
    """A body that gives maps: it has `maps(pixels)`, {stage: (B,C,H,W)}, and `widths`, the C of each stage."""

    head: FeatureMaps
    backbone: Any

    def __init__(self, config: BackboneConfig, **body: Any):
        super().__init__(config, **body)
        self.head.prepare(self.backbone.widths)

    @property
    def channels(self) -> list[int]:
        """C of each of the maps that it gives."""
        return [self.backbone.widths[name] for name in self.config.chosen()]

    @property
    def out_features(self) -> list[str]:
        return self.config.chosen()

    def forward(  # type: ignore[override]
        self, pixel_values: Tensor, *, output_hidden_states: bool | None = None, output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """The maps of the chosen stages of pictures (B,C,H,W), as `feature_maps`."""
        check_pixels(pixel_values)
        with observing(*wished(self.config, output_attentions, output_hidden_states)) as notes:
            found = self.features(pixel_values)
        output = BackboneOutput(found, **{kind: tuple(tensors) for kind, tensors in notes.items()})
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def features(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The maps of the chosen stages."""
        return self.head(self.backbone.maps(pixels))


@dataclass(frozen=True)
class AnyConfig:
    """Reads the config of a part that may be of any family.

    Args:
        model_type: of one that names none.
        defaults: its fields where nothing is given.
    """

    model_type: str
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def from_dict(self, fields: Mapping[str, Any]) -> Config:
        """Raises: ValueError for a family that qkv does not have."""
        from .. import auto

        fields = dict(fields or self.defaults)
        return auto.body_class(fields.get("model_type", self.model_type)).config_class.from_dict(fields)


def backbone_head(
    keys: Mapping[str, Rule] | None = None, prefix: str = "", body: Mapping[str, Any] | None = None,
    cls: type[FeatureMaps] = FeatureMaps, **options: Any,
) -> Head:  # fmt: skip
    """The row "Backbone" of a family's `heads`."""
    return Head(cls, keys or {}, options, body or {}, prefix=prefix, model=BackboneModel)


def backbone_of(config: Any, default: str = "") -> BackboneModel:
    """The backbone that a config's backbone_config describes, with fresh weights.

    Raises: ValueError for a family that has none.
    """
    from .. import auto

    config = config if isinstance(config, Config) else AnyConfig(default).from_dict(config)
    return auto.AutoBackbone.for_config(config)(config)


def check_no_name(config: Any) -> None:
    """Raises: ValueError for a config that only names its backbone, as 4.x allowed: a name alone is no network."""
    name = getattr(config, "backbone", None)
    if name is not None:
        raise ValueError(
            f"config.json names a backbone, {short(name)}, and does not describe it. Give the config of that model as "
            f"backbone_config, such as qkv.ResNetConfig(out_indices=[1, 2, 3, 4]), and backbone=None."
        )


class BackboneBody(VisionModel):
    """A body that is nothing but the backbone that its config's backbone_config describes; heads read its maps."""

    def __init__(self, config: Any):
        check_no_name(config)
        super().__init__(config)
        self.model = backbone_of(config.backbone_config)
        self.keys = KeyMap({}).holding("backbone", "model", self.model.keys)

    def encode(self, pixels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        maps = self.model.features(pixels)
        return maps[-1], maps

    def get_input_embeddings(self) -> nn.Module:
        return self.model.backbone.get_input_embeddings()
