"""quantize(): eight or four bits in place of floats, for the parts of a model that its canonical names point out.

Those are the projections of attention and of feed-forward networks, the table of tokens and the head that scores a
vocabulary. Norms, tables of positions and of distances, poolers and heads on classes stay as they are: they are small,
or read by no product.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import nearest, short
from ..layers.linear import is_linear
from ..outputs import CausalLMOutput, MaskedLMOutput, PreTrainingOutput, SentenceOrderOutput, Seq2SeqLMOutput
from .packing import Codes
from .quantized import Quantized, QuantizedEmbedding, QuantizedLinear

METHODS = {"int8": 8, "int4": 4}  # bits of the projections
TABLE_BITS = 8  # of the table of tokens and of the head over it, which errors reach undamped
PROJECTIONS = tuple(f"{x}_proj" for x in ("q", "k", "v", "o", "gate", "up", "down"))
VOCABULARY = (  # what a head over a vocabulary gives
    CausalLMOutput, MaskedLMOutput, PreTrainingOutput, SentenceOrderOutput, Seq2SeqLMOutput,
)  # fmt: skip

Model = TypeVar("Model", bound=nn.Module)


def quantize(model: Model, how: str = "int8") -> Model:
    """Give a model weights of few bits, in place: a quarter or an eighth of the memory, and faster on a CPU.

    The model is for inference afterwards: in evaluation mode, its other parameters frozen. `from_pretrained(name,
    quantize=how)` does the same without ever holding the weights as floats.

    Args:
        how: "int8": all of it in eight bits, a scale for each row; "int4": the projections in four bits, a scale and a
            minimum for each 32 weights of a row, the token table and the head over it in eight.

    Returns: the model.

    Raises: ValueError for another `how`, a model that is quantised already or has nothing to quantise, or weights that
        are not finite.
    """
    found: dict[tuple[int, int], Quantized] = {}  # by the weight and the bits, so that tied weights stay one
    for path, bits in plan(model, how).items():
        weight = model.get_submodule(path).weight
        if not isinstance(weight, Tensor) or weight.is_meta:
            raise ValueError(f"{path}.weight has no values to quantise (device 'meta'). Load the model first.")
        twin = found.get((id(weight), bits))
        found[id(weight), bits] = replace(model, path, twin or weight, bits, weight.dtype)
    return frozen(model)


def plan(model: nn.Module, how: str) -> dict[str, int]:
    """The paths of the modules to quantise, and the bits of each. Raises ValueError as `quantize` says."""
    bits = METHODS[check_method(how)]
    if bits_of(model) is not None:
        raise ValueError(
            f"{type(model).__name__} is quantised already (int{bits_of(model)}). Load it anew from the original "
            f"weights with quantize={how!r}."
        )
    found = {}
    for path, module in model.named_modules():
        if is_linear(module) and path.rpartition(".")[2] in PROJECTIONS:
            found[path] = bits
        elif isinstance(module, nn.Embedding) and f".{path}".endswith(".embed.token"):
            found[path] = TABLE_BITS
    head = getattr(getattr(model, "head", None), "output", None)
    if head in VOCABULARY and is_linear(model.get_submodule("head.out")):
        found["head.out"] = TABLE_BITS
    if not found:
        raise ValueError(
            f"{type(model).__name__} has nothing to quantise: none of its layers has one of qkv's names, such as "
            f"attn.q_proj, mlp.up_proj or embed.token. Give a model that from_pretrained made."
        )
    return found


def check_method(how: object) -> str:
    """The name of a method. Raises ValueError for another."""
    if not isinstance(how, str) or how not in METHODS:
        hint = f"; the nearest is {nearest(how, METHODS, 1)}" if isinstance(how, str) else ""
        raise ValueError(f"quantize={short(how)} is unknown{hint}. Say 'int8', 'int4', or None for no quantisation.")
    return how


def replace(
    model: nn.Module, path: str, values: "Tensor | Codes | Quantized", bits: int, dtype: torch.dtype | None = None
) -> Quantized:
    """Put a quantised layer in the place of a Linear or an Embedding, and give it.

    Args:
        values: a matrix, its codes, or a layer to share memory with.
        dtype: of the rows that a table gives; its weight's if None.

    Raises: ValueError for values that do not fit.
    """
    parent, _, leaf = path.rpartition(".")
    owner, old = model.get_submodule(parent), model.get_submodule(path)
    made: Quantized
    if isinstance(old, nn.Embedding):
        made = QuantizedEmbedding.of(old, dtype)
    elif isinstance(old, nn.Linear):
        made = QuantizedLinear(old.in_features, old.out_features, bits, old.bias)
    else:
        raise ValueError(f"{path} is a {type(old).__name__}, which cannot be quantised.")
    if isinstance(values, Quantized):
        made.share(values)
    elif isinstance(values, Codes):
        made.set_codes(values)
    else:
        made.quantize(values)
    owner._modules[leaf] = made.train(old.training)
    return made


def tie(model: nn.Module, path: str, source: nn.Module) -> None:
    """Let the layer at `path` have one memory with a quantised table. Raises ValueError if that is not one."""
    target = model.get_submodule(path)
    if not isinstance(source, Quantized):
        raise ValueError("a plain table of tokens cannot be tied to a quantised head; give it before quantize().")
    if isinstance(target, Quantized):
        target.share(source)
    else:
        replace(model, path, source, source.bits)


def frozen(model: Model) -> Model:
    """The model in evaluation mode, with no parameter that wants gradients."""
    for parameter in nn.Module.parameters(model):
        parameter.requires_grad_(False)
    return model.eval()


def bits_of(model: nn.Module) -> int | None:
    """The bits of a quantised model's projections; None for a plain one."""
    return min((module.bits for module in model.modules() if isinstance(module, Quantized)), default=None)


def dequantize(model: Model, dtype: torch.dtype | None = None) -> Model:
    """Give a quantised model plain weights again, in place: those that its codes stand for, in float32 if None."""
    for path, module in list(model.named_modules()):
        if not isinstance(module, Quantized):
            continue
        plain: nn.Module
        if isinstance(module, QuantizedEmbedding):
            plain = module.plain(module.rows, module.columns, module.padding_idx, device="meta")
        else:
            bias = getattr(module, "bias", None)
            plain = nn.Linear(module.columns, module.rows, bias=bias is not None, device="meta")
            if bias is not None:
                plain.bias = nn.Parameter(bias.to(dtype or torch.float32))
        plain.weight = nn.Parameter(module.dequantized().to(dtype or torch.float32))
        parent, _, leaf = path.rpartition(".")
        model.get_submodule(parent)._modules[leaf] = plain.train(module.training)
    return model
