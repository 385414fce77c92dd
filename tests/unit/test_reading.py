"""Files of labelled rows: each kind is read, and what is wrong is said with its line."""

import gzip
import json

import pytest

from qkv import read_rows
from qkv.training.data.reading import Rows, as_rows


def written(folder, name, content):
    path = folder / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


ROWS = [{"text": "a, b", "label": "x"}, {"text": 'said "no"\nand left', "label": "y"}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,label\n"a, b",x\n"said ""no""\nand left",y\n'),
        ("a.csv", '\ufefftext;label\r\n"a, b";x\r\n"said ""no""\nand left";y\r\n'),
        ("a.tsv", 'text\tlabel\na, b\tx\n"said ""no""\nand left"\ty\n'),
        ("a.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n"),
        ("a.ndjson.gz", "\n".join(map(json.dumps, ROWS))),
        ("a.json", json.dumps(ROWS)),
        ("a.json", json.dumps({"version": 1, "data": ROWS})),
        ("a.csv", "text,label\n".encode("utf-16") + '"a, b",x\n"said ""no""\nand left",y'.encode("utf-16-le")),
    ],
)
def test_each_kind_gives_the_same_rows(tmp_path, name, content):
    assert read_rows(written(tmp_path, name, content)) == ROWS


def test_texts_words_and_squad(tmp_path):
    assert read_rows(written(tmp_path, "a.txt", "one\n\ntwo\n\n")) == [{"text": "one"}, {"text": ""}, {"text": "two"}]
    conll = "-DOCSTART- -X- O\n\nJean NNP B-PER\nslept VBD O\n\n\nhere RB O\n"
    rows = read_rows(written(tmp_path, "a.conll", conll))
    assert rows[0] == {"tokens": ["Jean", "slept"], "column2": ["NNP", "VBD"], "tags": ["B-PER", "O"]}
    assert rows[1]["tokens"] == ["here"] and rows.where(1) == "line 7 of a.conll"
    answer = {"text": "b", "answer_start": 2}
    paragraph = {"context": "a b", "qas": [{"id": "1", "question": "?", "answers": [answer]}]}
    squad = json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]})
    expected = {"id": "1", "question": "?", "context": "a b", "answers": {"text": ["b"], "answer_start": [2]}}
    assert read_rows(written(tmp_path, "a.json", squad)) == [expected]


def test_a_cell_may_be_as_long_as_an_e_mail(tmp_path):
    long = "x" * 300_000
    assert read_rows(written(tmp_path, "a.csv", f"text,label\n{long},1\n"))[0]["text"] == long


def test_parquet_has_the_names_of_classes(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    from pyarrow.parquet import write_table

    table = pyarrow.table({"text": ["a", "b"], "label": [1, 0], "tags": [[0, 1], []]})
    names = {"_type": "ClassLabel", "names": ["neg", "pos"]}
    features = {"label": names, "tags": {"_type": "List", "feature": names}}
    note = json.dumps({"info": {"features": features}}).encode()
    write_table(table.replace_schema_metadata({b"huggingface": note}), tmp_path / "a.parquet")
    rows = read_rows(tmp_path / "a.parquet")
    expected = [{"text": "a", "label": "pos", "tags": ["neg", "pos"]}, {"text": "b", "label": "neg", "tags": []}]
    assert rows == expected
    with pytest.raises(ValueError, match=r"b\.parquet is no Parquet file"):
        read_rows(written(tmp_path, "b.parquet", "text,label\n"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\nx,1\nwell, then,2\n", r"line 3 of a\.csv has 3 cells where the header has 2.*quotes"),
        ("a.csv", 'text,label\nx,1\n"open,2\nmore', r"begins at line 3 of a\.csv is no row"),
        ("a.csv", "text,text\nx,1\n", "names 'text' twice"),
        ("a.csv", "text,label\n", r"a\.csv has no rows"),
        ("a.csv", b"", r"a\.csv has no rows"),
        ("a.csv", b"text,label\nok,1\ncaf\xe9,2\n", r"line 3 of 'a\.csv' is not UTF-8: byte 0xe9.*--encoding cp1252"),
        ("a.jsonl", '{"text": 1}\n{text: 2}\n', r"line 2 of a\.jsonl is not JSON: '{text: 2}'"),
        ("a.jsonl", '{"text": 1}\n[1]\n', r"line 2 of a\.jsonl is \[1\], not an object"),
        ("a.json", '{"text": 1}', r"expected a list of objects"),
        ("a.json", '[{"text": 1},\n{]', r"is not JSON, at line 2"),
        ("a.json", '{"data": [{"paragraphs": [{"qas": [{}]}]}]}', "SQuAD's form: KeyError 'question'"),
        ("a.conll", "a B-X\nb c d\n", r"line 2 of a\.conll has 3 columns, not 2"),
        ("a.xlsx", "x", r"'a\.xlsx' has an ending that says no form.*\.csv"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message) as error:
        read_rows(written(tmp_path, name, content))
    assert len(str(error.value)) < 400


def test_what_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"):
        read_rows(tmp_path, form="csv")
    with pytest.raises(FileNotFoundError):
        read_rows(tmp_path / "none.csv")
    torn = written(tmp_path, "a.csv.gz", "text,label\nx,1\n")
    torn.write_bytes(torn.read_bytes()[:-9])
    with pytest.raises(ValueError, match="is no whole gzip file"):
        read_rows(torn)
    with pytest.raises(ValueError, match="encoding='klingon' is unknown"):
        read_rows(written(tmp_path, "b.csv", "text\nx\n"), encoding="klingon")
    assert read_rows(written(tmp_path, "c.csv", b"text\ncaf\xe9\n"), encoding="cp1252") == [{"text": "café"}]


def test_lists_and_data_sets_are_rows():
    class Names:
        names = ("neg", "pos")

    class Data(list):
        features = {"label": Names(), "text": object()}

    assert as_rows(Data([{"text": "a", "label": 1}])) == [{"text": "a", "label": "pos"}]
    rows = Rows([{"a": 1}])
    assert as_rows(rows) is rows
    with pytest.raises(TypeError, match=r"a row of data is 'text'; expected a dictionary"):
        as_rows(["text"], "data")
    with pytest.raises(TypeError, match="data is 5; give a file's name"):
        as_rows(5, "data")
    with pytest.raises(ValueError, match="data has no rows"):
        as_rows([], "data")
