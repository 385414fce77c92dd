"""The instrument: programs of one library each that stay and take turns, and what their times say.

    rows = measure(entries, jobs, rounds=5, threads=2, cache=...)

Every entry is a process in the environment of its library (worker.py). It loads, says how many threads it has, does a
job that is not counted, then one job per round, in turn with the others; who is not at work is stopped. So a busy or
throttled machine slows all alike, and a library's spinning threads disturb nobody. A row with other than the asked
number of threads gets no figure, and so does one that uses more cores than that.
"""

import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
SLACK = 0.25  # cores above its threads that a program may seem to use: clocks are coarse
ENVIRONMENTS = {  # peer -> python; the rest are in .venvs/bench
    "ours": Path(sys.executable), "hf": ROOT / ".venvs/peer5/bin/python",
}  # fmt: skip
TITLES = {
    "ours": "qkv", "hf": "HF", "ort": "ONNX Runtime", "ov": "OpenVINO", "ct2": "CTranslate2", "llama": "llama.cpp",
    "genai": "ORT GenAI",
}  # fmt: skip
SHOWN = {  # parts of variants, and what a table says
    "pipeline-": "pipeline, batch ", "sorted": "model, sorted batches", "trainer-padded": "Trainer, padded to 128",
    "trainer-grouped": "Trainer, grouped by length", "trainer": "Trainer",
}  # fmt: skip
PRECISIONS = {"f32": "fp32", "f16": "fp16", "q8_0": "int8", "q4_0": "int4"}


@dataclass
class Entry:
    """A row of a table: a library, and how it is used.

    variant: what peers/<peer>.py knows; a precision, or a way of using the library, as in SHOWN.
    """

    peer: str
    variant: str = "fp32"
    task: str = "generate"
    model: str = ""

    @property
    def label(self) -> str:
        shown = self.variant
        for word, words in SHOWN.items():
            shown = shown.replace(word, words)
        return f"{TITLES[self.peer]} {shown}"

    @property
    def precision(self) -> str:
        found = PRECISIONS.get(self.variant, self.variant)
        return found if re.fullmatch(r"fp\d+|int\d", found) else "fp32"


@dataclass
class Row:
    """What was measured of an entry: one number per round, or why there are none."""

    entry: Entry
    absent: str | None = None
    hello: dict[str, Any] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        return [answer["seconds"] for answer in self.answers]

    @property
    def cores(self) -> float:
        """Cores in use on average, in the median round."""
        return statistics.median(answer["cpu_seconds"] / answer["seconds"] for answer in self.answers)

    @property
    def others(self) -> float:
        """Cores that other programs took from it, in the median round."""
        return statistics.median(answer["others"] or 0 for answer in self.answers)


def python_of(peer: str) -> Path:
    return ENVIRONMENTS.get(peer, ROOT / ".venvs/bench/bin/python")


def environment(threads: int) -> dict[str, str]:
    """That of a program: so many threads for libraries that read it, no network, no progress bars."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    quiet |= {"TOKENIZERS_PARALLELISM": "true", "PYTHONWARNINGS": "ignore"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBLAS_", "OMP_", "MKL_"))}
    return kept | quiet | dict.fromkeys(names, str(threads))


def command(entry: Entry, threads: int, cache: Path, **more: Any) -> list[str]:
    spec = {"peer": entry.peer, "variant": entry.variant, "task": entry.task, "model": entry.model}
    spec |= {"threads": threads, "cache": str(cache), **more}
    return [str(python_of(entry.peer)), str(HERE / "worker.py"), json.dumps(spec)]


def reason_absent(entry: Entry, cache: Path) -> str | None:
    """Why an entry cannot be measured at all, as far as that is known before it is started."""
    if not python_of(entry.peer).exists():
        return "no environment: make bench-peers"
    record = cache / "absent.json"
    known = json.loads(record.read_text()) if record.exists() else {}
    folder = {"ort": "onnx", "ov": "ov", "ct2": "ct2", "llama": "gguf", "genai": "genai"}.get(entry.peer)
    stems = (f"{folder}/{entry.model}-{entry.variant}", f"{folder}/{entry.model}-{entry.task}-{entry.variant}")
    return next((why for path, why in known.items() if folder and path.startswith(stems)), None)


class Program:
    """A worker that stays, stopped while it has nothing to do."""

    def __init__(self, row: Row, place: int, threads: int, cache: Path):
        self.row, self.place, self.threads = row, place, threads
        with open(cache / "log.txt", "ab") as errors:
            self.process = subprocess.Popen(
                command(row.entry, threads, cache), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env=environment(threads), text=True,
            )  # fmt: skip
        self._take(row.hello)
        if row.absent is None and row.hello["threads"] != threads:
            row.absent = f"refused: it runs {row.hello['threads']} threads, the others {threads}"

    def _take(self, into: dict[str, Any]) -> None:
        line = self.process.stdout.readline()  # pyright: ignore
        into |= json.loads(line) if line else {"absent": f"it ended with status {self.process.wait()}"}
        self.row.absent = into.get("absent", self.row.absent)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Do a job; the answer of the worker."""
        answer: dict[str, Any] = {}
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(job) + "\n")  # pyright: ignore
            self.process.stdin.flush()  # pyright: ignore
        except BrokenPipeError:
            pass  # the program has ended: that there is no answer says so
        self._take(answer)
        if "absent" not in answer and answer["cpu_seconds"] > (self.threads + SLACK) * answer["seconds"] + 0.1:
            cores = answer["cpu_seconds"] / answer["seconds"]
            self.row.absent = f"refused: it uses {cores:.1f} cores, the others {self.threads}"
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def measure(
    entries: Sequence[Entry], jobs: Sequence[dict[str, Any]], *, rounds: int, threads: int, cache: Path
) -> list[list[Row]]:
    """Rows of each job, in the order of the entries: all entries do job 0, then job 1 ..., and that `rounds` times.

    Raises: ValueError for rounds below 1.
    """
    if rounds < 1:
        raise ValueError(f"rounds={rounds} must be at least 1.")
    base = [Row(entry, reason_absent(entry, cache)) for entry in entries]
    found = [[Row(row.entry, None, row.hello) for row in base] for _ in jobs]
    programs: list[Program] = []
    try:
        for place, row in enumerate(base):  # one loads while no other works
            if row.absent is None:
                programs.append(Program(row, place, threads, cache))
        for turn in range(rounds + 1):
            for number, job in enumerate(jobs):
                for program in programs:
                    answer = program.run(job) if program.row.absent is None else {}
                    if answer and turn > 0:  # the first fills caches
                        found[number][program.place].answers.append(answer)
            progress(f"round {turn} of {rounds}")
    finally:
        for program in programs:
            program.end()
    return [[replace(row, absent=base[i].absent) for i, row in enumerate(rows)] for rows in found]


def spread(values: Sequence[float]) -> float:
    """The range of the middle half, as a share of the median."""
    if len(values) < 3:
        return (max(values) - min(values)) / statistics.median(values)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / statistics.median(values)


def machine(threads: int) -> dict[str, Any]:
    """What the figures were taken on."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    known = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
    words = flags.group(1).split() if flags else []
    return {
        "processor": model.group(1) if model else platform.machine(), "cores": os.cpu_count(), "threads": threads,
        "instructions": [name for name in known if name in words], "system": platform.platform(terse=True),
    }  # fmt: skip


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
