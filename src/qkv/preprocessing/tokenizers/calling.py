"""The calls of a tokenizer: text to a BatchEncoding. Nothing here changes the tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tokenizers import Encoding

from qkv.errors import short

from . import call, padding, prepare
from .batch import BatchEncoding
from .encoding import Engine
from .inputs import arrange
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

COLUMNS = {
    "input_ids": "ids",
    "token_type_ids": "type_ids",
    "attention_mask": "attention_mask",
    "special_tokens_mask": "special_tokens_mask",
    "offset_mapping": "offsets",
}


class TextEncoder(Vocabulary):
    """Text, texts, pairs and words to ids. Sides, limit and input names are attributes, settable at any time."""

    model_input_names: list[str] = ["input_ids", "token_type_ids", "attention_mask"]
    model_max_length: int
    padding_side: str = "right"
    truncation_side: str = "right"
    pad_token_type_id: int = 0
    split_special_tokens: bool = False
    words_need_prefix_space: bool = False
    padded_with: Mapping[str, Any] = {}  # further columns that `pad` pads, and with what
    init_kwargs: dict[str, Any]

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        **options: Unpack[call.CallOptions],
    ) -> BatchEncoding:
        """Ids of a text, a list of texts, or pairs.

        text, text_pair: str, list of str, or with is_split_into_words lists of words; a list of (text, pair) tuples is
        a batch of pairs. text_target: its ids come back as `labels` (as `input_ids` when there is no text).
        padding: True or "longest", "max_length", False. truncation: True or "longest_first", "only_first",
        "only_second", False. max_length: None for `model_max_length`; without a known limit nothing is cut.
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
        windows = [[encoding, *encoding.overflowing] for encoding in encodings] if overflowing else []
        if overflowing:
            encodings = [encoding for row in windows for encoding in row]
        data = self._columns(encodings, options)
        if overflowing:
            data["overflow_to_sample_mapping"] = [i for i, row in enumerate(windows) for _ in row]
        if not batched and not overflowing and options["return_tensors"] is None:
            data = {name: rows[0] if isinstance(rows[0], list) else rows for name, rows in data.items()}
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

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, **options: Unpack[call.CallOptions]) -> BatchEncoding:
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

    @contextmanager
    def as_target_tokenizer(self) -> Iterator[Self]:
        """The tokenizer itself; `text_target=` is the way to tokenize labels."""
        yield self
