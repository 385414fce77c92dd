"""Input embeddings: what a token, its position and its segment add to the first hidden state."""

import torch
from torch import Tensor, nn

from .dropout import Dropout
from .published import Named


class Embeddings(Named):
    """Token + position + segment embeddings, normalised: the input layer of BERT and, with fewer parts, of others.

    Args:
        vocab, dim: rows and width of the token table.
        positions, segments: rows of the tables of learned positions and of segment types; 0 for none. Where a token has
            more types than one, a module that makes one vector of them.
        proj, norm: applied to the sum, one after the other; nothing by default.
    """

    def __init__(
        self, vocab: int, dim: int, *, positions: int = 0, segments: int | nn.Module = 0, proj: nn.Module | None = None,
        norm: nn.Module | None = None, dropout: float = 0.0, padding_idx: int | None = None,
    ):  # fmt: skip
        super().__init__()
        if padding_idx is not None and padding_idx >= vocab:
            raise ValueError(
                f"pad_token_id={padding_idx} is outside a vocabulary of {vocab}; correct either (vocab_size)."
            )
        self.token = nn.Embedding(vocab, dim, padding_idx)
        self.position = nn.Embedding(positions, dim) if positions else None
        tables = nn.Embedding(segments, dim) if isinstance(segments, int) and segments else segments
        self.segment = tables if isinstance(tables, nn.Module) else None
        self.proj = proj or nn.Identity()
        self.norm = norm or nn.Identity()
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, positions: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """Token vectors (B,T,D), position ids, and segment ids, zeros if None, (B,T) -> (B,T,D)"""
        if self.segment is not None:
            x = x + self.segment(torch.zeros_like(x[..., 0], dtype=torch.long) if segments is None else segments)
        if self.position is not None and positions is not None:
            x = x + self.position(positions)
        x = self.norm(self.proj(x))
        return self.dropout(x) if self.training else x
