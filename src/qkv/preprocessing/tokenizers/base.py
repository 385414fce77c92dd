"""PreTrainedTokenizer: one class for all tokenizers, over the Rust library; families only differ in defaults and build.

A call never changes the tokenizer, so one object serves any number of threads with any settings (see encoding.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tokenizers import Encoding, Tokenizer, pre_tokenizers

from qkv.errors import short

from . import call, padding, prepare
from .batch import BatchEncoding
from .encoding import Engine, duplicate
from .inputs import arrange
from .rustfile import read_tokenizer_json
from .saving import save_pretrained, save_vocabulary
from .special import ROLES
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

UNLIMITED = int(1e30)  # what files write when the model knows no maximum length
SIDES = ("right", "left")


class PreTrainedTokenizer(Vocabulary):
    """Text to ids and back.

    Made by `from_pretrained`, or from files: `BertTokenizer("vocab.txt")`, `PreTrainedTokenizerFast(tokenizer_file=...)`,
    `PreTrainedTokenizerFast(tokenizer_object=rust)`. Further keyword arguments are those of tokenizer_config.json.
    """

    defaults: ClassVar[dict[str, Any]] = {}
    vocab_files_names: ClassVar[dict[str, str]] = {}
    model_input_names: list[str] = ["input_ids", "token_type_ids", "attention_mask"]
    padding_side: str = "right"
    truncation_side: str = "right"
    pad_token_type_id: int = 0
    split_special_tokens: bool = False
    words_need_prefix_space: bool = False
    saved_class: str = "PreTrainedTokenizerFast"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.saved_class = cls.__name__

    def __init__(
        self,
        *files: Any,
        tokenizer_object: Tokenizer | None = None,
        tokenizer_file: str | os.PathLike[str] | None = None,
        **options: Any,
    ):
        given = _bound([*self.vocab_files_names, "tokenizer_file"], files, options)
        tokenizer_file = given.pop("tokenizer_file", None) or tokenizer_file
        options = self._completed(options)
        if tokenizer_object is not None:
            rust = duplicate(tokenizer_object)
        elif tokenizer_file is not None:
            rust = read_tokenizer_json(Path(tokenizer_file))
        else:
            rust = self.build(given, options)
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
        _inherit_state(rust, options)
        roles = {role: options.get(role) for role in ROLES}
        named = options.get("extra_special_tokens") or {}
        extra = options.get("additional_special_tokens") or []
        if not isinstance(named, dict):
            named, extra = {}, [*extra, *named]
        self._engine = Engine(rust)
        super().__init__(roles, named, extra)
        self.init_kwargs = {name: value for name, value in options.items() if name not in self._roles}
        self.name_or_path = self.init_kwargs.pop("name_or_path", "")
        limit = options.get("model_max_length", options.get("max_len"))
        self.model_max_length = UNLIMITED if limit is None else int(limit)
        for name in ("model_input_names", "padding_side", "truncation_side", "pad_token_type_id"):
            if options.get(name) is not None:
                setattr(self, name, options[name])
        self.clean_up_tokenization_spaces = bool(options.get("clean_up_tokenization_spaces", False))
        self.split_special_tokens = bool(options.get("split_special_tokens", False))
        self.chat_template = options.get("chat_template")
        self._add_known(added)
        _prefix_space(rust, bool(options.get("add_prefix_space", False)))
        self.adapt(rust, options)
        self._engine.forget()

    def _add_known(self, added: Mapping[int, Any]) -> None:
        """Add the tokens the configuration knows and the vocabulary lacks, then the special tokens with a role."""
        present = {repr(token) for token in self.added_tokens_decoder.values()}
        tokens = [token for _, token in sorted(added.items()) if repr(token) not in present]
        have = {*self.get_added_vocab(), *map(str, tokens)}
        special = set(self.all_special_tokens)
        tokens += [token for token in self.all_special_tokens_extended if str(token) not in have]
        self.add_tokens([prepare.marked(token, str(token) in special) for token in tokens])

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike[str], *files: Any, **kwargs: Any) -> Self:
        """The tokenizer of a folder or Hub repository ("org/name"); keyword arguments override tokenizer_config.json.

        Raises OSError when the repository or its tokenizer files are not there, ValueError when they are broken.
        """
        from qkv.hub import open_repo, split_options

        from .loading import load_tokenizer

        if os.path.isfile(pretrained_model_name_or_path):
            name = "tokenizer_file" if str(pretrained_model_name_or_path).endswith(".json") else "vocab_file"
            return cls(**{name: pretrained_model_name_or_path}, **kwargs)
        options, kwargs = split_options(kwargs)
        return load_tokenizer(open_repo(pretrained_model_name_or_path, **options), cls, **kwargs)  # type: ignore[return-value]

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        **options: Unpack[call.CallOptions],
    ) -> BatchEncoding:
        """Ids of a text, a list of texts, or pairs.

        text, text_pair: str, list of str, or with is_split_into_words lists of words; a list of (text, pair) tuples is a
        batch of pairs. text_target: its ids come back as `labels` (as `input_ids` when there is no text).
        padding: True or "longest", "max_length", False. truncation: True or "longest_first", "only_first", "only_second",
        False. max_length: None for `model_max_length`; without a known limit nothing is cut.
        return_tensors: "pt", "np" or None for lists. Other options: see CallOptions.
        Raises TypeError or ValueError that say which element of the input is wrong.
        """
        complete = call.complete(options)
        if text is None and text_target is None:
            raise ValueError("The call needs text (or text_target): a str, a list of str, or a list of pairs.")
        result = None if text is None else self._encode(text, text_pair, complete)
        if text_target is None:
            return result  # type: ignore[return-value]
        target = self._encode(text_target, text_pair_target, complete, target=True)
        if result is None:
            return target
        result["labels"] = target["input_ids"]
        return result

    def _encode(self, text: Any, pair: Any, options: Mapping[str, Any], target: bool = False) -> BatchEncoding:
        words = options["is_split_into_words"]
        if words and self.words_need_prefix_space and not self.init_kwargs.get("add_prefix_space"):
            raise ValueError(
                "Words given one by one need a space before each with this tokenizer. "
                "Load it with from_pretrained(..., add_prefix_space=True)."
            )
        items, batched = arrange(text, pair, words)
        encodings = self._engine_for(target).encode(
            items, call.settings(self, options), pretokenized=words, special=options["add_special_tokens"]
        )
        overflowing = options["return_overflowing_tokens"]
        if overflowing:
            rows = [[encoding, *encoding.overflowing] for encoding in encodings]
            encodings = [encoding for row in rows for encoding in row]
        data = self._columns(encodings, options)
        if overflowing:
            data["overflow_to_sample_mapping"] = [i for i, row in enumerate(rows) for _ in row]
        if not batched and not overflowing and options["return_tensors"] is None:
            data = {name: rows[0] for name, rows in data.items()}
        return BatchEncoding(data, encodings, tensor_type=options["return_tensors"])

    def _engine_for(self, target: bool) -> Engine:
        return self._engine

    def _columns(self, encodings: list[Encoding], options: Mapping[str, Any]) -> dict[str, Any]:
        wanted = {"input_ids": True}
        for name in ("token_type_ids", "attention_mask"):
            asked = options[f"return_{name}"]
            wanted[name] = name in self.model_input_names if asked is None else asked
        wanted["special_tokens_mask"] = options["return_special_tokens_mask"]
        wanted["offset_mapping"] = options["return_offsets_mapping"]
        data: dict[str, Any] = {
            name: [getattr(encoding, COLUMNS[name]) for encoding in encodings] for name, on in wanted.items() if on
        }
        if options["return_length"]:
            data["length"] = [len(encoding) for encoding in encodings]
        return data

    def encode(self, text: Any, text_pair: Any = None, **options: Unpack[call.CallOptions]) -> Any:
        """The ids alone, as a list (T,) or as the tensor `return_tensors` asks for."""
        return self(text, text_pair, **options)["input_ids"]

    def encode_plus(self, text: Any, text_pair: Any = None, **options: Unpack[call.CallOptions]) -> BatchEncoding:
        """The call, for one text or pair."""
        return self(text, text_pair, **options)

    def batch_encode_plus(
        self, batch_text_or_text_pairs: Any, **options: Unpack[call.CallOptions]
    ) -> BatchEncoding:
        """The call, for a list of texts or of (text, pair) tuples."""
        if not isinstance(batch_text_or_text_pairs, (list, tuple)):
            raise TypeError(f"batch_encode_plus takes a list, not {short(batch_text_or_text_pairs)}.")
        return self(list(batch_text_or_text_pairs), **options)

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **options: Any
    ) -> list[str]:
        """The tokens of a text as strings."""
        return self(text, pair, add_special_tokens=add_special_tokens, **options).tokens()

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens a text, or a pair, gets."""
        return self._engine.rust.num_special_tokens_to_add(pair)

    @property
    def max_len_single_sentence(self) -> int:
        """Room for tokens of a text within model_max_length."""
        return self.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        """Room for tokens of a pair within model_max_length."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    pad = padding.pad
    prepare_for_model = prepare.prepare_for_model
    truncate_sequences = prepare.truncate_sequences
    build_inputs_with_special_tokens = prepare.build_inputs_with_special_tokens
    create_token_type_ids_from_sequences = prepare.create_token_type_ids_from_sequences
    get_special_tokens_mask = prepare.get_special_tokens_mask
    save_pretrained = save_pretrained
    save_vocabulary = save_vocabulary

    def __repr__(self) -> str:
        limit = self.model_max_length if self.model_max_length <= call.LARGE else None
        return (
            f"{type(self).__name__}(name_or_path={str(self.name_or_path)!r}, vocab_size={self.vocab_size}, "
            f"model_max_length={limit}, padding_side={self.padding_side!r}, special_tokens={self.special_tokens_map})"
        )


COLUMNS = {
    "input_ids": "ids",
    "token_type_ids": "type_ids",
    "attention_mask": "attention_mask",
    "special_tokens_mask": "special_tokens_mask",
    "offset_mapping": "offsets",
}


def _bound(names: list[str], files: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Vocabulary files by name, out of positional and keyword arguments; `vocab=` and `merges=` are the newer names."""
    if len(files) > len(names):
        raise TypeError(f"Expected at most {len(names)} positional arguments ({', '.join(names)}), got {len(files)}.")
    found = dict(zip(names, files, strict=False))
    for name in ("vocab_file", "merges_file"):
        for spelling in (name, name.removesuffix("_file")):
            value = options.pop(spelling, None)
            found[name] = found.get(name) if value is None else value
    return {name: value for name, value in found.items() if value is not None}


def _prefix_space(rust: Tokenizer, wanted: bool) -> None:
    """Byte-level pre-tokenizers follow add_prefix_space, whatever the file says."""
    part = rust.pre_tokenizer
    if isinstance(part, pre_tokenizers.ByteLevel):
        state = json.loads(part.__getstate__())
        if state["add_prefix_space"] != wanted:
            rust.pre_tokenizer = pre_tokenizers.ByteLevel(wanted, state["trim_offsets"], state["use_regex"])


def _inherit_state(rust: Tokenizer, options: dict[str, Any]) -> None:
    """Padding and truncation kept in a tokenizer.json are settings of calls here; only what they say of sides and the
    pad token is taken over."""
    if rust.padding:
        options.setdefault("pad_token", rust.padding["pad_token"])
        options.setdefault("pad_token_type_id", rust.padding["pad_type_id"])
        options.setdefault("padding_side", rust.padding["direction"])
    if rust.truncation:
        options.setdefault("truncation_side", rust.truncation["direction"])
    for name in ("padding_side", "truncation_side"):
        if options.get(name) not in (None, *SIDES):
            raise ValueError(f"{name}={short(options[name])} is not known. Use 'right' or 'left'.")
