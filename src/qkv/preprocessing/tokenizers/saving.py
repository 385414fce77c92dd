"""Writing a tokenizer: the files that every generation of the field's libraries reads. File names are constants."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken

from qkv.errors import short

from .template_files import write_templates

if TYPE_CHECKING:
    from .base import PreTrainedTokenizer

GENERAL = "PreTrainedTokenizerFast"  # the name other libraries know a tokenizer without a family by
CONFIG, ROLES_FILE, RUST = "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json"


def save_pretrained(
    self: PreTrainedTokenizer, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any
) -> tuple[str, ...]:
    """Write tokenizer.json, tokenizer_config.json, special_tokens_map.json, chat templates and the vocabulary files;
    their paths.

    kwargs go to `push_to_hub`. Raises OSError when the path is a file, ValueError for the name of a chat template that
    cannot be the name of a file.
    """
    from qkv.hub import write_file

    folder = Path(save_directory)
    if folder.is_file():
        raise OSError(f"{short(str(folder))} is a file. save_pretrained takes a folder, which it makes if need be.")
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(self)
    written = write_templates(folder, self.chat_template)
    written.append(write_file(folder, CONFIG, _text(config)))
    roles = {role: _plain(token) for role, token in self.special_tokens_map_extended.items()}
    written.append(write_file(folder, ROLES_FILE, _text(roles)))
    written.extend(Path(name) for name in save_vocabulary(self, folder))
    beyond = {token: index for token, index in self.get_added_vocab().items() if index >= self.vocab_size}
    if beyond and self.vocab_files_names:
        written.append(write_file(folder, "added_tokens.json", _text(beyond)))
    written.append(write_file(folder, RUST, self._engine.rust.to_str(pretty=True)))
    if push_to_hub:
        _push(folder, kwargs.pop("repo_id", folder.resolve().name), kwargs)
    return tuple(map(str, written))


def push_to_hub(self: PreTrainedTokenizer, repo_id: str, **kwargs: Any) -> Any:
    """Save and upload to a Hub repository, which is made if need be; kwargs: commit_message, private, token, revision,
    create_pr, tags. Raises OSError when the Hub refuses."""
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(self, folder)
        return _push(Path(folder), repo_id, kwargs)


def _push(folder: Path, repo_id: str, kwargs: dict[str, Any]) -> Any:
    from qkv.hub import push_folder

    for ignored in ("use_temp_dir", "max_shard_size", "safe_serialization", "legacy_format", "filename_prefix"):
        kwargs.pop(ignored, None)
    return push_folder(folder, repo_id, **kwargs)


def save_vocabulary(
    self: PreTrainedTokenizer, save_directory: str | os.PathLike[str], filename_prefix: str | None = None
) -> tuple[str, ...]:
    """Write the vocabulary in the form of this tokenizer's family (vocab.txt, vocab.json and merges.txt, or the
    SentencePiece model it was built from); the paths, none when the family has no such form."""
    from qkv.hub import write_file

    folder = Path(save_directory)
    model = json.loads(self._engine.rust.to_str())["model"] if self.vocab_files_names else {}
    names = tuple(self.vocab_files_names.values())
    files: dict[str, Any] = {}
    if names == ("vocab.txt",) and isinstance(model.get("vocab"), dict):
        ordered = sorted(model["vocab"].items(), key=lambda item: item[1])
        files["vocab.txt"] = "".join(f"{token}\n" for token, _ in ordered)
    elif names == ("vocab.json", "merges.txt") and "merges" in model:
        pairs = (pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"])
        files["vocab.json"] = json.dumps(model["vocab"], ensure_ascii=False)
        files["merges.txt"] = "#version: 0.2\n" + "".join(f"{pair}\n" for pair in pairs)
    elif isinstance(self.vocab_file, (str, os.PathLike)) and os.path.isfile(self.vocab_file):
        files[names[0]] = Path(self.vocab_file).read_bytes()
    prefix = f"{filename_prefix}-" if filename_prefix else ""
    return tuple(str(write_file(folder, prefix + name, content)) for name, content in files.items())


def _config(tokenizer: PreTrainedTokenizer) -> dict[str, Any]:
    config = dict(tokenizer.init_kwargs)
    for name in ("padding_side", "truncation_side", "model_max_length", "clean_up_tokenization_spaces"):
        config[name] = getattr(tokenizer, name)
    for name in ("chat_template", "added_tokens_decoder", "tokenizer_file", "max_len"):
        config.pop(name, None)
    config.update({role: _plain(token) for role, token in tokenizer.special_tokens_map.items()})
    named = [role for role in tokenizer._roles if role not in tokenizer.SPECIAL_TOKENS_ATTRIBUTES]
    config["extra_special_tokens"] = {role: getattr(tokenizer, role) for role in named if getattr(tokenizer, role)}
    config["added_tokens_decoder"] = {
        str(index): _plain(token) for index, token in tokenizer.added_tokens_decoder.items()
    }
    config["tokenizer_class"] = tokenizer.saved_class
    if tokenizer.saved_class == GENERAL:  # whose readers cannot know the inputs from the class
        config["model_input_names"] = list(tokenizer.model_input_names)
    return config


def _plain(token: Any) -> Any:
    if isinstance(token, list):
        return [_plain(one) for one in token]
    return token.__getstate__() if isinstance(token, AddedToken) else token


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, default=_json) + "\n"


def _json(value: Any) -> Any:
    if isinstance(value, AddedToken):
        return {"__type": "AddedToken", **value.__getstate__()}
    raise TypeError(f"tokenizer_config.json cannot hold {short(value)}.")
