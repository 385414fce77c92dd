"""A new vocabulary for the same kind of tokenizer: everything but the learned table stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Tokenizer, pre_tokenizers, trainers

from qkv.errors import short

from .special import FLAGS, Token

if TYPE_CHECKING:
    from typing_extensions import Self

    from .base import PreTrainedTokenizer

TRAINERS = {
    "BPE": trainers.BpeTrainer,
    "Unigram": trainers.UnigramTrainer,
    "WordLevel": trainers.WordLevelTrainer,
    "WordPiece": trainers.WordPieceTrainer,
}


def train_new_from_iterator(
    self: PreTrainedTokenizer,
    text_iterator: Iterable[str] | Iterable[list[str]],
    vocab_size: int,
    length: int | None = None,
    new_special_tokens: list[Token] | None = None,
    special_tokens_map: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> Self:  # type: ignore[misc]
    """A tokenizer of the same class and kind, its vocabulary learned from texts or batches of texts.

    vocab_size: tokens in all. length: number of texts, for the progress bar. special_tokens_map: old token to new.
    kwargs go to the trainer of the `tokenizers` library. Raises ValueError when that library refuses them.
    """
    renamed = dict(special_tokens_map or {})
    state = json.loads(self._engine.rust.to_str())
    model, added, frame = state["model"], state.pop("added_tokens"), state.pop("post_processor")
    kept = [token for token in added if token["special"] or model["type"] == "Unigram"]
    special = [_token(token, renamed) for token in kept] + list(new_special_tokens or [])
    unknown = _emptied(model, renamed)
    rust = Tokenizer.from_str(json.dumps({**state, "added_tokens": [], "post_processor": None}))
    options: dict[str, Any] = {"vocab_size": vocab_size, "special_tokens": special, **kwargs}
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name) is not None:
            options.setdefault(name, model[name])
    if unknown is not None:
        options.setdefault("unk_token", unknown)
    if "ByteLevel" in json.dumps(state["pre_tokenizer"]):
        options.setdefault("initial_alphabet", pre_tokenizers.ByteLevel.alphabet())
    try:
        rust.train_from_iterator(text_iterator, trainer=TRAINERS[model["type"]](**options), length=length)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Training a {model['type']} vocabulary failed: {short(str(error), 200)}") from None
    trained = {**json.loads(rust.to_str()), "post_processor": _moved(frame, rust, renamed)}
    return _like(self, Tokenizer.from_str(json.dumps(trained)), renamed, list(new_special_tokens or []))


def _token(state: dict[str, Any], renamed: Mapping[str, str]) -> AddedToken:
    return AddedToken(renamed.get(state["content"], state["content"]), **{flag: state[flag] for flag in FLAGS})


def _emptied(model: dict[str, Any], renamed: Mapping[str, str]) -> str | None:
    """Take the learned table out of a model's state; the unknown token when training has to be told of it."""
    if model["type"] != "Unigram":
        model["vocab"] = {}
        if "merges" in model:
            model["merges"] = []
        if model.get("unk_token") is not None:
            model["unk_token"] = renamed.get(model["unk_token"], model["unk_token"])
        return None
    if model["unk_id"] is None:
        model["vocab"] = []
        return None
    unknown = model["vocab"][model["unk_id"]][0]
    unknown = renamed.get(unknown, unknown)
    model["vocab"], model["unk_id"] = [[unknown, 0.0]], 0
    return unknown


def _moved(node: Any, rust: Tokenizer, renamed: Mapping[str, str]) -> Any:
    """A post-processor's state with the ids its special tokens have in the new vocabulary."""
    if isinstance(node, list):
        return [_moved(item, rust, renamed) for item in node]
    if not isinstance(node, dict):
        return node
    moved = {key: _moved(value, rust, renamed) for key, value in node.items()}
    for key in ("sep", "cls"):  # (token, id)
        if isinstance(moved.get(key), list):
            token = renamed.get(moved[key][0], moved[key][0])
            moved[key] = [token, rust.token_to_id(token)]
    if isinstance(moved.get("special_tokens"), dict):
        for entry in moved["special_tokens"].values():
            entry["tokens"] = [renamed.get(token, token) for token in entry["tokens"]]
            entry["ids"] = [rust.token_to_id(token) for token in entry["tokens"]]
    return moved


def _like(old: Any, rust: Tokenizer, renamed: Mapping[str, str], new: list[Token]) -> Any:
    roles = {role: _renamed(token, renamed) for role, token in old._roles.items() if token is not None}
    options = {
        **old.init_kwargs,
        **roles,
        "additional_special_tokens": [_renamed(one, renamed) for one in old._extra] + new,
    }
    for name in (
        "model_max_length",
        "padding_side",
        "truncation_side",
        "clean_up_tokenization_spaces",
        "chat_template",
    ):
        options[name] = getattr(old, name)
    made = type(old)(tokenizer_object=rust, **options)
    made.saved_class = old.saved_class
    return made


def _renamed(token: Token, renamed: Mapping[str, str]) -> Token:
    if str(token) not in renamed:
        return token
    if isinstance(token, str):
        return renamed[token]
    return AddedToken(**{**token.__getstate__(), "content": renamed[str(token)]})
