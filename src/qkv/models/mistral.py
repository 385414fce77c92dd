"""Mistral (Jiang et al., 2023, arXiv:2310.06825): a Llama whose layers all look back over a window of tokens only.

Later Mistrals have no window: `sliding_window` is null.
"""

from .llama import LlamaConfig, LlamaModel


class MistralConfig(LlamaConfig):
    model_type = "mistral"

    intermediate_size: int = 14336
    num_key_value_heads: int | None = 8
    max_position_embeddings: int = 131072
    sliding_window: int | None = 4096


class MistralModel(LlamaModel):
    config_class = MistralConfig

    @property
    def windows(self) -> list[int | None]:
        return [self.config.sliding_window] * self.config.num_hidden_layers
