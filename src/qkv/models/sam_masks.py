"""The light half of SAM: prompts as vectors, and masks from them and a picture's embeddings.

Shapes: B pictures, P prompts of a picture, K points, T tokens and M masks of a prompt, h x w places, C channels.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import short
from ..keymap import Rule, attention_keys
from ..layers import MLP, activation
from ..layers.attention import Attention
from ..layers.deformable import centres
from ..layers.norm import MapNorm
from ..layers.patches import as_map
from ..layers.published import Named

OUTSIDE, INSIDE, NOTHING, PADDING = 0, 1, -1, -10  # labels of points


class Waves(Named):
    """Places as sines and cosines of random directions (Tancik et al., 2020): (...,2) in 0..1 -> (...,C)"""

    def __init__(self, count: int, scale: float):
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.zeros(2, count))

    def forward(self, places: Tensor) -> Tensor:
        angles = 2 * math.pi * ((2 * places - 1).to(self.weight.dtype) @ self.weight)
        return torch.cat((angles.sin(), angles.cos()), dim=-1)

    def plane(self, height: int, width: int) -> Tensor:
        """Of the middles of h x w places, (1,C,h,w)."""
        x = self(centres([(height, width)], self.weight.dtype, self.weight.device))  # (h*w,C)
        return as_map(x[None], (height, width))

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.scale)


class Prompts(Named):
    """Points, boxes and masks as vectors."""

    def __init__(self, c: Any):
        super().__init__()
        self.size = c.image_size
        self.kinds = nn.ModuleList(nn.Embedding(1, c.hidden_size) for _ in range(c.num_point_embeddings))
        self.nothing, self.no_mask = nn.Embedding(1, c.hidden_size), nn.Embedding(1, c.hidden_size)
        narrow, wide = c.mask_input_channels // 4, c.mask_input_channels
        self.convs = nn.ModuleList(
            [nn.Conv2d(1, narrow, 2, 2), nn.Conv2d(narrow, wide, 2, 2), nn.Conv2d(wide, c.hidden_size, 1)]
        )
        self.norms = nn.ModuleList(MapNorm(width, c.layer_norm_eps) for width in (narrow, wide))
        self.act = activation(c.hidden_act)

    def forward(
        self, waves: Waves, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None
    ) -> Tensor | None:  # fmt: skip
        """Points (B,P,K,2) with labels (B,P,K), and boxes (B,P,4), in pixels -> (B,P,T,C); None if there are none."""
        found = []
        if points is not None and labels is not None:
            if boxes is None:  # one more, that is none
                points, labels = F.pad(points, (0, 0, 0, 1)), F.pad(labels, (0, 1), value=NOTHING)
            x = waves((points + 0.5) / self.size)
            labels = labels[..., None]
            x = torch.where(labels == NOTHING, self.nothing.weight, x)
            x = torch.where(labels == PADDING, 0, x)
            for kind in (OUTSIDE, INSIDE):
                x = torch.where(labels == kind, x + self.kind(kind), x)
            found.append(x)
        if boxes is not None:
            corners = waves((boxes.unflatten(-1, (2, 2)) + 0.5) / self.size)
            found.append(corners + torch.cat([self.kind(2), self.kind(3)]))
        return torch.cat(found, dim=2) if found else None

    def kind(self, number: int) -> Tensor:
        """What a point outside and inside, and a box's first and last corner, have in common, (1,C)."""
        return self.kinds[number].weight  # type: ignore[return-value]

    def dense(self, masks: Tensor | None) -> Tensor:
        """Scores of masks (B,1,4h,4w) -> (B,C,h,w); (1,C,1,1) if there are none."""
        if masks is None:
            return self.no_mask.weight[..., None, None]
        x = masks.to(self.no_mask.weight.dtype)
        for conv, norm in zip(self.convs, self.norms, strict=False):
            x = self.act(norm(conv(x)))
        return self.convs[2](x)


def check_prompts(
    x: Tensor, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, masks: Tensor | None
) -> None:
    """Raises: ValueError for prompts that do not fit the embeddings (B,C,h,w), or each other."""
    count, side = len(x), 4 * x.shape[2]
    for name, given, shape in (
        ("input_points", points, (count, "P", "K", 2)), ("input_boxes", boxes, (count, "P", 4)),
        ("input_masks", masks, (count, 1, side, side)),
    ):  # fmt: skip
        if given is None:
            continue
        own = tuple(given.shape) if isinstance(given, Tensor) else short(given)
        if len(own) != len(shape) or not all(b in ("P", "K", a) for a, b in zip(own, shape, strict=True)):
            wanted = ",".join(map(str, shape))
            raise ValueError(f"{name} must be a tensor of shape ({wanted}) for {count} pictures, got {own}.")
    if labels is not None and (points is None or labels.shape != points.shape[:3]):
        wanted = "no input_points to label" if points is None else f"input_points of {tuple(points.shape)}"
        raise ValueError(f"input_labels of shape {tuple(labels.shape)} for {wanted}; give (B,P,K), one for each point.")
    if points is not None and boxes is not None and points.shape[1] != boxes.shape[1]:
        raise ValueError(
            f"{points.shape[1]} prompts of points and {boxes.shape[1]} of boxes; give each its points and its box."
        )


class NarrowAttention(Attention):
    """Attention of x (N,T,C) to values (N,S,C) by their keys (N,S,C), in fewer channels."""

    def __init__(self, dim: int, heads: int, rate: int):
        if dim // rate % heads:
            raise ValueError(f"{heads} heads (num_attention_heads) must divide {dim // rate}, hidden_size / {rate}.")
        super().__init__(dim, heads, head_dim=dim // rate // heads)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(keys)), self.split(self.v_proj(values))
        return self.attend(q, k, v, mask, "")


class TwoWayBlock(Named):
    """Tokens look at each other and at the places of a picture, and the places at the tokens (SAM, appendix A)."""

    def __init__(self, c: Any, first: bool):
        super().__init__()
        self.first = first
        dim, heads, rate = c.hidden_size, c.num_attention_heads, c.attention_downsample_rate
        self.attn, self.look = NarrowAttention(dim, heads, 1), NarrowAttention(dim, heads, rate)
        self.mlp, self.back = MLP(dim, c.mlp_dim, c.hidden_act), NarrowAttention(dim, heads, rate)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, c.layer_norm_eps) for _ in range(4))

    def forward(
        self, x: Tensor, places: Tensor, prompt: Tensor, plane: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Tokens (N,T,C) and places (N,S,C); what is added to their queries and keys."""
        attn_norm, look_norm, mlp_norm, back_norm = self.norms
        x = attn_norm(self.attn(x, x, x) if self.first else x + self.attn(x + prompt, x + prompt, x))
        x = look_norm(x + self.look(x + prompt, places + plane, places, mask))
        x = mlp_norm(x + self.mlp(x))
        return x, back_norm(places + self.back(places + plane, x + prompt, x))


class Deep(Named):
    """Linear layers with ReLU between them: (...,D) -> (...,out)"""

    def __init__(self, dim: int, hidden: int, out: int, count: int):
        super().__init__()
        self.first, self.last = nn.Linear(dim, hidden), nn.Linear(hidden, out)
        self.inner = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(count - 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        for layer in self.inner:
            x = layer(x).relu()
        return self.last(x)


class MaskDecoder(Named):
    """Masks, and how good each is, of prompts on a picture."""

    def __init__(self, c: Any):
        super().__init__()
        dim, masks = c.hidden_size, c.num_multimask_outputs + 1
        self.quality, self.masks = nn.Embedding(1, dim), nn.Embedding(masks, dim)
        self.blocks = nn.ModuleList(TwoWayBlock(c, first=not i) for i in range(c.num_hidden_layers))
        self.look = NarrowAttention(dim, c.num_attention_heads, c.attention_downsample_rate)
        self.norm = nn.LayerNorm(dim)
        self.up = nn.ModuleList(
            [
                nn.ConvTranspose2d(dim, dim // 4, 2, 2), MapNorm(dim // 4, 1e-6),
                nn.ConvTranspose2d(dim // 4, dim // 8, 2, 2),
            ]
        )  # fmt: skip
        self.shapes = nn.ModuleList(Deep(dim, dim, dim // 8, 3) for _ in range(masks))
        self.scores = Deep(dim, c.iou_head_hidden_dim, masks, c.iou_head_depth)

    def forward(
        self, image: Tensor, plane: Tensor, prompts: Tensor | None, mask: Tensor | None, target: Tensor | None
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Embeddings of pictures (B,C,h,w) and of prompts (B,P,T,C) -> masks (B,P,M,4h,4w) and scores (B,P,M).

        Args:
            plane: (1,C,h,w), where each place is.
            mask, target: added to the scores of tokens that look at places (B,H,T,h*w), and to the tokens.
        """
        (count, _, height, width), each = image.shape, 1 if prompts is None else prompts.shape[1]
        own = torch.cat((self.quality.weight, self.masks.weight)).expand(count, each, -1, -1)
        prompt = own if prompts is None else torch.cat((own, prompts.to(own.dtype)), dim=2)
        x = prompt = prompt.flatten(0, 1)  # (B*P,T,C)
        places = image.flatten(2).mT.repeat_interleave(each, 0)  # (B*P,h*w,C)
        plane = plane.flatten(2).mT
        for i, block in enumerate(self.blocks):
            if target is not None:
                x = (x.unflatten(0, (count, each)) + target).flatten(0, 1)
                prompt = prompt if i else x
            x, places = block(x, places, prompt, plane, mask)
        x = self.norm(x + self.look(x + prompt, places + plane, places))
        places = places.mT.unflatten(2, (height, width))
        places = F.gelu(self.up[1](self.up[0](places)))
        places = F.gelu(self.up[2](places))  # (B*P,C/8,4h,4w)
        shapes = torch.stack([made(x[:, 1 + i]) for i, made in enumerate(self.shapes)], dim=1)  # (B*P,M,C/8)
        masks = (shapes @ places.flatten(2)).unflatten(2, places.shape[2:])
        return masks.unflatten(0, (count, each)), self.scores(x[:, 0]).unflatten(0, (count, each))


def _deep(theirs: str, ours: str) -> dict[str, Rule]:
    pairs = {"proj_in": "first", "layers.{}": "inner.{}", "proj_out": "last"}
    return {f"{theirs}.{a}": f"{ours}.{b}" for a, b in pairs.items()}


BLOCK, OWN = "mask_decoder.transformer.layers.{}", "decoder.blocks.{}"
MASKS: dict[str, Rule] = {
    "shared_image_embedding.positional_embedding": "waves.weight",
    "prompt_encoder.point_embed.{}": "prompts.kinds.{}",
    "prompt_encoder.not_a_point_embed": "prompts.nothing",
    "prompt_encoder.no_mask_embed": "prompts.no_mask",
    **{f"prompt_encoder.mask_embed.conv{i + 1}": f"prompts.convs.{i}" for i in range(3)},
    **{f"prompt_encoder.mask_embed.layer_norm{i + 1}": f"prompts.norms.{i}" for i in range(2)},
    "mask_decoder.iou_token": "decoder.quality",
    "mask_decoder.mask_tokens": "decoder.masks",
    **attention_keys(f"{BLOCK}.self_attn", f"{OWN}.attn"),
    **attention_keys(f"{BLOCK}.cross_attn_token_to_image", f"{OWN}.look"),
    **attention_keys(f"{BLOCK}.cross_attn_image_to_token", f"{OWN}.back"),
    **{f"{BLOCK}.layer_norm{i + 1}": f"{OWN}.norms.{i}" for i in range(4)},
    f"{BLOCK}.mlp.lin1": f"{OWN}.mlp.up_proj",
    f"{BLOCK}.mlp.lin2": f"{OWN}.mlp.down_proj",
    **attention_keys("mask_decoder.transformer.final_attn_token_to_image", "decoder.look"),
    "mask_decoder.transformer.layer_norm_final_attn": "decoder.norm",
    "mask_decoder.upscale_conv1": "decoder.up.0",
    "mask_decoder.upscale_layer_norm": "decoder.up.1",
    "mask_decoder.upscale_conv2": "decoder.up.2",
    **_deep("mask_decoder.output_hypernetworks_mlps.{}", "decoder.shapes.{}"),
    **_deep("mask_decoder.iou_prediction_head", "decoder.scores"),
}
