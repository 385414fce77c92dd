"""Encoders of pictures: what they draw when they begin, what a training picture may miss, and bad input."""

import pytest
import torch

import qkv
from qkv.layers.block import DropPath, ScaledBlock
from qkv.layers.patches import stretched

DINO = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=4)
SWIN = dict(image_size=16, patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=3)
BEIT = dict(
    hidden_size=8, num_hidden_layers=4, num_attention_heads=2, intermediate_size=12, image_size=16, patch_size=4
)


def test_branches_are_left_out_of_pictures_by_chance_and_their_mean_stays():
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(20_000, 2, 3)
    y = drop(x)
    assert sorted(set(y.flatten().tolist())) == [0.0, pytest.approx(4 / 3)]
    assert bool((y == y[:, :1, :1]).all())  # a picture has all of it or nothing
    assert abs(float(y.mean()) - 1) < 0.02
    assert torch.equal(drop.eval()(x), x)


def test_fresh_weights():
    model = qkv.Dinov2Model(qkv.Dinov2Config(**DINO | dict(layerscale_value=0.3)))
    blocks = [block for block in model.modules() if isinstance(block, ScaledBlock)]
    assert all(bool((scale == 0.3).all()) for block in blocks for scale in (block.attn_scale, block.mlp_scale))
    assert 0.01 < model.embed.position.std().item() < 0.03
    swin = qkv.SwinModel(qkv.SwinConfig(**SWIN))
    assert not swin.stages[0].layers[0].bias.table.any()
    convnext = qkv.ConvNextModel(qkv.ConvNextConfig(hidden_sizes=[8, 8], depths=[1, 1]))
    assert bool((convnext.stages[0].layers[0].mlp_scale == 1e-6).all())


def test_windows_keep_their_size_from_call_to_call():
    torch.manual_seed(0)
    model = qkv.SwinModel(qkv.SwinConfig(**SWIN)).eval()
    small, large = torch.randn(1, 3, 8, 8), torch.randn(1, 3, 30, 26)
    with torch.inference_mode():
        before = model(large).last_hidden_state
        assert model(small).last_hidden_state.shape == (1, 4, 16)  # maps smaller than a window
        assert torch.equal(model(large).last_hidden_state, before)


def test_positions_for_fewer_patches_are_means_where_a_model_says_so():
    table = torch.zeros(1, 16, 1)
    table[0, 5] = 1.0
    sharp, mean = (stretched(table, (4, 4), (2, 2), mode="bilinear", antialias=soft) for soft in (False, True))
    assert sharp[0, 0, 0] == 0.25 and 0 < mean[0, 0, 0] < 0.25


@pytest.mark.parametrize("family", ["Swin", "Dinov2", "ConvNext", "Beit"])
def test_blocks_are_computed_again_for_their_gradients(family):
    settings = {"Swin": SWIN, "Dinov2": DINO, "ConvNext": dict(hidden_sizes=[8, 8], depths=[2, 1]), "Beit": BEIT}[
        family
    ]
    torch.manual_seed(0)
    model = getattr(qkv, f"{family}ForImageClassification")(getattr(qkv, f"{family}Config")(**settings)).train()
    pixels, labels, found = torch.randn(2, 3, 16, 16), torch.tensor([0, 1]), []
    for again in (False, True):
        (model.gradient_checkpointing_enable if again else model.gradient_checkpointing_disable)()
        model.zero_grad()
        torch.manual_seed(1)  # for the branches that are left out
        model(pixels, labels=labels).loss.backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_bad_input_is_named():
    beit = dict(BEIT, vocab_size=9, use_mask_token=True)
    model = qkv.BeitForMaskedImageModeling(qkv.BeitConfig(**beit)).eval()
    pixels, hidden = torch.randn(1, 3, 16, 16), torch.arange(16)[None] < 3
    with pytest.raises(ValueError, match="give bool_masked_pos"):
        model(pixels, labels=torch.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match="the model has 9 visual tokens"):
        model(pixels, bool_masked_pos=hidden, labels=torch.tensor([1, 2, 9]))
    with pytest.raises(ValueError, match="four layers"):
        qkv.BeitForSemanticSegmentation(qkv.BeitConfig(**BEIT, out_indices=[1, 2]))
    with pytest.raises(ValueError, match="four sizes"):
        qkv.BeitBackbone(qkv.BeitConfig(**BEIT, out_indices=[1, 2], add_fpn=True))
    with pytest.raises(ValueError, match="out_features='stage7' is no stage; the nearest are 'stage2'"):
        qkv.SwinBackbone(qkv.SwinConfig(**SWIN, out_features=["stage7"]))
    swin = qkv.SwinForMaskedImageModeling(qkv.SwinConfig(**SWIN, encoder_stride=8)).eval()
    with pytest.raises(ValueError, match="config.encoder_stride=8 must be 4"):
        swin(pixels, bool_masked_pos=torch.ones(1, 64))


def test_a_backbone_loads_a_whole_model_and_says_what_it_draws(tmp_path, caplog):
    qkv.SwinForImageClassification(qkv.SwinConfig(**SWIN)).save_pretrained(tmp_path)
    backbone, info = qkv.AutoBackbone.from_pretrained(tmp_path, out_indices=[1, 2], output_loading_info=True)
    assert backbone.out_features == ["stage1", "stage2"] and backbone.channels == [8, 16]
    assert "hidden_states_norms" in caplog.text
    assert set(info["missing_keys"]) == {
        f"hidden_states_norms.stage{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")
    }
    maps = backbone(torch.randn(2, 3, 20, 17)).feature_maps
    assert [tuple(x.shape) for x in maps] == [(2, 8, 10, 9), (2, 16, 5, 5)]


def test_old_files_of_beit_name_their_layers_otherwise():
    config = qkv.BeitConfig.from_dict({**BEIT, "segmentation_indices": [1, 2, 3, 4]})
    assert config.levels() == [0, 1, 2, 3]
