"""Results drawn on their pictures: where the colour is, that names stay inside, and what becomes of the result."""

import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from qkv.pipelines import canvas
from qkv.pipelines.drawn import Boxes, Classes, Depth, Masks, Segments

GREY = (128, 128, 128)
WIDTH, HEIGHT = 600, 400


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (WIDTH, HEIGHT), GREY).save(path)
    return str(path)


def box(left, top, right, bottom):
    return {"xmin": left, "ymin": top, "xmax": right, "ymax": bottom}


def found(*boxes, label="cat", score=0.9):
    return [{"score": score, "label": label, "box": box(*one)} for one in boxes]


def changed(picture):
    """Where a picture is not grey any more (H,W)."""
    return (np.asarray(picture) != GREY).any(-1)


def test_boxes_are_drawn_where_they_are(photo):
    result = Boxes(found((100, 100, 300, 200)), photo)
    made = result.draw()
    assert made.size == (WIDTH, HEIGHT)
    where = changed(made)
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    assert (columns.min(), columns.max(), rows.max()) == (99, 301, 201)
    assert where[100:201, 100].all() and not where[115:185, 120:280].any()
    assert tuple(np.asarray(made)[200, 200]) == canvas.colour(0)


@pytest.mark.parametrize("corner", [(0, 0, 5, 5), (590, 0, 600, 10), (590, 390, 600, 400), (-50, -9, 700, 500)])
def test_a_name_stays_inside_the_picture(corner):
    picture = Image.new("RGB", (WIDTH, HEIGHT), GREY)
    size = canvas.unit(picture)
    text = canvas.fitted("a label with a long name " * 20, size, WIDTH - size)
    width = canvas.font(size).getlength(text) + size * 0.6
    left, top, right, bottom = canvas._free(corner, width, size * 1.4, picture, [])
    assert left >= 0 and top >= 0 and right <= WIDTH and bottom <= HEIGHT and text.endswith("…")


def test_names_of_boxes_at_one_place_do_not_hide_each_other():
    picture, taken = Image.new("RGB", (WIDTH, HEIGHT)), []
    for _ in range(6):
        taken.append(canvas._free((200, 150, 400, 250), 80, 20, picture, taken))
    assert all(canvas._overlap(a, b) == 0 for i, a in enumerate(taken) for b in taken[:i])


def test_labels_have_their_colours_and_the_best_box_is_on_top(photo):
    result = Boxes(found((50, 50, 200, 200), label="dog", score=0.5) + found((50, 50, 200, 200), label="cat"), photo)
    made = np.asarray(result.draw())
    assert tuple(made[200, 100]) == canvas.colour(0)  # the cat's: the colour of the best
    assert result[0]["label"] == "dog"  # and the result is as it was


def test_segments_are_blended_and_named(photo):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[100:300, 100:400] = 255
    made = np.asarray(Segments([{"label": "cat", "score": None, "mask": Image.fromarray(mask)}], photo).draw())
    shade = np.asarray(canvas.colour(0))
    assert tuple(made[100, 200]) == tuple(shade)  # the outline
    assert np.abs(made[200, 200] - (0.55 * 128 + 0.45 * shade)).max() <= 1
    assert tuple(made[50, 50]) == GREY
    assert made.shape[1] > WIDTH and (made[:60, WIDTH:] == shade).all(-1).any()  # the legend


def test_a_mask_at_the_border_has_no_outline_there(photo):
    mask = np.ones((HEIGHT, WIDTH), bool)
    made = np.asarray(Masks({"masks": [mask], "scores": [1.0]}, photo).draw())
    assert len(np.unique(made.reshape(-1, 3), axis=0)) == 1


def test_small_masks_are_seen_on_large_ones(photo):
    small, large = np.zeros((2, HEIGHT, WIDTH), bool)
    large[:], small[10:50, 10:50] = True, True
    made = [np.asarray(Masks({"masks": order, "scores": [1, 1]}, photo).draw()) for order in ([small, large],)][0]
    assert tuple(made[30, 30]) != tuple(made[200, 200])


def test_depth_grows_brighter_and_says_its_numbers(photo):
    values = np.linspace(1, 9, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, 0)
    made = np.asarray(Depth({"predicted_depth": values, "depth": None}, photo).draw()).astype(int)
    line = made[200, WIDTH : 2 * WIDTH].sum(-1)
    assert (made[:, :WIDTH] == 128).all() and (np.diff(line) >= -2).all() and line[-1] > line[0] + 500
    assert made.shape[1] > 2 * WIDTH
    flat = Depth({"predicted_depth": np.ones((HEIGHT, WIDTH)), "depth": None}, photo).draw()
    assert flat.size == (flat.width, HEIGHT)


def test_bars_are_as_long_as_the_scores(photo):
    result = Classes([{"label": "a", "score": 1.0}, {"label": "b", "score": 0.5}, {"label": "c", "score": 0.0}], photo)
    shade = (np.asarray(result.draw()) == canvas.colour(1)).all(-1)
    lengths = sorted({int(n) for n in shade.sum(1)} - {0})
    assert len(lengths) == 2 and lengths[-1] > 100 and abs(lengths[0] * 2 - lengths[-1]) <= 2


@pytest.mark.parametrize("size", [(1, 1), (3, 1000), (1000, 3), (32, 24)])
def test_pictures_of_every_shape(size):
    picture = Image.new("RGB", size)
    mask = np.ones(size[::-1], bool)
    for result in (
        Boxes(found((0, 0, *size)), picture),
        Segments([{"label": "x" * 300, "score": 0.1, "mask": mask}] * 40, picture),
        Masks({"masks": [mask], "scores": [1]}, picture),
        Depth({"predicted_depth": mask.astype(np.float32), "depth": None}, picture),
        Classes([{"label": "", "score": 0.5}], picture),
        Boxes([], picture),
        Classes([], picture),
    ):
        assert max(result.draw().size) >= 241


def test_a_small_picture_is_enlarged_with_its_boxes():
    made = Boxes(found((10, 2, 20, 22)), Image.new("RGB", (32, 24), GREY)).draw()
    assert made.size == (480, 360)
    assert changed(made)[30:330, 150].all()


def test_results_stay_what_they_are(photo, tmp_path):
    result = Boxes(found((1, 2, 3, 4)), photo)
    assert result == found((1, 2, 3, 4)) and json.loads(json.dumps(result)) == result
    again = pickle.loads(pickle.dumps(result))
    assert type(again) is Boxes and again == result and again.source == photo
    depth = pickle.loads(pickle.dumps(Depth({"predicted_depth": np.ones((2, 2)), "depth": 1}, photo)))
    assert type(depth) is Depth and depth.source == photo


def test_written_and_shown(photo, tmp_path):
    result = Boxes(found((1, 2, 300, 300)), photo)
    made = result.draw(tmp_path / "out.png")
    assert (np.asarray(Image.open(tmp_path / "out.png")) == np.asarray(made)).all()
    assert Image.open(io.BytesIO(result._repr_png_())).size == (WIDTH, HEIGHT)
    with pytest.raises(ValueError, match=r"must end in \.png"):
        result.draw(tmp_path / "out.text")
    (tmp_path / "photo.png").unlink()
    assert result._repr_png_() is None
    with pytest.raises(FileNotFoundError):
        result.draw()


@pytest.mark.parametrize("installed", [True, False])
def test_letters_beyond_ascii(installed, monkeypatch):
    """With a font that has them as they are; else without their accents, and never as empty boxes of Pillow's own."""
    monkeypatch.setattr(canvas, "_of_system", lambda size: canvas.font(size) if installed else None)
    assert canvas.fitted("naïve Früchte", 12, 500) == ("naïve Früchte" if installed else "naive Fruchte")
    assert canvas.fitted("naïve Früchte", 12, 60)[-1] == "…"
