"""What a run is made of: the number of steps, the order of the data, the optimiser and its schedule."""

import math
from collections.abc import Iterator
from typing import Any

from .arguments import TrainingArguments
from .loader import Batch, is_map_style, load, stream
from .optimizers import decay_groups, make_optimizer
from .order import Order, row_lengths
from .schedules import get_scheduler
from .state import TrainerControl, TrainerState


class Planning:
    """Mixed into Trainer."""

    args: TrainingArguments
    state: TrainerState
    control: TrainerControl
    model: Any
    train_dataset: Any
    optimizer: Any
    lr_scheduler: Any
    optimizer_cls_and_kwargs: Any
    collate_for: Any

    def _plan(self) -> int:
        """Settle the number of steps; steps of an epoch, 0 if the dataset does not say."""
        args, sized = self.args, is_map_style(self.train_dataset)
        if not sized and args.max_steps <= 0:
            raise ValueError("train_dataset has no length, so say how many steps: TrainingArguments(max_steps=…).")
        batches = len(self._order(0).batches(0)) if sized else 0
        per_epoch = math.ceil(batches / args.gradient_accumulation_steps)
        total = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * per_epoch)
        if total <= 0:
            raise ValueError(
                f"num_train_epochs={args.num_train_epochs} makes no step; give at least a part of an epoch."
            )
        self.state = TrainerState(
            max_steps=total, num_train_epochs=math.ceil(total / per_epoch) if per_epoch else 1,
            logging_steps=args.every("logging_steps", total), eval_steps=args.every("eval_steps", total),
            save_steps=args.every("save_steps", total), train_batch_size=args.per_device_train_batch_size,
        )  # fmt: skip
        self.control = TrainerControl()
        return per_epoch

    def _order(self, epoch: int) -> Order:
        args = self.args
        grouped = args.train_sampling_strategy == "group_by_length"
        return Order(
            len(self.train_dataset), args.per_device_train_batch_size,
            seed=args.seed if args.data_seed is None else args.data_seed,
            shuffle=args.train_sampling_strategy != "sequential", drop_last=args.dataloader_drop_last,
            lengths=row_lengths(self.train_dataset, args.length_column_name) if grouped else None,
            group_by_length=grouped, accumulation=args.gradient_accumulation_steps,
        )  # fmt: skip

    def _batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        collate = self.collate_for("train")
        if not is_map_style(self.train_dataset):
            size = self.args.per_device_train_batch_size
            return stream(self.train_dataset, size, collate, skip=skip, drop_last=self.args.dataloader_drop_last)
        batches = self._order(epoch).batches(epoch)[skip:]
        return load(
            self.train_dataset, batches, collate, workers=self.args.dataloader_num_workers, seed=self.args.seed + epoch
        )

    def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
        self.create_optimizer()
        self.create_scheduler(num_training_steps)

    def create_optimizer(self) -> Any:
        if self.optimizer is None and self.optimizer_cls_and_kwargs is not None:
            cls, options = self.optimizer_cls_and_kwargs
            self.optimizer = cls(decay_groups(self.model, self.args.weight_decay), **options)
        elif self.optimizer is None:
            self.optimizer = make_optimizer(self.model, self.args)
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
