"""Diverse, constrained and contrastive search and DoLa write the ids that the reference writes, and record what it
records (tools/golden_search.py recorded both). Weights are wide, so that no two scores are a tie.
"""

import json
import sys
import warnings
from pathlib import Path

import pytest
import torch

from qkv import AutoModelForCausalLM, AutoModelForSeq2SeqLM
from qkv.generation.config import GenerationConfig
from qkv.generation.constraints import DisjunctiveConstraint, PhrasalConstraint

HERE = Path(__file__).parent / "generation"
sys.path.insert(0, str(HERE))
from search_cases import EOS, PAD, SEARCHES, folder_of, options_of, prompts  # noqa: E402

RECORDED = json.loads((HERE / "search.json").read_text())
CASES = [(search, name) for search, (_, names) in SEARCHES.items() for name in names]


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """A model by name."""
    made = {}

    def loaded(name):
        if name not in made:
            cls = AutoModelForSeq2SeqLM if name == "t5" else AutoModelForCausalLM
            made[name] = cls.from_pretrained(folder_of(name, tmp_path_factory.mktemp("deep") / name))
            made[name].generation_config = GenerationConfig(
                pad_token_id=PAD, eos_token_id=EOS, bos_token_id=2, decoder_start_token_id=0 if name == "t5" else None
            )
        return made[name]

    return loaded


def generate(model, setting, batch):
    ids = torch.tensor(prompts(setting)[batch])
    torch.manual_seed(batch)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*texts end before they contain")
        options = options_of(setting, PhrasalConstraint, DisjunctiveConstraint)
        return model.generate(ids, attention_mask=ids != PAD, **options)


@pytest.mark.parametrize(("search", "name"), CASES)
def test_ids(load, search, name):
    settings = SEARCHES[search][0]
    wrong = []
    for number, batch, expected, _ in RECORDED[search][name]:
        found = generate(load(name), settings[number], batch)
        found = (found if isinstance(found, torch.Tensor) else found.sequences).tolist()
        if [stripped(row) for row in found] != [stripped(row) for row in expected]:
            wrong.append((settings[number], batch, found, expected))
    assert not wrong, f"{len(wrong)} of {len(RECORDED[search][name])} differ, first {wrong[0]}"


def stripped(row):
    """Without padding at the end, of which the reference leaves more or less."""
    last = max(i for i, token in enumerate(row) if token != PAD)
    return row[: last + 1]


@pytest.mark.parametrize(("search", "name"), CASES)
def test_records(load, search, name):
    settings = SEARCHES[search][0]
    checked = set()
    for number, batch, _, expected in RECORDED[search][name]:
        if not expected:
            continue
        found = generate(load(name), settings[number], batch)
        checked |= {kind for kind in expected if agrees(kind, found, expected, search, settings[number])}
    assert checked >= {"scores"} | ({"sequences_scores"} if "num_beams" in settings[0] else {"logits"})


def agrees(kind, found, expected, search, setting):
    """Compare one kind of record; false where the reference's say nothing."""
    if kind == "beam_indices" and search == "group_beam":
        return False  # the reference numbers the beams of each group from 0, so they point to other groups' scores
    if kind == "scores" and "num_beams" in setting and "sequence_bias" in setting:
        return False  # rows that are done hold what is left of others
    if kind == "beam_indices":
        width = found.beam_indices.shape[1]
        assert all(set(row[width:]) <= {-1} for row in expected[kind])
        assert found.beam_indices.tolist() == [row[:width] for row in expected[kind]]
        return True
    if kind == "hidden_states":
        ours = [[float(x[:, -1].abs().mean()) for x in step] for step in found["hidden_states"]]
    elif kind == "sequences_scores":
        ours = found.sequences_scores.tolist()
    else:
        ours = [[float(row[row.isfinite()].mean()) for row in step] for step in found[kind]]
    assert torch.allclose(torch.tensor(ours), torch.tensor(expected[kind]), rtol=1e-4, atol=1e-4), kind
    return True


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_the_beams_of_groups_sum_to_their_scores(load, name):
    model = load(name)
    setting = {"num_beams": 6, "num_beam_groups": 3, "diversity_penalty": 0.5, "num_return_sequences": 6}
    setting |= {"return_dict_in_generate": True, "output_scores": True, "sequence_bias": [[[EOS], 3.0]]}
    for batch in range(2, 4):
        out = generate(model, setting, batch)
        steps = model.compute_transition_scores(out.sequences, out.scores, out.beam_indices)
        lengths = (out.beam_indices >= 0).sum(dim=1)
        assert torch.allclose(steps.sum(dim=1) / lengths, out.sequences_scores, atol=1e-4)


def test_low_memory_changes_nothing(load):
    for name in ("gpt2", "t5"):
        for setting in (
            {"penalty_alpha": 0.6, "top_k": 4},
            {"penalty_alpha": 0.5, "top_k": 3, "eos_token_id": 74},
        ):
            setting |= {"return_dict_in_generate": True, "output_logits": True}
            plain, low = (generate(load(name), setting | {"low_memory": low}, 3) for low in (False, True))
            assert torch.equal(plain.sequences, low.sequences)
            cache, other = (x.past_key_values for x in (plain, low))
            assert cache.length == other.length == plain.sequences.shape[1] - 1
            if name == "gpt2":
                assert torch.allclose(cache[1].keys, other[1].keys, atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2-deep", "llama-deep"])
def test_dola_chooses_a_layer_for_each_row(load, name):
    for options in ({"dola_layers": "high"}, {"dola_layers": [0, 2, 4, 5]}):
        alone = [load(name).generate(torch.tensor(row), max_new_tokens=8, **options)[0] for row in prompts(options)]
        rows = [len(ids) - 8 for ids in alone]
        ids = torch.full((len(alone), max(rows)), PAD)
        for place, (text, length) in enumerate(zip(alone, rows, strict=True)):
            ids[place, max(rows) - length :] = text[:length]
        together = load(name).generate(ids, attention_mask=ids != PAD, max_new_tokens=8, **options)
        assert [row.tolist() for row in together[:, -8:]] == [text[-8:].tolist() for text in alone]
