"""LoRA (Hu et al., 2021, arXiv:2106.09685) and DoRA (Liu et al., 2024, arXiv:2402.09353): small matrices beside frozen
weights, in the files of the PEFT library.

An adapter changes a linear layer y = x W^T into y + s · x A^T B^T, with A (r,K) and B (N,r); DoRA scales the rows of
W + s B A to learned lengths. The layer stays where it is and keeps its weights; it gets a class that adds, and loses it
again when the adapters are merged or removed. So names, hooks and tied weights of a model are as before, beside
"….lora_A.default.weight" and the like.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from ...adapters import Names
from ...backends.quantized import Quantized
from ...errors import nearest, short
from ...hub import push_folder
from ...models.base import PreTrainedModel
from .config import LoraConfig, TaskType
from .files import read_adapter, save_adapter
from .insertion import check_name, drop, merge, put, untie
from .layers import Adapted, Replaced, Switch, is_of_adapter, parts_of, undress
from .targets import Site

OF_WEIGHTS = ("safe_serialization", "max_shard_size", "state_dict", "is_main_process", "save_embedding_layers")
__all__ = ["LoraConfig", "PeftModel", "TaskType", "get_peft_model", "load_adapter"]


class PeftModel(PreTrainedModel):
    """A model that has adapters: the model itself, with these methods beside its own.

    Its parameters are frozen but for those of the adapters in use. `save_pretrained` writes adapters alone.
    """

    plain_class: ClassVar[type[PreTrainedModel]]
    switch: Switch
    peft_config: dict[str, LoraConfig]
    sites: dict[str, list[Site]]
    trained: dict[str, bool]  # which parameters wanted gradients before, by our names

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, model: PreTrainedModel, name_or_path: Any, adapter_name: str = "default", is_trainable: bool = False,
        config: LoraConfig | None = None, **kwargs: Any,
    ) -> "PeftModel":  # fmt: skip
        """The model with an adapter of a folder or a Hub repository; arguments as of `load_adapter`."""
        if not isinstance(model, PreTrainedModel):
            raise TypeError(f"first comes the base model: PeftModel.from_pretrained(model, {short(model)}).")
        return load_adapter(model, name_or_path, adapter_name, is_trainable=is_trainable, config=config, **kwargs)

    # ---------------------------------------------------------------------------------------------- which

    @property
    def active_adapters(self) -> Names:
        """The names of the adapters in use; none while they are disabled."""
        return Names(self.switch.active if self.switch.enabled else ())

    @property
    def active_adapter(self) -> str:
        return self.switch.active[0]

    @property
    def active_peft_config(self) -> LoraConfig:
        return self.peft_config[self.active_adapter]

    def set_adapter(self, adapter_name: str | Sequence[str], inference_mode: bool = False) -> None:
        """Use this adapter, or the sum of these; it can be trained, the others are frozen.

        Of modules_to_save, the first one's are used. Raises: ValueError for a name that the model has no adapter of.
        """
        names = (adapter_name,) if isinstance(adapter_name, str) else tuple(adapter_name)
        for name in names:
            self._check(name)
        self.switch.active = names
        for name in names:
            self.peft_config[name].inference_mode = inference_mode
        self._freeze(_trainable(self))

    def disable_adapters(self) -> None:
        """Compute as the base model does, until `enable_adapters`."""
        self.switch.enabled = False

    def enable_adapters(self) -> None:
        self.switch.enabled = True

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Within it the model computes as the base model does."""
        before, self.switch.enabled = self.switch.enabled, False
        try:
            yield
        finally:
            self.switch.enabled = before

    def _check(self, name: str) -> None:
        if name not in self.peft_config:
            raise ValueError(f"there is no adapter {short(name)}; the nearest are {nearest(name, self.peft_config)}.")

    def _freeze(self, trained: Sequence[str]) -> None:
        """Let gradients go to these adapters and to nothing else."""
        nn.Module.requires_grad_(self, False)
        for name in trained:
            for module in parts_of(self, name):
                module.requires_grad_(True)

    # ---------------------------------------------------------------------------------------------- more, and fewer

    def add_adapter(self, *given: Any, **kwargs: Any) -> None:
        """Add a fresh adapter: add_adapter(config, "name"), or in the other order. It is not put to use."""
        named = [kwargs.pop(key) for key in ("adapter_name", "peft_config", "adapter_config") if key in kwargs]
        name = next((one for one in (*given, *named) if isinstance(one, str)), "default")
        config = next((one for one in (*given, *named) if isinstance(one, LoraConfig)), None)
        if config is None:
            raise TypeError("add_adapter takes a LoraConfig and a name: add_adapter(LoraConfig(r=8), 'second').")
        _new_name(self, name)
        put(self, config, name)
        self._freeze(_trainable(self))

    def load_adapter(self, peft_model_id: Any, adapter_name: str = "default", **kwargs: Any) -> None:
        """Add the adapter of a folder or a Hub repository, in place of one of that name; as the function does."""
        load_adapter(self, peft_model_id, adapter_name, activate=False, **kwargs)

    def delete_adapter(self, adapter_name: str) -> None:
        """Remove one of several adapters."""
        self._check(adapter_name)
        if len(self.peft_config) == 1:
            raise ValueError(f"{short(adapter_name)} is the only adapter; model.unload() gives the plain model.")
        drop(self, adapter_name)
        self.switch.active = tuple(name for name in self.switch.active if name != adapter_name)
        if not self.switch.active:
            self.set_adapter(next(iter(self.peft_config)), inference_mode=True)

    def merge_and_unload(self, adapter_names: Sequence[str] | None = None, **_: Any) -> PreTrainedModel:
        """The plain model, with what the adapters in use (or these) learned put into its weights.

        Raises: ValueError if the base is quantised, as what was learned would be rounded away.
        """
        names = list(self.switch.active if adapter_names is None else adapter_names)
        for name in names:
            self._check(name)
        merge(self, names)
        return self.unload()

    def unload(self) -> PreTrainedModel:
        """The plain model as it was before its first adapter, with as many parameters frozen as then."""
        for module in list(self.modules()):
            if isinstance(module, Adapted | Replaced):
                undress(module)
        untie(self)
        for name, parameter in nn.Module.named_parameters(self):
            parameter.requires_grad_(self.trained.get(name, False))
        _pass_gradients(self, False)
        self.__class__ = self.plain_class  # type: ignore[assignment]
        for name in ("switch", "peft_config", "sites", "trained"):
            vars(self).pop(name)
        return self

    def get_base_model(self) -> "PeftModel":
        """The model itself: adapters are in its layers."""
        return self

    # ---------------------------------------------------------------------------------------------- out

    def save_pretrained(
        self, folder: Any, *, selected_adapters: Sequence[str] | None = None, push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Write the adapters alone: "default" into `folder`, each other into a folder of its name in it.

        What says how plain weights are written (safe_serialization, max_shard_size, state_dict) is accepted and
        ignored; other keywords are `push_folder`'s.
        """
        for name in selected_adapters or self.peft_config:
            self.save_adapter(folder if name == "default" else f"{folder}/{name}", name)
        if push_to_hub:
            options = {key: value for key, value in kwargs.items() if key not in OF_WEIGHTS}
            push_folder(folder, options.pop("repo_id", Path(folder).name), **options)

    def save_adapter(self, folder: Any, adapter_name: str | None = None) -> None:
        """Write one adapter, that in use if None, as adapter_config.json and adapter_model.safetensors."""
        name = self.active_adapter if adapter_name is None else adapter_name
        self._check(name)
        save_adapter(self, folder, name)

    def save_base(self, folder: Any, **kwargs: Any) -> None:
        """Write the base model without adapters, as its own `save_pretrained` does."""
        state = {key: tensor for key, tensor in self.state_dict().items() if not is_of_adapter(key)}
        super().save_pretrained(folder, state_dict=state, **kwargs)

    def get_nb_trainable_parameters(self) -> tuple[int, int]:
        """How many numbers are trained, and how many there are."""
        return self.num_parameters(only_trainable=True), self.num_parameters()

    def print_trainable_parameters(self) -> None:
        trained, total = self.get_nb_trainable_parameters()
        print(f"trainable params: {trained:,} || all params: {total:,} || trainable%: {100 * trained / total:.4f}")


def get_peft_model(model: PreTrainedModel, peft_config: LoraConfig, adapter_name: str = "default") -> Any:
    """Freeze a model and give it a fresh adapter, in place: returns the model, which is a `PeftModel` now.

    Raises: ValueError for targets that the model does not have (the nearest are named), a name that is taken.
    """
    if not isinstance(peft_config, LoraConfig):
        raise TypeError(f"peft_config is a {type(peft_config).__name__}; expected LoraConfig(r=8, lora_alpha=16).")
    _new_name(model, adapter_name)
    peft = _become(model)
    try:
        put(peft, peft_config, adapter_name)
    except ValueError:
        _restore(peft)
        raise
    peft.set_adapter(adapter_name, inference_mode=peft_config.inference_mode)
    return peft


def load_adapter(
    model: PreTrainedModel, name_or_path: Any, adapter_name: str = "default", *, is_trainable: bool = False,
    activate: bool = True, config: LoraConfig | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Give a model the adapter of a folder or a Hub repository, in place: returns the model, a `PeftModel`.

    Args:
        is_trainable: whether it is to be trained on, in training mode; else all is frozen, in evaluation mode.
        activate: whether to use it in place of those in use.
        config: in place of adapter_config.json.
        kwargs: revision, subfolder, token, cache_dir, local_files_only.

    Raises: OSError if there is no adapter or a file is damaged, ValueError if it does not fit the model.
    """
    read_config, weights = read_adapter(name_or_path, **kwargs)
    config = config or read_config
    check_name(adapter_name)
    peft = _become(model)
    if adapter_name in peft.peft_config:
        drop(peft, adapter_name)
    try:
        put(peft, config, adapter_name, weights)
    except ValueError:
        _restore(peft)
        raise
    peft.peft_config[adapter_name].inference_mode = not is_trainable
    if activate or not peft.switch.active:
        peft.set_adapter(adapter_name, inference_mode=not is_trainable)
    else:
        peft._freeze(_trainable(peft))
    return peft.train(is_trainable) if activate else peft


def _become(model: PreTrainedModel) -> Any:
    """The model as a `PeftModel`, in place."""
    if not isinstance(model, PreTrainedModel):
        raise TypeError(f"adapters are for qkv's models, not for a {type(model).__name__}. Use from_pretrained.")
    if not isinstance(model, PeftModel):
        cls = type(model)
        names: dict[str, Any] = {"__module__": cls.__module__, "plain_class": cls, "heads": {}, "__doc__": cls.__doc__}
        model.__class__ = type(cls.__name__, (PeftModel, cls), names)
        trained = {name: parameter.requires_grad for name, parameter in nn.Module.named_parameters(model)}
        vars(model).update(switch=Switch(), peft_config={}, sites={}, trained=trained)
        _pass_gradients(model, True)
    return model


def _restore(model: PeftModel) -> None:
    """What a model is after an adapter could not be put into it."""
    if not model.peft_config:
        model.unload()
    elif model.active_adapter not in model.peft_config:
        model.set_adapter(next(iter(model.peft_config)), inference_mode=True)


def _pass_gradients(model: nn.Module, passes: bool) -> None:
    for module in model.modules():
        if isinstance(module, Quantized):
            module.passes_gradients = passes


def _trainable(model: PeftModel) -> list[str]:
    return [name for name in model.switch.active if not model.peft_config[name].inference_mode]


def _new_name(model: Any, name: str) -> None:
    check_name(name)
    if isinstance(model, PeftModel) and name in model.peft_config:
        raise ValueError(f"there is an adapter {short(name)} already; give another name, or delete_adapter it.")
