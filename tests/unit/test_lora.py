import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn

import qkv
from families import tiny_config
from qkv import AutoModelForCausalLM, AutoModelForSequenceClassification
from qkv.backends.cpu.program import Program
from qkv.backends.cpu.weights import Unsupported
from qkv.models import TEXT as FAMILIES
from qkv.training.adapters.lora import LoraConfig, PeftModel, TaskType, get_peft_model, load_adapter

GOLDENS = Path(__file__).parent.parent / "parity" / "goldens"
IDS = torch.tensor([[5, 6, 7, 8, 9], [9, 3, 2, 8, 11]])


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(7)


def bert():
    return AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")


def gpt2():
    return AutoModelForCausalLM.from_pretrained(GOLDENS / "gpt2" / "LMHeadModel")


def albert():
    """Its pooler is a linear layer that takes the first token itself."""
    return AutoModelForSequenceClassification.from_pretrained(GOLDENS / "albert" / "ForSequenceClassification")


def logits(model):
    with torch.inference_mode():
        return model.eval()(IDS).logits


def near(found, wanted):
    """Within a millionth of the largest score."""
    assert (found - wanted).abs().max() <= 1e-6 * max(1, wanted.abs().max())


def learnt(model, std=0.02):
    """As after some training: small changes everywhere."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * std)
    return model


def weights(model):
    return {name: parameter.clone() for name, parameter in model.named_parameters() if "lora_" not in name}


def test_a_fresh_adapter_changes_nothing_and_freezes_the_base():
    model, plain = bert(), logits(bert())
    found = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS))
    assert found is model and isinstance(model, PeftModel) and isinstance(model, qkv.BertForSequenceClassification)
    near(logits(model), plain)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {
        *(f"bert.encoder.layer.{i}.attention.self.{part}.lora_{x}.default.weight"
          for i in (0, 1) for part in ("query", "value") for x in "AB"),
        "classifier.modules_to_save.default.weight", "classifier.modules_to_save.default.bias",
    }  # fmt: skip
    count = 2 * 2 * (8 * 32 + 32 * 8) + 32 * 3 + 3
    assert model.get_nb_trainable_parameters() == (count, bert().num_parameters() + count)


def test_said_numbers(capsys):
    get_peft_model(gpt2(), LoraConfig(r=2)).print_trainable_parameters()
    assert "trainable params: 512 ||" in capsys.readouterr().out


def test_training_moves_the_adapter_alone(tmp_path):
    model = get_peft_model(bert(), LoraConfig(task_type="SEQ_CLS", lora_dropout=0.1, use_dora=True)).train()
    before, labels = weights(model), torch.tensor([2, 0])
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = model(IDS, labels=labels).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    frozen = [name for name in before if "modules_to_save" not in name]
    assert all(torch.equal(before[name], model.get_parameter(name)) for name in frozen)
    assert all(p.grad is not None for name, p in model.named_parameters() if p.requires_grad)

    model.save_base(tmp_path / "base")
    for name in ("model.safetensors", "config.json"):
        bert().save_pretrained(tmp_path / "plain")
        assert (tmp_path / "base" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    model.save_pretrained(tmp_path / "adapter")
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors"
    }  # fmt: skip
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size < 12_000
    trained = logits(model)
    assert torch.equal(logits(PeftModel.from_pretrained(bert(), tmp_path / "adapter")), trained)

    fresh = get_peft_model(bert(), LoraConfig(task_type="SEQ_CLS", lora_dropout=0.1, use_dora=True))
    saved = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for name, parameter in fresh.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(saved.pop(name))
    assert not saved and torch.equal(logits(fresh), trained)


@pytest.mark.parametrize("make", [bert, gpt2, albert])
@pytest.mark.parametrize("dora", [False, True])
def test_merging(make, dora):
    plain, model = make(), make()
    task = "CAUSAL_LM" if make is gpt2 else "SEQ_CLS"
    get_peft_model(model, LoraConfig(target_modules="all-linear", task_type=task, use_dora=dora))
    adapted = logits(learnt(model))
    assert (adapted - logits(plain)).abs().max() > 1e-3
    merged = model.merge_and_unload()
    assert merged is model and type(model) is type(plain) and not isinstance(model, PeftModel)
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert [type(m) for m in model.modules()] == [type(m) for m in plain.modules()]
    assert all(p.requires_grad for p in model.parameters())
    near(logits(model), adapted)


def test_without_adapters_it_is_what_it_was():
    model = gpt2()
    model.transformer.wte.weight.requires_grad_(False)
    get_peft_model(model, LoraConfig())
    learnt(model).unload()
    assert torch.equal(logits(model), logits(gpt2()))
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["transformer.wte.weight"]


def test_several_adapters(tmp_path):
    model = get_peft_model(bert(), LoraConfig(task_type="SEQ_CLS"), "one")
    plain, one = logits(bert()), logits(learnt(model))
    model.add_adapter(LoraConfig(r=2, target_modules=["query", "intermediate.dense"], use_dora=True), "two")
    assert torch.equal(logits(model), one)
    model.set_adapter("two")
    assert all(".two." in name for name, p in model.named_parameters() if p.requires_grad)
    two = logits(learnt(model))
    assert min((one - two).abs().max(), (two - plain).abs().max()) > 1e-4
    model.set_adapter(["one", "two"])
    both = logits(model)
    assert min((both - one).abs().max(), (both - two).abs().max()) > 1e-4
    with model.disable_adapter():
        near(logits(model), plain)
    model.disable_adapters()
    near(logits(model), plain)
    assert model.active_adapters == []
    model.enable_adapters()
    assert torch.equal(logits(model), both)

    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}
    again = load_adapter(bert(), tmp_path / "two", "deux")
    assert torch.equal(logits(again), two)
    again.load_adapter(tmp_path / "one", "one")
    assert again.active_adapters == ["deux"] and torch.equal(logits(again), two)
    again.set_adapter("one")
    assert torch.equal(logits(again), one)
    again.load_adapter(tmp_path / "two", "one")
    assert torch.equal(logits(again), two)

    model.set_adapter("one")
    model.delete_adapter("one")
    assert model.active_adapters == ["two"] and torch.equal(logits(model), two)
    assert not any("one" in name.split(".") for name, _ in model.named_parameters())
    with pytest.raises(ValueError, match="only adapter"):
        model.delete_adapter("two")
    with pytest.raises(ValueError, match="'two'"):
        model.set_adapter("too")
    near(logits(model.merge_and_unload()), two)


def test_merging_two():
    model = get_peft_model(gpt2(), LoraConfig(r=2), "one")
    learnt(model)
    model.add_adapter("two", LoraConfig(r=3, target_modules=["c_fc", "q_proj"]))
    model.set_adapter("two")
    learnt(model).set_adapter(["one", "two"])
    both = logits(model)
    near(logits(model.merge_and_unload(["one", "two"])), both)


def test_a_fused_layer_shares_one_matrix():
    """GPT-2's c_attn is one module for PEFT: one A, and B for all of it. By our names each part has its own."""
    model = get_peft_model(gpt2(), LoraConfig(r=2))
    names = [name for name, p in model.named_parameters() if p.requires_grad and ".h.0." in name]
    stem = "transformer.h.0.attn.c_attn"
    assert names == [
        f"{stem}.{part}.default.weight" for part in ("q_proj.lora_A", "q_proj.lora_B", "k_proj.lora_B", "v_proj.lora_B")
    ]
    model = get_peft_model(gpt2(), LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    names = [name for name, p in model.named_parameters() if p.requires_grad and ".h.0." in name]
    assert names == [f"{stem}.{x}_proj.lora_{y}.default.weight" for x in "qv" for y in "AB"]


@pytest.mark.parametrize("make", [bert, gpt2])
def test_a_state_comes_back(make):
    config = LoraConfig(target_modules="all-linear", use_dora=True, modules_to_save=["encoder.layer.0.output.LayerNorm"]
                        if make is bert else ["ln_f"])  # fmt: skip
    model = learnt(get_peft_model(make(), config))
    state = model.state_dict()
    assert state.keys() >= make().state_dict().keys()
    fresh = get_peft_model(make(), config)
    assert fresh.load_state_dict(state) == ([], [])
    assert torch.equal(logits(fresh), logits(model))
    assert torch.equal(logits(copy.deepcopy(model)), logits(model))


def test_the_native_library_leaves_adapted_layers_to_torch():
    model = gpt2()
    Program(model.backbone.layers)
    get_peft_model(model, LoraConfig(target_modules=["mlp.c_proj"])).eval()
    learnt(model, 0.3)
    with pytest.raises(Unsupported):
        Program(model.backbone.layers)
    with torch.enable_grad():
        by_torch = model(IDS).logits.detach()
    torch.testing.assert_close(logits(model), by_torch)
    model.merge_and_unload()
    Program(model.backbone.layers)


@pytest.mark.parametrize("kept", ["wte", "wpe", "ln_f", "lm_head", "ln_1"])
def test_generation_with_parts_of_their_own(kept):
    """One step of generate() is a call of the native library, which must not read what an adapter replaced."""
    model = get_peft_model(gpt2(), LoraConfig(modules_to_save=[kept])).eval()
    learnt(model, 0.3)
    found = model.generate(IDS[:1], max_new_tokens=6, do_sample=False, pad_token_id=1)
    ids = IDS[:1]
    for _ in range(found.shape[1] - ids.shape[1]):
        with torch.enable_grad():
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(found, ids)


def test_tied_weights_part_when_one_is_merged(tmp_path):
    model = gpt2()
    assert model.lm_head.weight is model.transformer.wte.weight
    get_peft_model(model, LoraConfig(modules_to_save=["lm_head"]))
    adapted = logits(learnt(model))
    merged = model.merge_and_unload()
    near(logits(merged), adapted)
    merged.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(logits(again), logits(merged)) and not again.config.tie_word_embeddings


@pytest.mark.parametrize("how", ["int8", "int4"])
def test_beside_weights_of_few_bits(how, tmp_path):
    get = AutoModelForCausalLM.from_pretrained
    plain = learnt(get_peft_model(gpt2(), LoraConfig(target_modules="all-linear", use_dora=True)), 0.2)
    plain.save_pretrained(tmp_path)
    base = get(GOLDENS / "gpt2" / "LMHeadModel", quantize=how)
    before = logits(base)
    model = load_adapter(base, tmp_path)
    plain = load_adapter(
        qkv.backends.quantize.dequantize(get(GOLDENS / "gpt2" / "LMHeadModel", quantize=how)), tmp_path
    )
    wanted = logits(plain)  # of the same weights; activations may have eight bits
    assert (logits(model) - wanted).norm() < 0.05 * wanted.norm() < 0.2 * (before - wanted).norm()
    with pytest.raises(ValueError, match="quantise"):
        model.merge_and_unload()
    assert torch.equal(logits(model.unload()), before)


@pytest.mark.parametrize("how", ["int8", "int4"])
def test_training_beside_weights_of_few_bits(how):
    get = AutoModelForCausalLM.from_pretrained
    model = get(GOLDENS / "gpt2" / "LMHeadModel", quantize=how)
    with pytest.raises(RuntimeError, match="LoraConfig"):
        model.train()(IDS)
    plain = qkv.backends.quantize.dequantize(get(GOLDENS / "gpt2" / "LMHeadModel", quantize=how))
    config, found = LoraConfig(target_modules="all-linear", init_lora_weights=False), {}
    for one in (model, plain):
        torch.manual_seed(3)
        get_peft_model(one, config).eval()(IDS, labels=IDS).loss.backward()
        found[one] = torch.cat([p.grad.flatten() for p in one.parameters() if p.requires_grad])
    # where the native library multiplies, activations have eight bits
    assert (found[model] - found[plain]).norm() < 0.1 * found[plain].norm()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = model.train()(IDS, labels=IDS).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    model.unload()
    with pytest.raises(RuntimeError, match="LoraConfig"):
        model.train()(IDS)


def test_half_precision_keeps_adapters_in_full():
    model = get_peft_model(gpt2().bfloat16(), LoraConfig(use_dora=True))
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert logits(learnt(model, 0.3)).dtype == torch.bfloat16
    model.train()(IDS, labels=IDS).loss.backward()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"target_modules": ["qeury"]}, "'query'"),
        ({"target_modules": ["q_prj"]}, "'q_proj'"),
        ({"target_modules": ["word_embeddings"]}, "modules_to_save"),
        ({"target_modules": "nothing.*"}, "all-linear"),
        ({"modules_to_save": ["clasifier"]}, "'classifier'"),
        ({"modules_to_save": ["query", "value"]}, "no projections"),
        ({"r": 0}, "rank"),
        ({"lora_dropout": 1.0}, "lora_dropout"),
        ({"bias": "all"}, "bias"),
        ({"init_lora_weights": "pissa"}, "gaussian"),
        ({"task_type": "SEQ_CLASS"}, "SEQ_CLS"),
        ({"target_modules": "(query"}, "regular expression"),
        ({"rank_pattern": {"query": 0}}, "rank"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
    ],
)
def test_what_is_wrong_is_said(fields, said):
    model = bert()
    with pytest.raises(ValueError, match=said) as error:
        get_peft_model(model, LoraConfig(**fields))
    assert len(str(error.value)) < 400
    assert not isinstance(model, PeftModel) and all(p.requires_grad for p in model.parameters())


def test_wrong_arguments():
    with pytest.raises(TypeError, match="'lora_alpha'"):
        LoraConfig(lora_aplha=3)
    with pytest.raises(TypeError, match="LoraConfig"):
        get_peft_model(bert(), {"r": 8})
    with pytest.raises(TypeError, match="from_pretrained"):
        get_peft_model(nn.Linear(2, 2), LoraConfig())
    for name in ("", "a.b", "items", "../x"):
        with pytest.raises(ValueError, match="name"):
            get_peft_model(bert(), LoraConfig(), name)
    model = get_peft_model(bert(), LoraConfig())
    with pytest.raises(ValueError, match="already"):
        get_peft_model(model, LoraConfig())
    with pytest.raises(ValueError, match="modules_to_save"):
        model.add_adapter(LoraConfig(target_modules=["key"], modules_to_save=["query"]), "two")
    assert list(model.peft_config) == ["default"]


def spoil(folder, *, weights=None, **fields):
    from safetensors.torch import load_file, save_file

    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    if weights is not None:
        save_file(weights(load_file(folder / "adapter_model.safetensors")), folder / "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"r": 4}, "shape"),
        ({"peft_type": "IA3"}, "LoRA"),
        ({"use_dora": True}, "lacks"),
        ({"target_modules": ["query", "value", "key"]}, "lacks"),
        ({"target_modules": ["query"]}, "no place"),
        ({"something_new": 3}, "something_new"),
        ({"weights": lambda state: dict(list(state.items())[1:])}, "lacks"),
        ({"weights": lambda state: {key.replace("layer.1", "layer.7"): t for key, t in state.items()}}, "no place"),
        ({"weights": lambda state: {k: t for k, t in state.items() if "classifier" not in k}}, "lacks"),
    ],
)
def test_damaged_adapters(fields, said, tmp_path):
    get_peft_model(bert(), LoraConfig(task_type="SEQ_CLS")).save_pretrained(tmp_path)
    spoil(tmp_path, **fields)
    model = bert()
    with pytest.raises(ValueError, match=said) as error:
        load_adapter(model, tmp_path)
    assert len(str(error.value)) < 400
    assert not isinstance(model, PeftModel) and torch.equal(logits(model), logits(bert()))


def test_no_adapter(tmp_path):
    with pytest.raises(OSError, match="adapter_config"):
        load_adapter(bert(), GOLDENS / "bert" / "Model")
    get_peft_model(bert(), LoraConfig()).save_pretrained(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(OSError, match="adapter_model"):
        load_adapter(bert(), tmp_path)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_family(model_type, tmp_path):
    """Defaults and all linear layers: files that come back, the same numbers, and published names alone in them."""
    config = tiny_config(model_type)
    body = qkv.auto.body_class(model_type)
    torch.manual_seed(0)
    base = body(config).eval()
    state = copy.deepcopy(base.state_dict())
    for fields in ({}, {"target_modules": "all-linear", "use_dora": True}, {"target_modules": ["q_proj", "down_proj"]}):
        torch.manual_seed(1)
        model = learnt(get_peft_model(body(copy.deepcopy(config)).eval(), LoraConfig(r=2, **fields)), 0.1)
        model.save_pretrained(tmp_path)
        model.save_base(tmp_path / "base")
        again = body.from_pretrained(tmp_path / "base")
        load_adapter(again, tmp_path)
        ours, theirs = (one.merge_and_unload().state_dict() for one in (model, again))
        assert ours.keys() == theirs.keys() == state.keys()
        changed = [key for key in ours if not torch.allclose(ours[key], state[key])]
        assert changed
        for key in ours:
            torch.testing.assert_close(ours[key], theirs[key], atol=1e-6, rtol=1e-5)
