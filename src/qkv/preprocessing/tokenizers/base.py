"""PreTrainedTokenizer: one class for all tokenizers, over the Rust library; families only differ in defaults and build.

A call never changes the tokenizer, so one object serves any number of threads with any settings (see encoding.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tokenizers import AddedToken, Tokenizer

from . import chat, prepare, saving, training
from .call import LARGE
from .calling import TextEncoder
from .construct import bound, check_kinds, follow_prefix_space, inherit_state, length_limit, opened
from .encoding import Engine
from .special import ROLES
from .template_files import named_templates

if TYPE_CHECKING:
    from typing_extensions import Self


class PreTrainedTokenizer(TextEncoder):
    """Text to ids and back.

    Made by `from_pretrained`, or from files: `BertTokenizer("vocab.txt")`,
    `PreTrainedTokenizerFast(tokenizer_file="tokenizer.json")`, `PreTrainedTokenizerFast(tokenizer_object=rust)`.
    Further keyword arguments are those of tokenizer_config.json.
    """

    defaults: ClassVar[dict[str, Any]] = {}
    vocab_files_names: ClassVar[dict[str, str]] = {}
    cleans_up: bool = False  # whether decoding removes spaces when built from vocabulary files that do not say
    saved_class: str = saving.GENERAL

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "saved_class" not in cls.__dict__:
            cls.saved_class = cls.__name__

    def __init__(
        self,
        *files: Any,
        tokenizer_object: Tokenizer | None = None,
        tokenizer_file: str | os.PathLike[str] | None = None,
        **options: Any,
    ):
        given = bound([*self.vocab_files_names, "tokenizer_file"], files, options)
        tokenizer_file = given.pop("tokenizer_file", None) or tokenizer_file
        check_kinds(options)
        options = self._completed(options)
        rust = opened(tokenizer_object, tokenizer_file)
        if rust is None:
            rust = self.build(given, options)
            options.setdefault("clean_up_tokenization_spaces", self.cleans_up)
        self.vocab_file = given.get("vocab_file")
        self._configure(rust, options)

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        """A Rust tokenizer from vocabulary files; families override it."""
        raise ValueError(
            f"{cls.__name__} needs tokenizer_file= (a tokenizer.json) or tokenizer_object=, or use from_pretrained()."
        )

    @classmethod
    def need(cls, files: Mapping[str, Any], name: str) -> Any:
        """The file given under this name. ValueError when it was not."""
        if files.get(name) is None:
            raise ValueError(f"{cls.__name__} needs {name}= ({cls.vocab_files_names[name]}), or use from_pretrained().")
        return files[name]

    def adapt(self, rust: Tokenizer, options: Mapping[str, Any]) -> None:
        """Make a tokenizer that was read from a file follow the options; families override it."""

    def _completed(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**self.defaults, **options}

    def _configure(self, rust: Tokenizer, options: dict[str, Any]) -> None:
        added = options.pop("added_tokens_decoder", None) or {}
        inherit_state(rust, options)
        roles = {role: options.get(role) for role in ROLES}
        named = options.get("extra_special_tokens") or options.get("model_specific_special_tokens") or {}
        extra = options.get("additional_special_tokens") or []
        if not isinstance(named, dict):
            named, extra = {}, [*extra, *named]
        self._engine = Engine(rust)
        super().__init__(roles, named, extra)
        self.init_kwargs = {name: value for name, value in options.items() if name not in self._roles}
        self.name_or_path = self.init_kwargs.pop("name_or_path", "")
        self.model_max_length = length_limit(options)
        for name in ("model_input_names", "padding_side", "truncation_side", "pad_token_type_id"):
            if options.get(name) is not None:
                setattr(self, name, options[name])
        self.clean_up_tokenization_spaces = bool(options.get("clean_up_tokenization_spaces", False))
        self.split_special_tokens = bool(options.get("split_special_tokens", False))
        self.chat_template = named_templates(options.get("chat_template"))
        self._add_known(added)
        follow_prefix_space(rust, bool(options.get("add_prefix_space", False)))
        self.adapt(rust, options)
        self._engine.forget()

    def _add_known(self, added: Mapping[int, Any]) -> None:
        """Add the tokens the configuration knows and the vocabulary lacks, then the special tokens with a role."""
        present = {repr(token) for token in self.added_tokens_decoder.values()}
        tokens = [token for _, token in sorted(added.items()) if repr(token) not in present]
        have = {*self.get_added_vocab(), *map(str, tokens)}
        special = set(self.all_special_tokens)
        roles = self.all_special_tokens_extended  # those with flags of their own are added even if present: flags count
        tokens += [token for token in roles if isinstance(token, AddedToken) or token not in have]
        self.add_tokens([prepare.marked(token, str(token) in special) for token in tokens])

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Self:
        """The tokenizer of a folder or Hub repository ("org/name"); keyword arguments override tokenizer_config.json.

        Raises OSError when the repository or its tokenizer files are not there, ValueError when they are broken.
        """
        from qkv.hub import open_with

        from .loading import load_tokenizer

        name = pretrained_model_name_or_path
        if isinstance(name, (str, os.PathLike)) and os.path.isfile(name) and not os.fspath(name).endswith(".gguf"):
            argument = "tokenizer_file" if os.fspath(name).endswith("tokenizer.json") else "vocab_file"
            return cls(**{argument: name}, **kwargs)
        repo, kwargs = open_with(name, kwargs)
        return load_tokenizer(repo, cls, **kwargs)  # type: ignore[return-value]

    save_pretrained = saving.save_pretrained
    save_vocabulary = saving.save_vocabulary
    push_to_hub = saving.push_to_hub
    train_new_from_iterator = training.train_new_from_iterator
    apply_chat_template = chat.apply_chat_template
    get_chat_template = chat.get_chat_template
    encode_message_with_chat_template = chat.encode_message_with_chat_template

    def __repr__(self) -> str:
        limit = self.model_max_length if self.model_max_length <= LARGE else None
        return (
            f"{type(self).__name__}(name_or_path={str(self.name_or_path)!r}, vocab_size={self.vocab_size}, "
            f"model_max_length={limit}, padding_side={self.padding_side!r}, special_tokens={self.special_tokens_map})"
        )
