"""Trainer: the loop around a model, its data and an optimiser.

    for epoch in epochs:
        for batches of one optimiser step:                      gradient_accumulation_steps of them
            loss -> backward                                    weighted, so that the step has one true loss
            clip, optimizer.step(), scheduler.step()
            log, evaluate, save                                 when the arguments, or a callback, say so

Everything that a run depends on (weights, moments, schedule, order of the data, all generators, sums of losses,
callbacks) is in a checkpoint, so a run that is resumed goes on bit for bit.
"""

import math
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import nn

from ..backends.cpu.library import keeping_memory
from ..errors import short
from ..models.placement import choose_device
from ..seed import set_seed
from .applied import applied
from .arguments import TrainingArguments
from .batch_size import TooLarge, watching
from .callbacks import CallbackHandler, Called
from .data.collators import DataCollatorWithPadding, default_data_collator
from .data.loader import NO_BATCH, Batch
from .distributed.group import join
from .distributed.processes import parameters_of
from .evaluation import Evaluation
from .hooks import Hooks
from .loss import Losses, count_items, count_tokens
from .optim.average import averaged_from
from .precision import Precision
from .pushing import Pushing
from .reporting.progress import with_own
from .results import TrainOutput
from .resuming import Resuming
from .saving import Saving
from .state import TrainerControl
from .stopping import diverged, interruptible
from .tuning.dry_run import dry_run, only_tried
from .tuning.lr_find import lr_find
from .tuning.search import hyperparameter_search


class Trainer(Called, Resuming, Saving, Pushing, Evaluation, Losses, Hooks):
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
        if model_init is not None and any(each is not None for each in optimizers):
            raise ValueError("optimizers= are of one model, and model_init makes others: leave one of them out.")
        self.args = TrainingArguments() if args is None else args
        if not isinstance(self.args, TrainingArguments):
            raise TypeError(f"args={short(args)} is no TrainingArguments; give TrainingArguments(output_dir, …).")
        self.processes = join(self.args, model)
        self.args.set_log_level()
        set_seed(self.args.seed)
        self.model_init = model_init
        self.model = self.call_model_init() if model is None else model
        if not isinstance(self.model, nn.Module):
            raise TypeError(f"model={short(self.model)} is no torch module; load one with AutoModelFor….")
        self.processing_class = processing_class if tokenizer is None else tokenizer
        padded = self.processing_class is not None and hasattr(self.processing_class, "pad")
        default = DataCollatorWithPadding(self.processing_class) if padded else default_data_collator
        self.data_collator = default if data_collator is None else data_collator
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.compute_loss_func, self.compute_metrics = compute_loss_func, compute_metrics
        self.preprocess_logits_for_metrics = preprocess_logits_for_metrics
        if not isinstance(optimizers, tuple | list) or len(optimizers) != 2:
            raise TypeError(f"optimizers={short(optimizers)} is no pair; give (optimizer, scheduler), each or None.")
        self.optimizer, self.lr_scheduler = self._given = tuple(optimizers)
        self.optimizer_cls_and_kwargs = optimizer_cls_and_kwargs
        self.device = torch.device("cpu") if self.args.use_cpu else choose_device("auto")
        self.model.to(self.device)
        self.precision, self.average = Precision(self.args, self.device), None
        self.state, self.control, self.terminated = self._new_state(), TrainerControl(), False
        self.told: set[str] = set()  # data sets whose dropped columns were said
        self.callback_handler = CallbackHandler(self, with_own(callbacks or [], self.args))
        self.callback_handler.tell("init_end")

    @property
    def tokenizer(self) -> Any:
        return self.processing_class

    lr_find, dry_run, hyperparameter_search = lr_find, dry_run, hyperparameter_search

    # ---------------------------------------------------------------------------------------------- the loop

    def train(self, resume_from_checkpoint: str | bool | None = None, **_: Any) -> TrainOutput:
        """Run until `max_steps` or `num_train_epochs`.

        Args:
            resume_from_checkpoint: True for the newest whole checkpoint in output_dir, "auto" for the same if there is
                one, or a checkpoint's folder, also one that the reference library wrote.

        Returns: TrainOutput(global_step, training_loss, metrics).
        Raises: FloatingPointError if the loss is infinite or not a number; ValueError if there is nothing to resume, or
            it does not fit; OSError for a checkpoint that is damaged, or cannot be saved.
        """
        args, started = self.args, time.monotonic()
        self._find_data()
        if args.dry_run:
            return only_tried(self)
        if self.state.global_step:  # it was called before
            if self.model_init is not None:
                set_seed(args.seed)
                self.model = self.call_model_init().to(self.device)
            self.optimizer, self.lr_scheduler = self._given
        self.model.zero_grad(set_to_none=True)  # a step that was interrupted leaves gradients
        resumed = self._find(resume_from_checkpoint)
        self._plan()
        self._resume(resumed)
        self.create_optimizer_and_scheduler(self.state.max_steps)
        generators, first = self._restore(resumed), self.state.global_step
        self.average, self._log_anew = averaged_from(self, resumed), True
        self.model.train()
        self.callback_handler.tell("train_begin")
        with keeping_memory(), self.processes.watched(), interruptible(self), applied(self.model, args):
            if args.eval_on_start and not first:
                self.evaluate()
            while self._goes_on():
                try:
                    self._epoch(generators)
                    generators = None
                except TooLarge as error:
                    generators = self._fit(error)
        return self._finish(started, first)

    def _epoch(self, generators: Any) -> None:
        """One pass over the data, or the rest of one; `generators` as they were where it was interrupted."""
        state, made, per_epoch = self.state, self._made(), self.steps_per_epoch
        self.control.should_epoch_stop = False
        batches = self._begin_epoch(generators)
        while step := self._taken(batches):
            self.control.new_step()
            self.callback_handler.tell("step_begin")
            self._remember()
            self._step(step)
            made += 1
            state.global_step += 1
            state.rows_done += sum(len(rows) for rows, _ in step)
            state.epoch = state.epochs_done + made / per_epoch if per_epoch else float(state.epochs_done)
            self.callback_handler.tell("step_end")
            self._act()
            if self.control.should_epoch_stop or self.control.should_training_stop or self.terminated:
                break
        if not state.rows_done:
            raise ValueError(NO_BATCH)
        if not self.terminated and (not self.control.should_training_stop or made == per_epoch):
            state.epochs_done, state.rows_done, state.epoch_cut = state.epochs_done + 1, 0, False
            self.control.new_step()
            self.callback_handler.tell("epoch_end")
            self._act()

    def _taken(self, batches: Iterator[Batch]) -> list[Batch]:
        return list(islice(batches, self.args.gradient_accumulation_steps))

    def _step(self, batches: list[Batch]) -> None:
        """One step of the optimiser."""
        inputs = [self._prepare(batch) for _, batch in batches]
        shares = [self.processes.share(rows) for rows, _ in batches]  # none: a stand-in, that counts nothing
        self.state.loss_sum += self._backward(inputs, shares)
        self._clip(shares)
        self.callback_handler.tell("pre_optimizer_step")
        made = self.precision.step(self.optimizer)
        if made and self.average is not None:
            self.average.update()
        self.callback_handler.tell("optimizer_step")
        self._learning_rate = self.lr_scheduler.get_last_lr()[0]
        if made and not isinstance(self.lr_scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.lr_scheduler.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.args.include_num_input_tokens_seen != "no":
            own = [batch for share, batch in zip(shares, inputs, strict=True) if share]
            seen = count_tokens(own, self.args.include_num_input_tokens_seen)
            self.state.num_input_tokens_seen += int(self.processes.total(seen))

    def _backward(self, inputs: list[dict[str, Any]], shares: list[list[int]]) -> float:
        """Gradients of the batches of a step, each weighted with its part of the items. Returns the step's loss."""
        counts = [count_items(self.model, x) if share else 0 for share, x in zip(shares, inputs, strict=True)]
        total, loss_sum = max(int(self.processes.total(sum(counts))), 1), torch.zeros((), device=self.device)
        with watching(self.args.auto_find_batch_size):
            for i, batch in enumerate(inputs):
                loss = self.training_step(self.model, batch, total)
                weight = bool(shares[i]) if self.compute_loss_func else counts[i] / total
                loss_sum += loss.detach() * weight if weight else 0.0  # a mean over nothing is no number
                scaled = self.precision.scaler.scale(loss * weight)
                self.processes.backward(scaled, self.optimizer, last=i == len(inputs) - 1)
                if len(inputs) > 1:
                    self.callback_handler.tell("substep_end")
        value = self.processes.total(float(loss_sum))
        if not math.isfinite(value):
            diverged(self, value, float(loss_sum), shares)
        return value

    def _clip(self, shares: list[list[int]]) -> None:
        self.precision.scaler.unscale_(self.optimizer)
        parameters = [p for p in parameters_of(self.optimizer) if p.grad is not None]
        limit = self.args.max_grad_norm or 0
        self._grad_norm = self.processes.clip(self.optimizer, parameters, limit if limit > 0 else math.inf)
        if not math.isfinite(self._grad_norm) and not self.args.fp16:  # which would spoil the weights
            diverged(self, self._grad_norm, self._grad_norm, shares, "norm of the gradient")
