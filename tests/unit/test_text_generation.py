"""The text-generation pipeline: options and who wins, inputs, batches whose rows do not know each other, bad input."""

import random
import warnings
from pathlib import Path

import pytest
import torch

from qkv import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaTokenizer,
    TextIteratorStreamer,
    pipeline,
    set_seed,
)
from tiny_text import make_text

HI = [{"role": "user", "content": "hi"}]
GREEDY = {"do_sample": False}
draw = random.Random(0)
TEXTS = ["".join(draw.choice("abc the,.") for _ in range(draw.randrange(30))) for _ in range(12)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_text(tmp_path_factory.mktemp("text") / "gpt2", chat=True)


@pytest.fixture(scope="module")
def pipe(folder):
    return pipeline("text-generation", model=str(folder))


def text(found):
    return found[0]["generated_text"]


def test_shapes(pipe):
    short = GREEDY | {"max_new_tokens": 3}
    assert text(pipe("hello", **short)).startswith("hello")
    assert [list(results[0]) for results in pipe(["a", "b"], **short)] == [["generated_text"]] * 2
    assert pipe([], **short) == []
    assert text(pipe(HI, **short))[:-1] == HI and text(pipe(tuple(HI), **short)) == text(pipe(HI, **short))
    assert [text(found) for found in pipe([HI, HI], **short)] == [text(pipe(HI, **short))] * 2
    assert len(pipe("a", num_return_sequences=3, max_new_tokens=2)) == 3
    assert text(pipe("a", return_full_text=False, **short)) == text(pipe("a", **short))[1:]
    ids = pipe("a", return_tensors=True, **short)[0]["generated_token_ids"]
    assert len(ids) == 4 and ids[0] == 4 and all(type(i) is int for i in ids)
    assert list(pipe((t for t in ("a", "b")), **short)) == pipe(["a", "b"], **short)


def test_objects_with_messages_and_parts(pipe):
    class Chat:
        messages = HI

    short = GREEDY | {"max_new_tokens": 3}
    assert pipe(Chat(), **short) == pipe(HI, **short)
    assert pipe([Chat(), "a"], **short) == [pipe(HI, **short), pipe("a", **short)]
    begun = [*HI, {"role": "assistant", "content": [{"type": "text", "text": "I"}]}]
    template = "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{{ m.content[0].text }}"
    pipe.tokenizer.chat_template, before = template + "{% endif %}{% endfor %}", pipe.tokenizer.chat_template
    try:
        added = text(pipe(begun, **short))[-1]["content"][0]
    finally:
        pipe.tokenizer.chat_template = before
    assert added["type"] == "text" and added["text"].startswith("I") and len(added["text"]) == 4
    assert begun[-1]["content"][0]["text"] == "I"


@pytest.mark.parametrize("call", [{"max_new_tokens": 6}, {"max_length": 30}, {}, {"max_new_tokens": 6, "num_beams": 2}])
def test_greedy_rows_do_not_know_each_other(pipe, call):
    call = GREEDY | call | {"return_tensors": True}
    texts = TEXTS if "max_new_tokens" in call else TEXTS[:5]
    alone = [pipe(t, **call) for t in texts]
    assert pipe(texts, **call) == alone
    assert pipe(texts, batch_size=3, **call) == alone


def test_the_end_of_a_text_is_its_own(pipe):
    call = GREEDY | {
        "max_new_tokens": 9,
        "repetition_penalty": 3.0,
        "eos_token_id": [36, 35, 80],
        "return_tensors": True,
    }
    alone = [pipe(t, **call)[0]["generated_token_ids"] for t in TEXTS]
    assert len({len(ids) - len(pipe.tokenizer(t)["input_ids"]) for ids, t in zip(alone, TEXTS, strict=True)}) > 1
    assert [found[0]["generated_token_ids"] for found in pipe(TEXTS, **call)] == alone


def settled(pipe, **options):
    return pipe.choose(**options).config


def test_who_wins(pipe, folder):
    config = settled(pipe)
    assert (config.max_new_tokens, config.do_sample, config.temperature) == (256, True, 0.7)
    assert settled(pipe, max_length=30).max_new_tokens is None
    assert "temperature" not in vars(settled(pipe, do_sample=False))
    assert settled(pipe, temperature=0).do_sample is False
    assert settled(pipe, penalty_alpha=0.6, top_k=4).do_sample is False
    assert settled(pipe, generate_kwargs={"max_new_tokens": 5}).max_new_tokens == 5
    assert settled(pipe, generate_kwargs={"max_new_tokens": 5}, max_new_tokens=6).max_new_tokens == 6
    assert settled(pipe, stop_sequence="x").stop_strings == "x"
    set_before = pipeline("text-generation", str(folder), max_new_tokens=7, top_k=3, return_full_text=False)
    assert settled(set_before).max_new_tokens == 7 and settled(set_before, max_new_tokens=8).top_k == 3
    given = GenerationConfig(max_new_tokens=9)
    assert settled(set_before, generation_config=given).max_new_tokens == 9
    assert settled(set_before, generation_config=given).top_k == GenerationConfig().top_k
    assert vars(given) == {"max_new_tokens": 9}
    assert "generated_token_ids" in set_before("a", return_tensors=True)[0]
    assert set_before("a", return_full_text=True)[0]["generated_text"].startswith("a")


def test_the_models_own_config_goes_before_the_tasks_defaults(pipe):
    before, pipe.model.generation_config = pipe.model.generation_config, GenerationConfig(do_sample=False, max_length=9)
    try:
        config = settled(pipe)
        assert config.max_length == 9 and config.max_new_tokens is None and not config.do_sample
        assert config.pad_token_id == 1  # the tokenizer's
    finally:
        pipe.model.generation_config = before


def test_a_seed_draws_the_same(pipe):
    def drawn(given, **call):
        set_seed(3)
        return pipe(given, max_new_tokens=8, **call)

    assert drawn("a b") == drawn("a b") and drawn(TEXTS) == drawn(TEXTS)
    assert drawn("a b") != drawn("a b", temperature=5.0)


def test_nothing_is_said_when_nobody_named_a_length(pipe):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids = pipe("a b", return_tensors=True, **GREEDY)[0]["generated_token_ids"]
    assert len(ids) == 40
    with pytest.warns(UserWarning, match="max_new_tokens=37"):
        pipe("a b", max_new_tokens=99, **GREEDY)


def test_long_prompts(pipe):
    long = "a" * 60
    with pytest.raises(ValueError, match="60 tokens.* 40 .*hole"):
        pipe(["a", long])
    found = pipe(long, handle_long_generation="hole", max_new_tokens=5, return_tensors=True)[0]["generated_token_ids"]
    assert len(found) == 40
    assert text(pipe(long, handle_long_generation="hole", max_new_tokens=5)).startswith(long)
    assert text(pipe(long, truncation=True, max_length=10, max_new_tokens=2, **GREEDY)) == long + text(
        pipe("a" * 10, max_new_tokens=2, **GREEDY)
    ).removeprefix("a" * 10)
    with pytest.raises(ValueError, match="cannot make room"):
        pipe(long, handle_long_generation="hole")
    with pytest.raises(ValueError, match="no room under max_length=10"):
        pipe(long[:30], max_length=10)


def test_stops_and_grammars(pipe):
    whole = text(pipe("hi", max_new_tokens=20, **GREEDY))
    stop = whole[6]
    assert text(pipe("hi", max_new_tokens=20, stop_sequence=[stop], **GREEDY)).endswith(stop)
    assert text(pipe("hi", choice=["yes", "no"], return_full_text=False)) in ("yes", "no")
    assert text(pipe("hi", regex="[abc]{4}", return_full_text=False)).strip("abc") == ""


def test_streamer(pipe):
    streamer = TextIteratorStreamer(pipe.tokenizer, skip_prompt=True, timeout=10)
    found = pipe(["a b", "c"], streamer=streamer, max_new_tokens=4, return_full_text=False, **GREEDY)
    first = "".join(streamer)
    assert first == text(found[0]) and "".join(streamer) == text(found[1])


def test_scores_beside_the_text(pipe):
    found = pipe("a b", max_new_tokens=4, return_dict_in_generate=True, output_scores=True, num_return_sequences=2)
    assert len(found) == 2 and torch.tensor(found[0]["scores"]).shape == (4, 99)


@pytest.mark.parametrize("wrong", [None, 3, b"x", ["a", 3], [["a", "b"]], {"role": "user", "content": "hi"}, [{"a": 1}],
                                   [HI, [3]], object()])  # fmt: skip
def test_wrong_inputs(pipe, wrong):
    with pytest.raises(TypeError, match="text-generation takes a string or a chat"):
        pipe(wrong)


@pytest.mark.parametrize("error, part, options", [
    (TypeError, "'max_new_tokens'", {"max_new_token": 3}),
    (TypeError, "'temperature'", {"generate_kwargs": {"temprature": 3}}),
    (TypeError, "no option 'config'", {"config": 3}),
    (TypeError, "must be a GenerationConfig", {"generation_config": {"top_k": 1}}),
    (TypeError, "prefix=3", {"prefix": 3}),
    (ValueError, "temperature must be", {"temperature": "hot"}),
    (ValueError, "'hole' or None", {"handle_long_generation": "cut"}),
    (ValueError, "contradict", {"return_tensors": True, "return_full_text": False}),
    (ValueError, "batch_size=0", {"batch_size": 0}),
    (ValueError, "num_return_sequences=2", {"num_return_sequences": 2, "do_sample": False}),
])  # fmt: skip
def test_wrong_options(pipe, error, part, options):
    with pytest.raises(error, match=part) as raised:
        pipe("a", **options)
    assert len(str(raised.value)) < 400


def test_chats_need_a_template(pipe, tmp_path):
    with pytest.raises(ValueError, match="empty"):
        pipe([[]])
    bare = pipeline("text-generation", str(make_text(tmp_path / "bare")))
    with pytest.raises(ValueError, match="no chat template"):
        bare(HI)


def test_the_space_before_new_text_is_kept():
    """A sentencepiece decoder drops the space that a text begins with; what goes on in a text needs it."""
    vocab = Path(__file__).parent.parent / "parity" / "tokenizers" / "vocab"
    tokenizer = LlamaTokenizer(str(vocab / "llama.model"))
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), eos_token_id=2, **sizes))
    word = next(i for token, i in tokenizer.get_vocab().items() if token[0] == "▁" and token[1:].isalpha())
    others = [i for i in range(len(tokenizer)) if i != word]
    writer = pipeline("text-generation", model, tokenizer=tokenizer, do_sample=False, max_new_tokens=2)
    said = tokenizer.decode([word])
    assert text(writer("the film", suppress_tokens=others)) == f"the film {said} {said}"
    assert text(writer("the film", suppress_tokens=others, return_full_text=False)) == f" {said} {said}"
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    assert text(writer(HI, suppress_tokens=others))[-1]["content"] == f"{said} {said}"
