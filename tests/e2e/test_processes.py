"""Two processes give what one gives: losses, norms, metrics, weights; and end together when one of them fails."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils._pytree import tree_map

import processes
from processes import RUNS
from qkv import AutoModel, AutoModelForSequenceClassification
from qkv.training import state_files
from qkv.training.arguments import TrainingArguments
from qkv.training.checkpoint import get_last_checkpoint
from qkv.training.distributed.shards import ShardedCheckpoints
from qkv.training.trainer import Trainer
from tiny import GOLDENS

ARGUMENTS = processes.arguments
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, to save what importing takes")


def start(count, folder, *runs, fails=False, address="127.0.0.1", move=None, apart=False):
    """What `count` processes print that make these runs, each with the environment that torchrun gives it.

    `move(rank)`: called in each. `apart`: each has a folder of its own.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waiting, codes, until = {}, {}, time.monotonic() + 120
    folders = [folder / str(rank) if apart else folder for rank in range(count)]
    for rank in range(count):
        folders[rank].mkdir(parents=True, exist_ok=True)
        known = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": address, "MASTER_PORT": port}
        pid = os.fork()
        if not pid:
            _child(folder / f"said-{rank}", known, folders[rank], runs, move)
        waiting[pid] = rank
    while waiting and time.monotonic() < until:
        for pid in list(waiting):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                codes[waiting.pop(pid)] = os.waitstatus_to_exitcode(status)
                until = min(until, time.monotonic() + 20) if any(codes.values()) else until
        time.sleep(0.01)
    for pid in waiting:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    said = "".join((folder / f"said-{rank}").read_text() for rank in range(count))
    assert fails == any(codes.values()) and not waiting, said
    return said


def _child(said, environment, folder, runs, move):
    os.environ |= {name: str(value) for name, value in environment.items()}
    torch.set_num_threads(1)  # threads of before are not there
    code = 1
    with open(said, "w", buffering=1) as stream:
        sys.stdout = sys.stderr = stream
        try:
            if move is not None:
                move(int(os.environ["RANK"]))
            processes.main(str(folder), *runs)
            code = 0
        except BaseException:
            traceback.print_exc(file=stream)
        finally:
            stream.flush()
            os._exit(code)


def kept(folder, name):
    return json.loads((folder / f"{name}.json").read_text()), torch.load(folder / f"{name}.pt")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    RUNS["unused"](folder / "warm")  # what is imported now, need not be in each process
    start(2, folder, *RUNS)
    return folder


def close(one, other, path=""):
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            close(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list):
        for a, b in zip(one, other, strict=True):
            close(a, b, path)
    else:
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6, err_msg=path)


@pytest.mark.parametrize("name", [name for name in RUNS if name != "dropout"])
def test_two_processes_give_what_one_gives(name, two, tmp_path):
    values, weights = RUNS[name](tmp_path)
    found, others = kept(two, name)
    assert len(values["log"]) >= 4
    close(values, found)
    for key, tensor in weights.items():
        torch.testing.assert_close(others[key], tensor, rtol=0, atol=1e-6)


def test_only_the_first_process_writes_and_prints(two):
    lines = (two / "epochs-out" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 12, 12]


def test_two_processes_resume_bit_for_bit_and_one_goes_on_where_two_were(two, tmp_path, monkeypatch, caplog):
    whole = two / "dropout-out"
    for name in ("again", "alone"):
        (tmp_path / name).mkdir()
        shutil.copytree(whole / "checkpoint-5", tmp_path / name / "dropout-out" / "checkpoint-5")
    start(2, tmp_path / "again", "dropout")
    for name in ("model", "optimizer", "rng", "rng-1"):
        file = f"checkpoint-8/{name}.safetensors"
        assert (tmp_path / "again" / "dropout-out" / file).read_bytes() == (whole / file).read_bytes(), name
    assert kept(tmp_path / "again", "dropout")[0] == kept(two, "dropout")[0]

    monkeypatch.setattr(processes, "arguments", lambda folder, batch, **more: ARGUMENTS(folder, 2, **more))
    values, _ = RUNS["dropout"](tmp_path / "alone" / "dropout-out")
    assert "gradient_accumulation_steps=2" in caplog.text  # 2 rows of 2 processes are 4 rows of one
    before = kept(two, "dropout")[0]["log"]
    assert values["log"][:5] == before[:5] and [entry["step"] for entry in values["log"]] == list(range(1, 9))
    assert values["log"][5:] != before[5:]  # dropout is another
    assert get_last_checkpoint(tmp_path / "alone" / "dropout-out").endswith("checkpoint-8")


def test_torchrun_ends_all_when_one_fails_and_names_its_error(tmp_path):
    """Also that the environment is what torchrun gives."""
    made = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", processes.__file__]
        + [str(tmp_path), "stream", "fails"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert made.returncode and (tmp_path / "stream.json").is_file()
    assert "row 5 is torn" in made.stderr.partition("Root Cause")[2]


def test_a_run_goes_on_however_it_is_parted(two, tmp_path):
    """From a checkpoint of shards: as shards bit for bit, with parts of heads, and in one process."""
    whole, weights = kept(two, "sharded")
    for name, count in (("sharded", 2), ("heads", 2), ("sharded", 1)):
        folder = tmp_path / f"{name}-{count}"
        shutil.copytree(two / "sharded-out" / "checkpoint-4", folder / f"{name}-out" / "checkpoint-4")
        for file in folder.rglob("training_args.json"):
            assert json.loads(file.read_text())["fsdp"] == ["full_shard"]
        start(count, folder, name)
        values, others = kept(folder, name)
        close(values, whole)
        if (name, count) == ("sharded", 2):
            assert values == whole and all(torch.equal(others[key], weights[key]) for key in weights)
    saved = AutoModelForSequenceClassification.from_pretrained(two / "sharded-out" / "saved")
    assert type(saved).__name__ == "BertForSequenceClassification"
    for key, tensor in saved.state_dict().items():
        assert torch.equal(tensor, weights[key])


def test_each_process_writes_its_part(two, tmp_path):
    """The files are what the first process writes of the same run; from them it goes on bit for bit, and elsewhere."""
    folder, (whole, _) = two / "apart-out", kept(two, "apart")
    for place in (folder / "checkpoint-4", folder / "saved"):
        parts = [load_file(place / f"model-0000{i}-of-00002.safetensors") for i in (1, 2)]
        assert not parts[0].keys() & parts[1].keys() and all(len(part) > 5 for part in parts)
        expected = load_file(two / "sharded-out" / place.name / "model.safetensors")
        assert (parts[0] | parts[1]).keys() == expected.keys() and not (place / "model.safetensors").exists()
        assert all(torch.equal(tensor, (parts[0] | parts[1])[name]) for name, tensor in expected.items())
        index = json.loads((place / "model.safetensors.index.json").read_text())
        assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in expected.values())
    moments = [state_files.read_part(two / f"{run}-out" / "checkpoint-4", "optimizer") for run in ("apart", "sharded")]
    listed = [tree_map(lambda x: x.tolist() if isinstance(x, torch.Tensor) else x, each) for each in moments]
    assert listed[0] == listed[1] and len(listed[0]["state"]) > 20
    assert not list((two / "apart-out").glob(".*"))
    for name, count in (("apart", 2), ("sharded", 2), ("apart", 1)):
        run = tmp_path / f"{name}-{count}"
        shutil.copytree(folder / "checkpoint-4", run / f"{name}-out" / "checkpoint-4")
        start(count, run, name)
        values, _ = kept(run, name)
        close(values, whole)
        assert values == whole or count == 1


def test_parts_of_one_published_tensor_are_of_one_process():
    model = AutoModel.from_pretrained(GOLDENS.parent / "vision" / "siglip" / "Model")
    ours, keys, count = torch.nn.Module.state_dict(model), model.keys, 3
    keepers = ShardedCheckpoints.keepers(SimpleNamespace(count=count), ours)
    found = {}
    for rank in range(count):
        found |= keys.to_published({name: tensor for name, tensor in ours.items() if keepers[name] == rank})
    assert found.keys() == keys.to_published(ours).keys() and set(keepers.values()) == set(range(count))


def test_hosts_without_a_common_disk_cannot_write_shards(tmp_path):
    said = start(2, tmp_path, "apart", apart=True, fails=True)
    assert "its host has another disk" in said and "Leave out state_dict_type" in said, said


@pytest.mark.parametrize(
    ("given", "say"),
    [
        ({"tp_size": 2}, "torchrun --nproc-per-node 2"),
        ({"tp_size": 0}, "at least 1"),
        ({"fsdp": "full_shards"}, "full_shard"),
        ({"fsdp": True, "fsdp_config": {"reshard": True}}, "reshard_after_forward"),
        ({"fsdp": True, "fsdp_config": {"state_dict_type": "LOCAL_STATE_DICT"}}, "FULL_STATE_DICT, SHARDED_STATE"),
        ({"fsdp": True, "fsdp_config": {"activation_checkpointing": True}}, "gradient_checkpointing=True"),
    ],
)
def test_what_does_not_part_is_named(given, say, tmp_path):
    with pytest.raises(ValueError, match=say):
        Trainer(processes.classifier(), TrainingArguments(str(tmp_path), use_cpu=True, **given))


def test_models_and_optimisers_that_do_not_part_are_named(tmp_path):
    said = start(2, tmp_path, "misfits")
    assert said.count("tp_size=3 does not divide the 2 processes") == 2
    assert said.count("optim='adafactor' looks at whole weights") == 2
    assert said.count("T5ForConditionalGeneration does not split") == 2
    assert said.count("adapters are few weights") == 2
    assert said.count("choose one of them") == 2
    assert said.count("has 1 and 3 heads") == 2, said


def test_an_error_in_one_process_ends_the_other(tmp_path):
    said = start(2, tmp_path, "fails", fails=True)
    assert "OSError: row 5 is torn" in said and "ConnectionError: process 0 of 2 lost another one" in said


def test_an_error_of_the_first_process_is_one_of_all(tmp_path):
    said = start(2, tmp_path, "full", fails=True)
    assert said.count("OSError: [Errno 28] checkpoint-2 was not saved") == 2, said


def test_a_process_that_does_not_answer_is_given_up(tmp_path):
    said = start(2, tmp_path, "hangs", fails=True)
    assert "ConnectionError: process 1 of 2 lost another one" in said


def test_a_loss_that_is_no_number_in_one_process_stops_all(tmp_path):
    said = start(2, tmp_path, "poisoned", fails=True)
    assert said.count("FloatingPointError: the loss is nan at step 2") == 2 and "in rows [5, 7]" in said, said


@pytest.mark.parametrize(
    ("environment", "error", "say"),
    [
        ({"WORLD_SIZE": "2"}, ValueError, "torchrun"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"}, ValueError, "MASTER_PORT"),
    ],
)
def test_half_an_environment_is_named(environment, error, say, tmp_path, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error, match=say):
        RUNS["unused"](tmp_path)


def test_arguments_know_the_processes(tmp_path, monkeypatch):
    args = TrainingArguments(str(tmp_path))
    assert (args.world_size, args.process_index, args.parallel_mode) == (1, 0, "not_parallel")
    for name, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert (args.world_size, args.process_index, args.local_process_index) == (4, 3, 1)
    assert args.parallel_mode == "distributed" and args.train_batch_size == 8
