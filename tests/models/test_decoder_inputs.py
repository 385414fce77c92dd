"""What decoders take beside token ids: masks, positions, caches in all forms; and what they refuse."""

import pytest
import torch

from decoders import CACHES, CASES, GOLDENS, LENGTH, PADS, load
from qkv import AutoConfig, AutoModel, AutoModelForCausalLM, DynamicCache, QuantizedCache, StaticCache
from qkv.layers.layer_cache import WindowCache


@torch.inference_mode()
def test_left_padding_changes_nothing(model, ids, mask):
    """With positions that skip the padding, each row is what it is alone; so it stays with a cache."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    out = model(ids, attention_mask=mask, position_ids=positions)[0]
    cache, pieces = DynamicCache(model.config), []
    for start, end in ((0, 8), (8, 9), (9, 12)):
        part = {"attention_mask": mask[:, :end], "position_ids": positions[:, start:end]}
        pieces.append(model(ids[:, start:end], past_key_values=cache, **part)[0])
    for row, pads in enumerate(PADS):
        alone = model(ids[row : row + 1, pads:])[0][0]
        assert (out[row, pads:] - alone).abs().max() <= 2e-5
        assert (torch.cat(pieces, 1)[row, pads:] - alone).abs().max() <= 1e-5


@torch.inference_mode()
def test_a_mask_for_each_token(llama, ids, mask):
    """Four dimensions take the place of the model's own mask, as bools or as floats that are added."""
    whole = llama(ids, attention_mask=mask)[0]
    seen = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()[None, None] & mask[:, None, None].bool()
    added = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    for full in (seen, seen.long(), added):
        assert (llama(ids, attention_mask=full)[0] - whole)[mask.bool()].abs().max() <= 1e-5
        cache = DynamicCache()
        llama(ids[:, :5], attention_mask=full[..., :5, :5], past_key_values=cache)
        rest = llama(ids[:, 5:], attention_mask=full[..., 5:, :], past_key_values=cache)[0]
        assert (rest - whole[:, 5:])[mask[:, 5:].bool()].abs().max() <= 1e-5
    both_ways = llama(ids, attention_mask=torch.ones(1, 1, LENGTH, LENGTH, dtype=torch.bool))[0]
    assert (both_ways - llama(ids)[0])[:, 0].abs().max() > 0.1  # the first token sees what follows
    half = llama.to(torch.bfloat16)(ids, attention_mask=added)[0]
    assert half.dtype == torch.bfloat16 and torch.isfinite(half[mask.bool()]).all()


@torch.inference_mode()
def test_pairs_in_place_of_a_cache(model, ids):
    whole = model(ids)[0]
    cache = DynamicCache()
    model(ids[:, :5], past_key_values=cache)
    pairs = tuple((layer.keys.clone(), layer.values.clone()) for layer in cache)
    assert (model(ids[:, 5:], past_key_values=pairs)[0] - whole[:, 5:]).abs().max() <= 2e-5


@torch.inference_mode()
def test_logits_with_a_cache(ids):
    for case in CASES:
        folder = next((f for f in (GOLDENS / case).iterdir() if f.name in ("ForCausalLM", "LMHeadModel")), None)
        if folder is None:
            continue
        config = AutoConfig.from_pretrained(folder)
        if "original_max_position_embeddings" in config._fields:
            config.original_max_position_embeddings = 40
        model = AutoModelForCausalLM.from_pretrained(folder, config=config)
        whole = model(ids)
        assert whole.past_key_values.get_seq_length() == LENGTH
        model(ids[:, :9], past_key_values=(cache := DynamicCache(config)))
        last = model(ids[:, 9:], past_key_values=cache, logits_to_keep=1).logits
        assert last.shape[1] == 1 and (last - whole.logits[:, -1:]).abs().max() <= 1e-4, case


def test_whether_a_cache_is_given_back(llama, ids):
    assert llama(ids, use_cache=False).past_key_values is None
    assert "past_key_values" not in llama(ids, use_cache=False)
    states, cache = llama(ids, return_dict=False)
    assert cache.get_seq_length() == LENGTH and states.shape[:2] == ids.shape
    llama.config.use_cache = False
    assert llama(ids).past_key_values is None
    assert any(isinstance(layer, WindowCache) for layer in load("mistral")(ids).past_key_values)


@pytest.mark.parametrize("kind", CACHES)
def test_what_does_not_fit_is_refused(llama, ids, mask, kind):
    cache = CACHES[kind](llama.config)
    with torch.inference_mode():
        llama(ids, attention_mask=mask, past_key_values=cache)
    bad = [
        ({"attention_mask": torch.ones(3, 1)}, "12 cached tokens"),
        ({"attention_mask": torch.ones(3, 1, 1, 12)}, "12 cached tokens"),
        ({"attention_mask": torch.ones(13)}, "attention_mask"),
        ({"position_ids": torch.arange(1)}, "position_ids"),
        ({"position_ids": torch.arange(2)[None]}, "position_ids"),
    ]
    for given, say in bad:
        with pytest.raises(ValueError, match=say) as error, torch.inference_mode():
            llama(ids[:, :1], past_key_values=cache, **given)
        assert len(str(error.value)) < 400
    for grad in (True, False):
        with pytest.raises(ValueError, match="3 rows"), torch.set_grad_enabled(grad):
            llama(ids[:1, :1], past_key_values=cache)


def test_what_is_no_cache_is_refused(llama, ids):
    for given in ("cache", 3, [1, 2], torch.ones(2, 2)):
        with pytest.raises(ValueError, match="past_key_values must be a Cache"):
            llama(ids, past_key_values=given)
    cache = DynamicCache()
    cache.fill([None] * 5)
    with pytest.raises(ValueError, match="5 layers, the model has 2"):
        llama(ids, past_key_values=cache)
    with pytest.raises(ValueError, match="nbits=3"):
        QuantizedCache(nbits=3)
    for grad in (True, False):
        with pytest.raises(ValueError, match="max_cache_len"), torch.set_grad_enabled(grad):
            llama(ids, past_key_values=StaticCache(max_cache_len=11))


@torch.inference_mode()
def test_a_past_that_is_too_long_is_refused(ids):
    model = load("gpt2")  # 40 positions
    cache = DynamicCache()
    for _ in range(3):
        model(ids, past_key_values=cache)
    with pytest.raises(ValueError, match="48 tokens are more than the 40"):
        model(ids, past_key_values=cache)
    with pytest.raises(ValueError, match="truncation=True"):
        model(ids, position_ids=torch.arange(30, 42)[None])


@torch.inference_mode()
def test_longrope_goes_by_the_longest_position():
    """Short texts are turned with one set of factors, long ones with another; keys in a cache stay as they were."""
    folder = GOLDENS / "phi3" / "Model"
    model = AutoModel.from_pretrained(folder)
    assert model.config.original_max_position_embeddings == 4
    short, long = (model.rope(torch.arange(length)[None])[0][0, 0, 2] for length in (4, 5))
    assert not torch.allclose(short, long)
    assert torch.equal(short, model.rope(torch.arange(3)[None])[0][0, 0, 2])
