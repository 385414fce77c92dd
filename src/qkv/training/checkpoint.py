"""Checkpoints of a run: JSON and safetensors, complete or absent.

checkpoint-<step>/ holds the model (as `save_pretrained` writes it) and its tokenizer, optimizer.safetensors and
optimizer.json, scheduler.json, rng.json and rng.safetensors, trainer_state.json, training_args.json, and manifest.json
with the size and SHA-256 of each file. It is written beside and renamed when it is whole: a process that is killed
leaves the checkpoints that there were.
"""

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import short
from ..files import check_name, read_json, remove_unfinished, sha256_of, sync, vetted, write_json
from .state import TrainerState

logger = logging.getLogger("qkv")

NAME, ASIDE = re.compile(r"checkpoint-(\d+)"), re.compile(r"\.(checkpoint-\d+)\.[0-9a-f]{8}")
PUSH = ".push-"  # a folder that is being sent to the Hub
SHARDS = ".shards"  # what processes have written of a checkpoint, each for itself
MANIFEST, STATE, ARGUMENTS = "manifest.json", "trainer_state.json", "training_args.json"
# What the reference library writes and nothing here reads but `reference.py`; it has no manifest.
REFERENCE = ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth")


def save(folder: Path, step: int, write: Callable[[Path], None]) -> Path:
    """A checkpoint of this step: `write(path)` fills it. Returns its folder.

    Raises: OSError if it cannot be written; then what was there before still is.
    """
    target = folder / f"checkpoint-{step}"
    new = _aside(target)
    if target.exists() and not any((target / name).is_file() for name in (STATE, MANIFEST)):  # somebody's own
        os.replace(target, target.with_name(f"{target.name}.kept-{secrets.token_hex(4)}"))
    try:
        new.mkdir(parents=True)
        write(new)
        files = {path.relative_to(new).as_posix(): _facts(path) for path in sorted(new.rglob("*")) if path.is_file()}
        write_json(new, MANIFEST, {"step": step, "time": time.time(), "files": files})
        old = _set_aside(target)  # of the same step, as of a run that was resumed; `mend` knows what to do in between
        os.replace(new, target)
        sync(folder)
        _remove(old)
    except OSError as error:
        _remove(new)
        mend(folder)
        last = get_last_checkpoint(folder)
        raise OSError(
            error.errno,
            f"{target.name} was not saved: {short(error.strerror or str(error), 120)}. "
            f"{f'{last} is whole' if last else 'There is no other'}. Make room in {short(str(folder), 80)} (fewer are "
            f"kept with save_total_limit=2), then train(resume_from_checkpoint={bool(last)}).",
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target


def _facts(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": sha256_of(path)}


def is_reference(folder: Path) -> bool:
    """Whether the reference library wrote it."""
    return not (folder / MANIFEST).exists() and any((folder / name).is_file() for name in REFERENCE)


def problem(folder: Path, *, thorough: bool = False) -> str | None:
    """Why it is no whole checkpoint; None if it is one.

    Args:
        thorough: compare every byte, not only sizes.
    """
    if not folder.is_dir():
        return "it is no folder"
    if not (folder / STATE).is_file():
        return f"it has no {STATE}"
    if is_reference(folder):
        return None
    if not (folder / MANIFEST).is_file():
        return f"it has no {MANIFEST}, so it may be incomplete"
    try:
        for name, facts in read_json(folder / MANIFEST)["files"].items():
            path = vetted(folder / check_name(name), folder)
            if path.stat().st_size != facts["size"]:
                return f"{name} has {path.stat().st_size:,} bytes of {facts['size']:,}"
            if thorough and _facts(path) != facts:
                return f"{name} is damaged: its SHA-256 differs"
    except (OSError, ValueError) as error:
        return str(error)
    except (KeyError, AttributeError, TypeError):
        return f"its {MANIFEST} is damaged"
    return None


def named(folder: Path) -> list[Path]:
    """What is called a checkpoint in a folder, whole or not, by the time when it was saved."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if NAME.fullmatch(path.name)), key=_age)


def _age(path: Path) -> tuple[float, int]:
    """When it was saved, not at which step: the folder may hold more steps of an earlier run."""
    try:
        saved = float(read_json(path / MANIFEST)["time"])
    except (OSError, KeyError, TypeError, ValueError):
        state = path / STATE
        saved = state.stat().st_mtime if state.is_file() else 0.0
    return saved, step_of(path)


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints in a folder, the newest last."""
    return [path for path in named(folder) if problem(path) is None]


def step_of(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def get_last_checkpoint(folder: str | os.PathLike[str]) -> str | None:
    """The newest whole checkpoint in a folder; None if there is none."""
    found = checkpoints(Path(folder))
    return str(found[-1]) if found else None


def rotate(folder: Path, limit: int | None, keep: str | None, own: Sequence[int] | None = None) -> None:
    """Remove the oldest checkpoints beyond `limit`, but not `keep`; of the steps `own` alone, if it is given."""
    if limit is None or limit < 1:
        return
    found = [path for path in checkpoints(folder) if own is None or step_of(path) in own]
    kept = set(found[-limit:])
    best = next((path for path in found if keep is not None and path.resolve() == Path(keep).resolve()), None)
    if best is not None and best not in kept:  # it takes the place of the oldest, but never of the newest
        kept = {best, *found[len(found) - max(limit - 1, 1) :]}
    for path in found:
        if path not in kept:
            _remove(_set_aside(path))


def mend(folder: Path) -> None:
    """Remove what a killed process left half written or half removed; a whole checkpoint gets its name back."""
    left = [path for path in folder.glob(".checkpoint-*") if ASIDE.fullmatch(path.name)] if folder.is_dir() else []
    for path in (*folder.glob(f"{PUSH}*"), *folder.glob(SHARDS)):
        _remove(path)
    remove_unfinished(folder)
    for path in sorted(left, key=lambda path: _modified(path / MANIFEST), reverse=True):
        target = folder / ASIDE.sub(r"\1", path.name)
        if problem(path) is None and not target.exists():
            os.replace(path, target)
        else:
            _remove(path)


def move(source: Path, folder: Path) -> None:
    """Put what a folder holds into another one; it is gone then."""
    for path in source.iterdir():
        os.replace(path, folder / path.name)
    source.rmdir()


def _modified(path: Path) -> float:
    return path.stat().st_mtime if path.is_file() else 0.0


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _set_aside(path: Path) -> Path | None:
    """Rename, if it is there: what is being removed is not called a checkpoint."""
    if not path.exists():
        return None
    aside = _aside(path)
    os.replace(path, aside)
    return aside


def _remove(path: Path | None) -> None:
    if path is not None and path.is_symlink():
        path.unlink()
    elif path is not None:
        shutil.rmtree(path, ignore_errors=True)


def read_state(folder: Path) -> TrainerState:
    """Raises: OSError if it is damaged."""
    try:
        return TrainerState.from_dict(read_json(folder / STATE))
    except ValueError as error:
        raise OSError(f"{STATE} in {folder.name} is damaged: {error}. Use another checkpoint.") from None


def find(given: str | os.PathLike[str] | bool | None, folder: Path) -> Path | None:
    """The checkpoint that `resume_from_checkpoint` means; None if it means none.

    Raises: ValueError if there is none, OSError if the one that is named is damaged.
    """
    if not given:
        return None
    if not isinstance(given, bool | str | os.PathLike):
        raise TypeError(f"resume_from_checkpoint={short(given)} must be True, 'auto' or a checkpoint's folder.")
    if given is not True and str(given).lower() not in ("true", "auto"):
        path = Path(given)
        inside = get_last_checkpoint(path)
        if not (path / STATE).is_file():
            raise ValueError(
                f"{short(str(given), 120)} is no checkpoint: it has no {STATE}. "
                f"{f'Give {inside!r}' if inside else 'Give a folder such as results/checkpoint-500'}, or True for the "
                f"newest in output_dir ({short(str(folder), 80)})."
            )
        if why := problem(path, thorough=True):
            raise OSError(f"{path.name} cannot be resumed from: {why}. Use another, or True for the newest whole one.")
        return path
    skipped = []
    for path in reversed(named(folder)):
        why = problem(path, thorough=True)
        if why is None:
            if skipped:
                logger.warning(
                    "going on from %s; skipped %s. Delete what was skipped to end this message.",
                    path.name, short("; ".join(skipped), 200),
                )  # fmt: skip
            return path
        skipped.append(f"{path.name} ({why})")
    if str(given).lower() == "auto" and not skipped:
        return None
    there = f": {short('; '.join(skipped), 160)}" if skipped else ""
    raise ValueError(
        f"resume_from_checkpoint={given}, but {short(str(folder), 100)} has no whole checkpoint{there}. "
        f"Begin anew without it; 'auto' does so where there is none."
    )
