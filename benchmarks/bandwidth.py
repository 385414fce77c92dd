"""The read bandwidth of this machine, measured with bandwidth.c.

python benchmarks/bandwidth.py [--threads 2] [--megabytes 512] [--rounds 9]
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("bandwidth.c")


def measure(threads: int, megabytes: int = 512, rounds: int = 9) -> list[float]:
    """Bytes per second of each round; nothing without a C compiler."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "bandwidth"
        compiler = shlex.split(os.environ.get("CC", "cc"))
        flags = ["-O3", "-march=native", "-pthread", str(SOURCE), "-o", str(program)]
        try:
            subprocess.run([*compiler, *flags], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no bandwidth: {SOURCE.name} cannot be compiled ({error})", file=sys.stderr)
            return []
        numbers = [str(number) for number in (threads, megabytes, rounds)]
        done = subprocess.run([str(program), *numbers], check=True, capture_output=True, text=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--threads", 2), ("--megabytes", 512), ("--rounds", 9)):
        parser.add_argument(name, type=int, default=default)
    found = measure(**vars(parser.parse_args()))
    if found:
        median, best = statistics.median(found) / 1e9, max(found) / 1e9
        print(f"median {median:.1f} GB/s, best {best:.1f} GB/s")


if __name__ == "__main__":
    main()
