"""TrainingArguments: every field is read, what is accepted does nothing, what is refused says what to do instead."""

import copy
import inspect
import json
import logging
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import qkv
from qkv import AutoModelForSequenceClassification, Trainer, TrainingArguments, default_data_collator
from qkv.training.argument_names import IGNORED, REFUSED, SPELLINGS
from tiny import GOLDENS
from tiny_training import rows

SOURCE = Path(qkv.__file__).parent
READ = "\n".join(path.read_text("utf8") for path in SOURCE.rglob("*.py"))
FOR_SCRIPTS = {"do_train", "do_eval", "do_predict"}  # what a script does; a Trainer is told by its methods
FIELDS = [each.name for each in fields(TrainingArguments)]


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in FOR_SCRIPTS])
def test_every_field_is_read(name):
    code = re.sub(rf"^    {name}: .*$", "", READ, flags=re.M)  # without where it is declared
    code = re.sub(r"(?ms)^(RANGES|CHOICES).*?^}", "", code)  # which numbers may be said
    code = re.sub(r'"""(?s:.*?)"""|#.*', "", code)
    assert re.search(
        rf"\b(args|self|arguments)\.{name}\b|getattr\([^)]*\"{name}\"|every\(\"{name}\"", code
    ) or re.search(rf'for name in \([^)]*"{name}"', code)


def test_no_name_is_in_two_tables():
    names = [*FIELDS, *(IGNORED.keys() - FIELDS), *REFUSED, *SPELLINGS]
    assert len(names) == len(set(names)) and set(SPELLINGS.values()) <= set(FIELDS)


# Of the reference, 4.57.6 and 5.23.0.
THEIRS = """
    output_dir overwrite_output_dir do_train do_eval do_predict eval_strategy prediction_loss_only
    per_device_train_batch_size per_device_eval_batch_size per_gpu_train_batch_size per_gpu_eval_batch_size
    gradient_accumulation_steps eval_accumulation_steps eval_delay torch_empty_cache_steps learning_rate weight_decay
    adam_beta1 adam_beta2 adam_epsilon max_grad_norm num_train_epochs max_steps lr_scheduler_type lr_scheduler_kwargs
    warmup_ratio warmup_steps log_level log_level_replica log_on_each_node logging_dir logging_strategy
    logging_first_step logging_steps logging_nan_inf_filter save_strategy save_steps save_total_limit save_safetensors
    save_on_each_node save_only_model restore_callback_states_from_checkpoint no_cuda use_cpu use_mps_device seed
    data_seed jit_mode_eval bf16 fp16 fp16_opt_level half_precision_backend bf16_full_eval fp16_full_eval tf32
    local_rank ddp_backend tpu_num_cores tpu_metrics_debug debug dataloader_drop_last eval_steps
    dataloader_num_workers dataloader_prefetch_factor past_index run_name disable_tqdm remove_unused_columns
    label_names load_best_model_at_end metric_for_best_model greater_is_better ignore_data_skip accelerator_config
    deepspeed label_smoothing_factor optim optim_args adafactor group_by_length length_column_name report_to project
    trackio_space_id ddp_find_unused_parameters ddp_bucket_cap_mb ddp_broadcast_buffers dataloader_pin_memory
    dataloader_persistent_workers skip_memory_metrics use_legacy_prediction_loop push_to_hub resume_from_checkpoint
    hub_model_id hub_strategy hub_token hub_private_repo hub_always_push hub_revision gradient_checkpointing
    gradient_checkpointing_kwargs include_inputs_for_metrics include_for_metrics eval_do_concat_batches fp16_backend
    push_to_hub_model_id push_to_hub_organization push_to_hub_token mp_parameters auto_find_batch_size
    full_determinism torchdynamo ray_scope ddp_timeout torch_compile torch_compile_backend torch_compile_mode
    include_tokens_per_second include_num_input_tokens_seen neftune_noise_alpha optim_target_modules
    batch_eval_metrics eval_on_start use_liger_kernel liger_kernel_config eval_use_gather_object
    average_tokens_across_devices activation_checkpointing activation_checkpointing_kwargs use_cache trackio_bucket_id
    trackio_static_space_id enable_jit_checkpoint dataloader_multiprocessing_context dataloader_in_order
    train_sampling_strategy ddp_static_graph
"""


def test_every_argument_of_the_field_is_known():
    known = {*FIELDS, *IGNORED, *REFUSED, *SPELLINGS}
    assert [name for name in THEIRS.split() if name not in known] == []


def test_what_is_ignored_can_be_read():
    args = TrainingArguments("out", dataloader_pin_memory=False, overwrite_output_dir=True)
    assert (args.dataloader_pin_memory, args.overwrite_output_dir, args.past_index) == (False, True, -1)
    assert all(getattr(args, name) == default for name, default in IGNORED.items() if name not in (
        "dataloader_pin_memory", "overwrite_output_dir", *FIELDS
    ))  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_to_do(name):
    nothing, instead = REFUSED[name]
    TrainingArguments("out", **{name: nothing})
    with pytest.raises(ValueError, match=f"{name}=.*not in qkv") as caught:
        TrainingArguments("out", **{name: "something"})
    assert instead in str(caught.value) and len(str(caught.value)) < 400


def test_it_is_a_dataclass_that_can_be_subclassed():
    @dataclass
    class Mine(TrainingArguments):
        extra: int = 3

        def __post_init__(self):
            super().__post_init__()
            self.extra += 1

    mine = Mine("out", extra=5, evaluation_strategy="epoch", no_cuda=True, local_rank=0)
    assert (mine.extra, mine.eval_strategy, mine.use_cpu, mine.local_rank) == (6, "epoch", True, 0)
    assert copy.deepcopy(mine) == mine and replace(mine, seed=1).seed == 1
    assert json.loads(mine.to_json_string())["extra"] == 6
    with pytest.raises(TypeError, match=r"Mine has no argument 'extr'.*'extra'"):
        Mine("out", extr=5)
    names = list(inspect.signature(TrainingArguments).parameters)
    assert names[0] == "output_dir" and "learning_rate" in names


def test_json_as_a_string_is_read():
    args = TrainingArguments("out", lr_scheduler_type="cosine_with_min_lr", lr_scheduler_kwargs='{"min_lr_rate": 0.1}')
    assert args.lr_scheduler_kwargs == {"min_lr_rate": 0.1}
    with pytest.raises(ValueError, match="lr_scheduler_kwargs.*dictionary"):
        TrainingArguments("out", lr_scheduler_kwargs="[1")


def trainer(folder, seen, **given):
    model = AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")
    data = [{**row, "input_ids": row["input_ids"][: 5 + i]} for i, row in enumerate(rows(3))] + rows(2)
    data = [{**row, "attention_mask": row["attention_mask"][: len(row["input_ids"])]} for row in data]

    def measure(found, compute_result=True):
        seen.append(found)
        return {"count": len(seen)}

    args = TrainingArguments(str(folder), per_device_eval_batch_size=1, use_cpu=True, **given)
    return Trainer(model, args, eval_dataset=data, compute_metrics=measure), data


@pytest.mark.parametrize("batches", [False, True])
def test_metrics_get_inputs_and_losses_if_asked(batches, tmp_path):
    seen, alone = [], []
    run, data = trainer(tmp_path, seen, include_for_metrics=["inputs", "loss"], batch_eval_metrics=batches)
    value = run.evaluate()["eval_loss"]
    losses = np.concatenate([found.losses for found in seen])
    assert len(seen) == (5 if batches else 1) and losses.shape == (5,) and losses.mean() == pytest.approx(value)
    for i, row in enumerate(data):
        found = seen[i].inputs[0] if batches else seen[0].inputs[i]
        length = len(row["input_ids"])
        assert found[:length].tolist() == row["input_ids"] and (found[length:] == -100).all()
    trainer(tmp_path, alone, include_inputs_for_metrics=True)[0].evaluate()
    assert len(tuple(alone[0])) == 3 and alone[0].losses is None


def test_predictions_may_stay_in_batches(tmp_path):
    joined, apart = (trainer(tmp_path, [], eval_do_concat_batches=on)[0].predict(rows(3)) for on in (True, False))
    assert isinstance(apart.predictions, list) and len(apart.predictions) == 3
    assert np.array_equal(np.concatenate(apart.predictions), joined.predictions)


@pytest.mark.parametrize("path", ["bert", "bert.encoder", "bert.embeddings", "bert.encoder.layer[0].attention"])
def test_a_published_part_is_frozen(path, tmp_path):
    """Modules of ours, and paths that lie above several of them."""
    run, _ = trainer(tmp_path, [], max_steps=1, save_strategy="no", learning_rate=0.1)
    run.train_dataset, part = rows(8), run.model
    for name in path.replace("[0]", ".0").split("."):
        part = part[0] if name == "0" else getattr(part, name)
    part.requires_grad_(False)
    prefix = path.replace("[0]", ".0") + "."
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    frozen = [name for name in before if name.startswith(prefix)]
    run.train()
    kept = [name for name, p in run.model.named_parameters() if torch.equal(p, before[name])]
    assert frozen and set(frozen) <= set(kept) and "classifier.weight" not in kept
    weights = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
    assert not any(id(dict(run.model.named_parameters())[name]) in weights for name in frozen)


def test_an_evaluation_before_the_first_step(tmp_path):
    run, data = trainer(tmp_path, [], eval_on_start=True, max_steps=1, save_strategy="no", report_to="none")
    run.train_dataset, run.data_collator = rows(8), default_data_collator
    before = run.evaluate(rows(3))["eval_loss"]
    run.eval_dataset = rows(3)
    run.train()
    found = [(log["step"], log["eval_loss"]) for log in run.state.log_history if "eval_loss" in log]
    assert found == [(0, before), (0, before)]


@pytest.mark.parametrize(("kind", "count"), [(True, 36), ("all", 36), ("non_padding", None), (False, None)])
def test_tokens_are_counted(kind, count, tmp_path):
    run, _ = trainer(tmp_path, [], include_num_input_tokens_seen=kind, max_steps=1, save_strategy="no")
    run.train_dataset, run.args.per_device_train_batch_size = rows(4), 4
    run.train()
    real = sum(sum(row["attention_mask"]) for row in rows(4))
    assert run.state.num_input_tokens_seen == (count or (real if kind else 0)) and real < 36
    assert ("num_input_tokens_seen" in run.state.log_history[-1]) == bool(kind)


def test_the_level_of_logging(tmp_path):
    logger = logging.getLogger("qkv")
    before = logger.level
    try:
        run, _ = trainer(tmp_path, [], log_level="error")
        assert logger.level == logging.ERROR == run.args.get_process_log_level()
        assert TrainingArguments("out").get_process_log_level() == logging.ERROR  # as it is
    finally:
        logger.setLevel(before)
    with pytest.raises(ValueError, match="log_level='eror'.*'error'"):
        TrainingArguments("out", log_level="eror")


def test_an_unknown_part_for_metrics_is_named():
    with pytest.raises(ValueError, match="include_for_metrics='losses'.*'loss'"):
        TrainingArguments("out", include_for_metrics=["losses"])
