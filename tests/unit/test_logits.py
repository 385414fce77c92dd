"""Logits processors: bad arguments, rows, devices and types, hostile scores, and the order of a call's list."""

import math
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from qkv.generation import logits
from qkv.generation.config import GenerationConfig
from qkv.generation.logits import warpers

IDS = torch.tensor([[5, 6, 7, 5, 6], [1, 1, 1, 1, 2], [9, 8, 9, 8, 9]])
EOS = [3, 60]
MADE = {
    "temperature": lambda: logits.TemperatureLogitsWarper(0.3),
    "top_k": lambda: logits.TopKLogitsWarper(7),
    "top_p": lambda: logits.TopPLogitsWarper(0.6),
    "top_h": lambda: logits.TopHLogitsWarper(0.4),
    "min_p": lambda: logits.MinPLogitsWarper(0.1),
    "typical": lambda: logits.TypicalLogitsWarper(0.3),
    "epsilon": lambda: logits.EpsilonLogitsWarper(0.02),
    "eta": lambda: logits.EtaLogitsWarper(0.02),
    "normalization": lambda: logits.LogitNormalization(),
    "repetition": lambda: logits.RepetitionPenaltyLogitsProcessor(1.3),
    "ngram": lambda: logits.NoRepeatNGramLogitsProcessor(2),
    "bad_words": lambda: logits.NoBadWordsLogitsProcessor([[4], [5, 6], [6, 5, 6], [8, 9]], EOS),
    "bias": lambda: logits.SequenceBiasLogitsProcessor({(4,): 2.5, (5, 6): -3.0, (6, 9): 1}),
    "min_length": lambda: logits.MinLengthLogitsProcessor(9, EOS),
    "min_new": lambda: logits.MinNewTokensLengthLogitsProcessor(2, 5, EOS),
    "forced_eos": lambda: logits.ForcedEOSTokenLogitsProcessor(6, EOS),
    "finite": lambda: logits.InfNanRemoveLogitsProcessor(),
    "decay": lambda: logits.ExponentialDecayLengthPenalty((1, 1.4), EOS, 2),
    "suppress": lambda: logits.SuppressTokensLogitsProcessor([0, 7, 900]),
    "begin": lambda: logits.SuppressTokensAtBeginLogitsProcessor([0, 7], 5),
    "prefix": lambda: logits.PrefixConstrainedLogitsProcessor(lambda row, ids: ids, 1),
    "watermark": lambda: logits.WatermarkLogitsProcessor(64, "cpu"),
    "watermark_self": lambda: logits.WatermarkLogitsProcessor(64, "cpu", seeding_scheme="selfhash"),
}


def scores(rows: int = 3, size: int = 64) -> torch.Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(1)) * 3


@pytest.mark.parametrize("name", MADE)
def test_rows_do_not_see_each_other(name):
    together = MADE[name]()(IDS, scores())
    alone = [MADE[name]()(IDS[i : i + 1], scores()[i : i + 1]) for i in range(3)]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("name", MADE)
def test_nothing_changes_in_place_and_the_type_stays(name):
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        given, ids = scores().to(dtype), IDS.clone()
        found = MADE[name]()(ids, given)
        assert (found.dtype, found.shape) == (dtype, given.shape)
        assert torch.equal(given, scores().to(dtype)) and torch.equal(ids, IDS)


@pytest.mark.parametrize("name", MADE)
def test_the_default_device_does_not_matter(name):
    expected = MADE[name]()(IDS, scores())
    given = scores()
    torch.set_default_device("meta")
    try:
        found = MADE[name]()(IDS, given)
    finally:
        torch.set_default_device(None)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", [name for name in MADE if name not in ("finite", "forced_eos", "prefix")])
def test_nan_stays_in_its_row(name):
    """A row of NaN raises nothing, and leaves the other rows as they are."""
    given = scores()
    given[1] = math.nan
    found = MADE[name]()(IDS, given)
    assert found[1].isnan().any()
    assert torch.equal(found[[0, 2]], MADE[name]()(IDS, scores())[[0, 2]])


def test_a_score_that_is_no_number_becomes_one():
    given = torch.tensor([[math.nan, math.inf, -math.inf, 1.0]])
    limits = torch.finfo(torch.float32)
    assert logits.InfNanRemoveLogitsProcessor()(IDS[:1], given).tolist() == [[0.0, limits.max, limits.min, 1.0]]


WRONG = [
    (lambda: logits.TemperatureLogitsWarper(0.0), r"temperature=0\.0 must be .*above 0.*do_sample=False"),
    (lambda: logits.TemperatureLogitsWarper(math.nan), "temperature=nan"),
    (lambda: logits.TemperatureLogitsWarper("1"), "temperature='1'"),
    (lambda: logits.TopKLogitsWarper(0), "top_k=0 must be an integer of at least 1"),
    (lambda: logits.TopKLogitsWarper(5.0), r"top_k=5\.0"),
    (lambda: logits.TopKLogitsWarper(True), "top_k=True"),
    (lambda: logits.TopPLogitsWarper(1.5), r"top_p=1\.5 must be a number from 0 to 1"),
    (lambda: logits.TopPLogitsWarper(0.5, min_tokens_to_keep=0), "min_tokens_to_keep=0"),
    (lambda: logits.TopHLogitsWarper(0), "top_h=0"),
    (lambda: logits.MinPLogitsWarper(-0.1), r"min_p=-0\.1"),
    (lambda: logits.TypicalLogitsWarper(1.0), r"typical_p=1\.0"),
    (lambda: logits.EpsilonLogitsWarper(0), "epsilon_cutoff=0"),
    (lambda: logits.EtaLogitsWarper(1), "eta_cutoff=1"),
    (lambda: logits.RepetitionPenaltyLogitsProcessor(0.0), r"penalty=0\.0 must be a number above 0"),
    (lambda: logits.RepetitionPenaltyLogitsProcessor(1.2, -1), "prompt_ignore_length=-1"),
    (lambda: logits.RepetitionPenaltyLogitsProcessor(1.2, IDS), r"prompt_ignore_length=\(3, 5\)"),
    (lambda: logits.EncoderRepetitionPenaltyLogitsProcessor(-1, IDS), "penalty=-1"),
    (lambda: logits.NoRepeatNGramLogitsProcessor(0), "ngram_size=0"),
    (lambda: logits.EncoderNoRepeatNGramLogitsProcessor(2.5, IDS), r"encoder_ngram_size=2\.5"),
    (lambda: logits.HammingDiversityLogitsProcessor(0.0, 4, 2), "diversity_penalty"),
    (lambda: logits.HammingDiversityLogitsProcessor(1.0, 1, 2), "num_beams=1"),
    (lambda: logits.HammingDiversityLogitsProcessor(1.0, 4, 5), "num_beam_groups=5 must be an integer from 2 to"),
    (lambda: logits.SequenceBiasLogitsProcessor({}), r"sequence_bias=\{\}"),
    (lambda: logits.SequenceBiasLogitsProcessor({(): 1.0}), "sequence_bias"),
    (lambda: logits.SequenceBiasLogitsProcessor({(1, -2): 1.0}), "sequence_bias"),
    (lambda: logits.SequenceBiasLogitsProcessor({(1,): "a"}), "sequence_bias"),
    (lambda: logits.SequenceBiasLogitsProcessor([[1, 2, 3]]), "sequence_bias"),
    (lambda: logits.NoBadWordsLogitsProcessor([]), "bad_words_ids"),
    (lambda: logits.NoBadWordsLogitsProcessor([4, 5]), "bad_words_ids"),
    (lambda: logits.NoBadWordsLogitsProcessor([["a"]]), "bad_words_ids"),
    (lambda: logits.PrefixConstrainedLogitsProcessor([1], 1), "prefix_allowed_tokens_fn"),
    (lambda: logits.PrefixConstrainedLogitsProcessor(len, 0), "num_beams=0"),
    (lambda: logits.MinLengthLogitsProcessor(-1, 3), "min_length=-1"),
    (lambda: logits.MinLengthLogitsProcessor(3, "a"), "eos_token_id='a'"),
    (lambda: logits.MinNewTokensLengthLogitsProcessor(2, 1.5, 3), r"min_new_tokens=1\.5"),
    (lambda: logits.MinNewTokensLengthLogitsProcessor(-2, 1, 3), "prompt_length_to_skip=-2"),
    (lambda: logits.ForcedBOSTokenLogitsProcessor(-1), "forced_bos_token_id=-1"),
    (lambda: logits.ForcedEOSTokenLogitsProcessor(5, [1, -1]), "forced_eos_token_id"),
    (lambda: logits.ForcedEOSTokenLogitsProcessor(None, 1), "max_length=None"),
    (lambda: logits.ExponentialDecayLengthPenalty((1,), 3, 0), "exponential_decay_length_penalty"),
    (lambda: logits.ExponentialDecayLengthPenalty((1, 1.1), [], "a"), "input_ids_seq_length"),
    (lambda: logits.SuppressTokensLogitsProcessor(["a"]), "suppress_tokens"),
    (lambda: logits.SuppressTokensAtBeginLogitsProcessor([1], None), "begin_index=None"),
    (lambda: logits.ClassifierFreeGuidanceLogitsProcessor(1), "guidance_scale=1 must be a number above 1"),
    (lambda: logits.UnbatchedClassifierFreeGuidanceLogitsProcessor("2", None), "guidance_scale='2'"),
    (lambda: logits.WatermarkLogitsProcessor(64, "cpu", greenlist_ratio=1.0), r"greenlist_ratio=1\.0"),
    (lambda: logits.WatermarkLogitsProcessor(64, "cpu", seeding_scheme="x"), "'lefthash' or 'selfhash'"),
    (lambda: logits.WatermarkingConfig(context_width=0).validate(), "context_width=0"),
    (lambda: logits.SynthIDTextWatermarkLogitsProcessor(1, [1]), "ngram_len=1"),
    (lambda: logits.SynthIDTextWatermarkLogitsProcessor(3, [1], sampling_table_size=2**25), "sampling_table_size"),
    (lambda: logits.SequenceBiasLogitsProcessor({(64,): 1.0})(IDS, scores()), r"\[64\] must be below .*vocabulary, 64"),
    (lambda: logits.ForcedEOSTokenLogitsProcessor(6, 64)(IDS, scores()), "forced_eos_token_id.* 64"),
    (lambda: logits.PrefixConstrainedLogitsProcessor(lambda i, ids: [], 1)(IDS, scores()), "allows no token.*prompt 0"),
    (lambda: logits.PrefixConstrainedLogitsProcessor(lambda i, ids: [64], 1)(IDS, scores()), "ids from 0 to 63"),
    (lambda: logits.RepetitionPenaltyLogitsProcessor(1.2, torch.tensor([1, 2]))(IDS, scores()), "2 rows.* 3 rows"),
    (lambda: logits.ClassifierFreeGuidanceLogitsProcessor(2.0)(IDS, scores()), "6 rows for 3 rows"),
]


@pytest.mark.parametrize("make,message", WRONG, ids=range(len(WRONG)))
def test_a_wrong_value_says_what_would_be_right(make, message):
    with pytest.raises(ValueError, match=message) as raised:
        make()
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("decimals", [1, 4])
def test_top_p_after_top_k_sorts_only_what_is_left(decimals):
    """The short way gives the same as the long one, ties and hopeless tokens included."""
    for seed in range(20):
        torch.manual_seed(seed)
        given = (torch.randn(3, 3001 + 7 * seed) * 4).round(decimals=decimals)
        given = logits.TopKLogitsWarper(5 + seed)(IDS, given)
        values, _ = warpers._likely(given)
        assert values.shape[1] < 200
        every = given.sort().values
        part = every.shape[1] - values.shape[1]
        assert torch.equal(values, every[:, part:])
        assert torch.equal(values.softmax(-1).cumsum(-1), every.softmax(-1).cumsum(-1)[:, part:])
        kept = logits.TopPLogitsWarper(0.7, min_tokens_to_keep=2)(IDS, given) > -math.inf
        slow = logits.TopPLogitsWarper(0.7, filter_value=-1e9, min_tokens_to_keep=2)(IDS, given) > -1e8
        assert torch.equal(kept, slow)


def test_ids_that_the_scores_lack_do_not_matter():
    ids = torch.tensor([[-100, 5, 70_000, 5, 6]])
    given = scores(1)
    assert torch.equal(
        logits.RepetitionPenaltyLogitsProcessor(1.3)(ids, given),
        logits.RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor([[5, 6]]), given),
    )
    assert torch.equal(logits.NoRepeatNGramLogitsProcessor(1)(ids, given)[0].isinf().nonzero()[:, 0], ids[0, [1, 4]])


def test_a_penalty_that_grows_without_end_stays_a_number():
    processor = logits.ExponentialDecayLengthPenalty((0, 10.0), EOS, 0)
    found = processor(torch.zeros(1, 900, dtype=torch.long), scores(1))
    assert found.isfinite().all() and found[0].argmax() in EOS


def test_bad_words_that_are_all_ends_change_nothing():
    given = scores()
    assert torch.equal(logits.NoBadWordsLogitsProcessor([[3], []], 3)(IDS, given), given)


def test_what_a_prefix_allows_comes_back_if_all_of_it_was_excluded():
    given = scores().index_fill(1, torch.tensor([2, 4]), -math.inf)
    found = logits.PrefixConstrainedLogitsProcessor(lambda row, ids: {2, 4}, 3)(IDS, given)
    assert (found[:, [2, 4]] == 0).all() and found.isinf().sum() == 3 * 62


class Guided(logits.LogitsProcessor):
    def __call__(self, input_ids, scores, strength, unused=0):
        return scores + strength + unused


def test_a_list_gives_a_processor_what_it_asks_for():
    processors = logits.LogitsProcessorList([lambda ids, scores: scores * 2, Guided()])
    assert torch.equal(processors(IDS, scores(), strength=3, other=1), scores() * 2 + 3)
    with pytest.raises(ValueError, match="Guided needs strength"):
        processors(IDS, scores())
    everything = logits.LogitsProcessorList([lambda ids, scores, **others: scores + others["a"]])
    assert torch.equal(everything(IDS, scores(), a=1), scores() + 1)
    with pytest.raises(NotImplementedError, match="LogitsProcessor needs a __call__"):
        logits.LogitsProcessor()(IDS, scores())


class Model:
    """Scores that depend on the ids before, through a cache that is a list of them."""

    config = SimpleNamespace(vocab_size=64, is_encoder_decoder=False)

    def __init__(self):
        self.fed = []

    def __call__(self, input_ids, attention_mask, use_cache, past_key_values):
        seen = input_ids if past_key_values is None else torch.cat([past_key_values, input_ids], 1)
        assert attention_mask.shape == seen.shape
        self.fed.append(input_ids.shape[1])
        table = torch.randn(100, 64, generator=torch.Generator().manual_seed(2))
        found = table[(seen * torch.arange(1, seen.shape[1] + 1)).sum(1) % 100]
        return SimpleNamespace(logits=found[:, None], past_key_values=seen if use_cache else None)


def test_guidance_follows_rows_that_beams_move():
    negative = torch.tensor([[8, 9]])
    cached, plain = Model(), Model()
    fast = logits.UnbatchedClassifierFreeGuidanceLogitsProcessor(1.5, cached, negative)
    slow = logits.UnbatchedClassifierFreeGuidanceLogitsProcessor(1.5, plain, negative, use_cache=False)
    ids = IDS
    for order, new in (([0, 1, 2], [5, 6, 7]), ([0, 1, 2], [1, 2, 3]), ([2, 0, 0], [4, 4, 5]), ([0, 1, 2], [9, 9, 9])):
        assert torch.equal(fast(ids, scores()), slow(ids, scores()))
        ids = torch.cat([ids[order], torch.tensor(new)[:, None]], 1)
    assert cached.fed == [2, 1, 1, 5] and plain.fed == [2, 3, 4, 5]
    same = logits.UnbatchedClassifierFreeGuidanceLogitsProcessor(1.0, cached)
    assert torch.equal(same(ids, scores()), scores().log_softmax(-1))


# ------------------------------------------------------------------------------------------------ build_processors


def build(options, **changes):
    given = dict(prompt_ids=IDS, encoder_ids=None, prompt_length=5, eos_token_ids=EOS, device="cpu", model=Model())
    return logits.build_processors(GenerationConfig(**options), **given | changes)


def names(processors):
    return [type(one).__name__ for one in processors]


def test_the_callers_processors_come_before_the_warpers_or_in_the_place_of_their_kind():
    mine, other = logits.RepetitionPenaltyLogitsProcessor(3.0), Guided()
    found = build({"do_sample": True, "repetition_penalty": 2.0, "min_length": 2}, extra=[other, mine])
    assert names(found) == [
        "RepetitionPenaltyLogitsProcessor", "MinLengthLogitsProcessor", "Guided", "TopKLogitsWarper",
    ]  # fmt: skip
    assert found[0] is mine and found[2] is other


@pytest.mark.parametrize("beams,ends,least", [(1, [3, 60], 1), (2, [3, 60], 3), (2, [], 2)])
def test_beams_keep_a_token_that_is_no_end(beams, ends, least):
    found = build({"do_sample": True, "num_beams": beams, "top_p": 0.5}, eos_token_ids=ends)
    assert [one.min_tokens_to_keep for one in found] == [least, least]


def test_without_ends_none_is_put_off():
    assert build({"min_length": 4, "min_new_tokens": 4}, eos_token_ids=[]) == []


def test_what_looks_at_the_input_needs_ids():
    encoder = SimpleNamespace(config=SimpleNamespace(is_encoder_decoder=True))
    for features in (None, torch.zeros(3, 80, 5)):
        with pytest.raises(ValueError, match="input's token ids"):
            build({"encoder_no_repeat_ngram_size": 2}, encoder_ids=features, model=encoder)
    (found,) = build({"encoder_repetition_penalty": 2.0}, encoder_ids=IDS[:, :2], model=encoder)
    assert found.encoder_input_ids.shape == (3, 2)


@pytest.mark.parametrize("config", [{"bias": 1.0}, logits.WatermarkingConfig(bias=1.0)])
def test_a_watermark_comes_as_an_object_or_a_dictionary(config):
    (found,) = build({"watermarking_config": config})
    assert (found.vocab_size, found.bias) == (64, 1.0)


def test_a_watermark_by_synthid_comes_as_a_dictionary():
    (found,) = build({"watermarking_config": {"ngram_len": 3, "keys": [1, 2]}})
    assert isinstance(found, logits.SynthIDTextWatermarkLogitsProcessor)


def test_a_watermark_is_found_and_chance_is_not():
    config = logits.WatermarkingConfig(bias=6.0)
    processor = config.construct_processor(64, "cpu")
    ids = torch.tensor([[5]])
    for step in range(60):
        ids = torch.cat([ids, processor(ids, scores(1).roll(step)).argmax(-1, keepdim=True)], 1)
    chance = torch.randint(0, 64, ids.shape, generator=torch.Generator().manual_seed(0))
    model = SimpleNamespace(vocab_size=64, bos_token_id=0, is_encoder_decoder=False)
    detector = logits.WatermarkDetector(model, "cpu", config)
    assert detector(ids).tolist() == [True] and detector(chance).tolist() == [False]
    with pytest.raises(ValueError, match="1 tokens in a row"):
        detector(ids[:, :1])
    with pytest.raises(ValueError, match="Some rows begin with the bos token"):
        detector(torch.tensor([[0, 1, 2], [1, 1, 2]]))


def test_importing_is_light():
    heavy = ["llguidance", "tokenizers", "jinja2"]
    code = f"import sys, qkv.generation.logits; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
