"""`qkv run text-generation` and `qkv chat` as a user meets them: in a pipe, on a terminal, interrupted."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from qkv import pipeline, set_seed
from qkv.cli.app import app
from qkv.cli.chat import message
from qkv.cli.conversation import Conversation
from qkv.cli.terminal import clean_lines
from qkv.generation.streamers import BaseStreamer
from tiny_text import make_text

COMMAND = [sys.executable, "-c", "from qkv.cli import main; main()"]
LONG = {"max_position_embeddings": 4000}


def qkv(*args, input=None):
    return CliRunner().invoke(app, [str(arg) for arg in args], input=input, prog_name="qkv")


def failed(result, code, *parts):
    """It exited so, wrote nothing to stdout, and one line to stderr that holds the parts."""
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert all(part in result.stderr for part in parts), result.stderr


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return make_text(tmp_path_factory.mktemp("text") / "gpt2")


@pytest.fixture(scope="module")
def talker(tmp_path_factory):
    return make_text(tmp_path_factory.mktemp("chat") / "llama", "llama/ForCausalLM", chat=True, **LONG)


def write(folder, *args, **kwargs):
    return qkv("run", "text-generation", "-m", folder, *args, **kwargs)


# ----------------------------------------------------------------------------------------------------------- run


def test_run_gives_the_pipelines_results(plain):
    found = json.loads(write(plain, "a b", "the film", "--max-new-tokens", 6, "--greedy", "--json").stdout)
    expected = pipeline("text-generation", str(plain))(["a b", "the film"], max_new_tokens=6, do_sample=False)
    assert [entry["result"] for entry in found] == expected
    rows = [line.split("\t") for line in write(plain, "a b", "--max-new-tokens", 6, "--greedy").stdout.splitlines()]
    assert rows == [[clean_lines(expected[0][0]["generated_text"]), "a b"]]


def test_run_hands_options_on(plain, tmp_path):
    flags = ["--temperature", 2, "--top-k", 5, "--top-p", 0.9, "--num-return-sequences", 2, "--seed", 7, "--new-text"]
    found = json.loads(write(plain, "a b", "--json", "--max-new-tokens", 6, *flags).stdout)[0]["result"]
    pipe = pipeline("text-generation", str(plain), max_new_tokens=6, return_full_text=False)
    set_seed(7)
    assert found == pipe(["a b"], temperature=2.0, top_k=5, top_p=0.9, num_return_sequences=2)[0]
    (tmp_path / "schema.json").write_text('{"enum": [1, 2]}')
    found = json.loads(write(plain, "a", "--json", "--new-text", "--json-schema", tmp_path / "schema.json").stdout)
    assert found[0]["result"][0]["generated_text"] in ("1", "2")
    whole = pipe("hi", do_sample=False)[0]["generated_text"]
    found = json.loads(write(plain, "hi", "--json", "--greedy", "--new-text", "--stop", whole[3]).stdout)
    assert found[0]["result"][0]["generated_text"] == whole[: whole.index(whole[3]) + 1]


def test_run_as_a_chat(talker):
    flags = ["--greedy", "--max-new-tokens", 5, "--json"]
    found = json.loads(write(talker, "hi", "--system", "be", *flags).stdout)[0]
    chat = [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}]
    answer = pipeline("text-generation", str(talker))(chat, do_sample=False, max_new_tokens=5)[0]["generated_text"][-1]
    assert found == {"input": "hi", "result": [{"generated_text": answer["content"]}]}
    found = json.loads(write(talker, "hi", "--chat", "--full-text", *flags).stdout)[0]["result"]
    assert [entry["role"] for entry in found[0]["generated_text"]] == ["user", "assistant"]


def test_run_streams(plain):
    flags = ["--max-new-tokens", 8, "--greedy"]
    expected = [
        entry["result"][0]["generated_text"] for entry in json.loads(write(plain, "a b", "hi", *flags, "--json").stdout)
    ]
    assert write(plain, "a b", "hi", *flags, "--stream").stdout == "".join(f"{text}\n" for text in expected)
    streamed = write(plain, *flags, "--stream", "--new-text", input="a b\nhi\n").stdout
    assert streamed == f"{expected[0][3:]}\n{expected[1][2:]}\n"


def test_options_belong_to_tasks(plain, tmp_path):
    failed(write(plain, "a", "--function-to-apply", "x"), 2, "no --function-to-apply", "--max-new-tokens", "--stream")
    failed(qkv("run", "sentiment-analysis", "a", "--temperature", 1), 2, "no --temperature", "--function-to-apply")
    failed(write(plain, "a", "--stream", "--json"), 2, "--stream")
    failed(write(plain, "a", "--stream", "--num-return-sequences", 2), 2, "--num-return-sequences")
    failed(write(plain, "a", "--chat"), 1, "no chat template")
    (tmp_path / "bad.json").write_text("{")
    failed(write(plain, "a", "--json-schema", tmp_path / "bad.json"), 1, "not JSON")
    shown = qkv("run", "--help").stdout
    assert "Options of text-generation" in shown and "--stream" in shown


# ---------------------------------------------------------------------------------------------------------- chat


class Sink(BaseStreamer):
    def put(self, value):
        pass

    def end(self):
        pass


@pytest.fixture
def conversation(talker):
    return Conversation(pipeline("text-generation", str(talker)), max_new_tokens=6, do_sample=False)


def ask(conversation, text, stop=lambda: False):
    return conversation.ask(text, Sink(), stop)


def test_replies_read_only_what_is_new_and_are_the_pipelines(conversation):
    pipe, chat = conversation.pipe, []
    for text in ("hello", "the film", "so"):
        chat = pipe([*chat, {"role": "user", "content": text}], max_new_tokens=6, do_sample=False)[0]["generated_text"]
        reply = ask(conversation, text)
        assert conversation.messages == chat and reply.full
        assert reply.known == 0 if len(chat) == 2 else reply.known > reply.read - 20
    assert conversation.undo() == "so"
    again = ask(conversation, "so")
    assert conversation.messages == chat and again.known > 0
    conversation.reset()
    assert ask(conversation, "hello").known > 0 and conversation.messages == chat[:2]


def test_a_stopped_reply_stays(conversation):
    count = iter(range(100))
    reply = ask(conversation, "hello", lambda: next(count) == 2)
    assert reply.written == 3 and not reply.full
    said = conversation.messages[-1]
    assert said["role"] == "assistant" and len(said["content"]) > 0
    assert ask(conversation, "so").known >= reply.read

    def broken():
        raise KeyboardInterrupt

    before = list(conversation.messages)
    with pytest.raises(KeyboardInterrupt):
        ask(conversation, "more", broken)
    assert conversation.messages == before and ask(conversation, "more").known == 0


def test_the_oldest_turns_give_way(tmp_path):
    folder = make_text(tmp_path / "short", "llama/ForCausalLM", chat=True)  # reads 40 tokens
    talk = Conversation(pipeline("text-generation", str(folder)), "be", max_new_tokens=4, do_sample=False)
    dropped = [ask(talk, text).dropped for text in ("abcd", "efgh", "jklm", "nopq")]
    assert dropped[0] == 0 and sum(dropped) > 0 and sum(dropped) % 2 == 0
    assert talk.messages[0] == {"role": "system", "content": "be"} and talk.messages[-2]["content"] == "nopq"
    before = list(talk.messages)
    with pytest.raises(ValueError, match="reads 40: shorten it"):
        ask(talk, "a" * 50)
    assert [m["role"] for m in talk.messages] == [m["role"] for m in before] and talk.messages == before


def test_settings(conversation):
    assert conversation.set("temperature", "0.5") == 0.5 and conversation.set("do_sample", "True") is True
    assert conversation.set("eos_token_id", "[98, 3]") == [98, 3] and conversation.set("stop_strings", "end") == "end"
    assert conversation.set("stop_strings", "none") is None
    for name, value, part in [("temprature", "1", "'temperature'"), ("temperature", "hot", "number"),
                              ("num_beams", "3", "num_beams"), ("top_p", "4", "from 0 to 1")]:  # fmt: skip
        with pytest.raises(ValueError, match=part):
            conversation.set(name, value)
    assert conversation.config.num_beams == 1 and conversation.config.temperature == 0.5


@pytest.mark.parametrize("content", ["{", '{"role": "user"}', '[{"role": "user"}]', '[{"role": "x", "content": "a"}]'])
def test_load_refuses_other_files(conversation, tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match="JSON|must hold"):
        conversation.load(str(tmp_path / "x.json"))


@pytest.mark.parametrize(
    "lines, expected",
    [(["a", "b"], "a"), (["a\\", "b", "c"], "a\nb"), (['"""a', "b\\", 'c"""', "d"], "a\nb\\\nc"), (['"""a"""'], "a"),
     (['"""', "a", '"""'], "a"), (['"""', "a"], "a"), (["a\\"], "a\\")],
)  # fmt: skip
def test_messages_of_several_lines(lines, expected):
    waiting = iter(lines)

    def line(prompt):
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError from None

    assert message(line) == expected


def test_chat_in_a_pipe(talker, tmp_path):
    saved, shown = tmp_path / "talk.json", tmp_path / "talk.md"
    lines = ["/set do_sample false", "/set max_new_tokens=4", "hello", "", "/stats on", "so", f"/save {saved}",
             f"/save {shown}", "/undo", "/regenerate", "/system be brief", "/show", "/reset", f"/load {saved}", "/help",
             "/exit", "never"]  # fmt: skip
    result = qkv("chat", talker, input="\n".join(lines))
    assert result.exit_code == 0, result.stderr
    found = json.loads(saved.read_text(encoding="utf-8"))
    assert [entry["role"] for entry in found] == ["user", "assistant"] * 2 and found[2]["content"] == "so"
    assert result.stdout.startswith("do_sample = False\nmax_new_tokens = 4\n" + found[1]["content"] + "\n")
    for part in ("4 messages written", "taken back: so", "system: be brief", "4 messages read", "/regenerate"):
        assert part in result.stdout
    assert "already read" in result.stderr and "\x1b" not in result.stdout
    assert shown.read_text(encoding="utf-8").startswith("**user**\n\nhello\n\n**assistant**\n")


def test_chat_in_a_pipe_ends_at_an_error(talker):
    for line, part in [("/rest", "'/reset'"), ("/set temprature 1", "'temperature'"), ("/set top_k", "NAME VALUE"),
                       ("/load /nowhere/x", "No such file"), ("/save", "type: /save FILE"), ("/undo", "nothing"),
                       ("/stats maybe", "/stats on")]:  # fmt: skip
        failed(qkv("chat", talker, input=f"{line}\n"), 1, part)


def test_chat_needs_a_template(plain):
    failed(qkv("chat", plain, input="hi\n"), 1, "no chat template", "qkv run text-generation -m")


def test_control_characters_stay_in_the_model():
    assert clean_lines("a\x1b[31mb\nc\td\x9b\u202e") == "a [31mb\nc\td  "


def test_chat_on_a_terminal(talker):
    """A reply is interrupted, the talk goes on, Ctrl-D ends it."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "LANG": "C.UTF-8"}
    streams = dict(stdin=theirs, stdout=theirs, stderr=theirs)
    process = subprocess.Popen(
        [*COMMAND, "chat", str(talker), "--seed", "1"], env=environment, start_new_session=True, **streams
    )
    os.close(theirs)
    seen, place = b"", 0

    def more():
        nonlocal seen
        assert select.select([ours], [], [], 120)[0], seen
        seen += os.read(ours, 65536)

    def until(part):
        """Read on to the end of a part that comes after the last one."""
        nonlocal place
        while part not in seen[place:]:
            more()
        place = seen.index(part, place) + len(part)

    try:
        until(b"> ")
        os.write(ours, b"hello there\n")
        until(b"hello there\r\n")
        while len(seen) < place + 4:  # the reply has begun
            more()
        process.send_signal(signal.SIGINT)
        until(b"stopped; what was said")
        until(b"> ")
        os.write(ours, b"/rest\n")
        until(b"nearest are")
        until(b"> ")
        os.write(ours, b"\x04")
        assert process.wait(60) == 0
    finally:
        process.kill()
        os.close(ours)


def test_a_stream_is_interrupted(talker):
    command = [*COMMAND, "run", "text-generation", "-m", str(talker), "hello", "--max-new-tokens", "3900", "--stream"]
    command += ["--temperature", "5", "--seed", "1"]
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # tests in the background ignore it
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    process = subprocess.Popen(command, **pipes, **heard)
    first = process.stdout.read(12)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors == b"" and first.startswith(b"hello") and rest.endswith(b"\n")
