"""The command line as a user meets it: in a pipe, on a terminal, with good and bad input."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest
from rich.cells import cell_len

from commands import COMMAND, failed, on_terminal, qkv
from hub_server import HubServer
from qkv import __version__
from qkv.cli.inputs import read
from qkv.cli.tasks import FORMS, Form, form_of
from qkv.cli.terminal import clean, size
from qkv.pipelines.factory import ALIASES, ASSETS, TASKS

TEXTS = ["i love this film", "terrible !", "日本語 🎉 naïve"]


def run(folder, *args, input=None):
    return qkv("run", "sentiment-analysis", "-m", folder, *args, input=input)


# ----------------------------------------------------------------------------------------------------------- run


def test_pipe_gets_tab_separated_lines(tiny_source):
    result = run(tiny_source, *TEXTS)
    assert result.exit_code == 0 and result.stderr == ""
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[2] for row in rows] == TEXTS
    assert all(re.fullmatch(r"LABEL_[012]", label) and re.fullmatch(r"0\.\d{6}", score) for label, score, _ in rows)


def test_json_is_a_list_in_order(tiny_source):
    result = run(tiny_source, *TEXTS, "--json")
    found = json.loads(result.stdout)
    assert [entry["input"] for entry in found] == TEXTS
    labels = re.sub(r"LABEL_\d", "LABEL", re.sub(r"0\.\d+", "0.5", result.stdout))
    assert labels == (
        "[\n"
        '  {"input": "i love this film", "result": [{"label": "LABEL", "score": 0.5}]},\n'
        '  {"input": "terrible !", "result": [{"label": "LABEL", "score": 0.5}]},\n'
        '  {"input": "日本語 🎉 naïve", "result": [{"label": "LABEL", "score": 0.5}]}\n'
        "]\n"
    )


def test_results_are_the_pipelines(tiny_source):
    from qkv import pipeline

    found = json.loads(run(tiny_source, *TEXTS, "--json", "--top-k", "0").stdout)
    expected = pipeline("sentiment-analysis", str(tiny_source))(TEXTS, top_k=None)
    assert [entry["result"] for entry in found] == expected


def test_options_reach_the_pipeline(tiny_source):
    result = run(tiny_source, "good", "--top-k", "2", "--function-to-apply", "sigmoid", "--batch-size", "1",
                 "--device", "-1", "--dtype", "float32", "--tokenizer", tiny_source, "--json")  # fmt: skip
    scores = [entry["score"] for entry in json.loads(result.stdout)[0]["result"]]
    softmax = json.loads(run(tiny_source, "good", "--top-k", "2", "--json").stdout)[0]["result"]
    assert len(scores) == 2 and scores != [entry["score"] for entry in softmax]
    failed(run(tiny_source, "good", "--function-to-apply", "softmx"), 1, "softmax")
    failed(run(tiny_source, "good", "--dtype", "float23"), 1, "float32")


def test_a_long_text_is_cut_with_a_warning_or_refused(tiny_source):
    long = "good " * 100
    result = run(tiny_source, long)
    assert result.exit_code == 0
    assert re.fullmatch(r"warning: 1 of 1 texts had more than the 40 tokens [^\n]+\n", result.stderr)
    assert run(tiny_source, long, "--truncation").stderr == ""
    failed(run(tiny_source, long, "--no-truncation"), 1, "40 tokens")


def test_a_place_warns_once(tiny_source, tmp_path):
    (tmp_path / "long.txt").write_text(("good " * 60 + "\n") * 300)
    result = run(tiny_source, "-f", tmp_path / "long.txt")
    assert len(result.stdout.splitlines()) == 300 and result.stderr.count("warning:") == 1


def test_piped_lines(tiny_source):
    lines = [f"film {i}" for i in range(1000)]
    result = run(tiny_source, input="\n".join(lines) + "\n\n")
    assert [line.split("\t")[2] for line in result.stdout.splitlines()] == lines
    assert result.stderr == ""
    assert run(tiny_source, "-f", "-", input="good\r\nbad\r\n").stdout.splitlines()[1].endswith("\tbad")


def test_arguments_win_over_a_pipe(tiny_source):
    assert run(tiny_source, "good", input="bad\n").stdout.endswith("\tgood\n")


@pytest.mark.parametrize("flags, expected", [([], ""), (["--json"], "[]\n")])
def test_no_input_is_a_warning(tiny_source, flags, expected):
    result = run(tiny_source, *flags, input="\n")
    assert (result.exit_code, result.stdout, result.stderr) == (0, expected, "warning: there is no input.\n")


def test_an_empty_argument_is_an_input(tiny_source):
    assert json.loads(run(tiny_source, "", "--json").stdout)[0]["input"] == ""


def test_control_characters_stay_out_of_rows(tiny_source):
    result = run(tiny_source, "a\tb\nc\x1b[31m\x9b", "--top-k", "1")
    assert result.stdout.count("\t") == 2 and result.stdout.count("\n") == 1
    assert "\x1b" not in result.stdout and "\x9b" not in result.stdout


FILES = {
    "lines.txt": "good\n\nbad\n",
    "marked.txt": "\ufeffgood\r\nbad",
    "rows.csv": 'id,text\n1,good\n2,"bad"\n',
    "rows.tsv": "text\tid\ngood\t1\nbad\t2\n",
    "only.csv": "review\ngood\nbad\n",
    "objects.jsonl": '{"text": "good", "id": 1}\n\n{"text": "bad"}\n',
    "strings.jsonl": '"good"\n"bad"\n',
}


@pytest.mark.parametrize("name", FILES)
def test_files(name, tmp_path):
    (tmp_path / name).write_bytes(FILES[name].encode())
    assert list(read([], str(tmp_path / name), None, FORMS["sentiment-analysis"]).items) == ["good", "bad"]


def test_columns(tmp_path):
    table, objects = tmp_path / "pairs.csv", tmp_path / "pairs.jsonl"
    table.write_text('text,text_pair,review\na,b,"two\nlines"\n')
    objects.write_text('{"text": "a", "text_pair": "b", "review": "c"}\n')
    form = FORMS["text-classification"]
    assert list(read([], str(table), None, form).items) == [{"text": "a", "text_pair": "b"}]
    assert list(read([], str(objects), None, form).items) == [{"text": "a", "text_pair": "b"}]
    assert list(read([], str(table), "review", form).items) == ["two\nlines"]
    assert list(read([], str(objects), "review", form).items) == ["c"]


def test_pairs_run(tiny_source, tmp_path):
    (tmp_path / "pairs.csv").write_text("text,text_pair\ngood,bad\n")
    assert run(tiny_source, "-f", tmp_path / "pairs.csv").stdout.endswith("\tgood | bad\n")
    found = json.loads(run(tiny_source, "-f", tmp_path / "pairs.csv", "--json").stdout)
    assert found[0]["input"] == {"text": "good", "text_pair": "bad"}


BAD_FILES = {
    "latin.txt": ("good\ncaf\xe9\n".encode("latin-1"), None, "line 2 of", "UTF-8"),
    "other.csv": (b"review,id\ngood,1\n", None, "'text'", "'review'", "--column"),
    "rows.csv": (b"review,id\ngood,1\n", "reviw", "'review'"),
    "quote.csv": (b'text\n"good\n', None, "not a row"),
    "wide.csv": (b"text\n" + b"x" * 200_000, None, "not a row"),
    "broken.jsonl": (b'{"text": "good"}\n{"text": \n', None, "line 2 of", "not JSON"),
    "deep.jsonl": (b"[" * 100_000, None, "line 1 of"),
    "number.jsonl": (b'{"text": 7}\n', None, "'text' is 7"),
    "array.jsonl": (b"[1]\n", None, "not an object"),
    "list.json": (b'["good"]', None, ".jsonl"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(name, tmp_path):
    content, column, *parts = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    flags = ["--column", column] if column else []
    result = run("./never-opened", "-f", tmp_path / name, *flags)
    if parts[0] == "line 2 of":  # the first line is good, so the model is looked for
        with pytest.raises(ValueError, match="line 2 of.*" + parts[1]):
            list(read([], str(tmp_path / name), column, FORMS["sentiment-analysis"]).items)
    else:
        failed(result, 1, *parts)


def test_absent_file_folder_and_model(tiny_source, tmp_path):
    failed(run(tiny_source, "-f", tmp_path / "absent.txt"), 1, "absent.txt: No such file")
    failed(run(tiny_source, "-f", tmp_path), 1, "Is a directory")
    failed(run(tmp_path / "absent", "good"), 1, "absent", "Type an existing folder")
    failed(run(tmp_path, "good"), 1, "config.json")


def test_usage_errors(tiny_source, tmp_path):
    failed(qkv("run", "sentimant-analysis", "good"), 2, "'sentiment-analysis'", "qkv run --help")
    failed(qkv("rnu"), 2, "'run'")
    failed(qkv("sentiment-analysis", "good"), 2, "qkv run sentiment-analysis")
    failed(qkv("run"), 2, "TASK")
    failed(run(tiny_source, "good", "--bach-size", "3"), 2, "--batch-size")
    failed(run(tiny_source, "good", "--batch-size", "0"), 2, "--batch-size")
    failed(run(tiny_source, "good", "-f", "x.txt"), 2, "not both")
    failed(run(tiny_source, "good", "--column", "text"), 2, "--column")
    (tmp_path / "in.txt").write_text("good\n")
    failed(run(tiny_source, "-f", tmp_path / "in.txt", "-o", tmp_path / "in.txt"), 2, "is the input file")
    assert (tmp_path / "in.txt").read_text() == "good\n"


def test_a_file_name_given_as_a_text_is_noticed(tiny_source, tmp_path):
    (tmp_path / "reviews.txt").write_text("good\n")
    assert "--file" in run(tiny_source, tmp_path / "reviews.txt").stderr


def test_output_file(tiny_source, tmp_path):
    plain, document = tmp_path / "out.tsv", tmp_path / "out.json"
    assert run(tiny_source, *TEXTS, "-o", plain).stdout == ""
    assert plain.read_text(encoding="utf-8") == run(tiny_source, *TEXTS).stdout
    run(tiny_source, *TEXTS, "-o", document)
    assert document.read_text(encoding="utf-8") == run(tiny_source, *TEXTS, "--json").stdout
    failed(run(tiny_source, "good", "-o", tmp_path), 1, "cannot be written")
    failed(run(tiny_source, "good", "-o", tmp_path / "absent" / "x"), 1, "cannot be written")


def test_debug_shows_the_traceback(tmp_path):
    for args in (["--debug", "describe", tmp_path / "absent"], ["describe", tmp_path / "absent", "--debug"]):
        result = qkv(*args)
        assert result.exit_code == 1 and "Traceback" in result.stderr and "error: folder" in result.stderr
    assert "Traceback" not in qkv("describe", tmp_path / "absent").stderr


@pytest.mark.skipif(not (ASSETS / "sentiment" / "config.json").exists(), reason="built without the embedded model")
def test_without_model_and_network(tmp_path):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [*COMMAND, "run", "sentiment-analysis", "I love it", "I hate it"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["POSITIVE", "NEGATIVE"]
    assert re.fullmatch(r"warning: No network[^\n]+\n", done.stderr)


def test_every_task_prints():
    assert set(FORMS) == {*TASKS, *ALIASES}
    for name, alias in ALIASES.items():
        assert form_of(name) == form_of(alias)
    with pytest.raises(KeyError, match="text-classification"):
        form_of("text-clasification")
    assert Form().make({"text": "a"}) == "a" and Form().shown({"question": "a", "context": "b"}) == "a | b"


# ------------------------------------------------------------------------------------------------------ terminal


def test_table_on_a_terminal(tiny_source, tmp_path):
    (tmp_path / "texts.txt").write_text("good 日本語 film " * 12 + "\n" + "bad\n" * 60)
    shown, code = on_terminal("run", "sentiment-analysis", "-m", tiny_source, "-f", tmp_path / "texts.txt", columns=60)
    assert code == 0 and "inputs/s" in shown and "\x1b[36m" in shown
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n]*\r", "", shown).strip().splitlines()
    head = next(i for i, line in enumerate(lines) if line.split() == ["label", "score", "text"])
    assert "…" in lines[head + 1] and lines[head + 2].rstrip().endswith("bad") and len(lines) == head + 62
    assert max(map(cell_len, lines[head:])) <= 60


def test_no_color_and_few_inputs(tiny_source):
    shown, code = on_terminal("run", "sentiment-analysis", "-m", tiny_source, "good", "--top-k", "2", NO_COLOR="1")
    assert code == 0 and "inputs/s" not in shown and not re.search(r"\x1b\[[\d;]*(3\d|9\d)m", shown)
    assert shown.count("good") == 1 and shown.count("LABEL_") == 2 and "━" in shown


def test_no_input_on_a_terminal(tiny_source):
    shown, code = on_terminal("run", "sentiment-analysis", "-m", tiny_source, columns=200)
    assert code == 2 and "no input" in shown


def test_start_is_light_and_a_closed_pipe_is_quiet():
    check = "import sys; from qkv.cli import main\ntry: main()\nexcept SystemExit: print('torch' in sys.modules)"
    for flag in ("--help", "--version"):
        done = subprocess.run([sys.executable, "-c", check, flag], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "False"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, "describe", "--json", "."], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_interrupt_is_quiet(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("qkv.cli.describe.open_repo", interrupted)
    result = qkv("describe", "org/name")
    assert (result.exit_code, result.output) == (130, "")


# ------------------------------------------------------------------------------------------------- describe, env


def described(folder, *args):
    result = qkv("describe", folder, "--json", *args)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_describe(tiny):
    (tiny / "README.md").write_text("---\nlanguage: en\nlicense:\n- mit\n---\n# Tiny\n")
    found = described(tiny)
    files = {entry["name"]: entry["bytes"] for entry in found.pop("files")}
    assert files == {path.name: path.stat().st_size for path in tiny.iterdir()}
    assert found == {
        "name": str(tiny), "tasks": ["text-classification"], "model_type": "bert",
        "architectures": ["BertForSequenceClassification"], "parameters": 22819, "dtype": "float32",
        "bytes": sum(files.values()), "max_length": 40, "vocab_size": 99,
        "labels": ["LABEL_0", "LABEL_1", "LABEL_2"], "tokenizer": "vocab.txt", "license": "mit",
        "image_processor": None, "loads": True, "reason": None,
    }  # fmt: skip
    rows = [line.split("\t") for line in qkv("describe", tiny).stdout.splitlines()]
    assert ["parameters", "22,819"] in rows and ["license", "mit"] in rows and ["qkv loads it", "yes"] in rows
    (tiny / "README.md").unlink()
    (tiny / "LICENSE").write_text("...")
    assert described(tiny)["license"] == "LICENSE"
    (tiny / "LICENSE").unlink()
    assert "license\tnot stated" in qkv("describe", tiny).stdout


def test_describe_counts_what_the_model_has(tiny):
    from qkv import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(tiny)
    assert described(tiny)["parameters"] == sum(p.numel() for p in model.parameters())
    model.save_pretrained(tiny, max_shard_size="50KB")
    (tiny / "model.safetensors").unlink(missing_ok=True)
    found = described(tiny)
    assert found["loads"] and found["parameters"] == 22819
    next(tiny.glob("model-00001-*")).unlink()
    assert "not there" in described(tiny)["reason"]


BROKEN = {
    "unknown family": ("config.json", b'{"model_type": "brt"}', "'bert'"),
    "no family": ("config.json", b"{}", "config.json"),
    "not an object": ("config.json", b"[1]", "config.json"),
    "not JSON": ("config.json", b"\xff\x00garbage", "config.json"),
    "wrong types": (
        "config.json",
        b'{"model_type": 5, "vocab_size": "x", "architectures": 5, "id2label": 3, "dtype": 7}',
        "model_type",
    ),
    "wrong field": ("config.json", b'{"model_type": "bert", "hidden_size": "x"}', "hidden_size"),
    "no head": ("config.json", b'{"model_type": "bert", "architectures": ["BertForFun"]}', "BertForFun"),
    "cut": ("model.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "model.safetensors"),
    "short": ("model.safetensors", b"\x02\x00\x00\x00\x00\x00\x00\x00{}more", "14 bytes"),
    "huge header": ("model.safetensors", b"\xff" * 64, "safetensors"),
    "nonsense header": ("model.safetensors", b'\x07\x00\x00\x00\x00\x00\x00\x00{"a":1}', "safetensors"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_describe_says_why_it_cannot_be_loaded(name, tiny):
    file, content, part = BROKEN[name]
    (tiny / file).write_bytes(content)
    found = described(tiny)
    assert found["loads"] is False and part in found["reason"]
    assert qkv("describe", tiny).exit_code == 0


def test_describe_empty_and_absent_folders(tmp_path):
    found = described(tmp_path)
    assert not found["loads"] and found["reason"] == "it is empty." and found["files"] == []
    failed(qkv("describe", tmp_path / "absent"), 1, "absent")
    failed(qkv("describe", "not a name"), 1, "not a name")


def test_describe_downloads_no_weights(tiny, tmp_path):
    files = {path.name: path.read_bytes() for path in tiny.iterdir()}
    with HubServer() as hub:
        hub.add("org/tiny", files)
        environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        done = subprocess.run(
            [*COMMAND, "describe", "org/tiny", "--json"], env=environment, capture_output=True, text=True, check=True
        )
        assert hub.asked("config.json") and not hub.asked("model.safetensors")
    found = json.loads(done.stdout)
    assert found["tasks"] == ["text-classification"] and found["loads"] and found["labels"]
    assert {entry["name"] for entry in found["files"]} == set(files)


def test_env():
    found = json.loads(qkv("env", "--json").stdout)
    assert list(found) == ["versions", "platform", "cpu", "memory", "torch", "engine", "cache", "settings", "extras"]
    assert found["versions"]["qkv"] == __version__ and found["torch"]["threads"] >= 1
    assert found["cpu"]["usable_cores"] <= found["cpu"]["cores"]
    for package, extra in (("fastapi", "serve"), ("matplotlib", "viz")):
        assert (package in found["extras"][extra]) == (importlib.util.find_spec(package) is None)
    plain = qkv("env").stdout
    assert f"qkv\t{__version__}\n" in plain and all(line.count("\t") == 1 for line in plain.splitlines())


def test_env_hides_passwords(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://me:secret@hub.example")
    assert "secret" not in qkv("env").output and "hub.example" in qkv("env").stdout


# ---------------------------------------------------------------------------------------------------------- help


def test_version_and_help():
    assert qkv("--version").stdout == f"qkv {__version__}\n"
    assert qkv().exit_code == 0 and "describe" in qkv().stdout
    for command in ("run", "describe", "env"):
        shown = qkv(command, "-h").stdout
        assert "Examples" in shown and f"qkv {command}" in shown
    assert "result" in qkv("run", "--help").stdout and "--install-completion" in qkv("--help").stdout


def test_small_parts():
    assert clean("a\tb\u202ec\ud800") == "a b c "
    assert [size(n) for n in (0, 999, 1000, 17_540_000, 10**13, None)] == [
        "0 B", "999 B", "1.0 kB", "17.5 MB", "10.0 TB", "?",
    ]  # fmt: skip
