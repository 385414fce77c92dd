"""Adapters where models are loaded: folders that hold one without its base, and methods of a model that has none yet.

What adapters are is in training/adapters/lora.py, which is imported when the first one is met.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import short
from .hub import Repo, open_repo

if TYPE_CHECKING:
    from .training.adapters.lora import LoraConfig

CONFIG = "adapter_config.json"
BASE = "base_config.json"  # written by Trainer beside an adapter: the base's config.json with the labels of the run
READERS = ("tokenizer", "vocab", "spiece", "sentencepiece", "preprocessor_config", "processor_config")


class Adaptable:
    """Mixed into models: the first adapter makes a model a `PeftModel`, whose methods are then those of the field."""

    def add_adapter(self, adapter_config: "LoraConfig", adapter_name: str = "default") -> None:
        """Freeze the model and put a fresh adapter into it, which is used and trained: as `get_peft_model`."""
        from .training.adapters.lora import get_peft_model

        get_peft_model(self, adapter_config, adapter_name)  # type: ignore[arg-type]

    def load_adapter(self, peft_model_id: Any, adapter_name: str = "default", **kwargs: Any) -> None:
        """Put the adapter of a folder or a Hub repository into the model, and use it; keywords of `load_adapter`."""
        from .training.adapters.lora import load_adapter

        load_adapter(self, peft_model_id, adapter_name, **kwargs)  # type: ignore[arg-type]

    @property
    def active_adapters(self) -> "Names":
        """The names of the adapters in use."""
        raise _none(self)

    def set_adapter(self, adapter_name: str | Sequence[str]) -> None:
        """Use this adapter, or the sum of these."""
        raise _none(self)

    def disable_adapters(self) -> None:
        """Compute as the base model does, until `enable_adapters`."""
        raise _none(self)

    def enable_adapters(self) -> None:
        raise _none(self)

    def delete_adapter(self, adapter_name: str) -> None:
        raise _none(self)


class Names(list[str]):
    """Names of adapters: a list, which Transformers has as a method and PEFT as a property, so a call gives it too."""

    def __call__(self) -> "Names":
        return self


def _none(model: Any) -> ValueError:
    return ValueError(
        f"this {type(model).__name__} has no adapter. Give it one: model.add_adapter(LoraConfig(r=8)), or "
        "model.load_adapter(folder)."
    )


def base_of(repo: Repo, where: dict[str, Any]) -> Repo | None:
    """The repository of the model that an adapter is for: itself, if it has a config.json; None if there is no adapter.

    where: token, cache_dir and so on; the revision is the one that the adapter names.
    Raises: ValueError if the adapter does not name its base.
    """
    config = repo.json(CONFIG)
    if config is None or repo.file("config.json") is not None:
        return None if config is None else repo
    name, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(name, str) or not name:
        raise ValueError(
            f"{short(str(repo.name))} is an adapter whose {CONFIG} does not name its base model. Load that, and then "
            "PeftModel.from_pretrained(model, folder)."
        )
    where = {key: value for key, value in where.items() if key not in ("revision", "subfolder", "gguf_file")}
    return open_repo(name, revision=revision if isinstance(revision, str) else None, **where)


def published_config(repo: Repo, where: dict[str, Any]) -> dict[str, Any] | None:
    """config.json of a repository; of an adapter, what it was trained with, or its base's."""
    base = base_of(repo, where)
    if base is None or base is repo:
        return repo.json("config.json")
    return repo.json(BASE) or base.json("config.json")


def reader_home(repo: Repo, where: dict[str, Any]) -> Repo:
    """The same of the tokenizer, or of what reads pictures."""
    base = base_of(repo, where)
    return repo if base is None or any(name.startswith(READERS) for name in repo.files()) else base


def load_adapted(load: Any, cls: Any, repo: Repo, base: Repo, config: Any, **kwargs: Any) -> Any:
    """What `load` gives for a base model, with the adapter of a repository in it."""
    from .training.adapters.files import PREFIX, read_adapter
    from .training.adapters.lora import load_adapter

    weights = {key.removeprefix(PREFIX): tensor for key, tensor in read_adapter(repo)[1].items()}
    if config is None:
        config = cls.config_class.from_dict(published_config(repo, {}) or base.json("config.json") or {})
    heads = [t for key, t in weights.items() if t.dim() == 2 and key.startswith(("classifier.", "score."))]
    if heads and repo.file(BASE) is None and not {"num_labels", "id2label"} & kwargs.keys():
        config.num_labels = min(len(head) for head in heads)  # the last of its layers has a row for each
    found = load(cls, base, config=config, brought=frozenset(weights), adapter=False, **kwargs)
    model, *info = found if isinstance(found, tuple) else (found,)
    model = load_adapter(model, repo)
    return (model, *info) if info else model
