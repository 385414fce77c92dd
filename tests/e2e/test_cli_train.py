"""`qkv train` as a user meets it: from a file to a model, killed and resumed; what is wrong in files and options."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from PIL import Image

from commands import COMMAND, failed, qkv
from qkv import ViTConfig, ViTForImageClassification, ViTImageProcessor
from qkv.training.tasks import TASKS
from tiny import configure, make

GOOD, BAD = ["great", "good", "love"], ["terrible", "bad", "not"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return make(tmp_path_factory.mktemp("model") / "bert", "bert", "ForMaskedLM")


@pytest.fixture(scope="module")
def distilbert(tmp_path_factory):
    return make(tmp_path_factory.mktemp("model") / "distilbert", "distilbert", "ForMaskedLM")


@pytest.fixture
def reviews(tmp_path):
    """60 reviews whose words say their label, a third of them bad."""
    rows = [
        (f"the film was {(GOOD if i % 3 else BAD)[i % 7 % 3]} {i % 11}", "pos" if i % 3 else "neg") for i in range(60)
    ]
    path = tmp_path / "reviews.csv"
    path.write_text("review,stars\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return path


def train(bert, data, folder, *more):
    return qkv("train", "text-classification", "-m", bert, "--data", data, "-o", folder, *more)


def test_a_file_becomes_a_model(distilbert, reviews, tmp_path):
    done = train(distilbert, reviews, tmp_path / "out", "--lr", "1e-2", "--epochs", "20", "--batch-size", "8")
    assert done.exit_code == 0, done.stderr
    told = dict(line.split("\t", 1) for line in done.stdout.splitlines() if line.count("\t") == 1)
    assert told["data"].endswith("54 rows to train on, 6 held out to measure on (as much of each class, seed 42)")
    assert told["columns"] == "text: 'review', label: 'stars'"
    assert told["labels"] == "pos 36 (67 %), neg 18 (33 %)"
    assert float(told["accuracy"]) == 1.0  # the words say it
    assert "neg\t1.000\t1.000\t1.000\t2\n" in done.stdout
    assert told["try"] == f'qkv run text-classification -m {tmp_path / "out"} "…"'
    used = qkv("run", "text-classification", "-m", tmp_path / "out", "the film was great", "the film was bad")
    assert [line.split("\t")[0] for line in used.stdout.splitlines()] == ["pos", "neg"]
    assert json.loads((tmp_path / "out" / "eval_results.json").read_text())["accuracy"] == 1.0


def test_json(bert, reviews, tmp_path):
    done = train(bert, reviews, tmp_path / "out", "--max-steps", "2", "--set", "eval_strategy=no", "--set",
                 "save_strategy=no", "--set", "load_best_model_at_end=False", "--eval", reviews, "--json")  # fmt: skip
    found = json.loads(done.stdout)
    assert found["labels"] == ["neg", "pos"] and sum(map(sum, found["confusion"])) == 60
    assert found["classes"]["neg"]["support"] == 20 and found["data"]["columns"] == "text: 'review', label: 'stars'"
    assert not list((tmp_path / "out").glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("options", "code", "parts"),
    [
        (["--label-column", "star"], 1, ["has no column 'star' for the label; the nearest are 'stars'"]),
        (["--set", "learning_rat=1"], 1, ["TrainingArguments has no argument 'learning_rat'", "learning_rate"]),
        (["--set", "seed"], 2, ["--set seed should be of the form NAME=VALUE"]),
        (["--eval", "none.csv"], 1, ["none.csv: No such file"]),
        (["--max-length", "999"], 1, ["max_length=999 is more than the 40 tokens"]),
        (["--problem", "regression"], 1, ["line 2 of reviews.csv has 'neg' in 'stars'; expected a number"]),
        (["--quantize", "int8"], 1, ["pass lora=True (--lora) too"]),
        (["--overwrite", "--freeze", "7"], 1, ["freeze='7': give 'all', or 0 to 2 blocks"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(bert, reviews, tmp_path, options, code, parts):
    done = train(bert, reviews, tmp_path / "out", *options)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: Bert")]
    assert done.exit_code == code and len(lines) == 1, done.stderr
    assert all(part in lines[0] for part in parts), lines
    assert not (tmp_path / "out").exists()


def test_a_task_of_another_model(bert, reviews, tmp_path):
    columns = ["--column", "source=review", "--column", "target=stars"]
    other = qkv("train", "translation", "-m", bert, "--data", reviews, "-o", tmp_path / "out", *columns)
    failed(other, 1, "AutoModelForSeq2SeqLM: 'bert' has no such head")
    failed(qkv("train", "object-detection", "-m", bert, "--data", reviews, "-o", tmp_path / "o"), 1, "no task")


def test_a_folder_with_something_in_it(bert, reviews, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    failed(train(bert, reviews, tmp_path / "out"), 1, "holds files ('thesis.txt' …) already. Name a folder of its own")
    failed(train(bert, reviews, tmp_path / "out", "--overwrite"), 1, "--overwrite does not remove other files")
    failed(train(bert, reviews, tmp_path / "out", "--resume"), 1, "holds no run of qkv train")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
    assert train(bert, reviews, tmp_path / "run", "--epochs", "1").exit_code == 0
    failed(train(bert, reviews, tmp_path / "run"), 1, "holds a run already. --resume goes on with it, --overwrite")
    other = train(bert, reviews, tmp_path / "run", "--resume", "--lr", "1")
    failed(other, 1, "was told lr=None, now 1.0. Resume with the same options")
    reviews.write_text(reviews.read_text() + "the film,pos\n")
    failed(train(bert, reviews, tmp_path / "run", "--epochs", "1", "--resume"), 1, "sha256 of data")
    assert train(bert, reviews, tmp_path / "run", "--epochs", "1", "--overwrite").exit_code == 0


def test_a_run_that_was_killed_goes_on_exactly(bert, reviews, tmp_path):
    def command(folder, *more):
        options = ["--epochs", "6", "--lr", "1e-3", "--set", "save_strategy=steps", "--set", "save_steps=1"]
        options += ["--set", "eval_strategy=steps", "--set", "eval_steps=1", "--set", "logging_steps=1", *more]
        return ["train", "text-classification", "-m", bert, "--data", reviews, "-o", folder, *options]

    assert qkv(*command(tmp_path / "whole")).exit_code == 0
    killed = subprocess.Popen(
        [*COMMAND, *map(str, command(tmp_path / "killed"))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not list((tmp_path / "killed").glob("checkpoint-?")) and killed.poll() is None:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    done = qkv(*command(tmp_path / "killed", "--resume"))
    assert done.exit_code == 0, done.stderr
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_two_processes_train_as_one_does(reviews, tmp_path):
    still = {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
    model = configure(make(tmp_path / "model", "distilbert", "ForMaskedLM"), **still)
    losses = []
    for size, count in ((8, 1), (4, 2)):
        folder = tmp_path / f"out{count}"
        options = ["--epochs", "2", "--lr", "1e-3", "--batch-size", str(size), "--nproc", str(count)]
        command = ["train", "text-classification", "-m", model, "--data", reviews, "-o", folder, *options]
        done = subprocess.run([*COMMAND, *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("54 rows to train on") == 1  # one of them speaks
        losses.append(json.loads((folder / "eval_results.json").read_text())["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_what_a_model_writes_is_measured(tmp_path):
    t5 = make(tmp_path / "t5", "t5", "ForConditionalGeneration")
    data = tmp_path / "pairs.tsv"
    data.write_text("document\tsummary\n" + "the film was great .\tgreat film\n" * 20)
    done = qkv("train", "summarization", "-m", t5, "--data", data, "-o", tmp_path / "out", "--epochs", "1", "--json")
    metrics = json.loads(done.stdout)["metrics"]
    assert {"loss", "rouge1", "rougeL", "gen_len"} <= metrics.keys() and 0 <= metrics["rouge1"] <= 1
    logged = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert sum("eval_rouge1" in entry for entry in logged) == 1 and sum("eval_loss" in entry for entry in logged) == 2


def test_a_run_is_tried_without_a_trace(bert, reviews, tmp_path):
    done = train(bert, reviews, tmp_path / "out", "--dry-run")
    assert done.exit_code == 0 and "steps" in done.stdout, done.stderr
    found = train(bert, reviews, tmp_path / "out", "--lr-find", "--epochs", "10")
    assert found.exit_code == 0, found.stderr
    assert not (tmp_path / "out").exists()


def test_help_names_every_task():
    done = qkv("train", "--help")
    assert done.exit_code == 0 and all(task.names[0] in done.stdout for task in TASKS)
    assert len(re.findall(r"--[a-z-]+", done.stdout)) > 25


def test_a_folder_of_pictures_becomes_a_model(tmp_path):
    for number in range(24):
        colour = ["red", "blue"][number % 2]
        (tmp_path / "photos" / colour).mkdir(parents=True, exist_ok=True)
        picture = Image.new(
            "RGB", (30 + number, 40), (200, 10 * number, 0) if colour == "red" else (0, 10 * number, 200)
        )
        picture.save(tmp_path / "photos" / colour / f"{number}.jpg")
    small = ViTConfig(
        image_size=16, patch_size=8, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )  # fmt: skip
    ViTForImageClassification(small).save_pretrained(tmp_path / "vit")
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "vit")

    def photos(*more):
        options = ["-m", tmp_path / "vit", "-o", tmp_path / "out", "--lr", "1e-2", "--batch-size", "4", *more]
        return qkv("train", "image-classification", tmp_path / "photos", *options)

    done = photos("--epochs", "6", "--crop", "0.8", "--no-flip")
    assert done.exit_code == 0, done.stderr
    told = dict(line.split("\t", 1) for line in done.stdout.splitlines() if line.count("\t") == 1)
    assert told["pictures"] == "30 x 40 to 53 x 40, made 16 x 16; to train on: parts of 80 % and more"
    assert told["labels"] == "blue 11 (50 %), red 11 (50 %)" and float(told["accuracy"]) == 1.0
    assert told["try"] == f"qkv run image-classification -m {tmp_path / 'out'} photo.jpg"
    used = qkv("run", "image-classification", "-m", tmp_path / "out", tmp_path / "photos" / "red" / "0.jpg")
    assert used.stdout.split("\t")[0] == "red", used.stdout
    Image.new("RGB", (30, 40)).save(tmp_path / "photos" / "red" / "new.jpg")
    failed(photos("--epochs", "6", "--crop", "0.8", "--no-flip", "--resume"), 1, "sha256 of data")
    failed(photos("--data", tmp_path / "photos"), 2, "give the data once: qkv train TASK DATA")
