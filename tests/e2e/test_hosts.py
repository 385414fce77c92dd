"""Two hosts, which are two network namespaces: the losses of one process; when one is lost, the other says so, and the
run goes on. What a host writes, the other does not see."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid

import pytest
import torch
from test_processes import close, kept, start

import processes

CLONE_NEWNET = 0x40000000
ADDRESS = "10.77.53.{}"


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True)


@pytest.fixture(scope="module")
def hosts():
    """The names of two namespaces with an address each, that reach each other by a cable."""
    if not shutil.which("ip"):
        pytest.skip("iproute2 is not installed")
    names = [f"qkv-{uuid.uuid4().hex[:8]}-{number}" for number in (1, 2)]
    made = [ip("netns", "add", name) for name in names]
    try:
        if any(one.returncode for one in made):
            pytest.skip(f"network namespaces are not allowed here: {made[0].stderr.strip()[:100]}")
        cable = ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
        if cable.returncode:
            pytest.skip(f"no virtual cable here: {cable.stderr.strip()[:100]}")
        for number, name in enumerate(names, 1):
            ip("-n", name, "addr", "add", f"{ADDRESS.format(number)}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")
        yield names
    finally:
        for name in names:
            ip("netns", "del", name)


def run(hosts, folder, *runs, fails=False):
    """`start`, each process on a host and in a folder of its own."""

    def move(rank):
        with open(f"/var/run/netns/{hosts[rank]}") as space:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(space.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        os.environ["GLOO_SOCKET_IFNAME"] = "eth0"
        os.environ["LOCAL_RANK"] = "0"

    return start(2, folder, *runs, fails=fails, address=ADDRESS.format(1), move=move, apart=True)


def test_two_hosts_give_what_one_process_gives(hosts, tmp_path):
    said = run(hosts, tmp_path / "hosts", "epochs", "sharded")
    assert "eval_loss" in said
    for name in ("epochs", "sharded"):
        values, weights = processes.RUNS[name](tmp_path / name)
        found, others = kept(tmp_path / "hosts" / "0", name)
        close(values, found)
        for key, tensor in weights.items():
            torch.testing.assert_close(others[key], tensor, rtol=0, atol=1e-6)
    assert not list((tmp_path / "hosts" / "1").rglob("*.json*"))  # the first process writes


def test_a_host_that_is_lost_ends_the_run_and_it_goes_on(hosts, tmp_path):
    whole = tmp_path / "whole"
    run(hosts, whole, "dropout")
    folder = tmp_path / "killed"
    said = run(hosts, folder, "killed", fails=True)
    assert "ConnectionError: process 0 of 2 lost another one" in said and "resume_from_checkpoint='auto'" in said
    assert sorted(path.name for path in (folder / "0").rglob("checkpoint-*")) == [f"checkpoint-{n}" for n in (1, 2, 3)]
    run(hosts, folder, "killed")  # the same command again
    assert kept(folder / "0", "killed")[0] == kept(whole / "0", "dropout")[0]
    for name in ("model", "optimizer", "rng", "rng-1"):
        files = [next(place.rglob(f"checkpoint-8/{name}.safetensors")) for place in (whole, folder)]
        assert files[0].read_bytes() == files[1].read_bytes(), name


def test_torchrun_restarts_both_hosts_when_a_process_is_killed(hosts, tmp_path):
    """As docs/training.md says: rdzv-backend c10d, since the static one does not bring hosts together again."""
    agents = []
    for number, name in enumerate(hosts):
        words = f"""
            --nnodes=2 --nproc-per-node=1 --max-restarts=3 --rdzv-backend=c10d --rdzv-id=run
            --rdzv-endpoint={ADDRESS.format(1)}:29533
            --rdzv-conf=is_host={1 - number},last_call_timeout=1 --local-addr={ADDRESS.format(number + 1)}
        """
        command = ["ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run"]
        command += [*words.split(), processes.__file__, str(tmp_path / str(number)), "killed"]
        (tmp_path / str(number)).mkdir()
        known = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        agents.append(
            subprocess.Popen(
                command, env=known | {"GLOO_SOCKET_IFNAME": "eth0"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, start_new_session=True,
            )
        )  # fmt: skip
    try:
        said = [agent.communicate(timeout=300)[0] for agent in agents]
    finally:
        for agent in agents:
            agent.terminate()  # it ends its processes, which have sessions of their own and would hold its pipe
        for agent in agents:
            try:
                agent.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(agent.pid, signal.SIGKILL)
            if agent.stdout is not None:
                agent.stdout.close()
    assert [agent.returncode for agent in agents] == [0, 0], said
    assert "exitcode: -9" in said[1]
    log = json.loads((tmp_path / "0" / "killed.json").read_text())["log"]
    assert [entry["step"] for entry in log] == list(range(1, 9))
