"""What a run leaves: its log, its checkpoints, the best model; and how it goes on from them."""

import json
import logging
import math
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from ..files import no_file, write_file, write_json
from . import checkpoint as checkpoints
from . import state_files
from .adapters.checkpoints import write_weights
from .data.loader import named_sets
from .optim.average import in_use
from .reporting.card import Describing
from .reporting.history import LOG, History, cell
from .results import TrainOutput, eval_name

logger = logging.getLogger("qkv")


class Saving(Describing):
    """Mixed into Trainer."""

    _log_anew = False

    def _act(self) -> None:
        """Log, evaluate and save, if that was asked for."""
        state, control = self.state, self.control
        self.terminated = self.processes.agree(control, self.asked_to_end)
        if control.should_log and state.global_step > state.logged_step:
            self._log_loss()
        metrics = None
        if control.should_evaluate:
            metrics = self._evaluate_all()
            if self._is_better(metrics) and self.args.save_strategy == "best":
                control.should_save = True
        if control.should_save and self.args.save_strategy != "no":
            self._save_checkpoint()
            self.callback_handler.tell("save")

    def _log_loss(self) -> None:
        state = self.state
        steps = state.global_step - state.logged_step
        logs = {
            "loss": state.loss_sum / steps,
            "grad_norm": float(self._grad_norm),
            "learning_rate": self._learning_rate,
        }
        state.loss_total += state.loss_sum
        state.loss_sum, state.logged_step = 0.0, state.global_step
        self.log(logs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add to the history, the file log.jsonl in output_dir, and whatever callbacks do with it."""
        state, counted = self.state, self.args.include_num_input_tokens_seen != "no"
        logs |= {"epoch": state.epoch} if state.max_steps else {}  # else nothing was trained
        logs |= {"num_input_tokens_seen": state.num_input_tokens_seen} if counted else {}
        entry = {**logs, "step": state.global_step}
        state.log_history.append(entry)
        if self.args.output_dir is not None and self.processes.main:
            self.args.folder.mkdir(parents=True, exist_ok=True)
            lines = [json.dumps(each) + "\n" for each in (self.state.log_history if self._log_anew else [entry])]
            if self._log_anew:  # without what another run, or this one before it was killed, wrote
                write_file(self.args.folder, LOG, "".join(lines))
                self._log_anew = False
            else:
                with open(self.args.folder / LOG, "a", encoding="utf-8") as stream:
                    stream.write(lines[0])
        self.callback_handler.tell("log", logs=logs)

    @property
    def history(self) -> History:
        """Everything that was logged: rows, columns, a table of the evaluations."""
        return History.of_run(self.args, self.state)

    # ---------------------------------------------------------------------------------------------- the best model

    def _evaluate_all(self) -> dict[str, float]:
        metrics: dict[str, float] = {}
        for prefix, dataset in named_sets(self.eval_dataset).items():
            metrics |= self.evaluate(dataset, metric_key_prefix=prefix)
        if isinstance(self.lr_scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.lr_scheduler.step(self._watched(metrics))
        return metrics

    def _watched(self, metrics: dict[str, float]) -> float:
        """Raises: KeyError for a metric_for_best_model that is not among the metrics."""
        name = eval_name(self.args.metric_for_best_model)
        if name not in metrics:
            raise KeyError(f"metric_for_best_model={name!r} is not among the metrics: {sorted(metrics)}.")
        return metrics[name]

    def _is_better(self, metrics: dict[str, float]) -> bool:
        if self.args.metric_for_best_model is None:
            return False
        value, best = self._watched(metrics), self.state.best_metric
        if (
            math.isnan(value)
            or best is not None
            and not (value > best if self.args.greater_is_better else value < best)
        ):
            return False
        self.state.best_metric, self.state.best_global_step = value, self.state.global_step
        if self.args.save_strategy != "no":
            self.state.best_model_checkpoint = str(self.args.folder / f"checkpoint-{self.state.global_step}")
        return True

    # ---------------------------------------------------------------------------------------------- checkpoints

    def save_model(self, output_dir: str | None = None, **_: Any) -> None:
        """The model, its tokenizer, its card and the arguments, into output_dir. All processes call it, the first one
        writes; in a dry run nothing is."""
        if self.args.dry_run:
            logger.warning("dry_run=True: no model is written.")
            return
        weights, folder = self.processes.whole(self.model), no_file(Path(output_dir or self.args.folder))
        shards = self.processes.write_shards(folder, weights)
        if self.processes.main:
            folder.mkdir(parents=True, exist_ok=True)
            self._write_model(folder, weights, shards)
            self._write_card(folder)

    def save_state(self) -> None:
        """trainer_state.json into output_dir."""
        if self.processes.main:
            write_json(self.args.folder, checkpoints.STATE, self.state.to_dict())

    def _write_model(self, folder: Path, weights: Any, shards: Path | None = None) -> None:
        """weights: by published names, the model's own if None. shards: where they are written already."""
        with in_use(self.average):
            write_weights(self.model, folder, weights if shards is None else {})
        if shards is not None:
            checkpoints.move(shards, folder)
        if hasattr(self.processing_class, "save_pretrained"):
            self.processing_class.save_pretrained(folder)
        write_file(folder, checkpoints.ARGUMENTS, self.args.to_json_string() + "\n")

    def _save_checkpoint(self) -> None:
        self.state.callbacks, self.state.epoch_cut = self.callback_handler.states(), self.control.should_epoch_stop
        self.state.saved = sorted({*self.state.saved, self.state.global_step})
        own = {**state_files.rng_state(), "epoch": self._epoch_generators}
        generators = self.processes.gather(own, everywhere=False)
        weights, moments = self.processes.whole(self.model), None
        if not self.args.save_only_model:
            moments = {**self.processes.whole_optimizer(self.optimizer), "class": type(self.optimizer).__name__}
        shards = self.processes.write_shards(self.args.folder, weights, moments)

        def write(folder: Path) -> None:
            self._write_model(folder, weights, shards)
            write_json(folder, checkpoints.STATE, self.state.to_dict())
            if moments is not None:
                if shards is None:
                    state_files.write_part(folder, "optimizer", moments)
                kept = {name: value for name, value in self.lr_scheduler.state_dict().items() if not callable(value)}
                state_files.write_part(folder, "scheduler", {**kept, "class": type(self.lr_scheduler).__name__})
                for name, of in (("scaler", self.precision.scaler), ("average", self.average)):
                    if of is not None and (values := of.state_dict()):
                        state_files.write_part(folder, name, values)
                for rank, each in enumerate(generators):
                    state_files.write_part(folder, f"rng-{rank}" if rank else "rng", each)

        def save() -> None:
            checkpoints.save(self.args.folder, self.state.global_step, write)
            self._rotate()

        self.processes.first(save)
        if self.processes.main:
            self._push_checkpoint()

    def _rotate(self) -> None:
        best, own = self.state.best_model_checkpoint, self.state.saved
        checkpoints.rotate(self.args.folder, self.args.save_total_limit, best, own)

    def _finish(self, started: float, first: int) -> TrainOutput:
        """The end of train(): the last log, the best model."""
        state, seconds = self.state, time.monotonic() - started
        state.loss_total, state.loss_sum = state.loss_total + state.loss_sum, 0.0
        made = state.global_step - first
        loss = state.loss_total / max(state.global_step, 1)
        metrics = {
            "train_runtime": seconds, "train_samples_per_second": made * state.step_rows / seconds,
            "train_steps_per_second": made / seconds, "train_loss": loss,
        }  # fmt: skip
        self.log(metrics)
        self.processes.first(self._rotate)  # a process that was killed after its last checkpoint had no time for it
        if self.average is not None:
            self.average.keep()
        self.average = None
        if self.args.load_best_model_at_end and state.best_model_checkpoint is not None:
            self._load_weights(Path(state.best_model_checkpoint))
        self.model.eval()
        self.callback_handler.tell("train_end")
        if self.args.push_to_hub:
            self.push_to_hub()
        return TrainOutput(state.global_step, loss, metrics)

    # ---------------------------------------------------------------------------------------------- metrics, the Hub

    def log_metrics(self, split: str, metrics: dict[str, float]) -> None:
        """Print metrics, a line each; a runtime as hours, minutes and seconds."""
        if not self.processes.main:
            return
        shown = {name: cell(value, name) for name, value in sorted(metrics.items())}
        shown |= {n: str(timedelta(seconds=round(metrics[n], 2)))[:10] for n in shown if n.endswith("_runtime")}
        name_width, width = (max(map(len, texts), default=0) for texts in (shown, shown.values()))
        print(f"***** {split} metrics *****")
        for name, text in shown.items():
            print(f"  {name:{name_width}} = {text:>{width}}")

    def save_metrics(self, split: str, metrics: dict[str, float], combined: bool = True) -> None:
        """Write <split>_results.json into output_dir, and add to all_results.json."""
        if not self.processes.main:
            return
        write_json(self.args.folder, f"{split}_results.json", metrics, indent=4, sort_keys=True)
        if combined:
            file = self.args.folder / "all_results.json"
            before = json.loads(file.read_text()) if file.is_file() else {}
            write_json(self.args.folder, file.name, before | metrics, indent=4, sort_keys=True)
