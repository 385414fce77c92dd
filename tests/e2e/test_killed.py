"""A run that is killed at any moment goes on as if nothing had happened: tests/killed.py is the run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest

import qkv
from qkv.training.checkpoint import get_last_checkpoint

TESTS = Path(__file__).parent.parent
MEMORY = Path("/dev/shm")  # a killed process loses nothing of it, and nobody waits for a disk


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


def python(*arguments, **kwargs):
    paths = os.pathsep.join([str(TESTS), str(Path(qkv.__file__).parent.parent)])
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    usual = None if os.name == "nt" else partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # not as a shell left it
    return subprocess.Popen([sys.executable, *arguments], env=env, text=True, preexec_fn=usual, **kwargs)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each life is a fork")
@pytest.mark.parametrize(
    ("kills", "least"), [("50", 50), pytest.param("1000", 1000, marks=pytest.mark.slow), ("each", 100)]
)
def test_killed(home, kills, least):
    """SIGKILL at random moments, two of three inside of saving; or before each change to a file. No checkpoint is ever
    torn or lost, and the files, the weights, the moments, all generators and the log in the end are bit for bit those
    of the run that nobody killed."""
    process = python(str(TESTS / "killed.py"), str(home), kills, stdout=subprocess.PIPE)
    out, _ = process.communicate()
    assert process.returncode == 0
    runs = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert [problem for run in runs for problem in run["problems"]] == []
    assert sum(run["kills"] for run in runs) >= least and sum(run["saving"] for run in runs) > least / 3


SCRIPT = """
import sys
from qkv.training.callbacks import TrainerCallback
from qkv.training.trainer import Trainer
import killed
class Wait(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 5:
            print("step 5", flush=True)
            __import__("time").sleep(5)
before = Trainer.__init__
def init(self, model, args, **kwargs):
    args.enable_jit_checkpoint, args.save_steps = sys.argv[2] == "TERM", 2
    before(self, model, args, callbacks=[Wait()], **kwargs)
Trainer.__init__ = init
killed.train(killed.Path(sys.argv[1]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("name", "status", "saved"), [("TERM", 143, 5), ("INT", 1, 4)])
def test_signals(home, name, status, saved):
    """SIGTERM saves a checkpoint first if that is asked for; Ctrl-C ends at once. Both say how to go on."""
    process = python("-c", SCRIPT, str(home), name, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.stdout.readline().strip() != "step 5":
        assert process.poll() is None
    time.sleep(0.2)
    process.send_signal(getattr(signal, f"SIG{name}"))
    _, errors = process.communicate()
    assert process.returncode in (status, -2)
    assert "train(resume_from_checkpoint=True)" in errors
    assert get_last_checkpoint(home) == str(home / f"checkpoint-{saved}")
