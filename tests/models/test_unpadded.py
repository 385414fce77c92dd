"""Training without what no loss depends on gives the losses and gradients of the whole computation, for every family
and head."""

import platform

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import qkv.backends.cpu.unpadded as engine
from families import tiny_config
from qkv import auto
from qkv.backends.cpu.library import keeping_memory
from qkv.backends.cpu.unpadded import unpadded
from qkv.heads import CausalLM, MaskedLM, QuestionAnswering, TableQuestionAnswering, TokenClassifier
from qkv.layers import attend
from qkv.layers.texts import Texts
from qkv.models import TEXT as FAMILIES
from qkv.models.electra import ReplacedTokens

LENGTHS = (4, 9, 4, 2)
# Numbers on scores, attention that is cut into pieces, blocks of their own: these are computed with padding.
PADDED = {"big_bird", "deberta", "deberta-v2", "granite", "layoutlmv3", "lilt", "longformer", "mpnet"}
MODELS = [
    (family, suffix)
    for family in FAMILIES
    for suffix in ("Model", *auto.body_class(family).heads)
    if not auto.body_class(family).config_class().is_encoder_decoder
]


@pytest.fixture
def taken(monkeypatch):
    """For each stack that was called, whether it ran without padding."""
    found, run = [], engine.run

    def counted(*args):
        x = run(*args)
        found.append(x is not None)
        return x

    monkeypatch.setattr(engine, "run", counted)
    return found


def build(family, suffix="Model", **fields):
    torch.manual_seed(0)
    config = tiny_config(family, **fields)
    config.use_cache = False
    config.num_labels = 2
    body = auto.body_class(family)
    return (body if suffix == "Model" else getattr(auto.family(family), body.class_name(suffix)))(config).eval()


def batch(model, left=False):
    """Texts with padding, and targets."""
    torch.manual_seed(1)
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    mask = mask.flip(1) if left else mask
    given = {"input_ids": torch.randint(9, 50, mask.shape) * mask + 1 - mask, "attention_mask": mask}
    head = getattr(model, "head", None)
    if head is None:
        return given
    given |= {name: torch.ones(4, dtype=torch.long) for name in head.targets[:2]}
    if isinstance(head, CausalLM | MaskedLM | ReplacedTokens | TableQuestionAnswering | TokenClassifier):
        few = torch.rand(mask.shape) < 0.4  # some texts have one target, some none
        given["labels"] = torch.randint(0, 2, mask.shape).masked_fill((mask == 0) | few, -100)
    if isinstance(head, TableQuestionAnswering):
        given = {"labels": given["labels"].clamp(min=0), **{name: given[name] for name in list(given)[:2]}}
    if "global_attention_mask" in getattr(model.base_model, "extra", ()):
        given["global_attention_mask"] = mask * (torch.arange(9) < 2)
    if head.chooses:
        given |= {name: given[name].unflatten(0, (2, 2)) for name in given if given[name].dim() == 2}
        given["labels"] = given["labels"][:2]
    return given


def learn(model, given, on=True):
    """The loss, or the states of tokens, and all gradients."""
    model.zero_grad()
    with unpadded(on):
        out = model(**given)
    loss = out.get("loss")
    if loss is None:
        mask = given["attention_mask"][..., None]
        loss = (out.last_hidden_state[:, : mask.shape[1]] * mask).sin().mean()
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def same(ours, theirs):
    assert abs(ours[0] - theirs[0]) <= 1e-6 * max(1, abs(theirs[0])) and ours[1].keys() == theirs[1].keys()
    for name, grad in theirs[1].items():
        assert (ours[1][name] - grad).abs().max() <= 1e-6 * max(1, grad.abs().max()), name


@pytest.mark.parametrize(("family", "suffix"), MODELS)
def test_losses_and_gradients(family, suffix, taken):
    model = build(family, suffix)
    given = batch(model)
    padded = learn(model, given, on=False)
    assert not any(taken)
    same(learn(model, given), padded)
    reads_padding = isinstance(getattr(model, "head", None), QuestionAnswering | TableQuestionAnswering)
    assert any(taken) == (family not in PADDED and not reads_padding)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "gpt_neox", "bert", "modernbert", "nomic_bert"])
def test_padding_on_the_left_and_windows(family, taken):
    fields = {"sliding_window": 4} if family == "gemma2" else {"local_attention": 4} if family == "modernbert" else {}
    model = build(family, **fields)
    given = batch(model, left=True)
    same(learn(model, given), learn(model, given, on=False))
    assert taken == [True, False]


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_neox", "modernbert", "olmo2", "bert"])
def test_targets_of_few_tokens(family, taken):
    """Each kind of block, with angles, windows and masks of its own, where its last one makes a part of the states."""
    suffix = "ForMaskedLM" if family.endswith("bert") else "ForCausalLM"
    model = build(family, suffix, **({"sliding_window": 4} if family == "gemma2" else {}))
    for padded in (True, False):
        given = batch(model)
        given["labels"] = torch.full_like(given["labels"], -100)
        given["labels"][0, 1:3], given["labels"][1, 4], given["labels"][3, 1] = 3, 4, 5
        if not padded:
            del given["attention_mask"]
        same(learn(model, given), learn(model, given, on=False))
    assert taken == [True, False] * 2


def test_no_target_at_all():
    model = build("bert", "ForMaskedLM")
    given = batch(model)
    given["labels"].fill_(-100)
    assert learn(model, given)[0].isnan() and learn(model, given, on=False)[0].isnan()


@pytest.mark.parametrize(("suffix", "most"), [("ForSequenceClassification", 0.4), ("ForMaskedLM", 0.35)])
def test_work_that_is_left_out(suffix, most):
    """Operations of a step, forward and back: of a text only what is read goes through the last block, and the head."""
    model, counts = build("distilbert", suffix), []
    given = batch(model)
    if suffix == "ForMaskedLM":
        given["labels"][:, 1:] = -100
        given["labels"][:, 0] = 3
    for on in (True, False):
        with FlopCounterMode(display=False) as counter:
            learn(model, given, on)
        counts.append(counter.get_total_flops())
    assert counts[0] < most * counts[1]


def test_scores_are_of_what_the_loss_is_made_of():
    model = build("bert", "ForTokenClassification")
    given = batch(model)
    with unpadded():
        few = model(**given).logits
        with torch.no_grad():
            assert model(**given).logits.shape == (4, 9, 2)
    assert torch.allclose(few[0], model(**given).logits[given["labels"] != -100], atol=1e-6)


def test_dropout_of_attention_is_drawn_for_each_text_head_and_pair_of_tokens():
    """Of equal weights on ones a share is dropped and the rest raised: sums are about one, each another."""
    q, v = torch.zeros(1, 3, 128, 4), torch.ones(1, 3, 128, 4)
    torch.manual_seed(0)
    x = attend(q, q, v, Texts([(2, 32, None), (1, 64, None)]), dropout=0.25)
    assert x.shape == q.shape and torch.equal(x[..., 0], x[..., 3]) and abs(x.mean() - 1) < 0.02
    sums = x[0, :, :, 0].T.split([32, 32, 64])
    assert all(0.05 < each.std() < 0.2 and abs(each.mean() - 1) < 0.05 for each in sums)
    assert not torch.equal(sums[0], sums[1]) and not torch.equal(sums[0][:, 0], sums[0][:, 1])


def test_dropout_follows_the_seed(taken):
    model = build("distilbert").train()
    given, losses = batch(model), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(learn(model, given))
    assert all(taken) and losses[0][0] != losses[2][0]
    same(losses[0], losses[1])


@pytest.mark.parametrize("kind", ["hidden_states", "attentions"])
def test_observers_get_all_states(kind, taken):
    model = build("bert")
    given = batch(model)
    with unpadded():
        ours = model(**given, **{f"output_{kind}": True})[kind]
    theirs = model(**given, **{f"output_{kind}": True})[kind]
    assert not any(taken) and all(map(torch.equal, ours, theirs))


def test_hooks_get_texts_with_their_padding(taken):
    model, seen = build("bert"), []
    handle = model.encoder.layer[0].intermediate.dense.register_forward_hook(lambda _, __, x: seen.append(x.shape[:2]))
    learn(model, batch(model))
    assert seen == [(4, 9)] and not any(taken)
    handle.remove()
    learn(model, batch(model))
    assert taken[1:] == [True]


def test_states_of_padding_are_zeros_only_with_gradients_and_padding():
    model = build("bert")
    given = batch(model)
    empty = {**given, "attention_mask": given["attention_mask"] * torch.tensor([1, 1, 0, 1])[:, None]}
    with unpadded():
        states = model(**given).last_hidden_state
        assert torch.equal(states == 0, (given["attention_mask"] == 0)[..., None].expand_as(states))
        assert model(given["input_ids"]).last_hidden_state.all()
        assert model(**empty).last_hidden_state.all()  # a text without tokens
        with torch.no_grad():
            assert model(**given).last_hidden_state.all()
    assert model(**given).last_hidden_state.all()


def test_the_first_token_of_a_text_padded_on_the_left_is_predicted_by_padding(taken):
    model = build("gpt2", "LMHeadModel")
    given = batch(model, left=True)
    same(learn(model, given), learn(model, given, on=False))
    assert not any(taken)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library is asked to keep memory")
def test_memory_that_is_freed_is_used_again():
    """Pages that the system maps for 64 MB: each time, or within `keeping_memory` until there is room for it."""
    import resource

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(2**24)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    anew = sum(faults() for _ in range(40))
    with keeping_memory():
        assert sum(faults() for _ in range(40)) < anew / 2
