"""The tokenizer surface: calls, padding, special tokens, saving, threads, forks, bad input. Ids are parity's part."""

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qkv.hub import open_repo
from qkv.preprocessing.tokenizers import (
    CLASSES,
    BatchEncoding,
    BertTokenizer,
    GPT2Tokenizer,
    LlamaTokenizer,
    PreTrainedTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    T5Tokenizer,
    XLMRobertaTokenizer,
    load_tokenizer,
    tokenizer_class,
)
from qkv.preprocessing.tokenizers.rustfile import has_nested_quantifier

VOCAB = Path(__file__).parents[1] / "parity" / "tokenizers" / "vocab"
TEXT = "the water, because people"


@pytest.fixture
def bert() -> BertTokenizer:
    return BertTokenizer(VOCAB / "vocab.txt", model_max_length=32)


@pytest.fixture
def gpt2() -> GPT2Tokenizer:
    return GPT2Tokenizer(VOCAB / "vocab.json", VOCAB / "merges.txt")


def message(error) -> str:
    text = str(error.value)
    assert len(text) < 400
    return text


# --- calls ---


def test_one_text_gives_a_row_and_a_batch_gives_rows(bert):
    one, many = bert(TEXT), bert([TEXT, "house"])
    assert one["input_ids"] == many["input_ids"][0] == bert.encode(TEXT)
    assert [len(row) for row in many["attention_mask"]] == [len(row) for row in many.input_ids]
    assert bert([])["input_ids"] == []


def test_a_pair_in_every_spelling(bert):
    pair = bert("water", "house")["input_ids"]
    assert bert(["water"], ["house"])["input_ids"] == [pair]
    assert bert([("water", "house")])["input_ids"] == [pair]
    assert bert([["water", "house"]])["input_ids"] == [pair]
    assert bert.batch_encode_plus([("water", "house")])["input_ids"] == [pair]
    assert bert.encode_plus("water", "house")["input_ids"] == pair


def test_words_given_one_by_one_keep_their_numbers(bert):
    encoding = bert([["unbelievable", "water"], ["house"]], is_split_into_words=True)
    words = [word for word in encoding.word_ids(0) if word is not None]
    assert words == sorted(words) and set(words) == {0, 1}
    assert bert(("unbelievable", "water"), is_split_into_words=True)["input_ids"] == encoding["input_ids"][0]


def test_arrays_of_texts_are_taken(bert):
    import numpy

    assert bert(numpy.array(["water", "house"]))["input_ids"] == bert(["water", "house"])["input_ids"]


def test_tensors_of_both_kinds(bert):
    tensors = bert(["water", TEXT], padding=True, return_tensors="pt")
    arrays = bert(["water", TEXT], padding=True, return_tensors="np")
    assert tensors["input_ids"].dtype == torch.int64 and tensors["input_ids"].shape[0] == 2
    assert tensors["input_ids"].tolist() == arrays["input_ids"].tolist()
    assert bert("water", return_tensors="pt")["input_ids"].shape == (1, len(bert("water")["input_ids"]))
    assert tensors.to("cpu") is tensors


def test_labels_come_from_text_target(bert):
    assert bert("water", text_target="house")["labels"] == bert("house")["input_ids"]
    assert bert(text_target=["house"])["input_ids"] == [bert("house")["input_ids"]]
    with bert.as_target_tokenizer() as target:
        assert target("house")["input_ids"] == bert("house")["input_ids"]


def test_without_a_known_limit_nothing_is_cut():
    tokenizer = BertTokenizer(VOCAB / "vocab.txt")
    long = "water " * 1000
    assert tokenizer(long, truncation=True)["input_ids"] == tokenizer(long)["input_ids"]
    assert tokenizer("water", padding="max_length").data == tokenizer("water").data
    assert len(tokenizer(long, max_length=9)["input_ids"]) == 9


def test_the_limit_of_a_model_without_limit_may_be_passed_on():
    tokenizer = BertTokenizer(VOCAB / "vocab.txt")
    options = {"max_length": tokenizer.model_max_length, "truncation": True, "padding": "max_length"}
    assert tokenizer("water", **options).data == tokenizer("water").data


def test_max_length_that_cannot_take_effect_is_said(bert):
    with pytest.warns(UserWarning, match="max_length has no effect"):
        bert(["water", "house"], padding=True, max_length=9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=4),
    st.integers(4, 24),
    st.sampled_from(["longest_first", False]),
    st.sampled_from([True, "max_length", False]),
    st.sampled_from(["right", "left"]),
)
def test_a_batch_is_its_rows_padded(pairs, length, truncation, padding, side):
    pairs = [
        (first.encode("utf-8", "replace").decode(), second.encode("utf-8", "replace").decode())
        for first, second in pairs
    ]
    tokenizer = BertTokenizer(VOCAB / "vocab.txt", padding_side=side)
    options = {"truncation": truncation, "max_length": length, "verbose": False}
    batch = tokenizer(pairs, padding=padding, **options)
    assert len({len(row) for row in batch["input_ids"]}) == 1 or padding is False or (padding == "max_length")
    for (first, second), ids, mask in zip(pairs, batch["input_ids"], batch["attention_mask"], strict=True):
        real = [index for index, on in zip(ids, mask, strict=True) if on]
        alone = (
            tokenizer(first, second, **options)["input_ids"]
            if second
            else tokenizer([(first, second)], **options)["input_ids"][0]
        )
        assert real == alone
        assert mask == sorted(mask, reverse=side == "right")
        assert not truncation or len(real) <= length


# --- one tokenizer, many threads; forks ---


def test_threads_with_different_settings_get_the_serial_results(bert):
    texts = [TEXT * 4, "house", "unbelievable water", ""]
    modes = [
        {"padding": True},
        {"truncation": True, "max_length": 7},
        {"padding": "max_length", "max_length": 24, "truncation": True},
        {},
        {
            "truncation": "only_first",
            "max_length": 16,
            "padding": True,
            "pad_to_multiple_of": 8,
            "padding_side": "left",
        },
        {"truncation": True, "max_length": 8, "stride": 2, "return_overflowing_tokens": True},
    ]
    serial = [bert(texts, **mode).data for mode in modes]
    wrong: list[object] = []

    def work(number: int) -> None:
        for i in range(250):
            place = (7 * i + number) % len(modes)
            try:
                if bert(texts, **modes[place]).data != serial[place]:
                    wrong.append(place)
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_call_leaves_the_rust_tokenizer_as_it_was(bert):
    before = bert.backend_tokenizer.to_str()
    bert([TEXT, "x"], padding=True, truncation=True, max_length=5, return_tensors="pt")
    assert bert.backend_tokenizer.to_str() == before
    assert bert.backend_tokenizer.truncation is None and bert.backend_tokenizer.padding is None


def test_settings_beyond_what_is_kept_still_work(bert):
    for length in range(3, 120):
        assert len(bert(TEXT * 9, truncation=True, max_length=length)["input_ids"]) <= length


FORK = """
import os, sys
from qkv.preprocessing.tokenizers import BertTokenizer
tokenizer = BertTokenizer(sys.argv[1])
texts = ["water house"] * 64
expected = tokenizer(texts, padding=True)["input_ids"]
child = os.fork()
if child == 0:
    os._exit(0 if tokenizer(texts, padding=True)["input_ids"] == expected else 1)
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_worker_neither_warns_nor_hangs():
    environment = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    command = [sys.executable, "-W", "error", "-c", FORK, str(VOCAB / "vocab.txt")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_spawned_worker_gets_a_pickled_tokenizer(bert):
    bert.add_tokens(["brandnew"])
    again = pickle.loads(pickle.dumps(bert))
    assert (
        again("water brandnew", max_length=3, truncation=True).data
        == bert("water brandnew", max_length=3, truncation=True).data
    )
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(bert.encode, (TEXT,)) == bert.encode(TEXT)


# --- what a call returns ---


def test_a_batch_encoding_knows_words_and_characters(bert):
    encoding = bert(["unbelievable water", "the house"], padding=True)
    token = encoding.char_to_token(0, 13)
    assert encoding.token_to_chars(0, token).start == 13
    word = encoding.char_to_word(0, 13)
    assert encoding.token_to_word(0, token) == word == 1
    assert "unbelievable water"[slice(*encoding.word_to_chars(0, word))] == "water"
    start, end = encoding.word_to_tokens(0, 0)
    assert start == 1 and end == token
    assert encoding.token_to_chars(0, 0) is None and encoding.char_to_token(0, 12) is None
    assert encoding.token_to_sequence(0, 1) == 0 and encoding.sequence_ids(0)[0] is None
    assert encoding.tokens(1)[:3] == ["[CLS]", "the", "house"] or encoding.tokens(1)[0] == "[CLS]"
    assert isinstance(encoding[0], tokenizers.Encoding) and len(encoding[0:2]) == 2
    assert encoding.words(1) == encoding.word_ids(1) and encoding.n_sequences == 1 and encoding.is_fast


def test_a_batch_encoding_is_a_mapping(bert):
    encoding = bert("water", "house")
    assert {**encoding}.keys() == encoding.keys() == encoding.data.keys()
    assert encoding.input_ids is encoding["input_ids"] and "input_ids" in encoding and len(encoding) == 3
    assert dict(encoding.items()) == encoding.data and encoding.n_sequences == 2
    again = pickle.loads(pickle.dumps(encoding))
    assert again.data == encoding.data and again.tokens() == encoding.tokens()
    with pytest.raises(AttributeError, match="input_ids"):
        _ = encoding.nothing
    with pytest.raises(KeyError):
        _ = encoding["nothing"]
    with pytest.raises(KeyError):
        _ = encoding[5]


def test_a_batch_encoding_without_rust_encodings_says_so():
    plain = BatchEncoding({"input_ids": [[1, 2], [3, 4]]}, tensor_type="pt")
    assert plain.input_ids.shape == (2, 2) and not plain.is_fast and plain[0:1]["input_ids"].shape == (1, 2)
    with pytest.raises(ValueError, match="tokenizer call"):
        plain.tokens()
    with pytest.raises(ValueError, match="padding=True"):
        BatchEncoding({"input_ids": [[1], [2, 3]]}, tensor_type="np")


def test_windows_say_which_text_they_came_from(bert):
    options = {"truncation": True, "max_length": 8, "stride": 2, "return_overflowing_tokens": True}
    encoding = bert(["water", TEXT * 5], return_offsets_mapping=True, **options)
    windows = encoding["overflow_to_sample_mapping"]
    assert windows[0] == 0 and set(windows[1:]) == {1} and len(windows) > 3
    covered = {place for row in encoding["offset_mapping"][1:] for start, end in row for place in range(start, end)}
    assert {place for place, char in enumerate(TEXT * 5) if char.isalpha()} <= covered


# --- decoding, padding, ids ---


def test_decode_takes_ids_arrays_and_batches(bert):
    ids = bert.encode("unbelievable water")
    text = bert.decode(ids, skip_special_tokens=True)
    assert text == "unbelievable water"
    assert bert.decode(torch.tensor(ids), skip_special_tokens=True) == text
    assert (
        bert.decode([ids, ids], skip_special_tokens=True)
        == bert.batch_decode([ids, ids], skip_special_tokens=True)
        == [text] * 2
    )
    assert bert.decode(ids[1]) == bert.convert_ids_to_tokens(ids[1])
    assert bert.convert_ids_to_tokens(ids, skip_special_tokens=True) == bert.tokenize("unbelievable water")
    assert bert.convert_tokens_to_ids(bert.tokenize(TEXT)) == bert.encode(TEXT, add_special_tokens=False)
    assert bert.clean_up_tokenization("it ' s ok , he 's") == "it's ok, he's"


@pytest.mark.parametrize(
    "ids, error",
    [([-100], ValueError), ([1.5], TypeError), ("abc", TypeError), (None, TypeError), ([2**40], ValueError)],
)
def test_what_is_no_id_is_not_decoded(bert, ids, error):
    with pytest.raises(error, match=r"id|decode") as caught:
        bert.decode(ids)
    message(caught)


def test_pad_fills_rows_and_leaves_other_keys(bert):
    rows = [{"input_ids": [5, 6, 7], "label": 1}, {"input_ids": [8], "label": 0}]
    padded = bert.pad(rows, return_tensors="pt")
    assert padded["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert padded["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]] and padded["label"].tolist() == [1, 0]
    left = bert.pad({"input_ids": [5], "token_type_ids": [1]}, padding="max_length", max_length=3, padding_side="left")
    assert left.data == {"input_ids": [0, 0, 5], "token_type_ids": [0, 0, 1], "attention_mask": [0, 0, 1]}
    assert bert.pad({"input_ids": [[1, 2, 3]]}, pad_to_multiple_of=4)["input_ids"] == [[1, 2, 3, 0]]
    assert bert.pad(bert(["water", TEXT])).data == bert(["water", TEXT], padding=True).data


@pytest.mark.parametrize(
    "given",
    [[], [1], {"ids": [1]}, [{"input_ids": [1], "x": 1}, {"input_ids": [1]}], 5, {"input_ids": [[1], [2]], "y": [1]}],
)
def test_pad_refuses_what_it_cannot_pad(bert, given):
    with pytest.raises(ValueError, match="pad|rows") as caught:
        bert.pad(given)
    message(caught)


def test_ids_are_framed_as_texts_are(bert):
    first, second = (bert.encode(text, add_special_tokens=False) for text in ("the water", "house"))
    expected = bert("the water", "house")
    assert bert.build_inputs_with_special_tokens(first, second) == expected["input_ids"]
    assert bert.create_token_type_ids_from_sequences(first, second) == expected["token_type_ids"]
    assert bert.prepare_for_model(first, second).data == expected.data
    mask = bert("the water", "house", return_special_tokens_mask=True)["special_tokens_mask"]
    assert bert.get_special_tokens_mask(first, second) == mask
    assert bert.get_special_tokens_mask(expected["input_ids"], already_has_special_tokens=True) == mask
    assert bert.num_special_tokens_to_add() == 2 and bert.max_len_sentences_pair == 32 - 3


def test_ids_are_cut_as_asked(bert):
    cut = bert.prepare_for_model(
        [5, 6, 7, 8], [9, 10], truncation="only_first", max_length=7, stride=1, return_overflowing_tokens=True
    )
    assert (cut["overflowing_tokens"], cut["num_truncated_tokens"]) == ([6, 7, 8], 2)
    assert bert.truncate_sequences([1, 2, 3], [4], 2) == ([1], [4], [])
    with pytest.raises(ValueError, match="longest_first"):
        bert.truncate_sequences([1, 2, 3], [4], 2, "only_second")


# --- special and added tokens ---


def test_a_model_may_name_tokens_of_its_own(tmp_path):
    tokenizer = BertTokenizer(VOCAB / "vocab.txt", extra_special_tokens={"image_token": "<image>"})
    assert tokenizer.tokenize("a<image>b")[1:-1] == ["<image>"]
    assert tokenizer.image_token_id == tokenizer.convert_tokens_to_ids("<image>") in tokenizer.all_special_ids
    tokenizer.save_pretrained(tmp_path)
    again = BertTokenizer.from_pretrained(tmp_path)
    assert (again.image_token, again.image_token_id) == ("<image>", tokenizer.image_token_id)


def test_files_of_the_newer_generation_are_taken_as_they_are(tmp_path):
    tokenizer = LlamaTokenizer(VOCAB / "llama.model", add_bos_token=False)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<one>"]})
    tokenizer.save_pretrained(tmp_path)
    config = {
        "backend": "tokenizers",
        "tokenizer_class": "LlamaTokenizer",
        "extra_special_tokens": ["<one>"],
        "bos_token": "<s>",
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    again = load_tokenizer(open_repo(tmp_path))
    assert again("water <one>").data == tokenizer("water <one>").data
    assert again.additional_special_tokens == ["<one>"] and again.bos_token not in again("water").tokens()


def test_special_tokens_are_attributes(gpt2):
    assert gpt2.pad_token is None and gpt2.pad_token_id is None
    gpt2.pad_token = gpt2.eos_token
    assert gpt2.pad_token_id == gpt2.eos_token_id == gpt2.convert_tokens_to_ids("<|endoftext|>")
    gpt2.pad_token_id = 3
    assert gpt2.pad_token == gpt2.convert_ids_to_tokens(3)
    assert gpt2.special_tokens_map["eos_token"] == "<|endoftext|>" and gpt2.eos_token_id in gpt2.all_special_ids
    with pytest.raises(ValueError, match="pad_token"):
        gpt2.pad_token = 5
    with pytest.raises(AttributeError, match="nothing"):
        _ = gpt2.nothing


def test_added_tokens_are_cut_out_of_texts(bert):
    size = len(bert)
    known = bert.convert_ids_to_tokens(100)
    assert bert.add_tokens(["brandnew", known, "brandnew"]) == 2 and len(bert) == size + 1
    assert bert.add_special_tokens({"bos_token": "<b>", "additional_special_tokens": ["<x>"]}) == 2
    assert bert.tokenize("water brandnew <x>", max_length=30, truncation=True) == bert.tokenize("water brandnew <x>")
    assert bert.tokenize("brandnew <x>") == ["brandnew", "<x>"]
    assert bert.additional_special_tokens == bert.extra_special_tokens == ["<x>"]
    assert bert.get_added_vocab()["<b>"] == bert.bos_token_id == bert.vocab["<b>"] and bert.vocab_size == size
    assert bert.decode(bert.encode("brandnew <x>"), skip_special_tokens=True) == "brandnew"
    assert bert.tokenize("<x>", split_special_tokens=True) != ["<x>"]
    with pytest.raises(ValueError, match="bos_token"):
        bert.add_special_tokens({"bos_tokn": "<b>"})
    with pytest.raises(TypeError, match="not a token"):
        bert.add_tokens([5])


def test_a_part_replaced_in_the_rust_tokenizer_counts_at_once(bert):
    plain = bert.tokenize("WATER", truncation=True)
    bert.backend_tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    bert.backend_tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        "$A [SEP]", "$A $B", [("[SEP]", bert.sep_token_id)]
    )
    assert bert.tokenize("WATER", truncation=True) == plain
    assert bert("water", truncation=True).tokens()[0] != "[CLS]"


# --- loading and saving ---


def test_the_constructor_in_the_spellings_of_the_field(tmp_path):
    by_file = BertTokenizer(vocab_file=str(VOCAB / "vocab.txt"))
    table = by_file.get_vocab()
    assert BertTokenizer(vocab=table).encode(TEXT) == by_file.encode(TEXT)
    assert BertTokenizer(vocab=VOCAB / "vocab.txt").encode(TEXT) == by_file.encode(TEXT)
    assert BertTokenizer.from_pretrained(VOCAB / "vocab.txt").encode(TEXT) == by_file.encode(TEXT)
    by_file.save_pretrained(tmp_path)
    assert PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json")).encode(TEXT) == by_file.encode(TEXT)
    rust = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    rust.enable_padding(length=9, pad_token="[PAD]")
    ours = PreTrainedTokenizerFast(tokenizer_object=rust)
    assert ours.encode(TEXT) == by_file.encode(TEXT) and ours.pad_token == "[PAD]" and rust.padding["length"] == 9
    with pytest.raises(ValueError, match="tokenizer_file"):
        PreTrainedTokenizerFast()
    with pytest.raises(ValueError, match="vocab_file"):
        BertTokenizer()


@pytest.mark.parametrize(
    "cls, files",
    [
        (BertTokenizer, ["vocab.txt"]),
        (RobertaTokenizer, ["vocab.json", "merges.txt"]),
        (T5Tokenizer, ["t5.model"]),
        (XLMRobertaTokenizer, ["unigram.model"]),
        (LlamaTokenizer, ["llama.model"]),
    ],
)
def test_saved_and_loaded_nothing_is_lost(cls, files, tmp_path):
    tokenizer = cls(*(VOCAB / name for name in files), model_max_length=77, custom_key={"kept": True})
    tokenizer.chat_template = "{{ messages }}"
    tokenizer.padding_side = "left"
    tokenizer.add_tokens(["brandnew"])
    names = {Path(name).name for name in tokenizer.save_pretrained(tmp_path / "new" / "folder")}
    assert {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"} <= names
    again = load_tokenizer(open_repo(tmp_path / "new" / "folder"))
    assert type(again) is cls and again.get_vocab() == tokenizer.get_vocab()
    assert (again.model_max_length, again.padding_side, again.chat_template) == (77, "left", "{{ messages }}")
    assert again.special_tokens_map == tokenizer.special_tokens_map
    assert again.init_kwargs["custom_key"] == {"kept": True}
    assert {key: repr(token) for key, token in again.added_tokens_decoder.items()} == {
        key: repr(token) for key, token in tokenizer.added_tokens_decoder.items()
    }
    assert again("water brandnew", TEXT).data == tokenizer("water brandnew", TEXT).data


def test_the_vocabulary_files_alone_load_again(bert, gpt2, tmp_path):
    for tokenizer, name in ((bert, "b"), (gpt2, "g")):
        (tmp_path / name).mkdir()
        tokenizer.save_vocabulary(tmp_path / name)
        assert type(tokenizer).from_pretrained(tmp_path / name).encode(TEXT) == tokenizer.encode(TEXT)
        assert load_tokenizer(open_repo(tmp_path / name)).encode(TEXT) == tokenizer.encode(TEXT)


def test_older_files_name_special_and_added_tokens(tmp_path):
    (tmp_path / "vocab.txt").write_bytes((VOCAB / "vocab.txt").read_bytes())
    roles = {"mask_token": {"content": "[MASK]", "lstrip": True}, "additional_special_tokens": ["<one>"]}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(roles))
    size = len(BertTokenizer(VOCAB / "vocab.txt"))
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<two>": size, "<one>": size + 1}))
    tokenizer = BertTokenizer.from_pretrained(tmp_path)
    assert tokenizer.tokenize("water <one><two>")[-2:] == ["<one>", "<two>"]
    assert tokenizer.additional_special_tokens == ["<one>"] and tokenizer.convert_tokens_to_ids("<two>") == size
    assert tokenizer.added_tokens_decoder[tokenizer.mask_token_id].lstrip


def test_arguments_override_the_configuration(bert, tmp_path):
    bert.save_pretrained(tmp_path)
    changed = BertTokenizer.from_pretrained(
        tmp_path,
        use_fast=False,
        do_lower_case=False,
        model_max_length=5,
        padding_side="left",
        pad_token="[SEP]",
        local_files_only=True,
    )
    assert changed.tokenize("WATER") != bert.tokenize("WATER")
    assert len(changed(TEXT * 3, truncation=True)["input_ids"]) == 5 and changed.pad_token_id == bert.sep_token_id


def test_state_in_a_tokenizer_json_is_not_a_setting_of_calls(bert, tmp_path):
    bert.save_pretrained(tmp_path)
    rust = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    rust.enable_truncation(4)
    rust.enable_padding(length=50, direction="left")
    rust.save(str(tmp_path / "tokenizer.json"))
    again = BertTokenizer.from_pretrained(tmp_path)
    assert again.encode(TEXT) == bert.encode(TEXT)
    assert '"truncation": null' in again.backend_tokenizer.to_str(pretty=True)


def test_chat_templates_by_name_survive(bert, tmp_path):
    bert.chat_template = {"default": "{{ 1 }}", "tool_use": "{{ 2 }}"}
    bert.save_pretrained(tmp_path / "inner")
    assert BertTokenizer.from_pretrained(tmp_path / "inner").chat_template == bert.chat_template
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


def test_paths_and_code_in_a_configuration_are_not_followed(bert, tmp_path):
    bert.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config |= {
        "vocab_file": "/etc/passwd",
        "tokenizer_file": "/etc/passwd",
        "auto_map": {"AutoTokenizer": "x.Y"},
        "name_or_path": "z",
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    again = load_tokenizer(open_repo(tmp_path))
    assert again.vocab_file is None and again.encode(TEXT) == bert.encode(TEXT) and "auto_map" not in again.init_kwargs


def test_classes_by_name_and_by_model_type():
    assert tokenizer_class("BertTokenizerFast", None) is BertTokenizer
    assert tokenizer_class("PreTrainedTokenizerFast", "bert") is PreTrainedTokenizer
    assert tokenizer_class(None, "xlm-roberta") is XLMRobertaTokenizer
    assert tokenizer_class("NoSuchTokenizer", "nothing") is PreTrainedTokenizer
    assert tokenizer_class("Qwen2Tokenizer", None).model_input_names == ["input_ids", "attention_mask"]
    assert all(f"{name}Fast" in CLASSES for name in CLASSES if name.endswith("Tokenizer"))


# --- bad input ---


@pytest.mark.parametrize(
    "given, words",
    [
        (5, "int"),
        ({"a": 1}, "dict"),
        ([1, 2], "text\\[0\\]"),
        (["a", None], "text\\[1\\]"),
        (b"abc", "bytes"),
        ([["a", "b", "c"]], "is_split_into_words"),
        (["a", ("b",)], "text\\[1\\]"),
        (None, "text"),
    ],
)
def test_wrong_texts_are_named(bert, given, words):
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        bert(given)
    message(caught)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"padding": "up"}, "longest"),
        ({"truncation": "most"}, "longest_first"),
        ({"padding_side": "top"}, "left"),
        ({"max_length": -1}, "max_length"),
        ({"stride": -1}, "stride"),
        ({"pad_to_multiple_of": "x"}, "pad_to_multiple_of"),
        ({"padding": "max_length", "max_length": 10**15}, "at most"),
        ({"padding": True, "pad_to_multiple_of": 10**15}, "at most"),
        ({"max_length": 2.5}, "max_length"),
        ({"return_tensors": "tf"}, "'pt'"),
        ({"paddding": True}, "padding"),
        ({"truncation": True, "max_length": 6, "stride": 5}, "stride"),
        ({"truncation": True, "max_length": 6, "padding": True, "pad_to_multiple_of": 4}, "multiple"),
        ({"truncation": "only_second", "max_length": 3}, "longest_first"),
    ],
)
def test_wrong_options_are_named(bert, options, words):
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        bert(TEXT, **options)
    message(caught)


def test_other_wrong_calls_are_explained(bert, gpt2):
    with pytest.raises(ValueError, match="tokenizer.pad_token = tokenizer.eos_token"):
        gpt2(["a", "b c"], padding=True)
    with pytest.raises(ValueError, match="add_prefix_space=True"):
        gpt2(["a"], is_split_into_words=True)
    with pytest.raises(ValueError, match="equally many"):
        bert(["a"], ["b", "c"])
    with pytest.raises(TypeError, match="same length"):
        bert(["a"], "b")
    with pytest.raises(ValueError, match="surrogate"):
        bert("a\ud800b")
    with pytest.raises(TypeError, match="is_split_into_words"):
        bert([["a", 5]], is_split_into_words=True)
    with pytest.raises(ValueError, match="padding=True"):
        bert(["a", "b c"], return_tensors="pt")


BROKEN = {
    "empty": b"",
    "spaces": b"  \n",
    "no JSON": b"<html>not found</html>",
    "cut": b'{"version": "1.0", "model": {"type": "WordPiece", "vo',
    "binary": bytes(range(256)),
    "other JSON": b'{"a": 1}',
    "merge without token": b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}',
    "deep": b'{"model":' * 5000,
    "list": b"[1, 2]",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_tokenizer_json_is_named(content, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"tokenizer\.json") as caught:
        PreTrainedTokenizer.from_pretrained(tmp_path)
    message(caught)


def test_a_tokenizer_without_its_unknown_token_is_a_plain_error(tmp_path):
    model = {
        "type": "WordPiece",
        "vocab": {},
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 9,
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": model}))
    with pytest.raises(ValueError, match="UNK") as caught:
        PreTrainedTokenizer.from_pretrained(tmp_path)("water")
    message(caught)


def test_a_pattern_that_may_take_for_ever_is_refused(bert, tmp_path):
    bert.save_pretrained(tmp_path)
    state = json.loads((tmp_path / "tokenizer.json").read_text())
    state["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    (tmp_path / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(ValueError, match="exponential") as caught:
        BertTokenizer.from_pretrained(tmp_path)
    message(caught)


GOOD = [
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}]*[\p{Ll}\p{M}]+(?i:'s|'t)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"(\[[^\]]+]|Br?|Cl?|N|O|\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>|\*|\$|\%[0-9]{2}|[0-9])",
    r" {2,}",
    r"[(+]+x",
]


def test_patterns_with_choices_inside_repetitions_are_told_apart():
    assert not any(map(has_nested_quantifier, GOOD))
    assert all(
        map(
            has_nested_quantifier,
            ["(a+)+", "(?:a*)*b", "((a+)b?)+", "(x+x+)+y", r"([a-z]+)*$", "(a|aa)+", r"(\w+\s?){2,}"],
        )
    )


@pytest.mark.parametrize(
    "name, files",
    [
        ("BertTokenizer", {"vocab.txt": b""}),
        ("GPT2Tokenizer", {"vocab.json": b"{", "merges.txt": b"a b"}),
        ("GPT2Tokenizer", {"vocab.json": b'{"a": "x"}', "merges.txt": b"a b"}),
        ("GPT2Tokenizer", {"vocab.json": b'{"a": 0}', "merges.txt": b"a b c"}),
        ("GPT2Tokenizer", {"vocab.json": b'{"a": 0}', "merges.txt": b"a b"}),
        ("T5Tokenizer", {"spiece.model": b"garbage"}),
    ],
)
def test_broken_vocabulary_files_are_named(name, files, tmp_path):
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match="|".join(file.replace(".", r"\.") for file in files)) as caught:
        CLASSES[name].from_pretrained(tmp_path)
    message(caught)


def test_a_folder_without_a_tokenizer_says_what_is_there(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(FileNotFoundError, match=r"spiece\.model.*config\.json") as caught:
        load_tokenizer(open_repo(tmp_path))
    message(caught)
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "SmilesTokenizer"}')
    with pytest.raises(FileNotFoundError):  # vocab.txt does not say how such a class cuts text
        load_tokenizer(open_repo(tmp_path))


@pytest.mark.parametrize(
    "config",
    [
        {"model_max_length": "many"},
        {"model_max_length": -5},
        {"padding_side": "up"},
        {"added_tokens_decoder": {"x": 5}},
        {"pad_token": 7},
        {"additional_special_tokens": 5},
        {"do_lower_case": "yes"},
        {"model_input_names": 0},
        {"chat_template": -1},
        {"strip_accents": 0},
    ],
)
def test_a_configuration_with_wrong_values_is_refused(config, bert, tmp_path):
    bert.save_pretrained(tmp_path)
    known = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(known | config))
    with pytest.raises(ValueError, match=next(iter(config))) as caught:
        BertTokenizer.from_pretrained(tmp_path)
    message(caught)


def test_importing_tokenizers_loads_nothing_heavy():
    heavy = ("torch", "numpy", "huggingface_hub", "jinja2")
    code = f"import sys, qkv.preprocessing.tokenizers; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_general_class_keeps_its_inputs_when_saved(bert, tmp_path):
    bert.save_pretrained(tmp_path / "a")
    (tmp_path / "a" / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "TokenizersBackend", "backend": "tokenizers"}'
    )
    tokenizer = load_tokenizer(open_repo(tmp_path / "a"))
    assert list(tokenizer("water")) == ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(tmp_path / "b")
    config = json.loads((tmp_path / "b" / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert load_tokenizer(open_repo(tmp_path / "b"))("water").data == tokenizer("water").data


@pytest.mark.parametrize(
    "cls, files",
    [(BertTokenizer, ["vocab.txt"]), (RobertaTokenizer, ["vocab.json", "merges.txt"]), (T5Tokenizer, ["t5.model"])],
)
def test_a_new_vocabulary_is_learned_for_the_same_kind(cls, files):
    old = cls(*(VOCAB / name for name in files), model_max_length=50)
    texts = [["zebras graze", "zebras run"], ["giraffes graze and run"]] * 20
    new = old.train_new_from_iterator(
        iter(texts),
        320,
        new_special_tokens=["<new>"],
        special_tokens_map={"[CLS]": "[C]", "</s>": "</z>"},
        show_progress=False,
    )
    assert type(new) is cls and new.model_max_length == 50 and "zebras" not in old.get_vocab()
    assert len(new.tokenize("zebras graze")) < len(old.tokenize("zebras graze"))
    assert new.tokenize("zebras <new>")[-1] == "<new>" and new.additional_special_tokens[-1] == "<new>"
    first, last = new("zebras").tokens()[0], new("zebras").tokens()[-1]
    assert first == "[C]" == new.cls_token if cls is BertTokenizer else last == "</z>" == new.eos_token
    assert new.decode(new.encode("zebras graze"), skip_special_tokens=True) == "zebras graze"
    with pytest.raises(ValueError, match="failed"):
        old.train_new_from_iterator([5], 300, show_progress=False)


def test_thousands_of_added_tokens_do_not_slow_a_new_setting(bert):
    bert.add_tokens([tokenizers.AddedToken(f"<unused{i}>", special=bool(i % 2)) for i in range(3000)])
    ids = bert("water <unused7> <unused8>", truncation=True, max_length=25)["input_ids"]
    assert ids == bert.encode("water <unused7> <unused8>")
    assert bert.decode(ids, skip_special_tokens=True).endswith("<unused8>")


def test_pushing_sends_what_saving_writes(bert, monkeypatch):
    import qkv.hub

    sent = {}

    def push_folder(folder, repo_id, **options):
        sent[repo_id] = {path.name for path in Path(folder).iterdir()}, options

    monkeypatch.setattr(qkv.hub, "push_folder", push_folder)
    bert.push_to_hub("me/tokenizer", private=True, use_temp_dir=True)
    files, options = sent["me/tokenizer"]
    assert {"tokenizer.json", "tokenizer_config.json", "vocab.txt"} <= files and options == {"private": True}
