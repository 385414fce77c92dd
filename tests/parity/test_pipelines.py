"""Pipelines return what the reference library's did (tools/golden_pipelines.py recorded it)."""

import json
from pathlib import Path

import pytest

from qkv import pipeline, set_seed
from tiny import configure
from tiny_text import make_text

HERE = Path(__file__).parent / "pipelines"
RECORDED = json.loads((HERE / "text_classification.json").read_text())
WRITTEN = {version: json.loads((HERE / f"text_generation_{version}.json").read_text()) for version in "45"}
DECODERS = {"gpt2": "gpt2/LMHeadModel", "opt": "opt/ForCausalLM"}
TOKENS = {"bos_token_id": 2, "eos_token_id": 98, "pad_token_id": 1}


def close(ours, theirs):
    """The same lists, dictionaries and labels; numbers within 1e-5."""
    if isinstance(theirs, float):
        return isinstance(ours, float) and abs(ours - theirs) <= 1e-5
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(close, ours, theirs))
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(close(ours[key], theirs[key]) for key in theirs)
    return ours == theirs


@pytest.mark.parametrize("case", range(len(RECORDED)))
def test_text_classification(case, tiny):
    config, options, given, call, expected = RECORDED[case]
    pipe = pipeline("text-classification", model=str(configure(tiny, **config)), **options)
    found = pipe(given, **call)
    assert close(found, expected), (RECORDED[case][:4], found, expected)


def writing(folder, name, defaults, options):
    model = make_text(folder / name, DECODERS[name], chat=True)
    (model / "generation_config.json").write_text(json.dumps(TOKENS | defaults))
    return pipeline("text-generation", model=str(model), **options)


@pytest.mark.parametrize("case", range(len(WRITTEN["5"])))
def test_text_generation(case, tmp_path):
    name, defaults, options, given, call, expected = WRITTEN["5"][case]
    pipe = writing(tmp_path, name, defaults, options)
    set_seed(0)
    assert pipe(given, **{"batch_size": 1} | call) == expected
    if call.get("do_sample", options.get("do_sample")) is False:  # then batches change nothing
        assert pipe(given, **call) == expected


def test_text_generation_of_4_differs_only_in_lengths():
    """In 4.57.6 the 256 new tokens win over max_length and over the model's own length, beyond what the model reads."""
    assert len(WRITTEN["4"]) == len(WRITTEN["5"])
    for older, newer in zip(WRITTEN["4"], WRITTEN["5"], strict=True):
        assert older[:5] == newer[:5]
        if older[5] != newer[5]:
            _, defaults, options, _, call, _ = newer
            bounded = "max_length" in call or {"max_length", "max_new_tokens"} & defaults.keys()
            assert older[5] is None and bounded and "max_new_tokens" not in call | options
