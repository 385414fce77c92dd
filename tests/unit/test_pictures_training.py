"""Training on pictures: rows of folders and tables, what is drawn for a row of an epoch, and runs that are resumed."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from qkv import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    Trainer,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    pipeline,
    prepare_training,
)
from qkv.preprocessing.image import load_image
from qkv.training.data.picture_folder import read_folder
from qkv.training.data.pictures import Pictures, made_size

COLOURS = {"blue": (20, 30, 220), "green": (20, 210, 40), "red": (220, 30, 20)}


def photo(name, number, size=(40, 30)):
    """A picture of mostly one colour, with noise, no two alike."""
    draw = np.random.default_rng((number, *COLOURS[name]))
    noise = draw.integers(-20, 20, (size[1], size[0], 3))
    return Image.fromarray((np.array(COLOURS[name]) + noise).clip(0, 255).astype(np.uint8))


def fill(folder, count, first=0, ending="png"):
    for name in COLOURS:
        (folder / name).mkdir(parents=True)
        for i in range(first, first + count):
            photo(name, i, (40 + i % 3, 30)).save(folder / name / f"{i:02}.{ending}")
    return folder


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = ViTConfig(
        image_size=16, patch_size=8, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("data") / "photos", 10)


def test_a_folder_for_each_class(vit, photos, tmp_path):
    (photos / "red" / "notes.txt").write_text("no picture")
    (photos / ".hidden").mkdir(exist_ok=True)
    made = prepare_training("image-classification", vit, str(photos), held_out=0.2)
    assert made.model.config.id2label == {0: "blue", 1: "green", 2: "red"}
    assert (len(made.train_dataset), len(made.eval_dataset)) == (24, 6)
    facts = dict(made.facts)
    assert (
        facts["pictures"]
        == "40 x 30 to 42 x 30, made 16 x 16; to train on: parts of 50 % and more, half of them mirrored"
    )
    assert facts["labels"] == "blue 8 (33 %), green 8 (33 %), red 8 (33 %)" and "note" not in facts
    trainer = made.trainer(made.arguments(str(tmp_path / "out"), num_train_epochs=8, learning_rate=5e-3, seed=1))
    trainer.train()
    report = made.report(trainer)
    assert report.classes is not None and report.metrics["accuracy"] == 1.0 and report.classes["red"]["support"] == 2
    trainer.save_model()
    assert type(AutoImageProcessor.from_pretrained(tmp_path / "out")) is ViTImageProcessor
    pipe = pipeline("image-classification", str(tmp_path / "out"))
    assert [pipe(photo(name, 99))[0]["label"] for name in COLOURS] == list(COLOURS)
    # What is measured on is what the pipeline sees: nothing is drawn for it.
    source = read_folder(photos)[0]["image"]
    own = Pictures([source], [0], made.processing_class)
    assert np.array_equal(own[0]["pixel_values"], made.processing_class(load_image(source))["pixel_values"][0])


def test_parts_to_train_and_to_measure_on(vit, tmp_path):
    fill(tmp_path / "set" / "train", 4)
    fill(tmp_path / "set" / "test", 2, first=4)
    photo("red", 0, (40, 30)).save(tmp_path / "set" / "test" / "red" / "copy.png")  # 00.png of training
    made = prepare_training("image-classification", vit, tmp_path / "set", crop=1, flip=False)
    assert (len(made.train_dataset), len(made.eval_dataset)) == (12, 7)
    facts = dict(made.facts)
    assert facts["data"] == "set/train: 12 rows to train on; set/test: 7 to measure on"
    assert facts["pictures"].endswith("to train on: whole") and facts["note"].startswith(
        "1 of 7 rows to measure on are"
    )
    fill(tmp_path / "set" / "val", 1, first=9)
    assert dict(prepare_training("image-classification", vit, tmp_path / "set").facts)["data"].count("set/val: 3") == 1


def test_tables_with_paths_bytes_and_arrays(vit, photos, tmp_path):
    rows = [{"photo": f"photos/{name}/{i:02}.png", "colour": name} for i in range(4) for name in COLOURS]
    table = photos.parent / "table.csv"
    table.write_text("photo,colour\n" + "".join(f"{row['photo']},{row['colour']}\n" for row in rows))
    whole = {"crop": 1, "flip": False, "held_out": 3}
    named = prepare_training("image-classification", vit, table, columns={"label": "colour"}, **whole)
    as_bytes = [
        {"image": {"bytes": (photos.parent / row["photo"]).read_bytes(), "path": None}, "label": row["colour"]}
        for row in rows
    ]
    arrays = [{"image": np.array(Image.open(photos.parent / row["photo"])), "label": row["colour"]} for row in rows]
    for other in (as_bytes, arrays):
        same = prepare_training("image-classification", vit, other, **whole)
        for a, b in zip(named.train_dataset, same.train_dataset, strict=True):
            assert np.array_equal(a["pixel_values"], b["pixel_values"]) and a["labels"] == b["labels"]
    several = [{**row, "label": "|".join(list(COLOURS)[: i % 4])} for i, row in enumerate(arrays)]
    made = prepare_training("image-classification", vit, several, problem="multi")
    assert made.model.config.problem_type == "multi_label_classification" and len(made.train_dataset[0]["labels"]) == 3


def test_a_data_set_of_datasets_stays_undecoded(vit, photos):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(COLOURS))})
    rows = {"image": [str(photos / name / "00.png") for name in COLOURS] * 2, "label": [0, 1, 2] * 2}
    made = prepare_training(
        "image-classification", vit, datasets.Dataset.from_dict(rows, features=features), held_out=3
    )
    assert made.model.config.id2label == dict(enumerate(COLOURS)) and len(made.train_dataset) == 3
    assert made.train_dataset[0]["pixel_values"].shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (lambda f: (f / "red" / "bad.jpg").write_text("<html>not found</html>"), ["bad.jpg", "a web page"]),
        (lambda f: (f / "red" / "bad.jpg").write_bytes(b""), ["bad.jpg", "no picture that qkv reads"]),
        (lambda f: [file.unlink() for file in f.rglob("*.png")], ["there is none", "cat/1.jpg"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_folder(vit, tmp_path, spoil, parts):
    spoil(fill(tmp_path / "photos", 3))
    with pytest.raises(ValueError) as error:
        prepare_training("image-classification", vit, tmp_path / "photos")
    assert all(part in str(error.value) for part in parts) and len(str(error.value)) < 400


def test_what_is_wrong_with_tables_and_options(vit, photos, tmp_path):
    with pytest.raises(ValueError, match="row 1 of data: there is no picture .*blau.png.*Near it: 'blue'"):
        rows = [{"image": str(photos / name), "label": name} for name in ("blue/00.png", "blau.png", "red/00.png")]
        prepare_training("image-classification", vit, rows, rows)
    with pytest.raises(ValueError, match="row 0 of data has None in 'image'; expected the path"):
        prepare_training("image-classification", vit, [{"image": None, "label": i % 2} for i in range(9)])
    with pytest.raises(ValueError, match="crop=0 must be above 0"):
        prepare_training("image-classification", vit, photos, crop=0)
    with pytest.raises(ValueError, match="lie in it beside each other"):
        prepare_training("image-classification", vit, photos / "red")
    with pytest.raises(ValueError, match="makes pictures of different sizes.*preprocessor_config.json"):
        made_size(ViTImageProcessor(size={"shortest_edge": 16}))
    with pytest.raises(ValueError, match="Make them first.*image_processor"):
        args = TrainingArguments(str(tmp_path), max_steps=1)
        model = AutoModelForImageClassification.from_pretrained(vit)
        Trainer(model, args, train_dataset=[{"image": 1, "name": "x"}]).train()


# ------------------------------------------------------------------------------------------------------ what is drawn


def test_what_is_drawn_follows_from_seed_epoch_and_row():
    pictures = [photo("red", i, (64, 48)) for i in range(8)]
    processor = ViTImageProcessor(size={"height": 16, "width": 16})

    def made(epoch=0, seed=0, **how):
        data = Pictures(pictures, range(8), processor, seed=seed, **how)
        data.set_epoch(epoch)
        return np.stack([row["pixel_values"] for row in data.__getitems__(list(range(8)))])

    plain, mirrored = made(), made(flip=True)
    same = [np.array_equal(a, b) for a, b in zip(plain, mirrored, strict=True)]
    turned = [np.array_equal(a[..., ::-1], b) for a, b in zip(plain, mirrored, strict=True)]
    assert all(a != b for a, b in zip(same, turned, strict=True)) and 0 < sum(turned) < 8
    part = made(crop=0.3, flip=True)
    assert np.array_equal(part, made(crop=0.3, flip=True)) and np.array_equal(plain, made(epoch=3))
    assert not any(np.array_equal(a, b) for a, b in zip(part, made(epoch=1, crop=0.3, flip=True), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(part, made(seed=1, crop=0.3, flip=True), strict=True))


def test_parts_are_of_the_share_asked_for_and_the_size_of_the_model():
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (200, 200, 3))  # grey = column
    processor = ViTImageProcessor(size={"shortest_edge": 20}, do_center_crop=True, crop_size=16, do_normalize=False)
    data = Pictures([ramp] * 40, [0] * 40, processor, crop=0.4, seed=3)
    seen = np.stack([data[i]["pixel_values"] for i in range(40)]) * 255
    widths = (seen[:, 0, 0, -1] - seen[:, 0, 0, 0]) * 16 / 15  # columns that a part shows
    assert seen.shape == (40, 3, 16, 16) and widths.min() > 200 * (0.4 * 3 / 4) ** 0.5 - 2 and widths.max() <= 201
    assert np.ptp(widths) > 40 and np.ptp(seen[:, 0, 0, 0]) > 20


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_is_resumed_is_the_run_that_was_not(vit, photos, tmp_path, workers):
    def trainer(folder, workers, **more):
        made = prepare_training("image-classification", vit, photos)
        options = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "save_strategy": "steps", "save_steps": 5}
        options |= {"eval_strategy": "no", "load_best_model_at_end": False, "dataloader_num_workers": workers}
        return made.trainer(made.arguments(str(folder), save_total_limit=None, **options, **more))

    whole = trainer(tmp_path / "whole", 0)
    whole.train()
    part = trainer(tmp_path / "part", workers)
    part.train()
    again = trainer(tmp_path / "part", workers)
    again.train(resume_from_checkpoint=str(tmp_path / "part" / "checkpoint-10"))  # in the second epoch
    for one in (part, again):
        for (name, a), b in zip(whole.model.state_dict().items(), one.model.state_dict().values(), strict=True):
            assert torch.equal(a, b), name
    assert again.state.global_step == whole.state.global_step == 14


def test_a_transform_of_datasets_gets_the_columns_that_it_reads(vit, photos, tmp_path):
    """The field's way: images become pixels when they are asked for, and nothing need be said of unused columns."""
    datasets = pytest.importorskip("datasets")
    processor = AutoImageProcessor.from_pretrained(vit)
    rows = {"image": [str(photos / name / "00.png") for name in COLOURS] * 4, "label": [0, 1, 2] * 4}
    data = datasets.Dataset.from_dict(rows)
    data = data.with_transform(
        lambda some: {
            "pixel_values": processor([Image.open(path) for path in some["image"]])["pixel_values"],
            "label": some["label"],
        }
    )
    model = AutoModelForImageClassification.from_pretrained(vit, num_labels=3, ignore_mismatched_sizes=True)
    args = TrainingArguments(str(tmp_path / "out"), max_steps=3, save_strategy="no", learning_rate=1e-2)
    trainer = Trainer(model, args, train_dataset=data, eval_dataset=data, processing_class=processor)
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before
    trainer.save_model()
    assert json.loads((tmp_path / "out" / "preprocessor_config.json").read_text())["size"] == {
        "height": 16,
        "width": 16,
    }


def test_a_dry_run_names_classes_and_the_picture_that_is_cut(vit, photos, tmp_path):
    made = prepare_training("image-classification", vit, photos)
    found = made.trainer(made.arguments(str(tmp_path / "out"))).dry_run()
    assert found.train.labels == {"blue": 9, "green": 9, "red": 9} and found.shapes["pixel_values"] == (16, 3, 16, 16)
    folder = fill(tmp_path / "cut", 5, ending="jpg")
    content = (folder / "red" / "03.jpg").read_bytes()
    (folder / "red" / "03.jpg").write_bytes(content[:-100])
    made = prepare_training("image-classification", vit, folder, folder)
    with pytest.raises(ValueError, match="red/03.jpg.*a damaged or cut JPEG"):
        made.trainer(made.arguments(str(tmp_path / "out2"))).train()
