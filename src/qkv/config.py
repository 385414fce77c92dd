"""Config: the typed view of a checkpoint's config.json.

A family states its fields once, with defaults, in one spelling for all families; `aliases` maps the spelling of the
family's own config.json to it. Keys that qkv does not read are kept and written back; keys that start with an
underscore are dropped unless a family has such a field, because they steer the code of other libraries.
"""

import inspect
import json
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Union, get_args, get_origin

from .errors import nearest, short

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_):
        return lambda cls: cls


TEXTS = "vocab hidden embedding intermediate num_attention_heads num_key_value_heads head_dim max_position_embeddings"
PICTURES = (
    "image patch num_channels num_queries num_detection_tokens num_encoder_blocks hidden_sizes patch_sizes strides"
)
SIZES = f"{TEXTS} {PICTURES} embed_dim sr_ratios num_heads".split()  # fields that are at least 1, some with "_size"
COUNTS = ("_layers", "_depth", "_convs")  # ends of names
MAX_LAYERS = 2000  # the deepest published models have some hundreds; building a million would take hours
MAX_LABELS = 1_000_000
CHANCES = ("dropout", "dropout_prob", "dropout_rate")  # ends of names


@dataclass_transform(kw_only_default=True)
class Config:
    """What a model is: sizes, labels and special token ids, as attributes.

    Raises: TypeError when a value has another type than its field.
    """

    model_type: ClassVar[str] = ""
    aliases: ClassVar[dict[str, str]] = {}  # spelling in this family's config.json -> field
    parts: ClassVar[dict[str, Any]] = {}  # field -> what makes the config of a part of the model by `from_dict`
    _fields: ClassVar[dict[str, tuple[type, ...]]] = {}

    architectures: list | None = None
    id2label: dict | None = None  # {class index: name}; None means two classes, LABEL_0 and LABEL_1
    label2id: dict | None = None
    problem_type: str | None = None  # "regression", "single_label_classification", "multi_label_classification"
    dtype: str | None = None
    pad_token_id: int | None = None
    bos_token_id: int | list | None = None
    eos_token_id: int | list | None = None
    tie_word_embeddings: bool = True
    is_encoder_decoder: bool = False
    initializer_range: float = 0.02
    output_hidden_states: bool = False
    output_attentions: bool = False
    return_dict: bool = True
    use_cache: bool = True

    def __init_subclass__(cls) -> None:
        inherited = (field for base in cls.__mro__[:0:-1] for field in vars(base).get("_fields", {}).items())
        cls._fields = dict(inherited) | _own_fields(cls)
        cls.aliases = cls.aliases | {"torch_dtype": "dtype"}

    def __init__(self, **values: Any) -> None:
        object.__setattr__(self, "extra", {})  # keys no field reads
        object.__setattr__(self, "_published", {})  # config.json as it was read
        object.__setattr__(self, "name_or_path", "")
        for name, value in values.items():
            if (not name.startswith("_") or name in self._fields) and name != "model_type":
                setattr(self, name, value)
        for name in self.parts.keys() - vars(self).keys():
            setattr(self, name, None)

    @classmethod
    def from_dict(cls, published: dict[str, Any], **changes: Any) -> "Self":
        """The config that a parsed config.json describes; `changes` override single fields."""
        config = cls(**published)
        kept = {k: v for k, v in published.items() if not k.startswith("_") or k in cls._fields}
        object.__setattr__(config, "_published", kept)
        config.change(changes)
        return config

    def change(self, changes: dict[str, Any]) -> None:
        """Set fields; new names of labels are turned round too, if `label2id` does not come with them."""
        for name, value in changes.items():
            setattr(self, name, value)
        if changes.get("id2label") is not None and "label2id" not in changes:
            self.label2id = {name: index for index, name in (self.id2label or {}).items()}

    @classmethod
    def from_pretrained(cls, name_or_path: Any, **kwargs: Any) -> "Self":
        """Read config.json from a folder or a Hub repository; other keywords override fields.

        A config.json that names no model_type is taken for this family's.

        Raises: OSError if there is no such repository or file, ValueError if it describes another family.
        """
        from .auto import read_config

        config = read_config(name_or_path, kwargs, cls.model_type or None)
        if not isinstance(config, cls):
            raise ValueError(
                f"{short(config.name_or_path)} holds a {config.model_type!r} model, not {cls.model_type!r}. "
                f"Load it with {type(config).__name__} or AutoConfig."
            )
        return config

    def to_dict(self) -> dict[str, Any]:
        """What config.json holds: the published keys unchanged, except where a field was set to another value."""
        spelling = {ours: theirs for theirs, ours in self.aliases.items() if theirs != "torch_dtype"}
        if "torch_dtype" in self._published:
            spelling["dtype"] = "torch_dtype"
        now = {name: getattr(self, name) for name in self._fields} | self.extra
        if self._published:
            before = type(self)(**self._published)
            changed = {name: value for name, value in now.items() if value != getattr(before, name, _ABSENT)}
        else:
            common = {name: getattr(Config, name) for name in Config._fields}
            # Left out are defaults that all families share, and None where it means "derived": readers of a family
            # without the field would take it for a value.
            usual = {name: getattr(type(self), name, None) for name in self._fields}
            unset = {k for k, value in usual.items() if now[k] == value and (value is None or value == common.get(k))}
            changed = {name: value for name, value in now.items() if name not in unset}
        changed = {
            spelling.get(name, name): value.to_dict() if isinstance(value, Config) else value
            for name, value in changed.items()
        }
        return self._published | changed | {"model_type": self.model_type}

    def check_sizes(self) -> None:
        """Raises: ValueError for a size below 1, layers without end, or a chance of dropout outside 0..1."""
        for name in self._fields:
            value = getattr(self, name)
            if isinstance(value, Config):
                value.check_sizes()
            numbers = [x for x in (value if isinstance(value, list | tuple) else [value]) if isinstance(x, int)]
            counted = name == "depths" or (
                name.endswith(COUNTS) and isinstance(value, int)
            )  # other lists are of places
            if counted and sum(numbers) > MAX_LAYERS:
                raise ValueError(f"config.json describes an impossible network: {name} is above {MAX_LAYERS}.")
            if name.removesuffix("_size") in SIZES and min(numbers, default=1) < 1:
                raise ValueError(
                    f"impossible network: config.{name} must be at least 1, got {value}. Correct config.json."
                )
            if name.endswith(CHANCES) and isinstance(value, int | float) and not 0 <= value <= 1:
                raise ValueError(f"config.{name} must be from 0 to 1, got {value}. Correct it in config.json.")

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def save_pretrained(self, folder: "str | Path") -> None:
        """Write config.json into `folder`, made if it does not exist."""
        from .hub import write_file

        Path(folder).mkdir(parents=True, exist_ok=True)
        write_file(Path(folder), "config.json", self.to_json_string())

    @property
    def num_labels(self) -> int:
        return len(self.id2label) if self.id2label is not None else 2

    @num_labels.setter
    def num_labels(self, count: int) -> None:
        if not 0 <= count <= MAX_LABELS:
            raise ValueError(f"num_labels={count} must be from 0 to {MAX_LABELS:,}.")
        if count != self.num_labels or self.id2label is None:
            self.id2label = {i: f"LABEL_{i}" for i in range(count)}
            self.label2id = {name: i for i, name in self.id2label.items()}

    @property
    def use_return_dict(self) -> bool:
        return self.return_dict

    def __setattr__(self, name: str, value: Any) -> None:
        name = self.aliases.get(name, name)
        if name in self._fields:
            value = self._checked(name, value)
        elif not (name == "name_or_path" or isinstance(getattr(type(self), name, None), property)):
            self.extra[name] = value
            return
        object.__setattr__(self, name, value)

    def _checked(self, name: str, value: Any) -> Any:
        if name == "id2label" and isinstance(value, dict):  # JSON has only string keys
            try:
                return {int(index): str(label) for index, label in value.items()}
            except (TypeError, ValueError):
                raise ValueError(f"config.id2label must map class indices to names, got {short(value)}") from None
        if name == "dtype" and value is not None:
            return str(value).removeprefix("torch.")
        needed = name in self.parts and type(None) not in self._fields[name]
        if name in self.parts and isinstance(value, dict) or value is None and needed:
            return self.parts[name].from_dict(value or {})
        allowed = self._fields[name]
        if isinstance(value, allowed) and not (isinstance(value, bool) and bool not in allowed):
            return value
        if isinstance(value, int) and float in allowed and not isinstance(value, bool):
            return float(value) if abs(value) < 2**53 else value
        expected = " or ".join("None" if t is type(None) else t.__name__ for t in allowed)
        raise TypeError(f"config.{name} must be {expected}, got {short(value)}. Correct it in config.json.")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("extra", "_published"):
            raise AttributeError(name)
        alias = self.aliases.get(name)
        if alias is not None:
            return getattr(self, alias)
        if name in self.extra:
            return self.extra[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}; the nearest are {nearest(name, self._fields)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.to_json_string() == other.to_json_string()

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"


_ABSENT = object()


def _own_fields(cls: type) -> dict[str, tuple[type, ...]]:
    hints = inspect.get_annotations(cls).items()
    return {name: _types(hint) for name, hint in hints if get_origin(hint) is not ClassVar}


def _types(hint: Any) -> tuple[type, ...]:
    """The classes an annotation admits: `int | None` -> (int, NoneType), `list[int]` -> (list,)"""
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(cls for part in get_args(hint) for cls in _types(part))
    return (get_origin(hint) or hint,)


Config._fields = _own_fields(Config)
