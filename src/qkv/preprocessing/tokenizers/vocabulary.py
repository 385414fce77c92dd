"""Tokens, ids and text: the part of a tokenizer that looks things up and turns ids back into text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tokenizers
from tokenizers import AddedToken

from qkv.errors import short

from .arrays import to_lists
from .encoding import Engine
from .special import SpecialTokens, Token

# English spacing as written by people, undone from the way tokens are joined; order matters
CLEAN_UP = ((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"))
CLEAN_UP += ((" 's", "'s"), (" 've", "'ve"), (" 're", "'re"))


class Vocabulary(SpecialTokens):
    """What the tokenizer knows without being called. `clean_up_tokenization_spaces` rules decoding by default."""

    _engine: Engine
    clean_up_tokenization_spaces: bool = False
    is_fast = True

    @property
    def backend_tokenizer(self) -> tokenizers.Tokenizer:
        """The Rust tokenizer. Parts may be replaced (`.normalizer = ...`); read the property again for each change."""
        self._engine.forget()
        return self._engine.rust

    _tokenizer = backend_tokenizer

    @property
    def decoder(self) -> Any:
        """The Rust decoder."""
        return self._engine.rust.decoder

    @property
    def vocab_size(self) -> int:
        """Number of tokens of the model, without added ones."""
        return self._engine.rust.get_vocab_size(with_added_tokens=False)

    def __len__(self) -> int:
        return self._engine.rust.get_vocab_size(with_added_tokens=True)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, token: str) -> bool:
        return self._engine.rust.token_to_id(token) is not None

    def get_vocab(self) -> dict[str, int]:
        """Token to id, added tokens included."""
        return self._engine.rust.get_vocab(with_added_tokens=True)

    @property
    def vocab(self) -> dict[str, int]:
        """Token to id, added tokens included."""
        return self.get_vocab()

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Id to added token, in the order of ids."""
        return dict(sorted(self._engine.rust.get_added_tokens_decoder().items()))

    def get_added_vocab(self) -> dict[str, int]:
        """Added token to id, in the order of ids."""
        return {token.content: index for index, token in self.added_tokens_decoder.items()}

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        """Added token to id, in the order of ids."""
        return self.get_added_vocab()

    def add_tokens(self, new_tokens: Token | Sequence[Token], special_tokens: bool = False) -> int:
        """Add tokens that are cut out of the text before the model sees it; returns how many were new.

        After this the model needs `model.resize_token_embeddings(len(tokenizer))`. Not to be called while other threads
        use the tokenizer.
        """
        tokens = [new_tokens] if isinstance(new_tokens, (str, AddedToken)) else list(new_tokens)
        for token in tokens:
            if not isinstance(token, (str, AddedToken)):
                raise TypeError(f"{short(token)} is not a token: expected a str or a tokenizers.AddedToken.")
        if not tokens:
            return 0
        rust = self._engine.rust
        added = rust.add_special_tokens(tokens) if special_tokens else rust.add_tokens(tokens)
        self._engine.forget()
        return added

    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> Any:
        """The id of a token, or a list of ids; tokens not in the vocabulary get `unk_token_id` (None without one)."""
        if isinstance(tokens, str):
            return self._id(tokens)
        return [self._id(token) for token in tokens]

    def _id(self, token: str) -> int | None:
        found = self._engine.rust.token_to_id(token)
        if found is not None:
            return found
        unknown = self._roles["unk_token"]
        return None if unknown is None else self._engine.rust.token_to_id(str(unknown))

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """The token of an id, or a list of tokens; None for ids the vocabulary does not have."""
        ids = to_lists(ids)
        if isinstance(ids, int):
            return self._token(ids)
        skipped = set(self.all_special_ids) if skip_special_tokens else ()
        return [self._token(index) for index in ids if index not in skipped]

    def _token(self, index: int) -> str | None:
        return self._engine.rust.id_to_token(_id_checked(index))

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Join tokens the way the tokenizer's decoder does."""
        decoder = self._engine.rust.decoder
        return " ".join(tokens) if decoder is None else decoder.decode(list(tokens))

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Text of ids: an int, a list, array or tensor (T,); a batch (B, T) gives a list of texts.

        clean_up_tokenization_spaces: remove the space before English punctuation; None for the tokenizer's own rule.
        Raises ValueError for negative ids (a label mask of -100, say) and for what is no id.
        """
        ids = to_lists(token_ids)
        if isinstance(ids, list) and ids and isinstance(ids[0], list):
            return [self._decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in ids]
        return self._decode([ids] if isinstance(ids, int) else ids, skip_special_tokens, clean_up_tokenization_spaces)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """`decode` of each element: rows of ids, or single ids."""
        rows = to_lists(sequences)
        if not isinstance(rows, list):
            raise TypeError(f"batch_decode takes a batch of ids, not {short(sequences)}. Use decode for one.")
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces, **kwargs) for row in rows]

    def _decode(self, ids: Any, skip: bool, clean_up: bool | None) -> str:
        if not isinstance(ids, list):
            raise TypeError(f"decode takes token ids (int, list, array or tensor), not {short(ids)}.")
        try:
            text = self._engine.rust.decode(ids, skip_special_tokens=skip)
        except (TypeError, OverflowError):
            wrong = next((index for index in ids if not isinstance(index, int) or not 0 <= index < 2**32), ids)
            _id_checked(wrong)
            raise
        clean_up, text = self.clean_up_tokenization_spaces if clean_up is None else clean_up, self.spaced(text)
        return self.clean_up_tokenization(text) if clean_up else text

    def spaced(self, text: str) -> str:
        """What the decoder made, with spaces between words; families whose decoder leaves none override it."""
        return text

    @staticmethod
    def clean_up_tokenization(out_string: str) -> str:
        """Remove the spaces that joining tokens leaves before English punctuation and contractions."""
        for spaced, written in CLEAN_UP:
            out_string = out_string.replace(spaced, written)
        return out_string


def _id_checked(index: Any) -> int:
    if not isinstance(index, int):
        raise TypeError(f"{short(index)} is not a token id: expected an int.")
    if not 0 <= index < 2**32:
        raise ValueError(f"{index} is not a token id. Labels masked with -100 must be replaced before decoding.")
    return index
