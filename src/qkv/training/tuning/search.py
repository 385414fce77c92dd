"""Search for hyperparameters: runs with arguments that a sampler of Optuna proposes, each from a fresh model."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import fields
from typing import Any, NamedTuple

from ...errors import nearest, short
from ...seed import set_seed
from .. import state_files
from ..callbacks import TrainerCallback
from ..data.loader import named_sets
from ..reporting.history import RATES
from ..state import TrainerControl, TrainerState
from .rehearsal import alone

logger = logging.getLogger("qkv")
DIRECTIONS = ("minimize", "maximize")
# What a trial changes of a trainer, and what it has again after the search.
FIELDS = ("args", "model", "state", "control", "optimizer", "lr_scheduler")
RUNNING = ("timeout", "callbacks", "catch", "gc_after_trial", "show_progress_bar")  # of study.optimize


class BestRun(NamedTuple):
    """The best trial: its number as a string, the objective (a list of several), and the arguments that it had.

    run_summary: Optuna's study, for its tables and pictures.
    """

    run_id: str
    objective: float | list[float]
    hyperparameters: dict[str, Any]
    run_summary: Any = None


def default_hp_space_optuna(trial: Any) -> dict[str, Any]:
    """The field's space: learning_rate 1e-6 to 1e-4 by its logarithm, 1 to 5 epochs, a seed, batches of 4 to 64."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-6, 1e-4, log=True),
        "num_train_epochs": trial.suggest_int("num_train_epochs", 1, 5),
        "seed": trial.suggest_int("seed", 1, 40),
        "per_device_train_batch_size": trial.suggest_categorical("per_device_train_batch_size", [4, 8, 16, 32, 64]),
    }


def default_compute_objective(metrics: dict[str, float]) -> float:
    """The sum of what compute_metrics gave, or the loss where it gave nothing."""
    others = (*RATES, "_compilation_time", "_model_preparation_time", "epoch")
    scores = {name: value for name, value in metrics.items() if not name.endswith(others)}
    losses = [name for name in scores if name.endswith("loss")]
    others = [value for name, value in scores.items() if name not in losses]
    return sum(others) if others else scores["eval_loss" if "eval_loss" in scores else losses[0]]


def hyperparameter_search(
    trainer: Any, hp_space: Callable[[Any], dict[str, Any]] | None = None,
    compute_objective: Callable[[dict[str, float]], Any] | None = None, n_trials: int = 20,
    direction: str | list[str] = "minimize", backend: Any = None, hp_name: Callable[[Any], str] | None = None,
    **kwargs: Any,
) -> BestRun | list[BestRun]:  # fmt: skip
    """Train `n_trials` times with other arguments, each into output_dir/run-<n>; the trainer is then as before.

    Args:
        hp_space: a trial of Optuna -> arguments by name; the field's space if None.
        compute_objective: metrics of an evaluation -> a number, or one for each of several directions; the sum of what
            compute_metrics gives, or eval_loss, if None. Each evaluation is reported, so that a pruner may end a trial.
        direction: "minimize" or "maximize"; a list of these for several objectives, where nothing is pruned.
        backend: "optuna".
        hp_name: a trial -> the name of its folder.
        kwargs: of optuna.create_study (sampler, pruner, storage, study_name, load_if_exists) and of study.optimize
            (timeout, callbacks, catch, show_progress_bar). A sampler with a seed gives the same search again.

    Returns: BestRun(run_id, objective, hyperparameters, run_summary); of several objectives, a list of those that no
        other surpasses.
    Raises: RuntimeError without model_init; ValueError for another backend or direction, or if no trial was finished.
    """
    name = str(getattr(backend, "value", backend) or "optuna")
    if name != "optuna":
        raise ValueError(f"backend={short(name)} is not in qkv, which searches with 'optuna'. Leave backend out.")
    directions = [direction] if isinstance(direction, str) else list(direction)
    for each in directions or [""]:
        if each not in DIRECTIONS:
            raise ValueError(f"direction={short(each)} is unknown; give 'minimize' or 'maximize', or a list of these.")
    alone(trainer, "a search")
    if trainer.model_init is None:
        raise RuntimeError(
            "each trial begins with a fresh model, so say how it is made: Trainer(model_init=lambda: "
            "AutoModelForSequenceClassification.from_pretrained(name)) in place of model=."
        )
    if kwargs.pop("n_jobs", 1) != 1:
        raise ValueError("n_jobs: trials share one trainer and run one after the other. Share a storage= of processes.")
    try:
        import optuna
    except ImportError:
        raise ImportError('hyperparameter_search needs Optuna; type: pip install "qkv[hpo]"') from None
    running = {key: kwargs.pop(key) for key in RUNNING if key in kwargs}
    several = {"directions": directions} if len(directions) > 1 else {"direction": directions[0]}
    study = optuna.create_study(**several, **kwargs)
    search = _Search(
        trainer, hp_space or default_hp_space_optuna, compute_objective or default_compute_objective, len(directions),
        hp_name or (lambda trial: f"run-{trial.number}"), optuna.TrialPruned,
    )  # fmt: skip
    with _put_back(trainer):
        study.optimize(search.run, n_trials=n_trials, **running)
    finished = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
    if pruned:
        logger.warning("%d of %d trials were pruned; %d were finished.", pruned, len(study.trials), len(finished))
    if not finished:
        raise ValueError(f"none of {len(study.trials)} trials was finished: all were pruned, or failed.")
    if len(directions) > 1:
        return [BestRun(str(trial.number), list(trial.values), trial.params, study) for trial in study.best_trials]
    best = study.best_trial
    return BestRun(str(best.number), best.values[0], best.params, study)


@contextmanager
def _put_back(trainer: Any) -> Iterator[None]:
    """After it a trainer is what it was: a trial has a model of its own, so that nothing else was changed."""
    fields = {name: getattr(trainer, name) for name in FIELDS}
    callbacks, generators = deepcopy(trainer.callback_handler.states()), state_files.rng_state()
    try:
        yield
    finally:
        for name, value in fields.items():
            setattr(trainer, name, value)
        trainer.callback_handler.load(callbacks)
        state_files.set_rng_state(generators)


class _Search:
    """What each trial does."""

    def __init__(self, trainer: Any, space: Any, objective: Any, count: int, name: Any, pruned: type[Exception]):
        self.trainer, self.space, self.objective, self.count = trainer, space, objective, count
        self.name, self.pruned = name, pruned
        self.args, self.callbacks = trainer.args, deepcopy(trainer.callback_handler.states())

    def run(self, trial: Any) -> Any:
        """A run, and its objective. Raises: optuna.TrialPruned."""
        trainer = self.trainer
        trainer.args = self._arguments(trial)
        trainer.optimizer = trainer.lr_scheduler = None
        trainer.state, trainer.control = TrainerState(), TrainerControl()
        trainer.callback_handler.load(deepcopy(self.callbacks))
        set_seed(trainer.args.seed)
        trainer.model = trainer.call_model_init(trial).to(trainer.device)
        reports = _Reports(self, trial)
        trainer.add_callback(reports)
        try:
            trainer.train()
        finally:
            trainer.remove_callback(reports)
        if reports.pruned:
            raise self.pruned
        return reports.value if reports.value is not None else self.measured(trainer.evaluate())

    def _arguments(self, trial: Any) -> Any:
        """Raises: ValueError for a name that is none of the arguments."""
        args, known = copy(self.args), [each.name for each in fields(self.args)]
        for name, value in self.space(trial).items():
            if name not in known:
                raise ValueError(f"hp_space gave {short(name)}, no argument; the nearest are {nearest(name, known)}.")
            setattr(args, name, value)
        args.output_dir = str(self.args.folder / self.name(trial))
        args.__post_init__()
        return args

    def measured(self, metrics: dict[str, float]) -> Any:
        """Raises: ValueError if there are not as many objectives as directions."""
        value = self.objective(metrics)
        found = len(value) if isinstance(value, tuple | list) else 1
        if found != self.count:
            raise ValueError(f"compute_objective gave {short(value)}, and there are {self.count} directions.")
        return value


class _Reports(TrainerCallback):
    """Tells Optuna of each evaluation, of all data sets together, and ends a run that is to be pruned."""

    def __init__(self, search: _Search, trial: Any):
        self.search, self.trial, self.metrics, self.step = search, trial, {}, -1
        self.value, self.pruned = None, False

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        datasets = self.search.trainer.eval_dataset
        self.metrics = (self.metrics if self.step == state.global_step else {}) | (metrics or {})
        self.step = state.global_step
        heads = [f"{prefix}_" for prefix in named_sets(datasets)]
        if not all(any(metric.startswith(head) for metric in self.metrics) for head in heads):
            return  # the others come
        self.value = self.search.measured(self.metrics)
        if self.search.count == 1:
            self.trial.report(self.value, state.global_step)
            if self.trial.should_prune():
                self.pruned = control.should_training_stop = True
