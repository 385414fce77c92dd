"""ModernBERT (Warner et al., 2024, arXiv:2412.13663): a pre-norm encoder with rotary positions and gated MLPs.

Every third layer sees the whole text; the others see a window around each token, and turn queries and keys by shorter
waves. What enters the first layer has just been normalised, so that layer's attention has no norm.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..config import Config
from ..heads import MaskedLM, MultipleChoice, QuestionAnswering, SequenceClassifier, TaskHead, TokenClassifier
from ..keymap import Fused, KeyMap
from ..layers import Attention, Embeddings, GatedMLP, Layers, PerLayer, PreNormBlock, Rope, activation
from ..layers.masks import padding_mask, window_mask
from ..outputs import ModelOutput
from .bert import TIED
from .causal import windows_by_type
from .task import Head
from .text import TextModel


class ModernBertConfig(Config):
    model_type = "modernbert"
    aliases = {"hidden_activation": "hidden_act", "norm_eps": "layer_norm_eps"}

    vocab_size: int = 50368
    hidden_size: int = 768
    intermediate_size: int = 1152
    num_hidden_layers: int = 22
    num_attention_heads: int = 12
    hidden_act: str = "gelu"
    max_position_embeddings: int = 8192
    layer_norm_eps: float = 1e-5
    initializer_cutoff_factor: float = 2.0  # of initializer_range: weights are drawn within
    norm_bias: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    embedding_dropout: float = 0.0
    attention_dropout: float = 0.0
    mlp_dropout: float = 0.0
    layer_types: list | None = None  # "full_attention" or "sliding_attention" for each layer, as 5.x writes it
    global_attn_every_n_layers: int = 3  # the same as 4.x wrote it
    local_attention: int = 128  # a window's width: half of it to each side
    rope_parameters: dict | None = None  # {type of layer: {"rope_theta": ...}}, as 5.x writes it
    global_rope_theta: float = 160_000.0  # the same as 4.x wrote it
    local_rope_theta: float | None = 10_000.0  # global_rope_theta
    rope_scaling: dict | None = None
    decoder_bias: bool = True
    classifier_pooling: str = "cls"  # or "mean"
    classifier_activation: str = "gelu"
    classifier_bias: bool = False  # of the layer before the last
    classifier_dropout: float = 0.0
    pad_token_id: int | None = 50283
    bos_token_id: int | list | None = 50281
    eos_token_id: int | list | None = 50282


def _norm(c: ModernBertConfig) -> nn.LayerNorm:
    return nn.LayerNorm(c.hidden_size, c.layer_norm_eps, bias=c.norm_bias)


class Prepared(TaskHead):
    """What is common to its heads: a state goes through dense -> act -> norm before it is scored."""

    def __init__(self, config: Any):
        c = config
        super().__init__(c, dropout="classifier_dropout")  # type: ignore[call-arg]
        self.dense = nn.Linear(c.hidden_size, c.hidden_size, bias=c.classifier_bias)
        self.act, self.norm = activation(c.classifier_activation), _norm(c)

    def prepare(self, x: Tensor) -> Tensor:
        return self.norm(self.act(self.dense(x)))


class PreparedTokens(Prepared):
    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Any:
        x = self.prepare(body["last_hidden_state"])
        return super().forward(replace(body, last_hidden_state=x), inputs)


class PreparedTokenClassifier(PreparedTokens, TokenClassifier):
    __doc__ = TokenClassifier.__doc__


class PreparedQuestionAnswering(PreparedTokens, QuestionAnswering):
    __doc__ = QuestionAnswering.__doc__


class PreparedClassifier(Prepared, SequenceClassifier):
    """a score for each label of a whole text (labels: class indices (B,), or floats for a regression).

    The text is its first state, or the mean of all, as config.classifier_pooling says.
    """

    def __init__(self, config: Any):
        super().__init__(config)
        if config.classifier_pooling not in ("cls", "mean"):
            raise ValueError(f"config.classifier_pooling must be 'cls' or 'mean', got {config.classifier_pooling!r}.")
        self.mean = config.classifier_pooling == "mean"

    def reads(self, inputs: Mapping[str, Any], targets: Mapping[str, Tensor]) -> Tensor | None:
        return TaskHead.reads(self, inputs, targets) if self.mean else super().reads(inputs, targets)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        x = self.summary(body, inputs.get("input_ids"), inputs.get("attention_mask"))
        return self.out(self.dropout(self.prepare(x)))

    def summary(self, body: ModelOutput, ids: Tensor | None, mask: Tensor | None) -> Tensor:
        x = body["last_hidden_state"]  # (B,T,D)
        if not self.mean:
            return super().summary(body, ids, mask)
        if mask is None:
            return x.mean(dim=1)
        return (x * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


class PreparedChoice(MultipleChoice, PreparedClassifier):
    """a score for each of several texts, of which one is right (inputs (B,C,T); labels: its index (B,))."""

    def summary(self, body: ModelOutput, ids: Tensor | None, mask: Tensor | None) -> Tensor:
        if self.mean or mask is None:
            return super().summary(body, ids, mask)
        x, first = body["last_hidden_state"], mask.long().argmax(dim=1)  # of the unpadded ones
        return x[torch.arange(len(x), device=x.device), first]


class Words(MaskedLM):
    __doc__ = MaskedLM.__doc__

    def __init__(self, config: Any):
        c = config
        super().__init__(c, act=c.classifier_activation)
        self.dense = nn.Linear(c.hidden_size, c.hidden_size, bias=c.classifier_bias)
        self.norm = _norm(c)
        self.out = nn.Linear(c.hidden_size, c.vocab_size, bias=c.decoder_bias)


PREPARED = {"head.dense": "dense", "head.norm": "norm"}
SCORED = {**PREPARED, "classifier": "out"}


class ModernBertModel(TextModel):
    config_class = ModernBertConfig
    base_model_prefix = "model"
    keys = KeyMap(
        {
            "embeddings.tok_embeddings": "embed.token",
            "embeddings.norm": "embed.norm",
            "layers.{}.attn_norm": "layers.{}.attn_norm",
            "layers.{}.attn.Wqkv": Fused(tuple(f"layers.{{}}.attn.{x}_proj" for x in "qkv")),
            "layers.{}.attn.Wo": "layers.{}.attn.o_proj",
            "layers.{}.mlp_norm": "layers.{}.mlp_norm",
            "layers.{}.mlp.Wi": Fused(("layers.{}.mlp.gate_proj", "layers.{}.mlp.up_proj")),
            "layers.{}.mlp.Wo": "layers.{}.mlp.down_proj",
            "final_norm": "norm",
        },
        prefix="model.",
    )
    heads = {
        "ForSequenceClassification": Head(PreparedClassifier, SCORED),
        "ForTokenClassification": Head(PreparedTokenClassifier, SCORED),
        "ForQuestionAnswering": Head(PreparedQuestionAnswering, SCORED),
        "ForMultipleChoice": Head(PreparedChoice, SCORED),
        "ForMaskedLM": Head(Words, {**PREPARED, "decoder": "out"}, tied=TIED),
    }

    def __init__(self, config: ModernBertConfig):
        super().__init__(config)
        c = config
        self.windows = self._windows(c)
        self.embed = Embeddings(
            c.vocab_size, c.hidden_size, norm=_norm(c), dropout=c.embedding_dropout, padding_idx=c.pad_token_id
        )
        self.layers = Layers(
            PreNormBlock(
                Attention(
                    c.hidden_size, c.num_attention_heads, bias=c.attention_bias, dropout=c.attention_dropout,
                    out_dropout=c.attention_dropout,
                ),
                GatedMLP(c.hidden_size, c.intermediate_size, c.hidden_act, bias=c.mlp_bias, dropout=c.mlp_dropout),
                attn_norm=_norm(c) if i else nn.Identity(),
                mlp_norm=_norm(c),
            )
            for i in range(c.num_hidden_layers)
        )  # fmt: skip
        self.norm = _norm(c)
        local = c.global_rope_theta if c.local_rope_theta is None else c.local_rope_theta
        self.rope, self.local_rope = (
            self._rope("full_attention", c.global_rope_theta),
            self._rope("sliding_attention", local),
        )

    def std(self, layer: nn.Module, name: str) -> float:
        c = self.config
        if name == "out" and getattr(layer, "out_features", 0) != c.vocab_size:
            return c.hidden_size**-0.5
        last = name in ("o_proj", "down_proj", "dense", "out")
        return super().std(layer, name) * ((2 * c.num_hidden_layers) ** -0.5 if last else 1.0)

    def draw(self, layer: Any, name: str) -> None:
        std, cut = self.std(layer, name), self.config.initializer_cutoff_factor
        nn.init.trunc_normal_(layer.weight, std=std, a=-cut * std, b=cut * std)

    @staticmethod
    def _windows(c: ModernBertConfig) -> list[int | None]:
        """How far each layer sees to each side, the token itself included; None without bound."""
        types = (
            "sliding_attention" if i % c.global_attn_every_n_layers else "full_attention"
            for i in range(c.num_hidden_layers)
        )
        return windows_by_type(c, list(types), c.local_attention // 2 + 1)

    def _rope(self, kind: str, theta: float) -> Rope:
        c = self.config
        settings = {**(c.rope_scaling or {}), **((c.rope_parameters or {}).get(kind) or {})}
        width = c.hidden_size // c.num_attention_heads
        return Rope(width, settings.get("rope_theta", theta), settings, c.max_position_embeddings)

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None) -> Tensor:
        padding, kinds = padding_mask(mask), set(self.windows)
        seen: dict[int | None, Tensor | None] = dict.fromkeys(kinds, padding)
        if mask is None or mask.dim() < 4:  # one of four dimensions says all itself
            seen = {window: window_mask(x.shape[1], padding, x.device, window) for window in kinds}
        angles = {window: (self.rope if window is None else self.local_rope)(positions) for window in kinds}
        masks, turns = (PerLayer(made[window] for window in self.windows) for made in (seen, angles))
        return self.norm(self.layers(self.embed(x), masks, turns))
