"""Tables of the `datasets` library and of Parquet files: rows, with the names of classes in place of their numbers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import short


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """The rows of a .parquet file. Raises: ImportError without pyarrow, ValueError for another file."""
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import read_table
    except ImportError:
        raise ImportError('.parquet files are read by pyarrow. Type: pip install "qkv[data]"') from None
    try:
        table = read_table(path)
    except ArrowInvalid as error:
        raise ValueError(f"{path.name} is no Parquet file: {short(str(error), 100)}.") from None
    noted = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    return with_class_names(table.to_pylist(), noted.get("info", {}).get("features", {}))


def undecoded(data: Any) -> Any:
    """A data set of `datasets` whose pictures or sounds stay as they are in files, until one of them is asked for."""
    for column, feature in (getattr(data, "features", None) or {}).items():
        if getattr(feature, "decode", False) and hasattr(data, "cast_column"):
            data = data.cast_column(column, type(feature)(decode=False))
    return data


def with_class_names(rows: list[dict[str, Any]], features: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows with the classes of columns, or of the items of their lists, by the names that `features` has for them."""
    names = {column: found for column, feature in features.items() if (found := _class_names(feature))}

    def named(value: Any, own: list[str]) -> Any:
        if isinstance(value, list | tuple):
            return [named(one, own) for one in value]
        return own[value] if isinstance(value, int) and 0 <= value < len(own) else value

    return [{**row, **{c: named(row[c], own) for c, own in names.items() if c in row}} for row in rows]


def _class_names(feature: Any) -> list[str] | None:
    """Those of a feature: an object of `datasets`, or what a file says of it."""
    for _ in range(3):
        found = feature.get("names") if isinstance(feature, Mapping) else getattr(feature, "names", None)
        if found:
            return [str(name) for name in found]
        feature = feature.get("feature") if isinstance(feature, Mapping) else getattr(feature, "feature", None)
    return None
