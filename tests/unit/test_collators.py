"""What collators say of rows they cannot put together, and where they draw from."""

from types import SimpleNamespace

import numpy
import pytest
import torch

import qkv
from families import tiny_config
from qkv import AutoTokenizer, default_data_collator
from qkv.models.t5 import T5ForConditionalGeneration
from qkv.training.data.masking import words_of
from tiny_text import make_text

ROWS = [{"input_ids": [2, 5, 6, 3]}, {"input_ids": [2, 5, 3]}]
TOKENIZED = ("WithPadding", "ForTokenClassification", "ForSeq2Seq", "ForMultipleChoice", "ForLanguageModeling")


@pytest.fixture(scope="module")
def tokenizer(tiny_source):
    return AutoTokenizer.from_pretrained(tiny_source)


def collator(name, tokenizer, **options):
    return getattr(qkv, f"DataCollator{name}")(tokenizer, **options)


def with_column(name, *values):
    return [{**row, name: value} for row, value in zip(ROWS, values, strict=True)]


def fails(collate, rows, *words):
    with pytest.raises(ValueError) as error:
        collate(rows)
    assert len(str(error.value)) < 400
    for word in words:
        assert word in str(error.value), str(error.value)


def test_rows_of_unequal_length(tokenizer):
    use = "DataCollatorWithPadding(tokenizer)"
    for made in (list, torch.tensor, numpy.array):
        rows = [{"input_ids": made(row["input_ids"])} for row in ROWS]
        fails(default_data_collator, rows, "'input_ids'", "default_data_collator", "3 to 4", use)
    same = [{"input_ids": [1, 2], "labels": [1, 2]}, {"input_ids": [1, 2], "labels": [1]}]
    fails(default_data_collator, same, "'labels'", "ForTokenClassification(tokenizer)", "ForSeq2Seq(tokenizer")
    padding = collator("WithPadding", tokenizer)
    fails(padding, with_column("labels", [1, 2, 3, 4], [1, 2, 3]), "'labels'", "DataCollatorWithPadding does not pad")
    fails(padding, with_column("spans", [1, 2, 3, 4], [1, 2, 3]), "'spans'", "DataCollatorWithPadding does not pad")
    unpadded = collator("WithPadding", tokenizer, padding=False)
    fails(unpadded, ROWS, "'input_ids'", "DataCollatorWithPadding(padding=False)", use)
    summaries = collator("ForSeq2Seq", tokenizer, padding=False)
    same = [{"input_ids": [1, 2], "labels": [1, 2]}, {"input_ids": [1, 2], "labels": [1]}]
    fails(summaries, same, "'labels'", "DataCollatorForSeq2Seq(padding=False)")


def test_columns_that_are_no_numbers(tokenizer):
    for name in TOKENIZED:
        rows = with_column("text", "a", "b")
        if name == "ForMultipleChoice":
            rows = [{column: [value] * 2 for column, value in row.items()} for row in rows]
        words = ("'text'", f"DataCollator{name}", "remove_unused_columns=True", "remove_columns('text')")
        fails(collator(name, tokenizer), rows, *words)
    fails(default_data_collator, [{"x": 1}, {"x": None}], "'x'", "None")


def test_labels_that_are_words(tokenizer):
    rows = with_column("label", "good", "bad")
    for collate in (default_data_collator, collator("WithPadding", tokenizer)):
        fails(collate, rows, "'label", "'good'", "label2id[row['label']]")


@pytest.mark.parametrize("name", TOKENIZED)
def test_a_row_without_a_column_of_the_others(name, tokenizer):
    rows = [{"input_ids": [2, 5, 3], "labels": [0, 1, 0]}, {"input_ids": [2, 5, 3]}]
    fails(collator(name, tokenizer), rows, "'labels'", "row 1 of 2", "'input_ids'")
    fails(collator(name, tokenizer), rows[::-1], "'labels'", "row 0 of 2", "'input_ids'")
    fails(collator(name, tokenizer), [rows[0], {"labels": [0, 1, 0]}], "'input_ids'", "row 1 of 2")
    fails(collator(name, tokenizer), [], f"DataCollator{name} got no row")


def test_labels_of_words_for_tokens(tokenizer):
    collate = collator("ForTokenClassification", tokenizer)
    fails(collate, with_column("labels", [1] * 4, [1] * 4), "row 1", "4 labels for 3 tokens", "word_ids()")
    fails(collate, with_column("label", 1, 0), "row 0", "the label 1 for 4 tokens")


def test_unequal_choices(tokenizer):
    rows = [{"input_ids": [[2, 3], [2, 5, 3]]}, {"input_ids": [[2, 3]]}]
    fails(collator("ForMultipleChoice", tokenizer), rows, "'input_ids'", "1 texts", "2 a row")
    batch = collator("ForMultipleChoice", tokenizer)(rows[:1])  # no labels, as for prediction
    assert list(batch) == ["input_ids", "attention_mask"]
    assert batch["input_ids"].shape == (1, 2, 3)


def test_flattening_takes_a_label_of_each_token():
    rows = [{"input_ids": [1, 2, 3], "labels": 1}]
    fails(qkv.DataCollatorWithFlattening(), rows, "row 0", "labels 1 for 3 tokens", "label of each token")
    rows[0]["labels"] = torch.tensor([4, 5, 6])
    collate = qkv.DataCollatorWithFlattening()
    assert collate(rows + rows, separator_id=-1)["labels"].tolist() == [[-1, 5, 6, -1, 5, 6]]


@pytest.mark.parametrize("name", TOKENIZED)
def test_no_pad_token(name, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(make_text(tmp_path / "gpt2"))
    tokenizer.pad_token = None
    options = {"mlm": False} if name == "ForLanguageModeling" else {}
    rows = [{"input_ids": [row["input_ids"]]} for row in ROWS] if name == "ForMultipleChoice" else ROWS
    fails(collator(name, tokenizer, **options), rows, "pad token", "tokenizer.pad_token = tokenizer.eos_token")


def test_no_pad_token_is_needed_for_rows_of_one_length(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(make_text(tmp_path / "gpt2"))
    tokenizer.pad_token = None
    batch = collator("ForLanguageModeling", tokenizer, mlm=False)([[5, 6, 7], [8, 9, 10]])
    assert batch["labels"].tolist() == batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 10]]


@pytest.mark.parametrize("name", ["ForLanguageModeling", "ForWholeWordMask"])
def test_no_mask_token(name, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(make_text(tmp_path / "gpt2"))
    with pytest.raises(ValueError, match=f"DataCollator{name} masks tokens.*no mask token.*mlm=False"):
        collator(name, tokenizer)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"mlm_probability": 1.5}, "mlm_probability=1.5"),
        ({"mlm_probability": None}, "mlm_probability=None"),
        ({"mask_replace_prob": -0.1}, "mask_replace_prob=-0.1"),
        ({"random_replace_prob": 2}, "random_replace_prob=2"),
        ({"mask_replace_prob": 0.8, "random_replace_prob": 0.3}, "more than 1 together"),
        ({"mlm": False, "whole_word_mask": True}, "mlm=True"),
    ],
)
def test_bad_probabilities(options, word, tokenizer):
    with pytest.raises(ValueError, match=word):
        collator("ForLanguageModeling", tokenizer, **options)


def test_kinds_of_tensors(tokenizer):
    collate = collator("WithPadding", tokenizer, return_tensors="np")
    batch = collate(ROWS)
    assert isinstance(batch["input_ids"], numpy.ndarray)
    assert batch["input_ids"].tolist() == [[2, 5, 6, 3], [2, 5, 3, 0]]
    assert isinstance(collate(ROWS, return_tensors="pt")["input_ids"], torch.Tensor)
    with pytest.raises(ValueError, match="'tf'.*'pt'.*'np'"):
        default_data_collator(ROWS, return_tensors="tf")
    summaries = collator("ForSeq2Seq", tokenizer, return_tensors="np")(with_column("labels", [1], [1, 2]))
    assert summaries["labels"].tolist() == [[1, -100], [1, 2]]


def test_objects_and_encodings_are_rows(tokenizer):
    rows = [SimpleNamespace(input_ids=[1, 2], label=index) for index in range(2)]
    assert default_data_collator(rows)["labels"].tolist() == [0, 1]
    fails(default_data_collator, [[1, 2]], "mapping", "[1, 2]")
    encoded = [tokenizer(text) for text in ("good", "not bad at all")]
    assert collator("WithPadding", tokenizer)(encoded)["attention_mask"].sum(dim=1).tolist() == [3, 6]


def test_rows_are_not_changed(tokenizer):
    for name in (*TOKENIZED[:3], "ForLanguageModeling", "ForWholeWordMask"):
        rows = [{"input_ids": torch.tensor(row["input_ids"]), "labels": [1, 2, 3]} for row in ROWS]
        options = {"mlm_probability": 1.0, "mask_replace_prob": 1.0, "random_replace_prob": 0.0}
        collator(name, tokenizer, **(options if "L" in name or "Mask" in name else {}))(rows)
        assert [row["input_ids"].tolist() for row in rows] == [row["input_ids"] for row in ROWS]
        assert rows[0]["labels"] == [1, 2, 3]


def test_decoder_inputs_of_labels(tokenizer):
    model = T5ForConditionalGeneration(tiny_config("t5"))
    rows = with_column("labels", [11, 12], [13, 14, 15])
    batch = collator("ForSeq2Seq", tokenizer, model=model)(rows)
    start = model.config.decoder_start_token_id
    assert batch["decoder_input_ids"].tolist() == [[start, 11, 12], [start, 13, 14]]
    alone = collator("ForSeq2Seq", tokenizer)(rows)
    assert "decoder_input_ids" not in alone
    model.eval()
    assert torch.equal(model(**batch).loss, model(**alone).loss)
    assert batch["labels"].tolist() == [[11, 12, -100], [13, 14, 15]]


class TestMasks:
    def test_shares(self, tokenizer):
        """Of 40,000 tokens, those masked, hidden, replaced and kept are as many as was asked, within 4 deviations."""
        collate = collator(
            "ForLanguageModeling",
            tokenizer,
            seed=0,
            mlm_probability=0.3,
            mask_replace_prob=0.6,
            random_replace_prob=0.3,
        )
        ids = torch.full((200, 200), 40)
        batch = collate(list(ids))
        masked = batch["labels"] != -100
        assert (batch["labels"][masked] == 40).all()
        assert (batch["input_ids"][~masked] == 40).all()
        hidden = (batch["input_ids"] == tokenizer.mask_token_id) & masked
        kept = (batch["input_ids"] == 40) & masked
        other = masked & ~hidden & ~kept
        for found, share, of in ((masked, 0.3, 40000), (hidden, 0.6, 12000), (other, 0.3, 12000), (kept, 0.1, 12000)):
            assert abs(int(found.sum()) - share * of) < 4 * (share * of) ** 0.5

    def test_special_tokens_are_never_masked(self, tokenizer):
        rows = [{"input_ids": [2, 5, 6, 1, 3]}, {"input_ids": [2, 3]}]
        for name in ("ForLanguageModeling", "ForWholeWordMask"):
            labels = collator(name, tokenizer, mlm_probability=1.0)(rows)["labels"]
            assert labels.tolist() == [[-100, 5, 6, -100, -100], [-100] * 5]

    def test_whole_words_of_unpadded_rows(self, tokenizer):
        """A word is masked with all of its tokens, or not at all."""
        texts = ["loveing films", "producted it greatly and verys", "no"]
        rows = [tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True) for text in texts]
        words = [[word for word in row.word_ids() if word is not None] for row in rows]
        collate = collator("ForLanguageModeling", tokenizer, whole_word_mask=True, mlm_probability=0.5, seed=0)
        whole = set()
        for _ in range(20):
            labels = collate(rows)["labels"]
            for index, own in enumerate(words):
                masked = (labels[index, 1 : 1 + len(own)] != -100).tolist()
                assert (labels[index, 1 + len(own) :] == -100).all()
                by_word = {word: {mask for w, mask in zip(own, masked, strict=True) if w == word} for word in own}
                assert all(len(seen) == 1 for seen in by_word.values())
                whole |= {(index, word) for word, seen in by_word.items() if True in seen and own.count(word) > 1}
        assert whole

    def test_words_need_offsets(self, tokenizer):
        collate = collator("ForLanguageModeling", tokenizer, whole_word_mask=True)
        fails(collate, ROWS, "offset_mapping", "return_offsets_mapping=True")

    def test_words_of(self):
        offsets = torch.tensor([[[0, 0], [0, 4], [4, 6], [7, 9], [0, 0], [9, 12]]])
        words, first = words_of(offsets, torch.tensor([[True, False, False, False, True, False]]))
        assert words.tolist() == [[-1, 1, 1, 2, -1, 3]]
        assert first.tolist() == [[False, True, False, True, False, True]]

    def test_warnings_name_what_ends_them(self, tokenizer, tmp_path):
        with pytest.warns(UserWarning, match="mask_replace_prob=1, random_replace_prob=0"):
            collator("ForLanguageModeling", tokenizer, whole_word_mask=True, mask_replace_prob=0.5)
        collator("ForLanguageModeling", tokenizer, whole_word_mask=True)
        byte_level = AutoTokenizer.from_pretrained(make_text(tmp_path / "gpt2"))
        byte_level.mask_token = "<s>"
        with pytest.warns(UserWarning, match=r"DataCollatorForLanguageModeling\(tokenizer, whole_word_mask=True\)"):
            collator("ForWholeWordMask", byte_level)

    def test_seeds(self, tokenizer):
        """A seed alone decides; without one, torch's generator does. 0 is a seed."""
        rows = list(torch.full((8, 40), 40))
        for seed in (0, 3):
            first, second = (collator("ForLanguageModeling", tokenizer, seed=seed) for _ in range(2))
            torch.manual_seed(1)
            before = torch.get_rng_state()
            drawn = [first(rows)["labels"] for _ in range(2)]
            assert torch.equal(torch.get_rng_state(), before)
            assert not torch.equal(*drawn)
            assert torch.equal(second(rows)["labels"], drawn[0])
        free = collator("ForLanguageModeling", tokenizer)
        torch.manual_seed(1)
        drawn = free(rows)["labels"]
        torch.manual_seed(1)
        assert torch.equal(free(rows)["labels"], drawn)
        assert not torch.equal(free(rows)["labels"], drawn)

    def test_workers_draw_different_masks(self, tokenizer):
        rows = [{"input_ids": [40] * 60}] * 4
        loaded = []
        for workers in (0, 2):
            collate = collator("ForLanguageModeling", tokenizer, seed=5)
            loader = torch.utils.data.DataLoader(rows, batch_size=2, num_workers=workers, collate_fn=collate)
            loaded.append([batch["labels"] for batch in loader])
        assert torch.equal(loaded[0][0], loaded[1][0])  # worker 0 has the seed itself
        assert not torch.equal(loaded[1][0], loaded[1][1])
        assert torch.equal(loaded[1][1], collator("ForLanguageModeling", tokenizer, seed=6)(rows[:2])["labels"])
