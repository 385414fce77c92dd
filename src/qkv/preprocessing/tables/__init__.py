"""Tables: from what people have them in to texts, and the numbers and dates in those texts."""

from .answers import Answer, Cell, cell_chances, likely, read_answers
from .numbers import Value, numeric_values
from .ranks import column_values, ranks, relations
from .table import Table, is_empty, read_table

__all__ = [
    "Answer", "Cell", "Table", "Value", "cell_chances", "column_values", "is_empty", "likely", "numeric_values",
    "ranks", "read_answers", "read_table", "relations",
]  # fmt: skip
