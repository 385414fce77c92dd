"""Names and files of a repository, without network: which are safe, reading them, and writing that survives a crash.

What is special: names obey the rules of POSIX and Windows at once on every system, and a link leads nowhere outside.
"""

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qkv.errors import nearest, short

READABLE = (".json", ".txt", ".model", ".spm", ".safetensors", ".bin", ".jinja", ".gguf", ".tiktoken", ".md")
MAX_JSON = 64 * 2**20

_DEVICE = r"(?i:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)"  # Windows opens a device for these, whatever the extension
_PART = re.compile(rf"(?!{_DEVICE})[\w+@=,()~-][\w.+@=,()~ -]{{0,199}}(?<![. ])", re.ASCII)
_ID_PART = r"\w(?:[\w.-]{0,94}\w)?"
_ID = re.compile(rf"(?!.*(?:--|\.\.|\.git$))(?:{_ID_PART}/)?{_ID_PART}", re.ASCII)
_REVISION = re.compile(r"\w[\w.+-]*(?:/\w[\w.+-]*)*", re.ASCII)
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")
_SECRETS = {
    "a Hugging Face token": re.compile(rb"\bhf_[A-Za-z0-9]{30}"),
    "a GitHub token": re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22})"),
    "an AWS key": re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a Google key": re.compile(rb"\bAIza[\w-]{35}"),
    "a Slack token": re.compile(rb"\bxox[abprs]-[0-9A-Za-z-]{10}"),
    "an API key": re.compile(rb"\bsk-(?:proj-|ant-|or-)?[A-Za-z0-9_]{32}"),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"),
}


def check_name(name: str) -> str:
    """The name if it is relative, stays inside its folder, and means the same on every system. ValueError otherwise."""
    if not isinstance(name, str) or not all(map(_PART.fullmatch, name.split("/"))):
        raise ValueError(f"{short(name)} is not a name inside a repository: expected one like 'config.json'.")
    return name


def check_readable(name: str) -> str:
    """`check_name`, and of a kind qkv reads: never code, never a pickle with another name. ValueError otherwise."""
    if not check_name(name).lower().endswith(READABLE):
        raise ValueError(f"{short(name)} is not read: qkv reads only {' '.join(READABLE)} files, never code.")
    return name


def check_id(repo_id: str) -> str:
    """The name of a Hub repository if it can be one. ValueError otherwise."""
    if not isinstance(repo_id, str) or not _ID.fullmatch(repo_id):
        raise ValueError(
            f"{short(repo_id)} is neither a folder nor a Hub id. Type an id such as 'org/name' (letters, digits, '-', "
            "'_', '.'), 'org/name@revision', or a folder such as './model'."
        )
    return repo_id


def check_revision(revision: str) -> str:
    """The branch, tag or commit hash if it can be one. ValueError otherwise."""
    if not isinstance(revision, str) or not _REVISION.fullmatch(revision):
        raise ValueError(f"{short(revision)} is not a revision. Type a branch, a tag or a commit hash, such as 'main'.")
    return revision


def no_folder(name: str) -> OSError:
    """The error for a folder that is not there: what is there, and what to type."""
    if "://" in name:
        return OSError(f"{short(name)} is a web address. Type the id alone, such as 'org/name'.")
    folder = Path(os.path.expanduser(name)).absolute()
    if os.path.isfile(folder):
        return NotADirectoryError(f"{short(name)} is a file. Type the folder that holds it: {_quoted(folder.parent)}.")
    parent = next(path for path in folder.parents if os.path.isdir(path))
    names = [path.name for path in parent.iterdir() if path.is_dir()] if os.access(parent, os.R_OK) else []
    there = f"has {nearest(folder.name, names)[:100]}" if names else "has no folders"
    fix = "Type an existing folder, or 'org/name' for a repository on the Hub."
    return FileNotFoundError(f"folder {short(name)} does not exist; {_quoted(parent)} {there}. {fix}")


def _quoted(path: Path) -> str:
    return short(str(path), 100)


def vetted(path: Path, folder: Path) -> Path:
    """The path if it is a regular file kept by the repository in `folder`; OSError otherwise, without opening it.

    A link is followed only inside the folder or, in a snapshot of a Hub cache, into the same cache's blobs: a cloned
    repository may hold a link to any file of the machine.
    """
    quoted = _quoted(path)
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        fix = "Put the file itself there; for a Hub cache, download again with force_download=True."
        raise OSError(f"{quoted} cannot be read: {error.strerror}. {fix}") from error
    if not regular:
        raise OSError(f"{quoted} is not a regular file. Put the file itself there.")
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(os.path.realpath(home)) for home in (folder, *_blobs(path))):
        raise OSError(
            f"{quoted} is a link that leaves its folder, so it is not followed. Copy the file there (cp -L), make a "
            "hard link (ln without -s), or pass the folder it points to."
        )
    return path


def _blobs(path: Path) -> list[Path]:
    """Where a link in a Hub cache snapshot may lead: the repository's blobs and the cache's shared ones."""
    for snapshot in path.absolute().parents:
        if snapshot.parent.name == "snapshots" and snapshot.parents[1].name.startswith("models--"):
            return [snapshot.parents[1] / "blobs", snapshot.parents[2] / "blobs"]
    return []


def listing(folder: Path) -> list[str]:
    """Sorted names of the regular files in a folder and in the folders directly below it."""
    found = (path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def read_json(path: Path, limit: int = MAX_JSON, kind: type = dict) -> Any:
    """The JSON object, or list, in a file. OSError: larger than `limit` bytes, not UTF-8, not JSON, of another kind."""
    with open(path, "rb") as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise OSError(f"{_quoted(path)} has more than {limit:,} bytes, too many for a JSON file of a model. Check it.")
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _not_json(path, raw, f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _not_json(path, raw, f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except (RecursionError, ValueError):
        raise _not_json(path, raw, "is nested too deeply or holds too long a number") from None
    if not isinstance(value, kind):
        expected = "an object {...}" if kind is dict else "a list [...]"
        raise _not_json(path, raw, f"holds a {type(value).__name__} where {expected} is expected")
    return value


def _not_json(path: Path, raw: bytes, problem: str) -> OSError:
    start, fix = raw[:200].lstrip().lower(), "Get the file again from where it came from."
    if not start:
        problem = "is empty"
    elif start.startswith(b"version https://git-lfs"):
        problem, fix = "is a Git LFS pointer, not the file", "In the clone type: git lfs pull"
    elif start.startswith((b"<!doctype", b"<html", b"<?xml")):
        problem, fix = "is an HTML page, not JSON", "Download the raw file: its address has /resolve/, not /blob/."
    return OSError(f"{_quoted(path)} {problem}. {fix}")


def check_sha256(path: Path) -> None:
    """Compare a fresh download with the SHA-256 that names it in the cache. If they differ: deleted, and OSError."""
    # one step only: the blob may itself be a link into a shared store that is named by another hash
    blob = path.parent / os.readlink(path) if path.is_symlink() else path
    if not re.fullmatch("[0-9a-f]{64}", blob.name):
        return
    if sha256_of(path) != blob.name:
        for damaged in (Path(os.path.realpath(path)), blob, path):
            damaged.unlink(missing_ok=True)
        raise OSError(
            f"{short(path.name)} was damaged on the way (its SHA-256 differs) and is deleted. Run the same line again."
        )


def find_secret(content: bytes) -> tuple[str, int] | None:
    """What kind of secret a text holds and in which line; None if none is found."""
    for kind, pattern in _SECRETS.items():
        if match := pattern.search(content):
            return kind, content.count(b"\n", 0, match.start()) + 1
    return None


def amount(count: float) -> str:
    """A number of bytes for people: "17.5 MB"."""
    power = 0
    while count >= 999.5 and power < 4:
        count, power = count / 1000, power + 1
    return f"{count:.{min(power, 1)}f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def no_file(folder: Path) -> Path:
    """A folder to write into. Raises: NotADirectoryError if there is a file of this name."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{_quoted(folder)} is a file; name a folder to write into.")
    return folder


def write_file(folder: str | os.PathLike[str], name: str, content: bytes | str | Callable[[Path], None]) -> Path:
    """Write one file of a repository as `replace_file` does. Returns its path. A missing folder is made.

    ValueError: a name with a separator, one that starts with ".", or one that is not valid on every system.
    """
    if "/" in check_name(name):
        raise ValueError(f"{short(name)} is not a plain file name: expected one like 'config.json'.")
    target = Path(folder, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    return replace_file(target, content)


def write_json(folder: str | os.PathLike[str], name: str, value: Any, indent: int = 2, **options: Any) -> Path:
    """`write_file` of JSON; `options` are those of json.dumps."""
    return write_file(folder, name, json.dumps(value, indent=indent, **options) + "\n")


def sha256_of(path: Path) -> str:
    """Of a file's content, read piece by piece."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def replace_file(target: Path, content: bytes | str | Callable[[Path], None]) -> Path:
    """Write a file so that a crash leaves the old one or the new one, never a part of one. Returns its path.

    content: bytes, text (written as UTF-8), or a function that writes to the path given.
    """
    temp = target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.tmp")  # as in _UNFINISHED
    descriptor = os.open(temp, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)  # the kernel applies the umask
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.close(descriptor)
        if callable(content):
            content(temp)
            temp.chmod(mode)  # the function may have put another file there
        else:
            temp.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(temp)
        os.replace(temp, target)
    finally:
        temp.unlink(missing_ok=True)
    sync(target.parent)  # the new name, too, must survive
    return target


def remove_unfinished(folder: Path) -> None:
    """Remove the files that `replace_file` was writing into a folder when its process was killed."""
    for path in folder.glob(".*.tmp"):
        if _UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; a folder where the system can."""
    if path.is_dir() and os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
