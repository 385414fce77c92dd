"""A stack of blocks as a list of operations that the native library runs in one call.

The list is read off the modules themselves, so it serves every family that is made of these parts. Weights are not
copied: operations point to the parameters' memory. Buffers: X the residual stream, NORMED what enters a sublayer, QKV,
MIXED what leaves attention, HIDDEN of the MLP, GATED, OUT what leaves a sublayer that is normalised before the sum.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...layers import (
    MLP,
    Attention,
    GatedMLP,
    Layers,
    ParallelBlock,
    PostNormBlock,
    PreNormBlock,
    RMSNorm1p,
    SandwichNormBlock,
    ScaledBlock,
    SublayerNormBlock,
)
from . import structs
from .weights import Unsupported, act_of, matrix_of, plain, pointer

INT8 = 2  # the first kind of matrix that is multiplied by activations of eight bits
X, NORMED, QKV, MIXED, HIDDEN, GATED, OUT = range(7)


class Program:
    """The operations of a stack. Raises Unsupported for parts, dtypes or hooks that it does not know.

    Addresses stay valid as long as no parameter is replaced: a program is for one call, or for calls between
    which the weights are known to stay (`steady`).
    """

    def __init__(self, layers: Layers):
        self.ops: list[structs.Op] = []
        self.widths = [0] * 7
        self.kept: list[Any] = []  # tensors that operations point to and no module holds
        self.quantised: tuple[int, int, int] | None = None  # source, width and kind of what is in eight bits now
        self.head_dim = self.kv_heads = 0
        self.spreads = False  # whether a row that sees no key is to spread evenly over all, which it does not here
        if not len(layers.blocks):
            raise Unsupported("no blocks")
        for i, block in enumerate(layers.blocks):
            plain(block)
            if type(block) not in BLOCKS:
                raise Unsupported(f"a block of {type(block).__name__}")
            BLOCKS[type(block)](self, block, i)
        self.native = structs.program(self.ops, self.widths)
        self.address = structs.addressof(self.native)
        self.caches = structs.CacheTable()

    # ---------------------------------------------------------------------------------------------- blocks

    def pre_norm(self, block: Any, layer: int) -> None:
        self.attention(block.attn, layer, self.entering(block.attn_norm), X, add=True)
        self.mlp(block.mlp, self.entering(block.mlp_norm), X, add=True)

    def scaled(self, block: Any, layer: int) -> None:
        plain(block.drop_path)
        for norm, scale, sublayer in (
            (block.attn_norm, block.attn_scale, partial(self.attention, block.attn, layer)),
            (block.mlp_norm, block.mlp_scale, partial(self.mlp, block.mlp)),
        ):
            sublayer(self.entering(norm), X if scale is None else OUT, add=scale is None)
            if scale is not None:
                self.norm(None, OUT, X, weight=scale)

    def parallel(self, block: Any, layer: int) -> None:
        self.norm(block.attn_norm, X, NORMED)
        self.attention(block.attn, layer, NORMED, OUT)
        self.norm(block.mlp_norm, X, NORMED)
        self.mlp(block.mlp, NORMED, X, add=True)
        self.norm(None, OUT, X)

    def post_norm(self, block: Any, layer: int) -> None:
        self.attention(block.attn, layer, X, X, add=True)
        self.norm(block.attn_norm, X, X)
        self.mlp(block.mlp, X, X, add=True)
        self.norm(block.mlp_norm, X, X)

    def sublayer_norm(self, block: Any, layer: int) -> None:
        self.attention(block.attn, layer, X, OUT)
        self.norm(block.attn_norm, OUT, X, add=True)
        self.mlp(block.mlp, X, OUT)
        self.norm(block.mlp_norm, OUT, X, add=True)

    def sandwich_norm(self, block: Any, layer: int) -> None:
        self.norm(block.attn_norm, X, NORMED)
        self.attention(block.attn, layer, NORMED, OUT)
        self.norm(block.attn_out_norm, OUT, X, add=True)
        self.norm(block.mlp_norm, X, NORMED)
        self.mlp(block.mlp, NORMED, OUT)
        self.norm(block.mlp_out_norm, OUT, X, add=True)

    # ---------------------------------------------------------------------------------------------- parts

    def entering(self, norm: nn.Module) -> int:
        """Where a sublayer reads X through a norm, or as it is where the block has none."""
        if type(norm) is nn.Identity:
            plain(norm)
            return X
        self.norm(norm, X, NORMED)
        return NORMED

    def attention(self, attn: Any, layer: int, src: int, dst: int, add: bool = False) -> None:
        if type(attn) is not Attention:
            raise Unsupported(f"attention of {type(attn).__name__}")
        plain(attn)
        c = attn.head_dim
        heads, kv_heads = attn.q_proj.out_features // c, attn.k_proj.out_features // c
        self.head_dim, self.kv_heads = c, kv_heads
        end = (heads + 2 * kv_heads) * c
        column = 0
        for projection in (attn.q_proj, attn.k_proj, attn.v_proj):
            self.linear(projection, src, QKV, column=column, width=end)
            column += projection.out_features
        self.ops[-1].sync = 1
        if attn.q_norm is not None or attn.k_norm is not None:
            self.norm(attn.q_norm, QKV, QKV, width=c, count=heads)
            self.norm(attn.k_norm, QKV, QKV, width=c, count=kv_heads, column=heads * c)
        shape = {"layer": layer, "heads": heads, "kv_heads": kv_heads, "width": c}
        self.emit(structs.ROTATE, QKV, QKV, sync=1, count=heads + kv_heads, **shape)
        self.emit(structs.STORE, QKV, QKV, sync=1, **shape)
        scale = c**-0.5 if attn.scale is None else attn.scale
        self.spreads |= attn.softcap is not None
        self.emit(structs.ATTEND, QKV, MIXED, sync=1, scale=scale, softcap=attn.softcap or 0.0, **shape)
        self.widths[MIXED] = max(self.widths[MIXED], heads * c)
        self.linear(attn.o_proj, MIXED, dst, add=add, sync=True)

    def mlp(self, mlp: Any, src: int, dst: int, add: bool = False) -> None:
        if type(mlp) not in (MLP, GatedMLP):
            raise Unsupported(f"a network of {type(mlp).__name__}")
        plain(mlp)
        act, width, few_bits = act_of(mlp.act), mlp.up_proj.out_features, matrix_of(mlp.down_proj).kind >= INT8
        if type(mlp) is MLP:
            self.linear(mlp.up_proj, src, HIDDEN, act=0 if few_bits else act, sync=True)
            self.linear(mlp.down_proj, HIDDEN, dst, add=add, sync=True, before={"act": act})
            return
        self.linear(mlp.gate_proj, src, HIDDEN, width=2 * width)
        self.linear(mlp.up_proj, src, HIDDEN, column=width, width=2 * width, sync=True)
        if not few_bits:
            self.emit(structs.GATE, HIDDEN, GATED, sync=1, own=1, width=width, act=act)
        self.linear(
            mlp.down_proj, HIDDEN if few_bits else GATED, dst, add=add, sync=True, before={"act": act, "count": width}
        )

    def linear(  # noqa: PLR0913 (where from, where to, and how)
        self, module: Any, src: int, dst: int, *, column: int = 0, width: int = 0, act: int = 0, add: bool = False,
        sync: bool = False, before: dict[str, int] | None = None,
    ) -> None:  # fmt: skip
        """`before`: what is done to the row before it becomes eight bits, if it does."""
        matrix = matrix_of(module)
        if matrix.kind >= INT8 and self.quantised != (src, matrix.k, matrix.kind):
            if self.ops:
                self.ops[-1].sync = 1  # all have read the eight bits of before
            self.emit(structs.QUANTISE, src, src, sync=1, own=1, width=matrix.k, matrix=matrix, **(before or {}))
            self.quantised = (src, matrix.k, matrix.kind)
        self.emit(
            structs.LINEAR, src, dst, dst_column=column, act=act, accumulate=int(add), sync=int(sync), matrix=matrix
        )
        self.widths[src] = max(self.widths[src], matrix.k)
        self.widths[dst] = max(self.widths[dst], width or matrix.n)

    def norm(  # noqa: PLR0913 (where from, where to, and how)
        self, module: Any, src: int, dst: int, *, width: int = 0, count: int = 1, column: int = 0, add: bool = False,
        weight: Tensor | None = None,
    ) -> None:  # fmt: skip
        """A norm of each row, or of `count` parts of it from `column` on; without a module, the row is added, times
        `weight`."""
        fields: dict[str, Any] = {"width": self.widths[src] or self.widths[X], "accumulate": int(add or module is None)}
        if module is not None:
            fields |= self.norm_fields(module)
            if width and fields["width"] != width:
                raise Unsupported("a norm over several heads")
        else:
            fields |= {"norm": structs.NORMS.index("none"), "weight": pointer(weight)}
        fields |= {"count": count, "src_column": column, "dst_column": column, "own": int(dst == NORMED)}
        self.emit(structs.NORM, src, dst, sync=1, **fields)
        self.widths[dst] = max(self.widths[dst], column + count * fields["width"])
        self.widths[src] = max(self.widths[src], column + count * fields["width"])

    def norm_fields(self, module: nn.Module) -> dict[str, Any]:
        if type(module) not in (nn.LayerNorm, nn.RMSNorm, RMSNorm1p):
            raise Unsupported(f"a norm of {type(module).__name__}")
        plain(module)
        found: Any = module
        weight, bias = found.weight, getattr(found, "bias", None)
        if len(found.normalized_shape) != 1:
            raise Unsupported("a norm of several dimensions")
        if type(module) is RMSNorm1p:
            weight = 1.0 + weight.detach()
            self.kept.append(weight)
        eps = torch.finfo(torch.float32).eps if found.eps is None else found.eps
        pointers = {"weight": pointer(weight), "bias": pointer(bias)}
        kind = structs.NORMS.index("layer" if type(module) is nn.LayerNorm else "rms")
        return {"width": found.normalized_shape[0], "epsilon": eps, "norm": kind, **pointers}

    def emit(self, kind: int, src: int, dst: int, **fields: Any) -> None:
        if self.quantised is not None and dst == self.quantised[0] and kind != structs.QUANTISE:
            self.quantised = None
        self.ops.append(structs.Op(kind=kind, src=src, dst=dst, **fields))


BLOCKS: dict[type, Any] = {
    PreNormBlock: Program.pre_norm, ParallelBlock: Program.parallel, PostNormBlock: Program.post_norm,
    SublayerNormBlock: Program.sublayer_norm, SandwichNormBlock: Program.sandwich_norm, ScaledBlock: Program.scaled,
}  # fmt: skip
