"""Matrices of few bits: choosing the codes, and the layouts that the kernels read.

Rows are outputs (N), columns inputs (K). Eight bits: a code from -127 to 127 for each weight and a scale for each row,
w = scale * code. Four bits: a code from 0 to 15, and a scale and a minimum for each group of 32 columns of a row,
w = scale * code + minimum; a byte of a group holds the code of column j in its lower half and of column 16 + j in the
upper one. G is the number of groups, the last filled up.

Kernels read 16 rows at a time, with rows filled up to a multiple of 16 (Np) and columns to one of 64 (Kp):
int8 panels (Np/16, Kp/4, 16, 4) of code + 128; int4 blocks (Np/16, Kp/32, 320) of 256 bytes of codes, viewed as
(4, 16, 4), then 16 scales and 16 minima in float16.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

GROUP = 32  # columns that share a scale and a minimum
ROWS, COLUMNS = 16, 64  # what kernels fill rows and columns up to
CHUNK = 2**15  # groups whose codes are found at a time: they fit a processor's cache
PIECE = 2**20  # codes that change their layout at a time
SMALL = 2**10  # groups for which torch does not wake other threads
LARGEST = torch.finfo(torch.float16).max


class Codes(NamedTuple):
    """A matrix (N,K) of few bits, row by row, as it is kept in files.

    weight: int8 (N,K), or four bits two in a byte, uint8 (N,16 G). scale: float32 (N,1), or float16 (N,G).
    minimum: float16 (N,G) for four bits, else None.
    """

    weight: Tensor
    scale: Tensor
    minimum: Tensor | None = None

    def check(self, rows: int, columns: int, bits: int) -> None:
        """Raise ValueError unless these are a matrix (rows, columns) of so many bits."""
        groups = -(-columns // GROUP)
        if bits == 8:
            expected = [(torch.int8, (rows, columns)), (torch.float32, (rows, 1))]
        else:
            numbers = (torch.float16, (rows, groups))
            expected = [(torch.uint8, (rows, groups * GROUP // 2)), numbers, numbers]
        found = [(part.dtype, tuple(part.shape)) for part in self if part is not None]
        if found != expected:
            raise ValueError(f"codes and scales have dtypes and shapes {found}, expected {expected}.")
        if not all(part.isfinite().all() for part in self[1:] if part is not None):
            raise ValueError("scales of a quantised matrix are infinite or not a number. Is the file whole?")
        if bits == 8 and self.weight.numel() and int(self.weight.min()) < -127:
            raise ValueError("a quantised matrix has the code -128; codes are from -127 to 127. Is the file whole?")


def int8_codes(weight: Tensor) -> Codes:
    """Codes of eight bits for a matrix (N,K) of any floating dtype. Raises ValueError for infinities and NaN."""
    codes = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    scale = torch.empty(len(weight), 1, device=weight.device)
    count = max(CHUNK * GROUP // weight.shape[1], 1)
    for start in range(0, len(weight), count):
        rows = weight[start : start + count].float()
        scale[start : start + count] = step = rows.abs().amax(dim=1, keepdim=True) / 127
        codes[start : start + count] = (rows / _nonzero(step)).round_().clamp_(-127, 127)
    if not scale.isfinite().all():
        raise ValueError("weights that are infinite or not a number cannot be quantised. Is the checkpoint whole?")
    return Codes(codes, scale)


def int4_codes(weight: Tensor) -> Codes:
    """Codes of four bits for a matrix (N,K) of any floating dtype.

    Each group gets the scale and the minimum, rounded to float16, of least squared error for the codes that its range
    gives. Weights on a grid of 16 equal steps come back as they were, to float16's precision.

    Raises: ValueError for NaN, and for weights beyond float16's range.
    """
    rows, columns = weight.shape
    whole = columns // GROUP * GROUP
    found = [_groups(weight[:, :whole].reshape(-1, GROUP), rows)] if whole else []
    if whole < columns:
        codes, *numbers = _groups(weight[:, whole:], rows)
        found.append((F.pad(codes, (0, GROUP - codes.shape[1])), *numbers))
    codes, scale, minimum = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
    low, high = codes.view(rows, -1, 2, GROUP // 2).unbind(2)
    return Codes((low | high << 4).view(rows, -1), scale, minimum)


def _groups(w: Tensor, rows: int) -> tuple[Tensor, ...]:
    """Codes uint8, scales and minima float16 of groups of a matrix of so many rows, each (rows,-1)."""
    found = [_searched(chunk.float()) for chunk in w.split(CHUNK)]
    return tuple(torch.cat(parts).view(rows, -1) for parts in zip(*found, strict=True))


def _searched(w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (M,C) uint8, scales and minima (M,) float16 of groups (M,C) float32 of C <= 32 weights."""
    low, high = w.amin(dim=1), w.amax(dim=1)
    if not (low.min() >= -LARGEST and high.max() <= LARGEST):
        raise ValueError(
            f"weights beyond {LARGEST:.0f}, or not a number, cannot be quantised. Is the checkpoint whole?"
        )
    best = _fitted(w, _codes(w, (high - low) / 15, low))  # cutting off ends errs less, but at large weights
    few = _alike(w[:, :17], w[:, :17].shape[1] - 16).nonzero()[:, 0]  # of 17 points of a grid of 16, two are alike
    few = few[_alike(w[few], w.shape[1] - 16)]
    for some in few.split(SMALL):
        for part, better in zip(best, _on_grid(w[some], [part[some] for part in best]), strict=False):
            part[some] = better
    scale, minimum = best
    return _codes(w, scale, minimum).to(torch.uint8), scale.half(), minimum.half()


def _alike(w: Tensor, count: int) -> Tensor:
    """Whether each group has at least so many weights that equal another one (M,)."""
    return (w.sort(dim=1).values.diff(dim=1) == 0).sum(dim=1) >= count


def _fitted(w: Tensor, codes: Tensor) -> list[Tensor]:
    """The scale and the minimum (M,) of least squares for given codes (M,C), as float16 holds them."""
    count, sums, total = w.shape[1], w.sum(dim=1), codes.sum(dim=1)
    product, square = torch.linalg.vecdot(w, codes), torch.linalg.vecdot(codes, codes)
    scale = ((count * product - sums * total) / _nonzero(count * square - total.square())).half().float()
    minimum = ((sums - scale * total) / count).half().float()
    return [scale, minimum]


def _on_grid(w: Tensor, best: list[Tensor]) -> list[Tensor]:
    """`best` with the grids that groups lie on exactly, where they do, found by trying.

    The smallest weight, or the largest one and steps downward, is some steps from the grid's first point: only that
    may have few enough digits for float16.
    """
    best = [*best, _error(w, *best)]
    open_ends = best[2].nonzero()[:, 0]
    low, high = w.amin(dim=1), w.amax(dim=1)
    for count in range(15, 0, -1):  # steps between the two
        for before in range(16 - count):
            for start, sign in ((low, 1), (high, -1)):
                if not len(open_ends):
                    return best
                near = start[open_ends]
                scale = ((high - low)[open_ends] * (sign / count)).half().float()
                minimum = (near - before * scale).half().float()
                found = [scale, minimum, _error(w[open_ends], scale, minimum)]
                better = _better([part[open_ends] for part in best], found)
                for part, values in zip(best, better, strict=True):
                    part[open_ends] = values
                open_ends = open_ends[better[2] > 0]
    return best


def _error(w: Tensor, scale: Tensor, minimum: Tensor) -> Tensor:
    codes = _codes(w, scale, minimum)
    return codes.mul_(scale[:, None]).add_(minimum[:, None]).sub_(w).square_().sum(dim=1)


def _codes(w: Tensor, scale: Tensor, minimum: Tensor) -> Tensor:
    return (w - minimum[:, None]).mul_((1 / _nonzero(scale))[:, None]).round_().clamp_(0, 15)


def _better(one: list[Tensor], other: list[Tensor]) -> list[Tensor]:
    smaller = other[2] < one[2]
    return [torch.where(smaller, theirs, ours) for ours, theirs in zip(one, other, strict=True)]


def _nonzero(x: Tensor) -> Tensor:
    return torch.where(x == 0, 1.0, x)


def int8_panels(codes: Codes) -> tuple[Tensor, Tensor]:
    """Panels uint8 and scales (Np,) float32 of a matrix of eight bits."""
    rows, columns = codes.weight.shape
    count, width = -(-rows // ROWS), -(-columns // COLUMNS) * COLUMNS
    panels = torch.empty(count, width // 4, ROWS, 4, dtype=torch.uint8, device=codes.weight.device)
    step = max(PIECE // (width * ROWS), 1)  # panels at a time, so that copies of all are never there
    for start in range(0, count, step):
        piece = codes.weight[start * ROWS : (start + step) * ROWS].contiguous().view(torch.uint8) ^ 0x80
        if columns % COLUMNS or len(piece) % ROWS:
            piece = F.pad(piece, (0, width - columns, 0, -len(piece) % ROWS), value=0x80)
        fours = piece.view(torch.int32).view(-1, ROWS, width // 4)  # copied four codes at a time
        panels[start : start + step].flatten(2).view(torch.int32).copy_(fours.transpose(1, 2))
    return panels, F.pad(codes.scale[:, 0], (0, -rows % ROWS))


def int8_rows(panels: Tensor, columns: int) -> Tensor:
    """Codes (16 P,K) int8 from P panels."""
    fours = panels.flatten(2).view(torch.int32).transpose(1, 2)  # (P,16,Kp/4)
    codes = fours.contiguous().view(len(panels) * ROWS, -1).view(torch.uint8)[:, :columns]
    return (codes ^ 0x80).view(torch.int8)


def int4_blocks(codes: Codes) -> Tensor:
    """Blocks uint8 of a matrix of four bits."""
    rows, groups = codes.scale.shape
    below, more = -rows % ROWS, groups % 2
    weight = torch.empty(rows + below, (groups + more) * GROUP // 2, dtype=torch.uint8, device=codes.weight.device)
    weight[:rows, : codes.weight.shape[1]] = codes.weight
    weight[rows:], weight[:, codes.weight.shape[1] :] = 0, 0
    fours = weight.view(torch.int32).view(-1, ROWS, groups + more, 4)  # copied four bytes at a time
    parts = [fours.permute(0, 2, 3, 1).flatten(2).view(torch.uint8)]  # (Np/16, Kp/32, 256)
    for part in codes[1:]:
        padded = F.pad(torch.as_tensor(part).contiguous(), (0, more, 0, below)).view(-1, ROWS, groups + more)
        parts.append(padded.transpose(1, 2).contiguous().view(torch.uint8))  # (Np/16, Kp/32, 32)
    return torch.cat(parts, dim=2)


def int4_rows(blocks: Tensor, columns: int) -> Codes:
    """Codes (16 P,16 G), scales and minima (16 P,G) from P rows of blocks."""
    weight, *numbers = blocks[:, : -(-columns // GROUP)].split((256, 32, 32), dim=2)
    fours = weight.contiguous().view(torch.int32).unflatten(2, (4, ROWS)).permute(0, 3, 1, 2)  # (P,16,G,4)
    weight = fours.contiguous().view(len(blocks) * ROWS, -1).view(torch.uint8)
    scale, minimum = (part.contiguous().view(torch.float16).transpose(1, 2).flatten(0, 1) for part in numbers)
    return Codes(weight, scale, minimum)


def values(codes: Codes, columns: int) -> Tensor:
    """Weights (N,K) float32."""
    if codes.minimum is None:
        return codes.weight.float().mul_(codes.scale)
    rows = codes.weight.unflatten(1, (-1, GROUP // 2))
    found = torch.cat((rows & 15, rows >> 4), dim=2).float()  # (N,G,32)
    return found.mul_(codes.scale.float()[..., None]).add_(codes.minimum.float()[..., None]).flatten(1)[:, :columns]
