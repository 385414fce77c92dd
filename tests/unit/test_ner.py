"""token-classification: schemes of labels, words, windows, exact characters.

"There" is the reference, 4.57.6, where it gives something else; numbers are those of threads about it.
"""

import json
import pickle
import random

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers

from qkv import AggregationStrategy, NerPipeline, PreTrainedTokenizerFast, TokenClassificationPipeline, pipeline
from qkv.pipelines.marked import Entities
from tiny_ner import BIO, kinds, make_ner

KINDS = list(kinds())
STRATEGIES = ("none", "simple", "first", "average", "max")
STRANGE = [
    "", " ", " \t\r\n  ", "\u200b", "\u00a0", "film\r\nfilms\r\n", "😀", "😀😀 film 👩\u200d👩\u200d👧",
    "e\u0301 fi\u0308lm\u0323s", "שלום film עולם", "مرحبا", "京都 日本 film", "\x00\x07 film", "ﬁlms ㎏ …", "a" * 300,
    "...!?", "[CLS] film [SEP] <s>", "\ufeff film\u2028york",
]  # fmt: skip


@pytest.fixture(scope="module")
def pipes(tmp_path_factory):
    return {kind: pipeline("ner", model=str(make_ner(tmp_path_factory.mktemp("ner") / kind, kind))) for kind in KINDS}


@pytest.fixture
def planted(pipes, monkeypatch):
    """A pipeline whose model says what is planted: for each token of a text its label, or (label, score).

    Special tokens, and tokens after those given, are the first label.
    """

    def plant(kind, labels, said):
        pipe = pipes[kind]
        names = dict(enumerate(labels))
        monkeypatch.setattr(pipe.model.config, "id2label", names)

        def compute(inputs, rows, options):
            logits = torch.zeros(*inputs["input_ids"].shape, len(labels))
            logits[..., 0] = 20
            for row, scores in zip(rows, logits, strict=True):
                for place in range(row["own"].start, row["own"].stop):
                    index = row["tokens"].first + place - row["own"].start - 1
                    label, score = said[index] if isinstance(said[index], tuple) else (said[index], 0.99)
                    rest = (1 - score) / (len(labels) - 1)
                    scores[place] = (
                        torch.full((len(labels),), rest).index_fill(0, torch.tensor(labels.index(label)), score).log()
                    )
            return {"logits": logits}

        monkeypatch.setattr(pipe, "compute", compute)
        return pipe

    return plant


def brief(found):
    return [(entity["entity_group"], entity["word"]) for entity in found]


def plain(found):
    """Without scores, whose last bit goes by the batch."""
    return [{key: value for key, value in entity.items() if key != "score"} for entity in found]


def check(text, found):
    """In the order of the text, disjoint, words as they are there, without spaces around them."""
    behind = 0
    for entity in found:
        start, end, word = entity["start"], entity["end"], entity["word"]
        assert behind <= start < end <= len(text) and word == text[start:end] and word == word.strip() != "", (
            text,
            found,
        )
        behind = end


# ------------------------------------------------------------------------------------------------------ labels


@pytest.mark.parametrize(
    "labels, said, expected",
    [
        ("O B-A I-A B-B I-B", "B-A I-A B-A I-B O", "A:ab A:c B:d"),
        ("O B-A I-A B-B I-B", "I-A I-A O I-B B-B", "A:ab B:d B:e"),
        ("O I-A I-B", "I-A I-A I-B O I-B", "A:ab B:c B:e"),
        ("O A B", "A A B O B", "A:ab B:c B:e"),
        ("O B-A-B I-A-B", "B-A-B I-A-B B-A-B O O", "A-B:ab A-B:c"),
        ("O b-a i-a", "b-a i-a b-a O i-a", "a:ab a:c a:e"),  # there: a, a, a, a
        ("O B-A I-A E-A S-A", "B-A I-A E-A S-A S-A", "A:abc A:d A:e"),  # there: ab, c, de
        ("O B-A I-A E-A S-A", "B-A E-A B-A E-A I-A", "A:ab A:cd A:e"),
        ("O B-A I-A L-A U-A", "U-A B-A I-A L-A U-A", "A:a A:bcd A:e"),
        ("O B-A M-A E-A S-A", "B-A M-A E-A O S-A", "A:abc A:e"),
        ("O I-A E-A S-A I-B E-B", "I-A E-A E-A E-B I-B", "A:ab A:c B:d B:e"),
        ("O GPE-LOC FAC-LOC S-Bahn", "GPE-LOC GPE-LOC FAC-LOC S-Bahn S-Bahn", "GPE-LOC:ab FAC-LOC:c S-Bahn:de"),
        ("O B- I- A", "B- I- A A O", "B-:a I-:b A:cd"),
    ],
)
def test_schemes_of_labels(labels, said, expected, planted):
    pipe = planted("wordpiece", labels.split(), said.split())
    for strategy in STRATEGIES[1:]:
        found = pipe("a b c d e", aggregation_strategy=strategy)
        assert [f"{e['entity_group']}:{e['word'].replace(' ', '')}" for e in found] == expected.split()
        check("a b c d e", found)


def test_what_is_ignored(planted):
    pipe = planted("wordpiece", BIO, ["B-PER", "I-PER", "O", "B-LOC", "O"])
    assert [e["entity"] for e in pipe("a b c d e")] == ["B-PER", "I-PER", "B-LOC"]
    assert [e["entity"] for e in pipe("a b c d e", ignore_labels=[])] == ["B-PER", "I-PER", "O", "B-LOC", "O"]
    assert [e["entity"] for e in pipe("a b c d e", ignore_labels=("O", "B-LOC"))] == ["B-PER", "I-PER"]
    assert brief(pipe("a b c d e", aggregation_strategy="simple", ignore_labels=["PER"])) == [
        ("O", "c"), ("LOC", "d"), ("O", "e"),
    ]  # fmt: skip
    assert brief(pipe("a b c d e", aggregation_strategy="max", ignore_labels=None)) == [("PER", "a b"), ("LOC", "d")]


# ------------------------------------------------------------------------------------------------------- words

TOTAL = ["O", "B-TOTAL", "I-TOTAL"]
CASES = [
    # Four tokens of one word (hf#23322); there "5.975,7" and "4", or "5.975,74" cut where the text before has no space.
    ("unigram", TOTAL, "5.975,74", ["B-TOTAL"] * 9, [("TOTAL", "5.975,74")]),
    # Spaces that are tokens of their own: there "▁" and "kan" are two words.
    ("unigram", BIO, "in kan", ["O", ("B-LOC", 0.9), ("O", 0.3), ("O", 0.3)], [("LOC", "kan")]),
    # Punctuation is no part of a word if the tokenizer splits it off (hf#27876); there "paris." and "paris,".
    ("bytes", BIO, "in paris.", ["O", *["B-LOC"] * 5, "O"], [("LOC", "paris")]),
    ("bytes", BIO, "paris, x", [*["B-LOC"] * 5, ("O", 0.999), "O"], [("LOC", "paris")]),
    # A space that is a token of its own, and characters of several tokens; there each byte is a word.
    ("bytes", BIO, "in 日本", ["O", *["B-LOC"] * 9], [("LOC", "日本")]),
    ("bytes", BIO, "京京", ["B-LOC"] * 6, [("LOC", "京京")]),
    # Letters with marks of their own, which the tokenizer drops; there "fi\u0308lm" is part of the word before it.
    ("wordpiece", BIO, "in fi\u0308lms", ["O", ("B-LOC", 0.9), ("O", 0.5)], [("LOC", "fi\u0308lms")]),
    ("wordpiece", BIO, "the fi\u0308lm", ["B-LOC", "B-PER"], [("LOC", "the"), ("PER", "fi\u0308lm")]),
    # As the text has it (hf#18738, hf#22337); there "film - film", "it ' s", "film?".
    ("wordpiece", BIO, "Film-FILM it's film ?",
     ["B-LOC", "I-LOC", "I-LOC", "B-PER", "I-PER", "I-PER", "B-LOC", "I-LOC"],
     [("LOC", "Film-FILM"), ("PER", "it's"), ("LOC", "film ?")]),
    # No spaces at the ends (hf#18111); there " paris" and " york".
    ("bytes-with-spaces", BIO, "in paris", ["O", *["B-LOC"] * 5], [("LOC", "paris")]),
    ("unigram-with-spaces", BIO, "in  york ", ["O", "O", "B-LOC", "O"], [("LOC", "york")]),
]  # fmt: skip


@pytest.mark.parametrize("kind, labels, text, said, expected", CASES)
@pytest.mark.parametrize("strategy", ["first", "average", "max"])
def test_words_are_the_tokenizers(kind, labels, text, said, expected, strategy, planted):
    found = planted(kind, labels, said)(text, aggregation_strategy=strategy)
    assert brief(found) == expected
    check(text, found)


def test_first_average_and_max_differ(planted):
    """A word of three tokens: the first, the mean, and the surest say different things."""
    pipe = planted("wordpiece", BIO, ["O", ("B-LOC", 0.6), ("B-PER", 0.5), ("B-PER", 0.7), "O"])
    found = {name: pipe("the filmsing film", aggregation_strategy=name) for name in STRATEGIES[1:]}
    assert brief(found["simple"]) == [("LOC", "film"), ("PER", "s"), ("PER", "ing")]
    assert [(brief(found[name]), round(found[name][0]["score"], 4)) for name in STRATEGIES[2:]] == [
        ([("LOC", "filmsing")], 0.6),
        ([("PER", "filmsing")], round((0.1 + 0.5 + 0.7) / 3, 4)),
        ([("PER", "filmsing")], 0.7),
    ]


def test_a_tokenizer_that_takes_a_text_for_one_word(pipes):
    """As Llama's: nothing splits before the model. Then words end at spaces, as they do in the reference."""
    pieces = [("<unk>", 0.0), *((p, -2.0) for p in ("▁new", "▁york", "s", "▁in", "▁", "k", "an"))]
    rust = Tokenizer(models.Unigram(pieces, unk_id=0))
    rust.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=rust, unk_token="<unk>")
    assert set(tokenizer("in new yorks").word_ids()) == {0}
    pipe = TokenClassificationPipeline(pipes["wordpiece"].model, tokenizer)
    (row,) = pipe.preprocess(["new yorks in kan  yorks"], pipe.options)[0]
    assert tokenizer.tokenize("new yorks in kan  yorks") == [
        "▁new",
        "▁york",
        "s",
        "▁in",
        "▁",
        "k",
        "an",
        "▁",
        "▁york",
        "s",
    ]
    assert row["tokens"].word_numbers() == [0, 1, 1, 2, 3, 3, 3, 4, 5, 5]


def test_a_character_of_several_tokens_is_in_one_entity(planted):
    """There "😀" comes twice, with the same characters."""
    said = ["B-LOC", "B-PER", "O", "I-PER", "O", "O", "O", "O"]
    found = planted("bytes", BIO, said)("😀in日", aggregation_strategy="simple")
    assert brief(found) == [("LOC", "😀")]
    assert len(planted("bytes", BIO, said)("😀in日")) == 3


def test_words_given_one_by_one(planted):
    said = ["B-LOC", "I-LOC", "O", "B-PER", "O", "O"]
    pipe = planted("wordpiece", BIO, said)
    words = ["film", "films", "it's"]
    found = pipe(words, is_split_into_words=True, delimiter="//", aggregation_strategy="first")
    assert [brief(result) for result in found] == [[("LOC", "film//films"), ("PER", "it's")]]
    assert found[0].text == "film//films//it's"
    assert [e["start"] for e in pipe(words, is_split_into_words=True)[0]] == [0, 5, 11]
    both = pipe([words, ["a b", "c"]], is_split_into_words=True, aggregation_strategy="max")
    assert both[0] == pipe([words], is_split_into_words=True, aggregation_strategy="max")[0]
    assert brief(both[1])[0] == ("LOC", "a b")
    assert list(pipe((w for w in [words]), is_split_into_words=True)) == pipe([words], is_split_into_words=True)
    assert pipe([], is_split_into_words=True) == [] and pipe([[], [""]], is_split_into_words=True) == [[], []]


# ----------------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("kind", ["wordpiece", "bytes", "unigram"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_windows_share_out_the_tokens(kind, side, pipes, monkeypatch):
    pipe, draw = pipes[kind], random.Random(0)
    monkeypatch.setattr(pipe.tokenizer, "truncation_side", side)
    width = pipe.limit - 2
    for length in [0, 1, width - 1, width, width + 1, 2 * width, *(draw.randrange(400) for _ in range(20))]:
        text = " ".join(draw.choice(["film", "in", "the", "new"]) for _ in range(length))
        whole = pipe.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        for stride in (None, 0, 1, 7, width // 2, width - 1):
            (rows,) = pipe.preprocess([text], pipe.choose(stride=stride))
            assert all(len(row["input_ids"]) <= pipe.limit for row in rows)
            assert [i for row in rows for i in row["tokens"].ids] == whole["input_ids"]
            assert [i for row in rows for i in row["tokens"].words] == whole.word_ids()
            at = 1
            for row in rows:
                assert row["tokens"].first == at
                assert row["tokens"].ids == row["input_ids"][row["own"]]
                at += len(row["tokens"].ids)
            assert most_context(rows, len(whole["input_ids"]), side)


def most_context(rows, total, side):
    """Whether no other window has more tokens on the poorer side of a token; text that ends is no lack."""
    spans = []
    for row in rows:
        begin = row["tokens"].first - row["own"].start
        spans.append((begin, begin + len(row["input_ids"]) - 2))
    for row, (begin, end) in zip(rows, spans, strict=True):
        for token in range(row["tokens"].first - 1, row["tokens"].first - 1 + len(row["tokens"].ids)):
            here = context(token, begin, end, total)
            if any(b <= token < e and context(token, b, e, total) > here + 1 for b, e in spans):
                return False
    return True


def context(token, begin, end, total):
    return min(token - begin if begin else total, end - 1 - token if end < total else total)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entity_at_the_end_of_a_long_text(kind, pipes, monkeypatch):
    """Ten times what the model reads; there it is cut off without a word (hf#15177)."""
    pipe = pipes[kind]
    monkeypatch.setattr(pipe.tokenizer, "model_max_length", 10**30)  # the table of positions is a limit too
    text = "the film was good in the new film. " * 60 + "he was in york"
    assert len(pipe.tokenizer.tokenize(text)) > 10 * pipe.limit

    def compute(inputs, rows, options):
        logits = torch.zeros(*inputs["input_ids"].shape, len(BIO))
        logits[..., 0] = 9
        for row, scores in zip(rows, logits, strict=True):
            if row["tokens"].spans[-1][1] == len(text):
                scores[row["own"].stop - 1, 3] = 20
        return {"logits": logits}

    monkeypatch.setattr(pipe, "compute", compute)
    for strategy in ("simple", "max" if kind.startswith("bytes") else "first"):
        (found,) = pipe([text], aggregation_strategy=strategy)[0]
        assert found["entity_group"] == "LOC" and found["end"] == len(text) and "york".endswith(found["word"])
    (token,) = pipe(text)
    assert token["index"] == len(pipe.tokenizer(text, verbose=False)["input_ids"]) - 2


def test_windows_agree_with_one_row_where_context_does_not_count(pipes, monkeypatch):
    pipe = pipes["wordpiece"]
    monkeypatch.setattr(pipe.model, "forward", alone(len(BIO)))
    text = "Films goodly, it's in new york. " * 40
    for strategy in STRATEGIES:
        long = pipe(text, aggregation_strategy=strategy)
        with monkeypatch.context() as patch:
            patch.setattr(type(pipe), "limit", 10_000)
            whole = pipe(text, aggregation_strategy=strategy)
        assert len(long) > 100 and json.dumps(long) == json.dumps(whole)


def alone(count):
    """A model that labels each token by itself."""

    def forward(input_ids, **others):
        table = torch.randn(99, count, generator=torch.Generator().manual_seed(0))
        return {"logits": table[input_ids]}

    return forward


# ------------------------------------------------------------------------------------------------- any text at all


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strange_texts(kind, strategy, pipes):
    pipe = pipes[kind]
    for text, found in zip(STRANGE, pipe(STRANGE, aggregation_strategy=strategy), strict=True):
        assert [e | {"score": 0} for e in found] == [
            e | {"score": 0} for e in pipe(text, aggregation_strategy=strategy)
        ]
        if strategy != "none":
            check(text, found)
    assert pipe("") == pipe("", aggregation_strategy=strategy) == []


ALPHABETS = [
    ["the", "film", "was", "in", "new", "york"], list("abknops"), ["films", "goodly", "jean-paris", "it's", "U.S."],
    ["日本", "京", "é", "e\u0301", "😀", "שלום", "ﬁ"], [" ", "  ", "\n", "\t", "\r\n", "\u00a0"], list(".,!?-'\u200b"),
]  # fmt: skip
SCHEMES = [BIO, ["O", "I-A", "I-B"], ["O", "A", "B-C"], ["O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B", "E-B", "S-B"]]


def some_text(draw):
    parts = [draw.choice(draw.choice(ALPHABETS)) for _ in range(draw.randrange(1, 14))]
    return draw.choice(["", " "]).join(parts)


@pytest.mark.parametrize("kind", ["wordpiece", "bytes-with-spaces", "unigram-with-spaces"])
def test_ten_thousand_texts_with_random_labels(kind, pipes, monkeypatch):
    pipe, draw = pipes[kind], random.Random(kind)
    for labels in SCHEMES:
        texts = [some_text(draw) for _ in range(840)]
        monkeypatch.setattr(pipe.model.config, "id2label", dict(enumerate(labels)))
        table = torch.randn(9973, len(labels), generator=torch.Generator().manual_seed(0)) * 3

        def compute(inputs, rows, options, table=table):
            first = torch.tensor([row["tokens"].first - row["own"].start for row in rows])
            places = first[:, None] + torch.arange(inputs["input_ids"].shape[1])
            return {"logits": table[(inputs["input_ids"] * 89 + places * 131) % len(table)]}

        monkeypatch.setattr(pipe, "compute", compute)
        for text, found, tokens in zip(
            texts, pipe(texts, aggregation_strategy="simple"), pipe(texts, ignore_labels=[]), strict=True
        ):
            check(text, found)
            covers(text, found, tokens)
        for i, strategy in enumerate(STRATEGIES[2:]):
            for text, found in zip(texts[i::3], pipe(texts[i::3], aggregation_strategy=strategy), strict=True):
                check(text, found)


def covers(text, found, tokens):
    """Entities have all characters of tokens with labels, and none that belongs to O alone."""
    inside = {i for entity in found for i in range(entity["start"], entity["end"]) if not text[i].isspace()}
    labelled = {i for e in tokens for i in range(e["start"], e["end"]) if e["entity"] != "O" and not text[i].isspace()}
    others = {i for e in tokens for i in range(e["start"], e["end"]) if e["entity"] == "O"} - labelled
    assert labelled <= inside and not inside & others, (text, found)


# ------------------------------------------------------------------------------------------------ inputs and results


def test_results(pipes):
    pipe = pipes["wordpiece"]
    assert NerPipeline is TokenClassificationPipeline is type(pipe)
    assert pipe.task == "token-classification"
    found = pipe("the films was in new york", ignore_labels=[])
    assert isinstance(found, Entities) and isinstance(found, list) and found.text == "the films was in new york"
    assert pickle.loads(pickle.dumps(found)) == found and json.loads(json.dumps(found)) == found
    assert f"{found[0]['score']:.4f}" == str(round(found[0]["score"], 4)).ljust(6, "0")
    assert [list(e) for e in found] == [["entity", "score", "index", "word", "start", "end"]] * 7
    assert [e["word"] for e in found] == ["the", "film", "##s", "was", "in", "new", "york"]
    assert [e["index"] for e in found] == [1, 2, 3, 4, 5, 6, 7]
    listed = pipe(["the film", "", "york"])
    assert [type(result) for result in listed] == [Entities] * 3 and pipe([]) == []
    assert "<mark" in pipe("york " * 9, aggregation_strategy="simple", ignore_labels=[])._repr_html_()
    lazily = pipe(text for text in ["the film", "york"])
    assert list(map(plain, lazily)) == [plain(listed[0]), plain(listed[2])]


def test_spellings(pipes):
    pipe, text = pipes["wordpiece"], "the films was in new york"
    for strategy in STRATEGIES:
        expected = pipe(text, aggregation_strategy=strategy)
        assert pipe(text, aggregation_strategy=strategy.upper()) == expected
        assert pipe(text, aggregation_strategy=AggregationStrategy(strategy)) == expected
        assert NerPipeline(pipe.model, pipe.tokenizer, aggregation_strategy=strategy)(text) == expected
        assert NerPipeline(pipe.model, pipe.tokenizer, aggregation_strategy=strategy)(text, stride=None) == expected
    older = NerPipeline(pipe.model, pipe.tokenizer, grouped_entities=True)
    assert older(text) == pipe(text, aggregation_strategy="simple")
    assert older(text, ignore_subwords=True, grouped_entities=True) == pipe(text, aggregation_strategy="first")
    assert (
        older(text, aggregation_strategy=None) == older(text) != older(text, aggregation_strategy="none") == pipe(text)
    )


def test_labels_that_the_config_does_not_name(pipes, monkeypatch):
    pipe = pipes["wordpiece"]
    monkeypatch.setattr(pipe.model.config, "id2label", {i: f"LABEL_{i}" for i in range(5)})
    assert {e["entity_group"] for e in pipe("the film in york", aggregation_strategy="simple")} <= {
        f"LABEL_{i}" for i in range(5)
    }


def test_offsets_of_the_call(pipes):
    pipe = pipes["wordpiece"]
    places = [(0, 0), (0, 3), (4, 9), (0, 0)]
    found = (
        pipe("the film in", offset_mapping=places, ignore_labels=[])
        if False
        else pipe("the film", offset_mapping=places, ignore_labels=[])
    )
    assert [(e["start"], e["end"]) for e in found] == [(0, 3), (4, 9)]
    both = pipe(["the film"] * 2, offset_mapping=[places, places], ignore_labels=[])
    assert list(map(plain, both)) == [plain(found)] * 2
    for wrong in ([places], [places] * 3):
        with pytest.raises(ValueError, match="as many texts"):
            pipe(["the film"] * 2, offset_mapping=wrong)
    with pytest.raises(ValueError, match="has 4 places; 'the films' has 5 tokens"):
        pipe("the films", offset_mapping=places)


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["ok", None], {"text": "a"}, [["a", "b"]], object(), [{"a": 1}]])
def test_wrong_inputs(wrong, pipes):
    with pytest.raises(TypeError, match="token-classification takes a string") as error:
        pipes["wordpiece"](wrong)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("wrong", ["a b", ["a", 3], [["a"], "b"], [["a", None]], [["a", ["b"]]], [1, 2]])
def test_wrong_words(wrong, pipes):
    with pytest.raises(TypeError, match="list of words|each word is a string") as error:
        pipes["wordpiece"](wrong, is_split_into_words=True)
    assert len(str(error.value)) < 400


def test_wrong_options(pipes):
    pipe = pipes["wordpiece"]
    with pytest.raises(ValueError, match="'frist' is unknown; the nearest are 'first'"):
        pipe("a", aggregation_strategy="frist")
    with pytest.raises(TypeError, match="delimiter=3 must be a string"):
        pipe(["a", "b"], is_split_into_words=True, delimiter=3)
    with pytest.raises(TypeError, match=r"ignore_labels=\['O'\]"):
        pipe("a", ignore_labels="O")
    with pytest.raises(ValueError, match="less than the 38 tokens"):
        pipe("a", stride=38)
    for stride in (-1, 1.5, "3"):
        with pytest.raises(ValueError, match="number of tokens"):
            pipe("a", stride=stride)
    with pytest.raises(TypeError, match="aggregation_strategy"):
        pipe("a", aggregation="simple")
