"""The backbone of detectors, a ResNet or another, which stays as it was trained; and the config that names it."""

from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..errors import nearest, short
from ..keymap import KeyMap, Rule
from ..layers.published import Named
from .backbone import backbone_of

# The ResNets of timm that detectors are published with: kind of block, depths, widths.
RESNETS = {
    "resnet18": ("basic", (2, 2, 2, 2), (64, 128, 256, 512)),
    "resnet34": ("basic", (3, 4, 6, 3), (64, 128, 256, 512)),
    "resnet50": ("bottleneck", (3, 4, 6, 3), (256, 512, 1024, 2048)),
    "resnet101": ("bottleneck", (3, 4, 23, 3), (256, 512, 1024, 2048)),
    "resnet152": ("bottleneck", (3, 8, 36, 3), (256, 512, 1024, 2048)),
}


def timm_names() -> dict[str, Rule]:
    """Their names of a ResNet -> ours."""
    found: dict[str, Rule] = {"conv1": "embed.conv", "bn1": "embed.norm"}
    for stage in range(4):
        theirs, ours = f"layer{stage + 1}.{{}}", f"stages.{stage}.{{}}"
        found |= {f"{theirs}.conv{i + 1}": f"{ours}.convs.{i}.conv" for i in range(3)}
        found |= {f"{theirs}.bn{i + 1}": f"{ours}.convs.{i}.norm" for i in range(3)}
        found |= {f"{theirs}.downsample.0": f"{ours}.shortcut.conv", f"{theirs}.downsample.1": f"{ours}.shortcut.norm"}
    return found


class BackedConfig(Config):
    """A config that describes the backbone of its model; given as a Config, it is kept as a dictionary."""

    backbone_config: dict | None = None
    is_timm: ClassVar[bool] = False  # whether the backbone's weights have timm's names
    dilates: ClassVar[bool] = False  # whether the backbone's last stage looks further in place of halving its map
    num_channels: int = 3
    places: ClassVar[tuple[str, ...]] = ("backbone.conv_encoder.model", "backbone.model")
    """What stands before the backbone's names; the first is written."""

    def _checked(self, name: str, value: Any) -> Any:
        if name == "backbone_config" and isinstance(value, Config):
            value = value.to_dict()
        return super()._checked(name, value)

    def backbone_fields(self) -> dict[str, Any]:
        """The config of the backbone, with `model_type`."""
        raise NotImplementedError

    def trained(self, name: str) -> bool:
        """Whether a weight of the backbone is trained."""
        return True

    @property
    def freezes_norms(self) -> bool:
        return True


def said(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a detector as both generations read them: 4.57.6 writes a dilation of None, at which 5.x fails."""
    return fields | ({"dilation": False} if fields.get("dilation", False) is None else {})


class DetectorConfig(BackedConfig):
    """Fields that detectors on a backbone have in common, as DETR has them.

    Without a backbone_config the backbone is a ResNet of timm, `backbone`, whose names its files then have.
    """

    aliases = {
        "d_model": "hidden_size",
        "encoder_attention_heads": "num_attention_heads",
        "encoder_layers": "num_hidden_layers",
        "init_std": "initializer_range",
    }
    first_stage: ClassVar[int] = 1  # of the backbone's that it reads

    use_timm_backbone: bool | None = None
    backbone: str | None = None
    backbone_kwargs: dict | None = None
    dilation: bool | None = False  # of the last stage of a backbone of timm, in place of its stride; None as False
    num_queries: int = 100
    hidden_size: int = 256
    num_hidden_layers: int = 6
    num_attention_heads: int = 8
    encoder_ffn_dim: int = 2048
    decoder_layers: int = 6
    decoder_attention_heads: int = 8
    decoder_ffn_dim: int = 2048
    activation_function: str = "relu"
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    init_xavier_std: float = 1.0
    auxiliary_loss: bool = False
    position_embedding_type: str = "sine"
    is_encoder_decoder: bool = True
    class_cost: float = 1
    bbox_cost: float = 5
    giou_cost: float = 2
    mask_loss_coefficient: float = 1
    dice_loss_coefficient: float = 1
    bbox_loss_coefficient: float = 5
    giou_loss_coefficient: float = 2
    eos_coefficient: float = 0.1

    def _checked(self, name: str, value: Any) -> Any:
        if name == "backbone_config" and isinstance(value, Config):
            self.use_timm_backbone = False
        return super()._checked(name, value)

    def trained(self, name: str) -> bool:
        """Of a ResNet of timm the last three stages; the reference trains no part of one that is its own."""
        kind = self.backbone_fields()["model_type"]
        return kind != "resnet" or (self.is_timm and name.startswith(tuple(f"backbone.stages.{i}." for i in (1, 2, 3))))

    def to_dict(self) -> dict[str, Any]:
        """As of every config; the fourth generation takes a backbone_config only where these say so, and would fetch
        weights of a backbone that the file holds."""
        found = said(super().to_dict())
        if self._published:
            return found
        return {"use_pretrained_backbone": False} | ({} if self.is_timm else {"backbone": None}) | found

    @property
    def is_timm(self) -> bool:  # type: ignore[override]
        if self.backbone_config is None:
            return self.use_timm_backbone is not False
        return self.backbone_config.get("model_type") == "timm_backbone"

    @property
    def named(self) -> dict[str, Any]:
        """What a config says of a backbone that it names: of timm's by the fifth generation in a backbone_config."""
        return self.backbone_config or {"backbone": self.backbone, **(self.backbone_kwargs or {})}

    @property
    def dilates(self) -> bool:  # type: ignore[override]
        """As in the reference: only one of timm. Raises: ValueError for a stride that no stage has here."""
        stride = self.named.get("output_stride") if self.is_timm else 32
        if stride not in (None, 16, 32):
            raise ValueError(f"output_stride={short(stride)} of the backbone: qkv has 32, and 16 (dilation=True).")
        return self.is_timm and (bool(self.dilation) or stride == 16)

    def backbone_fields(self) -> dict[str, Any]:
        """The config of the backbone, with `model_type`. Raises: ValueError for one of a name that is no ResNet's."""
        if not self.is_timm and (self.backbone_config or self.backbone in (None, "resnet50")):
            return dict(self.backbone_config or {"model_type": "resnet", "out_features": ["stage4"]})
        given, start = self.named, "" if self.is_timm else "microsoft/resnet-"
        name = str(given.get("backbone") or "resnet50")
        known = {one.replace("resnet", start) if start else one: fields for one, fields in RESNETS.items()}
        if name.split(".")[0] not in known:
            raise ValueError(
                f"qkv has no {'timm ' if self.is_timm else ''}backbone {short(name)}; the nearest are "
                f"{nearest(name, known)}. Give a backbone_config, such as qkv.ResNetConfig(out_features=['stage4'])."
            )
        kind, depths, widths = known[name.split(".")[0]]
        fields = {"layer_type": kind, "depths": depths, "hidden_sizes": widths}
        if self.is_timm:
            fields["out_indices"] = list(given.get("out_indices") or range(self.first_stage, 5))
        else:
            fields |= {name: given.get(name) for name in ("out_features", "out_indices")}
        return {"model_type": "resnet", "num_channels": given.get("num_channels") or self.num_channels, **fields}


class FrozenBatchNorm(nn.Module):
    """Batch norm whose statistics and weights stay: a detector's batches are too small for them."""

    def __init__(self, norm: nn.BatchNorm2d):
        super().__init__()
        self.eps = norm.eps
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, getattr(norm, name).detach())

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)  # type: ignore[arg-type]


class FrozenBackbone(Named):
    """A backbone with frozen batch norms: (B,C,H,W) -> its maps"""

    def __init__(self, config: BackedConfig):
        super().__init__()
        self.model = backbone_of(config.backbone_fields())
        self.names, self.places = self.model.keys, config.places
        if config.is_timm:
            self.names = KeyMap({theirs: f"backbone.{rule}" for theirs, rule in timm_names().items()})
            self.places += tuple(f"{place}._backbone" for place in self.places)  # as 4.57.6 wraps it
        if config.freezes_norms:
            for module in list(self.model.modules()):
                for name, child in module.named_children():
                    if isinstance(child, nn.BatchNorm2d):
                        setattr(module, name, FrozenBatchNorm(child))
        for name, parameter in nn.Module.named_parameters(self.model):
            parameter.requires_grad_(config.trained(name))
        if config.dilates:
            _dilate(self.model.backbone.stages[-1])

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return self.model(pixels).feature_maps

    def held_by(self, keys: KeyMap) -> KeyMap:
        """A detector's table with the names of its backbone."""
        counts = [f"{theirs}.num_batches_tracked" for theirs in self.names.rules]
        inner = KeyMap(self.names.rules, ignored=[*self.names.ignored, *counts])
        held, *others = (keys.holding(name, "backbone.model", inner) for name in self.places)
        names = {**held.also, **{theirs: rule for other in others for theirs, rule in other.rules.items()}}
        ignored = held.ignored.union(*(other.ignored for other in others))
        return KeyMap(held.rules, prefix=held.prefix, ignored=ignored, also=names)


def _dilate(stage: Any) -> None:
    """A stage that looks at places two apart in place of halving its map (DC5 of DETR)."""
    for i, block in enumerate(stage.children()):
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
                if i and module.kernel_size == (3, 3):
                    module.dilation = module.padding = (2, 2)
