"""Trainer: the loop around a model, its data and an optimiser.

    for epoch in epochs:
        for batches of one optimiser step:                      gradient_accumulation_steps of them
            loss -> backward                                    weighted, so that the step has one true loss
            clip, optimizer.step(), scheduler.step()
            log, evaluate, save                                 when the arguments, or a callback, say so

Everything that a run depends on (weights, moments, schedule, order of the data, all generators, sums of losses,
callbacks) is in a checkpoint, so a run that is resumed goes on bit for bit.
"""

import contextlib
import inspect
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..backends.cpu.library import keeping_memory
from ..backends.cpu.unpadded import unpadded
from ..errors import short
from ..models.placement import choose_device
from ..seed import set_seed
from . import checkpoint as checkpoints
from .arguments import TrainingArguments
from .callbacks import Callbacks, DefaultFlowCallback, TrainerCallback, progress_callback
from .collators import DataCollatorWithPadding, default_data_collator
from .evaluation import Evaluation
from .keeping import Keeping
from .loader import Batch, check_dataset
from .loss import count_items, head_of, loss_of, smoothed
from .planning import Planning
from .results import TrainOutput
from .state import TrainerControl, TrainerState


class Trainer(Planning, Keeping, Evaluation):
    """Train, evaluate and predict with a model.

    Args:
        model: with a head, so that it gives a loss for labels; or `model_init`, a function that makes one.
        args: TrainingArguments; their defaults if None.
        data_collator: a list of rows -> inputs; pads if there is a tokenizer, else stacks.
        train_dataset, eval_dataset: dataset[i] gives a dictionary; or an iterable of them. Several for evaluation as a
            dictionary {name: dataset}.
        processing_class (or tokenizer): saved beside the model, and pads.
        compute_loss_func: (outputs, labels, num_items_in_batch) -> loss.
        compute_metrics: EvalPrediction -> {name: number}.
        callbacks: beside those for logging, evaluating and saving, and the bar.
        optimizers: (optimizer, scheduler), each made by the arguments if None.
        preprocess_logits_for_metrics: (logits, labels) -> what is kept of them.

    Raises: TypeError or ValueError for what does not fit together.
    """

    def __init__(  # noqa: PLR0913 (the field's signature)
        self, model: Any = None, args: TrainingArguments | None = None, data_collator: Any = None,
        train_dataset: Any = None, eval_dataset: Any = None, processing_class: Any = None, model_init: Any = None,
        compute_loss_func: Any = None, compute_metrics: Any = None, callbacks: Any = None,
        optimizers: tuple[Any, Any] = (None, None), optimizer_cls_and_kwargs: Any = None,
        preprocess_logits_for_metrics: Any = None, *, tokenizer: Any = None,
    ):  # fmt: skip
        if model is None and model_init is None:
            raise ValueError("Trainer needs model=, or model_init= that makes one.")
        self.args = TrainingArguments() if args is None else args
        self.model_init = model_init
        self.model = model_init() if model is None else model
        if not isinstance(self.model, nn.Module):
            raise TypeError(f"model={short(self.model)} is no torch module; load one with AutoModelFor….")
        self.processing_class = processing_class if tokenizer is None else tokenizer
        padded = self.processing_class is not None and hasattr(self.processing_class, "pad")
        default = DataCollatorWithPadding(self.processing_class) if padded else default_data_collator
        self.data_collator = default if data_collator is None else data_collator
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.compute_loss_func, self.compute_metrics = compute_loss_func, compute_metrics
        self.preprocess_logits_for_metrics = preprocess_logits_for_metrics
        self.optimizer, self.lr_scheduler = optimizers
        self.optimizer_cls_and_kwargs = optimizer_cls_and_kwargs
        self.device = torch.device("cpu") if self.args.use_cpu else choose_device("auto")
        self.model.to(self.device)
        self.state, self.control = TrainerState(), TrainerControl()
        own = [DefaultFlowCallback(), *(callbacks or []), progress_callback(self.args.disable_tqdm)]
        self.callback_handler = Callbacks(self, own)
        set_seed(self.args.seed)
        self.callback_handler.tell("init_end")

    @property
    def tokenizer(self) -> Any:
        return self.processing_class

    def add_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        self.callback_handler.add(callback)

    def remove_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        self.callback_handler.remove(callback)

    def pop_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> TrainerCallback | None:
        return self.callback_handler.remove(callback)

    # ---------------------------------------------------------------------------------------------- the loop

    def train(self, resume_from_checkpoint: str | bool | None = None, **_: Any) -> TrainOutput:
        """Run until `max_steps` or `num_train_epochs`.

        Args:
            resume_from_checkpoint: True for the newest checkpoint in output_dir, or a checkpoint's folder.

        Returns: TrainOutput(global_step, training_loss, metrics).
        Raises: FloatingPointError if the loss is infinite or not a number; ValueError if there is nothing to resume.
        """
        args, started = self.args, time.monotonic()
        check_dataset(self.train_dataset, "train_dataset")
        if self.model_init is not None and self.state.global_step:
            set_seed(args.seed)
            self.model = self.model_init().to(self.device)
            self.optimizer = self.lr_scheduler = None
        per_epoch = self._plan()
        self.create_optimizer_and_scheduler(self.state.max_steps)
        resumed = self._resume(resume_from_checkpoint)
        first = self.state.global_step
        self.model.train()
        self.callback_handler.tell("train_begin")
        generators = None
        if resumed is not None and (resumed / "rng.json").is_file():
            generators = checkpoints.read_part(resumed, "rng")
        epoch, done = (first // per_epoch, first % per_epoch) if per_epoch else (0, first)
        with keeping_memory():
            while self.state.global_step < self.state.max_steps and not self.control.should_training_stop:
                self._epoch(epoch, done, per_epoch, generators)
                epoch, done, generators = epoch + 1, 0, None
        return self._finish(started, first)

    def _epoch(self, epoch: int, done: int, per_epoch: int, generators: Any) -> None:
        """One pass over the data, of which `done` steps were made before."""
        args, state = self.args, self.state
        self.control.should_epoch_stop = False
        self.callback_handler.tell("epoch_begin")
        batches = self._batches(epoch, done * args.gradient_accumulation_steps)
        made = done
        while step := self._taken(batches):
            if generators is not None:  # what the interrupted run would have drawn next
                checkpoints.set_rng_state(generators)
                generators = None
            self.control.new_step()
            self.callback_handler.tell("step_begin")
            self._step(step)
            made += 1
            state.global_step += 1
            state.epoch = epoch + made / per_epoch if per_epoch else float(epoch)
            self.callback_handler.tell("step_end")
            self._act()
            if self.control.should_epoch_stop or self.control.should_training_stop:
                break
        if made == done:
            raise ValueError("train_dataset gave no batch: it is empty, or smaller than a batch with drop_last.")
        if not self.control.should_training_stop or made == per_epoch:
            self.control.new_step()
            self.callback_handler.tell("epoch_end")
            self._act()

    def _taken(self, batches: Iterator[Batch]) -> list[Batch]:
        return [batch for _, batch in zip(range(self.args.gradient_accumulation_steps), batches, strict=False)]

    def _step(self, batches: list[Batch]) -> None:
        """One step of the optimiser."""
        args, inputs = self.args, [self._prepare(batch) for _, batch in batches]
        counts = [count_items(self.model, batch) for batch in inputs]
        total, loss_sum = sum(counts), torch.zeros((), device=self.device)
        for batch, count in zip(inputs, counts, strict=True):
            loss = self.training_step(self.model, batch, total)
            loss_sum += loss.detach() * (1 if self.compute_loss_func else count / total)
            (loss if self.compute_loss_func else loss * (count / total)).backward()
            if len(batches) > 1:
                self.callback_handler.tell("substep_end")
        value = float(loss_sum)
        if not math.isfinite(value):
            self._diverged(value, batches)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        limit = args.max_grad_norm if args.max_grad_norm and args.max_grad_norm > 0 else math.inf
        self._grad_norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
        self.callback_handler.tell("pre_optimizer_step")
        self.optimizer.step()
        self.callback_handler.tell("optimizer_step")
        self._learning_rate = self.lr_scheduler.get_last_lr()[0]
        if not isinstance(self.lr_scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.lr_scheduler.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.state.loss_sum += value
        if args.include_num_input_tokens_seen:
            self.state.num_input_tokens_seen += sum(batch["input_ids"].numel() for batch in inputs)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: int | None = None) -> Tensor:
        """The loss of one batch, a mean over its items."""
        takes = "num_items_in_batch" in inspect.signature(self.compute_loss).parameters
        # A loss of one's own may read the states of padding; the heads' losses do not.
        plain = self.compute_loss_func is None and type(self).compute_loss is Trainer.compute_loss
        with unpadded(plain), self._autocast():
            extra: dict[str, Any] = {"num_items_in_batch": num_items_in_batch} if takes else {}
            return self.compute_loss(model, inputs, **extra)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False,
        num_items_in_batch: int | None = None,
    ) -> Any:  # fmt: skip
        """The loss of a batch; override it for one of your own. With `return_outputs`, (loss, outputs)."""
        own = self.compute_loss_func is not None or self.args.label_smoothing_factor
        labels = inputs.get("labels")
        outputs = model(**inputs)
        if self.compute_loss_func is not None:
            loss = self.compute_loss_func(outputs, labels, num_items_in_batch=num_items_in_batch)
        elif own and labels is not None and not labels.is_floating_point():
            head = head_of(model)
            shift = head is not None and head.generates and not head.reads_labels
            loss = smoothed(outputs["logits"], labels, self.args.label_smoothing_factor, shift)
        else:
            loss = loss_of(model, outputs, inputs)
        return (loss, outputs) if return_outputs else loss

    def _autocast(self) -> Any:
        args = self.args
        if not (args.bf16 or args.fp16):
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16 if args.bf16 else torch.float16)

    def _diverged(self, value: float, batches: list[Batch]) -> None:
        rows = [row for numbers, _ in batches for row in numbers]
        last = checkpoints.get_last_checkpoint(self.args.folder)
        raise FloatingPointError(
            f"the loss is {value} at step {self.state.global_step + 1}, in rows {short(rows, 120)} of train_dataset. "
            f"This step changed no weights; {f'the last checkpoint is {last}' if last else 'there is no checkpoint'}. "
            f"Lower learning_rate, or look at these rows."
        )
