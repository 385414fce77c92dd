"""A saved folder -> a commit on the Hub.

What is special: only what a model is made of is sent (PUBLISHED is an allow-list: no optimiser state, no pickles), a
text with a secret in it stops everything before the first byte leaves, and what fails raises.
"""

import logging
import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from qkv.errors import short
from qkv.files import check_id, check_name, check_revision, find_secret, listing, no_folder, vetted

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

PUBLISHED = (
    *(
        "config.json",
        "generation_config.json",
        "adapter_config.json",
        "README.md",
        "*.safetensors",
        "*.safetensors.index.json",
    ),
    *(
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "vocab.txt",
    ),
    *("merges.txt", "*.model", "*.spm", "*.tiktoken", "normalizer.json", "chat_template.jinja", "chat_template.json"),
    *("additional_chat_templates/*.jinja", "*preprocessor_config.json", "processor_config.json"),
)
NEVER = ("optimizer*", "scheduler*", "rng*", "train*", "state*", "checkpoint*")  # of training, whatever the format
TEXT = (".json", ".txt", ".md", ".jinja")

log = logging.getLogger("qkv")


def push_folder(  # noqa: PLR0913, the signature the field knows
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    commit_message: str | None = None,
    commit_description: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    tags: list[str] | str | None = None,
    path_in_repo: str | None = None,
) -> "CommitInfo":
    """Send a saved folder to the Hub as one commit, making the repository if needed, and return the commit.

    private: visibility of a new repository; None leaves it to the Hub. tags: added to the card that is sent, not to the
    folder's. path_in_repo: a folder of the repository to send it into. OSError: no such folder, nothing to send, or the
    Hub refuses. ValueError: a bad id, or a secret in a text.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    check_id(repo_id)
    check_revision(revision or "main")
    place = f"{check_name(path_in_repo)}/" if path_in_repo else ""
    contents = _contents(Path(os.path.expanduser(folder)), [tags] if isinstance(tags, str) else tags)
    sizes = {name: len(data) if isinstance(data, bytes) else data.stat().st_size for name, data in contents.items()}
    listed = ", ".join(f"{name} ({size:,} bytes)" for name, size in sizes.items())
    log.info("sending %d files, %s bytes, to %s: %s", len(sizes), f"{sum(sizes.values()):,}", repo_id, listed)
    api = HfApi(token=token, library_name="qkv")
    try:
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if revision and not revision.startswith("refs/"):
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        return api.create_commit(
            repo_id,
            [CommitOperationAdd(f"{place}{name}", data) for name, data in contents.items()],
            commit_message=commit_message or "Upload model",
            commit_description=commit_description,
            revision=revision,
            create_pr=create_pr,
        )
    except Exception as error:  # whatever the network stack raises, in one clear sentence
        raise _refused(error, repo_id) from error


def _contents(folder: Path, tags: list[str] | None) -> dict[str, bytes | Path]:
    """What to send: texts as the bytes that were searched for secrets, the rest as paths."""
    if not folder.is_dir():
        raise no_folder(str(folder))
    paths = {name: vetted(folder / name, folder) for name in listing(folder) if _published(name)}
    if not paths:
        raise FileNotFoundError(
            f"nothing to send in {short(str(folder), 120)}. Type save_pretrained() of a model first."
        )
    contents = {name: path.read_bytes() if name.endswith(TEXT) else path for name, path in paths.items()}
    if tags:
        contents["README.md"] = _tagged(folder / "README.md" if "README.md" in paths else None, tags)
    for name, data in contents.items():
        found = find_secret(data) if isinstance(data, bytes) else None
        if found:
            raise ValueError(
                f"{name} line {found[1]} holds what looks like {found[0]}; nothing was sent. Remove it from the file, "
                "and revoke it if it was ever shared."
            )
    return contents


def _published(name: str) -> bool:
    inside = "/" not in name or name.startswith("additional_chat_templates/")
    never = any(fnmatchcase(name, pattern) for pattern in NEVER)
    return inside and not never and any(fnmatchcase(name, pattern) for pattern in PUBLISHED)


def _tagged(card: Path | None, tags: list[str]) -> bytes:
    from huggingface_hub import ModelCard

    text = card.read_text("utf-8") if card else ""
    parsed = ModelCard(text if text.startswith("---") else f"---\n{{}}\n---\n{text}", ignore_metadata_errors=True)
    known = parsed.data.to_dict().get("tags") or []
    parsed.data["tags"] = [*known, *(tag for tag in tags if tag not in known)]
    return str(parsed).encode()


def _refused(error: Exception, repo_id: str) -> Exception:
    from huggingface_hub import constants

    if isinstance(error, TypeError | ValueError) and not hasattr(error, "response"):
        return error
    status = getattr(getattr(error, "response", None), "status_code", None)
    name, site = short(repo_id), short(constants.ENDPOINT)[1:-1]
    if constants.HF_HUB_OFFLINE:
        text = "HF_HUB_OFFLINE is set. Unset it and run the same line again."
    elif status in (401, 403, 404):
        text = f"{site} refused ({status}): no token, or it may not write there. Type: hf auth login, or pass token=."
    elif status:
        text = f"{site} answered with an error ({status}). Check the name, or try again later."
    else:
        text = f"cannot reach {site} ({type(error).__name__}). Check the network, HF_ENDPOINT and `hf auth whoami`."
    return OSError(f"{name} was not pushed: {text}")
