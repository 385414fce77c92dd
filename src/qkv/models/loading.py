"""From a repository to a model: build without memory, put each tensor of the file in its place, refuse to guess."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..adapters import base_of, load_adapted
from ..backends.cpu.library import returning_memory
from ..backends.launch import launch
from ..backends.packing import Codes
from ..backends.quantized import Quantized
from ..backends.tensor_parallel import split
from ..config import Config
from ..errors import nearest, short
from ..generation.mixin import GenerationMixin
from ..hub import Repo, open_repo, split_options
from .base import PreTrainedModel, owned
from .few_bits import FewBits, to_ours
from .placement import choose_device, choose_dtype

if TYPE_CHECKING:
    from ..generation.config import GenerationConfig

logger = logging.getLogger("qkv")
# Arguments of the reference library that change nothing here.
ACCEPTED = ("low_cpu_mem_usage", "use_safetensors", "attn_implementation", "from_tf", "from_flax", "weights_only")


COUNT = "num_batches_tracked"


@dataclass
class LoadingInfo:
    """What did not fit: `missing` by our name -> published name, the rest by published names."""

    missing: dict[str, str] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    mismatched: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)  # by our name

    def as_dict(self) -> dict[str, list]:
        names = {"missing_keys": list(self.missing.values()), "unexpected_keys": self.unexpected}
        return names | {"mismatched_keys": list(self.mismatched.values()), "error_msgs": []}


def from_pretrained(
    cls: type[PreTrainedModel], name_or_path: Any, *, config: Config | None = None, **kwargs: Any
) -> Any:
    """`PreTrainedModel.from_pretrained`, where the arguments are described."""
    where, kwargs = split_options(kwargs)
    repo = open_repo(name_or_path, **where)
    if kwargs.get("adapter", True) and (base := base_of(repo, where)) is not None:
        return load_adapted(from_pretrained, cls, repo, base, config, **kwargs)
    options = Options.taken_from(kwargs)
    if config is None:
        config = cls.config_class.from_pretrained(repo)
    known = [name for name in kwargs if name in config._fields or name == "num_labels" or name in config.aliases]
    config.change({name: kwargs.pop(name) for name in known})
    model, info = load(cls, repo, config, options, **kwargs)
    return (model, info.as_dict()) if options.output_loading_info else model


@dataclass
class Options:
    """The keywords of from_pretrained that are not the config's or the repository's."""

    dtype: Any = None
    device: Any = None
    output_loading_info: bool = False
    ignore_mismatched_sizes: bool = False
    strict: bool = True
    complete: bool = False  # whether nothing may be drawn, as in a pipeline: a missing head is an error
    quantize: str | None = None
    dequantize: bool = False
    brought: frozenset[str] = frozenset()  # published names of weights that an adapter has, which is loaded next
    adapter: bool = True
    tp_plan: Any = None

    @classmethod
    def taken_from(cls, kwargs: dict[str, Any]) -> "Options":
        for name in ACCEPTED:
            kwargs.pop(name, None)
        old, new = kwargs.pop("torch_dtype", None), kwargs.pop("dtype", None)
        device, placed = kwargs.pop("device_map", None), kwargs.pop("device", None)
        rest = [each.name for each in fields(cls) if each.name not in ("dtype", "device")]
        known = {name: kwargs.pop(name) for name in rest if name in kwargs}
        return cls(dtype=new if new is not None else old, device=placed if placed is not None else device, **known)


def load(
    cls: type[PreTrainedModel], repo: Repo, config: Config, options: Options, **kwargs: Any
) -> tuple[Any, LoadingInfo]:
    """The model of a repository, in evaluation mode, and what did not fit."""
    config.name_or_path = str(repo.name)
    few = FewBits(config, options.quantize, options.dequantize)
    device = choose_device(options.device)
    model = _skeleton(cls, config, kwargs)
    few.prepare(model)
    dtype = choose_dtype(options.dtype, config, device)
    with nullcontext() if few.how is None else returning_memory():
        info = _fill(model, few, repo, dtype)
    info.missing = {name: public for name, public in info.missing.items() if public not in options.brought}
    if options.complete:
        _leave_out(model, info)
    _judge(model, info, repo, options)
    model.tie_weights()  # what the file has by another name need not be drawn
    _draw_missing(model, dtype or torch.get_default_dtype())
    model.tie_weights()
    few.finish(model, dtype or torch.get_default_dtype())
    if isinstance(model, GenerationMixin):
        model.generation_config = generation_defaults(repo, config)
    model = model.to(device).eval()
    if options.tp_plan is not None and launch(use_cpu=device.type == "cpu"):
        split(model, dist.group.WORLD)
    return model, info


def generation_defaults(repo: Repo, config: Config) -> "GenerationConfig":
    """generation_config.json of a repository; where there is none, what config.json says of it."""
    from ..generation.config import GenerationConfig

    raw = repo.json("generation_config.json")
    return GenerationConfig.from_model_config(config) if raw is None else GenerationConfig.from_dict(raw)


def _skeleton(cls: type[PreTrainedModel], config: Config, kwargs: dict[str, Any]) -> PreTrainedModel:
    """The network without memory behind its weights."""
    try:
        with torch.device("meta"), _NoInitialisers():
            return cls(config, **kwargs)
    except TypeError as error:
        if not kwargs:
            raise ValueError(f"config.json describes an impossible network: {short(str(error), 160)}") from None
        raise TypeError(
            f"{cls.__name__}.from_pretrained() knows no argument {short(next(iter(kwargs)))} ({error}); "
            f"the nearest fields of its config are {nearest(next(iter(kwargs)), [*config._fields, 'num_labels'])}."
        ) from None
    except (RuntimeError, ArithmeticError, LookupError, AttributeError) as error:
        raise ValueError(f"config.json describes an impossible network: {short(str(error), 160)}") from None


class _NoInitialisers(TorchFunctionMode):
    """Leaves weights undrawn. On meta tensors drawing has no effect, but makes torch import its compiler."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else None
        return func(*args, **(kwargs or {}))


def _fill(model: PreTrainedModel, few: FewBits, repo: Repo, dtype: torch.dtype | None) -> LoadingInfo:
    """Put each tensor in its place, cast or quantised; the rest of the model stays without memory."""
    info = LoadingInfo()
    places = dict(nn.Module.named_parameters(model, remove_duplicate=False)) | dict(nn.Module.named_buffers(model))
    for key, value in few.read(repo):
        try:
            ours = to_ours(model.keys, key, value)
        except ValueError:  # a fused tensor of a width that cannot be split
            info.mismatched[key] = (key, tuple((value if isinstance(value, Tensor) else value[""]).shape), ())
            continue
        for name, part in ours.items():
            if name in places and (isinstance(part, Codes) or part.shape == places[name].shape):
                left = few.place(model, key, name, part, dtype)
                if left is not None:
                    _place(model, name, left.to(dtype) if dtype is not None and left.is_floating_point() else left)
            elif name in places:
                info.mismatched[name] = (key, tuple(part.shape), tuple(places[name].shape))
        if places.keys().isdisjoint(ours) and not model.keys.ignores(key):
            info.unexpected.append(key)
    shared = _untie_different(model)
    absent = [name for name, p in nn.Module.named_parameters(model, remove_duplicate=False) if p.is_meta]
    kept = nn.Module.state_dict(model).items()  # with statistics of norms; how many batches they are of, few files say
    absent += [name for name, x in kept if x.is_meta and name not in absent and not name.endswith(COUNT)]
    info.missing = {name: model.keys.published_name(name) for name in absent if name not in shared}
    return info


def _leave_out(model: PreTrainedModel, info: LoadingInfo) -> None:
    """Optional parts, such as a pooler, that the file does not have: where all must be trained, they are not there."""
    for part in model.optional:
        names = {name for name, _ in nn.Module.named_parameters(model) if name.startswith(part)}
        if names and names <= info.missing.keys():
            setattr(model, part.rstrip("."), None)
            info.missing = {name: public for name, public in info.missing.items() if name not in names}


def _untie_different(model: PreTrainedModel) -> Mapping[str, str]:
    """The weights the model shares, without those that the file has with values of their own."""
    shared = dict(model._shared())
    for name, source in list(shared.items()):
        one, other = (model.get_submodule(path.rpartition(".")[0]) for path in (name, source))
        if isinstance(one, Quantized) or isinstance(other, Quantized):  # if one is not, the file does not have it
            differ = isinstance(one, Quantized) and isinstance(other, Quantized) and not one.equals(other)
        else:
            weight, other = model.get_parameter(name), model.get_parameter(source)
            differ = not weight.is_meta and not other.is_meta and not torch.equal(weight, other)
        if differ:
            del shared[name]
    model.tied = shared
    return shared


def _place(model: PreTrainedModel, name: str, tensor: Tensor) -> None:
    module, _, leaf = name.rpartition(".")
    owner = model.get_submodule(module)
    tensor = tensor.float() if isinstance(owner, Quantized) else tensor  # its bias
    if leaf in owner._parameters:
        trained = tensor.is_floating_point() and owner.get_parameter(leaf).requires_grad  # not of a frozen backbone
        owner._parameters[leaf] = nn.Parameter(tensor.contiguous(), requires_grad=trained)
    else:
        owner._buffers[leaf] = tensor


def _judge(model: PreTrainedModel, info: LoadingInfo, repo: Repo, options: Options) -> None:
    """Weights are never silently random: raise for the body, one line for a fresh head."""
    who = f"{type(model).__name__} from {short(str(repo.name))}"
    if info.mismatched and not options.ignore_mismatched_sizes:
        key, found, expected = next(iter(info.mismatched.values()))
        raise ValueError(
            f"{who}: {len(info.mismatched)} weights have another shape than config.json says, first {short(key)}: "
            f"{found} in the file, {expected} expected. For a new head, pass ignore_mismatched_sizes=True."
        )
    fresh = ("head.", *model.optional, *(f"backbone.{part}" for part in model.base_model.optional))
    body = [
        public for name, public in info.missing.items() if not name.startswith(fresh) and name not in info.mismatched
    ]
    lacking = list(info.missing.values()) if options.complete else body
    if lacking:
        raise ValueError(f"{who}: the file lacks {len(lacking)} weights, first {lacking[0]!r}. {_remedy(body, info)}")
    unknown = [key for key in info.unexpected if model.keys.is_body(key) and not model.keys.covers(key)]
    if unknown and options.strict:
        raise ValueError(
            f"{who}: the file has {len(unknown)} weights that qkv's {model.config.model_type} has no place for, first "
            f"{short(unknown[0])}; without them the numbers would be wrong. To load it all the same, pass strict=False."
        )
    if info.missing:
        named = ", ".join(sorted({public.rpartition(".")[0] for public in info.missing.values()})[:6])
        logger.warning("%s: the file has no weights for %s; drawn at random, to be trained.", who, named)


def _remedy(body: list[str], info: LoadingInfo) -> str:
    if body and info.unexpected:
        return f"It has {short(info.unexpected[0])} and others instead: is it a checkpoint of another kind?"
    return (
        "Is it a whole checkpoint?"
        if body
        else "It was not trained for this task: fine-tune it, or name another model."
    )


def _draw_missing(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Draw the weights that the file did not have, and only those."""
    for module, owner in owned(model):
        for name, buffer in module._buffers.items():
            if name == COUNT and buffer is not None and buffer.is_meta:
                module._buffers[name] = torch.zeros((), dtype=torch.long)
        own = module._parameters
        if not any(p is not None and p.is_meta for p in own.values()):
            continue
        with _without_loaded(module, dtype):
            owner._init_weights(module)


@contextmanager
def _without_loaded(module: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Stand-ins for a module's loaded parameters, so that an initialiser cannot touch them."""
    loaded = {name: p for name, p in module._parameters.items() if p is not None and not p.is_meta}
    for name, p in module._parameters.items():
        if p is not None:
            module._parameters[name] = nn.Parameter(torch.empty(p.shape, dtype=dtype), p.requires_grad)
    yield
    module._parameters.update(loaded)
