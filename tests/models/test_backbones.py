"""Backbones: which stages they give, and from which files they load."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import qkv
from qkv import AutoBackbone, AutoConfig, AutoModelForImageClassification, ResNetBackbone, ResNetConfig

TINY = dict(embedding_size=4, hidden_sizes=[8, 12], depths=[1, 1], num_labels=3)
PICTURES = torch.randn(2, 3, 16, 16)


@pytest.mark.parametrize(
    ("asked", "given"),
    [({}, ["stage2"]), ({"out_indices": [0, -1]}, ["stem", "stage2"]), ({"out_features": ["stage1"]}, ["stage1"])],
)
def test_stages(asked, given):
    model = AutoBackbone.from_config(ResNetConfig(**TINY, **asked)).eval()
    maps = model(PICTURES).feature_maps
    assert model.out_features == given and model.channels == [x.shape[1] for x in maps]


@pytest.mark.parametrize("asked", [{"out_features": ["stage9"]}, {"out_indices": [3]}])
def test_a_stage_that_is_not_there(asked):
    with pytest.raises(ValueError, match="is no stage"):
        ResNetBackbone(ResNetConfig(**TINY, **asked))(PICTURES)


@torch.inference_mode()
def test_from_a_classifier(tmp_path):
    model = AutoModelForImageClassification.from_config(ResNetConfig(**TINY)).eval()
    model.save_pretrained(tmp_path)
    backbone = AutoBackbone.from_pretrained(tmp_path, out_indices=[1, 2])
    assert torch.equal(backbone(PICTURES).feature_maps[1], model.base_model(PICTURES).last_hidden_state)
    assert AutoConfig.from_pretrained(tmp_path).chosen() == ["stage2"]


@torch.inference_mode()
def test_files_without_counts_of_batches(tmp_path):
    model = AutoModelForImageClassification.from_config(ResNetConfig(**TINY)).eval()
    model.save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file({k: v for k, v in state.items() if "num_batches" not in k}, tmp_path / "model.safetensors")
    again = AutoModelForImageClassification.from_pretrained(tmp_path)
    assert torch.equal(model(PICTURES).logits, again(PICTURES).logits)
    save_file({k: v for k, v in state.items() if "running_var" not in k}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="running_var"):
        AutoModelForImageClassification.from_pretrained(tmp_path)


def test_published_paths_of_dinov2_are_not_shadowed():
    model = qkv.Dinov2Model(qkv.Dinov2Config(hidden_size=8, num_hidden_layers=1, num_attention_heads=1))
    assert model.embeddings.patch_embeddings.projection.weight is model.embed.patch.weight
