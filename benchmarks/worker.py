"""A program of a benchmark: loads one model in one library, then does a job for each line that it is sent.

    PYTHON benchmarks/worker.py '{"peer": "hf", "model": "gpt2", "task": "generate", "variant": "fp32", "threads": 2,
                                  "cache": ".cache/bench"}'

The harness starts it, each in the environment of its library. First line out: what it is, or why it is not there. Then
a line out for each line in: seconds and CPU seconds of the job, and its result. `"once": job` does one job and ends.
"""

import json
import os
import sys
import time
import traceback
from importlib import import_module


def peak_memory() -> int:
    """Bytes of memory at the most so far."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def busy() -> float | None:
    """CPU seconds that all programs of this machine have used; None where the system does not tell."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _, _, irq, softirq, steal = (int(word) for word in file.readline().split()[1:9])
    except OSError:
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def reason(error: Exception, spec: dict) -> str:
    """An exception as one line, without this machine's folders."""
    return f"{type(error).__name__}: {' '.join(str(error).replace(spec['cache'] + '/', '').split())}"[:200]


def end_with_the_harness() -> None:
    """Have Linux end this process when its parent does: a stopped worker could not see that its input has ended."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


def main() -> None:
    spec = json.loads(sys.argv[1])
    if "once" not in spec:
        end_with_the_harness()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is not an answer

    def answer(**fields: object) -> None:
        out.write(json.dumps(fields) + "\n")
        out.flush()

    start = time.perf_counter()
    try:
        peer = import_module(f"peers.{spec['peer']}").make(spec)
        loaded = time.perf_counter() - start
        hello = {"threads": peer.threads(), "version": peer.version(), "load_seconds": loaded}
        if "once" in spec:
            result = peer.run(spec["once"])
            answer(**hello, result=result, peak_bytes=peak_memory())
            out.close()
            os._exit(0)  # what a library tears down at its end is no part of the job
    except Exception as error:
        traceback.print_exc()
        answer(absent=reason(error, spec))
        return
    answer(**hello)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            before, cpu, start = busy(), time.process_time(), time.perf_counter()
            result = peer.run(job)
            seconds, cpu, after = time.perf_counter() - start, time.process_time() - cpu, busy()
        except Exception as error:
            traceback.print_exc()
            answer(absent=reason(error, spec))
            return
        others = max(0.0, after - before - cpu) / seconds if before is not None and after is not None else None
        answer(seconds=seconds, cpu_seconds=cpu, others=others, result=result, peak_bytes=peak_memory())


if __name__ == "__main__":
    main()
