"""qkv embed: arrays and lines from arguments, files and pipes, and what happens where something is wrong."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hub_server import HubServer
from qkv import pipeline
from qkv.cli import vectors
from qkv.cli.app import app
from tiny_sentence import PROMPTS, WIDTH, make_sentence

TEXTS = ["i love this film", "terrible !", "日本語 🎉 naïve", "not\tbad"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_sentence(tmp_path_factory.mktemp("sentence"), settings={"prompts": PROMPTS})


@pytest.fixture(scope="module")
def expected(folder):
    return pipeline("feature-extraction", str(folder), pooling="auto", return_tensors="np")(TEXTS)


def embed(*args, input=None):
    return CliRunner().invoke(app, ["embed", *map(str, args)], input=input, prog_name="qkv")


def failed(result, code, *parts):
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr) and len(result.stderr) < 500, result.stderr
    assert all(part in result.stderr for part in parts), result.stderr


def test_lines_of_json(folder, expected):
    result = embed(*TEXTS, "-m", folder)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.stderr == "" and [row["text"] for row in found] == TEXTS
    assert (np.array([row["embedding"] for row in found], np.float32) == expected).all()  # no digit is lost


def test_tab_separated_lines(folder, expected):
    rows = [line.split("\t") for line in embed(*TEXTS, "-m", folder, "--format", "tsv").stdout.splitlines()]
    assert (np.array([row[:-1] for row in rows], np.float32) == expected).all()
    assert [row[-1] for row in rows] == [text.replace("\t", " ") for text in TEXTS]


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "tsv"])
def test_files(folder, expected, tmp_path, suffix):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n\n", encoding="utf-8")
    target = tmp_path / f"größe von.{suffix}"
    result = embed(tmp_path / "texts.txt", "-m", folder, "-o", target)
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    pattern = (
        rf"note: 4 texts as vectors of {WIDTH} numbers in [\d.]+ s \([\d,]+ a second\): .*größe von.{suffix}, \S+ \w+\n"
    )
    assert re.fullmatch(pattern, result.stderr), result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([target.name, "texts.txt"])
    if suffix == "npy":
        found = np.load(target, mmap_mode="r")
        assert found.dtype == np.float32 and found.flags.c_contiguous and (found == expected).all()
    else:
        assert target.read_text("utf-8") == embed(*TEXTS, "-m", folder, "--format", suffix).stdout


def test_tables_and_pipes(folder, expected, tmp_path):
    (tmp_path / "t.csv").write_text("id,body\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(TEXTS)), "utf-8")
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    for args, piped in (
        ([tmp_path / "t.csv", "--column", "body"], None), ([tmp_path / "t.jsonl"], None), (["-"], "\n".join(TEXTS)),
        ([], "\n".join(TEXTS)),
    ):  # fmt: skip
        result = embed(*args, "-m", folder, "-o", tmp_path / "v.npy", input=piped)
        assert result.exit_code == 0, result.stderr
        assert np.allclose(np.load(tmp_path / "v.npy"), expected, atol=1e-6)


def test_options_reach_the_pipeline(folder, tmp_path):
    pipe, target = pipeline("feature-extraction", str(folder), return_tensors="np"), tmp_path / "v"
    cases = [
        (["--pooling", "max", "--normalize"], {"pooling": "max", "normalize": True}),
        (["--prompt-name", "query", "--truncate-dim", "5"], {"prompt_name": "query", "truncate_dim": 5}),
        (["--prompt", "is it ", "--no-normalize", "--batch-size", "1"], {"prompt": "is it "}),
    ]
    for flags, options in cases:
        result = embed(*TEXTS, "-m", folder, "-o", target, "--format", "npy", *flags)
        assert result.exit_code == 0, result.stderr
        assert np.allclose(np.load(target), pipe(TEXTS, **{"pooling": "auto"} | options), atol=1e-6)
    result = embed(*TEXTS, "-m", folder, "-o", target, "--format", "npy", "--quantize", "int8", "--dtype", "float32")
    assert result.exit_code == 0 and np.load(target).shape == (4, WIDTH)
    failed(embed("a", "-m", folder, "--pooling", "men"), 1, "'mean'")
    failed(embed("a", "-m", folder, "--prompt-name", "qery"), 1, "'query'")
    failed(embed("a", "-m", folder, "--truncate-dim", "33"), 1, "the 32 numbers")


def test_a_long_text_is_cut_with_a_warning_or_refused(folder, tmp_path):
    long = "good " * 100
    (tmp_path / "long.txt").write_text((long + "\n") * 1500)
    result = embed(tmp_path / "long.txt", "-m", folder, "-o", tmp_path / "v.npy")
    assert result.stderr.count("warning:") == 1 and "40 tokens" in result.stderr
    assert np.load(tmp_path / "v.npy").shape == (1500, WIDTH)
    assert "warning" not in embed(long, "-m", folder, "--truncation").stderr
    failed(embed(long, "-m", folder, "--no-truncation"), 1, "40 tokens")


def test_no_input(folder, tmp_path):
    assert embed("-m", folder, input="\n").stderr == "warning: there is no input.\n"
    embed("-m", folder, "-o", tmp_path / "v.npy", input="")
    assert np.load(tmp_path / "v.npy").shape == (0, 0)
    assert len(embed("", "-m", folder).stdout.splitlines()) == 1


def test_what_is_not_understood(folder, tmp_path):
    (tmp_path / "t.txt").write_text("a\n")
    failed(embed("a", "-o", tmp_path / "v.bin"), 2, "--output", "npy, jsonl, tsv")
    failed(embed("a", "--format", "xml"), 2, "--format xml")
    failed(embed("a", "--format", "npy"), 2, "--output vectors.npy")
    failed(embed("a", tmp_path / "t.txt"), 2, "give one file, or texts")
    failed(embed(tmp_path / "absent.csv"), 1, "absent.csv is not there")
    failed(embed(tmp_path / "t.txt", "--column", "x"), 2, "--column")
    failed(embed(tmp_path / "t.txt", "-o", tmp_path / "t.txt", "--format", "tsv"), 2, "is the input file")
    failed(embed("a", "-o", tmp_path / "no" / "v.npy"), 1, "cannot be written")
    failed(embed("a", "-o", tmp_path, "--format", "npy"), 1, "cannot be written")
    failed(embed("a", "-m", tmp_path / "absent"), 1, "absent")
    (tmp_path / "t.jsonl").write_text('{"text": 3}\n')
    failed(embed(tmp_path / "t.jsonl"), 1, "line 1 of", "not a string")


def test_a_device_stays_what_it_is(tmp_path, folder):
    os.mkfifo(tmp_path / "pipe.npy")
    failed(embed("a", "-m", folder, "-o", tmp_path / "pipe.npy"), 1, "device or a pipe")
    assert not (tmp_path / "pipe.npy").is_file()


def test_a_link_is_followed(tmp_path, folder):
    (tmp_path / "old.npy").write_bytes(b"old")
    (tmp_path / "v.npy").symlink_to(tmp_path / "old.npy")
    embed("a", "-m", folder, "-o", tmp_path / "v.npy")
    assert (tmp_path / "v.npy").is_symlink() and np.load(tmp_path / "old.npy").shape == (1, WIDTH)


def test_a_run_that_fails_leaves_the_old_file(tmp_path, folder):
    target = tmp_path / "v.npy"
    target.write_bytes(b"old")
    (tmp_path / "t.txt").write_bytes(b"good\n" * 3000 + b"caf\xe9\n")
    failed(embed(tmp_path / "t.txt", "-m", folder, "-o", target), 1, "line 3001 of", "UTF-8")
    assert target.read_bytes() == b"old" and sorted(p.name for p in tmp_path.iterdir()) == ["t.txt", "v.npy"]


@given(st.lists(st.integers(0, 5), max_size=5), st.integers(1, 9))
def test_an_array_in_pieces_is_the_array(tmp_path_factory, counts, width):
    target = tmp_path_factory.getbasetemp() / "pieces.npy"
    pieces = [np.random.default_rng(n).standard_normal((n, width), np.float32) for n in counts]
    found = vectors.write(((["a"] * len(piece), piece) for piece in pieces), "npy", target)
    assert found == (sum(counts), width if counts else 0)
    assert (np.load(target) == (np.concatenate(pieces) if counts else np.zeros((0, 0)))).all()


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Windows are written and forgotten: a hundred of them need no more than one."""
    code = (
        "import resource, sys, pathlib, numpy as np; from qkv.cli.vectors import write\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "windows = lambda n: ((['a'] * 1024, np.ones((1024, 512), np.float32)) for _ in range(n))\n"
        "target = pathlib.Path(sys.argv[1])\n"
        "write(windows(2), 'npy', target); before = peak(); print(write(windows(100), 'npy', target))\n"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "v.npy"], capture_output=True, text=True, check=True)
    written, grown = done.stdout.splitlines()
    assert written == "(102400, 512)" and int(grown) < 20_000  # kilobytes; the array has 210 MB


def test_from_the_hub_and_again_without_network(tmp_path):
    """Folders within a repository, the older layout; code and weights in other formats stay where they are."""
    folder = make_sentence(tmp_path / "made", ("Pooling", {"pooling_mode": "max"}), inside="0_Transformer")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code = "import sys; from qkv.cli import main; main()"
    command = [sys.executable, "-c", code, "embed", TEXTS[0], "-m", "org/tiny"]
    with HubServer() as hub:
        hub.add("org/tiny", files | {"custom_model.py": b"raise SystemExit", "onnx/model.onnx": b"no"})
        environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        first = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert hub.asked("1_Pooling/config.json") and not hub.asked(".py") and not hub.asked("onnx")
    environment["HF_HUB_OFFLINE"] = "1"
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == first
    expected = pipeline("feature-extraction", str(folder), pooling="max", return_tensors="np")(TEXTS[0])
    assert np.allclose(json.loads(first)["embedding"], expected, atol=1e-6)


def test_help():
    shown = embed("--help").stdout
    assert "Examples" in shown and "qkv embed reviews.txt" in shown
