"""Runs that are the same in one process and in several; as a program, in each of those that torchrun starts.

    torchrun --nproc-per-node 2 tests/processes.py FOLDER RUN [RUN ...]

leaves what each run found as FOLDER/<run>.json, with the weights as FOLDER/<run>.pt.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from qkv import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    LoraConfig,
    get_peft_model,
)
from qkv.training import state_files
from qkv.training.arguments import TrainingArguments
from qkv.training.callbacks import TrainerCallback
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_training import rows


def classifier(dropout=0.0):
    folder = GOLDENS / "bert" / "ForSequenceClassification"
    return AutoModelForSequenceClassification.from_pretrained(
        folder, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout
    )


def writer():
    return AutoModelForCausalLM.from_pretrained(
        GOLDENS / "gpt2" / "LMHeadModel", resid_pdrop=0.0, attn_pdrop=0.0, embd_pdrop=0.0
    )


def arguments(folder, batch, **given):
    """`batch` rows of all processes together in a batch. By SGD: Adam divides by a gradient's size, which of a key's
    bias is nothing but rounding."""
    size = batch // int(os.environ.get("WORLD_SIZE") or 1)
    fixed = {"optim": "sgd", "learning_rate": 0.02, "disable_tqdm": True, "use_cpu": True, "logging_steps": 1}
    fixed |= {"per_device_train_batch_size": size, "per_device_eval_batch_size": 3, "save_strategy": "no"}
    return TrainingArguments(str(folder), **fixed | given)


def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


class Streamed:
    """A metric that is told batch after batch."""

    def __init__(self):
        self.seen = []

    def __call__(self, prediction, compute_result=False):
        self.seen += prediction.label_ids.tolist()
        return {"order": float(np.dot(self.seen, np.arange(len(self.seen))))} if compute_result else {}


def found(trainer, **more):
    """Losses, norms and weights of a run."""
    keys = ("loss", "grad_norm", "eval_loss", "eval_accuracy")
    log = [{k: e[k] for k in ("step", *keys) if k in e} for e in trainer.state.log_history]
    log = [entry for entry in log if len(entry) > 1]
    return {"log": log, "tokens": trainer.state.num_input_tokens_seen, **more}, trainer.model.state_dict()


def epochs(folder):
    """An uneven last batch of 1 row, which the second process has nothing of; evaluation at the end of each epoch."""
    given = {"num_train_epochs": 3, "eval_strategy": "epoch", "include_num_input_tokens_seen": True}
    trainer = Trainer(
        classifier(), arguments(folder, 4, **given), train_dataset=rows(13), eval_dataset=rows(11, seed=1),
        compute_metrics=accuracy,
    )  # fmt: skip
    trainer.train()
    test = trainer.predict(rows(7, seed=2))
    return found(trainer, predictions=test.predictions.tolist(), labels=test.label_ids.tolist())


def accumulation(folder):
    """Rows with unequal numbers of target tokens, some without any, in steps of several batches."""
    data = rows(22, kind="words")
    for row in data[::3]:
        row["labels"] = [-100] * len(row["labels"])
    args = arguments(folder, 4, num_train_epochs=2, gradient_accumulation_steps=2, group_by_length=True)
    trainer = Trainer(writer(), args, train_dataset=data)
    trainer.train()
    return found(trainer)


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter(rows(40))


def stream(folder):
    """An iterable, and a metric that is streamed."""
    trainer = Trainer(
        classifier(), arguments(folder, 4, max_steps=5, batch_eval_metrics=True), train_dataset=Stream(),
        eval_dataset=rows(11, seed=1), compute_metrics=Streamed(),
    )  # fmt: skip
    trainer.train()
    order = trainer.evaluate()["eval_order"]
    trainer.compute_metrics = None
    return found(trainer, order=order, streamed=trainer.evaluate(Stream())["eval_loss"])


def adapters(folder):
    """LoRA: most weights are frozen; a small bucket, so that there are many; a model whose pooler is not used."""
    torch.manual_seed(0)
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = AutoModelForMaskedLM.from_pretrained(GOLDENS / "bert" / "ForMaskedLM", **none)
    model = get_peft_model(model, LoraConfig(target_modules="all-linear", r=2))
    args = arguments(folder, 4, max_steps=4, ddp_bucket_cap_mb=0.0001, learning_rate=0.1)
    trainer = Trainer(model, args, train_dataset=rows(16, kind="words"))
    trainer.train()
    log, _ = found(trainer)
    return log, {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def unused(folder):
    """Parameters that the rows of one process alone use, or of none: AdamW must not touch what nobody used."""

    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.all, self.even, self.none = (torch.nn.Linear(2, 1) for _ in range(3))

        def forward(self, x, labels):
            own = self.even(x) if bool((labels == 0).any()) else 0.0
            return {"loss": ((self.all(x) + own - labels[:, None]) ** 2).mean()}

    data = [{"x": [float(i), 1.0], "labels": float(i % 2)} for i in range(8)]
    args = arguments(
        folder, 2, max_steps=4, optim="adamw_torch", train_sampling_strategy="sequential", weight_decay=0.5
    )
    if args.world_size == 1:  # rows of 0 and of 1 apart, as two processes have them
        args.per_device_train_batch_size, args.gradient_accumulation_steps = 1, 2
    trainer = Trainer(Two(), args, train_dataset=data)
    trainer.train()
    return found(trainer)


def dropout(folder, callbacks=()):
    """Dropout, AdamW, shuffling, saved at each step: what is resumed must be this run, bit for bit."""
    given = {"num_train_epochs": 2, "save_strategy": "steps", "save_steps": 1, "optim": "adamw_torch_fused"}
    trainer = Trainer(classifier(0.1), arguments(folder, 4, **given), train_dataset=rows(13), callbacks=callbacks)
    trainer.train(resume_from_checkpoint="auto")
    return found(trainer)


def _parted(folder, make, **given):
    """Fine-tuning in which each process has a part of the model, with evaluation, the best model and checkpoints."""
    several = {} if "WORLD_SIZE" not in os.environ else given
    fixed = {"num_train_epochs": 2, "save_strategy": "epoch", "eval_strategy": "epoch", "load_best_model_at_end": True}
    fixed |= {"optim": "adamw_torch_fused", "adam_epsilon": 1e-3, "max_grad_norm": 0.5, "learning_rate": 2e-3}
    args = arguments(folder, 4, **fixed | several)
    if args.tp_size > 1:
        args.per_device_train_batch_size = 4  # which these processes have together
    kind = "classes" if make is classifier else "words"
    trainer = Trainer(make(), args, train_dataset=rows(13, kind=kind), eval_dataset=rows(7, seed=1, kind=kind))
    trainer.train(resume_from_checkpoint="auto")
    weights = trainer.processes.whole(trainer.model)
    trainer.save_model(str(folder / "saved"))
    if trainer.is_world_process_zero() and "fsdp_config" in several:  # each process has a part of them
        weights = type(make()).from_pretrained(folder / "saved").state_dict()
    test = trainer.predict(rows(5, seed=2, kind=kind)).metrics["test_loss"]
    return found(trainer, test=test)[0], trainer.model.state_dict() if weights is None else weights


def sharded(folder):
    return _parted(folder, classifier, fsdp="full_shard")


def sharded_writer(folder):
    return _parted(folder, writer, fsdp="shard_grad_op auto_wrap", gradient_checkpointing=True)


def apart(folder):
    """Each process writes files of its own."""
    return _parted(folder, classifier, fsdp="full_shard", fsdp_config={"state_dict_type": "SHARDED_STATE_DICT"})


def apart_writer(folder):
    return _parted(folder, writer, fsdp="full_shard", fsdp_config={"state_dict_type": "sharded_state_dict"})


def heads(folder):
    return _parted(folder, classifier, tp_size=2)


def heads_writer(folder):
    return _parted(folder, writer, tp_size=2, gradient_checkpointing=True)


def heads_llama(folder):
    return _parted(folder, lambda: AutoModelForCausalLM.from_pretrained(GOLDENS / "qwen3" / "ForCausalLM"), tp_size=2)


def plan(folder):
    """What tp_plan="auto" loads scores, writes and saves as the whole model."""
    model = AutoModelForCausalLM.from_pretrained(GOLDENS / "llama" / "ForCausalLM", tp_plan="auto")
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    written = model.generate(ids, max_new_tokens=8, do_sample=False)
    scores = model(ids, labels=ids)
    model.save_pretrained(folder / "saved")
    if "WORLD_SIZE" in os.environ:
        torch.distributed.barrier()
    again = AutoModelForCausalLM.from_pretrained(folder / "saved")
    log = [{"loss": scores.loss.item()}] * 4
    return {"log": log, "written": written.tolist(), "logits": scores.logits.tolist()}, again.state_dict()


RUNS = {run.__name__: run for run in (epochs, accumulation, stream, adapters, unused, dropout)}
PARTED = (sharded, sharded_writer, apart, apart_writer, heads, heads_writer, heads_llama, plan)
RUNS |= {run.__name__: run for run in PARTED}


# ------------------------------------------------------------------------------------------------ what goes wrong


class Torn(list):
    def __getitem__(self, row):
        if row == 5:
            raise OSError("row 5 is torn")
        return super().__getitem__(row)


def fails(folder):
    Trainer(classifier(), arguments(folder, 4, max_steps=8), train_dataset=Torn(rows(8))).train()


def full(folder):
    write = state_files.write_part

    def no_space(path, name, value):
        if "checkpoint-2" in path.name:
            raise OSError(28, "no space for checkpoint-2")
        write(path, name, value)

    state_files.write_part = no_space
    args = arguments(folder, 4, max_steps=4, save_strategy="steps", save_steps=1)
    Trainer(classifier(), args, train_dataset=rows(8)).train()


def hangs(folder):
    class Stuck(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if args.process_index == 0:
                time.sleep(8)

    args = arguments(folder, 4, max_steps=4, ddp_timeout=3)
    Trainer(classifier(), args, train_dataset=rows(8), callbacks=[Stuck]).train()


def poisoned(folder):
    """Row 5 alone has a loss that is no number; it is one of the second process's."""

    class Poison(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, **_):
            loss = model(**inputs).loss
            return loss * float("nan") if int(inputs["input_ids"][0, 0]) == 98 else loss

    data = rows(8)
    data[5]["input_ids"][0] = 98
    args = arguments(folder, 4, max_steps=4, train_sampling_strategy="sequential")
    if args.world_size > 1:
        args.per_device_train_batch_size = 2
    Poison(classifier(), args, train_dataset=data).train()


def misfits(folder):
    """Each error in turn, in both processes; nothing else is begun."""
    t5 = AutoModelForSeq2SeqLM.from_pretrained(GOLDENS / "t5" / "ForConditionalGeneration")
    odd = AutoModelForCausalLM.from_config(
        AutoConfig.from_pretrained(
            GOLDENS / "llama" / "ForCausalLM", num_attention_heads=3, num_key_value_heads=1, head_dim=8
        )
    )
    adapted = get_peft_model(classifier(), LoraConfig(target_modules="all-linear", r=2))
    cases = [
        (classifier(), {"tp_size": 3}), (classifier(), {"fsdp": True, "optim": "adafactor"}), (t5, {"tp_size": 2}),
        (adapted, {"fsdp": True}), (classifier(), {"fsdp": True, "tp_size": 2}), (odd, {"tp_size": 2}),
    ]  # fmt: skip
    for model, given in cases:
        try:
            Trainer(model, arguments(folder, 4, **given), train_dataset=rows(8)).train()
        except ValueError as error:
            print(error)
    return {}, {}


class Lost(TrainerCallback):
    """The second process is killed in its fourth step, if the run was not resumed."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.fresh = state.global_step == 0

    def on_step_begin(self, args, state, control, **kwargs):
        if self.fresh and state.global_step == 3 and args.process_index == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(folder):
    return dropout(folder, [Lost])


WRONG = {run.__name__: run for run in (fails, full, hangs, poisoned, misfits, killed)}


def main(folder, *names):
    for name in names:
        values, weights = (RUNS | WRONG)[name](Path(folder) / f"{name}-out")
        if int(os.environ.get("RANK") or 0) == 0:
            (Path(folder) / f"{name}.json").write_text(json.dumps(values))
            torch.save(weights, Path(folder) / f"{name}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
