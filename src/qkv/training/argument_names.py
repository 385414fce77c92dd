"""What TrainingArguments takes beside its fields: other spellings, what has no effect here, what is
refused; and which numbers."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, TypeVar

from ..errors import nearest, short

# Older names, and newer ones, of fields.
SPELLINGS = {
    "evaluation_strategy": "eval_strategy", "no_cuda": "use_cpu", "torchdynamo": "torch_compile_backend",
    "per_gpu_train_batch_size": "per_device_train_batch_size", "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "activation_checkpointing": "gradient_checkpointing", "push_to_hub_model_id": "hub_model_id",
    "activation_checkpointing_kwargs": "gradient_checkpointing_kwargs", "push_to_hub_token": "hub_token",
    "include_tokens_per_second": "include_num_input_tokens_seen",
}  # fmt: skip

# Accepted with any value, and readable with these defaults: no run has another result for them.
IGNORED: dict[str, Any] = {
    # What they choose among has one way here: nothing is deleted from a folder, weights are safetensors, a step of the
    # optimiser has one true loss over all processes, callbacks go on from their state, each batch of predictions goes
    # to the CPU at once, a loss that is NaN ends the run, with labels no cache of keys is made.
    "overwrite_output_dir": False, "save_safetensors": True, "average_tokens_across_devices": True,
    "restore_callback_states_from_checkpoint": False, "eval_accumulation_steps": None, "eval_use_gather_object": False,
    "logging_nan_inf_filter": True, "use_cache": False, "use_legacy_prediction_loop": False,
    # How fast a batch comes, or how memory is kept, and nothing else.
    "dataloader_pin_memory": True, "dataloader_persistent_workers": False, "dataloader_prefetch_factor": None,
    "dataloader_multiprocessing_context": None, "dataloader_in_order": True, "torch_empty_cache_steps": None,
    "accelerator_config": None, "ray_scope": "last", "ddp_broadcast_buffers": None, "ddp_static_graph": None,
    "ddp_find_unused_parameters": None, "local_rank": -1,
    # Devices and compilers that torch chooses by itself, or that there are no more.
    "use_mps_device": False, "half_precision_backend": "auto", "fp16_backend": "auto", "fp16_opt_level": "O1",
    "jit_mode_eval": False, "use_ipex": False, "tpu_num_cores": None, "tpu_metrics_debug": False, "mp_parameters": "",
    "liger_kernel_config": None,
    # Where logs go beside log.jsonl.
    "log_level_replica": "warning", "log_on_each_node": True, "save_on_each_node": False, "project": "huggingface",
    "trackio_space_id": None, "trackio_bucket_id": None, "trackio_static_space_id": None,
}  # fmt: skip

# Not here, whatever the value, but for the one that asks for nothing; and what to do instead.
REFUSED: dict[str, tuple[Any, str]] = {
    "use_liger_kernel": (False, "its kernels are for GPUs; there, torch_compile=True fuses the same operations"),
    "deepspeed": (None, "give DeepSpeed model and data in a loop of your own; torchrun starts several processes here"),
    "push_to_hub_organization": (None, "say hub_model_id='organization/name'"),
    "adafactor": (False, "say optim='adafactor'"),
    "past_index": (-1, "a model's states are not carried from batch to batch; no family here reads them"),
    "debug": ("", "a loss that is NaN or infinite ends every run, with its step and rows"),
    "skip_memory_metrics": (True, "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss is the peak of a process"),
    "optim_target_modules": (None, "to train few weights, get_peft_model(model, LoraConfig(target_modules=[…]))"),
}

# Fields of Seq2SeqTrainingArguments, where TrainingArguments are given them.
SEQ2SEQ = (
    "sortish_sampler", "predict_with_generate", "generation_max_length", "generation_num_beams", "generation_config",
)  # fmt: skip

CHOICES = {  # words, whose spelling is checked
    "eval_strategy": ("no", "steps", "epoch"), "logging_strategy": ("no", "steps", "epoch"),
    "save_strategy": ("no", "steps", "epoch", "best"),
    "hub_strategy": ("every_save", "end", "checkpoint", "all_checkpoints"),
    "train_sampling_strategy": ("random", "sequential", "group_by_length"),
    "log_level": ("debug", "info", "warning", "error", "critical", "passive"),
    "include_num_input_tokens_seen": ("no", "all", "non_padding"),
}  # fmt: skip
MOST = 2**63
RANGES: dict[str, tuple[type, float, float]] = {  # the least and the most that numbers may be; int: whole numbers alone
    "per_device_train_batch_size": (int, 1, MOST), "per_device_eval_batch_size": (int, 1, MOST),
    "gradient_accumulation_steps": (int, 1, MOST), "tp_size": (int, 1, MOST), "dataloader_num_workers": (int, 0, MOST),
    "num_train_epochs": (float, 0, MOST), "max_steps": (int, -MOST, MOST), "save_total_limit": (int, -MOST, MOST),
    "seed": (int, -MOST, MOST - 1), "data_seed": (int, -MOST, MOST - 1), "learning_rate": (float, 0, MOST),
    "weight_decay": (float, 0, MOST), "adam_beta1": (float, 0, 0.999999), "adam_beta2": (float, 0, 0.9999999),
    "adam_epsilon": (float, 0, MOST), "max_grad_norm": (float, -MOST, MOST), "warmup_steps": (float, 0, MOST),
    "warmup_ratio": (float, 0, 1), "label_smoothing_factor": (float, 0, 1), "logging_steps": (float, 0, MOST),
    "eval_steps": (float, 0, MOST), "save_steps": (float, 0, MOST), "eval_delay": (float, 0, MOST),
}  # fmt: skip
OPTIONAL = ("max_grad_norm", "save_total_limit", "data_seed", "eval_steps")  # numbers that may be None


def check_ranges(args: Any, ranges: Mapping[str, tuple[type, float, float]], optional: Sequence[str]) -> None:
    """Raises: ValueError for a field that is no number of its range, nor None where that is `optional`."""
    for name, (kind, least, most) in ranges.items():
        value: Any = getattr(args, name)
        if value is None and name in optional:
            continue
        if kind is int and isinstance(value, float) and value.is_integer():  # as a quotient is
            setattr(args, name, value := int(value))
        if not isinstance(value, Integral if kind is int else Real) or not least <= float(value) <= most:
            what = "a whole number" if kind is int else "a number"
            end = f" of at least {least}" if most == MOST else f" from {least} to {most}"
            raise ValueError(f"{name}={short(value)} must be {what}{end if least > -MOST or most < MOST else ''}.")


_Made = TypeVar("_Made")


class Spelled(type):
    """A class whose calls, and those of its subclasses, may say `SPELLINGS`, `IGNORED` and `REFUSED` beside fields."""

    def __call__(cls: "type[_Made]", *args: Any, **given: Any) -> "_Made":
        names = [each.name for each in fields(cls)]  # type: ignore[arg-type]
        told, beside = {}, dict(IGNORED)
        for spelling, value in given.items():
            name = SPELLINGS.get(spelling, spelling)
            if name in names:
                told[name] = value
            elif name in IGNORED:
                beside[name] = value
            elif name in REFUSED:
                asks_nothing, instead = REFUSED[name]
                if value not in (asks_nothing, None):
                    raise ValueError(f"{name}={short(value)} is not in qkv: {instead}.")
            elif name in SEQ2SEQ:
                raise TypeError(f"{name} is an argument of Seq2SeqTrainingArguments, for Seq2SeqTrainer.")
            else:
                near = nearest(spelling, [*names, *SPELLINGS])
                raise TypeError(f"{cls.__name__} has no argument {short(spelling)}; the nearest are {near}.")
        made = cls.__new__(cls)
        vars(made).update(beside | {name: nothing for name, (nothing, _) in REFUSED.items()})
        made.__init__(*args, **told)
        return made

    @property
    def __signature__(cls) -> inspect.Signature:
        signature = inspect.signature(cls.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])
