"""Whole processes that take turns, each from its start to its end: wall and CPU time, peak memory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness import Entry, command, environment, progress, reason_absent
from worker import busy


@dataclass
class Once:
    """What a process took, and what it said: its last line, if that is JSON."""

    wall: float
    cpu: float
    peak_bytes: int
    others: float  # cores that other programs used meanwhile
    answer: dict[str, Any]


def turns(entries: list[Entry], job: dict[str, Any], floors: dict[str, list[str]], args: Any) -> dict[str, list[Once]]:
    """The processes of each entry, and of each of `floors` (name -> command), by label; one of each per round.

    The first round, which fills the file cache, is left out. The last answer of an entry that is not there has
    "absent": why.
    """
    starts: dict[str, Callable[[], Once]] = {}
    for name, arguments in floors.items():
        starts[name] = lambda arguments=arguments: timed(arguments, args)
    found: dict[str, list[Once]] = {name: [] for name in floors}
    for entry in entries:
        why = reason_absent(entry, args.cache)
        found[entry.label] = [Once(0, 0, 0, 0, {"absent": why})] if why else []
        starts[entry.label] = lambda entry=entry: timed(command(entry, args.threads, args.cache, once=job), args)
    for turn in range(args.rounds + 1):
        for label, start in starts.items():
            runs = found[label]
            if not runs or "absent" not in runs[-1].answer:
                runs.append(start())
                if turn == 1 and "absent" not in runs[-1].answer:
                    runs.pop(0)
        progress(f"round {turn} of {args.rounds}")
    return found


def timed(arguments: list[str], args: Any) -> Once:
    """Run a command to its end."""
    with open(args.cache / "log.txt", "ab") as errors:
        before, start = busy(), time.perf_counter()
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=errors, env=environment(args.threads), text=True
        )
        text = process.stdout.read()  # pyright: ignore
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    line = text.strip().splitlines()[-1] if text.strip() else ""
    answer = json.loads(line) if line.startswith("{") else {}
    if process.returncode:
        answer = {"absent": f"it ended with status {process.returncode}"}
    elif answer.get("threads", args.threads) != args.threads:
        answer = {"absent": f"refused: it runs {answer['threads']} threads, the others {args.threads}"}
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cpu, after = used.ru_utime + used.ru_stime, busy()
    others = max(0.0, after - before - cpu) / wall if before is not None and after is not None else 0.0
    return Once(wall, cpu, peak, others, answer)
