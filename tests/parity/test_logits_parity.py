"""Logits processors and stopping criteria against what the reference gave (tools/golden_logits.py)."""

import json
import sys
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from qkv.generation import logits
from qkv.generation.config import GenerationConfig
from qkv.generation.stopping import StopStringCriteria
from qkv.preprocessing.tokenizers import CLASSES

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "generation"), str(HERE / "tokenizers")]

from logits_cases import EOS, PROCESSORS, PROMPT, SETTINGS, STOPS  # noqa: E402
from tokenizer_cases import CASES  # noqa: E402

STEPS = 6
# Sums of logarithms whose rounding differs between processors with other vector instructions.
ROUNDED = ("normalization", "synthid", "synthid-skipping", "settings.sample-everything")

# All of the entropy: whether the least likely token is within it is a question of the last bit of a sum.
LAST_BIT = "top-h-1"


@lru_cache
def tensors() -> dict[str, torch.Tensor]:
    return load_file(HERE / "generation" / "logits.safetensors")


@lru_cache
def recorded() -> dict:
    return json.loads((HERE / "generation" / "logits.json").read_text())


def same(found: torch.Tensor, name: str, case: str) -> None:
    tolerance = 1e-6 if case in ROUNDED else 0
    if case == LAST_BIT:
        differ = found != tensors()[name]
        assert (differ.sum(-1) <= 1).all() and not (differ & (found.softmax(-1) > 1e-2)).any()
        return
    torch.testing.assert_close(found, tensors()[name], rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_is_the_reference(name):
    processor = PROCESSORS[name](logits)
    for step in range(STEPS):
        ids, scores = tensors()[f"ids.{step}"], tensors()[f"scores.{step}"]
        before = scores.clone()
        same(processor(ids, scores), f"{name}.{step}", name)
        assert torch.equal(scores, before), "the scores were changed in place"


@pytest.mark.parametrize("group", range(3))
def test_diversity_of_groups_is_the_reference(group):
    processor = logits.LogitsProcessorList([logits.HammingDiversityLogitsProcessor(1.5, 6, 3)])
    tokens, scores = tensors()["hamming.tokens"], tensors()["hamming.scores"]
    found = processor(torch.zeros(4, 1, dtype=torch.long), scores, current_tokens=tokens, beam_group_idx=group)
    same(found, f"hamming.{group}", "hamming")


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_give_the_reference_s_processors(name):
    config = GenerationConfig(eos_token_id=EOS, **SETTINGS[name])
    model = SimpleNamespace(config=SimpleNamespace(vocab_size=64, is_encoder_decoder=False))
    mask = (torch.arange(5) >= torch.tensor([0, 2, 1])[:, None]).long()
    processors = logits.build_processors(
        config, prompt_ids=PROMPT, encoder_ids=None, prompt_length=5, eos_token_ids=EOS, device="cpu", model=model,
        prompt_mask=mask,
    )  # fmt: skip
    assert [type(processor).__name__ for processor in processors] == recorded()["settings"][name]
    same(processors(PROMPT, tensors()["scores.3"]), f"settings.{name}", f"settings.{name}")


@pytest.mark.parametrize("name", ["lefthash", "lefthash-once", "selfhash"])
def test_a_watermark_s_detector_is_the_reference(name):
    scheme, _, once = name.partition("-")
    config = logits.WatermarkingConfig(seeding_scheme=scheme, context_width=1 + (scheme == "selfhash"))
    model = SimpleNamespace(vocab_size=64, bos_token_id=0, is_encoder_decoder=False)
    detector = logits.WatermarkDetector(model, "cpu", config, ignore_repeated_ngrams=bool(once))
    found = detector(torch.tensor(recorded()["detected"]["ids"]), z_threshold=0.5, return_dict=True)
    for field, values in recorded()["detected"][name].items():
        assert getattr(found, field).tolist() == pytest.approx(values, rel=1e-12), field


def test_what_synthid_s_detector_sees_is_the_reference():
    ids, synthid = torch.tensor(recorded()["detected"]["ids"]), PROCESSORS["synthid"](logits)
    expected = recorded()["detected"]["synthid"]
    assert synthid.compute_g_values(ids).tolist() == expected["g"]
    assert synthid.compute_context_repetition_mask(ids).tolist() == expected["new"]
    assert synthid.compute_eos_token_mask(ids, 5).long().tolist() == expected["before-end"]


@pytest.mark.parametrize("name", STOPS)
def test_stop_strings_stop_where_the_reference_stops(name, tmp_path):
    case, strings = STOPS[name]
    tokenizer = CLASSES[CASES[case].cls].from_pretrained(CASES[case].folder(tmp_path))
    expected = recorded()["stops"][name]
    for stop, answers in zip(strings, expected["answers"], strict=True):
        criterion = StopStringCriteria(tokenizer, stop)
        for row, answer in zip(expected["rows"], answers, strict=True):
            found = [bool(criterion(torch.tensor([row[: n + 1]]), None)) for n in range(len(row))]
            assert "".join("01"[end] for end in found) == answer, stop
    assert any("1" in answer for answers in expected["answers"] for answer in answers)
