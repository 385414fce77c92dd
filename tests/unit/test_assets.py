"""The models that come with qkv: complete, small, in the format their card states, and right about plain sentences."""

import json
from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

import qkv.assets
from qkv.auto import AutoModelForSequenceClassification, AutoTokenizer
from qkv.checkpoint import INT8_ROWS, int8_rows, read_file
from qkv.models import bert

FOLDER = Path(qkv.assets.__file__).parent / "sentiment"
HALF = 2.0**-24  # the smallest step of float16


@pytest.fixture(scope="module")
def model():
    return AutoModelForSequenceClassification.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def positive(model):
    """A function: sentences -> the probability of POSITIVE for each."""
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)

    @torch.inference_mode()
    def read(*texts):
        inputs = tokenizer(list(texts), padding=True, return_tensors="pt")
        return model(**inputs).logits.softmax(dim=-1)[:, 1].tolist()

    return read


def test_small_enough_to_be_in_the_package():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 24_000_000


def test_every_weight_is_in_the_file(model):
    _, info = bert.BertForSequenceClassification.from_pretrained(FOLDER, output_loading_info=True)
    assert info == {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": [], "error_msgs": []}
    assert type(model) is bert.BertForSequenceClassification
    assert {"bert.pooler.dense.weight", "classifier.weight", "classifier.bias"} <= set(model.state_dict())


def test_labels(model):
    assert model.config.id2label == {0: "NEGATIVE", 1: "POSITIVE"}
    assert model.config.label2id == {"NEGATIVE": 0, "POSITIVE": 1}


def test_tokenizer_neither_cuts_nor_pads_by_itself():
    raw = json.loads((FOLDER / "tokenizer.json").read_text("utf-8"))
    assert raw["truncation"] is None and raw["padding"] is None
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    assert tokenizer.model_max_length == 512
    short, long = tokenizer(["One WORD", "word " * 600])["input_ids"]
    assert len(short) == 4 and len(long) == 602
    assert tokenizer("one word")["input_ids"] == short


def test_file_has_the_layout_of_the_card(model):
    """Read as another program would: numpy alone, and no knowledge of the network."""
    read = {}
    with safe_open(FOLDER / "model.int8.safetensors", framework="np") as file:
        assert file.metadata() == {"format": "qkv-int8-rows"}
        for name in file.keys():  # noqa: SIM118 - the file is no mapping
            array = file.get_tensor(name)
            if array.dtype == np.int8:
                scale = file.get_tensor(f"{name}.scale")
                assert array.ndim == 2 and scale.dtype == np.float16 and scale.shape == array.shape[:1]
                assert np.abs(array.astype(int)).max() == 127
                read[name] = array.astype(np.float32) * scale.astype(np.float32)[:, None]
            elif not name.endswith(".scale"):
                assert array.ndim == 1 and array.dtype == np.float16
                read[name] = array.astype(np.float32)
    state = model.state_dict()
    assert read.keys() == state.keys()
    for name, array in read.items():
        np.testing.assert_array_equal(state[name].numpy(), array)


rows = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 6)),
    elements=st.floats(-100, 100, width=32),
)


@settings(max_examples=60, deadline=None)
@given(weight=rows)
def test_compact_file_is_within_half_a_step_of_each_row(weight, tmp_path_factory):
    state = {"layer.weight": torch.tensor(weight), "layer.bias": torch.tensor(weight[0])}
    path = tmp_path_factory.mktemp("packed") / "model.safetensors"
    packed = int8_rows(state)
    save_file(packed, path, metadata={"format": INT8_ROWS})
    read = dict(read_file(path))
    assert read.keys() == state.keys()
    assert all(tensor.dtype == torch.float32 and tensor.shape == state[name].shape for name, tensor in read.items())
    step = packed["layer.weight.scale"].float()[:, None]
    # where the scale is no normal float16 number, its own rounding (half of HALF) counts 127 times
    assert ((read["layer.weight"] - state["layer.weight"]).abs() <= step * 0.5001 + 127 * HALF / 2).all()
    torch.testing.assert_close(read["layer.bias"], state["layer.bias"], rtol=2.0**-11, atol=HALF / 2)


def test_rows_of_zeros_stay_zeros():
    packed = int8_rows({"weight": torch.zeros(2, 3)})
    assert packed["weight"].eq(0).all() and packed["weight.scale"].isfinite().all()


@pytest.mark.parametrize(
    "text",
    [
        "I love this, thank you so much!",
        "What a wonderful, warm and funny film.",
        "The staff were friendly and the room was very clean.",
        "Best purchase I have made in years.",
        "Not bad at all.",
    ],
)
def test_plainly_positive(positive, text):
    assert positive(text)[0] > 0.75


@pytest.mark.parametrize(
    "text",
    [
        "I hate this, what a waste of money.",
        "A dull, lifeless and far too long film.",
        "The soup was cold and the waiter was rude.",
        "It broke after two days and nobody answers my mails.",
        "I don't like it.",
    ],
)
def test_plainly_negative(positive, text):
    assert positive(text)[0] < 0.25


def test_a_plain_fact_is_nearer_to_neither_than_an_opinion(positive):
    fact, praise, complaint = positive("The meeting is on Tuesday.", "The meeting was great.", "The meeting was awful.")
    assert complaint < 0.25 < fact < praise
    assert abs(fact - 0.5) < abs(praise - 0.5) and abs(fact - 0.5) < abs(complaint - 0.5)
