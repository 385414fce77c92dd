"""The reader of SentencePiece files: fields and pieces as the sentencepiece library has them; broken ones fail."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkv.preprocessing.tokenizers import LlamaTokenizer, T5Tokenizer, build
from qkv.preprocessing.tokenizers import sentencepiece as spm

VOCAB = Path(__file__).parents[1] / "parity" / "tokenizers" / "vocab"
NAMES = ["unigram", "t5", "albert", "deberta", "llama"]
sentencepiece = pytest.importorskip("sentencepiece", reason="the oracle of these tests, a development dependency")


@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


def oracle(name: str):
    return sentencepiece.SentencePieceProcessor(model_file=str(VOCAB / f"{name}.model"))


def test_pieces_scores_and_kinds_are_the_library_s(name):
    model, library = spm.read(VOCAB / f"{name}.model"), oracle(name)
    assert len(model.pieces) == library.get_piece_size() and model.unk_id == library.unk_id()
    for index, piece in enumerate(model.pieces):
        assert (piece.text, piece.score) == (library.id_to_piece(index), pytest.approx(library.get_score(index)))
        assert (piece.kind == spm.CONTROL) == library.is_control(index)
        assert (piece.kind == spm.UNKNOWN) == library.is_unknown(index)
        assert (piece.kind == spm.BYTE) == library.is_byte(index)


def test_what_the_trainer_and_the_normaliser_were_told_is_read():
    llama, unigram = spm.read(VOCAB / "llama.model"), spm.read(VOCAB / "unigram.model")
    assert (llama.algorithm, llama.byte_fallback, llama.charsmap) == (spm.BPE, True, b"")
    assert not llama.remove_extra_whitespaces and llama.add_dummy_prefix
    assert (unigram.algorithm, unigram.byte_fallback, unigram.unk_piece) == (spm.UNIGRAM, False, "<unk>")
    assert len(unigram.charsmap) > 100_000 and unigram.remove_extra_whitespaces


TEXTS = st.lists(
    st.sampled_from(
        [
            "the",
            "water",
            "Straße",
            "größer",
            "ﬁn",
            "Å",
            "café",
            "①",
            "２０",
            "東京",
            "воды",
            "πρωί",
            "\u200b",
            "x’s",
            "“q”",
            "9,",
            "a…",
        ]
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_a_unigram_model_cuts_as_the_library_does(words):
    text = " ".join(words).strip()
    library, tokenizer = UNIGRAM
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == library.encode(text)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_a_bpe_model_with_bytes_cuts_as_the_library_does(words):
    text = " ".join(words)
    library, tokenizer = BPE
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == library.encode(text)
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


UNIGRAM = oracle("t5"), T5Tokenizer(VOCAB / "t5.model")
BPE = oracle("llama"), LlamaTokenizer(VOCAB / "llama.model")


def test_merges_are_the_splits_of_pieces_best_score_first():
    pieces = [spm.Piece("a"), spm.Piece("b"), spm.Piece("ab", -1.0), spm.Piece("abb", -3.0), spm.Piece("bb", -2.0)]
    ids = {piece.text: index for index, piece in enumerate(pieces)}
    assert spm.merges(pieces, ids) == [("a", "b"), ("b", "b"), ("ab", "b"), ("a", "bb")]


def test_every_way_to_cut_a_file_short_is_an_error(tmp_path):
    content = (VOCAB / "albert.model").read_bytes()
    path = tmp_path / "spiece.model"
    refused = 0
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        try:
            assert spm.read(path).pieces  # cut between two pieces it is a smaller model
        except ValueError as error:
            assert "spiece.model" in str(error) and len(str(error)) < 400
            refused += 1
    assert refused > 100


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_model_or_a_value_error(content):
    try:
        spm.parse(content)
    except (ValueError, IndexError):  # `read` turns both into one message
        return


@pytest.mark.parametrize("content", [b"", b"\x00" * 50, b"\xff" * 100, b"\x0a\x05hello", b"text\n" * 50])
def test_what_is_no_model_is_named(content, tmp_path):
    (tmp_path / "spiece.model").write_bytes(content)
    with pytest.raises(ValueError, match=r"spiece\.model.*not a SentencePiece model"):
        T5Tokenizer(tmp_path / "spiece.model")


def test_models_of_words_are_refused(tmp_path):
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["one two three"] * 9), model_writer=made, model_type="word", vocab_size=6, minloglevel=2
    )
    (tmp_path / "spm.model").write_bytes(made.getvalue())
    with pytest.raises(ValueError, match="not supported"):
        spm.read(tmp_path / "spm.model")


def test_huge_files_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(spm, "MAX_BYTES", 10)
    with pytest.raises(ValueError, match="limit"):
        build.sentencepiece(VOCAB / "t5.model")
