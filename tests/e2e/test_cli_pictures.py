"""qkv run for tasks that say something about a picture: --draw."""

import json
from pathlib import Path

import pytest
from PIL import Image

from commands import failed, qkv
from qkv import ViTImageProcessor, load_image
from qkv.models.vit import ViTForImageClassification
from tiny_depth import make_depth, make_sam

GOLDENS = Path(__file__).parent.parent / "parity" / "vision"


@pytest.fixture
def classifier(tmp_path):
    ViTForImageClassification.from_pretrained(GOLDENS / "vit/ForImageClassification").save_pretrained(tmp_path / "vit")
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


@pytest.fixture
def photos(tmp_path):
    paths = [tmp_path / "a" / "cat.png", tmp_path / "b" / "cat.png"]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        Image.new("RGB", (40, 30 + number), (50, 100, 200)).save(path)
    return paths


def test_results_are_drawn(classifier, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = qkv("run", "image-classification", "-m", classifier, photos[0], "--draw", "out.png")
    assert one.exit_code == 0, one.stderr
    assert len(one.stdout.splitlines()) == 3 and load_image("out.png").width > 480
    two = qkv("run", "image-classification", "-m", classifier, *photos, "--draw", tmp_path / "new/drawn")
    assert two.exit_code == 0, two.stderr
    assert sorted(path.name for path in (tmp_path / "new/drawn").iterdir()) == ["a_cat.png", "b_cat.png"]


def test_several_results_are_not_drawn_over_each_other(classifier, photos, tmp_path):
    done = qkv("run", "image-classification", "-m", classifier, *photos, "--draw", tmp_path / "out.png")
    failed(done, 2, "--draw", "name a folder for 2")
    assert not (tmp_path / "out.png").exists()


def test_names_that_are_meant_otherwise(classifier, photos, tmp_path):
    """A drawing that ends as no picture does is no folder; a picture is no list of paths."""
    failed(
        qkv("run", "image-classification", "-m", classifier, photos[0], "--draw", "out.pdf"),
        2,
        "a picture ends in .png",
    )
    failed(qkv("run", "image-classification", "-m", classifier, "-f", photos[0]), 2, "as an argument")
    failed(qkv("run", "image-classification", "-m", classifier, tmp_path), 1, "is a folder")


def test_help_shows_the_options_of_the_task():
    shown = qkv("run", "object-detection", "--help").stdout
    assert "--threshold" in shown and "--draw" in shown and "--aggregation" not in shown and "--top-p" not in shown
    every = qkv("run", "--help").stdout
    assert "--threshold" in every and "--top-p" in every and "[x0,y0,x1,y1]" in every


def test_depth_and_masks(photos, tmp_path):
    for task, make in (("depth-estimation", make_depth), ("mask-generation", make_sam)):
        folder = make(tmp_path / task)
        done = qkv("run", task, "-m", folder, photos[0], "--draw", tmp_path / f"{task}.png", "--json")
        assert done.exit_code == 0, done.stderr
        result = json.loads(done.stdout)[0]["result"]
        assert result == [] or set(result[0]) in ({"least", "median", "most"}, {"score", "share"})
        assert load_image(tmp_path / f"{task}.png").height == 360


def test_describe_a_model_of_pictures(tmp_path):
    made = make_sam(tmp_path / "sam")
    rows = dict(line.split("\t", 1) for line in qkv("describe", made).stdout.splitlines())
    assert rows["task"] == "mask-generation" and rows["labels"] == "none" and "vocabulary" not in rows
    assert rows["image processor"] == 'SamImageProcessor, size {"longest_edge": 32}'
    assert json.loads(qkv("describe", GOLDENS / "vit/Model", "--json").stdout)["tasks"] == ["image-feature-extraction"]
