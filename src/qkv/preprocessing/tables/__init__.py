"""Tables: from what people have them in to texts, and the numbers and dates in those texts."""

from .answers import Cell, cell_chances, likely
from .numbers import Value, numeric_values
from .ranks import column_values, ranks, relations
from .table import Table, read_table

__all__ = [
    "Cell", "Table", "Value", "cell_chances", "column_values", "likely", "numeric_values", "ranks", "read_table",
    "relations",
]  # fmt: skip
