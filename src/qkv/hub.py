"""A repository is a folder or "org/name" on the Hub; its files are local paths. The only door to the network.

What is special: a local folder opens no socket. A Hub repository costs one metadata call, all its files come from one
commit, each is fetched when asked for, and code is never asked for. Every failure is one OSError (ValueError for a bad
argument) that says what to type.
"""

import logging
import os
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

from qkv.errors import nearest, short
from qkv.files import (
    MAX_JSON,
    check_id,
    check_name,
    check_readable,
    check_revision,
    check_sha256,
    listing,
    no_folder,
    read_json,
    vetted,
    write_file,
)
from qkv.hub_errors import explained
from qkv.publish import push_folder

__all__ = ["HubRepo", "Repo", "is_cached", "open_repo", "push_folder", "split_options", "write_file"]

TIMEOUT = 5.0  # seconds for the one metadata call: a machine without network must find out soon

log = logging.getLogger("qkv")


class Repo:
    """An opened repository in a local folder. Files are looked up when asked for."""

    is_local = True

    def __init__(self, name: str, folder: Path, subfolder: str = ""):
        self.name, self.folder, self._prefix = name, folder, f"{subfolder}/" if subfolder else ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def file(self, name: str) -> Path | None:
        """Local path of a file, downloaded if need be; None if the repository does not have it.

        ValueError: a name not allowed. OSError: the Hub cannot be reached, or the file may not be read.
        """
        path = self._locate(self._prefix + check_readable(name))
        return None if path is None else vetted(path, self.folder)

    def require(self, name: str) -> Path:
        """Like `file`; a missing file is an OSError that says where it looked and what is there."""
        path = self.file(name)
        if path is None:
            raise self._missing(self._prefix + name)
        return path

    def json(self, name: str, limit: int = MAX_JSON) -> dict[str, Any] | None:
        """The JSON object in a file; None if the repository does not have it. OSError: too large or no JSON object."""
        path = self.file(name)
        return None if path is None else read_json(path, limit)

    def json_list(self, name: str) -> list[Any] | None:
        """The JSON list in a file; None if the repository does not have it. OSError: too large or no JSON list."""
        path = self.file(name)
        return None if path is None else read_json(path, kind=list)

    def below(self, folder: str) -> "Repo":
        """The same repository, seen from a folder in it; itself for "". ValueError: a name that leads elsewhere."""
        found = copy(self)
        if folder not in ("", ".", "./"):
            found._prefix += f"{check_name(folder.removesuffix('/'))}/"
        return found

    def files(self) -> list[str]:
        """Sorted names of the files, relative to the subfolder."""
        return listing(self.folder / self._prefix)

    def files_in(self, folder: str) -> list[str]:
        """Sorted names of the files in a folder of the repository, relative to it; none if it is not there."""
        return listing(self.folder / self._prefix / folder)

    def _locate(self, name: str) -> Path | None:
        path = self.folder / name
        return path if os.path.lexists(path) else None

    def _missing(self, name: str) -> OSError:
        names = self.files()
        there = f"There is {nearest(name, names)[:100]}" if names else "It is empty"
        return FileNotFoundError(f"no file {short(name)} in {short(self.name)}. {there}. {self.hint()}")

    def hint(self) -> str:
        return "Pass the folder that holds it, or save there with save_pretrained()."


class HubRepo(Repo):
    """A Hub repository at one revision, through huggingface_hub and its cache. No socket before the first file."""

    is_local = False

    def __init__(self, repo_id: str, revision: str, subfolder: str = "", **options: Any):
        from huggingface_hub import constants

        self.cache = Path(options["cache_dir"] or constants.HF_HUB_CACHE)
        super().__init__(repo_id, self.cache / f"models--{repo_id.replace('/', '--')}", subfolder)
        self.revision, self._options, self._fetched = revision, options, set()
        self._offline = options["local_files_only"] or constants.HF_HUB_OFFLINE

    def files(self) -> list[str]:
        folder, names = self._open("the list of files")
        if names is None:
            return listing(folder / self._prefix)
        return sorted(name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix))

    def files_in(self, folder: str) -> list[str]:
        return [name.removeprefix(f"{folder}/") for name in self.files() if name.startswith(f"{folder}/")]

    def _open(self, wanted: str) -> tuple[Path, frozenset[str] | None]:
        folder, names, cause = self._commit
        if folder is None:
            raise explained(cause, self, wanted) from cause
        return folder, names

    @cached_property
    def _commit(self) -> tuple[Path | None, frozenset[str] | None, Exception | None]:
        """The commit's folder in the cache; the names of its files on the Hub; or, for want of these, why."""
        if self._offline:
            return self._cached_commit(), None, None
        from huggingface_hub import HfApi
        from huggingface_hub.errors import RevisionNotFoundError

        try:
            api = HfApi(token=self._options["token"], library_name="qkv")
            info = api.model_info(self.name, revision=self.revision, timeout=TIMEOUT)
            names = frozenset(entry.rfilename for entry in info.siblings or ())
            return self.folder / "snapshots" / check_name(str(info.sha)), names, None
        except RevisionNotFoundError as error:
            return None, None, error
        except Exception as error:  # whatever the network stack raises, the cache may still serve
            log.info("%s: no answer from the Hub (%s), trying the cache", self.name, type(error).__name__)
            return self._cached_commit(), None, error.with_traceback(None)

    def _cached_commit(self) -> Path | None:
        ref = self.folder / "refs" / self.revision
        folder = self.folder / "snapshots" / (ref.read_text().strip() if ref.is_file() else self.revision)
        return folder if folder.is_dir() else None

    def _locate(self, name: str) -> Path | None:
        folder, names = self._open(short(name, 40))
        if names is not None and name not in names:
            return None
        fetch = names is not None and self._options["force_download"] and name not in self._fetched
        if (folder / name).exists() and not fetch:
            return folder / name
        return None if names is None else self._download(name, folder)

    def _download(self, name: str, folder: Path) -> Path | None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        try:
            path = Path(hf_hub_download(self.name, name, revision=folder.name, library_name="qkv", **self._options))
        except Exception as error:  # one clear sentence in place of the network stack's own
            if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
                return None
            wrapped = isinstance(error, LocalEntryNotFoundError | ValueError)
            raise explained(wrapped and error.__cause__ or error, self, short(name, 40)) from error
        check_sha256(path)
        self._fetched.add(name)
        ref = self.folder / "refs" / self.revision
        if self.revision != folder.name and (not ref.is_file() or ref.read_text() != folder.name):
            write_file(ref.parent, ref.name, folder.name)  # so that the revision is found without network
        return path

    def _missing(self, name: str) -> OSError:
        _, names, cause = self._commit
        return super()._missing(name) if names is not None else explained(cause, self, short(name, 40))

    def hint(self) -> str:
        return f"Check the name and the revision {short(self.revision)}, or pass a folder such as './model'."


def open_repo(
    name_or_path: "str | os.PathLike[str] | Repo",
    *,
    revision: str | None = None,
    subfolder: str = "",
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    gguf_file: str | None = None,
) -> Repo:
    """Open a folder, a GGUF file, or a Hub repository: "org/name", "name" or "org/name@revision". A folder wins.

    gguf_file: the name of a GGUF file in the folder or repository, which is then opened in its place.
    What is already open is given back, so that several readers of one repository share its metadata.
    Raises OSError for a folder that does not exist, ValueError for what is neither a folder nor an id.
    """
    if isinstance(name_or_path, Repo):
        return name_or_path
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(f"expected a folder or a Hub id such as 'org/name', not {short(name_or_path)}.")
    name, subfolder = os.fspath(name_or_path), check_name(subfolder) if subfolder else ""
    folder = os.path.expanduser(name)  # os.path, not Path: no name makes it raise
    if os.path.isdir(folder):
        return _chosen(Repo(name, Path(folder), subfolder), gguf_file)
    if folder.lower().endswith(".gguf") and os.path.isdir(os.path.dirname(folder) or "."):
        return _chosen(Repo(os.path.dirname(name) or ".", Path(folder).parent), os.path.basename(folder))
    repo_id, _, at = name.partition("@")
    looks_like_path = name.startswith((".", "/", "~")) or "\\" in name or repo_id.count("/") > 1
    if looks_like_path or not isinstance(name_or_path, str) or os.path.isfile(folder):
        raise no_folder(name)
    options = dict(token=token, cache_dir=cache_dir, local_files_only=local_files_only, force_download=force_download)
    return _chosen(
        HubRepo(check_id(repo_id), check_revision(revision or at or "main"), subfolder, **options), gguf_file
    )


def _chosen(repo: Repo, gguf_file: str | None) -> Repo:
    from .gguf import GGUFRepo

    return repo if gguf_file is None else GGUFRepo.inside(repo, gguf_file)


def open_with(name_or_path: "str | os.PathLike[str] | Repo", kwargs: dict[str, Any]) -> tuple[Repo, dict[str, Any]]:
    """An opened repository, by those of the keywords that say where and how to look; and the rest of them."""
    where, rest = split_options(kwargs)
    return open_repo(name_or_path, **where), rest


def is_cached(name: str | os.PathLike[str], filename: str = "config.json", **options: Any) -> bool:
    """Whether a file of a repository can be read without network. Opens no socket."""
    try:
        return open_repo(name, **{**options, "local_files_only": True}).file(filename) is not None
    except (OSError, ValueError):
        return False


def split_options(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keyword arguments of from_pretrained: (options of open_repo, the rest). ValueError for trust_remote_code=True."""
    rest = {name: value for name, value in kwargs.items() if name not in ("resume_download", "proxies")}
    if rest.pop("trust_remote_code", False):
        raise ValueError("trust_remote_code=True: qkv never runs code from a repository. Leave it out.")
    old_token = rest.pop("use_auth_token", None)
    names = ("revision", "subfolder", "token", "cache_dir", "local_files_only", "force_download", "gguf_file")
    options = {"token": old_token, **{name: rest.pop(name) for name in names if name in rest}}
    return {name: value for name, value in options.items() if value is not None}, rest
