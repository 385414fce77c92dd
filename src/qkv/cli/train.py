"""qkv train: from a file of labelled rows to a model in a folder. What it does is `qkv.prepare_training`."""

import json
import os
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from .terminal import Debug, print_rows
from .train_run import check_folder, has_checkpoint, record
from .trained import show


def _tasks(incomplete: str) -> list[str]:
    from qkv.training.tasks import TASKS

    return [task.names[0] for task in TASKS if task.names[0].startswith(incomplete)]


TASK = (
    "text-classification, token-classification, question-answering, text-generation, fill-mask, summarization, "
    "translation, multiple-choice or image-classification."
)
FILES = "Rows: .csv .tsv .jsonl .json .txt .conll .parquet; or a folder of pictures for each class."
_rows_option = partial(typer.Option, rich_help_panel="Rows")
_weights_option = partial(typer.Option, rich_help_panel="Training")


def train(  # noqa: PLR0913 - typer makes a parameter an option
    task: Annotated[str, typer.Argument(metavar="TASK", help=TASK, autocompletion=_tasks)],
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="Base model: a folder, org/name or org/name@revision.")
    ],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FOLDER", help="Where the trained model goes.")],
    source: Annotated[str | None, typer.Argument(metavar="[DATA]", help="As --data.")] = None,
    data: Annotated[str | None, _rows_option("--data", metavar="DATA", help=FILES)] = None,
    eval_data: Annotated[
        str | None, _rows_option("--eval", metavar="DATA", help="Rows to measure on; else a part is held out.")
    ] = None,
    held_out: Annotated[
        float, _rows_option(metavar="N", help="The part held out: below 1 a share, else a number of rows.")
    ] = 0.1,
    group_by: Annotated[
        str | None, _rows_option(metavar="NAME", help="A column: rows with equal values stay on one side.")
    ] = None,
    text_column: Annotated[str | None, _rows_option(metavar="NAME", help="The column of texts.")] = None,
    label_column: Annotated[
        str | None, _rows_option(metavar="NAME", help="The column of labels; A,B,C for several of 0 and 1.")
    ] = None,
    column: Annotated[
        list[str] | None, _rows_option(metavar="ROLE=NAME", help="Any other column, such as pair=title.")
    ] = None,
    problem: Annotated[
        str | None, _rows_option(metavar="NAME", help="What labels are: single, multi or regression.")
    ] = None,
    encoding: Annotated[str | None, _rows_option(metavar="NAME", help="Of files not in UTF-8, such as cp1252.")] = None,
    max_length: Annotated[int | None, _rows_option(min=2, metavar="N", help="Most tokens of a row.")] = None,
    packing: Annotated[
        bool, _rows_option("--packing/--no-packing", help="text-generation: full blocks, or a text a row.")
    ] = True,
    prefix: Annotated[
        str, _rows_option(metavar="TEXT", help='Put before each text to rewrite, such as "summarize: ".')
    ] = "",
    crop: Annotated[
        float, _rows_option(metavar="N", help="Least share of a picture that is shown in training; 1 for all of it.")
    ] = 0.5,
    flip: Annotated[bool, _rows_option("--flip/--no-flip", help="Mirror half of the pictures in training.")] = True,
    lora: Annotated[bool, _weights_option("--lora", help="Train small adapters, not all weights.")] = False,
    lora_r: Annotated[int, _weights_option("--lora-r", min=1, metavar="N", help="Rank of the adapters.")] = 8,
    quantize: Annotated[
        str | None, _weights_option(metavar="NAME", help="int8 or int4: weights under --lora in few bits.")
    ] = None,
    freeze: Annotated[
        str | None, _weights_option(metavar="N|all", help="Leave the N lowest blocks as they are; all: but the head.")
    ] = None,
    lr: Annotated[
        float | None, _weights_option(metavar="N", help="Learning rate: 5e-5, or 1e-3 with --lora, if not given.")
    ] = None,
    epochs: Annotated[float, _weights_option(metavar="N", help="How often all rows are read.")] = 3,
    batch_size: Annotated[int, _weights_option(min=1, metavar="N", help="Rows of a step, in each process.")] = 16,
    max_steps: Annotated[int | None, _weights_option(min=1, metavar="N", help="Steps, in place of --epochs.")] = None,
    seed: Annotated[int, _weights_option(min=0, metavar="N", help="Of everything that is drawn.")] = 42,
    setting: Annotated[
        list[str] | None, _weights_option("--set", metavar="NAME=VALUE", help="Any other of TrainingArguments.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in FOLDER.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove the run in FOLDER first.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train nothing: try all parts once, say time and memory.")
    ] = False,
    lr_find: Annotated[bool, typer.Option("--lr-find", help="Train nothing: look for a learning rate.")] = False,
    nproc: Annotated[int, typer.Option(min=1, metavar="N", help="Number of processes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")] = False,
    debug: Debug.Option = False,
) -> None:
    """Fine-tune a model on a file of labelled rows, and measure it on rows that it has not seen.

    Columns are found by their names. The best epoch is kept. After a crash, --resume goes on exactly.

    [bold]Examples[/bold]

      qkv train text-classification -m distilbert-base-uncased --data reviews.csv -o reviews
      qkv train text-classification -m org/name --data train.csv --eval test.csv --lora -o adapters
      qkv train token-classification -m bert-base-cased --data train.conll --eval dev.conll -o tagger
      qkv train text-generation -m org/chat --data chats.jsonl --lora --quantize int4 -o mine
      qkv train image-classification photos/ -m google/vit-base-patch16-224-in21k -o model
    """
    if epochs <= 0 and max_steps is None:
        raise typer.BadParameter(f"--epochs {epochs:g} makes no step; give a number above 0")
    if (source is None) == (data is None):
        raise typer.BadParameter("give the data once: qkv train TASK DATA -m NAME -o FOLDER")
    folder, data, source = Path(output), str(data or source), None
    given = {name: value for name, value in locals().items() if name not in UNRECORDED}
    changes = settings(setting or [])
    if nproc > 1 and "WORLD_SIZE" not in os.environ:
        check_folder(folder, given, resume, overwrite)
        raise typer.Exit(_processes(nproc))
    main = os.environ.get("RANK", "0") == "0"
    from qkv.training.adapters.config import LoraConfig
    from qkv.training.data.reading import read_rows
    from qkv.training.preparing import LORA, prepare_training
    from qkv.training.tasks import find_task

    wanted = find_task(task)
    files = [_rows(read_rows, name, encoding, wanted) for name in (data, eval_data) if name is not None]
    trial, going_on = dry_run or lr_find, resume and has_checkpoint(folder)
    if main and not trial:
        going_on = check_folder(folder, given, resume, overwrite)
    columns = {"text": text_column, "label": label_column, **pairs(column or [], "--column")}
    prepared = prepare_training(
        task, model, files[0], files[1] if eval_data else None, held_out=held_out, group_by=group_by, seed=seed,
        lora=LoraConfig(task_type=wanted.lora, **LORA | {"r": lora_r, "lora_alpha": 2 * lora_r}) if lora else False,
        quantize=quantize, freeze=freeze, columns={role: name for role, name in columns.items() if name is not None},
        problem=problem, max_length=max_length, packing=packing, prefix=prefix, crop=crop, flip=flip,
    )  # fmt: skip
    if main and not as_json:
        print_rows(prepared.facts)
    usual: dict[str, Any] = {"num_train_epochs": epochs, "per_device_train_batch_size": batch_size, "seed": seed}
    usual |= {"learning_rate": lr} if lr is not None else {}
    usual |= {"max_steps": max_steps} if max_steps is not None else {}
    args = prepared.arguments(output, **usual | changes)
    trainer = prepared.trainer(args)
    if trial:
        print(trainer.dry_run() if dry_run else trainer.lr_find())
        return
    if main:
        record(folder, given)
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        trainer.train(resume_from_checkpoint=going_on or None)
        report = prepared.report(trainer)
    trainer.save_model()
    if main:
        trainer.save_metrics("eval", report.metrics)
        show(folder, prepared, report, as_json)


# What does not change the run itself.
UNRECORDED = ("folder", "output", "resume", "overwrite", "nproc", "as_json", "debug", "dry_run", "lr_find")


def settings(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE as values of JSON, or else as texts. Raises: a usage error for others."""
    found: dict[str, Any] = {}
    for name, text in pairs(given, "--set").items():
        try:
            found[name] = json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
        except ValueError:
            found[name] = text
    return found


def pairs(given: list[str], flag: str) -> dict[str, str]:
    wrong = next((entry for entry in given if "=" not in entry), None)
    if wrong is not None:
        raise typer.BadParameter(f"{flag} {wrong} should be of the form NAME=VALUE")
    return {name.strip().replace("-", "_"): value for name, _, value in (entry.partition("=") for entry in given)}


def _rows(read_rows: Any, name: str, encoding: str | None, task: Any) -> Any:
    """A file's rows; a .txt of words and tags where the task reads such."""
    tags = "token-classification" in task.names and name.lower().removesuffix(".gz").endswith(".txt")
    options = {"form": "conll"} if tags else {}
    return read_rows(name, **options, **({"encoding": encoding} if encoding else {}))


def _processes(count: int) -> int:
    """The same command in several processes."""
    import subprocess

    given, own = sys.argv[1:], []
    while given:  # torchrun would take --nproc for an option of its own
        word = given.pop(0)
        if word == "--nproc":
            given.pop(0)
        elif not word.startswith("--nproc="):
            own.append(word)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    return subprocess.run([*command, "-m", "qkv", *own]).returncode
