"""TAPAS's tokenizer: a question and a table become one row of tokens, each of which knows its cell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from qkv.errors import short

from ..tables import (
    Answer,
    Table,
    cell_chances,
    column_values,
    is_empty,
    likely,
    numeric_values,
    read_answers,
    read_table,
)
from . import call
from .arrays import to_lists
from .batch import BatchEncoding
from .encoding import Settings
from .families import BertTokenizer
from .flattened import Flat, Piece, Sheet

LIMITS = ("max_column_id", "max_row_id")
OWN: dict[str, Any] = {
    "cell_trim_length": -1, "strip_column_names": False, "update_answer_coordinates": False,
    "min_question_length": None, "max_question_length": None, **dict.fromkeys(LIMITS),
}  # fmt: skip
DROPS = {True: True, "drop_rows_to_fit": True, False: False, "do_not_truncate": False}
TEXTS_ONLY = ("is_split_into_words", "return_offsets_mapping", "return_overflowing_tokens")


class TapasTokenizer(BertTokenizer):
    """WordPiece over vocab.txt, for tables.

    Args:
        empty_token: stands for a cell without letters and digits.
        cell_trim_length: if 0 or more, so many tokens of a cell at most when rows are dropped to fit.
        max_column_id, max_row_id: a table has fewer columns and rows; model_max_length if None.
        strip_column_names: leave the header empty.
        update_answer_coordinates: find answers by their texts, not their coordinates.
        min_question_length, max_question_length: in tokens; a question outside is left empty.
    """

    defaults = {**BertTokenizer.defaults, **OWN, "empty_token": "[EMPTY]", "model_max_length": 512}
    padded_with = {
        "token_type_ids": [0] * 7, "labels": 0, "numeric_values": float("nan"), "numeric_values_scale": 1.0,
    }  # fmt: skip

    cell_trim_length: int
    max_column_id: int
    max_row_id: int
    strip_column_names: bool
    update_answer_coordinates: bool
    min_question_length: int | None
    max_question_length: int | None

    def _completed(self, options: dict[str, Any]) -> dict[str, Any]:
        options = super()._completed(options)
        extra, empty = list(options.get("additional_special_tokens") or []), str(options["empty_token"])
        if empty not in [token.get("content") if isinstance(token, dict) else str(token) for token in extra]:
            options["additional_special_tokens"] = [*extra, empty]
        return options

    def _configure(self, rust: Any, options: dict[str, Any]) -> None:
        super()._configure(rust, options)
        for name in OWN:
            setattr(self, name, options[name])
        for name in LIMITS:
            setattr(self, name, self.model_max_length if options[name] is None else options[name])

    def __call__(  # type: ignore[override]
        self, table: Any, queries: str | Sequence[str] | None = None, answer_coordinates: Any = None,
        answer_text: Any = None, **options: Any,
    ) -> BatchEncoding:  # fmt: skip
        """A question about a table, or several about the same table, as ids.

        Args:
            table: a dictionary of columns, a list of rows, a DataFrame; see `qkv.preprocessing.tables.read_table`.
            queries: a str, or a list of them; "" if None.
            answer_coordinates, answer_text: of each question, the (row, column) pairs from 0 of its cells, and their
                texts. They give `labels` (1 for tokens of the answer), `numeric_values` and `numeric_values_scale`; and
                each question of a list is told the answer to the one before it.
            truncation: True or "drop_rows_to_fit" cuts long cells, and drops rows where that is not enough.
            options: padding, max_length, return_tensors and so on, as of other tokenizers.

        Returns: input_ids and attention_mask (T,), or (B,T) for a list or tensors; token_type_ids (T,7): segment,
            column, row, previous answer, rank, rank from the end, relation to the question's numbers.

        Raises: TypeError or ValueError for what is no table or no question, for answers that are not in the table, and
            where not even the header fits into max_length.
        """
        complete = call.complete(options)
        complete["truncation"] = _drops(complete["truncation"])
        refused = next((name for name in TEXTS_ONLY if complete[name]), None)
        if refused is not None:
            raise ValueError(f"{refused} is for texts. Where a table's tokens are from, token_type_ids say.")
        alone = queries is None or isinstance(queries, str)
        asked: list[str] = [queries or ""] if alone else list(queries)  # type: ignore[assignment, list-item]
        for i, question in enumerate(asked):
            if not isinstance(question, str):
                raise TypeError(f"queries[{i}] is {short(question)}. Expected a question (str) or a list of them.")
        answers = read_answers(answer_coordinates, answer_text, None if alone else len(asked))
        rows = self._encoded(read_table(table), asked, answers, complete)
        kind = complete["padding"]
        if alone and kind is True and (complete["max_length"], complete["pad_to_multiple_of"]) != (None, None):
            kind = "max_length"
        names = ("max_length", "pad_to_multiple_of", "padding_side", "return_attention_mask")
        columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ["input_ids"])}
        data = dict(self.pad(columns, kind or False, **{name: complete[name] for name in names}))
        if complete["return_length"]:
            data["length"] = [len(row) for row in data["input_ids"]]
        if alone and complete["return_tensors"] is None:
            data = {name: column[0] for name, column in data.items()}
        return BatchEncoding(data, tensor_type=complete["return_tensors"])

    def encode(self, table: Any, query: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """The ids alone."""
        return self(table, query, **options)["input_ids"]

    encode_plus = batch_encode_plus = __call__  # type: ignore[assignment]

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **options: Any
    ) -> list[str]:
        """The tokens of a question, or of a cell, as strings."""
        return self.convert_ids_to_tokens(self._pieces([text])[0].ids)

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Ids of a question and of a table with the special ids."""
        return [self.cls_token_id, *token_ids_0, self.sep_token_id, *(token_ids_1 or ())]

    def get_special_tokens_mask(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None, already_has_special_tokens: bool = False
    ) -> list[int]:
        """1 for special ids, 0 for those of the question and the table."""
        if already_has_special_tokens:
            return super().get_special_tokens_mask(token_ids_0, token_ids_1, True)
        return [1, *[0] * len(token_ids_0), 1, *[0] * len(token_ids_1 or ())]

    def convert_logits_to_predictions(
        self, data: Mapping[str, Any], logits: Any, logits_agg: Any = None, cell_classification_threshold: float = 0.5
    ) -> tuple[list[Any], ...]:
        """The cells that TapasForQuestionAnswering chose.

        Args:
            data: what the tokenizer gave, with attention_mask (B,T) and token_type_ids (B,T,7).
            logits, logits_agg: of the model, (B,T) and (B,A); tensors, arrays or lists.

        Returns: for each question its (row, column) pairs from 0, in order; and, with `logits_agg`, the index of each
            question's operation.
        """
        rows = zip(*(to_lists(one) for one in (logits, data["attention_mask"], data["token_type_ids"])), strict=True)
        chosen = [likely(cell_chances(*row), cell_classification_threshold) for row in rows]
        if logits_agg is None:
            return (chosen,)
        return chosen, [max(range(len(row)), key=row.__getitem__) for row in to_lists(logits_agg)]

    def _encoded(
        self, table: Table, asked: list[str], answers: list[Answer | None], options: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The columns of each question, without padding."""
        width, height, drops = len(table.header), len(table.rows), options["truncation"]
        if width >= self.max_column_id or (height >= self.max_row_id and not drops):
            raise ValueError(
                f"a table of {height} rows and {width} columns is too large: there is room for {self.max_row_id - 1} "
                f"and {self.max_column_id - 1}. truncation=True drops rows to fit."
            )
        header = [""] * width if self.strip_column_names else table.header
        pieces = self._pieces([*asked, *header, *(cell for row in table.rows for cell in row)])
        cells = pieces[len(asked) :]
        grid = [cells[i * width : (i + 1) * width] for i in range(height + 1)]
        sheet = Sheet(grid, [column_values(column) for column in table.columns()])
        rows = []
        for i, question in enumerate(asked):
            low, high = self.min_question_length, self.max_question_length
            length = len(pieces[i].ids)
            empty = (low is not None and length < low) or (high is not None and length > high)
            piece = Piece([], []) if empty else pieces[i]
            shown = height, sheet.most
            if drops:
                limit = self.model_max_length if options["max_length"] is None else options["max_length"]
                shown = sheet.fit(min(height, self.max_row_id - 1), limit - len(piece.ids) - 2, self.cell_trim_length)
            special = options["add_special_tokens"]
            ids = self.build_inputs_with_special_tokens(piece.ids) if special else piece.ids
            flat = Flat(ids, sheet, *shown)
            known = answers[i - 1] if i else None, answers[i]
            rows.append(self._columns_of(flat, sheet, "" if empty else question, known, options))
        return rows

    def _columns_of(
        self, flat: Flat, sheet: Sheet, question: str, answers: tuple[Answer | None, Answer | None],
        options: Mapping[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        """What the model gets for one question; `answers` are of the question before it, and its own."""
        limit = options["max_length"]
        if limit is not None and len(flat.ids) > limit:
            raise ValueError(
                f"the question and {'header' if options['truncation'] else 'table'} have {len(flat.ids)} tokens, "
                f"more than {limit} (max_length). Ask in fewer words, give fewer columns, or cut: truncation=True."
            )
        data: dict[str, Any] = {"input_ids": flat.ids}
        previous, own = answers
        if options["return_token_type_ids"] or options["return_token_type_ids"] is None:
            before = [0] * len(flat.ids) if previous is None else self._labels(flat, previous)
            data["token_type_ids"] = flat.types(sheet, numeric_values(question), before)
        if own is not None:
            data["labels"] = self._labels(flat, own)
            data["numeric_values"], data["numeric_values_scale"] = flat.numbers(sheet)
        if options["return_special_tokens_mask"]:
            ends = (0, flat.start - 1) if options["add_special_tokens"] else ()
            data["special_tokens_mask"] = [int(place in ends) for place in range(len(flat.ids))]
        return data

    def _labels(self, flat: Flat, answer: Answer) -> list[int]:
        coordinates, texts = answer
        if self.update_answer_coordinates:
            return flat.saying(piece.ids for piece in self._pieces(texts))
        return flat.at(coordinates)

    def _pieces(self, texts: Sequence[str]) -> list[Piece]:
        """The tokens of each text; special ones that stand in it are kept, and "[EMPTY]" is for what says nothing."""
        known = self.get_added_vocab()
        special = re.compile(f"({'|'.join(map(re.escape, sorted(known, key=len, reverse=True)))})")
        parts = {text: [part for part in special.split(text) if part] for text in dict.fromkeys(texts)}
        words = list(dict.fromkeys(part for found in parts.values() for part in found if part not in known))
        plain = [unicodedata.normalize("NFC", word) for word in words if not is_empty(word)]
        encodings = iter(self._engine.encode(plain, Settings(), special=False) if plain else ())
        empty = self.additional_special_tokens[0]
        tokens = {word: [empty] if is_empty(word) else next(encodings).tokens for word in words}
        tokens |= {token: [token] for token in known}
        found = {text: [token for part in pieces for token in tokens[part]] for text, pieces in parts.items()}
        pieces = {text: Piece.of(self.convert_tokens_to_ids(one), one) for text, one in found.items()}
        return [pieces[text] for text in texts]


def _drops(truncation: Any) -> bool:
    value = getattr(truncation, "value", truncation)  # enumerations of other libraries
    if value is not None and value not in DROPS:
        raise ValueError(f"truncation={short(value)} is not known. Use True, False or 'drop_rows_to_fit'.")
    return value is not None and DROPS[value]
