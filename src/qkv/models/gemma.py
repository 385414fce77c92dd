"""Gemma (Mesnard et al., 2024, arXiv:2403.08295): a Llama with wide heads, whose norms add one to their weights.

Token vectors are multiplied by the square root of their width; the activation is always the tanh form of GELU.
"""

from typing import Any

from torch import Tensor, nn, tensor

from ..layers import GatedMLP, RMSNorm1p
from .llama import LlamaConfig, LlamaModel


class GemmaConfig(LlamaConfig):
    model_type = "gemma"

    vocab_size: int = 256000
    hidden_size: int = 3072
    intermediate_size: int = 24576
    num_hidden_layers: int = 28
    num_attention_heads: int = 16
    num_key_value_heads: int | None = 16
    head_dim: int | None = 256
    hidden_act: str = "gelu_pytorch_tanh"
    max_position_embeddings: int = 8192
    pad_token_id: int | None = 0
    bos_token_id: int | list | None = 2
    eos_token_id: int | list | None = 1
    tie_word_embeddings: bool = True


class ScaledEmbedding(nn.Embedding):
    """A table of tokens that gives its rows times the square root of their width: ids (B,T) -> (B,T,D)"""

    @property
    def factor(self) -> float:
        """In the precision of the weights, as in training: in bfloat16 it is 55.5 for a width of 3072."""
        return tensor(self.embedding_dim**0.5, dtype=self.weight.dtype, device="cpu").item()

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * self.factor


class GemmaModel(LlamaModel):
    config_class = GemmaConfig

    def __init__(self, config: GemmaConfig):
        super().__init__(config)
        self.embed.token = ScaledEmbedding(config.vocab_size, config.hidden_size, config.pad_token_id)

    @staticmethod
    def norm_layer(c: Any) -> nn.Module:
        return RMSNorm1p(c.hidden_size, c.rms_norm_eps)

    def mlp(self, c: Any) -> nn.Module:
        act = "gelu_pytorch_tanh" if c.hidden_act == "gelu" else c.hidden_act  # what the first releases mean by it
        return GatedMLP(c.hidden_size, c.intermediate_size, act)
