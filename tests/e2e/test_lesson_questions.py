"""The lesson's pipeline that answers questions, verbatim but for the import, and other defaults, from a Hub nearby."""

import os
import subprocess
import sys

import pytest

from hub_server import HubServer
from tiny import make
from tiny_questions import make_questions

QUESTIONS = """
from qkv import pipeline

# Question answering
qa = pipeline("question-answering")
result = qa(question="What is the capital of France?", context="Paris is the capital of France.")
"""
CHECK = """
context = "Paris is the capital of France."
assert list(result) == ["score", "start", "end", "answer"], result
assert 0 < result["score"] < 1 and result["answer"] == context[result["start"]:result["end"]] != ""
print(qa.model.config.name_or_path)
"""
MASKS = """
from qkv import pipeline
fill = pipeline("fill-mask")
print(len(fill("the film was <mask>.")), fill.model.config.name_or_path)
"""
LABELS = """
from qkv import pipeline
try:
    pipeline("zero-shot-classification")
except ValueError as error:
    print(error)
"""


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with HubServer() as hub:
        questions = make(folder / "qa", "distilbert", "ForQuestionAnswering")
        hub.add("distilbert/distilbert-base-cased-distilled-squad", files(questions))
        hub.add("distilbert/distilroberta-base", files(make_questions(folder / "fill", "bytes", "ForMaskedLM")))
        hub.add("facebook/bart-large-mnli", {"config.json": b'{"model_type": "not-yet"}', "model.safetensors": b"x"})
        yield hub


def run(hub, folder, code):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    env |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    env |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, env=env, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    return done.stdout.strip()


def test_question_answering(hub, tmp_path):
    assert run(hub, tmp_path, QUESTIONS + CHECK) == "distilbert/distilbert-base-cased-distilled-squad"


def test_fill_mask(hub, tmp_path):
    assert run(hub, tmp_path, MASKS) == "5 distilbert/distilroberta-base"


def test_zero_shot_names_a_model_that_works_before_it_downloads_one_that_does_not(hub, tmp_path):
    told = run(hub, tmp_path, LABELS)
    assert told.endswith("pipeline('zero-shot-classification', model='MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli').")
    assert not hub.asked("bart-large-mnli/resolve/main/model.safetensors")
