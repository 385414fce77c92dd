"""Conversations become the text, ids and masks that transformers 5.23 and 4.57 make of them (tools/golden_chat.py)."""

import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "chat"
sys.path.insert(0, str(HERE))

from chat_cases import CONVERSATIONS, EXTRA, FUNCTIONS, GOING_ON, OPTIONS, ROLES, TEMPLATES, digest, rust  # noqa: E402

from qkv.preprocessing.tokenizers import PreTrainedTokenizer  # noqa: E402
from qkv.preprocessing.tokenizers.schema import get_json_schema  # noqa: E402

RECORDED = {version: json.loads((HERE / f"{version}.json").read_text("utf8")) for version in ("5", "4")}


@pytest.fixture(scope="module")
def tokenizer():
    return PreTrainedTokenizer(tokenizer_object=rust(), **ROLES, additional_special_tokens=EXTRA)


def rendered(tokenizer, key):
    """What the recording has under this name: text, ids and mask, or None for an error."""
    name, chat, kind = key.split()
    options = {"continue_final_message": GOING_ON[chat]} if kind == "going_on" else OPTIONS[kind]
    given = {"chat_template": TEMPLATES[name], **options}
    marks = name == "generation" and kind != "going_on"
    try:
        text = tokenizer.apply_chat_template(CONVERSATIONS[chat], **given, tokenize=False)
    except ValueError as error:
        assert len(str(error)) < 400
        return None
    made = tokenizer.apply_chat_template(
        CONVERSATIONS[chat], **given, return_dict=True, return_assistant_tokens_mask=marks
    )
    return [text, digest(made["input_ids"]), *(["".join(map(str, made["assistant_masks"]))] if marks else [])]


@pytest.mark.parametrize("name", TEMPLATES)
def test_renders_are_those_of_5(name, tokenizer):
    recorded = {key: made for key, made in RECORDED["5"]["renders"].items() if key.startswith(f"{name} ")}
    assert len(recorded) == len(CONVERSATIONS) * len(OPTIONS) + len(GOING_ON)
    assert any(recorded.values())
    assert {key: rendered(tokenizer, key) for key in recorded} == recorded


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_schemas_are_those_of_5(function):
    expected = RECORDED["5"]["schemas"][function.__name__]
    if expected is None:
        with pytest.raises(ValueError, match=function.__name__) as caught:
            get_json_schema(function)
        assert len(str(caught.value)) < 400
    else:
        assert json.dumps(get_json_schema(function)) == json.dumps(expected)


def test_where_4_and_5_differ_5_is_followed():
    """4.57 knows one name for the reasoning, and continues no other field than content."""
    different = RECORDED["4"]["renders"]
    assert different and all("thinking" in key or "reasoning going_on" in key for key in different)
