"""Going on from a checkpoint: which one, whether it fits the run, and from where in the data."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.optim.lr_scheduler import LambdaLR

from ..checkpoint import read_weights
from ..errors import short
from ..files import no_file
from ..hub import Repo
from ..seed import set_seed
from . import checkpoint as checkpoints
from .adapters.checkpoints import restore_adapters
from .batch_size import Fitting, check_alone, found_before
from .checkpoint import read_state
from .data.loader import Batch
from .distributed.arguments import keep_step
from .planning import Planning
from .state_files import read_all, read_part, rng_state, set_rng_state

logger = logging.getLogger("qkv")
# Arguments that change what a run computes; any other may differ when it goes on.
_MATTERS = """
    per_device_train_batch_size gradient_accumulation_steps num_train_epochs max_steps seed data_seed learning_rate
    weight_decay adam_beta1 adam_beta2 adam_epsilon max_grad_norm optim optim_args lr_scheduler_type
    lr_scheduler_kwargs warmup_steps warmup_ratio label_smoothing_factor neftune_noise_alpha dataloader_drop_last
    group_by_length train_sampling_strategy bf16 fp16 weight_average
"""
MATTERS = _MATTERS.split()
# What a run that goes on has of its own plan, not of the checkpoint's state; the last, if it has other steps.
PLANNED = (
    "max_steps", "num_train_epochs", "logging_steps", "eval_steps", "save_steps", "is_world_process_zero",
    "is_local_process_zero",
)  # fmt: skip
STEP = ("train_batch_size", "gradient_accumulation_steps")


class Resuming(Fitting, Planning):
    """Mixed into Trainer."""

    _step_kept: bool

    def _find(self, given: str | os.PathLike[str] | bool | None) -> Path | None:
        """The folder of the checkpoint to go on from, if that is asked for. The first process looks, and reads."""
        args = self.args

        def look() -> Path | None:
            checkpoints.mend(no_file(args.folder))
            found = checkpoints.find(args.resume_from_checkpoint if given is None else given, args.folder)
            if found is None and (there := checkpoints.named(args.folder)):
                logger.warning(
                    "%s has checkpoints of an earlier run (%s): those of the same steps are replaced, the others stay. "
                    "train(resume_from_checkpoint=True) goes on with them.", args.folder, there[-1].name,
                )  # fmt: skip
            return found

        check_alone(args, self.processes.count)
        path, self._step_kept = self.processes.first(look), False
        if path is not None:
            state = self.processes.first(lambda: read_state(path))
            found_before(args, state)
            self._step_kept = keep_step(args, state, self.processes)
        return path

    def _resume(self, path: Path | None) -> None:
        """Go back to a checkpoint's weights and state. All processes have the first one's weights from here."""
        args, planned = self.args, self.state
        if self.processes.data_rank:  # dropout of its own
            set_seed(args.seed + self.processes.data_rank)
        if path is not None:
            self._load_weights(path)
        self.processes.spread(self.model, args, self._given[0])
        if path is None:
            return
        state = self.state = self.processes.first(lambda: read_state(path))
        for name in PLANNED if self._step_kept else (*PLANNED, *STEP):
            setattr(state, name, getattr(planned, name))
        state.saved = self.processes.first(lambda: self._saved_before(path))
        best = args.folder / f"checkpoint-{state.best_global_step}"
        if state.best_model_checkpoint is not None and self.processes.first(best.is_dir):  # it may have been moved
            state.best_model_checkpoint = str(best)
        if self.processes.first(lambda: checkpoints.is_reference(path)):
            self._adopt()
        if args.ignore_data_skip:
            state.rows_done = 0
        before, state.step_rows, state.train_rows = (state.step_rows, state.train_rows), *self._sizes()
        if self.steps_per_epoch and args.max_steps <= 0 and before[0] not in (0, state.step_rows):
            place = state.epochs_done * self.steps_per_epoch + self._made()
            state.max_steps = state.global_step + max(planned.max_steps - place, 0)
        if self.processes.main:
            self._tell_changes(path, before[1])

    def _saved_before(self, path: Path) -> list[int]:
        """Steps of the checkpoints in output_dir that are of the run that goes on; of all, if it does not say."""
        folder = self.args.folder
        if not folder.is_dir() or not path.parent.samefile(folder):
            return []
        return self.state.saved or [checkpoints.step_of(each) for each in checkpoints.named(folder)]

    def _adopt(self) -> None:
        """What the reference library's state does not say: where in the data it is, and the sum of losses."""
        state = self.state
        whole, part = divmod(state.epoch + 1e-6, 1)
        state.epochs_done, state.logged_step = int(whole), state.global_step
        if self.steps_per_epoch:
            made = int(part * self.steps_per_epoch) * self.args.gradient_accumulation_steps
            state.rows_done = sum(map(len, self._order().batches(int(whole))[:made]))
        before = 0
        for entry in state.log_history:
            if "loss" in entry:
                state.loss_total += entry["loss"] * (entry["step"] - before)
                before = entry["step"]

    def _load_weights(self, folder: Path) -> None:
        """Raises: ValueError for those of another model, OSError for files that are missing or damaged."""
        if self.processes.first(lambda: restore_adapters(self.model, folder)):
            self.processes.spread(self.model, self.args)
            return
        try:
            read = lambda: dict(read_weights(Repo(str(folder), folder)))  # noqa: E731
            missing, unexpected = self.processes.load(self.model, read)
        except RuntimeError as error:  # shapes
            raise ValueError(self._other(folder, str(error).splitlines()[-1].strip())) from None
        shared = set(getattr(self.model, "_shared", dict)())
        left = [name for name in missing if name not in shared]
        if left or unexpected:
            where = "not in it" if left else "in it alone"
            raise ValueError(self._other(folder, f"{(left or unexpected)[0]} is {where}"))

    def _other(self, folder: Path, why: str) -> str:
        return (
            f"{folder.name} is of another model than {type(self.model).__name__}: {short(why, 160)}. "
            f"Resume with the model that the run began with, or train into another output_dir."
        )

    def _restore(self, path: Path | None) -> dict[str, Any] | None:
        """The optimiser, the schedule and the callbacks as they were. Returns the states of all generators."""
        if path is None:
            return None
        if self.processes.first((path / "optimizer.json").is_file):
            rates = [group["lr"] for group in self.optimizer.param_groups]
            self._restore_optimizer(path)
            schedule, kind = (
                self.processes.first(lambda: read_part(path, "scheduler")),
                type(self.lr_scheduler).__name__,
            )
            if schedule.pop("class", kind) == kind:
                self.lr_scheduler.load_state_dict(schedule)
            else:  # of another kind, which was said: it begins here
                self.lr_scheduler.last_epoch = self.state.global_step
                for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate
        else:
            why = "was saved with save_only_model=True"
            if self.processes.main and checkpoints.is_reference(path):
                why = "is of another library, whose optimizer.pt is a pickle and does not say which weight is which"
            if self.processes.main:
                logger.warning("the optimiser's moments begin anew: %s %s.", path.name, why)
            self.lr_scheduler.last_epoch = self.state.global_step
        if isinstance(self.lr_scheduler, LambdaLR):  # a function of the step: arguments that changed hold from here
            scheduler, groups = self.lr_scheduler, self.optimizer.param_groups
            scheduler.base_lrs = [group["initial_lr"] for group in groups]
            scheduler._last_lr = [
                base * function(scheduler.last_epoch)
                for base, function in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
            ]
            for group, rate in zip(groups, scheduler._last_lr, strict=True):
                group["lr"] = rate
        if self.precision.skips and self.processes.first((path / "scaler.json").is_file):
            self.precision.scaler.load_state_dict(self.processes.first(lambda: read_part(path, "scaler")))
        self.callback_handler.load(self.state.callbacks)
        return self._generators(self.processes.first(lambda: read_all(path, "rng")))

    def _generators(self, of_all: list[dict[str, Any]]) -> dict[str, Any] | None:
        """This process's, of the states of the generators of all; anew if there were more or fewer processes."""
        if len(of_all) == self.processes.data_count:
            return of_all[self.processes.data_rank]
        if of_all and self.processes.main:
            logger.info(
                "%d processes go on where %d were: dropout is drawn anew.", self.processes.data_count, len(of_all)
            )
        if of_all:
            set_seed(self.args.seed + self.processes.data_rank + self.processes.count * self.state.global_step)
        return None

    def _restore_optimizer(self, path: Path) -> None:
        own, now = self.processes.part_of(self.optimizer), self.optimizer.param_groups
        saved = self.processes.first(lambda: read_part(path, "optimizer"), own)
        kind, ours = saved.pop("class", None), type(self.optimizer).__name__
        counts = [[len(group["params"]) for group in groups] for groups in (saved["param_groups"], now)]
        if kind not in (None, ours) or counts[0] != counts[1]:
            differ = f"is {kind}'s" if kind not in (None, ours) else f"has groups of {str(counts[0])[:60]} weights"
            raise ValueError(
                f"the optimiser of {path.name} {differ}, this run's is {ours} with groups of "
                f"{str(counts[1])[:60]}. Resume with the same optim= and the same weights frozen; or begin anew from "
                f"its weights: from_pretrained({short(str(path), 60)})."
            )
        numbers = [{name: value for name, value in group.items() if name not in ("params", "lr")} for group in now]
        self.optimizer.load_state_dict(saved)
        if self._given[0] is None:  # then its numbers are those of the arguments
            for group, own in zip(self.optimizer.param_groups, numbers, strict=True):
                group.update(own)

    def _begin_epoch(self, generators: dict[str, Any] | None) -> Iterator[Batch]:
        """What is left of an epoch. `generators`: as they were in the run that was interrupted, which goes on so."""
        if generators and not self.state.rows_done:
            set_rng_state(generators)
        self.callback_handler.tell("epoch_begin")
        if generators and self.state.rows_done:  # an iterable may draw its order when it begins
            set_rng_state(generators["epoch"])
        self._epoch_generators = rng_state()
        batches = self._batches()
        if generators and self.state.rows_done:
            set_rng_state(generators)
        return batches

    def _tell_changes(self, path: Path, rows: int) -> None:
        file, changed = path / checkpoints.ARGUMENTS, []
        if file.is_file():
            saved, now = checkpoints.read_json(file), self.args.to_dict()
            names = [
                name for name in MATTERS if not (self._step_kept and name in ("per_device_train_batch_size", STEP[1]))
            ]
            differ = [name for name in names if name in saved and saved[name] != now.get(name)]
            changed = [f"{name}={short(now.get(name), 40)} (was {short(saved[name], 40)})" for name in differ]
        if rows not in (0, self.state.train_rows):
            changed.append(f"train_dataset has {self.state.train_rows:,} rows (had {rows:,})")
        if changed:
            logger.warning(
                "going on from %s with other arguments: %s. They hold from step %d on; give the former ones to go on "
                "as if nothing had happened.", path.name, ", ".join(changed), self.state.global_step + 1,
            )  # fmt: skip
