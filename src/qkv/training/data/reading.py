"""Rows of labelled data from files, whole and checked: what is wrong is said with its line.

    .csv .tsv            a header, then rows of as many cells
    .jsonl .ndjson       an object, or a string, per line
    .json                a list of objects; or SQuAD's form
    .txt                 a text per line, in the column "text"
    .conll .bio .iob …   a word and its tag per line, an empty line between sentences: columns "tokens" and "tags"
    .parquet             with `pip install "qkv[data]"`
    a folder             of pictures, in a folder for each class

Each may end in .gz too, but for the last two.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import nearest, short
from .tables import read_parquet, undecoded, with_class_names

Row = dict[str, Any]
PARQUET = "parquet"
LONGEST = 2**30  # characters of a cell; csv itself stops at 131,072, which e-mails exceed


class Rows(list[Row]):
    """Rows of a file, dictionaries of the same columns; `name` is the file's, `form` how it was read, `folder` where
    paths in it begin, `held` what there is beside it to measure on."""

    held: "Rows | None" = None

    def __init__(self, rows: Iterable[Row], name: str = "the data", form: str = "", lines: Iterable[int] = (),
                 folder: Path | None = None):  # fmt: skip
        super().__init__(rows)
        self.name, self.form, self.lines, self.folder = name, form, list(lines), folder

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self for name in row))

    def where(self, index: int) -> str:
        """Row `index`, for a message: by its line where that is known."""
        return f"line {self.lines[index]} of {self.name}" if self.lines else f"row {index} of {self.name}"

    def chosen(self, indices: Iterable[int]) -> "Rows":
        """Some of the rows."""
        indices = list(indices)
        lines = [self.lines[i] for i in indices] if self.lines else []
        return Rows([self[i] for i in indices], self.name, self.form, lines, self.folder)


def read_rows(path: str | Path, *, form: str | None = None, encoding: str = "utf-8-sig") -> Rows:
    """The rows of a file; see the module for the kinds.

    Args:
        form: "csv", "tsv", "jsonl", "json", "txt", "conll" or "parquet", if the file's name does not say.
        encoding: of a text that is not UTF-8, such as "cp1252".

    Raises: OSError for a file that cannot be read; ValueError for one that is not what its name says, is empty, or has
        another encoding; ImportError for a .parquet file without pyarrow.
    """
    path = Path(path)
    if path.is_dir() and form is None:
        from .picture_folder import read_folder

        return read_folder(path)
    chosen = form or form_of(path)
    if chosen not in (*READERS, PARQUET):
        raise ValueError(f"form={short(form)} is unknown; the nearest are {nearest(form, [*READERS, PARQUET])}.")
    if path.is_dir():
        raise IsADirectoryError(f"{short(str(path))} is a folder; name a file in it.")
    name = path.name
    if chosen == PARQUET:
        rows = Rows(read_parquet(path), name, chosen, folder=path.parent)
    else:
        pairs = list(READERS[chosen](_text(path, encoding), name))
        rows = Rows((row for _, row in pairs), name, chosen, (line for line, _ in pairs), path.parent)
    if not rows:
        raise ValueError(f"{name} has no rows. Check the file; a .csv or .tsv file has a header, then rows.")
    return rows


def as_rows(data: Any, name: str = "the data") -> Rows:
    """Rows of a file's name, a list of dictionaries, or a data set of the `datasets` library with its labels' names."""
    if isinstance(data, Rows):
        return data
    if isinstance(data, str | Path):
        return read_rows(data)
    if isinstance(data, Mapping) or not isinstance(data, Iterable):
        raise TypeError(f"{name} is {short(data)}; give a file's name, or a list of dictionaries, one a row.")
    rows = Rows(undecoded(data), name)
    wrong = next((row for row in rows if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise TypeError(f"a row of {name} is {short(wrong)}; expected a dictionary such as {{'text': …, 'label': …}}.")
    if not rows:
        raise ValueError(f"{name} has no rows.")
    return Rows(with_class_names(rows, getattr(data, "features", None) or {}), name)


def form_of(path: Path) -> str:
    """The kind of a file, by its name. Raises: ValueError for an ending that says none."""
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in ENDINGS:
        raise ValueError(f"{short(path.name)} has an ending that says no form; those that do are {' '.join(ENDINGS)}.")
    return ENDINGS[ending]


def _text(path: Path, encoding: str) -> str:
    """A file as text. Raises: ValueError for bytes that are not of the encoding, with their line."""
    raw = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            raise ValueError(f"{short(path.name)} is no whole gzip file. Download it again.") from None
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") and encoding == "utf-8-sig":
        encoding = "utf-16"  # as spreadsheets save "Unicode text"
    if raw[:400].count(0) > len(raw[:400]) // 4 and encoding == "utf-8-sig":
        raise ValueError(f"{path.name} is not UTF-8: say encoding='utf-16-le' (--encoding utf-16-le).")
    try:
        return raw.decode(encoding)
    except LookupError:
        raise ValueError(f"encoding={short(encoding)} is unknown; use a name such as 'utf-8' or 'cp1252'.") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line} of {short(path.name)} is not {encoding.removesuffix('-sig').upper()}: byte "
            f"{raw[error.start]:#04x} at {error.start}. Save it as UTF-8, or say what it is, such as encoding='cp1252' "
            f"(--encoding cp1252)."
        ) from None


def _csv(text: str, name: str, delimiter: str = ",") -> Iterator[tuple[int, Row]]:
    if delimiter not in (first := text.partition("\n")[0]):  # some countries' spreadsheets write semicolons
        delimiter = next((mark for mark in ";\t," if mark in first), delimiter)
    before, start = csv.field_size_limit(LONGEST), 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        width = len(header := next(reader, []))
        if header.count("") > 1:  # a spreadsheet's empty columns
            header = header[: max((i for i, cell in enumerate(header, 1) if cell), default=0)]
        twice = next((cell for cell in header if header.count(cell) > 1), None)
        if twice is not None:
            raise ValueError(f"the header of {name} names {short(twice)} twice. Give each column a name of its own.")
        start = reader.line_num + 1
        for cells in reader:
            if len(cells) == width and not any(cells[len(header) :]):
                cells = cells[: len(header)]
            if cells and len(cells) != len(header):
                raise ValueError(
                    f"line {start} of {name} has {len(cells)} cells where the header has {len(header)}. Put a cell "
                    f'that holds {delimiter!r} or a line break in quotes: "…", and write a quote in it twice.'
                )
            if cells:
                yield start, dict(zip(header, cells, strict=True))
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"the row that begins at line {start} of {name} is no row of a table: {error}.") from None
    finally:
        csv.field_size_limit(before)


def _jsonl(text: str, name: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                raise ValueError(f"line {number} of {name} is not JSON: {short(line.strip(), 60)}.") from None
            yield number, _object(value, f"line {number} of {name}")


def _json(text: str, name: str) -> Iterator[tuple[int, Row]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise ValueError(f"{name} is not JSON, at line {line}. An object per line is .jsonl.") from None
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    if not isinstance(value, list):
        raise ValueError(f"{name} holds {short(value, 60)}; expected a list of objects [{{…}}, …].")
    if value and isinstance(value[0], dict) and "paragraphs" in value[0]:
        value = list(_squad(value, name))
    return ((number, _object(row, f"item {number} of {name}")) for number, row in enumerate(value, 1))


def _squad(articles: list[Any], name: str) -> Iterator[Row]:
    """Questions of SQuAD's file, a row each."""
    try:
        for article in articles:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    answers = asked.get("answers", [])
                    found = {key: [answer[key] for answer in answers] for key in ("text", "answer_start")}
                    row = {"id": asked.get("id", ""), "question": asked["question"], "context": paragraph["context"]}
                    yield row | {"answers": found}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{name} is not of SQuAD's form: {type(error).__name__} {error}.") from None


def _object(value: Any, where: str) -> Row:
    value = {"text": value} if isinstance(value, str) else value
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {short(value, 60)}, not an object {{…}}.")
    return value


def _lines(text: str, name: str) -> Iterator[tuple[int, Row]]:
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return ((number, {"text": line}) for number, line in enumerate(lines, 1))


def _conll(text: str, name: str) -> Iterator[tuple[int, Row]]:
    """Sentences: the first column is "tokens", the last "tags", those between "column2" and so on."""
    words: list[list[str]] = []
    start = width = 0
    for number, line in enumerate([*text.split("\n"), ""], 1):
        cells = line.split("\t") if "\t" in line else line.split()
        if cells and (cells[0] == "-DOCSTART-" or (cells[0].startswith("#") and len(cells) != width)):
            continue
        if cells:
            width = width or len(cells)
            if len(cells) != width or width < 2:
                raise ValueError(
                    f"line {number} of {name} has {len(cells)} columns, not {max(width, 2)}: a word, then its tag."
                )
            start = start if words else number
            words.append([cell.strip() for cell in cells])
        elif words:
            names = ["tokens", *(f"column{i}" for i in range(2, width)), "tags"]
            yield start, dict(zip(names, map(list, zip(*words, strict=True)), strict=True))
            words = []


READERS: dict[str, Callable[[str, str], Iterator[tuple[int, Row]]]] = {
    "csv": _csv, "tsv": partial(_csv, delimiter="\t"), "jsonl": _jsonl, "json": _json, "txt": _lines, "conll": _conll,
}  # fmt: skip
ENDINGS = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".txt": "txt",
    ".conll": "conll", ".bio": "conll", ".iob": "conll", ".iob2": "conll", ".conllu": "conll", ".parquet": PARQUET,
}  # fmt: skip
