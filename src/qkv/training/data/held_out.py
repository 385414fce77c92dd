"""Which rows a model is measured on: those given, or a part held out, drawn so that it says something."""

import random
from collections.abc import Sequence
from typing import Any

from ...errors import short
from ..tasks import Task
from .reading import Rows, as_rows


def divided(job: Task, rows: Rows, given: Any, share: float, group_by: str | None, seed: int) -> tuple[Rows, Rows, str]:
    """Rows to train on, rows to measure on, and how they were told apart.

    Args:
        given: what there is to measure on, if it is not beside the data; else a `share` (from 1: a number) of the rows.
        group_by: a column, of which equal values stay on one side; what the task says of groups if None.

    Raises: ValueError for a share that leaves nothing on one side, or another column.
    """
    if given is None and rows.held is not None:
        given = rows.held
    if given is not None:
        held = as_rows(given, "eval_data")
        job.check(held)
        return rows, held, f"{len(rows):,} rows to train on; {held.name}: {len(held):,} to measure on"
    if group_by is not None and group_by not in rows.columns:
        raise ValueError(f"group_by={short(group_by)} is no column of {rows.name}; it has {short(rows.columns, 150)}.")
    groups = [row.get(group_by) for row in rows] if group_by is not None else job.groups(rows)
    count = max(round(share * len(rows)), share > 0) if share < 1 else int(share)
    if not 0 < count < len(rows):
        raise ValueError(
            f"held_out={share:g} of {len(rows)} rows leaves none to {'measure' if count <= 0 else 'train'} on. "
            f"Give more rows, another share, or eval_data."
        )
    if groups is not None and len(set(map(str, groups))) == 1:  # one text: its end
        cut = len(rows) - count
        return rows.chosen(range(cut)), rows.chosen(range(cut, len(rows))), _told(cut, count, "the end")
    strata = job.strata(rows)
    chosen = _drawn(groups, count, seed) if groups is not None else _stratified(strata, len(rows), count, seed)
    held = [i for i in range(len(rows)) if i in chosen]
    left = [i for i in range(len(rows)) if i not in chosen]
    named = "whole groups" if groups is not None else "drawn" if strata is None else "as much of each class"
    return rows.chosen(left), rows.chosen(held), _told(len(left), len(held), f"{named}, seed {seed}")


def _told(train: int, held: int, how: str) -> str:
    return f"{train:,} rows to train on, {held:,} held out to measure on ({how})"


def _drawn(groups: Sequence[Any], count: int, seed: int) -> set[int]:
    """About `count` rows, in whole groups."""
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(str(group), []).append(i)
    names = sorted(members)
    random.Random(seed).shuffle(names)
    chosen: set[int] = set()
    for name in names[:-1]:  # one is left to train on
        if len(chosen) + len(members[name]) // 2 < count:
            chosen |= set(members[name])
    return chosen or set(members[names[0]])


def _stratified(strata: Sequence[Any] | None, total: int, count: int, seed: int) -> set[int]:
    """`count` rows or a few more: as large a share of each class, and one at least of those that have two."""
    members: dict[Any, list[int]] = {}
    for i in range(total):
        members.setdefault(None if strata is None else strata[i], []).append(i)
    draw, chosen = random.Random(seed), set()
    for name in sorted(members, key=str):
        own = members[name]
        wanted = min(max(round(len(own) * count / total), 1), len(own) - 1)
        chosen |= set(draw.sample(own, wanted))
    return chosen or set(draw.sample(range(total), count))


def repeated(job: Task, train: Rows, held: Rows) -> str | None:
    """What to know of rows that are on both sides."""
    seen = set(job.texts(train))
    count = sum(text in seen for text in job.texts(held))
    if not count or held.form == "txt":
        return None
    return f"{count:,} of {len(held):,} rows to measure on are in training too: figures flatter the model"
