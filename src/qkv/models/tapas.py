"""TAPAS (Herzig et al., 2020, arXiv:2004.02349): BERT over a question and a table, which is flattened row by row.

What a token is to the table, it says in seven ways at once: `token_type_ids` (B,T,7), each with vectors of its own.
Positions start anew in each cell.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..heads import Pooler, SequenceClassifier, TableQuestionAnswering
from ..keymap import KeyMap
from ..layers import MLP, Attention, Embeddings, Layers, PostNormBlock
from ..layers.masks import spreading_mask
from .bert import BertConfig, BertModel
from .task import Head
from .text import TextModel

TYPES = ("segment", "column", "row", "previous answer", "rank", "rank from the end", "relation to the question")


class TapasConfig(BertConfig):
    model_type = "tapas"

    max_position_embeddings: int = 1024
    type_vocab_size: int | list = 2  # type: ignore[assignment]  # unread: some files repeat the list below under this name
    type_vocab_sizes: list = [3, 256, 256, 2, 256, 256, 10]  # rows of the table of each of TYPES
    reset_position_index_per_cell: bool = True
    max_num_rows: int = 64  # of a table whose cells are told apart; further ones count as the last
    max_num_columns: int = 32
    num_aggregation_labels: int = 0
    aggregation_labels: dict | None = None  # {index: name}, such as {0: "NONE", 1: "SUM", 2: "AVERAGE", 3: "COUNT"}
    no_aggregation_label_index: int | None = None
    select_one_column: bool = True  # all answers of a question lie in one column
    allow_empty_column_selection: bool = False
    average_logits_per_cell: bool = False
    temperature: float = 1.0
    init_cell_selection_weights_to_zero: bool = False
    # The loss; see TableQuestionAnswering.
    positive_label_weight: float = 10.0
    disable_per_token_loss: bool = False
    aggregation_loss_weight: float = 1.0
    use_answer_as_supervision: bool | None = None
    cell_selection_preference: float | None = None
    answer_loss_importance: float = 1.0
    answer_loss_cutoff: float | None = None
    use_normalized_answer_loss: bool = False
    huber_loss_delta: float | None = None
    average_approximation_function: str = "ratio"
    aggregation_temperature: float = 1.0
    use_gumbel_for_cells: bool = False
    use_gumbel_for_aggregation: bool = False

    def _checked(self, name: str, value: Any) -> Any:
        if name == "aggregation_labels" and isinstance(value, dict):  # JSON has only string keys
            return {int(index): str(label) for index, label in value.items()}
        return super()._checked(name, value)


class TokenTypes(nn.ModuleList):
    """A vector for each of a token's types, added up: (B,T,7) -> (B,T,D)"""

    def __init__(self, sizes: list[int], dim: int):
        super().__init__(nn.Embedding(size, dim) for size in sizes)
        self.sizes = sizes

    def forward(self, types: Tensor) -> Tensor:
        return torch.stack([self.vectors(kind, ids) for kind, ids in enumerate(types.unbind(-1))]).sum(dim=0)

    def vectors(self, kind: int, ids: Tensor) -> Tensor:
        try:
            return self[kind](ids)
        except IndexError:
            raise ValueError(
                f"token_type_ids hold {int(ids.min())}…{int(ids.max())} as tokens' {TYPES[kind]}, of which this model "
                f"knows 0…{self.sizes[kind] - 1}. Cut the table to {self.sizes[2] - 1} rows and {self.sizes[1] - 1} "
                f"columns."
            ) from None


class TapasModel(TextModel):
    config_class = TapasConfig
    base_model_prefix = "tapas"
    optional = ("pooler.",)
    keys = KeyMap(
        {
            **{k: v for k, v in BertModel.keys.rules.items() if k != "embeddings.token_type_embeddings"},
            **{f"embeddings.token_type_embeddings_{i}": f"embed.segment.{i}" for i in range(len(TYPES))},
        },
        prefix="tapas.",
        ignored=("embeddings.position_ids",),
    )
    heads = {
        "ForMaskedLM": BertModel.heads["ForMaskedLM"],
        "ForSequenceClassification": Head(
            SequenceClassifier, {"classifier": "out"}, {"token": "pooled", "dropout": "hidden_dropout_prob"}
        ),
        "ForTableQuestionAnswering": Head(
            TableQuestionAnswering,
            {
                "output_weights": "cell.weight",
                "output_bias": "cell.bias",
                "column_output_weights": "column.weight",
                "column_output_bias": "column.bias",
                "aggregation_classifier": "out",
            },
            name="TapasForQuestionAnswering",
        ),
    }

    def __init__(self, config: TapasConfig, add_pooling_layer: bool = True):
        super().__init__(config)
        c = config
        if len(c.type_vocab_sizes) != len(TYPES):
            raise ValueError(f"config.type_vocab_sizes must have {len(TYPES)} numbers, got {c.type_vocab_sizes}.")
        self.embed = Embeddings(
            c.vocab_size, c.hidden_size, positions=c.max_position_embeddings, dropout=c.hidden_dropout_prob,
            segments=TokenTypes(c.type_vocab_sizes, c.hidden_size), padding_idx=c.pad_token_id,
            norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
        )  # fmt: skip
        self.layers = Layers(
            PostNormBlock(
                Attention(c.hidden_size, c.num_attention_heads, dropout=c.attention_probs_dropout_prob),
                MLP(c.hidden_size, c.intermediate_size, c.hidden_act),
                attn_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                mlp_norm=nn.LayerNorm(c.hidden_size, c.layer_norm_eps),
                dropout=c.hidden_dropout_prob,
            )
            for _ in range(c.num_hidden_layers)
        )
        self.pooler = Pooler(c.hidden_size) if add_pooling_layer else None

    @property
    def max_tokens(self) -> int | None:
        """None where positions start anew in each cell."""
        return None if self.config.reset_position_index_per_cell else super().max_tokens

    def positions(self, x: Tensor, ids: Tensor | None) -> Tensor | None:
        """None where they depend on the cells, which `encode` knows."""
        return None if self.config.reset_position_index_per_cell else super().positions(x, ids)

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor | None, types: Tensor | None) -> Tensor:
        shape = (*x.shape[:2], len(TYPES))
        types = x.new_zeros(shape, dtype=torch.long) if types is None else types
        if types.shape != shape or types.is_floating_point():
            raise ValueError(
                f"token_type_ids must be integers of shape {shape}, got {types.dtype} of shape {tuple(types.shape)}. "
                f"TapasTokenizer makes them: tokenizer(table=table, queries=question)."
            )
        if positions is None:
            positions = places_in_cells(types).clamp(max=self.config.max_position_embeddings - 1)
        return self.layers(self.embed(x, positions, types), spreading_mask(mask, x.dtype))


def places_in_cells(types: Tensor) -> Tensor:
    """How far each token is from the first one of its cell: (B,T). What is in no cell counts as one."""
    cell, place = types[..., 1:3], torch.arange(types.shape[1], device=types.device)
    same = (cell[:, :, None] == cell[:, None]).all(dim=-1)  # (B,T,T)
    return place - torch.where(same, place, types.shape[1]).amin(dim=-1)
