"""What is sent to TensorBoard (the package itself), W&B and MLflow (modules that stand for them)."""

import sys
from collections import defaultdict
from types import ModuleType, SimpleNamespace

import pytest

from qkv import AutoModelForSequenceClassification
from qkv.training.arguments import TrainingArguments
from qkv.training.callbacks import TrainerCallback
from qkv.training.reporting.loggers import MLflowCallback, TensorBoardCallback, WandbCallback, loggers
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_training import rows

STEPS = [1, 2, 3, 4, 5, 6]


class Killed(TrainerCallback):
    """Ends the process, as it were, after what was logged at step 5."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if state.global_step == 5:
            raise KeyboardInterrupt


def trainer(folder, callbacks=(), **given):
    model = AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")
    given = {"max_steps": 6, "per_device_train_batch_size": 2, "logging_steps": 1, "save_steps": 2} | given
    args = TrainingArguments(
        str(folder), use_cpu=True, disable_tqdm=True, eval_strategy="steps", eval_steps=2, run_name="mine", **given
    )
    return Trainer(model, args, train_dataset=rows(12), eval_dataset=rows(4), callbacks=list(callbacks))


def killed_and_resumed(folder, name):
    with pytest.raises(KeyboardInterrupt):
        trainer(folder, [Killed], report_to=name).train()
    yield
    again = trainer(folder, report_to=name)
    again.train(resume_from_checkpoint=True)
    yield again


@pytest.mark.filterwarnings("default")  # of what the packages themselves do
def test_tensorboard(tmp_path):
    found = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first, second = killed_and_resumed(tmp_path, "tensorboard")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine"]
    events = found.EventAccumulator(str(tmp_path / "runs" / "mine")).Reload()
    losses = events.Scalars("train/loss")
    assert [event.step for event in losses] == [event.step for event in events.Scalars("train/epoch")] == STEPS
    assert [event.value for event in losses] == pytest.approx([e["loss"] for e in second.history if "loss" in e])
    assert [event.step for event in events.Scalars("eval/loss")] == [2, 4, 6]
    text = events.Tensors("arguments/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "|learning_rate|5e-05|" in text and "|model_type|bert|" in text


@pytest.mark.filterwarnings("default")
def test_where_tensorboard_writes(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    trainer(tmp_path, report_to="tensorboard", logging_dir=str(tmp_path / "given")).train()
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "told"))
    trainer(tmp_path, report_to=["tensorboard"]).train()
    for name in ("given", "told"):
        assert any("tfevents" in path.name for path in (tmp_path / name).iterdir())
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def mlflow(monkeypatch):
    """Keeps runs as MLflow's server does; a process that ends leaves no active run."""
    module, runs = ModuleType("mlflow"), {}
    module.runs, module.active = runs, None

    def start_run(run_id=None, run_name=None):
        run_id = run_id or f"run-{len(runs)}"
        runs.setdefault(run_id, SimpleNamespace(name=run_name, params={}, points=defaultdict(list)))
        module.active = SimpleNamespace(info=SimpleNamespace(run_id=run_id))
        return module.active

    def log_params(params):
        assert len(params) <= 100 and all(isinstance(value, str) for value in params.values())
        current().params.update(params)

    def log_metrics(metrics, step):
        for name, value in metrics.items():
            current().points[name].append(SimpleNamespace(step=step, value=value))

    def end_run():
        module.active = None

    def current():
        return runs[module.active.info.run_id]

    module.active_run = lambda: module.active
    module.start_run, module.log_params, module.log_metrics, module.end_run = (
        start_run,
        log_params,
        log_metrics,
        end_run,
    )
    module.MlflowClient = lambda: SimpleNamespace(get_metric_history=lambda run_id, name: runs[run_id].points[name])
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return module


def test_mlflow(tmp_path, mlflow):
    parts = killed_and_resumed(tmp_path, "mlflow")
    next(parts)
    mlflow.end_run()
    next(parts)
    (run,) = mlflow.runs.values()
    assert run.name == "mine" and run.params["learning_rate"] == "5e-05" and run.params["model_type"] == "bert"
    for name in ("train/loss", "train/epoch"):
        assert [point.step for point in run.points[name]] == STEPS
    assert [point.step for point in run.points["eval/loss"]] == [2, 4, 6] and mlflow.active is None


def test_a_run_of_mlflow_that_is_active_is_used_and_left(tmp_path, mlflow):
    mlflow.start_run()
    trainer(tmp_path, report_to="mlflow").train()
    assert mlflow.active is not None and len(mlflow.runs) == 1


@pytest.fixture
def wandb(monkeypatch):
    module, runs = ModuleType("wandb"), {}
    module.runs, module.run = runs, None

    def init(project, name, id, resume):
        id = id or f"id-{len(runs)}"
        log, summary = [], {}
        run = SimpleNamespace(
            id=id,
            name=name,
            project=project,
            config={},
            points=log,
            summary=summary,
            define_metric=lambda *a, **k: None,
        )
        run.config = type("Config", (dict,), {"update": lambda self, told, allow_val_change: dict.update(self, told)})()
        run.log = lambda values: (log.append(values), summary.update(values))
        module.run = runs.setdefault(id, run)

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_wandb(tmp_path, wandb):
    parts = killed_and_resumed(tmp_path, "wandb")
    next(parts)
    wandb.run = None  # of another process
    again = next(parts)
    (run,) = wandb.runs.values()
    assert (run.name, run.project, run.config["learning_rate"]) == ("mine", "huggingface", 5e-5)
    assert [point["train/global_step"] for point in run.points if "train/loss" in point] == STEPS
    assert [point["train/global_step"] for point in run.points if "eval/loss" in point] == [2, 4, 6]
    again.evaluate()
    assert run.points[-1]["eval/loss"] == again.history[-1]["eval_loss"]


def test_other_processes_send_nothing(tmp_path, wandb):
    made = trainer(tmp_path, report_to="wandb")
    callback = made.pop_callback(WandbCallback)
    made.state.is_world_process_zero = False
    callback.on_train_begin(made.args, made.state, made.control)
    callback.on_log(made.args, made.state, made.control, logs={"loss": 1.0})
    assert wandb.run is None


def test_which_of_them(monkeypatch, wandb, mlflow):
    kinds = [type(one) for one in loggers(["wandb", "mlflow"])]
    assert kinds == [WandbCallback, MLflowCallback]
    for nothing in (None, "none", [], ["none"]):
        assert list(loggers(nothing)) == []
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    assert [type(one) for one in loggers("all")] == kinds  # those that are installed
    with pytest.raises(ImportError, match="report_to='tensorboard': tensorboard is not installed. Type: pip install"):
        TensorBoardCallback()
    with pytest.raises(ValueError, match="there are tensorboard, wandb, mlflow, 'all' and 'none'.*nearest is 'wandb'"):
        list(loggers("wanb"))


def test_a_package_that_is_broken_ends_only_what_asked_for_it(tmp_path, monkeypatch, mlflow, caplog):
    (tmp_path / "wandb.py").write_text("raise OSError('no space left on device')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    trainer(tmp_path / "out", max_steps=1).train()
    assert [type(one) for one in loggers("all")] == [MLflowCallback]
    assert "no space left" in caplog.text and "report_to='none'" in caplog.text
    with pytest.raises(ImportError, match="wandb fails to import.*no space left"):
        list(loggers("wandb"))
