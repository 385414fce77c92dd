"""Bodies and heads: what a family says of its tasks, and the public classes that follow from it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..backends.cpu.unpadded import allowed, unpadded
from ..config import Config
from ..errors import short
from ..generation.mixin import GenerationMixin
from ..heads import CausalLM, TaskHead
from ..heads.base import IGNORED
from ..keymap import Rule
from ..outputs import ModelOutput
from .base import Initialised, PreTrainedModel


@dataclass(frozen=True)
class Head:
    """What a family says of one task: which head, where its weights are published, and how it is built.

    Args:
        cls: from `heads`, built as cls(config, **options).
        keys: published path -> path in the head.
        options, body: keyword arguments of the head and of the body.
        tied: path in the head -> path in the body of the weight it shares.
        ignored: published names that files of this task carry and no model needs.
        prefix: what files of this task put before the body's names, if not what the family's others do.
        name: of the public class, if it is not the body's with the task in place of Model.
        model: what holds body and head, if not what the family's other tasks do.
    """

    cls: type[TaskHead]
    keys: Mapping[str, Rule]
    options: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    tied: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    prefix: str | None = None
    name: str = ""
    model: "type[TaskModel] | None" = None


class BaseModel(PreTrainedModel):
    """The body of a family. Its `heads` table, {"ForSequenceClassification": Head(...)}, becomes public classes of the
    family's module: BertForSequenceClassification and so on."""

    heads: ClassVar[Mapping[str, Head]] = {}
    caches: ClassVar[bool] = False  # whether it has `use_cache`

    @classmethod
    def task_model(cls) -> "type[TaskModel]":
        return TaskModel

    @classmethod
    def class_name(cls, suffix: str) -> str:
        """The public class of a task of `heads`: "ForMaskedLM" of BertModel is BertForMaskedLM."""
        return cls.heads[suffix].name or cls.__name__.removesuffix("Model") + suffix

    @property
    def is_plain_decoder(self) -> bool:
        """Whether a backend may run its parts as one: see `CausalModel`."""
        return False

    @property
    def max_tokens(self) -> int | None:
        """How long a text can be, by the table of positions; None where nothing bounds it."""
        table = getattr(self._modules["embed"], "position", None)  # not by path, since each step asks
        return None if table is None else table.num_embeddings - self.reserved_positions

    def wants_cache(self, asked: bool | None) -> bool:
        """Whether a call makes a cache: as the config says if None, but not where blocks are computed twice."""
        if asked is not None or not self.training or not torch.is_grad_enabled():
            return self.config.use_cache if asked is None else asked
        return self.config.use_cache and not self.is_gradient_checkpointing

    def get_input_embeddings(self) -> Any:
        return getattr(self._modules["embed"], "token", None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__name__.endswith("Model"):
            return  # a part that families share
        for suffix, head in cls.heads.items():
            summary = (head.cls.__doc__ or "a head").splitlines()[0]
            names = {
                "__module__": cls.__module__,
                "__doc__": f"{cls.__name__.removesuffix('Model')} with {summary}",
                "backbone_class": cls,
                "head_spec": head,
                "config_class": cls.config_class,
                "base_model_prefix": cls.base_model_prefix,
                "keys": cls.keys.headed(head.keys, head.ignored, head.prefix),
                "tied": {f"head.{name}": f"backbone.{source}" for name, source in head.tied.items()},
            }
            model = head.model or cls.task_model()
            bases = (GenerationMixin, model) if head.cls.generates else (model,)
            made = Initialised(cls.class_name(suffix), bases, names)
            setattr(sys.modules[cls.__module__], made.__name__, made)


class TaskModel(PreTrainedModel):
    """A body and the head of a task."""

    backbone_class: ClassVar[type[BaseModel]]
    head_spec: ClassVar[Head]

    def __init__(self, config: Config, **body: Any):
        super().__init__(config)
        self.backbone = self.make_body(config, **{**self.head_spec.body, **body})
        self.head = self.head_spec.cls(config, **self.head_spec.options)
        if "keys" in vars(self.backbone):  # the body's names depend on its config
            self.keys = self.backbone.keys.headed(self.head_spec.keys, self.head_spec.ignored, self.head_spec.prefix)

    def make_body(self, config: Any, **options: Any) -> BaseModel:
        return self.backbone_class(config, **options)

    @property
    def base_model(self) -> BaseModel:
        return self.backbone

    def draw(self, layer: Any, name: str) -> None:
        self.backbone.draw(layer, name)

    @property
    def is_plain_decoder(self) -> bool:
        """Whether a backend may run body and head as one: see `CausalModel`."""
        untouched = type(self).forward is TaskModel.forward and type(self.head).forward is CausalLM.forward
        return untouched and self.backbone.is_plain_decoder

    def forward(
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, *,
        logits_to_keep: int | Tensor = 0, return_dict: bool | None = None, **inputs: Any,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """As the body's, and `labels` for a loss, or what the head names in `targets`; gives the head's `output`.

        Args:
            logits_to_keep: scores of so many last tokens only, or of the tokens with these indices; of all if 0. Of
                those where a mask (B,T) of bools is true: (1,N,V), row after row.
        """
        targets = self.take_targets(inputs)
        if input_ids is not None and not isinstance(input_ids, Tensor):
            raise ValueError(f"input_ids must be a tensor, got {short(input_ids)}; give torch.tensor(input_ids).")
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, **inputs}
        choices = 0
        if self.head.chooses:
            choices, inputs = flatten_choices(inputs)
        inputs = self.complete(inputs, targets)
        named = {name: value for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}
        head, spare = self.head, allowed() is not False  # what the loss does not read
        read = head.reads(inputs, targets) if spare else None
        with unpadded(False if read is None else read):
            body = self.backbone(inputs["input_ids"], inputs["attention_mask"], return_dict=True, **named)
        x = body.last_hidden_state
        if spare and head.by_token and "labels" in targets and targets["labels"].shape == x.shape[:2]:
            rows = (targets["labels"] != IGNORED).flatten().nonzero()[:, 0]
            body.last_hidden_state = x.flatten(0, 1).index_select(0, rows)[None]
            targets["labels"] = targets["labels"].flatten()[rows][None]
        elif not isinstance(logits_to_keep, int) or (logits_to_keep and logits_to_keep < x.shape[1]):
            kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            body.last_hidden_state = x[kept][None] if isinstance(kept, Tensor) and kept.dim() == 2 else x[:, kept]
        return self.scored(body, inputs, targets, return_dict, choices)

    def take_targets(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """What is for the loss, taken out of `inputs`; labels as the head scores tokens."""
        targets = {name: inputs.pop(name) for name in self.head.targets if name in inputs}
        targets = {name: value for name, value in targets.items() if value is not None}
        for name, value in targets.items():
            if not isinstance(value, self.head.target_type):
                tensor = self.head.target_type is Tensor
                hint = (
                    f"a tensor, got {short(value)}; give torch.tensor({name})"
                    if tensor
                    else (f"a list with an element for each picture, got {short(value)}")
                )
                raise ValueError(f"{name} must be {hint}.")
        if "labels" in targets:
            targets["labels"] = self.head.aligned(targets["labels"])
        return targets

    def scored(
        self, body: ModelOutput, inputs: dict[str, Any], targets: dict[str, Any], return_dict: bool | None,
        choices: int = 0,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """The head's output: its scores, a loss if there are targets, and what the body noted."""
        head = self.head
        found = head(body, inputs)
        scores = {"logits": found.view(-1, choices) if choices else found} if isinstance(found, Tensor) else found
        loss = head.total_loss(scores, targets, inputs) if targets else None
        fields = head.output.__dataclass_fields__
        found = {"loss": loss, **vars(body), **scores}
        output = head.output(**{name: value for name, value in found.items() if name in fields})
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def complete(self, inputs: dict[str, Any], targets: dict[str, Tensor]) -> dict[str, Any]:
        """Inputs of the body that follow from others: where there are targets, nothing is generated, from no cache."""
        return {"use_cache": False, **inputs} if targets and self.backbone.caches else inputs


def flatten_choices(inputs: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """C, and inputs (B,C,T) as (B*C,T). Raises: ValueError if they are not of that shape."""
    tensors = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
    main = next((tensors[name] for name in ("input_ids", "inputs_embeds") if name in tensors), None)
    if main is None or main.dim() != (3 if "input_ids" in tensors else 4):
        got = "nothing" if main is None else f"shape {tuple(main.shape)}"
        raise ValueError(f"multiple choice takes inputs (B,C,T), C texts to choose from; got {got}.")
    flat = {name: value.flatten(0, 1) for name, value in tensors.items() if value.dim() >= 3}
    return main.shape[1], {**inputs, **flat}
