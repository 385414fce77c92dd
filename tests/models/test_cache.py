"""What a decoder computes with a cache is what it computes without one: for every family, every cache, and every way of
cutting a text, with padding on the left and with windows shorter than the text."""

import pytest
import torch

from decoders import CACHES, CUTS, LENGTH, differ, load, read, width
from qkv import DynamicCache, QuantizedCache


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("kind", CACHES)
@torch.inference_mode()
def test_cached_is_what_the_whole_text_gives(model, ids, mask, kind, cuts):
    whole = model(ids, attention_mask=mask, use_cache=False).last_hidden_state
    cached = read(model, ids, mask, CACHES[kind](model.config), cuts)
    assert differ(cached[mask.bool()], whole[mask.bool()]) <= 1e-5


@torch.inference_mode()
def test_quantized_is_close(model, ids, mask):
    whole = model(ids, attention_mask=mask, use_cache=False).last_hidden_state
    errors = {}
    for nbits in (8, 4):
        cache = QuantizedCache(nbits=nbits, residual_length=3)
        cached = read(model, ids, mask, cache, [5, 1, 1, 3, 2])
        errors[nbits] = float((cached - whole)[mask.bool()].abs().mean() / whole.abs().mean())
    assert errors[8] <= 0.03 and errors[8] < errors[4]
    cache = QuantizedCache(nbits=8, residual_length=LENGTH + 1)  # none is packed yet
    # torch reads this cache, and the native library may have read the whole: sums in another order
    assert (read(model, ids, mask, cache, [5, 7]) - whole)[mask.bool()].abs().max() <= 3e-5


@torch.inference_mode()
def test_memory_is_what_paper_says(model, ids):
    number = len(ids) * width(model) * 4
    layers, windows = model.config.num_hidden_layers, model.windows
    caches = {kind: make(model.config) for kind, make in CACHES.items()}
    for cache in caches.values():
        model(ids, past_key_values=cache)
    assert caches["dynamic"].nbytes == layers * LENGTH * number
    assert caches["static"].nbytes == layers * (LENGTH + 3) * number
    kept = sum(LENGTH if w is None else min(LENGTH, w - 1) for w in windows)
    assert caches["dynamic, windowed"].nbytes == kept * number
    for _ in range(3):
        model(ids[:, :1], past_key_values=caches["dynamic, windowed"])
    full = caches["dynamic, windowed"][windows.index(None)].nbytes if None in windows else 0
    assert LENGTH * number <= full <= 2 * LENGTH * number or full == 0
    for layer, window in zip(caches["dynamic, windowed"], windows, strict=True):
        assert window is None or layer.nbytes <= window * number
    packed = QuantizedCache(nbits=8, q_group_size=4, residual_length=1)
    model(ids, past_key_values=packed)
    assert packed.nbytes == layers * LENGTH * number * (1 + 8 / 4) / 4  # a byte each, two floats for each group of 4


@torch.inference_mode()
def test_crop(model, ids):
    other = ids.flip(1)
    cache = DynamicCache()
    model(ids, past_key_values=cache)
    for length in (7, -5):  # 7 of 12, twice
        cache.crop(length)
        assert cache.get_seq_length() == 7
        out = model(other[:, 7:], past_key_values=cache).last_hidden_state
        whole = model(torch.cat([ids[:, :7], other[:, 7:]], 1)).last_hidden_state
        assert (out - whole[:, 7:]).abs().max() <= 1e-5
    cache.crop(100)
    assert cache.get_seq_length() == LENGTH


@torch.inference_mode()
def test_a_window_that_has_moved_cannot_be_cropped(ids):
    model = load("mistral")
    cache = DynamicCache(model.config)
    model(ids[:, :3], past_key_values=cache)
    cache.crop(2)  # window 4: nothing has been forgotten yet
    assert (model(ids[:, 2:], past_key_values=cache)[0] - model(ids)[0][:, 2:]).abs().max() <= 1e-5
    with pytest.raises(ValueError, match=r"DynamicCache\(\) without a config"):
        cache.crop(5)
    with pytest.raises(ValueError, match="quantized"):
        packed = QuantizedCache()
        model(ids, past_key_values=packed)
        packed.crop(5)


@pytest.mark.parametrize("kind", [*CACHES, "quantized"])
@torch.inference_mode()
def test_rows_change_places(model, ids, mask, kind):
    make = CACHES.get(kind, lambda config: QuantizedCache(nbits=8, residual_length=4))
    next_ids, ones = ids[:, :1], torch.ones(len(ids), 1, dtype=torch.long)

    def step(rows, change):
        """The next token after the first cache was changed, beside one that read the rows in that order."""
        cache, expected = make(model.config), make(model.config)
        model(ids, attention_mask=mask, past_key_values=cache)
        change(cache)
        model(ids[rows], attention_mask=mask[rows], past_key_values=expected)
        grown = torch.cat([mask, ones], 1)[rows]
        outs = [model(next_ids[rows], attention_mask=grown, past_key_values=c)[0] for c in (cache, expected)]
        assert (outs[0] - outs[1]).abs().max() <= 1e-5

    for rows in ([2, 0, 1], [1, 1, 1], [0, 2], [0, 0, 1, 1, 2]):
        step(rows, lambda cache, rows=rows: cache.reorder_cache(torch.tensor(rows)))
    step([0, 0, 1, 1, 2, 2], lambda cache: cache.batch_repeat_interleave(2))
    step([2, 0], lambda cache: cache.batch_select_indices(torch.tensor([2, 0])))


@pytest.mark.parametrize("kind", [*CACHES, "quantized"])
@torch.inference_mode()
def test_reset(model, ids, mask, kind):
    cache = CACHES.get(kind, lambda config: QuantizedCache(nbits=8, residual_length=40))(model.config)
    read(model, ids, mask, cache, [LENGTH])
    cache.reset()
    assert cache.get_seq_length() == 0
    whole = model(ids.flip(0), attention_mask=mask, use_cache=False)[0]
    assert (read(model, ids.flip(0), mask, cache, [5, 7]) - whole)[mask.bool()].abs().max() <= 3e-5  # as above


@pytest.mark.parametrize("kind", CACHES)
def test_gradient_through_a_cache(model, ids, mask, kind):
    """The same gradients, whether a text was read at once or in three pieces."""
    model(ids, attention_mask=mask, use_cache=False)[0][:, -3:].square().mean().backward()
    expected = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    states = read(model, ids, mask, CACHES[kind](model.config), [5, 6, 1])
    states[:, -3:].square().mean().backward()
    for (name, p), grad in zip(model.named_parameters(), expected, strict=True):
        assert (p.grad - grad).abs().max() <= 1e-4 * max(1.0, float(grad.abs().max())), name


@pytest.mark.parametrize("kind", CACHES)
def test_gradient_where_only_queries_are_trained(llama, ids, mask, kind):
    llama.requires_grad_(False)
    for layer in llama.layers:
        layer.self_attn.q_proj.requires_grad_(True)
    read(llama, ids, mask, CACHES[kind](llama.config), [5, 6, 1]).square().sum().backward()
    assert all(layer.self_attn.q_proj.weight.grad.any() for layer in llama.layers)


@pytest.mark.parametrize("kind", CACHES)
def test_a_cache_filled_with_gradients_goes_on_without(llama, ids, mask, kind):
    cache = CACHES[kind](llama.config)
    whole = llama(ids, attention_mask=mask)[0]
    llama(ids[:, :6], attention_mask=mask[:, :6], past_key_values=cache)
    with torch.no_grad():
        rest = [
            llama(ids[:, i : i + 1], attention_mask=mask[:, : i + 1], past_key_values=cache)[0] for i in range(6, 12)
        ]
    assert (torch.cat(rest, 1) - whole[:, 6:])[mask[:, 6:].bool()].abs().max() <= 1e-5


@pytest.mark.parametrize("kind", CACHES)
def test_a_cache_outlives_inference_mode(llama, ids, kind):
    cache = CACHES[kind](llama.config)
    whole = llama(ids)[0]
    with torch.inference_mode():
        for start, end in ((0, 6), (6, 7), (7, 8)):
            llama(ids[:, start:end], past_key_values=cache)
    with torch.no_grad():
        assert (llama(ids[:, 8:9], past_key_values=cache)[0] - whole[:, 8:9]).abs().max() <= 1e-5
        cache.reorder_cache(torch.tensor([1, 1, 0]))
        out = llama(ids[[1, 1, 0], 9:10], past_key_values=cache)[0]
    assert (out - whole[[1, 1, 0], 9:10]).abs().max() <= 1e-5
    out = llama(ids[[1, 1, 0], 10:], past_key_values=cache)[0]
    out.sum().backward()
    assert (out - whole[[1, 1, 0], 10:]).abs().max() <= 1e-5
