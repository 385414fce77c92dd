"""The door for pictures: what it takes, what it refuses, and how it says so."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qkv import AutoImageProcessor, ImageProcessor, LayoutLMv3ImageProcessor, load_image
from qkv.preprocessing import ocr

PICTURE = (np.arange(5 * 7 * 3).reshape(5, 7, 3) * 2 % 256).astype(np.uint8)


def encoded(picture, form, **how):
    stream = io.BytesIO()
    picture.save(stream, form, **how)
    return stream.getvalue()


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(PICTURE), "PNG"))
    return path


def test_sources(png):
    content = png.read_bytes()
    text = base64.b64encode(content).decode()
    sources = [png, str(png), content, f"data:image/png;base64,{text}", Image.open(png), PICTURE]
    sources += [PICTURE.astype(np.int64), PICTURE.transpose(2, 0, 1), torch.tensor(PICTURE), PICTURE / 255]
    sources += [text] if len(text) > 200 else []
    for source in sources:
        found = load_image(source)
        assert found.mode == "RGB" and np.array_equal(np.asarray(found), PICTURE)
    grey = load_image(PICTURE[..., 0])
    assert grey.mode == "RGB" and np.array_equal(np.asarray(grey)[..., 1], PICTURE[..., 0])
    assert load_image(PICTURE[..., :1]).size == load_image(np.dstack([PICTURE, PICTURE[..., 0]])).size == (7, 5)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_formats(form):
    assert load_image(encoded(Image.fromarray(PICTURE), form)).size == (7, 5)


def test_other_formats_are_not_decoded():
    for content in (encoded(Image.fromarray(PICTURE), "PDF"), encoded(Image.fromarray(PICTURE), "ICO"), b"", b"text"):
        with pytest.raises(ValueError, match="JPEG, PNG"):
            load_image(content)


def test_turned_by_exif():
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera held upright
    content = encoded(Image.fromarray(PICTURE), "PNG", exif=exif)
    assert np.array_equal(np.asarray(load_image(content)), np.rot90(PICTURE, -1))
    assert load_image(Image.open(io.BytesIO(content))).size == (5, 7)


def test_cut_and_damaged_files(png):
    large = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))
    for form in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"):
        content = encoded(large, form)
        with pytest.raises(ValueError, match="damaged or cut|no picture") as error:
            load_image(content[: len(content) // 2])
        assert len(str(error.value)) < 400
    content = bytearray(png.read_bytes())
    content[-30:-20] = b"0123456789"
    png.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.png.*damaged or cut PNG"):
        load_image(png)
    with pytest.raises(ValueError, match="damaged or cut PNG"):
        load_image(Image.open(png))


def test_pixels_are_counted_before_they_are_decoded(monkeypatch):
    content = encoded(Image.new("1", (10_000, 9_000)), "PNG")  # 12 kB, 270 MB decoded
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    for source in (content, encoded_size(20_000, 20_000)):
        with pytest.raises(ValueError, match="at most 80,000,000"):
            load_image(source)


def encoded_size(width, height):
    """A PNG that says it is of this size."""
    content = bytearray(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    import zlib

    return bytes(content) + header + zlib.crc32(b"IHDR" + header).to_bytes(4, "big") + b"\0\0\0\0IDAT\0\0\0\0"


def test_what_is_no_picture(tmp_path, png):
    with pytest.raises(FileNotFoundError, match=r"b\.png.*'a\.png'"):
        load_image(tmp_path / "b.png")
    with pytest.raises(ValueError, match="base64"):
        load_image("data:image/png;base64,§§")
    with pytest.raises(TypeError, match="got int 3"):
        load_image(3)
    wrong = (
        np.zeros((5, 5, 7), np.uint8),
        np.zeros(5),
        np.zeros((0, 4, 3)),
        PICTURE.astype(float) - 1,
        PICTURE * 1000.5,
    )
    for array in wrong:
        with pytest.raises(ValueError, match="no picture"):
            load_image(array)
    with pytest.raises(ValueError, match="resample=17 is no filter"):
        ImageProcessor(resample=17)


def test_processors_are_saved_and_found(tmp_path):
    made = LayoutLMv3ImageProcessor(size={"height": 8, "width": 6}, image_mean=0.5, do_rescale=True, something_else=3)
    made.save_pretrained(tmp_path)
    again = AutoImageProcessor.from_pretrained(tmp_path, apply_ocr=False)
    assert type(again) is LayoutLMv3ImageProcessor and again.size == {"height": 8, "width": 6}
    assert again.something_else == 3 and not again.apply_ocr and made.apply_ocr
    nested = {"image_processor": again.to_dict(), "processor_class": "LayoutLMv3Processor"}
    (tmp_path / "preprocessor_config.json").unlink()
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    found = AutoImageProcessor.from_pretrained(tmp_path)
    assert found.fields == again.fields and found(PICTURE, return_tensors="pt").pixel_values.shape == (1, 3, 8, 6)
    (tmp_path / "processor_config.json").write_text(
        '{"image_processor": {"image_processor_type": "DonutImageProcessor"}}'
    )
    with pytest.raises(ValueError, match="DonutImageProcessor'; the nearest are 'D"):
        AutoImageProcessor.from_pretrained(tmp_path)


def test_fields_that_make_no_picture():
    for fields in ({"size": "large"}, {"size": {"height": 3}}, {"image_mean": [1, 2]}, {"image_std": [1, 0, 1]}):
        with pytest.raises(ValueError, match=next(iter(fields))):
            ImageProcessor(**fields)
    with pytest.raises(TypeError, match="'do_resise'; nearest: 'do_resize'"):
        ImageProcessor()(PICTURE, do_resise=False)
    with pytest.raises(AttributeError, match="do_resize"):
        ImageProcessor().do_resise  # noqa: B018


def test_words_of_a_picture(monkeypatch):
    picture = load_image(PICTURE)
    found = ocr.read_words(picture, lambda seen: [("a", (0, 1, 2, 3)), ["b", [9, 9, 1000, 1000]]])
    assert found == [("a", [0, 1, 2, 3]), ("b", [9, 9, 1000, 1000])]
    for wrong, say in (([("a", (0, 1, 2, 3000))], "box 0 of ocr"), (["ab"], "pairs"), ([("a", (1, 2))], "thousandths")):
        with pytest.raises(ValueError, match=say):
            ocr.read_words(picture, lambda seen, wrong=wrong: wrong)

    class Tesseract:
        @staticmethod
        def image_to_data(image, lang, config, output_type):
            assert (image.size, lang, config, output_type) == ((7, 5), "deu", "--psm 6", "dict")
            return {
                "text": ["a", " ", "b"],
                "left": [0, 1, 3],
                "top": [0, 1, 2],
                "width": [2, 1, 4],
                "height": [1, 1, 9],
            }

    monkeypatch.setitem(__import__("sys").modules, "pytesseract", Tesseract)
    assert ocr.read_words(picture, lang="deu", config="--psm 6") == [
        ("a", [0, 0, 285, 200]), ("b", [428, 400, 1000, 1000])
    ]  # fmt: skip
    monkeypatch.setitem(__import__("sys").modules, "pytesseract", None)
    with pytest.raises(ImportError, match="word_boxes=.*ocr=.*pip install pytesseract"):
        ocr.read_words(picture)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0.05, 1),
)
def test_any_damage_is_a_picture_or_a_value_error(form, changes, kept):
    content = bytearray(encoded(Image.fromarray(PICTURE), form))
    for place, value in changes:
        content[int(place * len(content))] = value
    try:
        assert load_image(bytes(content[: int(kept * len(content))])).mode == "RGB"
    except ValueError as error:
        assert len(str(error)) < 400
