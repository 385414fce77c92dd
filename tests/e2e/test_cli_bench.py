"""`qkv bench` on tiny models: the rows it gives, a peer that is not there, and what it refuses."""

import json
import re
import sys

import pytest
from typer.testing import CliRunner

from qkv import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from qkv.cli.app import app
from qkv.cli.bench import measure
from tiny_text import make_text

FEW = ["--rounds", 2, "--tokens", 4, "--threads", 1]


def qkv(*args):
    return CliRunner().invoke(app, ["bench", *(str(arg) for arg in args)], prog_name="qkv")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return make_text(tmp_path_factory.mktemp("bench") / "llama", "llama/ForCausalLM")


def test_a_decoder_as_json(decoder):
    result = qkv(decoder, *FEW, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["task"], found["unit"], found["threads"], found["rounds"]) == ("text-generation", "tokens/s", 1, 2)
    assert [(row["package"], row["precision"]) for row in found["rows"]] == [
        ("qkv", k) for k in ("fp32", "int8", "int4")
    ]
    for row in found["rows"]:
        assert "absent" not in row, row
        assert row["threads"] == 1
        assert row["rate"] > 0 and row["load_seconds"] > 0
        assert row["peak_bytes"] > 50e6  # torch alone is more
        assert row["times"] == row["rate"] / found["rows"][0]["rate"]


def test_a_classifier_in_a_pipe(tiny):
    result = qkv(tiny, *FEW, "--quantize", "int8")
    assert result.exit_code == 0, result.stderr
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert lines[0] == ["", "load s", "peak MB", "texts/s", "spread", "x fp32"]
    assert [line[0] for line in lines[1:]] == ["qkv fp32", "qkv int8"]
    assert lines[1][-1] == "1.00"
    assert all(len(line) == 6 for line in lines)


def test_a_folder_of_few_bits(tiny, decoder, tmp_path):
    """Float32 is measured in floats, its own bits as they are, and other bits are a row that says why not."""
    AutoModelForCausalLM.from_pretrained(decoder, quantize="int8").save_pretrained(tmp_path / "decoder")
    rows = json.loads(qkv(tmp_path / "decoder", *FEW, "--json").stdout)["rows"]
    assert ["quantised already" in row.get("absent", "") for row in rows] == [False, False, True]
    assert "absent" not in rows[0] and "absent" not in rows[1]
    AutoModelForSequenceClassification.from_pretrained(tiny, quantize="int8").save_pretrained(tmp_path / "classifier")
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path / "classifier")
    rows = json.loads(qkv(tmp_path / "classifier", *FEW, "--json").stdout)["rows"]
    assert [(row["precision"], "absent" in row) for row in rows] == [("fp32", False), ("int8", False)]


def test_a_peer_that_is_not_there_is_a_row_that_says_so(decoder):
    """This environment has no transformers, as house rule."""
    result = qkv(decoder, *FEW, "--quantize", "int8", "--peer", sys.executable)
    assert result.exit_code == 0, result.stderr
    assert re.fullmatch(r"transformers fp32\tModuleNotFoundError: .*'transformers'", result.stdout.splitlines()[-1])


def test_unequal_threads_are_refused(decoder, monkeypatch):
    code = 'import json; print(json.dumps({"threads": 3, "load_seconds": 1}), flush=True); input()'
    monkeypatch.setattr("qkv.cli.bench.WORKER", code)
    [row] = measure([(sys.executable, {"package": "qkv", "precision": "fp32", "threads": 2})], 1)
    assert row["absent"] == "it runs 3 threads, not 2"
    assert "rate" not in row


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--quantize", "int3"], 2, ["int3", "int8 and int4"]),
        (["--task", "summarization"], 2, ["summarization", "text-generation"]),
        (["--peer", "/no/python"], 2, ["/no/python"]),
        (["--rounds", 0], 2, ["--rounds"]),
        (["--task", "text-classification", *FEW], 1, ["weight"]),  # a decoder without that head
    ],
)
def test_what_it_refuses(decoder, options, code, words):
    result = qkv(decoder, *options)
    assert (result.exit_code, result.stdout) == (code, ""), result.stdout
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert all(word in result.stderr for word in words), result.stderr


def test_a_model_that_states_no_task(tmp_path):
    folder = make_text(tmp_path / "body", architectures=[])
    result = qkv(folder)
    assert result.exit_code == 1
    assert "--task text-classification" in result.stderr
    assert qkv(tmp_path / "nothing").exit_code == 1
