"""Input embeddings: what a token, its position and its segment add to the first hidden state."""

from torch import Tensor, nn


class Embeddings(nn.Module):
    """Token + position + segment embeddings, normalised: the input layer of BERT and, with fewer parts, of others.

    Args:
        vocab, dim: rows and width of the token table.
        positions, segments: rows of the tables of learned positions and of segment types; 0 for none.
        norm: applied to the sum; nothing by default.
    """

    def __init__(
        self, vocab: int, dim: int, *, positions: int = 0, segments: int = 0, norm: nn.Module | None = None,
        dropout: float = 0.0, padding_idx: int | None = None,
    ):  # fmt: skip
        super().__init__()
        self.token = nn.Embedding(vocab, dim, padding_idx)
        if positions:
            self.position = nn.Embedding(positions, dim)
        if segments:
            self.segment = nn.Embedding(segments, dim)
        self.norm = norm or nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, positions: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """Token vectors (B,T,D), position and segment ids (B,T) -> (B,T,D)"""
        if segments is not None:
            x = x + self.segment(segments)
        if positions is not None:
            x = x + self.position(positions)
        return self.dropout(self.norm(x))
