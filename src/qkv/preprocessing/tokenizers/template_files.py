"""Chat templates in a tokenizer's folder: chat_template.jinja, and those with names in additional_chat_templates.

Names come from files that anybody wrote, and become the names of files: only letters, digits, "_" and "-".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qkv.errors import short

if TYPE_CHECKING:
    from qkv.hub import Repo

FILE, FOLDER, SUFFIX = "chat_template.jinja", "additional_chat_templates", ".jinja"
MAX_TEMPLATE = 2**18  # bytes
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def named_templates(given: Any) -> str | dict[str, str] | None:
    """One template, or a dict by name, from what a configuration holds. ValueError for a name that is none."""
    if isinstance(given, (list, tuple)):
        given = {one["name"]: one["template"] for one in given if isinstance(one, Mapping) and {*one} >= _KEYS}
    if not isinstance(given, Mapping):
        return given
    for name, template in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"{short(name)} cannot be the name of a chat template: expected up to 64 of the characters A-Z, a-z, "
                "0-9, '_' and '-', as in 'tool_use'."
            )
        if not isinstance(template, str):
            raise ValueError(f"The chat template {name!r} is {short(template)}, which is not a text.")
    return dict(given)


_KEYS = {"name", "template"}


def read_templates(repo: Repo, config: Mapping[str, Any]) -> str | dict[str, str] | None:
    """The templates of a repository; where it has files of them, those in tokenizer_config.json do not count.

    ValueError for a hostile name or a file of more than MAX_TEMPLATE bytes.
    """
    names = [name.removesuffix(SUFFIX) for name in repo.files_in(FOLDER) if name.endswith(SUFFIX)]
    found = {name: f"{FOLDER}/{name}{SUFFIX}" for name in named_templates(dict.fromkeys(names, "")) or ()}
    paths = {"default": repo.file(FILE), **{name: repo.file(file) for name, file in found.items()}}
    read = {name: _text(path) for name, path in paths.items() if path is not None}
    if not read:
        return named_templates(config.get("chat_template"))
    return read["default"] if read.keys() == {"default"} else read


def _text(path: Path) -> str:
    with open(path, "rb") as file:
        raw = file.read(MAX_TEMPLATE + 1)
    if len(raw) > MAX_TEMPLATE:
        raise ValueError(f"{short(path.name)} has more than {MAX_TEMPLATE} bytes, too many for a chat template.")
    return raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def write_templates(folder: Path, given: Any) -> list[Path]:
    """Write one template, or several by name, as Transformers 4.57 and 5 read them; the paths.

    ValueError for a hostile name, before anything is written. OSError when the folder for them is a link.
    """
    from qkv.hub import write_file

    templates = named_templates(given) or {}
    if isinstance(templates, str):
        templates = {"default": templates}
    if (folder / FOLDER).is_symlink():
        raise OSError(f"{short(str(folder / FOLDER), 200)} is a link, and may lead outside. Remove it and save again.")
    return [
        write_file(folder, FILE, text) if name == "default" else write_file(folder / FOLDER, name + SUFFIX, text)
        for name, text in templates.items()
    ]
