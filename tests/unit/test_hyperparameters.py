"""hyperparameter_search: each trial is the run that its arguments make, and the trainer is as before."""

import logging

import pytest

optuna = pytest.importorskip("optuna")

from test_rehearsal import accuracy, everything, unchanged  # noqa: E402
from test_trainer import arguments, classifier, rows  # noqa: E402

from qkv import BestRun, default_compute_objective, default_hp_space_optuna  # noqa: E402
from qkv.training.callbacks import EarlyStoppingCallback  # noqa: E402
from qkv.training.trainer import Trainer  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.WARNING)


def space(trial):
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True),
        "per_device_train_batch_size": trial.suggest_categorical("per_device_train_batch_size", [4, 8]),
        "seed": trial.suggest_int("seed", 1, 9),
    }


def trainer(folder, callbacks=None, **given):
    given = {"num_train_epochs": 1, "save_strategy": "no"} | given
    return Trainer(
        model_init=classifier, args=arguments(folder, **given), train_dataset=rows(16), eval_dataset=rows(9, seed=3),
        compute_metrics=accuracy, callbacks=callbacks,
    )  # fmt: skip


def loss(metrics):
    return metrics["eval_loss"]


def sampler(seed=0):
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=2)


def test_a_search(tmp_path):
    one = trainer(tmp_path / "a")
    before = everything(one)
    best = one.hyperparameter_search(space, loss, n_trials=4, sampler=sampler())
    unchanged(before, everything(one))
    assert isinstance(best, BestRun) and best.run_summary.best_value == best.objective
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [f"run-{i}" for i in range(4)]
    values = [trial.value for trial in best.run_summary.trials]
    assert best.objective == min(values) and len(set(values)) == 4
    # the same again, and the best of them as a run of its own
    again = trainer(tmp_path / "b").hyperparameter_search(
        space, loss, n_trials=4, sampler=sampler(), hp_name=lambda trial: f"try{trial.number}"
    )
    assert [trial.value for trial in again.run_summary.trials] == values and (tmp_path / "b" / "try3").is_dir()
    assert again[:3] == best[:3]
    plain = trainer(tmp_path / "c", **best.hyperparameters)
    plain.train()
    assert plain.evaluate()["eval_loss"] == best.objective


def test_trials_are_pruned_and_callbacks_begin_anew(tmp_path, caplog):
    given = {"num_train_epochs": 3, "eval_strategy": "epoch", "metric_for_best_model": "a_loss"}
    stop = EarlyStoppingCallback(early_stopping_patience=2)
    one = trainer(tmp_path, callbacks=[stop], **given)
    one.eval_dataset = {"a": rows(6, seed=3), "b": rows(6, seed=4)}
    stop.on_evaluate = lambda *_, **__: setattr(stop, "waited", stop.waited + 1)

    class Second(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            assert stop.waited == 2 * len(trial.intermediate_values)  # of this trial alone, of both data sets
            return trial.number == 1 and len(trial.intermediate_values) == 2

    with caplog.at_level(logging.INFO):
        best = one.hyperparameter_search(
            space, lambda found: found["eval_a_loss"] + found["eval_b_loss"], n_trials=3, sampler=sampler(),
            pruner=Second(), direction="maximize",
        )  # fmt: skip
    states = [trial.state.name for trial in best.run_summary.trials]
    assert states == ["COMPLETE", "PRUNED", "COMPLETE"] and "1 of 3 trials were pruned" in caplog.text
    assert [len(trial.intermediate_values) for trial in best.run_summary.trials] == [3, 2, 3]
    assert best.objective == max(best.run_summary.trials[i].value for i in (0, 2)) and stop.waited == 0


def test_several_objectives(tmp_path):
    found = trainer(tmp_path).hyperparameter_search(
        space, lambda m: [m["eval_loss"], m["eval_accuracy"]], n_trials=3, direction=["minimize", "maximize"],
        sampler=optuna.samplers.RandomSampler(seed=1),
    )  # fmt: skip
    assert found and all(isinstance(run, BestRun) and len(run.objective) == 2 for run in found)
    lowest = min(trial.values[0] for trial in found[0].run_summary.trials)
    assert lowest in [run.objective[0] for run in found]


def test_the_default_space_and_objective(tmp_path):
    study = optuna.create_study(sampler=sampler())
    names = ["learning_rate", "num_train_epochs", "per_device_train_batch_size", "seed"]
    assert sorted(default_hp_space_optuna(study.ask())) == names
    speeds = {"eval_runtime": 3.0, "eval_samples_per_second": 9.0, "eval_steps_per_second": 3.0, "epoch": 1.0}
    assert default_compute_objective({"eval_loss": 0.5, **speeds}) == 0.5
    assert default_compute_objective({"eval_loss": 0.5, "eval_f1": 0.25, "eval_accuracy": 0.5, **speeds}) == 0.75


def test_a_model_that_the_trial_shapes(tmp_path):
    drawn = []

    def make(trial=None):
        drawn.append(trial and trial.suggest_float("dropout", 0.0, 0.5))
        return classifier(drawn[-1] or 0.0)

    one = Trainer(model_init=make, args=arguments(tmp_path, max_steps=1), train_dataset=rows(8), eval_dataset=rows(4))
    best = one.hyperparameter_search(space, n_trials=2, sampler=sampler())
    assert drawn[0] is None and best.hyperparameters["dropout"] in drawn[1:]


@pytest.mark.parametrize(
    ("given", "error", "say"),
    [
        ({"backend": "ray"}, ValueError, "optuna"),
        ({"direction": "max"}, ValueError, "maximize"),
        ({"direction": []}, ValueError, "maximize"),
        ({"n_jobs": 2}, ValueError, "storage"),
        ({"hp_space": lambda trial: {"learning_rat": 1}}, ValueError, "learning_rate"),
        ({"hp_space": lambda trial: {"eval_strategy": "never"}}, ValueError, "eval_strategy"),
        ({"compute_objective": lambda metrics: [1, 2]}, ValueError, "1 directions"),
        ({"compute_objective": lambda metrics: metrics["eval_f1"]}, KeyError, "eval_f1"),
    ],
)
def test_what_is_wrong_is_said(given, error, say, tmp_path):
    one = trainer(tmp_path, max_steps=1)
    before = everything(one)
    with pytest.raises(error, match=say):
        one.hyperparameter_search(**{"hp_space": space, "n_trials": 1} | given)
    unchanged(before, everything(one))


def test_without_model_init(tmp_path):
    with pytest.raises(RuntimeError, match="model_init"):
        Trainer(classifier(), arguments(tmp_path), train_dataset=rows(8)).hyperparameter_search(space)
    with pytest.raises(ValueError, match="optimizers"):
        Trainer(model_init=classifier, args=arguments(tmp_path), optimizers=(object(), None))


def test_nothing_finished(tmp_path):
    class Always(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return True

    one = trainer(tmp_path, eval_strategy="epoch")
    with pytest.raises(ValueError, match="none of 2 trials"):
        one.hyperparameter_search(space, loss, n_trials=2, pruner=Always())


def test_a_second_run_has_a_schedule_of_its_own(tmp_path):
    one = Trainer(classifier(), arguments(tmp_path, max_steps=3), train_dataset=rows(8))
    one.train()
    one.train()
    rates = [entry["learning_rate"] for entry in one.state.log_history if "learning_rate" in entry]
    assert rates == pytest.approx([1e-3, 2e-3 / 3, 1e-3 / 3])
