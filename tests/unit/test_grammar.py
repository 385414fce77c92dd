"""Constrained decoding: whatever a model prefers, the new text is one that the grammar accepts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qkv.generation.logits import GrammarLogitsProcessor
from qkv.preprocessing.tokenizers import CLASSES

pytest.importorskip("llguidance", reason="an extra: pip install qkv[grammar]")
sys.path.insert(0, str(Path(__file__).parents[1] / "parity" / "tokenizers"))

from tokenizer_cases import CASES  # noqa: E402

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
PROMPT = "A person, as JSON: "
EXTRA = 7  # scores beyond the vocabulary, as of a padded embedding


@pytest.fixture(scope="module", params=["gpt2", "llama", "t5"])
def tokenizer(request, tmp_path_factory):
    case = CASES[request.param]
    return CLASSES[case.cls].from_pretrained(case.folder(tmp_path_factory.mktemp(request.param)))


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    return CLASSES["GPT2Tokenizer"].from_pretrained(
        CASES["gpt2"].folder(tmp_path_factory.mktemp("gpt2")), eos_token="<|endoftext|>"
    )


def finished(tokenizer, processor, rows=4, seed=0, limit=120):
    """Texts that a model without a clue ends, and their ids."""
    prompt = tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([prompt] * rows)
    noise = torch.Generator().manual_seed(seed)
    for _ in range(limit):
        scores = processor(ids, torch.randn(rows, len(tokenizer) + EXTRA, generator=noise) * 3)
        chosen = scores.softmax(-1).multinomial(1, generator=noise)
        assert not scores.isinf().all(-1).any()
        ids = torch.cat([ids, chosen], 1)
        if (chosen == tokenizer.eos_token_id).all():
            break
    ends = [row.index(tokenizer.eos_token_id) for row in ids[:, len(prompt) :].tolist()]
    return [row[len(prompt) : len(prompt) + end] for row, end in zip(ids.tolist(), ends, strict=True)]


def text(tokenizer, ids):
    """The text of ids in the middle of one."""
    before = tokenizer("a", add_special_tokens=False)["input_ids"]
    return tokenizer.decode(before + ids)[len(tokenizer.decode(before)) :]


def test_json_is_what_the_schema_says(tokenizer):
    for ids in finished(tokenizer, GrammarLogitsProcessor(tokenizer, json_schema=SCHEMA)):
        found = json.loads(text(tokenizer, ids))
        assert found.keys() == {"name", "age"} and len(found["name"]) <= 8 and 0 <= found["age"] <= 99


def test_a_regex_matches_the_whole_text(tokenizer):
    pattern = r"[a-c]{2,5}-[0-9]+( the end)?"
    found = [text(tokenizer, ids) for ids in finished(tokenizer, GrammarLogitsProcessor(tokenizer, regex=pattern))]
    assert all(re.fullmatch(pattern, one) for one in found), found
    assert len(set(found)) > 1


def test_a_choice_is_one_of_them(tokenizer):
    choice = ["yes", "yes, but", "no", 'perhaps "later"']
    found = {
        text(tokenizer, ids)
        for seed in range(4)
        for ids in finished(tokenizer, GrammarLogitsProcessor(tokenizer, choice=choice), seed=seed)
    }
    assert found <= set(choice) and len(found) > 1


def test_a_grammar_in_lark(gpt2):
    grammar = 'start: term ("+" term)*\nterm: /[0-9]/ | "(" start ")"'
    for ids in finished(gpt2, GrammarLogitsProcessor(gpt2, grammar=grammar)):
        assert re.fullmatch(r"[0-9+()]+", text(gpt2, ids))


def allowed(processor, ids, size=1300):
    return {i for i, score in enumerate(processor(torch.tensor([ids]), torch.zeros(1, size))[0].tolist()) if score == 0}


def test_the_end_is_allowed_where_the_grammar_may_end(gpt2):
    a, b, end = gpt2.convert_tokens_to_ids(["a", "b", "<|endoftext|>"])
    processor = GrammarLogitsProcessor(gpt2, regex="a(ab)*", eos_token_id=[end, 1299], prompt_length=1)
    assert end not in allowed(processor, [end])
    assert {end, 1299} <= allowed(processor, [end, a])
    assert allowed(processor, [end, a, a]) == {b}
    assert {end, 1299, a} <= allowed(processor, [end, a, a, b])
    assert allowed(processor, [end, a, end]) == allowed(processor, [end, a, end, a, b]) == {end, 1299}


def test_a_row_that_was_forced_out_of_the_grammar_ends(gpt2):
    a, b, end = gpt2.convert_tokens_to_ids(["a", "b", "<|endoftext|>"])
    assert allowed(GrammarLogitsProcessor(gpt2, regex="a+", prompt_length=0), [a, b, a]) == {end}


def test_a_grammar_s_only_way_on_comes_back(gpt2):
    a, end = gpt2.convert_tokens_to_ids(["a", "<|endoftext|>"])
    processor = GrammarLogitsProcessor(gpt2, choice=["a"], prompt_length=0)
    scores = torch.zeros(1, 1300).index_fill(1, torch.tensor([end]), -torch.inf)
    found = processor(torch.tensor([[a]]), scores)
    assert found[0, end] == 0 and found.isinf().sum() == 1299


def test_rows_may_move_repeat_and_go_back(gpt2):
    schema = GrammarLogitsProcessor(gpt2, json_schema=SCHEMA, prompt_length=2)
    texts = ['{"name": "x", "ag', '{"name": "x', '{"name": "x', "{", '{"name": "x", "age": 4']
    rows = [[0, 1, *gpt2(one)["input_ids"]] for one in texts]
    for row in [*rows, *reversed(rows)]:
        fresh = GrammarLogitsProcessor(gpt2, json_schema=SCHEMA, prompt_length=2)
        assert allowed(schema, row) == allowed(fresh, row) != set()
    same = [row[: min(map(len, rows))] for row in rows[:3]]
    together = schema(torch.tensor(same), torch.zeros(3, 1300))
    assert [set((row == 0).nonzero()[:, 0].tolist()) for row in together] == [allowed(schema, row) for row in same]


def test_one_processor_serves_several_prompts(gpt2):
    processor = GrammarLogitsProcessor(gpt2, regex="a+b")
    a, b = gpt2.convert_tokens_to_ids(["a", "b"])
    start = allowed(processor, [5, 6, 7])
    assert a in start and b not in start
    assert b in allowed(processor, [5, 6, 7, a])
    for prompt in ([5, 6, 7], [5, 6], [9, 9, 9, 9], [9, 9, 9, 9, a, b, 5]):  # the last goes on from the one before
        assert allowed(processor, prompt) == start


def wrong(**given):
    return lambda tokenizer: GrammarLogitsProcessor(tokenizer, **given)


@pytest.mark.parametrize(
    "make,message",
    [
        (wrong(), "Give one of json_schema, regex, choice, grammar; got none"),
        (wrong(regex="a", choice=["a"]), "got regex, choice"),
        (wrong(json_schema={"enum": []}), "json_schema=.*Unsatisfiable"),
        (wrong(json_schema=False), "json_schema='false' cannot be used"),
        (wrong(json_schema={"type": "string", "minLength": 5, "maxLength": 2}), "Unsatisfiable"),
        (wrong(json_schema={"type": "nonsense"}), "Invalid type"),
        (wrong(json_schema={"$ref": "#/$defs/" + "x" * 9999}), "json_schema"),
        (wrong(json_schema="{"), "must be a JSON Schema"),
        (wrong(json_schema=5), "json_schema=5 must be a JSON Schema"),
        (wrong(json_schema={"enum": [object()]}), "must be a JSON Schema"),
        (wrong(regex="(("), r"regex='\(\(' cannot be used"),
        (wrong(regex=""), "regex='' must be a non-empty string"),
        (wrong(regex="(?=a)b"), "regex"),
        (wrong(choice=[]), "choice="),
        (wrong(choice=["a", ""]), "choice="),
        (wrong(choice="abc"), "choice='abc' must be a non-empty list"),
        (wrong(grammar="start: x"), "unknown name"),
        (wrong(grammar=5), "grammar=5"),
        (wrong(regex="a", prompt_length=-1), "prompt_length=-1"),
        (wrong(regex="a", eos_token_id="</s>"), "eos_token_id"),
        (lambda tokenizer: GrammarLogitsProcessor(None, regex="a"), "tokenizer=None"),
    ],
)
def test_a_wrong_grammar_says_why(gpt2, make, message):
    with pytest.raises(ValueError, match=message) as raised:
        make(gpt2)
    assert len(str(raised.value)) < 400


def test_a_grammar_that_gets_too_complex_is_refused(gpt2):
    processor = GrammarLogitsProcessor(gpt2, regex="(a{1000}){1000}", prompt_length=0)
    with pytest.raises(ValueError, match="regex=.*cannot be used: lexer error: too many expressions"):
        allowed(processor, [gpt2.convert_tokens_to_ids("a")])


def test_hostile_nesting_is_refused(gpt2):
    schema: dict = {"type": "string"}
    for _ in range(100_000):
        schema = {"not": schema}
    with pytest.raises(ValueError, match="json_schema is nested too deeply"):
        GrammarLogitsProcessor(gpt2, json_schema=schema)
    while schema.get("not"):  # so that it is not freed recursively
        schema = schema["not"]


def test_a_tokenizer_that_cannot_write_it(tmp_path):
    bert = CLASSES["BertTokenizer"].from_pretrained(CASES["bert"].folder(tmp_path))
    with pytest.raises(ValueError, match="eos_token_id=None"):
        GrammarLogitsProcessor(bert, regex="\u2603")
    with pytest.raises(ValueError, match="no token of this tokenizer goes on"):
        GrammarLogitsProcessor(bert, regex="\u2603", eos_token_id=3)


def test_without_the_package_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['llguidance'] = None\n"
        "from qkv.generation.logits import GrammarLogitsProcessor\n"
        "class Tokenizer: eos_token_id = 0\n"
        "GrammarLogitsProcessor(Tokenizer(), regex='a')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: regex= needs the package llguidance: pip install qkv[grammar]" in found.stderr
