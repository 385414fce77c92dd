"""What a decoder computes with a cache is what it computes without one: for every family, every cache, and every way of
cutting a text, with padding on the left and with windows shorter than the text."""

import json
from pathlib import Path

import pytest
import torch

from qkv import AutoConfig, AutoModel, AutoModelForCausalLM, DynamicCache, QuantizedCache, StaticCache, auto
from qkv.layers.layer_cache import WindowCache
from qkv.models.causal import CausalModel

GOLDENS = Path(__file__).parent.parent / "parity" / "goldens"
LENGTH, PADS = 12, (0, 3, 7)


def is_decoder(folder):
    config = json.loads((folder / "config.json").read_text())
    decoder = issubclass(auto.body_class(config["model_type"]), CausalModel)
    return decoder and not config.get("use_bidirectional_attention")


CASES = sorted(path.parent.name for path in GOLDENS.glob("*/Model") if is_decoder(path))
CUTS = {"by token": [1] * LENGTH, "in chunks": [5, 1, 1, 3, 2], "a token after a text": [11, 1], "at once": [LENGTH]}
CACHES = {
    "dynamic, windowed": lambda config: DynamicCache(config),
    "dynamic": lambda config: DynamicCache(),
    "dynamic with room": lambda config: DynamicCache(room=8),
    "static": lambda config: StaticCache(max_cache_len=LENGTH + 3),
}


def load(case, **fields):
    config = AutoConfig.from_pretrained(GOLDENS / case / "Model", **fields)
    if getattr(config, "original_max_position_embeddings", None) == 4:  # LongRoPE turns long texts in another way
        config.original_max_position_embeddings = 40
    return AutoModel.from_pretrained(GOLDENS / case / "Model", config=config)


@pytest.fixture(params=CASES)
def model(request):
    return load(request.param)


@pytest.fixture
def llama():
    return load("llama")


@pytest.fixture
def ids():
    return torch.randint(2, 98, (len(PADS), LENGTH), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask():
    return (torch.arange(LENGTH) >= torch.tensor(PADS)[:, None]).long()


def read(model, ids, mask, cache, cuts):
    """The hidden states of a text read in pieces."""
    states, start = [], 0
    for size in cuts:
        end = start + size
        out = model(ids[:, start:end], attention_mask=mask[:, :end], past_key_values=cache)
        assert out.past_key_values is cache and cache.get_seq_length() == end
        states.append(out.last_hidden_state)
        start = end
    return torch.cat(states, dim=1)


def width(model):
    """Numbers that a layer keeps for a token, keys and values together."""
    return 2 * next(p for name, p in torch.nn.Module.named_parameters(model) if "attn.k_proj.weight" in name).shape[0]


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("kind", CACHES)
@torch.inference_mode()
def test_cached_is_what_the_whole_text_gives(model, ids, mask, kind, cuts):
    whole = model(ids, attention_mask=mask, use_cache=False).last_hidden_state
    cached = read(model, ids, mask, CACHES[kind](model.config), cuts)
    assert ((cached - whole)[mask.bool()]).abs().max() <= 1e-5


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
    assert (read(model, ids, mask, cache, [5, 7]) - whole)[mask.bool()].abs().max() <= 1e-5


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
    assert (read(model, ids.flip(0), mask, cache, [5, 7]) - whole)[mask.bool()].abs().max() <= 1e-5


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
        rest = [llama(ids[:, i : i + 1], attention_mask=mask[:, : i + 1], past_key_values=cache)[0] for i in range(6, 12)]
    assert (torch.cat(rest, 1) - whole[:, 6:])[mask[:, 6:].bool()].abs().max() <= 1e-5


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
        assert (out[row, pads:] - alone).abs().max() <= 1e-5
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
    assert (model(ids[:, 5:], past_key_values=pairs)[0] - whole[:, 5:]).abs().max() <= 1e-5


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
