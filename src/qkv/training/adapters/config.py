"""LoraConfig: what an adapter is, with the fields of PEFT's adapter_config.json."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any

from ...errors import nearest, short


class TaskType(str, Enum):
    """What a model with an adapter does: heads on classes are trained and saved with it."""

    SEQ_CLS = "SEQ_CLS"
    SEQ_2_SEQ_LM = "SEQ_2_SEQ_LM"
    CAUSAL_LM = "CAUSAL_LM"
    TOKEN_CLS = "TOKEN_CLS"
    QUESTION_ANS = "QUESTION_ANS"
    FEATURE_EXTRACTION = "FEATURE_EXTRACTION"


HEADS = {"SEQ_CLS": ("classifier", "score"), "TOKEN_CLS": ("classifier", "score"), "QUESTION_ANS": ("qa_outputs",)}
# Fields of PEFT that change what is computed and that qkv does not have; their neutral values are accepted.
REFUSED = (
    "lora_bias", "trainable_token_indices", "target_parameters", "layer_replication", "alora_invocation_tokens",
    "use_qalora", "use_bdlora", "arrow_config", "kasa_config", "velora_config", "monteclora_config", "megatron_config",
    "ensure_weight_tying",
)  # fmt: skip
# Fields that say how PEFT made the weights, or nothing.
IGNORED = (
    "auto_mapping", "peft_type", "peft_version", "loftq_config", "eva_config", "corda_config", "lora_ga_config",
    "qalora_group_size", "megatron_core", "runtime_config",
)  # fmt: skip


@dataclass
class LoraConfig:
    """An adapter. Fields and defaults are PEFT's.

    Args:
        r: the rank.
        lora_alpha: B A is multiplied by lora_alpha / r, or by lora_alpha / sqrt(r) with `use_rslora`.
        lora_dropout: of what enters A, in training.
        target_modules: a list of names, published ("query", "output.dense") or qkv's ("q_proj", "mlp.up_proj"), each
            the end of a path; a regular expression of a whole published path; or "all-linear": all linear layers but
            the head. The projections of queries and values if None. Of a layer that is published fused, such as
            GPT-2's c_attn, the parts share one A; named by qkv's names each has its own.
        exclude_modules: a list of names, or a regular expression, of modules that are none.
        layers_to_transform, layers_pattern: numbers of the blocks that get adapters; what a list of blocks is called.
        modules_to_save: modules that are trained whole and saved with the adapter, by the ends of published names.
            With a task_type SEQ_CLS, TOKEN_CLS or QUESTION_ANS the head is one.
        use_dora: learn the lengths of the rows too.
        rank_pattern, alpha_pattern: other values of r and lora_alpha, by regular expressions of the end of a path.
        init_lora_weights: True: B is zero, so that nothing changes at first; "gaussian": A is normal with 1/r;
            False: B is random too.
        bias: only "none": biases stay frozen.

    Raises: TypeError for a field that is none, ValueError for a value that is not supported.
    """

    r: int = 8
    lora_alpha: float = 8
    target_modules: Sequence[str] | set[str] | str | None = None
    lora_dropout: float = 0.0
    task_type: str | TaskType | None = None
    bias: str = "none"
    modules_to_save: Sequence[str] | None = None
    exclude_modules: Sequence[str] | set[str] | str | None = None
    use_dora: bool = False
    use_rslora: bool = False
    init_lora_weights: bool | str = True
    rank_pattern: dict[str, int] = field(default_factory=dict)
    alpha_pattern: dict[str, float] = field(default_factory=dict)
    layers_to_transform: Sequence[int] | int | None = None
    layers_pattern: Sequence[str] | str | None = None
    fan_in_fan_out: bool = False  # written for weights published as (in, out); nothing needs to be said
    base_model_name_or_path: str | None = None
    revision: str | None = None
    inference_mode: bool = False

    def __init__(self, **values: Any):
        known = {one.name: one for one in fields(type(self))}
        for name, one in known.items():
            default = one.default_factory() if callable(one.default_factory) else one.default
            setattr(self, name, values.pop(name, default))
        for name, value in values.items():
            if name in REFUSED and value:
                raise ValueError(f"{name}={short(value)} of PEFT is not in qkv. Train without it: {name}=None.")
            if name not in (*REFUSED, *IGNORED):
                close = nearest(name, [*known, *REFUSED])
                raise TypeError(f"LoraConfig has no argument {short(name)}; the nearest are {close}.")
        self._check()

    def _check(self) -> None:
        for name, value in {"r": self.r, **self._patterns(self.rank_pattern, "rank_pattern")}.items():
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 2**16:
                raise ValueError(f"{name} is {short(value)}; a rank is a whole number from 1, such as 8.")
        alphas = {"lora_alpha": self.lora_alpha, **self._patterns(self.alpha_pattern, "alpha_pattern")}
        for name, value in alphas.items():
            if not isinstance(value, int | float) or value != value:
                raise ValueError(f"{name} is {short(value)}; expected a number, such as 16.")
        if not isinstance(self.lora_dropout, int | float) or not 0 <= self.lora_dropout < 1:
            raise ValueError(f"lora_dropout is {short(self.lora_dropout)}; expected a number from 0 to below 1.")
        if self.bias != "none":
            raise ValueError(f"bias={short(self.bias)} is not in qkv: biases of the base stay as they are. Say 'none'.")
        if self.init_lora_weights not in (True, False, "gaussian", "eva"):
            raise ValueError(
                f"init_lora_weights={short(self.init_lora_weights)} is not in qkv: True, False and 'gaussian' are. An "
                "adapter that PEFT made so fits a base with changed weights; in PEFT, convert it to plain LoRA first."
            )
        self._check_task()
        for name in ("target_modules", "exclude_modules", "modules_to_save", "layers_pattern"):
            self._check_names(name)

    def _check_task(self) -> None:
        task = self.task_type.value if isinstance(self.task_type, TaskType) else self.task_type
        if task is not None and task not in TaskType.__members__:
            close = nearest(task, TaskType.__members__)
            raise ValueError(f"task_type={short(task)} is unknown; the nearest are {close}.")
        self.task_type = task

    def _check_names(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, str) and name in ("target_modules", "exclude_modules") and value != "all-linear":
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(
                    f"{name}={short(value)} is no regular expression ({error}). Give a list of names."
                ) from None
        elif isinstance(value, Collection) and not isinstance(value, str):
            if not all(isinstance(one, str) and one for one in value):
                raise ValueError(f"{name} is {short(value)}; expected a list of names, such as ['query', 'value'].")
            setattr(self, name, sorted(value) if isinstance(value, set) else list(value))
        elif value is not None and not isinstance(value, str):
            raise ValueError(f"{name} is {short(value)}; expected a list of names.")

    def _patterns(self, patterns: object, name: str) -> dict[str, Any]:
        if not isinstance(patterns, Mapping):
            raise ValueError(f"{name} is {short(patterns)}; expected regular expressions and values, {{'q_proj': 4}}.")
        for key in patterns:
            try:
                re.compile(key)
            except (re.error, TypeError):
                raise ValueError(f"{name} has {short(key)}, which is no regular expression of a path.") from None
        return {f"{name}[{short(key)}]": value for key, value in patterns.items()}

    @property
    def whole(self) -> list[str]:
        """modules_to_save, with the heads of the task."""
        given = list(self.modules_to_save or ())
        return given + [name for name in HEADS.get(str(self.task_type), ()) if name not in given]

    def rank_of(self, names: Sequence[str]) -> int:
        """r of a layer that has these paths."""
        return _matched(self.rank_pattern, names, self.r)

    def alpha_of(self, names: Sequence[str]) -> float:
        """lora_alpha of a layer that has these paths."""
        return _matched(self.alpha_pattern, names, self.lora_alpha)

    def to_dict(self) -> dict[str, Any]:
        """What adapter_config.json has."""
        return {**asdict(self), "peft_type": "LORA", "auto_mapping": None, "modules_to_save": self.whole or None}

    @classmethod
    def from_dict(cls, published: dict[str, Any]) -> "LoraConfig":
        """The config that an adapter_config.json describes; fields of a later PEFT that say nothing are left out.

        Raises: ValueError for another method than LoRA, or what qkv does not compute.
        """
        kind = published.get("peft_type", "LORA")
        if kind != "LORA":
            raise ValueError(f"adapter_config.json is of the method {short(kind)}; qkv has LoRA and DoRA ('LORA').")
        own = {one.name for one in fields(cls)}
        unknown = [name for name, value in published.items() if value and name not in (*own, *REFUSED, *IGNORED)]
        if unknown:
            raise ValueError(
                f"adapter_config.json sets {short(unknown[0])}, which qkv does not know, so the numbers might be "
                "wrong. Remove it from the file if it changes nothing."
            )
        return cls(**{name: value for name, value in published.items() if name in own or name in REFUSED})


def _matched(patterns: Mapping[str, Any], names: Sequence[str], default: Any) -> Any:
    found = (value for key, value in patterns.items() if any(re.match(rf"(.*\.)?({key})$", name) for name in names))
    return next(found, default)
