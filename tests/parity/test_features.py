"""The image-feature-extraction pipeline makes of pictures what the reference library's did (tools/golden_features.py
recorded it), and says what it cannot do."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import qkv
from tiny_pictures import make_vit, pictures

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "features.json").read_text())


def made(folder):
    model = qkv.AutoModel.from_pretrained(HERE / "vision" / folder / "Model")
    processor = qkv.ViTImageProcessor(size={"height": 16, "width": 16})
    return qkv.pipeline("image-feature-extraction", model=model, image_processor=processor)


@pytest.mark.parametrize("case", range(len(RECORDED)))
def test_features(case):
    folder, call, expected = RECORDED[case]
    found = made(folder)(pictures()[:2], **call)
    assert isinstance(found[0], list)
    for ours, theirs in zip(map(np.array, found), map(np.array, expected), strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1e-5 * max(1, np.abs(theirs).max() / 10)


def test_arrays_and_tensors():
    pipe = made("vit")
    listed, tensor, array = (pipe(pictures()[0], return_tensors=kind) for kind in (False, True, "np"))
    assert isinstance(tensor, torch.Tensor) and isinstance(array, np.ndarray)
    assert listed == tensor.tolist() == array.tolist() and tensor.shape == (1, 17, 32)
    with pytest.raises(ValueError, match="return_tensors='tf' is unknown; say True, 'pt', 'np' or False"):
        pipe(pictures()[0], return_tensors="tf")


def test_a_picture_gives_the_same_alone_and_in_any_batch():
    pipe = made("swin")
    alone = [pipe(picture, return_tensors=True) for picture in pictures()]
    for size in (1, 3):
        for one, other in zip(alone, pipe(pictures(), return_tensors=True, batch_size=size), strict=True):
            assert torch.allclose(one, other, atol=1e-5)


def test_a_model_says_which_features_it_has(tmp_path):
    folder = make_vit(tmp_path)
    pipe = qkv.pipeline("image-feature-extraction", str(folder))  # a classifier, which has no pooler
    assert np.shape(pipe(pictures()[0])) == (1, 17, 32)
    with pytest.raises(ValueError, match="ViTModel pools nothing; leave out pool=True"):
        pipe(pictures()[0], pool=True)
    with pytest.raises(ValueError, match="reads pictures; its task is 'image-feature-extraction'"):
        qkv.pipeline("feature-extraction", str(folder))
    body = qkv.AutoModel.from_pretrained(HERE / "vision" / "vit" / "Model")
    assert qkv.pipeline(model=body, image_processor=qkv.ViTImageProcessor(size=16)).task == "image-feature-extraction"
