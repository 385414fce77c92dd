"""TrainingArguments: everything a run is told, in both generations of spelling."""

import contextlib
import json
import logging
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..errors import nearest, short
from .argument_names import CHOICES, OPTIONAL, RANGES, Spelled, check_ranges
from .distributed.arguments import ProcessArguments

logger = logging.getLogger("qkv")


@dataclass
class TrainingArguments(ProcessArguments, metaclass=Spelled):
    """What a run is told. Names, defaults and meanings are those of the field; an unknown name is a TypeError.

    Steps are steps of the optimiser. The number of them is `max_steps`, or follows from `num_train_epochs`.

    Raises: TypeError for an unknown argument, ValueError for a value that means nothing.
    """

    output_dir: str | None = "trainer_output"
    do_train: bool = False
    do_eval: bool = False
    do_predict: bool = False
    dry_run: bool = False  # train() tries each part once and prints what the run would cost

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
    weight_average: float | None = None  # decay of a running mean of the weights, which is evaluated and saved
    gradient_checkpointing: bool = False  # less memory for a forward pass more
    gradient_checkpointing_kwargs: dict[str, Any] | None = None

    eval_strategy: str = "no"
    eval_steps: float | None = None  # logging_steps if None; below 1 a part of all steps
    eval_delay: float = 0
    eval_on_start: bool = False
    prediction_loss_only: bool = False
    batch_eval_metrics: bool = False
    include_for_metrics: list[str] = field(default_factory=list)  # "inputs", "loss"
    include_inputs_for_metrics: bool = False
    eval_do_concat_batches: bool = True

    logging_strategy: str = "steps"
    logging_steps: float = 500
    logging_first_step: bool = False
    disable_tqdm: bool | None = None
    report_to: str | list[str] | None = "none"  # "tensorboard", "wandb", "mlflow", several, or "all" installed
    logging_dir: str | None = None  # of TensorBoard
    run_name: str | None = None
    include_num_input_tokens_seen: bool | str = "no"  # or "all", which is True, and "non_padding"
    log_level: str = "passive"  # as it is; or "debug", "info", "warning", "error", "critical"

    save_strategy: str = "steps"  # or "epoch", "best", "no"
    save_steps: float = 500
    save_total_limit: int | None = None
    save_only_model: bool = False
    load_best_model_at_end: bool = False
    metric_for_best_model: str | None = None
    greater_is_better: bool | None = None
    resume_from_checkpoint: str | bool | None = None
    ignore_data_skip: bool = False
    enable_jit_checkpoint: bool = False  # SIGTERM saves one before it ends the run

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
    tf32: bool | None = None  # on CUDA
    use_cpu: bool = False
    torch_compile: bool = False
    torch_compile_backend: str | None = None  # either of these two turns it on
    torch_compile_mode: str | None = None
    full_determinism: bool = False
    auto_find_batch_size: bool = False

    push_to_hub: bool = False
    hub_model_id: str | None = None
    hub_strategy: str = "every_save"
    hub_token: str | None = None
    hub_private_repo: bool | None = None  # private unless False
    hub_always_push: bool = False  # wait for what is still being sent, rather than leave a save out
    hub_revision: str | None = None

    def __post_init__(self) -> None:
        self.settle_processes()
        seen = self.include_num_input_tokens_seen
        self.include_num_input_tokens_seen = ("no", "all")[seen] if isinstance(seen, bool) else seen
        for name, values in CHOICES.items():
            self._choose(name, values)
        self.lr_scheduler_type = str(getattr(self.lr_scheduler_type, "value", self.lr_scheduler_type))
        self.optim = str(getattr(self.optim, "value", self.optim))
        if not isinstance(self.output_dir, str | os.PathLike | None):
            raise TypeError(f"output_dir={short(self.output_dir)} must be the name of a folder.")
        check_ranges(self, RANGES, OPTIONAL)
        self._read_json("lr_scheduler_kwargs")
        self._read_json("gradient_checkpointing_kwargs")
        self.lr_scheduler_kwargs = self.lr_scheduler_kwargs or {}
        self._check_precision()
        self.include_for_metrics = [*self.include_for_metrics, *["inputs"] * self.include_inputs_for_metrics]
        for name in self.include_for_metrics:
            if name not in ("inputs", "loss"):
                raise ValueError(f"include_for_metrics={short(name)} is unknown; give 'inputs', 'loss' or both.")
        self.label_names = [self.label_names] if isinstance(self.label_names, str) else self.label_names
        self.torch_compile = bool(self.torch_compile or self.torch_compile_backend or self.torch_compile_mode)
        if self.group_by_length:
            self.train_sampling_strategy = "group_by_length"
        self.eval_steps = self.eval_steps or self.logging_steps
        self._check_events()
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

    def _read_json(self, name: str) -> None:
        """A dictionary that was given as JSON, as on a command line."""
        value = getattr(self, name)
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                value = json.loads(value)
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"{name}={short(getattr(self, name))} must be a dictionary, or JSON of one.")
        setattr(self, name, value)

    def _check_events(self) -> None:
        """Raises: ValueError for events that come at no step, or a schedule that waits for evaluations."""
        for what in ("logging", "eval", "save"):
            if getattr(self, f"{what}_strategy") == "steps" and not getattr(self, f"{what}_steps"):
                raise ValueError(
                    f"{what}_steps=0 is no number of steps: give one from 1, or below 1 a part of the run, or "
                    f"{what}_strategy='no'."
                )
        if self.eval_strategy == "no" and self.lr_scheduler_type in ("reduce_lr_on_plateau", "greedy"):
            raise ValueError(
                f"lr_scheduler_type={self.lr_scheduler_type!r} follows evaluations: say eval_strategy= too."
            )

    def _check_precision(self) -> None:
        if self.fp16 and self.bf16:
            raise ValueError("fp16=True and bf16=True exclude each other; choose one.")
        half = next((name for name in ("fp16", "fp16_full_eval", "tf32") if getattr(self, name)), None)
        if half is not None and (self.use_cpu or not torch.cuda.is_available()):
            raise ValueError(f"{half}=True needs a CUDA device; on a CPU stay in float32, or try bf16=True.")
        if self.bf16_full_eval and self.fp16_full_eval:
            raise ValueError("fp16_full_eval=True and bf16_full_eval=True exclude each other; choose one.")

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
        if self.warmup_steps >= 1:
            return int(self.warmup_steps)
        return math.ceil(num_training_steps * (self.warmup_steps or self.warmup_ratio))

    def get_process_log_level(self) -> int:
        """logging's number for `log_level`; the one that holds if it is "passive"."""
        named = getattr(logging, self.log_level.upper(), None)
        return logger.getEffectiveLevel() if named is None else named

    def set_log_level(self) -> None:
        if self.log_level != "passive":
            logger.setLevel(self.get_process_log_level())

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
