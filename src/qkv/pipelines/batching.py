"""Batches with little padding: rows sorted by length fill a budget of tokens."""

from collections.abc import Sequence

TOKENS = 1024  # padded tokens of a batch; more does not make a CPU faster, and costs memory and padding


def batches(
    lengths: Sequence[int], *, tokens: int = TOKENS, rows: int | None = None, padded: bool = True
) -> list[list[int]]:
    """Split rows into batches of similar length.

    Args:
        lengths: tokens of each row.
        tokens: a batch has at most so many, padding included; a longer row is a batch of its own.
        rows: a batch has at most so many rows; no bound if None.
        padded: if False, only rows of equal length share a batch.

    Returns: the row numbers of each batch; every row is in exactly one.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    found: list[list[int]] = []
    for row in order:  # the first row of a batch is its longest
        batch = found[-1] if found else []
        room = bool(batch) and (len(batch) + 1) * lengths[batch[0]] <= tokens and (rows is None or len(batch) < rows)
        if room and (padded or lengths[row] == lengths[batch[0]]):
            batch.append(row)
        else:
            found.append([row])
    return found
