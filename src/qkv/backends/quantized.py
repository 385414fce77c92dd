"""Layers whose weights have eight or four bits: what stands in a model in place of Linear and Embedding.

On a CPU in float32 the native library multiplies, with activations rounded to eight bits group by group; anywhere else
torch multiplies by the weights made float32 again, a block of rows at a time.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import packing
from .cpu.library import Matrix, library
from .packing import Codes

KINDS = {8: 2, 4: 3}  # bits -> what the native library calls the layout
BLOCK = 2**22  # weights made float32 at a time


class Quantized(nn.Module):
    """A matrix (N,K) of eight or four bits, in the layout that kernels read (see packing.py).

    Its state has `weight`, `weight.scale` and, for four bits, `weight.minimum`, as in `Codes`. Casts leave it as it is.
    """

    packed: Tensor  # uint8: panels or blocks
    scale: Tensor | None  # float32 (Np,) for eight bits
    passes_gradients = False  # whether what stands before it may be trained, as adapters are

    def __init__(self, rows: int, columns: int, bits: int):
        super().__init__()
        if bits not in KINDS:
            raise ValueError(f"bits={bits!r} is not supported; expected 8 or 4.")
        self.rows, self.columns, self.bits = rows, columns, bits
        self.register_buffer("packed", None)
        self.register_buffer("scale", None)

    @property
    def kind(self) -> int:
        """2 for int8 panels, 3 for int4 blocks."""
        return KINDS[self.bits]

    @property
    def weight(self) -> Tensor:
        """The matrix (N,K) in float32, made anew at each use."""
        return self.dequantized()

    def quantize(self, weight: Tensor) -> None:
        """Take the values of a matrix (N,K) of any floating dtype. Raises ValueError for values that are not finite."""
        weight = weight.detach()
        self.set_codes(packing.int8_codes(weight) if self.bits == 8 else packing.int4_codes(weight))

    def set_codes(self, codes: Codes) -> None:
        """Take codes as they are. Raises ValueError for shapes or dtypes that do not fit, or values out of range."""
        codes.check(self.rows, self.columns, self.bits)
        if self.bits == 8:
            self.packed, self.scale = packing.int8_panels(codes)
        else:
            self.packed = packing.int4_blocks(codes)

    def codes(self, start: int = 0, stop: int | None = None) -> Codes:
        """Rows `start`, a multiple of 16, to `stop` of the matrix, as they are kept in files; all if None."""
        stop = self.rows if stop is None else min(stop, self.rows)
        panels = self.packed[start // packing.ROWS : -(-stop // packing.ROWS)]
        if self.scale is not None:
            return Codes(packing.int8_rows(panels, self.columns)[: stop - start], self.scale[start:stop, None])
        return Codes(*(part[: stop - start] for part in packing.int4_rows(panels, self.columns) if part is not None))

    def dequantized(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Rows `start`, a multiple of 16, to `stop` of the matrix as float32 (stop - start,K); all if None."""
        return packing.values(self.codes(start, stop), self.columns)

    def share(self, other: "Quantized") -> None:
        """Have one memory with another. Raises ValueError if its shape or bits differ."""
        if (self.rows, self.columns, self.bits) != (other.rows, other.columns, other.bits):
            raise ValueError(f"({self.extra_repr()}) cannot share the memory of ({other.extra_repr()}).")
        self.packed, self.scale = other.packed, other.scale

    def equals(self, other: "Quantized") -> bool:
        """Whether two have the same codes and scales."""
        if (self.rows, self.columns, self.bits) != (other.rows, other.columns, other.bits):
            return False
        scales = self.scale is None or other.scale is None or torch.equal(self.scale, other.scale)
        return scales and torch.equal(self.packed, other.packed)

    def refuse_gradients(self, *inputs: Tensor | None) -> None:
        """Raise RuntimeError where gradients would have to flow through codes."""
        wanted = self.training or any(x is not None and x.requires_grad for x in inputs)
        if torch.is_grad_enabled() and wanted and not self.passes_gradients:
            raise RuntimeError(
                "a quantised model is for inference: gradients cannot pass through its weights. Call model.eval() and "
                "leave its parameters frozen (or use torch.inference_mode()); to train, load it without quantize=, or "
                "with dequantize=True, or train an adapter: get_peft_model(model, LoraConfig())."
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Quantized":
        """Moves go through, casts do not."""

        def moved(tensor: Tensor) -> Tensor:
            found = fn(tensor)
            return found if found.dtype == tensor.dtype else tensor.to(found.device)

        return super()._apply(moved, recurse)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, part in self.codes()._asdict().items():
            if part is not None:
                destination[f"{prefix}weight" + (f".{name}" if name != "weight" else "")] = part

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: list[str],
        unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        names = [f"{prefix}weight", f"{prefix}weight.scale", *([f"{prefix}weight.minimum"] if self.bits == 4 else [])]
        own = {prefix + name: p for name, p in self._parameters.items() if p is not None}
        missing_keys += [name for name in (*names, *own) if name not in state_dict]
        found = [name for name in state_dict if name.startswith(prefix)]
        unexpected_keys += [name for name in found if strict and name not in names and name not in own]
        try:
            if all(name in state_dict for name in names):
                parts = [state_dict[name].to(self.packed.device) for name in names]
                self.set_codes(Codes(parts[0], parts[1].reshape(-1, 1) if self.bits == 8 else parts[1], *parts[2:]))
            for name, parameter in own.items():
                if name in state_dict:
                    with torch.no_grad():
                        parameter.copy_(state_dict[name])
        except (ValueError, RuntimeError) as error:
            error_msgs.append(f"{prefix}weight: {error}")

    def extra_repr(self) -> str:
        return f"{self.rows}, {self.columns}, bits={self.bits}"


class QuantizedLinear(Quantized):
    """y = x W^T + bias: x (…,K) -> (…,N), in the dtype of x. The bias is float32 (N,), or None."""

    bias: nn.Parameter | None

    def __init__(self, in_features: int, out_features: int, bits: int, bias: Tensor | None = None):
        super().__init__(out_features, in_features, bits)
        self.in_features, self.out_features = in_features, out_features
        frozen = None if bias is None else nn.Parameter(bias.detach().float().contiguous(), requires_grad=False)
        self.register_parameter("bias", frozen)

    @classmethod
    def from_linear(cls, weight: Tensor, bias: Tensor | None = None, bits: int = 8) -> "QuantizedLinear":
        """From a matrix (N,K) and a bias (N,) or None. Raises ValueError for bits other than 8 and 4, or NaN."""
        made = cls(weight.shape[1], weight.shape[0], bits, bias)
        made.quantize(weight)
        return made

    def reset_parameters(self) -> None:
        """A bias of zeros, which is all that can be drawn."""
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def matrix(self) -> Matrix:
        """What the native library gets. It points into the buffers: valid as long as they are not replaced."""
        scale, bias = (None if part is None else part.data_ptr() for part in (self.scale, self.bias))
        return Matrix(self.kind, self.rows, self.columns, 0, self.packed.data_ptr(), scale, bias)

    def forward(self, x: Tensor) -> Tensor:
        self.refuse_gradients(x, self.bias)
        return _Product.apply(x, self) if torch.is_grad_enabled() and x.requires_grad else self.product(x)

    def product(self, x: Tensor) -> Tensor:
        """What `forward` gives, without gradients."""
        done = self._native(x) if x.dtype == torch.float32 and x.device.type == "cpu" else None
        return self._torch(x) if done is None else done

    def _native(self, x: Tensor) -> Tensor | None:
        """By the native library; None if there is none, or it does not do this."""
        native = None if torch.compiler.is_compiling() else library()
        if native is None or self.packed.device.type != "cpu" or x.shape[-1] != self.columns:
            return None
        x = x.contiguous()
        y = x.new_empty(*x.shape[:-1], self.rows)
        count = x.numel() // self.columns
        native.qkv_threads(torch.get_num_threads())
        done = native.qkv_linear(self.matrix(), x.data_ptr(), y.data_ptr(), count)
        return y if done == 0 else None

    def _torch(self, x: Tensor) -> Tensor:
        y = torch.cat([F.linear(x, block) for _, block in self.blocks(x.dtype)], dim=-1)
        return y if self.bias is None else y + self.bias.to(y.dtype)

    def blocks(self, dtype: torch.dtype) -> Iterator[tuple[slice, Tensor]]:
        """Some rows of the matrix at a time, so that it is never in memory whole."""
        step = max(BLOCK // max(self.columns, 1) // packing.ROWS, 1) * packing.ROWS
        for start in range(0, self.rows, step):
            yield slice(start, start + step), self.dequantized(start, start + step).to(dtype)


class _Product(torch.autograd.Function):
    """A product with frozen weights of few bits: the gradient of x (…,K) is that of y (…,N) times the weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: QuantizedLinear) -> Tensor:
        ctx.layer = layer
        return layer.product(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        parts = [grad[..., rows] @ block for rows, block in ctx.layer.blocks(grad.dtype)]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0], None


class QuantizedEmbedding(Quantized):
    """Rows of a table of eight bits: ids (…) -> (…,D), in `dtype`.

    Args:
        factor: what the rows are multiplied by.
        plain: the class of the table that it stands for.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, padding_idx: int | None = None, factor: float = 1.0,
        dtype: torch.dtype = torch.float32, plain: type[nn.Embedding] = nn.Embedding,
    ):  # fmt: skip
        super().__init__(num_embeddings, embedding_dim, 8)
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.factor, self.dtype, self.plain = factor, dtype, plain

    @classmethod
    def of(cls, table: nn.Embedding, dtype: torch.dtype | None = None) -> "QuantizedEmbedding":
        """An empty one of a table's shape; one that scales its rows has a `factor`."""
        dtype, factor = dtype or table.weight.dtype, getattr(table, "factor", 1.0)
        rows, dim = table.num_embeddings, table.embedding_dim
        return cls(rows, dim, padding_idx=table.padding_idx, factor=factor, dtype=dtype, plain=type(table))

    def forward(self, ids: Tensor) -> Tensor:
        self.refuse_gradients()
        if self.scale is None:
            raise RuntimeError("a quantised table has no rows yet; load the model with from_pretrained.")
        scale = F.embedding(ids, self.scale[: self.rows, None])  # (…,1); raises IndexError for an id outside
        rows = self.packed[ids // packing.ROWS, :, ids % packing.ROWS].flatten(-2)[..., : self.columns]  # (…,D)
        return ((rows.float() - 128) * (scale * self.factor)).to(self.dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Quantized":
        self.dtype = fn(torch.empty(0, dtype=self.dtype)).dtype
        return super()._apply(fn, recurse)
