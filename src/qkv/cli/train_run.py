"""The folder of a run of `qkv train`, and what the run was told: one that goes on must be told the same."""

import json
import shutil
from pathlib import Path
from typing import Any

from qkv.errors import short
from qkv.files import read_json, write_json

from .terminal import say

RUN = "train_run.json"


def has_checkpoint(folder: Path) -> bool:
    return any(folder.glob("checkpoint-*"))


def check_folder(folder: Path, given: dict[str, Any], resume: bool, overwrite: bool) -> bool:
    """Whether there is a run to go on with. Raises: OSError or ValueError for a folder that holds another one."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file. Type: --output FOLDER")
    run = folder / RUN
    if resume:
        if not run.is_file():
            if folder.is_dir() and any(folder.iterdir()):
                raise ValueError(f"{folder} holds no run of qkv train, so there is nothing to resume.")
            say("note", f"{folder} holds no run yet: it begins.")
            return False
        before = read_json(run)
        now = _plain(given)
        other = next((name for name in now if before.get(name) != now[name]), None)
        if other is not None:
            raise ValueError(
                f"the run in {folder} was told {other}={short(before.get(other), 60)}, now {short(now[other], 60)}. "
                f"Resume with the same options, or begin anew with --overwrite."
            )
        return has_checkpoint(folder)
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            what = "a run" if run.is_file() else f"files ({short(sorted(p.name for p in folder.iterdir())[0], 40)} …)"
            how = "--resume goes on with it, --overwrite removes it" if run.is_file() else "Name a folder of its own"
            raise FileExistsError(f"{folder} holds {what} already. {how}.")
        if not run.is_file():
            raise FileExistsError(f"{folder} holds no run of qkv train: --overwrite does not remove other files.")
        shutil.rmtree(folder)
    return False


def record(folder: Path, given: dict[str, Any]) -> None:
    write_json(folder, RUN, _plain(given))


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    """Options as JSON gives them back, with the files' sums, so that other rows are noticed."""
    from hashlib import sha256

    def content(path: Path) -> bytes:
        """Of a folder, what lies in it and how large it is."""
        if not path.is_dir():
            return path.read_bytes()
        return "\n".join(f"{file} {file.stat().st_size}" for file in sorted(path.rglob("*"))).encode()

    sums = {
        f"sha256 of {name}": sha256(content(Path(given[name]))).hexdigest()
        for name in ("data", "eval_data") if given.get(name)
    }  # fmt: skip
    return json.loads(json.dumps({**given, **sums}))
