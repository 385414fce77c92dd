"""generate(): rows that do not know each other, caches across turns, outputs, streaming, and bad input."""

import copy
import warnings
from pathlib import Path

import pytest
import torch

from qkv import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    DynamicCache,
    GenerationConfig,
    LlamaConfig,
    QuantizedCache,
    StaticCache,
)

GOLDENS = Path(__file__).parent.parent / "parity" / "goldens"
DECODERS = ["gpt2/LMHeadModel", "llama/ForCausalLM", "gemma3/ForCausalLM", "opt/ForCausalLM"]


def load(case):
    auto = AutoModelForSeq2SeqLM if case.startswith("t5") else AutoModelForCausalLM
    model = auto.from_pretrained(GOLDENS / case)
    start = 0 if case.startswith("t5") else None
    model.generation_config = GenerationConfig(
        pad_token_id=0, eos_token_id=98, bos_token_id=2, decoder_start_token_id=start
    )
    return model


@pytest.fixture(scope="module", params=DECODERS)
def model(request):
    return load(request.param)


@pytest.fixture(scope="module")
def llama():
    return load("llama/ForCausalLM")


@pytest.fixture(scope="module")
def t5():
    return load("t5/ForConditionalGeneration")


def draw(*lengths, seed=0):
    """Rows of ids of these lengths, none the pad id."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(2, 98, (n,), generator=generator) for n in lengths]


def pad(rows, left=True, to=None):
    """ids and mask of rows padded on one side."""
    width = to or max(map(len, rows))
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[i, place], mask[i, place] = row, 1
    return ids, mask


def written(out, row, width):
    """The new ids of a row, up to its end."""
    new = out[row, width:].tolist()
    return new[: new.index(98) + 1] if 98 in new else new


# ---------------------------------------------------------------------------------------------- rows


@pytest.mark.parametrize("left", [True, False])
def test_a_row_is_continued_as_if_it_were_alone(model, left):
    rows = draw(3, 9, 1, 6, 7, 2, 5, 4)
    alone = [written(model.generate(row[None], max_new_tokens=10), 0, len(row)) for row in rows]
    for size in (2, 4, 8):
        for start in range(0, 8, size):
            ids, mask = pad(rows[start : start + size], left)
            out = model.generate(ids, attention_mask=mask, max_new_tokens=10)
            assert [written(out, i, ids.shape[1]) for i in range(size)] == alone[start : start + size]


@pytest.mark.parametrize("options", [{}, {"do_sample": True}, {"num_beams": 3}])
def test_a_neighbours_content_changes_no_bit_of_a_row(model, options):
    asked = options | {"max_new_tokens": 8, "min_new_tokens": 8, "output_scores": True, "return_dict_in_generate": True}
    rows = draw(5, 8, 3)
    outs = []
    for seed in (1, 2):
        ids, mask = pad([rows[0], draw(8, seed=seed)[0], rows[2]])
        torch.manual_seed(0)
        outs.append(model.generate(ids, attention_mask=mask, **asked))
    count = len(outs[0].scores[0]) // 3
    for row in (0, 2):
        assert torch.equal(outs[0].sequences[row], outs[1].sequences[row])
        for a, b in zip(outs[0].scores, outs[1].scores, strict=True):
            part = slice(row * count, (row + 1) * count)
            assert torch.equal(a[part], b[part])


@pytest.mark.parametrize(
    "options",
    [{"no_repeat_ngram_size": 1}, {"no_repeat_ngram_size": 2}, {"encoder_repetition_penalty": 3.0},
     {"encoder_no_repeat_ngram_size": 1}, {"repetition_penalty": 1.7}, {"num_beams": 3}, {"dola_layers": [0, 1]},
     {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5, "repetition_penalty": 1.7},
     {"penalty_alpha": 0.6, "top_k": 3}],
)  # fmt: skip
def test_padding_means_nothing_to_any_method(model, options):
    """The pad id is the end's too, so that a processor that counted padding would show."""
    rows = draw(3, 9, 1, 6)
    likely_end = {} if "penalty_alpha" in options else {"sequence_bias": {(98,): 9.0}}
    options = options | likely_end | {"pad_token_id": 98, "max_new_tokens": 8}
    ids, mask = pad(rows)
    ids = ids.masked_fill(mask == 0, 98)
    alone = [written(model.generate(row[None], **options), 0, len(row)) for row in rows]
    out = model.generate(ids, attention_mask=mask, **options)
    assert [written(out, i, ids.shape[1]) for i in range(4)] == alone


def test_what_an_encoder_reads_counts_without_padding(t5):
    rows = draw(3, 9, 6)
    ids, mask = pad(rows, left=False)
    for options in ({"encoder_repetition_penalty": 4.0}, {"encoder_no_repeat_ngram_size": 1}):
        options = options | {"sequence_bias": {(0,): 9.0}}  # the pad id is likely
        alone = [written(t5.generate(row[None], max_new_tokens=8, **options), 0, 1) for row in rows]
        out = t5.generate(ids, attention_mask=mask, max_new_tokens=8, **options)
        assert [written(out, i, 1) for i in range(3)] == alone


def test_a_longer_neighbour_does_not_turn_a_row_by_other_angles():
    """LongRoPE and dynamic scaling depend on the length of a text: of each row's own."""
    longrope = {"rope_type": "longrope", "long_factor": [4.0] * 4, "short_factor": [1.0] * 4, "factor": 4.0}
    for scaling in (longrope | {"original_max_position_embeddings": 12}, {"rope_type": "dynamic", "factor": 4.0}):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            LlamaConfig(
                vocab_size=99, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                max_position_embeddings=12, rope_scaling=scaling, initializer_range=0.5, eos_token_id=98,
            )
        ).eval()  # fmt: skip
        rows = draw(3, 10, 20)  # the first never crosses 12, the second does while it is written
        alone = [written(model.generate(row[None], max_new_tokens=8), 0, len(row)) for row in rows]
        ids, mask = pad(rows)
        out = model.generate(ids, attention_mask=mask, max_new_tokens=8)
        assert [written(out, i, ids.shape[1]) for i in range(3)] == alone


def test_holes_in_a_mask_are_closed(model):
    row = draw(6)[0]
    ids = torch.tensor([[*row[:2], 0, 0, *row[2:4], 0, *row[4:]]])
    out = model.generate(ids, attention_mask=(ids != 0), max_new_tokens=6)
    assert written(out, 0, ids.shape[1]) == written(model.generate(row[None], max_new_tokens=6), 0, 6)


def test_a_mask_is_derived_from_the_pad_id(model):
    ids, mask = pad(draw(3, 7))
    given = model.generate(ids, attention_mask=mask, max_new_tokens=6)
    assert torch.equal(model.generate(ids, max_new_tokens=6), given)


def test_a_row_without_a_token_starts_with_bos(model):
    ids, mask = pad([draw(4)[0], torch.tensor([], dtype=torch.long)])
    out = model.generate(ids, attention_mask=mask, max_new_tokens=5)
    alone = model.generate(max_new_tokens=5)
    assert alone[0, 0] == 2
    assert written(out, 1, 4) == written(alone, 0, 1)
    assert torch.equal(model.generate(torch.zeros(1, 0, dtype=torch.long), max_new_tokens=5), alone)


def test_nothing_is_warned_about(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids, mask = pad(draw(3, 5), left=False)
        model.generate(ids, attention_mask=mask, max_new_tokens=2, temperature=0.5, top_p=0.9)


def test_encoder_decoder_rows(t5):
    rows = draw(3, 9, 1, 6)
    alone = [written(t5.generate(row[None], max_new_tokens=8), 0, 1) for row in rows]
    ids, mask = pad(rows, left=False)
    out = t5.generate(ids, attention_mask=mask, max_new_tokens=8)
    assert [written(out, i, 1) for i in range(4)] == alone


# ---------------------------------------------------------------------------------------------- caches


@pytest.mark.parametrize(
    "options",
    [{"use_cache": False}, {"cache_implementation": "static"}, {"cache_implementation": "hybrid"},
     {"cache_implementation": "dynamic"}],
)  # fmt: skip
def test_caches_give_the_same_text(model, options):
    ids, mask = pad(draw(3, 9))
    plain = model.generate(ids, attention_mask=mask, max_new_tokens=12)
    assert torch.equal(model.generate(ids, attention_mask=mask, max_new_tokens=12, **options), plain)


def test_a_quantized_cache_is_near(llama):
    ids = draw(30)[0][None]
    options = {"max_new_tokens": 4, "return_dict_in_generate": True, "output_logits": True}
    plain = llama.generate(ids, **options)
    few = {"cache_implementation": "quantized", "cache_config": {"nbits": 8, "residual_length": 16}}
    near = llama.generate(ids, **few, **options)
    assert isinstance(near.past_key_values, QuantizedCache)
    assert near.past_key_values.nbytes < plain.past_key_values.nbytes
    assert (near.logits[1] - plain.logits[1]).abs().max() < 0.2


@pytest.mark.parametrize("chunk", [1, 3, 50])
def test_a_long_prompt_may_be_read_in_pieces(model, chunk):
    ids, mask = pad(draw(3, 14))
    whole = model.generate(ids, attention_mask=mask, max_new_tokens=6)
    lengths = []
    handle = model.base_model.register_forward_pre_hook(lambda module, args: lengths.append(args[0].shape[1]))
    try:
        pieces = model.generate(ids, attention_mask=mask, max_new_tokens=6, prefill_chunk_size=chunk)
    finally:
        handle.remove()
    assert torch.equal(pieces, whole) and max(lengths) == min(chunk, 14)


def test_contrastive_search_reads_its_prompt_whole(llama):
    options = {"penalty_alpha": 0.9, "top_k": 6, "max_new_tokens": 8}
    for seed in range(8):
        ids = draw(20, seed=seed)[0][None]
        plain = llama.generate(ids, **options)
        assert torch.equal(llama.generate(ids, prefill_chunk_size=2, **options), plain)


def test_a_cache_as_older_code_reads_it(llama, t5):
    ids = draw(4)[0][None]
    for model, parts in ((llama, 2), (t5, 4)):
        options = {"return_dict_in_generate": True, "return_legacy_cache": True, "max_new_tokens": 3}
        cache = model.generate(ids, **options).past_key_values
        assert {len(layer) for layer in cache} == {parts} and cache[0][0].dim() == 4
    cache = llama(ids).past_key_values
    for layer, (keys, values) in enumerate(cache):
        assert cache[layer][0].shape == keys.shape and torch.equal(cache[layer][1], values)
    again = torch.cat([ids, ids], dim=1)
    pairs = tuple((k[:, :, :4], v[:, :, :4]) for k, v in llama.generate(ids, **options).past_key_values)
    plain = llama.generate(again, max_new_tokens=3)
    assert torch.equal(llama.generate(again, past_key_values=pairs, max_new_tokens=3), plain)


class Letters:
    """A vocabulary in which id 10 is "a" and 11 to 19 begin with it."""

    def get_vocab(self):
        return {"a": 10, **{f"a{i}": i for i in range(11, 20)}, **{f"b{i}": i for i in range(20, 99)}}


def test_token_healing(model):
    rows = draw(5, 3)
    ids, mask = pad([torch.cat([row, torch.tensor([10])]) for row in rows])
    out = model.generate(ids, attention_mask=mask, token_healing=True, tokenizer=Letters(), max_new_tokens=1)
    for row, prompt in zip(out, rows, strict=True):
        scores = model(prompt[None]).logits[0, -1].log_softmax(-1)[10:20]
        scores[0] += 1.0  # the token that is there
        assert row[5] == 10 + scores.argmax()
    same = draw(4)[0][None].index_fill(1, torch.tensor([3]), 30)  # nothing else begins with "b30"
    assert torch.equal(
        model.generate(same, token_healing=True, tokenizer=Letters(), max_new_tokens=2),
        model.generate(same, max_new_tokens=2),
    )


@pytest.mark.parametrize("make", [DynamicCache, lambda: StaticCache(max_cache_len=40)])
def test_a_cache_goes_on_across_turns(llama, make):
    cache, ids = make(), draw(6)[0][None]
    for turn in range(3):
        out = llama.generate(ids, past_key_values=cache, max_new_tokens=5)
        assert torch.equal(out, llama.generate(ids, max_new_tokens=5))
        assert cache.length == out.shape[1] - 1
        ids = torch.cat([out, draw(2, seed=turn + 1)[0][None]], dim=1)


def test_a_cache_may_be_cropped_and_used_again(llama):
    cache, ids = DynamicCache(), draw(8)[0][None]
    first = llama.generate(ids, past_key_values=cache, max_new_tokens=4)
    cache.crop(5)
    assert torch.equal(llama.generate(ids, past_key_values=cache, max_new_tokens=4), first)
    with pytest.raises(ValueError, match="give all ids"):
        llama.generate(ids[:, :3], past_key_values=cache, max_new_tokens=4)
    length, mask = cache.length, torch.ones(1, cache.length + 1)
    with pytest.raises(ValueError, match="give all ids"):  # new ids alone
        llama.generate(ids[:, :1], attention_mask=mask, past_key_values=cache, max_new_tokens=4)
    assert cache.length == length


def test_a_prefix_is_read_once_for_several_questions(llama):
    prefix, one, two = (row[None] for row in draw(7, 3, 4))
    cache = DynamicCache()
    with torch.no_grad():
        llama(prefix, past_key_values=cache)
    for question in (one, two):
        ids = torch.cat([prefix, question], dim=1)
        expected = llama.generate(ids, max_new_tokens=5)
        assert torch.equal(llama.generate(ids, past_key_values=copy.deepcopy(cache), max_new_tokens=5), expected)


# ---------------------------------------------------------------------------------------------- results


def test_output_objects(model):
    ids = draw(4)[0][None]
    out = model.generate(
        ids, max_new_tokens=3, min_new_tokens=3, return_dict_in_generate=True, output_scores=True, output_logits=True,
        output_attentions=True, output_hidden_states=True,
    )  # fmt: skip
    assert type(out).__name__ == "GenerateDecoderOnlyOutput" and out[0] is out.sequences
    assert [len(out[name]) for name in ("scores", "logits", "attentions", "hidden_states")] == [3] * 4
    layers = model.config.num_hidden_layers
    assert len(out.attentions[0]) == layers and out.attentions[0][0].shape[-2:] == (4, 4)
    assert out.attentions[2][0].shape[-2] == 1 and out.attentions[2][-1].shape[-1] == 6  # the last sees all
    assert len(out.hidden_states[1]) == layers + 1 and out.hidden_states[1][0].shape[1] == 1
    full = model(out.sequences).logits
    assert (torch.stack(out.logits, dim=1) - full[:, 3:-1]).abs().max() < 1e-4


def test_encoder_decoder_output(t5):
    ids = draw(4)[0][None]
    out = t5.generate(
        ids, max_new_tokens=3, return_dict_in_generate=True, output_attentions=True, output_hidden_states=True,
        output_scores=True, num_beams=2,
    )  # fmt: skip
    assert type(out).__name__ == "GenerateBeamEncoderDecoderOutput"
    assert out.encoder_attentions[0].shape[-2:] == (4, 4) and out.cross_attentions[0][0].shape[-1] == 4
    assert len(out.decoder_hidden_states) == len(out.scores)


def test_transition_scores_add_up_to_a_beams_score(model):
    ids, mask = pad(draw(3, 5))
    out = model.generate(
        ids, attention_mask=mask, num_beams=3, num_return_sequences=2, max_new_tokens=6, length_penalty=1.0,
        return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    scores = model.compute_transition_scores(out.sequences, out.scores, out.beam_indices)
    lengths = (out.beam_indices >= 0).sum(dim=1)
    assert torch.allclose(scores.sum(dim=1) / lengths, out.sequences_scores, atol=1e-5)


def test_transition_scores_of_greedy_search_are_log_probabilities(llama):
    ids = draw(4)[0][None]
    out = llama.generate(ids, max_new_tokens=4, return_dict_in_generate=True, output_scores=True)
    scores = llama.compute_transition_scores(out.sequences, out.scores, normalize_logits=True)
    expected = llama(out.sequences).logits.log_softmax(-1)[0, 3:-1].gather(1, out.sequences[0, 4:, None])[:, 0]
    assert torch.allclose(scores[0], expected, atol=1e-5)


class Listener:
    def __init__(self):
        self.got, self.ended = [], 0

    def put(self, value):
        self.got.append(value.tolist())

    def end(self):
        self.ended += 1


@pytest.mark.parametrize("options", [{}, {"do_sample": True}, {"prompt_lookup_num_tokens": 3}])
def test_a_streamer_gets_the_prompt_then_each_id(llama, options):
    listener, ids = Listener(), draw(4)[0][None]
    out = llama.generate(ids, streamer=listener, max_new_tokens=6, **options)
    assert listener.got[0] == ids.tolist() and listener.ended == 1
    assert [i for one in listener.got[1:] for i in one] == out[0, 4:].tolist()


def test_generated_ids_can_be_trained_on(llama):
    """They are no inference tensors."""
    out = llama.generate(draw(4)[0][None], max_new_tokens=3)
    model = copy.deepcopy(llama).train()
    model(out, labels=out).loss.backward()
    assert model.get_input_embeddings().weight.grad is not None


def test_embeddings_in_place_of_ids(model):
    ids = draw(5)[0][None]
    embeds = model.get_input_embeddings()(ids)
    expected = model.generate(ids, max_new_tokens=6)[:, 5:]
    assert torch.equal(model.generate(inputs_embeds=embeds, max_new_tokens=6), expected)


def test_the_callers_processors_and_criteria(llama):
    def only_seven(input_ids, scores):
        return torch.full_like(scores, -torch.inf).index_fill(1, torch.tensor([7]), 0.0)

    def stop_at_three(input_ids, scores):
        return torch.tensor([len(row) >= 7 for row in input_ids])

    out = llama.generate(
        draw(4)[0][None], logits_processor=[only_seven], stopping_criteria=[stop_at_three], max_new_tokens=9
    )
    assert out[0, 4:].tolist() == [7, 7, 7]


def test_allowed_ids(llama):
    out = llama.generate(
        draw(4, 4)[0][None], max_new_tokens=5, prefix_allowed_tokens_fn=lambda row, ids: [10 + len(ids) % 2]
    )
    assert out[0, 4:].tolist() == [10, 11, 10, 11, 10]


def test_an_assistant_changes_nothing_but_the_number_of_calls(llama):
    ids = draw(5)[0][None]
    expected = llama.generate(ids, max_new_tokens=12)
    assistant, calls = copy.deepcopy(llama), []
    handle = llama.register_forward_hook(lambda *_: calls.append(1))
    try:
        assert torch.equal(llama.generate(ids, assistant_model=assistant, max_new_tokens=12), expected)
    finally:
        handle.remove()
    assert len(calls) <= 10  # greedy search needs twelve
    assert torch.equal(llama.generate(ids, assistant_early_exit=1, max_new_tokens=12), expected)


@pytest.mark.parametrize("case", ["llama", "t5"])
def test_an_assistants_help_does_not_show_in_the_output(case, request):
    model, ids = request.getfixturevalue(case), draw(5)[0][None]
    options = {"max_new_tokens": 6, "return_dict_in_generate": True}
    options |= {f"output_{name}": True for name in ("scores", "logits", "attentions", "hidden_states")}
    plain = model.generate(ids, **options)
    helped = model.generate(ids, assistant_model=copy.deepcopy(model), **options)
    assert list(plain) == list(helped)
    for name in set(plain) - {"sequences", "past_key_values"}:
        for a, b in zip(plain[name], helped[name], strict=True):
            for x, y in zip(*((v,) if isinstance(v, torch.Tensor) else v for v in (a, b)), strict=True):
                assert x.shape == y.shape and (x - y).abs().max() < 1e-4, name


# ---------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        ([[1, 2]], {}, "tensor of ids"),
        (torch.tensor([1, 2]), {}, r"\(B,T\)"),
        (torch.tensor([[1.0, 2.0]]), {}, "integers"),
        (torch.tensor([[500]]), {"max_new_tokens": 2}, "outside"),
        (torch.tensor([[5, 6]]), {"attention_mask": torch.ones(1, 3)}, "attention_mask"),
        (torch.tensor([[5, 6]]), {"input_ids": torch.tensor([[5]])}, "given twice"),
        (torch.tensor([[5, 6]]), {"max_length": 2}, "no room"),
        (torch.tensor([[5, 6]]), {"max_new_token": 2}, "max_new_tokens"),
        (torch.tensor([[5, 6]]), {"temprature": 2.0}, "temperature"),
        (torch.tensor([[5, 6]]), {"max_new_tokens": -1}, "max_new_tokens"),
        (torch.tensor([[5, 6]]), {"num_beams": 0}, "num_beams"),
        (torch.tensor([[5, 6]]), {"num_beam_groups": 2, "num_beams": 1, "diversity_penalty": 1.0}, "num_beam"),
        (torch.tensor([[5, 6]]), {"num_return_sequences": 2}, "num_return_sequences"),
        (torch.tensor([[5, 6]]), {"stop_strings": "x"}, "tokenizer"),
        (torch.tensor([[5, 6]]), {"trust_remote_code": True}, "never runs code"),
        (torch.tensor([[5, 6]]), {"custom_generate": "org/name"}, "never runs code"),
        (torch.tensor([[5, 6]]), {"num_beams": 2, "streamer": Listener()}, "num_beams=1"),
        (torch.tensor([[5, 6], [7, 8]]), {"prompt_lookup_num_tokens": 2}, "one text at a time"),
        (torch.tensor([[5, 6]]), {"suppress_tokens": list(range(99)), "max_new_tokens": 3}, "no token may come next"),
        (torch.tensor([[5, 6]]), {"past_key_values": 3}, "past_key_values"),
        (
            torch.tensor([[5, 0], [5, 6]]),
            {"attention_mask": torch.tensor([[1, 0], [1, 1]]), "position_ids": torch.tensor([[0, 1], [0, 1]])},
            "padding_side='left'",
        ),
        (torch.tensor([[5, 6]]), {"encoder_outputs": (torch.zeros(1, 2, 32),)}, "no use for encoder_outputs"),
        (torch.tensor([[5, 6]]), {"token_healing": True}, "tokenizer"),
        (torch.tensor([[5, 6]]), {"use_mtp": True}, "prompt_lookup_num_tokens"),
        (torch.tensor([[5, 6]]), {"cache_implementation": "paged"}, "dynamic"),
        (torch.tensor([[5, 6]]), {"assistant_tokenizer": 1}, "share one vocabulary"),
    ],
)
def test_bad_input_is_explained(llama, ids, options, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        llama.generate(ids, **options)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("options", [{}, {"do_sample": True}, {"num_beams": 2}, {"prompt_lookup_num_tokens": 2}])
def test_scores_that_are_no_numbers(llama, options):
    broken = copy.deepcopy(llama)
    with torch.no_grad():
        broken.head.out.weight[3] = torch.nan
    with pytest.raises(ValueError, match="not numbers"):
        broken.generate(draw(4)[0][None], max_new_tokens=3, **options)
    out = broken.generate(draw(4)[0][None], max_new_tokens=3, remove_invalid_values=True, **options)
    assert out.shape[1] > 4


def test_no_new_tokens(model):
    ids = draw(4)[0][None]
    assert torch.equal(model.generate(ids, max_new_tokens=0), ids)


def test_a_prompt_longer_than_the_context():
    model = load("gpt2/LMHeadModel")
    with pytest.raises(ValueError, match="41 tokens.*40"):
        model.generate(draw(41)[0][None], max_new_tokens=3)
    ids = draw(36)[0][None]
    with pytest.warns(UserWarning, match="max_new_tokens=4"):
        out = model.generate(ids, max_new_tokens=10, min_new_tokens=4)
    assert out.shape[1] == 40
    assert model.generate(ids).shape[1] <= 40  # the default gives way silently


def test_no_start_for_an_empty_prompt(llama):
    bare = copy.deepcopy(llama)
    bare.generation_config = GenerationConfig(eos_token_id=98)
    with pytest.raises(ValueError, match="bos_token_id"):
        bare.generate(max_new_tokens=3)


def test_an_assistant_with_another_vocabulary(llama):
    other = copy.deepcopy(llama)
    other.resize_token_embeddings(120)
    with pytest.raises(ValueError, match="same tokenizer"):
        llama.generate(draw(4)[0][None], assistant_model=other, max_new_tokens=3)


def test_a_static_cache_without_room(llama):
    with pytest.raises(ValueError, match="max_cache_len"):
        llama.generate(draw(4)[0][None], past_key_values=StaticCache(max_cache_len=5), max_new_tokens=8)


def test_every_option_of_the_model_is_a_default(llama):
    model = copy.deepcopy(llama)
    model.generation_config = GenerationConfig(max_new_tokens=2, pad_token_id=0)
    ids = draw(4)[0][None]
    assert model.generate(ids).shape[1] == 6
    assert model.generate(ids, max_new_tokens=3).shape[1] == 7
    assert model.generate(ids, generation_config=GenerationConfig(max_new_tokens=4)).shape[1] == 8
    assert model.generate(ids, GenerationConfig(max_new_tokens=4), max_new_tokens=1).shape[1] == 5


def test_it_is_saved_with_the_model(llama, tmp_path):
    model = copy.deepcopy(llama)
    model.generation_config = GenerationConfig(temperature=0.5, do_sample=True, eos_token_id=[3, 4])
    model.save_pretrained(tmp_path)
    assert AutoModelForCausalLM.from_pretrained(tmp_path).generation_config == model.generation_config


def test_default_device_does_not_matter(llama):
    ids = draw(4)[0][None]
    expected = llama.generate(ids, max_new_tokens=4, num_beams=2)
    with torch.device("meta"):
        assert torch.equal(llama.generate(ids, max_new_tokens=4, num_beams=2), expected)
