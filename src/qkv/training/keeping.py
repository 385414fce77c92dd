"""What a run leaves: its log, its checkpoints, the best model; and how it goes on from them."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from ..checkpoint import read_file, write_tensors
from ..files import write_file
from . import checkpoint as checkpoints
from .arguments import TrainingArguments
from .callbacks import Callbacks
from .results import TrainOutput
from .state import TrainerControl, TrainerState

LOG = "log.jsonl"  # in output_dir: a line for everything that is logged


class Keeping:
    """Mixed into Trainer."""

    args: TrainingArguments
    state: TrainerState
    control: TrainerControl
    callback_handler: Callbacks
    model: Any
    processing_class: Any
    optimizer: Any
    lr_scheduler: Any
    eval_dataset: Any
    evaluate: Any
    _grad_norm: float
    _learning_rate: float

    def _act(self) -> None:
        """Log, evaluate and save, if that was asked for."""
        state, control = self.state, self.control
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
        entry = {**logs, "epoch": self.state.epoch, "step": self.state.global_step}
        if self.args.include_num_input_tokens_seen:
            entry["num_input_tokens_seen"] = self.state.num_input_tokens_seen
        self.state.log_history.append(entry)
        if self.args.output_dir is not None:
            self.args.folder.mkdir(parents=True, exist_ok=True)
            with open(self.args.folder / LOG, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
        self.callback_handler.tell("log", logs=logs)

    # ---------------------------------------------------------------------------------------------- the best model

    def _evaluate_all(self) -> dict[str, float]:
        metrics: dict[str, float] = {}
        datasets = self.eval_dataset if isinstance(self.eval_dataset, dict) else {"": self.eval_dataset}
        for name, dataset in datasets.items():
            metrics |= self.evaluate(dataset, metric_key_prefix=f"eval_{name}" if name else "eval")
        if isinstance(self.lr_scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.lr_scheduler.step(self._watched(metrics))
        return metrics

    def _watched(self, metrics: dict[str, float]) -> float:
        """Raises: KeyError for a metric_for_best_model that is not among the metrics."""
        name = str(self.args.metric_for_best_model or "loss")
        name = name if name.startswith("eval_") else f"eval_{name}"
        if name not in metrics:
            raise KeyError(f"metric_for_best_model={name!r} is not among the metrics: {sorted(metrics)}.")
        return metrics[name]

    def _is_better(self, metrics: dict[str, float]) -> bool:
        if self.args.metric_for_best_model is None:
            return False
        value, best = self._watched(metrics), self.state.best_metric
        if best is not None and not (value > best if self.args.greater_is_better else value < best):
            return False
        self.state.best_metric, self.state.best_global_step = value, self.state.global_step
        if self.args.save_strategy != "no":
            self.state.best_model_checkpoint = str(self.args.folder / f"checkpoint-{self.state.global_step}")
        return True

    # ---------------------------------------------------------------------------------------------- checkpoints

    def save_model(self, output_dir: str | None = None, **_: Any) -> None:
        """The model, its tokenizer and the arguments, into output_dir."""
        folder = Path(output_dir or self.args.folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._write_model(folder)

    def save_state(self) -> None:
        """trainer_state.json into output_dir."""
        write_file(self.args.folder, checkpoints.STATE, json.dumps(self.state.to_dict(), indent=2) + "\n")

    def _write_model(self, folder: Path) -> None:
        if hasattr(self.model, "save_pretrained"):
            self.model.save_pretrained(folder)
        else:
            write_tensors(folder, "model.safetensors", self.model.state_dict())
        if hasattr(self.processing_class, "save_pretrained"):
            self.processing_class.save_pretrained(folder)
        write_file(folder, checkpoints.ARGUMENTS, self.args.to_json_string() + "\n")

    def _save_checkpoint(self) -> None:
        self.state.callbacks = self.callback_handler.states()

        def write(folder: Path) -> None:
            self._write_model(folder)
            write_file(folder, checkpoints.STATE, json.dumps(self.state.to_dict(), indent=2) + "\n")
            if not self.args.save_only_model:
                checkpoints.write_part(folder, "optimizer", self.optimizer.state_dict())
                checkpoints.write_part(folder, "scheduler", plain(self.lr_scheduler.state_dict()))
                checkpoints.write_part(folder, "rng", checkpoints.rng_state())

        checkpoints.save(self.args.folder, self.state.global_step, write)
        checkpoints.rotate(self.args.folder, self.args.save_total_limit, self.state.best_model_checkpoint)

    def _resume(self, given: str | bool | None) -> Path | None:
        """Go back to a checkpoint, if that is asked for; its folder."""
        given = self.args.resume_from_checkpoint if given is None else given
        if not given:
            return None
        folder = checkpoints.get_last_checkpoint(self.args.folder) if given is True else str(given)
        if folder is None:
            raise ValueError(f"resume_from_checkpoint=True, but {self.args.folder} has no whole checkpoint.")
        path = Path(folder)
        if not (path / checkpoints.STATE).is_file():
            raise ValueError(f"{folder} is no checkpoint: it has no {checkpoints.STATE}.")
        self._load_weights(path)
        planned, self.state = self.state, checkpoints.read_state(path)
        for name in ("max_steps", "num_train_epochs", "logging_steps", "eval_steps", "save_steps", "train_batch_size"):
            setattr(self.state, name, getattr(planned, name))
        if (path / "optimizer.json").is_file():
            self.optimizer.load_state_dict(checkpoints.read_part(path, "optimizer"))
            self.lr_scheduler.load_state_dict(checkpoints.read_part(path, "scheduler"))
        self.callback_handler.load(self.state.callbacks)
        return path

    def _load_weights(self, folder: Path) -> None:
        state = dict(read_file(folder / "model.safetensors"))
        missing, unexpected = self.model.load_state_dict(state, strict=False)
        shared = set(getattr(self.model, "_shared", dict)())
        left = [name for name in missing if name not in shared]
        if left or unexpected:
            raise ValueError(
                f"{folder.name} is of another model: {(left or unexpected)[0]} is "
                f"{'not in it' if left else 'in it alone'}. Resume with the model that the run began with."
            )

    def _finish(self, started: float, first: int) -> TrainOutput:
        """The end of train(): the last log, the best model."""
        state, seconds = self.state, time.monotonic() - started
        state.loss_total, state.loss_sum = state.loss_total + state.loss_sum, 0.0
        made = state.global_step - first
        rows = made * self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps
        loss = state.loss_total / max(state.global_step, 1)
        metrics = {
            "train_runtime": seconds, "train_samples_per_second": rows / seconds,
            "train_steps_per_second": made / seconds, "train_loss": loss,
        }  # fmt: skip
        self.log(metrics)
        if self.args.load_best_model_at_end and state.best_model_checkpoint is not None:
            self._load_weights(Path(state.best_model_checkpoint))
        self.model.eval()
        self.callback_handler.tell("train_end")
        if self.args.push_to_hub:
            self.push_to_hub()
        return TrainOutput(state.global_step, loss, metrics)

    # ---------------------------------------------------------------------------------------------- metrics, the Hub

    def log_metrics(self, split: str, metrics: dict[str, float]) -> None:
        """Print metrics, a line each."""
        width = max((len(name) for name in metrics), default=0)
        print(f"***** {split} metrics *****")
        for name, value in sorted(metrics.items()):
            print(f"  {name:{width}} = {value:.4f}" if isinstance(value, float) else f"  {name:{width}} = {value}")

    def save_metrics(self, split: str, metrics: dict[str, float], combined: bool = True) -> None:
        """Write <split>_results.json into output_dir, and add to all_results.json."""
        write_file(self.args.folder, f"{split}_results.json", json.dumps(metrics, indent=4, sort_keys=True) + "\n")
        if combined:
            file = self.args.folder / "all_results.json"
            before = json.loads(file.read_text()) if file.is_file() else {}
            write_file(self.args.folder, file.name, json.dumps(before | metrics, indent=4, sort_keys=True) + "\n")

    def push_to_hub(self, commit_message: str | None = "End of training", **kwargs: Any) -> Any:
        """Save the model to output_dir and upload it; keywords as `qkv.hub.push_folder`."""
        from ..hub import push_folder

        folder = self.args.folder / "push"
        try:
            self.save_model(str(folder))
            name = self.args.hub_model_id or self.args.folder.name
            token = kwargs.pop("token", None) or self.args.hub_token
            return push_folder(folder, name, commit_message=commit_message, token=token, **kwargs)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def plain(state: dict[str, Any]) -> dict[str, Any]:
    """A scheduler's state without its functions, which are made again."""
    return {name: value for name, value in state.items() if not callable(value)}
