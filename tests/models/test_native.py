"""The native library gives what torch gives: for each family, instruction set, cache and mask."""

import threading

import pytest
import torch

import qkv.backends.cpu.stack as stack
from decoders import CACHES, CASES, CUTS, LENGTH, load, read
from families import IDS, tiny_config
from qkv import AutoConfig, AutoModel, AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, auto
from qkv.backends.cpu.library import isas, library, status
from qkv.backends.cpu.stack import steady
from qkv.backends.cpu.step import make_step
from qkv.backends.quantize import quantize
from qkv.layers import Layers
from qkv.models import TEXT as FAMILIES
from qkv.models.text import TextModel

pytestmark = pytest.mark.skipif(library() is None, reason=f"no native library: {status()}")
# What the library leaves to torch: Granite's block scales what it adds; OLMo-2's norms span heads. And a row that sees
# nothing, which Gemma 2 lets spread evenly: the first tokens of a text that is padded on the left.
TORCH_ALONE = ("granite", "olmo2")
# OPT has layers beside its stack, and this Phi-3 angles that depend on how long the text is.
WITHOUT_STEPS = (*TORCH_ALONE, "opt", "phi3")
# Attention that is not plain: numbers on scores, fewer keys, two halves.
UNKNOWN = ("big_bird", "deberta", "layoutlmv3", "lilt", "longformer", "mpnet")
ENCODERS = [name for name in FAMILIES if issubclass(auto.body_class(name), TextModel) and not name.startswith(UNKNOWN)]


@pytest.fixture
def runs(monkeypatch):
    """How many calls the native library has taken, and a switch to torch alone."""

    class Runs:
        taken = 0

        def torch(self, compute):
            """What `compute` gives without the library."""
            with monkeypatch.context() as patch:
                patch.setattr(Layers, "engine", None)
                return compute()

    counted = Runs()

    def run(*args):
        found = stack.run(*args)
        counted.taken += found is not None
        return found

    monkeypatch.setattr(Layers, "engine", staticmethod(run))
    return counted


@pytest.fixture(params=isas() or ["none"])
def isa(request):
    native = library()
    before = native.qkv_isa()
    assert native.qkv_use_isa(request.param.encode()) == 0
    yield request.param
    native.qkv_use_isa(before)


def close(a, b, tolerance=2e-5):
    return (a - b).abs().max() <= tolerance * max(1.0, float(b.abs().max()))


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("kind", CACHES)
@torch.inference_mode()
def test_decoders(model, ids, mask, kind, cuts, runs):
    def compute():
        return read(model, ids, mask, CACHES[kind](model.config), cuts)[mask.bool()]

    expected = runs.torch(compute)
    assert close(compute(), expected)
    if type(model).__name__.lower().startswith(TORCH_ALONE):
        assert runs.taken == 0
    elif model.config.model_type != "gemma2" or cuts[-1] == 1:
        assert runs.taken > 0


@pytest.mark.parametrize("how", [None, "int8", "int4"])
@pytest.mark.parametrize("kind", CACHES)
@torch.inference_mode()
def test_steps(model, ids, mask, kind, how, runs):
    """One call from ids to scores gives what the model does, for rows padded on the left too; or there is none."""
    torch.manual_seed(0)
    whole = AutoModelForCausalLM.from_config(model.config).eval()
    if how is not None:
        quantize(whole, how)
    cache, other = (CACHES[kind](model.config) for _ in range(2))
    whole(ids[:, :8], attention_mask=mask[:, :8], past_key_values=cache)
    step = make_step(whole, cache)
    if model.config.model_type in WITHOUT_STEPS:
        assert step is False
        return
    whole(ids[:, :8], attention_mask=mask[:, :8], past_key_values=other)
    padding = (mask == 0).sum(dim=1, keepdim=True)
    for at in range(8, LENGTH):
        given = {"attention_mask": mask[:, : at + 1], "position_ids": at - padding, "past_key_values": other}
        expected = whole(ids[:, at : at + 1], **given).logits
        assert close(step(ids[:, at], padding), expected) and cache.length == other.length
        if at == 9:  # rows in another order
            rows = torch.tensor([2, 0, 1])
            ids, mask, padding = ids[rows], mask[rows], padding[rows]
            cache.reorder_cache(rows)
            other.reorder_cache(rows)
    assert step(torch.tensor([0, 0, 10_000]), padding) is None and cache.length == other.length


@pytest.mark.parametrize("case", ["llama", "gpt2", "gemma2", "gpt_neox"])
@torch.inference_mode()
def test_each_instruction_set(case, ids, isa, runs):
    model = load(next(name for name in CASES if name.startswith(case)))

    mask = torch.ones_like(ids)

    def compute():
        return read(model, ids, mask, CACHES["dynamic"](model.config), [5, 1, 6])[mask.bool()]

    assert close(compute(), runs.torch(compute)) and runs.taken


@pytest.mark.parametrize("name", ENCODERS)
@torch.inference_mode()
def test_encoders(name, runs):
    """Padding is computed as torch does, or left out: then it is zeros, and the texts are the same."""
    model = AutoModel.from_config(tiny_config(name)).eval()
    ids = torch.cat([IDS, IDS], dim=1)[:, :7]
    mask = torch.ones_like(ids)
    mask[1, 3:] = 0

    def compute():
        return model(ids, attention_mask=mask).last_hidden_state

    expected = runs.torch(compute)
    assert close(compute(), expected) and runs.taken == 1
    with steady(padding=False):
        packed = compute()
    assert runs.taken == 2 and close(packed[mask.bool()], expected[mask.bool()])
    if name not in ("bert",):
        assert not packed[mask == 0].any()


@pytest.mark.parametrize("side", ["left", "right"])
@torch.inference_mode()
def test_windows_to_both_sides(side, runs):
    """ModernBERT's, each layer with its own; padding is left out on either side, and positions may start anywhere."""
    torch.manual_seed(0)
    config = tiny_config("modernbert", local_attention=6, global_attn_every_n_layers=2, layer_types=None)
    model = AutoModel.from_config(config).eval()
    ids, places, lengths = torch.randint(2, 50, (3, 30)), torch.arange(30), torch.tensor([[30], [17], [4]])
    mask = (places < lengths if side == "right" else places >= 30 - lengths).long()

    def compute(mask=mask):
        return model(ids, attention_mask=mask, position_ids=places[None] + 3).last_hidden_state

    expected, alone = runs.torch(compute), runs.torch(lambda: compute(None))
    assert close(compute(), expected) and close(compute(None), alone) and runs.taken == 2
    with steady(padding=False):
        packed = compute()
    assert runs.taken == 3 and close(packed[mask.bool()], expected[mask.bool()]) and not packed[mask == 0].any()
    model.layers = torch.nn.ModuleList(model.layers[:1])  # as layers are dropped
    expected = runs.torch(compute)
    assert close(compute(), expected) and runs.taken == 4
    model.windows = [4, 4]
    assert not close(compute(), expected, 1e-3)


@pytest.mark.parametrize("scale", [0.0, 0.7])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("quantised", [None, "int8"])
@torch.inference_mode()
def test_sublayers_that_are_scaled(scale, gated, quantised, isa, runs):
    """DINOv2's, whose vectors are learned."""
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(
        "dinov2", hidden_size=36, num_hidden_layers=2, num_attention_heads=3, image_size=28, patch_size=7, mlp_ratio=2,
        layerscale_value=scale, use_swiglu_ffn=gated,
    )).eval()  # fmt: skip
    for name, vector in model.named_parameters():
        if name.endswith("_scale"):
            vector.copy_(torch.randn_like(vector))
    if quantised:
        quantize(model, quantised)
    pictures = torch.randn(3, 3, 28, 28)
    expected = runs.torch(lambda: model(pictures).last_hidden_state)
    assert close(model(pictures).last_hidden_state, expected, 3e-2 if quantised else 2e-5) and runs.taken == 1


@pytest.mark.parametrize("name", ["bert", "modernbert"])
@torch.inference_mode()
def test_a_few_texts_at_once(name, runs, monkeypatch):
    """A batch that does not fit the cache of the processor is computed in parts, with and without its padding."""
    model = AutoModel.from_config(tiny_config(name)).eval()
    ids, places = torch.randint(2, 50, (5, 12)), torch.arange(12)
    mask = (places < torch.tensor([[12], [1], [7], [3], [12]])).long()

    def compute():
        return model(ids, attention_mask=mask).last_hidden_state[mask.bool()]

    expected = runs.torch(compute)
    for bytes_ in (1, 4 * 15 * 200):
        monkeypatch.setattr(stack, "PART", bytes_)
        assert close(compute(), expected)
        with steady(padding=False):
            assert close(compute(), expected)
    assert runs.taken == 4


@pytest.mark.parametrize("width", [16, 48, 80])  # heads that fill a vector, fill some, and leave a rest
@torch.inference_mode()
def test_odd_sizes_and_many_rows(width, isa, runs):
    config = GPT2Config(vocab_size=61, hidden_size=2 * width + 6, num_hidden_layers=2, num_attention_heads=2)
    model = GPT2LMHeadModel(config).eval()
    ids = torch.randint(61, (2, 45), generator=torch.Generator().manual_seed(0))
    assert close(model(ids).logits, runs.torch(lambda: model(ids).logits)) and runs.taken


@torch.inference_mode()
def test_same_tokens_either_way(runs):
    """Greedy, sampled and beam search, with rows of different lengths."""
    config = AutoConfig.for_model("llama", vocab_size=300, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
                                  num_key_value_heads=2, intermediate_size=96)  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    ids = torch.randint(3, 300, (3, 9))
    mask = (torch.arange(9) >= torch.tensor([0, 4, 7])[:, None]).long()
    for options in ({}, {"num_beams": 3}, {"do_sample": True, "top_k": 20}, {"prefill_chunk_size": 4}):

        def compute(options=options):
            torch.manual_seed(1)
            return model.generate(
                ids, attention_mask=mask, max_new_tokens=20, eos_token_id=None, pad_token_id=0, **options
            )

        before = runs.taken
        assert torch.equal(compute(), runs.torch(compute)) and runs.taken > before


@torch.inference_mode()
def test_weights_are_read_where_they_are(ids, runs):
    model = load(CASES[CASES.index("llama")] if "llama" in CASES else CASES[0])
    before = model(ids).last_hidden_state
    model.get_parameter("layers.0.mlp.down_proj.weight").mul_(3.0)
    changed = model(ids).last_hidden_state
    assert not close(changed, before) and close(changed, runs.torch(lambda: model(ids).last_hidden_state))


@torch.inference_mode()
def test_hooks_are_called(ids, runs):
    model, seen = load("llama" if "llama" in CASES else CASES[0]), []
    handle = model.get_submodule("layers.0.mlp").register_forward_hook(lambda *_: seen.append(1))
    model(ids)
    handle.remove()
    assert seen == [1] and not runs.taken
    model(ids, output_hidden_states=True)
    assert not runs.taken
    model(ids)
    assert runs.taken == 1


def test_gradients_are_torch_s(ids, runs):
    model = load("llama" if "llama" in CASES else CASES[0])
    model(ids).last_hidden_state.sum().backward()
    assert not runs.taken and all(p.grad is not None for p in model.layers.parameters())


def test_threads_share_a_model(ids):
    model = load("llama" if "llama" in CASES else CASES[0])
    texts = [ids[:, :n] for n in range(3, LENGTH)]
    with torch.inference_mode():
        expected = [model(text).last_hidden_state for text in texts]
    wrong = []

    def work(text, states):
        with torch.inference_mode():
            for _ in range(20):
                if not torch.equal(model(text).last_hidden_state, states):
                    wrong.append(text.shape)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(texts, expected, strict=True)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong
