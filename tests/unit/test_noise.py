"""NEFTune: noise of the size that the paper says, on token vectors, in training alone; resumed exactly."""

import shutil

import pytest
import torch

from qkv import AutoModelForCausalLM, AutoModelForSeq2SeqLM, Trainer, TrainingArguments
from qkv.training.applied import noisy
from tiny import GOLDENS
from tiny_training import rows

IDS = torch.tensor([[5, 6, 7, 0], [8, 9, 10, 11]])


def writer():
    return AutoModelForCausalLM.from_pretrained(GOLDENS / "gpt2" / "LMHeadModel")


def test_it_is_the_formula():
    model = writer().train()
    table = model.get_input_embeddings()
    plain = table(IDS)
    torch.manual_seed(4)
    with noisy(model, 5.0):
        found = table(IDS)
        torch.manual_seed(4)
        draw = torch.rand(plain.shape) * 2 - 1
        torch.testing.assert_close(found, plain + draw * 5 / (4 * plain.shape[-1]) ** 0.5)
        assert torch.equal(model.eval().get_input_embeddings()(IDS), plain)
    assert torch.equal(model.train().get_input_embeddings()(IDS), plain)


def test_gradients_go_through_it():
    model = writer().train()
    with noisy(model, 5.0):
        model(IDS, labels=IDS).loss.backward()
    assert model.get_input_embeddings().weight.grad.abs().sum() > 0


def test_encoder_and_decoder_get_it():
    model = AutoModelForSeq2SeqLM.from_pretrained(GOLDENS / "t5" / "ForConditionalGeneration").train()
    calls = []
    model.get_input_embeddings().register_forward_hook(lambda *_: calls.append(1))
    with noisy(model, 5.0):
        model(input_ids=IDS, labels=IDS)
    assert len(calls) == 2


def trained(folder, alpha, resume=None):
    args = TrainingArguments(
        str(folder), max_steps=6, save_steps=3, neftune_noise_alpha=alpha, per_device_train_batch_size=4,
        logging_steps=1, disable_tqdm=True, use_cpu=True, learning_rate=1e-3,
    )  # fmt: skip
    trainer = Trainer(writer(), args, train_dataset=rows(16, kind="words"), eval_dataset=rows(4, kind="words"))
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def test_a_run_has_it_and_ends_without_it_and_is_resumed_exactly(tmp_path):
    plain, whole = trained(tmp_path / "plain", None), trained(tmp_path / "whole", 5.0)
    losses = [[log["loss"] for log in trainer.state.log_history if "loss" in log] for trainer in (plain, whole)]
    assert len(losses[0]) == 6 and all(one != other for one, other in zip(*losses, strict=True))
    assert not whole.model.get_input_embeddings()._forward_hooks
    shutil.copytree(tmp_path / "whole" / "checkpoint-3", tmp_path / "again" / "checkpoint-3")
    again = trained(tmp_path / "again", 5.0, resume=True)
    for name, weight in whole.model.named_parameters():
        assert torch.equal(weight, dict(again.model.named_parameters())[name])


@pytest.mark.parametrize(("alpha", "model"), [(-1.0, writer()), ("5", writer()), (5.0, torch.nn.Linear(2, 2))])
def test_bad_input_is_named(alpha, model):
    with pytest.raises(ValueError, match="neftune_noise_alpha"), noisy(model, alpha):
        pass
