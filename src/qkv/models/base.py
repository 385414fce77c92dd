"""What every model has beside its network: names, loading, saving, embeddings.

Inside, weights have one set of names for all families (layers/__init__.py). At the surface a model speaks the published
names of its family: `named_parameters()`, `state_dict()`, `model.bert.encoder.layer[0]`, and the files it saves.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ..adapters import Adaptable
from ..backends.cpu import stack as _stack  # noqa: F401 (stacks of layers ask it first)
from ..backends.quantize import bits_of, tie
from ..backends.quantized import Quantized, QuantizedEmbedding
from ..backends.tensor_parallel import whole_state
from ..checkpoint import write_quantized, write_weights
from ..config import Config
from ..keymap import KeyMap, StateDict
from ..layers.published import Named, name_parts
from .recomputing import Recomputing

if TYPE_CHECKING:
    from typing_extensions import Self


_Model = TypeVar("_Model")
LAYERS = nn.Linear | nn.Embedding | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d
NAMES: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()  # what modules are called in those that hold them


class Initialised(type):
    """A model made from a config alone starts with weights drawn as its paper draws them."""

    def __call__(cls: "type[_Model]", *args: Any, **kwargs: Any) -> "_Model":
        model: Any = type.__call__(cls, *args, **kwargs)
        if not any(parameter.is_meta for parameter in nn.Module.parameters(model)):
            for module, owner in owned(model):
                if owner is model:  # a model inside has drawn its own
                    model._init_weights(module)
        model.tie_weights()
        if model.base_model is model:
            name_parts(model)
        return model


def owned(module: nn.Module, model: Any = None) -> Iterator[tuple[nn.Module, Any]]:
    """All modules of a model, those inside another first, each with the innermost model that holds it."""
    model = module if isinstance(module, PreTrainedModel) else model
    for name, child in module.named_children():
        NAMES[child] = name
        yield from owned(child, model)
    yield module, model


class PreTrainedModel(Recomputing, Adaptable, Named, metaclass=Initialised):
    """Base of all models. Subclasses give `config_class`, `keys` and the network."""

    config_class: ClassVar[type[Config]] = Config
    base_model_prefix: ClassVar[str] = ""
    keys: KeyMap  # type: ignore[assignment]  # published names <-> ours
    tied: Mapping[str, str] = {}  # our name of a weight -> our name of the weight it shares
    optional: tuple[str, ...] = ()  # our paths of parts that a checkpoint of the body may lack
    reserved_positions: ClassVar[int] = 0  # rows of the position table that no token gets

    def __init__(self, config: Config):
        super().__init__()
        if not isinstance(config, self.config_class):
            raise TypeError(f"{type(self).__name__} takes a {self.config_class.__name__}, not {type(config).__name__}.")
        config.check_sizes()
        self.config = config

    # ---------------------------------------------------------------------------------------------- in and out

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, *, config: Config | None = None, **kwargs: Any) -> "Self":
        """Load a model from a folder or from the Hub ("org/name", "org/name@revision").

        Args:
            config: used instead of the repository's config.json.
            dtype (or torch_dtype): of the weights; "auto" for the file's. On a CPU float32 by default, since half
                precision is slow there; on an accelerator the file's.
            quantize: "int8" or "int4", so that the weights are never in memory as floats; see `qkv.quantize`.
            dequantize: of a folder that a quantised model was saved to, give a plain model.
            tp_plan: "auto" for tensor parallelism under torchrun: a process gets some heads and units of each block.
            device_map (or device): "auto", "cpu", "cuda:0"...: the one device the model goes to.
            output_loading_info: also return {"missing_keys", "unexpected_keys", "mismatched_keys"}.
            ignore_mismatched_sizes: draw weights anew whose shape in the file is another.
            adapter: if False, of a folder that also has an adapter_config.json, the model without the adapter.
            strict: if False, weights of the body that this family has no place for are left out silently.
            revision, subfolder, token, cache_dir, local_files_only, force_download: where and how to look.
            other keywords: fields of the config (num_labels=3) or arguments of the class.

        Raises: OSError if the repository or a file is missing or damaged; ValueError if weights of the body are
            missing or have other shapes. A missing task head is drawn at random, and one line says so.
        """
        from .loading import from_pretrained

        return from_pretrained(cls, name_or_path, config=config, **kwargs)

    @classmethod
    def from_config(cls, config: Config, **kwargs: Any) -> "Self":
        """A model with fresh random weights."""
        return cls(config, **kwargs)

    def save_pretrained(
        self, folder: str | Path, *, max_shard_size: int | str = "50GB", state_dict: StateDict | None = None,
        push_to_hub: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Write config.json and model.safetensors, with the published names, into `folder`.

        A quantised model is written as model.int8.safetensors or model.int4.safetensors, which load as they are.
        `safe_serialization=False` is accepted and ignored: only safetensors is ever written.
        """
        kwargs.pop("safe_serialization", None)
        state = whole_state(self) if state_dict is None else state_dict
        if state is None:  # the first of the processes that have parts of it writes
            return
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        shared = {self.keys.published_name(name) for name in self._shared()}
        shared |= {f"{name}.scale" for name in shared}
        state = {k: v for k, v in state.items() if k not in shared}
        published, bits = self.config.to_dict(), bits_of(self)
        published.pop("quantization_config", None)
        if bits is None:
            write_weights(folder, state, max_shard_size=max_shard_size)
        else:
            write_quantized(folder, state, bits)
            published["quantization_config"] = {"quant_method": "qkv", "bits": bits}
        config = type(self.config).from_dict(published)
        config.architectures = [type(self).__name__]
        config.dtype = str(self.dtype)
        config.save_pretrained(folder)
        if self.can_generate():
            self.generation_config.save_pretrained(folder)
        if push_to_hub:
            from ..hub import push_folder

            push_folder(folder, kwargs.pop("repo_id", folder.name), **kwargs)

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> Any:
        """Save to a temporary folder and upload it; keywords as `qkv.hub.push_folder`."""
        import tempfile

        from ..hub import push_folder

        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, max_shard_size=kwargs.pop("max_shard_size", "50GB"))
            return push_folder(folder, repo_id, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """A published path, where the module itself has no such attribute."""
        if name == self.base_model_prefix and self.base_model is not self:
            return self.base_model
        return super().__getattr__(name)

    # ---------------------------------------------------------------------------------------------- weights

    def std(self, layer: nn.Module, name: str) -> float:
        """The standard deviation of a layer's fresh weights; `name` is what it is called in what holds it."""
        return self.config.initializer_range

    def draw(self, layer: Any, name: str) -> None:
        nn.init.normal_(layer.weight, std=self.std(layer, name))

    def _init_weights(self, module: nn.Module) -> None:
        """Draw one module's own weights: those of layers normal with `std`, biases zero."""
        if isinstance(module, LAYERS):
            self.draw(module, NAMES.get(module, ""))
            bias = getattr(module, "bias", None)
            if bias is not None:
                nn.init.zeros_(bias)
            padding = getattr(module, "padding_idx", None)
            if padding is not None:
                with torch.no_grad():
                    module.weight[padding].zero_()
        elif hasattr(module, "reset_parameters"):
            module.reset_parameters()  # type: ignore[operator]

    def _shared(self) -> Mapping[str, str]:
        return self.tied if self.config.tie_word_embeddings else {}

    def tie_weights(self) -> None:
        """Make weights that a model shares, such as input and output embeddings, one parameter again."""
        for name, source in self._shared().items():
            module, _, leaf = name.rpartition(".")
            table = self.get_submodule(source.rpartition(".")[0])
            if isinstance(table, Quantized) or isinstance(self.get_submodule(module), Quantized):
                tie(self, module, table)
            else:
                setattr(self.get_submodule(module), leaf, self.get_parameter(source))

    def _apply(self, fn: Any, recurse: bool = True) -> "Self":
        """A move or a cast; tables of few bits are one again after it, as parameters stay by themselves."""
        super()._apply(fn, recurse)
        if bits_of(self) is not None:
            self.tie_weights()
        return self

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        skipped = {id(m.weight) for m in self.modules() if isinstance(m, nn.Embedding)} if exclude_embeddings else set()
        chosen = (p for p in self.parameters() if p.requires_grad or not only_trainable)
        count = sum(p.numel() for p in chosen if id(p) not in skipped)
        few = [m for m in self.modules() if isinstance(m, Quantized) and not only_trainable]
        tables = {id(m.packed) for m in few if isinstance(m, QuantizedEmbedding)} if exclude_embeddings else set()
        sizes = {id(m.packed): m.rows * m.columns for m in few}  # a table that is tied counts once
        return count + sum(size for memory, size in sizes.items() if memory not in tables)

    @classmethod
    def can_generate(cls) -> bool:
        """Whether it has `generate()`."""
        return False

    @property
    def base_model(self) -> Any:
        """The model without its head."""
        return self

    @property
    def device(self) -> torch.device:
        return next(nn.Module.parameters(self)).device

    @property
    def dtype(self) -> torch.dtype:
        plain = (m for m in self.modules() if not isinstance(m, Quantized))
        return next(p.dtype for m in plain for p in nn.Module.parameters(m, recurse=False) if p.is_floating_point())

    def get_input_embeddings(self) -> nn.Embedding:
        return self.base_model.get_submodule("embed.token")

    def set_input_embeddings(self, embeddings: nn.Embedding) -> None:
        self.base_model.get_submodule("embed").token = embeddings
        self.tie_weights()

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None
    ) -> nn.Embedding:
        """Give the token table another number of rows; new rows start as the mean of the old ones."""
        old = self.get_input_embeddings()
        if isinstance(old, Quantized):
            raise ValueError("a quantised table of tokens keeps its size; resize the plain model, then quantize() it.")
        size = old.num_embeddings if new_num_tokens is None else new_num_tokens
        if pad_to_multiple_of:
            size = -(-size // pad_to_multiple_of) * pad_to_multiple_of
        for name in ("embed.token", *(name.rpartition(".")[0] for name in self.tied)):
            owner = self.base_model if name == "embed.token" else self
            parent, _, leaf = name.rpartition(".")
            module = owner.get_submodule(name)
            setattr(owner.get_submodule(parent), leaf, _resized(module, size))
        self.config.vocab_size = size
        self.tie_weights()
        return self.get_input_embeddings()


def _resized(module: nn.Module, rows: int) -> nn.Module:
    """An Embedding, or a Linear that scores a vocabulary, with `rows` rows."""
    new = nn.Module.__new__(type(module))
    new.__dict__.update(module.__dict__ | {"_parameters": {}})
    for name, old in module._parameters.items():
        if old is None:
            new.register_parameter(name, None)
            continue
        grown = old.detach().mean(dim=0, keepdim=True).repeat(rows, *[1] * (old.dim() - 1))
        grown[: old.shape[0]] = old.detach()[:rows]
        new.register_parameter(name, nn.Parameter(grown, old.requires_grad))
    setattr(new, "num_embeddings" if isinstance(module, nn.Embedding) else "out_features", rows)
    return new
