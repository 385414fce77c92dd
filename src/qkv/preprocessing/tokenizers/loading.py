"""From an opened repository to a tokenizer: which class, which files, which options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken

from qkv.errors import nearest, short
from qkv.gguf import GGUFRepo

from . import gguf
from .base import PreTrainedTokenizer
from .construct import check_kinds
from .special import FLAGS, LISTS, ROLES
from .table import CLASSES, GENERAL, tokenizer_class
from .template_files import read_templates

if TYPE_CHECKING:
    from qkv.hub import Repo

# keys that name files, code or the class itself: never taken from a repository as options
NOT_OPTIONS = {"tokenizer_class", "tokenizer_file", "vocab_file", "merges_file", "vocab", "merges", "tokenizer_object"}
NOT_OPTIONS |= {
    "special_tokens_map_file",
    "added_tokens_file",
    "name_or_path",
    "auto_map",
    "backend",
    "is_local",
    "local_files_only",
    "init_inputs",
}
WRITTEN_OUT = {"additional_special_tokens": [], "add_bos_token": None, "add_eos_token": None}
SWALLOWED = ("use_fast", "tokenizer_type", "from_slow", "legacy_format", "device_map", "dtype", "torch_dtype")


def load_tokenizer(repo: Repo, cls: type[PreTrainedTokenizer] | None = None, **kwargs: Any) -> PreTrainedTokenizer:
    """The tokenizer of a repository. kwargs override tokenizer_config.json.

    Raises OSError when no tokenizer file is there, ValueError when one is broken.
    """
    config = repo.json("tokenizer_config.json") or {}
    check_kinds(config)
    saved_class, cls = (None, cls) if cls else _class(repo, config)
    options: dict[str, Any] = {name: value for name, value in config.items() if name not in NOT_OPTIONS}
    options["added_tokens_decoder"] = _added(config.get("added_tokens_decoder"), repo)
    if "added_tokens_decoder" not in config:
        _older(repo, options)
    options["chat_template"] = read_templates(repo, config)
    options.update({name: value for name, value in kwargs.items() if name not in SWALLOWED})
    _same_objects(options)
    if "backend" in config:  # written by 5.x, whose tokenizer.json is complete: class defaults add nothing to it
        options = {name: WRITTEN_OUT[name] for name in WRITTEN_OUT.keys() & cls.defaults.keys()} | options
    options["name_or_path"] = repo.name
    named = config.get(
        "tokenizer_class"
    )  # a class nobody here knows may cut text in any way: no guessing from its files
    if isinstance(repo, GGUFRepo):
        files: dict[str, Any] = {"tokenizer_object": gguf.from_metadata(repo.metadata, options, str(repo.name))}
    else:
        cls, files = _files(repo, cls, guess=not cls.vocab_files_names and (named is None or str(named) in CLASSES))
    tokenizer = cls(**files, **options)
    tokenizer.saved_class = saved_class or tokenizer.saved_class
    return tokenizer


def _class(repo: Repo, config: Mapping[str, Any]) -> tuple[str | None, type[PreTrainedTokenizer]]:
    """The name to save under, if the repository gives a known one, and the class."""
    name = config.get("tokenizer_class")
    if isinstance(name, str) and name in CLASSES:
        return (None if name in GENERAL else name), CLASSES[name]
    model = repo.json("config.json") or {}
    return None, tokenizer_class(model.get("tokenizer_class"), model.get("model_type"))


def _files(repo: Repo, cls: type[PreTrainedTokenizer], guess: bool) -> tuple[type[PreTrainedTokenizer], dict[str, Any]]:
    path = repo.file("tokenizer.json")
    if path is not None:
        return cls, {"tokenizer_file": path}
    if cls.vocab_files_names:
        found = {argument: repo.file(name) for argument, name in cls.vocab_files_names.items()}
        if all(found.values()):
            return cls, found
    wanted = ["tokenizer.json", *cls.vocab_files_names.values()]
    for kind in ("BertTokenizer", "GPT2Tokenizer") if guess else ():
        found = {argument: repo.file(name) for argument, name in CLASSES[kind].vocab_files_names.items()}
        if all(found.values()):
            return CLASSES[kind], found
    there = [name for name in repo.files() if name.endswith((".json", ".txt", ".model", ".spm"))]
    listed = f"It has {nearest('tokenizer.json', there)}." if there else "It has no tokenizer files at all."
    raise FileNotFoundError(
        f"{short(repo.name, 120)} holds no tokenizer that {cls.__name__} can read ({', '.join(wanted)}). {listed}"
    )


def _added(given: Any, repo: Repo) -> dict[int, AddedToken]:
    """Id to token, from the `added_tokens_decoder` of tokenizer_config.json."""
    if not isinstance(given, dict):
        return {}
    found = {}
    for index, token in given.items():
        content = token.get("content") if isinstance(token, dict) else None
        if not isinstance(content, str) or not str(index).isdigit():
            raise ValueError(
                f"added_tokens_decoder in tokenizer_config.json of {short(repo.name)} holds "
                f"{short(index)}: {short(token)}, which is not an id with a token."
            )
        found[int(index)] = AddedToken(content, **{flag: bool(token[flag]) for flag in FLAGS if flag in token})
    return found


def _older(repo: Repo, options: dict[str, Any]) -> None:
    """special_tokens_map.json and added_tokens.json, as they were before added_tokens_decoder."""
    roles = repo.json("special_tokens_map.json") or {}
    for role, token in roles.items():
        if role in LISTS and isinstance(token, list):
            before = list(options.get("additional_special_tokens") or [])
            names = {one.get("content") if isinstance(one, dict) else str(one) for one in before}
            options["additional_special_tokens"] = before + [
                one for one in map(_special, token) if str(one) not in names
            ]
        elif role in ROLES:
            options[role] = _special(token)
    added = repo.json("added_tokens.json") or {}
    special = {str(_special(options[role])) for role in ROLES if options.get(role)}
    special |= {str(_special(one)) for one in options.get("additional_special_tokens") or ()}
    for token, index in added.items():
        if isinstance(index, int):
            is_special = token in special
            made = AddedToken(token, normalized=not is_special, special=is_special)
            options["added_tokens_decoder"][index] = made


def _special(token: Any) -> Any:
    if isinstance(token, dict) and isinstance(token.get("content"), str):
        flags = {flag: bool(token[flag]) for flag in FLAGS if flag in token}
        return AddedToken(token["content"], **{**flags, "special": True})
    return token


def _same_objects(options: dict[str, Any]) -> None:
    """A role given as str or dict means the added token of that name, with its flags."""
    known = {token.content: token for token in options["added_tokens_decoder"].values()}
    for role in ROLES:
        token = options.get(role)
        if isinstance(token, dict):
            token = _special(token)
        if token is not None:
            options[role] = known.get(str(token), token)
