"""Models of pages: boxes that are none, pictures that are none, and each input without the other."""

import pytest
import torch

from families import IDS, tiny_config
from qkv import AutoModel, AutoModelForDocumentQuestionAnswering, AutoModelForTokenClassification, LayoutLMv3Model
from qkv.models import TEXT as FAMILIES
from qkv.models.layoutlmv3 import DenseOut

PAGES = ("layoutlm", "lilt", "layoutlmv3")
BOXES = torch.tensor([[[0, 0, 10, 10], [5, 20, 300, 40], [999, 998, 1000, 1000], [7, 7, 7, 7]]] * 2)


def make(name, cls=AutoModel, **fields):
    torch.manual_seed(0)
    config = tiny_config(name)
    for field, value in fields.items():
        setattr(config, field, value)
    return cls.from_config(config).eval()


@pytest.mark.parametrize("name", PAGES)
@torch.inference_mode()
def test_boxes_are_read_and_default_to_zeros(name):
    model = make(name)
    with_boxes, zeros = model(IDS, bbox=BOXES)[0], model(IDS, bbox=torch.zeros_like(BOXES))[0]
    assert torch.equal(model(IDS)[0], zeros) and not torch.allclose(with_boxes, zeros)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("box", [[0, 0, 1001, 5], [-1, 0, 3, 5], [9, 9, 1840, 12]])
def test_a_box_outside_the_page(name, box):
    boxes = BOXES.clone()
    boxes[1, 2] = torch.tensor(box)
    with pytest.raises(ValueError, match=rf"bbox\[1, 2\] is \[{box[0]}, .*0\.\.1000.*1000 \* x / width") as error:
        make(name)(IDS, bbox=boxes)
    assert len(str(error.value)) < 400


@torch.inference_mode()
def test_a_box_that_ends_before_it_begins():
    boxes = BOXES.clone()
    boxes[0, 1] = torch.tensor([300, 20, 5, 40])
    for name in ("layoutlm", "lilt"):
        with pytest.raises(ValueError, match=r"bbox\[0, 1\] is \[300"):
            make(name)(IDS, bbox=boxes)
    assert torch.isfinite(make("layoutlmv3")(IDS, bbox=boxes)[0]).all()  # its width counts as zero there


def test_boxes_that_do_not_fit():
    for boxes in (BOXES[:, :3], BOXES[:1], BOXES[..., :2], BOXES.float()):
        with pytest.raises(ValueError, match=r"shape \(2, 4, 4\)"):
            make("layoutlm")(IDS, bbox=boxes)
    with pytest.raises(TypeError, match="no input 'boxes'.*bbox"):
        make("layoutlm")(IDS, boxes=BOXES)


@torch.inference_mode()
def test_layoutlmv3_reads_words_alone_as_one_without_eyes_does():
    model = make("layoutlmv3")
    blind = LayoutLMv3Model(type(model.config).from_dict(model.config.to_dict() | {"visual_embed": False})).eval()
    state = {name: tensor for name, tensor in model.state_dict().items() if name in blind.state_dict()}
    blind.load_state_dict(state)
    assert torch.equal(model(IDS, bbox=BOXES)[0], blind(IDS, bbox=BOXES)[0])
    with pytest.raises(ValueError, match="visual_embed"):
        blind(IDS, pixel_values=torch.zeros(2, 3, 32, 32))


@torch.inference_mode()
def test_layoutlmv3_reads_a_picture_alone():
    model, pixels = make("layoutlmv3"), torch.randn(2, 3, 32, 32)
    alone = model(pixel_values=pixels)[0]
    assert alone.shape == (2, 5, 16) and not torch.equal(alone, model(pixel_values=-pixels)[0])
    both = model(IDS, bbox=BOXES, pixel_values=pixels)[0]
    assert both.shape == (2, 9, 16) and not torch.allclose(both[:, :4], model(IDS, bbox=BOXES)[0])
    for wrong in (pixels[:1], pixels[:, :1], torch.zeros(2, 3, 40, 40)):
        with pytest.raises(ValueError, match=r"\(2, 3, 32, 32\)"):
            model(IDS, pixel_values=wrong)
    with pytest.raises(ValueError, match="input_ids"):
        model()


@torch.inference_mode()
def test_layoutlmv3_labels_words_and_not_patches():
    for count, deep in ((9, False), (10, True)):
        model = make("layoutlmv3", AutoModelForTokenClassification, num_labels=count)
        assert isinstance(model.classifier, DenseOut) == deep
        out = model(IDS, bbox=BOXES, pixel_values=torch.zeros(2, 3, 32, 32), labels=IDS % count)
        assert out.logits.shape == (2, 4, count) and torch.isfinite(out.loss)


def test_families_of_pages_and_only_they_answer_about_documents():
    for name in FAMILIES:
        if name in PAGES:
            make(name, AutoModelForDocumentQuestionAnswering)
    with pytest.raises(ValueError, match="layoutlm, layoutlmv3, lilt, .*not for 'bert'"):
        make("bert", AutoModelForDocumentQuestionAnswering)


def test_a_lilt_that_cannot_be():
    with pytest.raises(ValueError, match="divisible by 6"):
        make("lilt", hidden_size=32)
    with pytest.raises(ValueError, match="4 \\* coordinate_size"):
        make("layoutlmv3", coordinate_size=5)
