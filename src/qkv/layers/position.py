"""Positions that are not in the embeddings."""

import math

import torch
from torch import Tensor, nn


class RelativeBias(nn.Embedding):
    """A number on the score of each head by how far the key is from the query (T5: Raffel et al., 2019, section 2.1).

    Args:
        buckets: rows; half of them are one step wide, half widen logarithmically up to `max_distance`.
        bidirectional: whether keys after the query have buckets of their own; else they share that of distance 0.
    """

    def __init__(self, buckets: int, heads: int, *, max_distance: int, bidirectional: bool):
        super().__init__(buckets, heads)
        self.max_distance, self.bidirectional = max_distance, bidirectional

    def table(self, length: int, past: int = 0) -> Tensor:
        """The bias of each of the last T queries on each key, (1,H,T,past+T)."""
        keys = torch.arange(past + length, device=self.weight.device)
        return self(self.bucket(keys[None] - keys[past:, None])).permute(2, 0, 1)[None]

    def bucket(self, distance: Tensor) -> Tensor:
        """Rows for distances from query to key, of any shape."""
        buckets, offset = self.num_embeddings, 0
        if self.bidirectional:
            buckets //= 2
            offset = (distance > 0) * buckets
            distance = distance.abs()
        else:
            distance = (-distance).clamp(min=0)
        exact = buckets // 2
        ratio = torch.log(distance.clamp(min=1) / exact) / math.log(self.max_distance / exact)
        wide = (exact + (ratio * (buckets - exact)).long()).clamp(max=buckets - 1)
        return offset + torch.where(distance < exact, distance, wide)


class GridBias(nn.Module):
    """A number on the score of each head by how many rows and columns of a grid the key is from the query (Swin: Liu
    et al., 2021, section 3.2).

    Args:
        grid: the largest, high and wide.
        more: rows of the table for what is not in a grid.
    """

    def __init__(self, grid: tuple[int, int], heads: int, *, more: int = 0):
        super().__init__()
        self.grid = grid
        self.table = nn.Parameter(torch.zeros((2 * grid[0] - 1) * (2 * grid[1] - 1) + more, heads))

    def forward(self, grid: tuple[int, int]) -> Tensor:
        """The bias of each of N queries on each key, (1,H,N,N), in a grid of h x w = N."""
        return self.between(self.table, self.grid, grid)

    @staticmethod
    def between(table: Tensor, largest: tuple[int, int], grid: tuple[int, int]) -> Tensor:
        """(rows,H), a row for each distance in the largest grid -> (1,H,N,N)"""
        down, across = (torch.arange(side, device=table.device) for side in grid)
        far, wide = down[:, None] - down + largest[0] - 1, across[:, None] - across + largest[1] - 1  # from 0
        rows = far[:, None, :, None] * (2 * largest[1] - 1) + wide[:, None, :]  # (h,w,h,w): query, then key
        return table[rows.flatten(0, 1).flatten(1)].permute(2, 0, 1)[None]

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.table)
