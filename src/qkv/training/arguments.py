"""TrainingArguments: everything a run is told, in both generations of spelling."""

import json
import logging
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from ..errors import nearest, short

logger = logging.getLogger("qkv")
WHEN = ("no", "steps", "epoch")
# Older names, and newer ones, of fields.
SPELLINGS = {
    "evaluation_strategy": "eval_strategy",
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "activation_checkpointing": "gradient_checkpointing",
    "push_to_hub_model_id": "hub_model_id",
    "push_to_hub_token": "hub_token",
}
# Accepted, and of no effect here: safetensors is always written, logs are always kept as JSON lines, and so on.
_IGNORED = """
    overwrite_output_dir save_safetensors logging_dir log_level log_level_replica log_on_each_node
    logging_nan_inf_filter half_precision_backend fp16_backend fp16_opt_level dataloader_pin_memory
    dataloader_persistent_workers dataloader_prefetch_factor ddp_backend ddp_find_unused_parameters
    ddp_bucket_cap_mb ddp_timeout local_rank tf32 jit_mode_eval use_ipex tpu_num_cores tpu_metrics_debug
    torchdynamo ray_scope average_tokens_across_devices skip_memory_metrics
    restore_callback_states_from_checkpoint use_mps_device accelerator_config eval_do_concat_batches
    eval_use_gather_object include_inputs_for_metrics torch_empty_cache_steps gradient_checkpointing_kwargs
    report_to project trackio_space_id mp_parameters past_index eval_accumulation_steps
    save_on_each_node liger_kernel_config debug
"""
IGNORED = frozenset(_IGNORED.split())

# Fields that are known, and not built yet: a run that asked for them would not be what was asked for.
LATER = (
    "gradient_checkpointing", "neftune_noise_alpha", "torch_compile", "bf16_full_eval", "fp16_full_eval",
    "include_for_metrics", "full_determinism", "auto_find_batch_size", "use_liger_kernel",
)  # fmt: skip


@dataclass
class TrainingArguments:
    """What a run is told. Names, defaults and meanings are those of the field; an unknown name is a TypeError.

    Steps are steps of the optimiser. The number of them is `max_steps`, or follows from `num_train_epochs`.

    Raises: TypeError for an unknown argument, ValueError for a value that means nothing.
    """

    output_dir: str | None = "trainer_output"
    do_train: bool = False
    do_eval: bool = False
    do_predict: bool = False

    per_device_train_batch_size: int = 8
    per_device_eval_batch_size: int = 8
    gradient_accumulation_steps: int = 1
    num_train_epochs: float = 3.0
    max_steps: int = -1
    seed: int = 42
    data_seed: int | None = None  # of the order of the data; `seed` if None

    learning_rate: float = 5e-5
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0  # 0 clips nothing
    optim: str = "adamw_torch_fused"
    optim_args: str | None = None
    lr_scheduler_type: str = "linear"
    lr_scheduler_kwargs: dict[str, Any] = field(default_factory=dict)
    warmup_steps: float = 0  # below 1 a part of all steps
    warmup_ratio: float = 0.0
    label_smoothing_factor: float = 0.0
    neftune_noise_alpha: float | None = None
    gradient_checkpointing: bool = False

    eval_strategy: str = "no"
    eval_steps: float | None = None  # logging_steps if None; below 1 a part of all steps
    eval_delay: float = 0
    eval_on_start: bool = False
    prediction_loss_only: bool = False
    batch_eval_metrics: bool = False
    include_for_metrics: list[str] = field(default_factory=list)

    logging_strategy: str = "steps"
    logging_steps: float = 500
    logging_first_step: bool = False
    disable_tqdm: bool | None = None
    run_name: str | None = None
    include_num_input_tokens_seen: bool = False

    save_strategy: str = "steps"  # or "epoch", "best", "no"
    save_steps: float = 500
    save_total_limit: int | None = None
    save_only_model: bool = False
    load_best_model_at_end: bool = False
    metric_for_best_model: str | None = None
    greater_is_better: bool | None = None
    resume_from_checkpoint: str | bool | None = None
    ignore_data_skip: bool = False

    dataloader_num_workers: int = 0
    dataloader_drop_last: bool = False
    remove_unused_columns: bool = True
    label_names: list[str] | None = None
    group_by_length: bool = False
    train_sampling_strategy: str = "random"  # or "sequential", "group_by_length"
    length_column_name: str = "length"

    bf16: bool = False
    fp16: bool = False
    bf16_full_eval: bool = False
    fp16_full_eval: bool = False
    use_cpu: bool = False
    torch_compile: bool = False
    full_determinism: bool = False
    auto_find_batch_size: bool = False
    use_liger_kernel: bool = False

    push_to_hub: bool = False
    hub_model_id: str | None = None
    hub_strategy: str = "every_save"
    hub_token: str | None = None
    hub_private_repo: bool | None = None

    def __init__(self, output_dir: str | None = "trainer_output", **given: Any):
        known = {each.name: each for each in fields(self)}
        for name, each in known.items():
            default = each.default_factory() if callable(each.default_factory) else each.default
            setattr(self, name, default)
        self.output_dir = output_dir
        for spelling, value in given.items():
            name = SPELLINGS.get(spelling, spelling)
            if name in known:
                setattr(self, name, value)
            elif name not in IGNORED:
                near = nearest(name, [*known, *SPELLINGS])
                raise TypeError(f"TrainingArguments has no argument {short(spelling)}; the nearest are {near}.")
        if given.get("report_to") not in (None, "none", "all", [], ["none"]):
            logger.warning(
                "report_to=%s: qkv does not report there yet; %s has every log. Pass report_to='none' to end this.",
                short(given["report_to"]), f"{self.output_dir}/log.jsonl",
            )  # fmt: skip
        self._settle()

    def _settle(self) -> None:
        self._choose("eval_strategy", WHEN)
        self._choose("logging_strategy", WHEN)
        self._choose("save_strategy", (*WHEN, "best"))
        self._choose("train_sampling_strategy", ("random", "sequential", "group_by_length"))
        self.lr_scheduler_type = str(getattr(self.lr_scheduler_type, "value", self.lr_scheduler_type))
        self.optim = str(getattr(self.optim, "value", self.optim))
        for name in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={short(value)} must be a number of at least 1.")
        later = next((name for name in LATER if getattr(self, name)), None)
        if later is not None:
            raise ValueError(f"{later}={short(getattr(self, later))} is not in qkv yet. Leave it out.")
        if self.fp16 and self.bf16:
            raise ValueError("fp16=True and bf16=True exclude each other; choose one.")
        if self.group_by_length:
            self.train_sampling_strategy = "group_by_length"
        self.eval_steps = self.logging_steps if self.eval_steps is None else self.eval_steps
        if self.fp16 and (self.use_cpu or not torch.cuda.is_available()):
            raise ValueError("fp16=True needs a CUDA device; on a CPU train in float32, or with bf16=True.")
        if self.load_best_model_at_end:
            self._check_best()
        if self.metric_for_best_model is None and (self.load_best_model_at_end or self.save_strategy == "best"):
            self.metric_for_best_model = "loss"
        if self.greater_is_better is None and self.metric_for_best_model is not None:
            self.greater_is_better = not self.metric_for_best_model.endswith("loss")

    def _choose(self, name: str, values: tuple[str, ...]) -> None:
        given = getattr(self, name)
        value = str(getattr(given, "value", given)).lower()
        if value not in values:
            raise ValueError(f"{name}={short(value)} is unknown; the nearest are {nearest(value, values)}.")
        setattr(self, name, value)

    def _check_best(self) -> None:
        """Raises: ValueError if there would be evaluations without a checkpoint to go back to."""
        if self.eval_strategy == "no" or self.save_strategy not in (self.eval_strategy, "best"):
            raise ValueError(
                f"load_best_model_at_end=True needs a checkpoint of each evaluation: make eval_strategy "
                f"({self.eval_strategy}) and save_strategy ({self.save_strategy}) the same, 'steps' or 'epoch'."
            )
        each, saved = self.eval_steps or 1, self.save_steps
        if self.eval_strategy == self.save_strategy == "steps" and saved % each:
            raise ValueError(
                f"load_best_model_at_end=True: save_steps={saved} must be a multiple of {each} eval_steps."
            )

    # ---------------------------------------------------------------------------------------------- what follows

    @property
    def train_batch_size(self) -> int:
        return self.per_device_train_batch_size

    @property
    def eval_batch_size(self) -> int:
        return self.per_device_eval_batch_size

    def get_warmup_steps(self, num_training_steps: int) -> int:
        given = self.warmup_steps or self.warmup_ratio
        return int(given) if given >= 1 else math.ceil(num_training_steps * given)

    def every(self, name: str, total: int) -> int:
        """logging_steps, eval_steps or save_steps as a number of steps, of `total`."""
        value = getattr(self, name)
        return max(int(value), 1) if value >= 1 else max(math.ceil(total * value), 1)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, without the token of the Hub."""
        return {name: value for name, value in asdict(self).items() if name != "hub_token"}

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2, default=str)

    @property
    def folder(self) -> Path:
        return Path(self.output_dir or "trainer_output")
