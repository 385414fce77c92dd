"""Optimisers by name, their groups and options; that a run goes on from saved state as if it had not stopped."""

import json
import pickle
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

import qkv
from families import IDS, tiny_config
from qkv.training.optim.adafactor import Adafactor, AdafactorSchedule
from qkv.training.optim.average import WeightAverage
from qkv.training.optim.choose import OPTIMIZERS, decay_groups, layerwise_groups, make_optimizer
from qkv.training.optim.lion import Lion
from qkv.training.optim.muon import Muon, orthogonal
from qkv.training.optim.schedules import SchedulerType, get_scheduler

NUMBERS = {
    "cosine_with_min_lr": {"min_lr_rate": 0.1},
    "cosine_warmup_with_min_lr": {"min_lr": 1e-4},
    "warmup_stable_decay": {"num_decay_steps": 3},
    "reduce_lr_on_plateau": {"patience": 0},
    "greedy": {"patience": 0, "min_lr": 1e-5, "smooth": True},
}


def arguments(optim="adamw_torch_fused", optim_args=None, **other):
    numbers = {"learning_rate": 1e-3, "weight_decay": 0.01}
    numbers |= {"adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8} | other
    return SimpleNamespace(optim=optim, optim_args=optim_args, **numbers)


def classifier(dtype=torch.float32):
    torch.manual_seed(0)
    return qkv.BertForSequenceClassification(tiny_config("bert")).to(dtype).train()


def train(model, optimizer, schedule, steps):
    for step in steps:
        torch.manual_seed(step)
        optimizer.zero_grad()
        loss = model(IDS, labels=torch.tensor([0, 2])).loss
        loss.backward()
        optimizer.step()
        schedule.step(*([loss.item()] if isinstance(schedule, ReduceLROnPlateau) else []))


def through_json(state):
    """What a file of JSON and one of tensors bring back of a state."""
    tensors = []

    def out(value):
        if isinstance(value, torch.Tensor):
            tensors.append(value.clone())
            return {"tensor": len(tensors) - 1}
        if isinstance(value, dict):
            return {"dict": [[key, out(each)] for key, each in value.items()]}
        return [out(each) for each in value] if isinstance(value, list | tuple) else value

    def back(value):
        if isinstance(value, dict):
            if "tensor" in value:
                return tensors[value["tensor"]]
            return {key: back(each) for key, each in value["dict"]}
        return [back(each) for each in value] if isinstance(value, list) else value

    return back(json.loads(json.dumps(out(state))))


def resumes(dtype, optim, optim_args, name):
    def make(model):
        optimizer = make_optimizer(model, arguments(optim, optim_args))
        return optimizer, get_scheduler(name, optimizer, 2, 10, NUMBERS.get(name))

    model = classifier(dtype)
    optimizer, schedule = make(model)
    train(model, optimizer, schedule, range(5))
    weights = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    saved = through_json(optimizer.state_dict()), through_json(schedule.state_dict())
    train(model, optimizer, schedule, range(5, 10))

    again = classifier(dtype)
    again.load_state_dict(weights)
    optimizer, schedule = make(again)
    optimizer.load_state_dict(saved[0])
    schedule.load_state_dict(saved[1])
    train(again, optimizer, schedule, range(5, 10))
    moved = [not torch.equal(tensor, weights[key]) for key, tensor in model.state_dict().items()]
    assert sum(moved) > len(moved) / 2
    return all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(
    "optim, optim_args",
    [*((name, None) for name in OPTIMIZERS), ("sgd", "momentum=0.9"), ("adafactor", "beta1=0.9,scale_parameter=true"),
     ("rmsprop", "momentum=0.5, centered=true"), ("adamw_torch", "amsgrad=true"), ("adamw_torch", "layer_decay=0.8")],
)  # fmt: skip
def test_goes_on_bit_for_bit(dtype, optim, optim_args):
    assert resumes(dtype, optim, optim_args, "linear")


@pytest.mark.parametrize("name", [kind.value for kind in SchedulerType])
def test_a_schedule_goes_on_bit_for_bit(name):
    assert resumes(torch.float32, "adamw_torch", None, name)


@pytest.mark.parametrize("name", sorted({kind.value for kind in SchedulerType} - {"reduce_lr_on_plateau"}))
def test_a_schedule_is_pickled(name):
    weights = [nn.Parameter(torch.zeros(2))]
    schedule = get_scheduler(name, torch.optim.SGD(weights, lr=0.1), 2, 10, NUMBERS.get(name))
    assert pickle.loads(pickle.dumps(schedule)).get_last_lr() == schedule.get_last_lr()


@pytest.mark.parametrize("optim", OPTIMIZERS)
def test_learns(optim):
    model = classifier()
    model.eval()
    optimizer = make_optimizer(model, arguments(optim, learning_rate={"sgd": 0.1, "adagrad": 0.03}.get(optim, 1e-3)))
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = model(IDS, labels=torch.tensor([0, 2])).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.03 and optimizer.param_groups[0]["weight_decay"] == 0.01


def test_what_adamw_is_made_of():
    model = classifier()
    args = arguments(adam_beta1=0.8, adam_beta2=0.95, adam_epsilon=1e-6)
    optimizer = make_optimizer(model, args)
    assert isinstance(optimizer, torch.optim.AdamW) and optimizer.defaults["fused"]
    assert (optimizer.defaults["betas"], optimizer.defaults["eps"]) == ((0.8, 0.95), 1e-6)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]
    plain = make_optimizer(model, arguments("adamw_torch", "beta1=0.5,eps=1e-5,weight_decay=0.2"))
    assert not plain.defaults["fused"] and plain.defaults["betas"] == (0.5, 0.999) and plain.defaults["eps"] == 1e-5
    assert [group["weight_decay"] for group in plain.param_groups] == [0.2, 0.0]


def test_where_torch_has_no_fused_step():
    """As on a device that it does not know; the same step is computed otherwise."""
    model = nn.Linear(2, 2, device="meta")
    optimizer = make_optimizer(model, arguments())
    assert not optimizer.defaults["fused"]


def test_only_what_is_trained():
    model = classifier()
    for weight in model.bert.parameters():
        weight.requires_grad = False
    groups = make_optimizer(model, arguments()).param_groups
    assert [len(group["params"]) for group in groups] == [1, 1]  # the classifier's weight and bias
    for weight in model.parameters():
        weight.requires_grad = False
    with pytest.raises(ValueError, match="nothing to train"):
        make_optimizer(model, arguments())


def test_groups_of_any_module():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.BatchNorm1d(2))
            self.norm = nn.RMSNorm(2)
            self.scale = nn.Parameter(torch.ones(1))
            self.bias_table = nn.Embedding(3, 2)

    model = Net()
    decayed, kept = decay_groups(model, 0.1)
    ids = {id(weight) for weight in decayed["params"]}
    names = [name for name, weight in model.named_parameters() if id(weight) in ids]
    assert names == ["scale", "net.0.weight", "net.2.weight"] and len(kept["params"]) == 6


def test_layerwise():
    model = classifier()
    groups = layerwise_groups(model, 1.0, 0.5, 0.01)
    rates = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    decays = {id(weight): group["weight_decay"] for group in groups for weight in group["params"]}
    named = dict(model.named_parameters())
    assert len(rates) == len(named)
    expected = {
        "bert.embeddings.word_embeddings.weight": (0.125, 0.01),
        "bert.embeddings.LayerNorm.weight": (0.125, 0.0),
        "bert.encoder.layer.0.output.dense.weight": (0.25, 0.01),
        "bert.encoder.layer.1.output.dense.bias": (0.5, 0.0),
        "bert.pooler.dense.weight": (1.0, 0.01),
        "classifier.bias": (1.0, 0.0),
    }
    assert {name: (rates[id(named[name])], decays[id(named[name])]) for name in expected} == expected
    optimizer = make_optimizer(model, arguments(optim_args="layer_decay=0.5"))
    assert {group["lr"] for group in optimizer.param_groups} == {1e-3 * 0.5**n for n in range(4)}


def test_layerwise_counts_encoder_and_decoder_each():
    model = qkv.T5ForConditionalGeneration(tiny_config("t5"))
    groups = layerwise_groups(model, 1.0, 0.5)
    rates = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    named = {name: rates[id(weight)] for name, weight in model.named_parameters()}
    for side in ("encoder", "decoder"):
        assert named[f"{side}.block.0.layer.0.SelfAttention.q.weight"] == 0.25
        assert named[f"{side}.final_layer_norm.weight"] == 1.0
    assert named["shared.weight"] == 0.125


def test_muon_has_the_matrices_of_layers():
    model = qkv.LlamaForCausalLM(tiny_config("llama"))
    groups = make_optimizer(model, arguments("muon", "momentum=0.9,ns_steps=4")).param_groups
    named = dict(nn.Module.named_parameters(model))
    matrices = {id(weight) for group in groups if group["muon"] for weight in group["params"]}
    found = {name for name, weight in named.items() if id(weight) in matrices}
    assert found == {name for name in named if ".layers." in name and name.endswith("proj.weight")}
    assert sum(len(group["params"]) for group in groups) == len(named)
    assert {(group["momentum"], group["ns_steps"]) for group in groups} == {(0.9, 4)}
    deberta = qkv.T5ForConditionalGeneration(tiny_config("t5"))  # a table of distances within a layer is no matrix
    groups = make_optimizer(deberta, arguments("muon")).param_groups
    tables = {id(part.weight) for part in deberta.modules() if isinstance(part, nn.Embedding)}
    assert not any(id(weight) in tables for group in groups if group["muon"] for weight in group["params"])


def test_orthogonal():
    torch.manual_seed(0)
    for shape in ((8, 8), (4, 12), (12, 4)):
        sizes = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert sizes.min() > 0.5 and sizes.max() < 1.3


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch 2.9 and later have a Muon to compare with")
@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_is_torchs(adjust, nesterov):
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(x) for x in torch.randn(6, 4).repeat(2, 1, 1).unbind())
    numbers = {"lr": 0.02, "weight_decay": 0.1, "nesterov": nesterov, "adjust_lr_fn": adjust}
    pair = Muon([{"params": [ours], "muon": True}], **numbers), torch.optim.Muon([theirs], **numbers)
    for _ in range(5):
        ours.grad = torch.randn(6, 4)
        theirs.grad = ours.grad.clone()
        for optimizer in pair:
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)  # theirs is in bfloat16


def test_lion():
    """Numbers worked out from algorithm 2 of the paper."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = Lion([weight], lr=0.1, betas=(0.5, 0.9), weight_decay=0.5)
    for grad in ([1.0, -1.0], [-3.0, -1.0]):
        weight.grad = torch.tensor(grad)
        optimizer.step()
    # means 0.1, -0.1 after the first step; 0.5 * 0.1 - 0.5 * 3 < 0 in the second
    torch.testing.assert_close(weight.detach(), torch.tensor([0.85 * 0.95 + 0.1, -1.8 * 0.95 + 0.1]))
    torch.testing.assert_close(optimizer.state[weight]["exp_avg"], torch.tensor([0.09 - 0.3, -0.09 - 0.1]))


def test_adafactor_schedule():
    weight = nn.Parameter(torch.ones(3))
    optimizer = Adafactor([weight])
    schedule = AdafactorSchedule(optimizer, 0.5)
    assert schedule.get_last_lr() == [0.5]
    weight.grad = torch.ones(3)
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.01])  # 0.01 at most, for weights of size 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"optim": "adamw"}, "nearest are 'adamw_torch'"),
        ({"optim": "galore_adamw_layerwise"}, "galore-torch.*'adafactor'"),
        ({"optim": "paged_adamw_32bit"}, "bitsandbytes.*'adamw_torch_fused'"),
        ({"optim_args": "beta=0.9"}, "nearest are 'beta"),
        ({"optim_args": "beta1"}, "must be a number"),
        ({"optim": "sgd", "optim_args": "nesterov=maybe"}, "true or false"),
        ({"optim": "muon", "optim_args": "adjust_lr_fn=own"}, "match_rms_adamw"),
        ({"optim_args": "layer_decay=1.5"}, "at most 1"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_optimizer(classifier(), arguments(**change))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "given, error, message",
    [
        (("cosin", 1, 2), ValueError, "nearest are 'cosine'"),
        (("linear", None, 2), ValueError, "num_warmup_steps=..."),
        (("cosine", 1), ValueError, "num_training_steps=..."),
        (("cosine", 1, 2, {"num_cycle": 2}), TypeError, "nearest are 'num_cycles'"),
        (("constant", 1, 2, {"power": 2}), TypeError, "it has none"),
        (("cosine_with_min_lr", 1, 2), ValueError, "min_lr_rate"),
        (("cosine_with_min_lr", 1, 2, {"min_lr_rate": 0.1, "min_lr": 1e-5}), ValueError, "not both"),
        (("polynomial", 1, 2, {"lr_end": 1.0}), ValueError, "below the learning rate"),
        (("warmup_stable_decay", 1, 2), ValueError, 'lr_scheduler_kwargs={"num_decay_steps'),
        (("warmup_stable_decay", 1, None, {"num_decay_steps": 2}), ValueError, "num_stable_steps"),
        (("warmup_stable_decay", 1, 9, {"num_decay_steps": 2, "decay_type": "sqrt"}), ValueError, "1-sqrt"),
        (("greedy", 1, 2, {"factor": 2.0}), ValueError, "below 1"),
        (("greedy", 1, 2, {"mode": "least"}), ValueError, "'min' or 'max'"),
        (("greedy", 1, 2, {"min_lr": [1e-3, 1e-4]}), ValueError, "2 numbers for 1 group"),
    ],
)
def test_what_a_schedule_refuses(given, error, message):
    name, *steps = given
    with pytest.raises(error, match=message) as caught:
        get_scheduler(name, torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1), *steps)
    assert len(str(caught.value)) < 400


STEPS = st.integers(0, 30)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted({kind.value for kind in SchedulerType} - {"reduce_lr_on_plateau", "greedy"})),
    warmup=STEPS,
    total=STEPS,
    step=STEPS,
)
def test_any_numbers_of_steps_give_a_rate(name, warmup, total, step):
    """Also a run shorter than its warmup, of no steps, or that goes on past its end."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    rate = get_scheduler(name, optimizer, warmup, total, NUMBERS.get(name)).lr_lambdas[0](step)
    assert 0 <= rate <= 1 and isinstance(rate, float | int)


def test_a_longer_run_is_not_held_to_the_old_length():
    """The state has no numbers of the schedule, so a run that is resumed with more steps gets the rates of those."""
    weights = [nn.Parameter(torch.zeros(1))]
    short, long = (get_scheduler("linear", torch.optim.SGD(weights, lr=1.0), 0, total) for total in (4, 8))
    short.optimizer.step()
    short.step()
    long.load_state_dict(through_json(short.state_dict()))
    long.optimizer.step()
    long.step()
    assert long.get_last_lr() == [0.75]


def test_average():
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, decay=0.5, warmup=False)
    start = model.weight.item()
    for step in range(1, 4):
        nn.init.constant_(model.weight, step)
        average.update()
    mean = start / 8 + 1 / 8 + 2 / 4 + 3 / 2
    with average.applied():
        assert model.weight.item() == pytest.approx(mean)
    assert model.weight.item() == 3
    again = WeightAverage(nn.Linear(1, 1, bias=False), decay=0.5, warmup=False)
    again.load_state_dict(through_json(average.state_dict()))
    assert again.steps == 3 and torch.equal(again.mean["weight"], average.mean["weight"])
    with pytest.raises(ValueError, match="other parameters"):
        WeightAverage(nn.Linear(1, 1)).load_state_dict(average.state_dict())
    with pytest.raises(ValueError, match="decay"):
        WeightAverage(model, decay=1.0)


def test_average_forgets_first_weights_soon():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 100.0)
    average = WeightAverage(model, decay=0.999)
    nn.init.constant_(model.weight, 1.0)
    for _ in range(20):
        average.update()
    assert average.mean["weight"].item() < 1.01
