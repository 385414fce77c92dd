"""apply_chat_template: what it takes, what it gives, what it refuses; templates in a tokenizer's folder."""

import copy
import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import ByteLevelBPETokenizer

from qkv.hub import open_repo
from qkv.preprocessing.tokenizers import BatchEncoding, PreTrainedTokenizer, load_tokenizer
from qkv.preprocessing.tokenizers.template_files import MAX_TEMPLATE

VOCAB = Path(__file__).parents[1] / "parity" / "tokenizers" / "vocab"
CHAT = """{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>
{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}
{% else %}{{ m['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>
{% endif %}"""
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there"}]
ASK = [{"role": "user", "content": "What is up, then?"}]


@pytest.fixture
def tokenizer():
    rust = ByteLevelBPETokenizer(str(VOCAB / "vocab.json"), str(VOCAB / "merges.txt"))._tokenizer
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizer(tokenizer_object=rust, **roles, chat_template=CHAT)


def refused(kind, tokenizer, *args, match, **kwargs):
    with pytest.raises(kind, match=match) as caught:
        tokenizer.apply_chat_template(*args, **kwargs)
    assert len(str(caught.value)) < 400


def test_text_ids_and_dict_agree(tokenizer):
    text = tokenizer.apply_chat_template(TALK, tokenize=False)
    assert text == "<s><|user|>\nHi<|assistant|>\nHello there</s>"
    ids = tokenizer.apply_chat_template(TALK)
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"] and ids.count(tokenizer.bos_token_id) == 1
    made = tokenizer.apply_chat_template(TALK, return_dict=True)
    assert isinstance(made, BatchEncoding) and made["input_ids"] == ids and set(made["attention_mask"]) == {1}
    assert tokenizer.apply_chat_template(TALK, tokenize=False, return_dict=True) == text
    assert tokenizer.apply_chat_template(TALK, add_generation_prompt=True, tokenize=False) == text + "<|assistant|>\n"


def test_tensors_have_a_batch_axis(tokenizer):
    ids = tokenizer.apply_chat_template(TALK)
    assert torch.equal(tokenizer.apply_chat_template(TALK, return_tensors="pt"), torch.tensor([ids]))
    assert np.array_equal(tokenizer.apply_chat_template(TALK, return_tensors="np"), np.array([ids]))
    made = tokenizer.apply_chat_template(TALK, return_tensors="pt", return_dict=True, return_assistant_tokens_mask=True)
    assert made["assistant_masks"].shape == made["input_ids"].shape == (1, len(ids))


def test_batches(tokenizer):
    rows = tokenizer.apply_chat_template([TALK, ASK])
    assert rows == [tokenizer.apply_chat_template(TALK), tokenizer.apply_chat_template(ASK)]
    assert tokenizer.apply_chat_template([ASK], tokenize=False) == [tokenizer.apply_chat_template(ASK, tokenize=False)]
    made = tokenizer.apply_chat_template([TALK, ASK], padding=True, return_tensors="pt", return_dict=True)
    assert made["input_ids"].shape == (2, max(map(len, rows)))
    assert made["attention_mask"].sum(1).tolist() == list(map(len, rows))
    with pytest.raises(ValueError, match="padding=True"):
        tokenizer.apply_chat_template([TALK, ASK], return_tensors="pt")
    assert len(tokenizer.apply_chat_template(TALK, truncation=True, max_length=4)) == 4
    assert len(tokenizer.apply_chat_template(TALK, padding="max_length", max_length=90)) == 90


def test_tokenizer_kwargs_reach_the_call(tokenizer):
    made = tokenizer.apply_chat_template(
        TALK, return_dict=True, tokenizer_kwargs={"return_offsets_mapping": True, "return_length": True}
    )
    assert len(made["offset_mapping"]) == len(made["input_ids"]) and "length" in made


def test_conversations_in_other_forms(tokenizer):
    @dataclass
    class Message:
        role: str
        content: str

    class Model:
        def model_dump(self):
            return {"role": "user", "content": "Hi"}

    expected = tokenizer.apply_chat_template(TALK)
    assert tokenizer.apply_chat_template(SimpleNamespace(messages=TALK)) == expected
    assert tokenizer.apply_chat_template([SimpleNamespace(messages=TALK)]) == [expected]
    assert tokenizer.apply_chat_template(tuple(TALK)) == expected
    assert tokenizer.apply_chat_template([Message("user", "Hi"), TALK[1]]) == expected
    assert tokenizer.apply_chat_template([Model(), TALK[1]]) == expected


def test_a_template_sees_plain_data_only(tokenizer):
    given = [
        {"role": "user", "content": [{"type": "image", "image": np.zeros(3)}, {"n": np.int64(3), "b": np.bool_(0)}]}
    ]
    template = "{{ messages[0].content }}{{ f }}"
    text = tokenizer.apply_chat_template(given, chat_template=template, tokenize=False, f=print)
    assert text == "[{'type': 'image', 'image': '<ndarray>'}, {'n': 3, 'b': False}]<builtin_function_or_method>"


def test_the_conversation_is_not_changed(tokenizer):
    parts = [{"role": "user", "content": "Hi", "name": None}, {"role": "assistant", "content": [{"text": "A"}]}]
    before = copy.deepcopy(parts)
    template = "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{{ m.keys()|list }}{% endfor %}"
    text = tokenizer.apply_chat_template(
        parts, chat_template=template, tokenize=False, continue_final_message=True, reasoning=1
    )
    assert text == "['role', 'content']A" and parts == before


def test_the_last_message_goes_on(tokenizer):
    def going_on(content, field=True, template=CHAT, **more):
        talk = [*ASK, {"role": "assistant", "content": content, **more}]
        return tokenizer.apply_chat_template(talk, chat_template=template, continue_final_message=field, tokenize=False)

    start = "<s><|user|>\nWhat is up, then?<|assistant|>\n"
    assert going_on("It is ") == start + "It is "
    assert going_on("") == start
    trimming = CHAT.replace("m.content", "m.content|trim")
    assert going_on("It is ", template=trimming) == start + "It is"
    thinking = "{% for m in messages %}[{{ m.thinking }}]{{ m.content }}{% endfor %}"
    assert going_on("x", "reasoning", thinking, reasoning="so") == "[]What is up, then?[so"
    refused(ValueError, tokenizer, ASK, continue_final_message="thinking", match="no 'thinking'")
    refused(ValueError, tokenizer, TALK, continue_final_message="role", chat_template="{{ 1 }} ", match="does not read")
    empty = "{% for m in messages %}{{ m.content[:2] }}{% endfor %}"
    refused(ValueError, tokenizer, TALK, continue_final_message=True, chat_template=empty, match="leaves out")
    parts = [{"role": "user", "content": [{"type": "image"}]}]
    refused(ValueError, tokenizer, parts, continue_final_message=True, match="no text")


def test_the_mask_covers_what_the_assistant_said(tokenizer):
    talk = [*TALK, *ASK, {"role": "assistant", "content": "Not much."}]
    made = tokenizer.apply_chat_template(talk, return_assistant_tokens_mask=True, return_dict=True)
    said = [token for token, on in zip(made["input_ids"], made["assistant_masks"], strict=True) if on]
    assert tokenizer.decode(said) == "Hello there</s>Not much.</s>"
    tokenizer.padding_side = "left"
    both = tokenizer.apply_chat_template(
        [talk, ASK], return_assistant_tokens_mask=True, padding=True, return_tensors="pt"
    )
    assert both["assistant_masks"].sum(1).tolist() == [len(said), 0]
    assert both["assistant_masks"][0].tolist()[-len(said) :].count(1) < len(said)
    cut = tokenizer.apply_chat_template(
        talk, return_assistant_tokens_mask=True, truncation=True, max_length=len(made["input_ids"]) - 20
    )
    assert cut["assistant_masks"] == made["assistant_masks"][:-20]
    windows = tokenizer.apply_chat_template(
        talk,
        return_assistant_tokens_mask=True,
        truncation=True,
        max_length=16,
        tokenizer_kwargs={"return_overflowing_tokens": True},
    )
    assert [len(row) for row in windows["assistant_masks"]] == [len(row) for row in windows["input_ids"]]


def test_a_template_without_marks_warns(tokenizer):
    with pytest.warns(UserWarning, match="return_assistant_tokens_mask"):
        made = tokenizer.apply_chat_template(
            TALK, chat_template="{{ messages[0].content }}", return_assistant_tokens_mask=True
        )
    assert set(made["assistant_masks"]) == {0}


def test_named_templates(tokenizer):
    tokenizer.chat_template = {
        "default": "d{{ tools }}",
        "tool_use": "t{{ tools|length }}",
        "rag": "r{{ documents|length }}",
    }
    render = lambda **options: tokenizer.apply_chat_template(ASK, tokenize=False, **options)  # noqa: E731
    assert render() == "dNone" and render(tools=[{}]) == "t1" and render(tools=[]) == "t0"
    assert render(chat_template="rag", documents=[{}, {}]) == "r2" and render(chat_template="own {{ 1 }}") == "own 1"
    assert tokenizer.get_chat_template(tools=[{}]) == "t{{ tools|length }}"
    refused(ValueError, tokenizer, ASK, chat_template="tools_use", match="'tool_use'")
    tokenizer.chat_template = {"a": "1 ", "b": "2 "}
    refused(ValueError, tokenizer, ASK, match="none named 'default'.*'a', 'b'")
    tokenizer.chat_template = None
    refused(ValueError, tokenizer, ASK, match="no chat template.*tokenizer.chat_template")
    refused(ValueError, tokenizer, ASK, chat_template="rag", match="named 'rag'")
    refused(TypeError, tokenizer, ASK, chat_template=3, match="chat_template=3")


def test_tools_are_functions_or_schemas(tokenizer):
    def weather(city: str, days: int = 1) -> str:
        """The weather.

        Args:
            city: Where
            days: How far
        """
        return city + str(days)

    template = "{{ tools|tojson }}"
    text = tokenizer.apply_chat_template(ASK, tools=[weather, {"a": 1}], chat_template=template, tokenize=False)
    function, schema = json.loads(text)
    assert function["function"]["parameters"]["required"] == ["city"] and schema == {"a": 1}
    refused(ValueError, tokenizer, ASK, tools=["weather"], match="tool 'weather'")
    refused(ValueError, tokenizer, ASK, tools=[lambda x: x], match="docstring")
    refused(TypeError, tokenizer, ASK, documents=["text"], match="document 'text'")


@pytest.mark.parametrize(
    "kind, given, match",
    [
        (TypeError, "Hi", "list of messages"),
        (TypeError, {"role": "user", "content": "Hi"}, "list of messages"),
        (TypeError, None, "list of messages"),
        (TypeError, 5, "list of messages"),
        (TypeError, ["Hi"], "Message 0 is 'Hi'"),
        (TypeError, [TALK[0], None], "Message 1 is None"),
        (ValueError, [], "empty"),
        (ValueError, (), "empty"),
    ],
)
def test_what_is_no_conversation_is_refused(kind, given, match, tokenizer):
    refused(kind, tokenizer, given, match=match)


def test_contradictions_are_refused(tokenizer):
    refused(ValueError, tokenizer, TALK, continue_final_message=True, add_generation_prompt=True, match="contradict")
    refused(
        ValueError, tokenizer, TALK, continue_final_message=True, return_assistant_tokens_mask=True, match="contradict"
    )
    refused(ValueError, tokenizer, TALK, return_assistant_tokens_mask=True, return_dict=False, match="return_dict")
    refused(ValueError, tokenizer, TALK, return_assistant_tokens_mask=True, tokenize=False, match="tokenize")
    refused(ValueError, tokenizer, TALK, sanitize_control_tokens=True, match="sanitize_control_tokens")
    refused(TypeError, tokenizer, TALK, messages=[], match="messages=")
    itself: list = [{"role": "user"}]
    itself[0]["content"] = itself
    refused(ValueError, tokenizer, itself, match="contains itself")


def test_one_message_adds_its_ids(tokenizer):
    first = tokenizer.encode_message_with_chat_template(TALK[0])
    assert first == tokenizer.apply_chat_template(TALK[:1])
    assert first + tokenizer.encode_message_with_chat_template(TALK[1], TALK[:1]) == tokenizer.apply_chat_template(TALK)
    with pytest.raises(ValueError, match="add_generation_prompt"):
        tokenizer.encode_message_with_chat_template(TALK[0], add_generation_prompt=True)


def test_threads_share_a_tokenizer(tokenizer):
    talks = [[{"role": "user", "content": "x " * n}, {"role": "assistant", "content": "y " * n}] for n in range(1, 9)]
    call = lambda talk: tokenizer.apply_chat_template(talk, return_assistant_tokens_mask=True).data  # noqa: E731
    expected, wrong = [call(talk) for talk in talks], []

    def work(number):
        wrong.extend(1 for _ in range(20) if call(talks[number]) != expected[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_saved_templates_are_read_again(tokenizer, tmp_path):
    for place, template in enumerate([CHAT, {"default": CHAT, "tool_use": "é\n", "rag": ""}, {"only-this": "a"}, None]):
        tokenizer.chat_template = template
        folder = tmp_path / str(place)
        written = tokenizer.save_pretrained(folder)
        assert all(Path(path).is_file() for path in written)
        assert load_tokenizer(open_repo(folder)).chat_template == template
        assert "chat_template" not in json.loads((folder / "tokenizer_config.json").read_text())
    assert (tmp_path / "1" / "additional_chat_templates" / "tool_use.jinja").read_text("utf8") == "é\n"


def test_files_win_over_the_configuration(tokenizer, tmp_path):
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config["chat_template"] = [{"name": "default", "template": "a"}, {"name": "rag", "template": "b"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert load_tokenizer(open_repo(tmp_path)).chat_template == {"default": "a", "rag": "b"}
    (tmp_path / "chat_template.jinja").write_text("c\r\nd")
    assert load_tokenizer(open_repo(tmp_path)).chat_template == "c\nd"
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "x.jinja").write_text("e")
    assert load_tokenizer(open_repo(tmp_path)).chat_template == {"default": "c\nd", "x": "e"}
    (tmp_path / "chat_template.jinja").write_text("c" * (MAX_TEMPLATE + 1))
    with pytest.raises(ValueError, match="bytes"):
        load_tokenizer(open_repo(tmp_path))


HOSTILE = ["../../evil", "/tmp/evil", "a/b", "..", "", "a.b", "con\n", "x" * 65, "é", "a\\b", "C:evil", 3]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused(name, tokenizer, tmp_path):
    tokenizer.chat_template = {"default": CHAT, name: "evil"}
    with pytest.raises(ValueError, match="name of a chat template"):
        tokenizer.save_pretrained(tmp_path / "inner" / "folder")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "inner" / "folder")
    path = tmp_path / "inner" / "folder" / "tokenizer_config.json"
    given = [{"name": name, "template": "evil"}]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": given}))
    with pytest.raises(ValueError, match="name of a chat template") as caught:
        load_tokenizer(open_repo(path.parent))
    assert len(str(caught.value)) < 400


def test_a_hostile_file_name_is_refused(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "a b.jinja").write_text("x")
    with pytest.raises(ValueError, match="'a b' cannot be the name"):
        load_tokenizer(open_repo(tmp_path))


def test_links_are_not_followed(tokenizer, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jinja").write_text("secret")
    tokenizer.save_pretrained(tmp_path / "in")
    (tmp_path / "in" / "additional_chat_templates").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="link"):
        load_tokenizer(open_repo(tmp_path / "in"))
    tokenizer.chat_template = {"default": CHAT, "secret": "overwritten"}
    with pytest.raises(OSError, match="link"):
        tokenizer.save_pretrained(tmp_path / "in")
    assert (tmp_path / "outside" / "secret.jinja").read_text() == "secret"


def test_jinja_is_imported_by_the_first_template():
    code = "import sys, qkv.preprocessing.tokenizers.chat; print('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
