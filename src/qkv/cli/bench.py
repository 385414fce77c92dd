"""qkv bench: how fast one's own model is here in float32, int8 and int4, and beside the reference library."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import Annotated, Any

import typer

from .terminal import Debug, clean, console

PRECISIONS = {"text-classification": ("int8",), "text-generation": ("int8", "int4")}  # beside fp32, if none is named
UNITS = {"text-classification": "texts/s", "text-generation": "tokens/s"}
COLUMNS = {"load_seconds": "load s", "peak_bytes": "peak MB", "rate": "", "spread": "spread", "times": "x fp32"}

# A process for each way, so that memory is its own; they stay and take turns, so that a busy machine slows all alike.
# The jobs: 24 texts of 3 to 150 words; or one prompt of 32 ids, greedy, which does not end before the wanted length.
WORKER = """
import json, os, sys, time
spec, out = json.loads(sys.argv[1]), os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
def answer(**fields):
    print(json.dumps(fields), file=out, flush=True)
def peak():
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except OSError:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
try:
    start, ours = time.perf_counter(), spec["package"] == "qkv"
    plain = {"dequantize": True} if ours else {}  # a saved folder may have few bits
    options = plain if spec["precision"] == "fp32" else {"quantize": spec["precision"]}
    if spec["task"] == "text-classification":
        if ours:
            from qkv import pipeline
        else:
            from transformers import pipeline
        pipe = pipeline("text-classification", model=spec["model"], device="cpu", **options)
        model = pipe.model
        words = "this film was a long and quiet story about people who never say what they want".split()
        texts = [" ".join(words[i % len(words)] for i in range(3 + n * n * 147 // 529)) for n in range(24)]
        work, job = len(texts), lambda: pipe(texts, truncation=True)
    else:
        if ours:
            from qkv import AutoModelForCausalLM
        else:
            from transformers import AutoModelForCausalLM
        import torch
        model = AutoModelForCausalLM.from_pretrained(spec["model"], **options).eval()
        model.generation_config.eos_token_id = None
        ids = torch.arange(32)[None] % (model.config.vocab_size - 1) + 1
        length, work = {"max_new_tokens": spec["tokens"]}, spec["tokens"]
        job = lambda: model.generate(ids, attention_mask=ids.clamp(1, 1), do_sample=False, pad_token_id=0, **length)
    loaded = time.perf_counter() - start
    import torch
    torch.set_num_threads(spec["threads"])
    threads = torch.get_num_threads()
    if ours:
        from qkv.backends.cpu.library import library
        from qkv.backends.quantize import bits_of
        kind = {None: "fp32", 8: "int8", 4: "int4"}[bits_of(model)]
        if kind != spec["precision"]:
            raise RuntimeError(f"loaded in {kind} where {spec['precision']} was to be measured")
        if library() is not None:
            threads = max(threads, library().qkv_threads(spec["threads"]))
    job()
    answer(load_seconds=loaded, threads=threads)
    for _ in sys.stdin:
        start = time.perf_counter()
        job()
        answer(rate=work / (time.perf_counter() - start), peak_bytes=peak())
except Exception as error:
    answer(absent=f"{type(error).__name__}: {' '.join(str(error).split())}")
"""


def bench(  # noqa: PLR0913 - typer makes a parameter an option
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder or org/name.")],
    task: Annotated[str | None, typer.Option(metavar="NAME", help="text-classification or text-generation.")] = None,
    quantize: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="int8 or int4; again for both. All that fit if not given.")
    ] = None,
    peer: Annotated[
        str | None, typer.Option(metavar="PYTHON", help="Python of an environment with transformers, to compare with.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Counted turns of each.")] = 5,
    tokens: Annotated[int, typer.Option(min=1, metavar="N", help="New tokens of a turn.")] = 64,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of each; all usable cores if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    debug: Debug.Option = False,
) -> None:
    """Measure a model here: load time, peak memory and speed, in float32 and quantised.

    Each way is a process of its own with as many threads as the others. They take turns, and medians are shown.

    [bold]Examples[/bold]

      qkv bench ./my-model
      qkv bench org/name --quantize int8 --peer ~/env/bin/python
      qkv bench ./my-model --json > bench.json
    """
    chosen = _task(model, task)
    for kind in quantize or ():
        if kind not in ("int8", "int4"):
            raise typer.BadParameter(f"--quantize {kind} is unknown; the kinds are int8 and int4")
    if peer is not None and which(peer := os.path.expanduser(peer)) is None:
        raise typer.BadParameter(f"--peer {peer} is no program; name the python of an environment with transformers")
    count = threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    name = str(Path(model).resolve()) if Path(model).exists() else model
    spec = {"model": name, "task": chosen, "tokens": tokens, "threads": count}
    ways = [("qkv", sys.executable, kind) for kind in ("fp32", *dict.fromkeys(quantize or PRECISIONS[chosen]))]
    ways += [("transformers", peer, "fp32")] if peer else []
    rows = measure([(python, spec | {"package": package, "precision": kind}) for package, python, kind in ways], rounds)
    if "absent" in rows[0]:
        raise ValueError(rows[0]["absent"])
    found = {"model": model, "task": chosen, "unit": UNITS[chosen], "threads": count, "rounds": rounds, "rows": rows}
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _show(found)


def _task(model: str, task: str | None) -> str:
    """The task that is measured: the one named, else the model's own."""
    if task is None:
        from qkv.hub import open_repo

        from .describe import report

        tasks = report(open_repo(model))["tasks"]
        task = next((name for name in tasks if name in UNITS), None)
        if task is None:
            stated = ", ".join(tasks) or "no task that it states"
            raise ValueError(f"{model} is for {stated}. Type: --task {' or --task '.join(UNITS)}")
    from qkv.pipelines import ALIASES

    if (found := ALIASES.get(task, task)) not in UNITS:
        raise typer.BadParameter(f"--task {task} cannot be measured; those that can are {', '.join(UNITS)}")
    return found


def measure(ways: list[tuple[str, dict[str, Any]]], rounds: int) -> list[dict[str, Any]]:
    """A row for each (python, spec): medians over `rounds` turns, or `absent`: why there are none.

    `times` is the speed with that of the first row as 1.
    """
    programs, rows = [], []
    turns: list[list[dict[str, Any]]] = [[] for _ in ways]
    try:
        for python, spec in ways:  # one loads while no other works
            programs.append(_start(python, spec))
            rows.append({"package": spec["package"], "precision": spec["precision"]} | _answer(programs[-1]))
            if (count := rows[-1].get("threads", spec["threads"])) != spec["threads"]:
                rows[-1]["absent"] = f"it runs {count} threads, not {spec['threads']}"
        for _ in range(rounds):
            for program, row, answers in zip(programs, rows, turns, strict=True):
                if "absent" not in row:
                    answers.append(_ask(program))
                    row |= {"absent": answers[-1]["absent"]} if "absent" in answers[-1] else {}
    finally:
        for program in programs:
            program.kill()
            program.communicate()
    for row, answers in zip(rows, turns, strict=True):
        if "absent" not in row:
            rates = [answer["rate"] for answer in answers]
            row["rate"] = statistics.median(rates)
            row["spread"] = (max(rates) - min(rates)) / row["rate"]
            row["peak_bytes"] = answers[-1]["peak_bytes"]
            row["times"] = row["rate"] / rows[0]["rate"] if "rate" in rows[0] else None
    return rows


def _start(python: str, spec: dict[str, Any]) -> "subprocess.Popen[str]":
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONWARNINGS": "ignore", "TRANSFORMERS_VERBOSITY": "error"}
    return subprocess.Popen(
        [python, "-c", WORKER, json.dumps(spec)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=None if Debug.on else subprocess.DEVNULL, text=True,
        env={**os.environ, **quiet, "OMP_NUM_THREADS": str(spec["threads"])},
    )  # fmt: skip


def _ask(program: "subprocess.Popen[str]") -> dict[str, Any]:
    stdin: Any = program.stdin
    try:
        stdin.write("\n")
        stdin.flush()
    except BrokenPipeError:
        pass  # it has ended, which the answer says
    return _answer(program)


def _answer(program: "subprocess.Popen[str]") -> dict[str, Any]:
    stdout: Any = program.stdout
    line = stdout.readline()
    return json.loads(line) if line else {"absent": f"its process ended with status {program.wait()}"}


def _show(found: dict[str, Any]) -> None:
    """A table on a terminal, tab-separated lines in a pipe."""
    titles = ["", *COLUMNS.values()]
    titles[titles.index("", 1)] = found["unit"]
    lines = []
    for row in found["rows"]:
        cells = [f"{row['load_seconds']:.2f}", f"{row['peak_bytes'] / 1e6:.0f}", f"{row['rate']:.1f}",
                 f"{row['spread']:.0%}", f"{row['times']:.2f}"] if "absent" not in row else []  # fmt: skip
        lines.append([f"{row['package']} {row['precision']}", *(cells or [clean(row["absent"])])])
    if not sys.stdout.isatty():
        for line in (titles, *lines):
            print("\t".join(line))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, title in enumerate(titles):
        table.add_column(title, justify="right" if i else "left")
    for line in lines:
        if len(line) == len(titles):
            table.add_row(*line)
    console().print(table)
    for line in lines:
        if len(line) != len(titles):
            console().print(f"{line[0]}: not measured: {line[1]}")
    console().print(f"{found['threads']} threads each, medians of {found['rounds']} turns")
