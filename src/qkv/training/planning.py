"""What a run is made of: the number of steps, the order of the data, the optimiser and its schedule."""

import inspect
import math
from collections.abc import Iterator
from typing import Any

from torch import nn

from .data.loader import NO_BATCH, Batch, check_dataset, is_map_style, load, named_sets, stream, without
from .data.order import Order, row_lengths
from .distributed.processes import parameters_of
from .fields import Fields
from .hooks import Drawn, own, own_loader
from .optim.choose import decay_groups, make_optimizer
from .optim.schedules import get_scheduler
from .results import eval_name
from .state import TrainerControl, TrainerState


class Planning(Fields):
    """Mixed into Trainer."""

    _lengths: list[int] | None = None
    _data: Any  # train_dataset, or that of a subclass's own loader
    _sampler: Any = None
    steps_per_epoch: int = 0  # or if the dataset does not say

    def call_model_init(self, trial: Any = None) -> Any:
        """A model from `model_init`, which may take the trial of a search."""
        parameters = inspect.signature(self.model_init).parameters.values()
        takes = any(each.name == "trial" or each.default is each.empty for each in parameters)
        return self.model_init(trial) if takes else self.model_init()

    def _find_data(self) -> None:
        """Ask a subclass for a loader or a sampler of its own. Raises: TypeError, ValueError for data that are none."""
        self._loader, sampler = own_loader(self, "get_train_dataloader"), own(self, "_get_train_sampler")
        self._data = self.train_dataset if self._loader is None else self._loader.dataset
        check_dataset(self._data, "train_dataset")
        wanted = self.args.eval_strategy != "no" or self.args.eval_on_start
        if wanted and self.eval_dataset is None and own(self, "get_eval_dataloader") is None:
            raise ValueError(
                f"eval_strategy={self.args.eval_strategy!r}: there is nothing to evaluate; give eval_dataset=."
            )
        if wanted and own(self, "get_eval_dataloader") is None:
            sets = named_sets(self.eval_dataset)
            for prefix, dataset in sets.items():
                check_dataset(dataset, f"{prefix}_dataset")
            metric = eval_name(self.args.metric_for_best_model)
            if self.args.metric_for_best_model and not any(metric.startswith(f"{prefix}_") for prefix in sets):
                names = ", ".join(f"{prefix.removeprefix('eval_')}_loss" for prefix in sets)
                raise ValueError(f"metric_for_best_model={metric!r} is of none of several eval_datasets; say {names} …")
        given = () if sampler is None or not inspect.signature(sampler).parameters else (self._data,)
        self._sampler = None if sampler is None else sampler(*given)

    def _plan(self) -> None:
        """Settle the number of steps."""
        args, sized = self.args, is_map_style(self._data)
        if not sized and args.max_steps <= 0:
            raise ValueError("train_dataset has no length, so say how many steps: TrainingArguments(max_steps=…).")
        self._lengths = None
        batches = len(self._order().batches(0)) if sized else 0
        self.steps_per_epoch = per_epoch = math.ceil(batches / args.gradient_accumulation_steps)
        total = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * per_epoch)
        if sized and not batches:
            raise ValueError(NO_BATCH)
        if total <= 0:
            raise ValueError(
                f"num_train_epochs={args.num_train_epochs} makes no step; give at least a part of an epoch."
            )
        self.state = self._new_state(
            max_steps=total, num_train_epochs=math.ceil(total / per_epoch) if per_epoch else 1,
            logging_steps=args.every("logging_steps", total), eval_steps=args.every("eval_steps", total),
            save_steps=args.every("save_steps", total), train_batch_size=args.per_device_train_batch_size,
            gradient_accumulation_steps=args.gradient_accumulation_steps,
            log_history=[] if self.state.global_step else self.state.log_history,  # evaluations before the run
        )  # fmt: skip
        self.state.step_rows, self.state.train_rows = self._sizes()
        self.control = TrainerControl()

    def _sizes(self) -> tuple[int, int]:
        """Rows of a step of the optimiser, and of the dataset (0 if it does not say)."""
        rows = len(self._data) if is_map_style(self._data) else 0
        size = getattr(self._loader, "batch_size", None) or self.args.per_device_train_batch_size
        batch = size * self.processes.data_count
        return batch * self.args.gradient_accumulation_steps, rows

    def _new_state(self, **known: Any) -> TrainerState:
        first, local = self.processes.main, self.processes.local_rank == 0
        return TrainerState(**known, is_world_process_zero=first, is_local_process_zero=local)

    def _order(self) -> Order | Drawn:
        """Of the batches of all processes, so that it is the same however many there are."""
        args, together, seed = self.args, self.processes.data_count, self._data_seed
        if self._loader is not None:
            return Drawn(self._loader.batch_sampler, seed, together=together)
        if self._sampler is not None:
            return Drawn(self._sampler, seed, args.per_device_train_batch_size * together, args.dataloader_drop_last)
        return self._own_order(self._data)

    def _own_order(self, dataset: Any) -> Order:
        args = self.args
        if args.train_sampling_strategy == "group_by_length" and self._lengths is None:
            self._lengths = row_lengths(dataset, args.length_column_name)
        return Order(
            len(dataset), args.per_device_train_batch_size * self.processes.data_count, seed=self._data_seed,
            shuffle=args.train_sampling_strategy != "sequential", drop_last=args.dataloader_drop_last,
            lengths=self._lengths, accumulation=args.gradient_accumulation_steps,
        )  # fmt: skip

    @property
    def _data_seed(self) -> int:
        return self.args.seed if self.args.data_seed is None else self.args.data_seed

    def _rest(self) -> list[list[int]]:
        """Rows of the batches that are left of the epoch."""
        epoch = self.state.epochs_done
        return [] if self.state.epoch_cut else without(self._order().batches(epoch), self.state.rows_done)

    def _made(self) -> int:
        """Steps of the epoch that were made before; 0 if the dataset does not say."""
        left = math.ceil(len(self._rest()) / self.args.gradient_accumulation_steps) if self.steps_per_epoch else 0
        return self.steps_per_epoch - left

    def _goes_on(self) -> bool:
        """Whether there is a step to make, or an epoch to end that was interrupted after its last step."""
        state = self.state
        if self.control.should_training_stop or self.terminated:
            return False
        return state.global_step < state.max_steps or bool(
            state.rows_done and self.steps_per_epoch and not self._rest()
        )

    def _batches(self) -> Iterator[Batch]:
        """What is left of the epoch."""
        if self.state.epoch_cut:
            return iter(())
        args, epoch = self.args, self.state.epochs_done
        collate, share = self.collate_for("train"), self.processes.share
        if hasattr(self._data, "set_epoch"):
            self._data.set_epoch(epoch)
        if not is_map_style(self._data):
            size, skip = self._sizes()[0] // args.gradient_accumulation_steps, self.state.rows_done
            return stream(self._data, size, collate, share, skip=skip, drop_last=args.dataloader_drop_last)
        workers = getattr(self._loader, "num_workers", args.dataloader_num_workers)
        seed = args.seed + epoch
        return load(self._data, self._rest(), collate, share, workers=workers, seed=seed)

    def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
        self.create_optimizer()
        self.create_scheduler(num_training_steps)

    def create_optimizer(self) -> Any:
        if self.optimizer is None and self.optimizer_cls_and_kwargs is not None:
            cls, options = self.optimizer_cls_and_kwargs
            self.optimizer = cls(decay_groups(self.model, self.args.weight_decay), **options)
        elif self.optimizer is None:
            self.optimizer = make_optimizer(self.model, self.args)
        if not {*map(id, parameters_of(self.optimizer))} & {*map(id, nn.Module.parameters(self.model))}:
            raise ValueError("optimizers=: the optimizer has no parameter of this model, so it would train nothing.")
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.lr_scheduler is None:
            args = self.args
            self.lr_scheduler = get_scheduler(
                args.lr_scheduler_type, self.optimizer if optimizer is None else optimizer,
                num_warmup_steps=args.get_warmup_steps(num_training_steps), num_training_steps=num_training_steps,
                scheduler_specific_kwargs=args.lr_scheduler_kwargs,
            )  # fmt: skip
        return self.lr_scheduler
