"""Recomputation: the same losses and gradients bit for bit, less kept, for every family; off where it would do harm."""

import contextlib
import json

import pytest
import torch

import qkv
from qkv import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    LoraConfig,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    auto,
    get_peft_model,
)
from qkv.backends.cpu.unpadded import unpadded
from qkv.layers import Layers
from tiny import GOLDENS
from tiny_training import rows

HEADS = ("ForConditionalGeneration", "ForSequenceClassification", "LMHeadModel", "ForCausalLM", "ForQuestionAnswering")
FOUND = {
    family.name: [head for head in HEADS if (family / head / "config.json").is_file()] for family in GOLDENS.iterdir()
}
FAMILIES = sorted(family for family, heads in FOUND.items() if heads and "-by-" not in family)


def model_of(family):
    """A family's model with the first of these heads, with dropout everywhere."""
    folder = GOLDENS / family / FOUND[family][0]
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    config = auto.AutoConfig.from_pretrained(folder)
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout"):
        setattr(config, name, 0.1)
    torch.manual_seed(1)
    return getattr(qkv, architecture)(config).train()


def batch_of(model):
    words = "labels" in model.head.targets and model.head.generates
    data = rows(4, kind="words" if words else "classes")
    batch = {key: torch.tensor([row[key] for row in data]) for key in data[0]}
    if "start_positions" in model.head.targets:
        del batch["labels"]
        batch |= {"start_positions": torch.tensor([1] * 4), "end_positions": torch.tensor([1] * 4)}
    return batch


def run(model, batch, seed=3):
    """Loss, gradients and the generator's state after a step."""
    torch.manual_seed(seed)
    model.zero_grad()
    with unpadded():
        loss = model(**batch).loss
    loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return float(loss.detach()), grads, torch.get_rng_state()


def same(one, other):
    assert one[0] == other[0] and one[1].keys() == other[1].keys()
    for name, grad in one[1].items():
        assert torch.equal(grad, other[1][name]), name
    assert torch.equal(one[2], other[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_are_the_same_and_blocks_run_twice(family, monkeypatch):
    model = model_of(family)
    batch, calls = batch_of(model), []
    stack = next(module for module in model.modules() if isinstance(module, Layers))
    kind = type(next(iter(stack.blocks)))
    forward = kind.forward
    monkeypatch.setattr(kind, "forward", lambda self, *given: calls.append(1) or forward(self, *given))
    plain, once = run(model, batch), len(calls)
    model.gradient_checkpointing_enable()
    same(run(model, batch), plain)
    assert once > 0 and len(calls) == 3 * once
    model.gradient_checkpointing_disable()
    same(run(model, batch), plain)
    assert len(calls) == 4 * once


def classifier(**given):
    return AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification", **given)


def writer():
    return AutoModelForCausalLM.from_pretrained(GOLDENS / "llama" / "ForCausalLM", attention_dropout=0.1)


def kept_bytes(model, batch):
    """What is kept for gradients, beside the weights and what enters a block."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor):
        memory = tensor.untyped_storage()
        if memory.data_ptr() not in weights:
            kept[memory.data_ptr()] = (memory.nbytes(), tensor)  # alive, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model.train()(**batch).loss
    loss.backward()
    return sum(size for size, _ in kept.values())


def test_less_is_kept():
    model = classifier(num_hidden_layers=2)
    batch = batch_of(model)
    plain = kept_bytes(model, batch)
    model.gradient_checkpointing_enable()
    again = kept_bytes(model, batch)
    inputs = len(model.bert.encoder.layer) * batch["input_ids"].numel() * model.config.hidden_size * 4
    assert again + inputs < plain / 3


def test_adapters_over_frozen_weights(monkeypatch):
    """No gradient goes into the first block: what is in it has one all the same."""
    model = get_peft_model(
        classifier(), LoraConfig(task_type="SEQ_CLS", r=2, lora_dropout=0.1, init_lora_weights=False)
    )
    batch = batch_of(model)
    plain = run(model.train(), batch)
    model.gradient_checkpointing_enable({"use_reentrant": True})
    same(run(model, batch), plain)
    assert model.is_gradient_checkpointing and any("layer.0." in name and "lora_A" in name for name in plain[1])


def test_not_where_it_would_do_harm():
    model = writer()
    batch = {"input_ids": torch.tensor([[5, 6, 7, 8]])}
    expected = model.eval()(**batch)
    model.gradient_checkpointing_enable()
    with torch.no_grad():
        out = model.train()(**batch)  # no gradients: a cache as ever
    assert out.past_key_values.length == 4
    assert torch.equal(model.eval()(**batch).logits, expected.logits)
    model.train()
    assert model(**batch).past_key_values is None
    kept = model(**batch, use_cache=True)
    kept.logits.sum().backward()  # would have filled it twice
    assert kept.past_key_values.length == 4
    model(**batch, output_attentions=True).logits.sum().backward()


def test_what_is_kept_may_be_chosen_and_names_are_checked():
    model = classifier().train()
    batch = batch_of(model)
    plain = run(model, batch)
    kept = []

    def context():
        kept.append(1)
        return contextlib.nullcontext(), contextlib.nullcontext()

    model.gradient_checkpointing_enable({"context_fn": context})
    same(run(model, batch), plain)
    assert kept
    with pytest.raises(ValueError, match="use_reentrant"):
        model.gradient_checkpointing_enable({"reentrant": False})
    with pytest.raises(ValueError, match="no stack of blocks"):
        qkv.PreTrainedModel(model.config).gradient_checkpointing_enable()


def test_input_gradients():
    model = classifier().train()
    model.requires_grad_(False)
    model.enable_input_require_grads()
    assert model(torch.tensor([[5, 6]])).logits.requires_grad
    model.disable_input_require_grads()
    assert not model(torch.tensor([[5, 6]])).logits.requires_grad


class Watch(TrainerCallback):
    def __init__(self):
        self.on = []

    def on_step_end(self, args, state, control, model=None, **kwargs):
        self.on.append(model.is_gradient_checkpointing)


@pytest.mark.parametrize("make", [classifier, writer])
def test_training_with_it_is_training_without(make, tmp_path):
    kind = "classes" if make is classifier else "words"
    found = []
    for on in (False, True):
        args = TrainingArguments(
            str(tmp_path / str(on)), max_steps=4, gradient_checkpointing=on, learning_rate=1e-3, logging_steps=1,
            per_device_train_batch_size=4, gradient_accumulation_steps=2, disable_tqdm=True, use_cpu=True,
            eval_strategy="steps", save_strategy="no",
        )  # fmt: skip
        model, watch, data = make(), Watch(), {"train_dataset": rows(16, kind=kind), "eval_dataset": rows(4, kind=kind)}
        trainer = Trainer(model, args, callbacks=[watch], **data)
        trainer.train()
        losses = [log.get("loss", log.get("eval_loss")) for log in trainer.state.log_history]
        found.append((losses, dict(model.named_parameters())))
        assert watch.on == [on] * 4 and not model.is_gradient_checkpointing
    assert found[0][0] == found[1][0] and len(found[0][0]) == 9
    assert all(torch.equal(p, found[1][1][name]) for name, p in found[0][1].items())


def test_a_model_that_cannot_is_named(tmp_path):
    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.out = torch.nn.Linear(2, 2)

        def forward(self, x, labels):
            return {"loss": torch.nn.functional.cross_entropy(self.out(x), labels)}

    args = TrainingArguments(str(tmp_path), gradient_checkpointing=True, use_cpu=True, max_steps=1)
    data = [{"x": [1.0, 2.0], "labels": 1}] * 4
    with pytest.raises(ValueError, match="Plain.*gradient_checkpointing"):
        Trainer(Plain(), args, train_dataset=data).train()
