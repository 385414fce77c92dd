"""Bad input of diverse, constrained and contrastive search and of DoLa, and what only ours promises of them."""

import shutil
from pathlib import Path

import pytest
import torch

from qkv import AutoModelForCausalLM, AutoModelForSeq2SeqLM
from qkv.generation.config import GenerationConfig
from qkv.generation.constraints import Constraint, PhrasalConstraint
from qkv.generation.dola import early_layers
from qkv.layers.cache import DynamicCache

GOLDENS = Path(__file__).parent.parent / "parity" / "goldens"
IDS = torch.tensor([[5, 6, 7], [8, 9, 10]])
GROUPS = {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5}
CONTRAST = {"penalty_alpha": 0.6, "top_k": 4}
FORCED = {"num_beams": 3, "force_words_ids": [[20, 21]]}


@pytest.fixture(scope="module")
def model():
    made = AutoModelForCausalLM.from_pretrained(GOLDENS / "gpt2/LMHeadModel")
    made.generation_config = GenerationConfig(pad_token_id=1, eos_token_id=98, max_new_tokens=6)
    return made


@pytest.fixture(scope="module")
def t5():
    return AutoModelForSeq2SeqLM.from_pretrained(GOLDENS / "t5/ForConditionalGeneration")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (GROUPS | {"num_beams": 5}, "multiple"),
        (GROUPS | {"diversity_penalty": 0.0}, "diversity_penalty"),
        (GROUPS | {"do_sample": True}, "do_sample"),
        (GROUPS | {"num_beams": 1}, "num_beams"),
        (GROUPS | {"force_words_ids": [[3]]}, "num_beam_groups"),
        (FORCED | {"num_beams": 1}, "num_beams"),
        (FORCED | {"do_sample": True}, "do_sample"),
        (FORCED | {"force_words_ids": []}, "force_words_ids"),
        (FORCED | {"force_words_ids": [[20, 99]]}, "99 words"),
        (FORCED | {"force_words_ids": [[[20, 21], [20]]]}, "begin"),
        (CONTRAST | {"use_cache": False}, "use_cache"),
        (CONTRAST | {"num_beams": 2}, "num_beams"),
        (CONTRAST | {"top_k": 1}, "top_k"),
        (CONTRAST | {"cache_implementation": "quantized", "low_memory": True}, "quantized"),
        (CONTRAST | {"suppress_tokens": list(range(99))}, "no token"),
        (GROUPS | {"suppress_tokens": list(range(99))}, "no token"),
        ({"dola_layers": "middle"}, "dola_layers"),
        ({"dola_layers": []}, "dola_layers"),
        ({"dola_layers": [-1]}, "dola_layers"),
        ({"dola_layers": [2, 9]}, "no layer"),
        ({"dola_layers": "low", "num_beams": 2}, "dola_layers"),
        ({"dola_layers": "low", "do_sample": True, "suppress_tokens": list(range(99))}, "no token"),
    ],
)
def test_bad_options(model, options, message):
    with pytest.raises(ValueError, match=message) as error:
        model.generate(IDS, **options)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("options", [GROUPS, FORCED, CONTRAST, {"dola_layers": "low"}])
def test_scores_that_are_no_numbers(model, options, tmp_path):
    broken = AutoModelForCausalLM.from_pretrained(shutil.copytree(GOLDENS / "gpt2/LMHeadModel", tmp_path / "broken"))
    broken.head.out.weight.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="not numbers"):
        broken.generate(IDS, attention_mask=torch.ones_like(IDS), **options)


def test_dola_needs_a_decoder_alone(t5):
    with pytest.raises(ValueError, match="encoder"):
        t5.generate(IDS, dola_layers="high")


@pytest.mark.parametrize(
    ("wanted", "count", "tied", "layers"),
    [
        ("low", 1, True, [0]), ("low", 2, True, [1]), ("low", 2, False, [0]), ("low", 4, True, [2]),
        ("low", 12, True, [2, 4]), ("low", 12, False, [0, 2, 4]), ("low", 60, True, list(range(2, 20, 2))),
        ("high", 1, True, [0]), ("high", 12, True, [6, 8, 10]), ("high", 60, False, list(range(40, 60, 2))),
        ([0, 3, 12, 40], 12, False, [0, 3]),
    ],
)  # fmt: skip
def test_early_layers(wanted, count, tied, layers):
    assert early_layers(wanted, count, tied) == layers


def test_a_model_without_layers_enough():
    with pytest.raises(ValueError, match="no layer that comes before the last of 3"):
        early_layers("low", 3, True)


def test_constraints_that_cannot_be_met_in_time(model):
    options = {"num_beams": 3, "num_return_sequences": 2, "return_dict_in_generate": True, "output_scores": True}
    with pytest.warns(UserWarning, match="4 of 4 texts end before they contain.*max_new_tokens"):
        out = model.generate(IDS, constraints=[PhrasalConstraint(list(range(20, 30)))], **options)
    assert out.sequences.shape == (4, 9)
    assert (out.sequences_scores > -100).all()


def test_constraints_against_other_options(model):
    ids = model.generate(IDS, **FORCED, bad_words_ids=[[21]])
    assert (ids == 21).any(dim=1).all()  # what must come wins over what must not


def test_the_prompt_counts(model):
    plain = model.generate(IDS[:1], num_beams=3)
    assert torch.equal(model.generate(IDS[:1], num_beams=3, force_words_ids=[[6, 7]]), plain)


class OneOf(Constraint):
    """One of some ids, written by a user; all state is in a list that copies share."""

    def __init__(self, ids):
        self.ids, self.seqlen, self.met = ids, 1, []
        super().__init__()

    def advance(self):
        return None if self.met else self.ids

    def does_advance(self, token_id):
        return not self.met and token_id in self.ids

    def update(self, token_id):
        stepped = self.does_advance(token_id)
        if stepped:
            self.met.append(token_id)
        return stepped, bool(self.met), not stepped

    def reset(self):
        self.met = []

    def remaining(self):
        return 0 if self.met else 1


def test_a_constraint_of_the_users_own(model):
    ids = model.generate(IDS, num_beams=3, constraints=[OneOf([30, 31])])
    assert torch.isin(ids[:, 3:], torch.tensor([30, 31])).any(dim=1).all()


@pytest.mark.parametrize("options", [GROUPS, FORCED, CONTRAST, {"dola_layers": [0, 1]}])
class TestEverySearch:
    def test_rows_do_not_know_each_other(self, model, options):
        if "dola_layers" in options:
            options = {"dola_layers": [1]}  # several are chosen among for all rows together
        ids = torch.tensor([[5, 6, 7, 11], [8, 9, 10, 1]])
        both = model.generate(ids, attention_mask=ids != 1, **options)
        alone = [model.generate(row[None, row != 1], **options)[0] for row in ids]
        assert torch.equal(both[0], alone[0])
        assert torch.equal(both[1, 1:], alone[1])

    def test_vectors_in_place_of_ids(self, model, options):
        ids = model.generate(IDS, **options)
        new = model.generate(inputs_embeds=model.get_input_embeddings()(IDS), **options)
        if "force_words_ids" not in options:  # whose prompt counts
            assert torch.equal(new, ids[:, 3:])
        assert new.shape[1] <= 6

    def test_caches(self, model, options):
        expected = model.generate(IDS, **options)
        assert torch.equal(model.generate(IDS, **options, cache_implementation="static"), expected)
        cache = DynamicCache()
        with torch.no_grad():
            model(IDS[:, :2], past_key_values=cache)
        assert torch.equal(model.generate(IDS, **options, past_key_values=cache), expected)

    def test_no_end(self, model, options):
        endless = GenerationConfig(max_new_tokens=6, pad_token_id=1)
        own, model.generation_config = model.generation_config, endless
        try:
            assert model.generate(IDS, **options).shape == (2, 9)
        finally:
            model.generation_config = own

    def test_stops_where_the_caller_says(self, model, options):
        ids = model.generate(
            IDS, **options, stopping_criteria=[lambda ids, scores: torch.full((len(ids),), ids.shape[1] >= 5)]
        )
        assert ids.shape == (2, 5) or "force_words_ids" in options


def test_contrastive_search_writes_to_a_streamer(model):
    written = []

    class Streamer:
        def put(self, ids):
            written.extend(ids.flatten().tolist())

        def end(self):
            written.append(None)

    ids = model.generate(IDS[:1], **CONTRAST, streamer=Streamer())
    assert written == [*ids[0].tolist(), None]


def test_contrastive_search_copies_only_the_last_token(model):
    cache = DynamicCache(room=32)
    model.generate(IDS, **CONTRAST, past_key_values=cache)
    layer = cache[0]
    before = layer.keys.clone()
    layer.select(torch.zeros(len(before), dtype=torch.long), layer.length - 1)
    assert torch.equal(layer.keys[:, :, :-1], before[:, :, :-1])
    assert torch.equal(layer.keys[:, :, -1], before[:1, :, -1].expand_as(before[:, :, -1]))
