"""Cold start: a whole process, from nothing to the first classification, against `import torch` alone.

    python benchmarks/startup.py [--runs 9] [--peer PYTHON] [--json FILE]

The programs run in turn, once each per round, so that a busy machine slows all of them alike; ratios are of medians, of
wall time and of CPU time (user + system). --peer names the python of an environment with the reference library; it
classifies the same text with a float32 copy of the same network (made beforehand).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QKV = "from {package} import pipeline\nprint(pipeline('sentiment-analysis', model={model!r})('I love this product!'))"
DEFAULT = "from qkv import pipeline\nprint(pipeline('sentiment-analysis')('I love this product!'))"
SAVE = "from qkv import pipeline\npipeline('sentiment-analysis').save_pretrained({folder!r})"


def timed(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=env)
    after, end = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return end - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--peer", help="python of an environment with transformers")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        programs = {
            "import torch": [sys.executable, "-c", "import torch"],
            "qkv: first classification": [sys.executable, "-c", DEFAULT],
        }
        if args.peer:
            subprocess.run([sys.executable, "-c", SAVE.format(folder=folder)], check=True, capture_output=True)
            code = QKV.format(package="transformers", model=folder)
            programs["transformers: first classification"] = [args.peer, "-c", code]
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for _ in range(args.runs + 1):
            for name, command in programs.items():
                times[name].append(timed(command))
    rows = {}
    for name, measured in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*measured[1:], strict=True))  # the first fills caches
        rows[name] = {"wall": round(wall, 3), "cpu": round(cpu, 3)}
    base = rows["import torch"]
    print(f"{'':38}{'wall':>8}{'CPU':>8}   (import torch = 1; medians of {args.runs} interleaved runs)")
    for name, row in rows.items():
        print(f"{name:38}{row['wall'] / base['wall']:8.2f}{row['cpu'] / base['cpu']:8.2f}")
    if args.json:
        args.json.write_text(json.dumps({"seconds": rows, "runs": args.runs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
