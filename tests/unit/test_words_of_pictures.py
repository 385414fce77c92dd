"""Processors of pictures and words, and the pipelines that match them: their options, and what is wrong with inputs."""

import numpy as np
import pytest
import torch
from PIL import Image

from commands import failed
from commands import qkv as run
from qkv import AutoProcessor, CLIPProcessor, pipeline
from tiny_matching import LABELS, make_clip, make_owlvit
from tiny_pictures import make_vit, pictures

TASK = "zero-shot-image-classification"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A repository of a CLIP, whole."""
    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def pipe(folder):
    return pipeline(TASK, model=str(folder))


def test_texts_and_pictures_in_either_order(folder):
    processor, picture = AutoProcessor.from_pretrained(folder), pictures()[0]
    assert type(processor) is CLIPProcessor
    assert processor.model_input_names == ["input_ids", "attention_mask", "pixel_values"]
    named = processor(text=LABELS, images=picture, return_tensors="pt", padding=True)
    assert named["pixel_values"].shape == (1, 3, 16, 16) and len(named["input_ids"]) == len(LABELS)
    options = {"return_tensors": "pt", "padding": True}
    for made in (
        processor(LABELS, picture, **options), processor(picture, LABELS, **options),
        processor(LABELS, images=picture, **options), processor(picture, text=LABELS, **options),
    ):  # fmt: skip
        assert all(torch.equal(made[key], value) for key, value in named.items())
    assert [*processor(text="a cat")] == ["input_ids", "attention_mask"] == [*processor("a cat")]
    assert [*processor(images=picture)] == ["pixel_values"] == [*processor(picture)]
    other = processor(text=LABELS, images=picture, do_center_crop=False, size={"height": 8, "width": 8})
    assert other["pixel_values"][0].shape == (3, 8, 8)
    longer = processor(text="a cat", images=picture, text_kwargs={"padding": "max_length", "max_length": 20})
    assert len(longer["input_ids"]) == 20
    assert processor.decode(processor(text="A Cat")["input_ids"], skip_special_tokens=True) == "a cat"


def test_a_processor_that_was_saved_alone_is_found(folder, tmp_path):
    CLIPProcessor.from_pretrained(folder, do_center_crop=False).save_pretrained(tmp_path)
    found = AutoProcessor.from_pretrained(tmp_path)
    assert type(found) is CLIPProcessor and found.image_processor.do_center_crop is False


def test_wrong_inputs_of_a_processor(folder):
    processor = AutoProcessor.from_pretrained(folder)
    with pytest.raises(ValueError, match="give text=, images=, or both"):
        processor()
    with pytest.raises(TypeError, match="each once"):
        processor("a cat", pictures()[0], images=pictures()[0])
    with pytest.raises(FileNotFoundError):
        processor("missing.png")
    with pytest.raises(ValueError, match="takes an image processor and a tokenizer"):
        CLIPProcessor(processor.tokenizer, processor.image_processor)


def test_labels_of_a_call(pipe, folder):
    picture = pictures()[0]
    found = pipe(picture, ["cat", "dog"])
    assert found == pipe(picture, candidate_labels="cat, dog") == pipe(images=picture, candidate_labels=["cat", "dog"])
    assert {one["label"] for one in found} == {"cat", "dog"} and abs(sum(one["score"] for one in found) - 1) < 1e-6
    assert found.draw().width > picture.width
    assert pipeline(model=str(folder)).task == TASK  # by the class that the config names


def test_labels_are_read_once_a_call(pipe, monkeypatch):
    read, before = [], pipe.model.get_text_features
    monkeypatch.setattr(pipe.model, "get_text_features", lambda **given: read.append(1) or before(**given))
    assert len(pipe(pictures() * 5, LABELS, batch_size=2)) == 20 and len(read) == 1
    many = [f"label {i}" for i in range(130)]
    assert len(pipe(pictures()[0], many)) == 130 and len(read) == 4
    alone = pipe(pictures()[0], many[:2])
    assert {one["label"] for one in alone} == {"label 0", "label 1"}


@pytest.mark.parametrize(
    ("labels", "options", "error", "says"),
    [
        (None, {}, TypeError, "needs labels"),
        ([], {}, ValueError, "no label"),
        (["cat", " "], {}, ValueError, "an empty label"),
        ([3], {}, TypeError, "holds 3"),
        (["cat"], {"hypothesis_template": "a photo"}, ValueError, "where the label goes"),
        (["cat"], {"candidate_labels": ["dog"]}, TypeError, "once"),
        (["cat"], {"treshold": 1}, TypeError, "no option 'treshold'"),
        (["a long label " * 20], {}, ValueError, "truncation"),
        (["cat"], {"tokenizer_kwargs": {"paddding": 1}}, TypeError, "paddding"),
    ],
)
def test_wrong_labels(pipe, labels, options, error, says):
    with pytest.raises(error, match=says) as caught:
        pipe(pictures()[0], *([] if labels is None else [labels]), **options)
    assert len(str(caught.value)) < 400


def test_long_labels_are_cut_if_asked(pipe):
    found = pipe(
        pictures()[0], ["a long label " * 20], tokenizer_kwargs={"truncation": True, "max_length": 30}
    )  # fmt: skip
    assert found[0]["score"] == 1


def test_wrong_models_and_pictures(pipe, tmp_path):
    with pytest.raises(ValueError, match="match pictures with words"):
        pipeline(TASK, model=str(make_vit(tmp_path)))
    with pytest.raises(FileNotFoundError):
        pipe("missing.png", LABELS)
    with pytest.raises(TypeError, match="takes a picture"):
        pipe(3, LABELS)
    assert pipe([], LABELS) == []
    assert pipe(np.zeros((20, 20, 3), np.uint8), LABELS)


def test_on_the_command_line(folder, tmp_path):
    path = tmp_path / "cat.png"
    Image.new("RGB", (40, 30), (50, 100, 200)).save(path)
    one = run(
        "run", TASK, "-m", folder, path, "--labels", "cat,dog", "--template", "a {}", "--draw", tmp_path / "out.png"
    )
    assert one.exit_code == 0, one.stderr
    assert len(one.stdout.splitlines()) == 2 and (tmp_path / "out.png").exists()
    failed(run("run", TASK, "-m", folder, path), 2, "--labels")


# ------------------------------------------------------------------------------------------- zero-shot-object-detection

FIND = "zero-shot-object-detection"


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    return pipeline(FIND, model=str(make_owlvit(tmp_path_factory.mktemp("owlvit"))))


def test_objects_of_a_call(finder):
    picture = pictures()[0]
    found = finder(picture, ["cat", "dog"], threshold=0.55)
    assert found == finder(picture, candidate_labels="cat, dog", threshold=0.55)
    assert found == finder({"image": picture, "candidate_labels": ["cat", "dog"]}, threshold=0.55)
    assert found and [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    assert found.draw().width >= picture.width
    assert [len(finder(picture, LABELS, top_k=k)) for k in (3, None)] == [3, 64]
    assert finder(picture, ["cat"], threshold=1.0) == []
    mixed = finder([{"image": one, "candidate_labels": LABELS[:n]} for n, one in enumerate(pictures()[:3], 1)])
    assert [{one["label"] for one in of} for of in mixed] == [set(LABELS[:n]) for n in (1, 2, 3)]
    assert mixed[1] == finder(pictures()[1], LABELS[:2])
    assert pipeline(model=finder.model.config.name_or_path).task == FIND


def test_wrong_objects(finder, folder, tmp_path):
    picture = pictures()[0]
    for given, labels in ((picture, None), (picture, []), ({"image": picture}, None)):
        with pytest.raises((TypeError, ValueError), match="label"):
            finder(given, *([] if labels is None else [labels]))
    with pytest.raises(ValueError, match="top_k"):
        finder(picture, ["cat"], top_k=0)
    with pytest.raises(ValueError, match="AutoModelForZeroShotObjectDetection is for owlvit"):
        pipeline(FIND, model=str(folder))
    path = tmp_path / "cat.png"
    picture.save(path)
    where = finder.model.config.name_or_path
    one = run("run", FIND, "-m", where, path, "--labels", "cat", "--top-k", "2", "--draw", tmp_path / "out.png")
    assert one.exit_code == 0, one.stderr
    assert len(one.stdout.splitlines()) == 2 and (tmp_path / "out.png").exists()
    failed(run("run", FIND, "-m", where, path), 2, "--labels")


def test_what_an_owlvit_is_given(finder):
    processor = AutoProcessor.from_pretrained(finder.model.config.name_or_path)
    given = processor(text=[["cat", "dog"], ["car"]], images=pictures()[:2])
    assert given["input_ids"].shape == (4, 30) and given["pixel_values"].shape == (2, 3, 16, 16)
    with pytest.raises(ValueError, match="3 texts for 2 pictures"):
        finder.model(given["input_ids"][:3], given["pixel_values"])
    with pytest.raises(ValueError, match="query_pixel_values"):
        finder.model.image_guided_detection(given["pixel_values"])
    with pytest.raises(ValueError, match="text_labels"):
        processor.post_process_grounded_object_detection(finder.model(**given), text_labels=[["cat"]])
    low = given["input_ids"].clone()
    low[3, 0] = 0  # fills up: never found
    assert (finder.model(low, given["pixel_values"]).logits[1, :, 1] < -1e30).all()
