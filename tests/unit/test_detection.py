"""Detectors beside their numbers: names of older files, frozen backbones, labels that do not fit, bad input."""

import json
import math
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import qkv
from plain_pictures import pictures
from qkv.heads.denoising import noise_of
from qkv.heads.set_loss import assign
from qkv.layers.boxes import corners, overlaps

SMALL = dict(
    hidden_size=16, num_hidden_layers=1, decoder_layers=1, encoder_ffn_dim=8, decoder_ffn_dim=8, num_queries=4,
    num_labels=3, num_attention_heads=8, decoder_attention_heads=8, dropout=0.0,
)  # fmt: skip
BACKBONE = dict(embedding_size=4, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], out_indices=[1, 2, 3, 4])
LABELS = [{"class_labels": torch.tensor([0, 2]), "boxes": torch.tensor([[0.5, 0.5, 0.2, 0.4], [0.3, 0.3, 0.1, 0.1]])}]


def config(**changes):
    return qkv.DetrConfig(backbone_config=qkv.ResNetConfig(**BACKBONE), **(SMALL | changes))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return qkv.DetrForObjectDetection(config()).eval()


@pytest.mark.parametrize("kind", ["resnet18", "resnet50"])
def test_names_of_timm(kind, tmp_path):
    """Published files of DETR have the names that timm gives a ResNet, and a config of the fourth generation."""
    torch.manual_seed(0)
    ours = qkv.DetrForObjectDetection(qkv.DetrConfig(backbone=kind, **SMALL)).eval()
    state = nn.Module.state_dict(ours)
    published = ours.state_dict()
    start = "model.backbone.conv_encoder.model."
    first = f"{start}layer2.0."
    expected = {f"{start}conv1.weight", f"{start}bn1.running_var", f"{first}conv1.weight", f"{first}bn2.bias"}
    expected |= {f"{first}downsample.0.weight", f"{first}downsample.1.running_mean", f"{start}layer4.1.conv2.weight"}
    assert expected <= published.keys()
    published |= {
        f"{start}bn1.num_batches_tracked": torch.tensor(3),
        f"{first}bn1.num_batches_tracked": torch.tensor(3),
    }
    fields = {"model_type": "detr", "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8}
    fields |= {"decoder_ffn_dim": 8, "num_queries": 4, "encoder_attention_heads": 8, "decoder_attention_heads": 8}
    fields |= {"use_timm_backbone": True, "backbone": kind, "backbone_config": None, "dilation": False}
    fields |= {"use_pretrained_backbone": True, "id2label": {"0": "a", "1": "b", "2": "c"}, "backbone_kwargs": {}}
    wrapped = {"use_timm_backbone": False, "backbone": None}  # what 4.57.6 makes of a TimmBackboneConfig
    wrapped |= {"backbone_config": {"model_type": "timm_backbone", "backbone": kind, "out_indices": [1, 2, 3, 4]}}
    x = torch.randn(1, 3, 64, 64)
    for more, place in (({}, start), (wrapped, f"{start}_backbone.")):
        renamed = {name.replace(start, place): x.contiguous() for name, x in published.items()}
        save_file(renamed, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(json.dumps(fields | more))
        again, info = qkv.DetrForObjectDetection.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info.values()), info
        assert all(torch.equal(x, state[name]) for name, x in nn.Module.state_dict(again).items())
        with torch.inference_mode():
            assert torch.equal(ours(x).logits, again(x).logits)


@pytest.mark.parametrize("family", ["Detr", "ConditionalDetr", "DeformableDetr"])
@torch.inference_mode()
def test_learned_positions_of_the_fourth_generation(family, tmp_path):
    """Its files have the tables inside the backbone, with or without a head."""
    torch.manual_seed(0)
    fields = SMALL | {"position_embedding_type": "learned", "backbone_config": qkv.ResNetConfig(**BACKBONE)}
    fields |= {"hidden_size": 32} if family == "DeformableDetr" else {}
    for suffix in ("Model", "ForObjectDetection", "ForSegmentation"):
        if (cls := getattr(qkv, family + suffix, None)) is None:
            continue
        ours = cls(getattr(qkv, f"{family}Config")(**fields)).eval()
        ours.save_pretrained(tmp_path)
        state = {name: x.contiguous() for name, x in ours.state_dict().items()}
        older = {name.replace("position_embedding.", "backbone.position_embedding."): x for name, x in state.items()}
        assert len(older.keys() - state.keys()) == 2
        save_file(older, tmp_path / "model.safetensors")
        again, info = cls.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info.values()), info
        assert all(torch.equal(x, state[name]) for name, x in again.state_dict().items())
        x = torch.randn(1, 3, 64, 64)
        assert torch.equal(ours(x)[0], again(x)[0])


def test_a_timm_backbone_that_is_none():
    with pytest.raises(ValueError, match=r"no timm backbone 'resnest50'; the nearest are .*resnet50"):
        qkv.DetrModel(qkv.DetrConfig(backbone="resnest50", **SMALL))


def test_a_backbone_named_by_its_repository():
    """As 4.57.6 writes it: the stages are in backbone_kwargs, and the weights have the names of a ResNet of its own."""
    fields = {"use_timm_backbone": False, "use_pretrained_backbone": True, "backbone": "microsoft/resnet-18"}
    given = fields | {"backbone_kwargs": {"out_features": ["stage2", "stage3"]}} | SMALL
    model = qkv.DetrModel(qkv.DetrConfig.from_dict(given))
    assert model.backbone.model.channels == [128, 256]
    assert "backbone.conv_encoder.model.encoder.stages.3.layers.1.layer.1.convolution.weight" in model.state_dict()
    assert qkv.DetrModel(qkv.DetrConfig.from_dict(fields | SMALL)).backbone.model.out_features == ["stage4"]
    with pytest.raises(ValueError, match=r"no backbone 'microsoft/swin'; the nearest are .*microsoft/resnet-18"):
        qkv.DetrModel(qkv.DetrConfig.from_dict(given | {"backbone": "microsoft/swin"}))


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("DepthAnythingModel", "DepthAnythingConfig"),
        ("DPTForDepthEstimation", "DPTConfig"),
        ("Mask2FormerModel", "Mask2FormerConfig"),
        ("MaskFormerModel", "MaskFormerConfig"),
        ("RTDetrModel", "RTDetrConfig"),
    ],
)
def test_a_backbone_that_is_named_and_not_described(model, config):
    fields = {"backbone": "resnet50", "use_timm_backbone": True, "backbone_config": None}
    with pytest.raises(ValueError, match=r"'resnet50', and does not describe it. Give .* backbone_config"):
        getattr(qkv, model)(getattr(qkv, config).from_dict(fields))


def test_what_is_trained():
    """As in the reference: of a timm ResNet the last three stages, of its own kind of ResNet nothing."""
    timm = qkv.DetrModel(qkv.DetrConfig(backbone="resnet18", **SMALL))
    trained = {name.split(".")[3] for name, p in timm.named_parameters() if "conv_encoder" in name and p.requires_grad}
    assert trained == {"layer2", "layer3", "layer4"}
    own = qkv.DetrModel(config())
    assert not any(p.requires_grad for p in own.backbone.parameters())
    own.unfreeze_backbone()
    assert all(p.requires_grad for p in own.backbone.parameters())
    own.freeze_backbone()
    assert not any(p.requires_grad for p in own.backbone.parameters())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in own.modules())


def test_a_dilated_last_stage():
    torch.manual_seed(0)
    fields = dict(backbone="resnet18", **SMALL)
    plain, wide = (qkv.DetrModel(qkv.DetrConfig(dilation=flag, **fields)) for flag in (False, True))
    x = torch.randn(1, 3, 64, 64)
    strided = qkv.DetrModel(qkv.DetrConfig(backbone_kwargs={"output_stride": 16}, **fields))
    own = qkv.DetrModel(config(dilation=True))  # which the reference dilates only if it is of timm
    shapes = [tuple(model.backbone(x)[-1].shape[2:]) for model in (plain, wide, strided, own)]
    assert shapes == [(2, 2), (4, 4), (4, 4), (2, 2)]
    with pytest.raises(ValueError, match="output_stride=8 of the backbone: qkv has 32, and 16"):
        qkv.DetrModel(qkv.DetrConfig(backbone_kwargs={"output_stride": 8}, **fields))


def test_padding_changes_nothing(model):
    x = torch.randn(1, 3, 64, 64)
    padded = torch.nn.functional.pad(x, (0, 32, 0, 64))
    mask = torch.zeros(1, 128, 96, dtype=torch.long)
    mask[:, :64, :64] = 1
    inner = model.model
    with torch.inference_mode():
        scene = inner.look(padded, mask.bool())
        assert scene.inside.sum() == 4
        one, other = model(padded, pixel_mask=mask), model(padded)
        assert not torch.allclose(one.logits, other.logits)
        full = model(x, pixel_mask=torch.ones(1, 64, 64))
    assert torch.allclose(full.logits, model(x).logits, atol=1e-6)


def test_states_of_an_earlier_call(model):
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        first = model(x)
        again = model(x, encoder_outputs=(first.encoder_last_hidden_state,))
        queries = torch.randn(1, 4, 16)
        other = model(x, decoder_inputs_embeds=queries)
        masked = model(x, decoder_inputs_embeds=queries, decoder_attention_mask=torch.tensor([[1, 1, 1, 0]]))
    assert torch.equal(first.logits, again.logits)
    assert not torch.equal(first.logits, other.logits) and not torch.equal(masked.logits, other.logits)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "a dictionary for each of 1 pictures, got 0"),
        (torch.tensor([0]), "labels must be"),
        ([{"class_labels": torch.tensor([0])}], r"labels\[0\] has no tensor 'boxes'"),
        ([{"class_labels": [0], "boxes": torch.zeros(1, 4)}], "has no tensor 'class_labels'"),
        ([{"class_labels": torch.tensor([0]), "boxes": torch.zeros(4)}], r"boxes \(N,4\), got \(1,\) and \(4,\)"),
        ([{"class_labels": torch.tensor([3]), "boxes": torch.zeros(1, 4)}], "num_labels=4"),
        ([{"class_labels": torch.tensor([0]), "boxes": torch.full((1, 4), 20.0)}], "from 0 to 1"),
        (["cat"], "must be a dictionary"),
    ],
)
def test_labels_that_do_not_fit(model, labels, message):
    with pytest.raises(ValueError, match=message) as caught:
        model(torch.randn(1, 3, 64, 64), labels=labels)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "pixel_values must be a tensor"),
        ({"pixel_values": torch.randn(3, 64, 64)}, r"\(B,3,H,W\).*, got \(3, 64, 64\)"),
        ({"pixel_values": torch.randn(1, 4, 64, 64)}, r"pixel_values must be a tensor \(B,3,H,W\)"),
        ({"pixel_values": torch.randn(1, 3, 64, 64), "pixel_mask": torch.ones(1, 64)}, r"pixel_mask must be \(B,H,W\)"),
    ],
)
def test_inputs_that_do_not_fit(model, inputs, message):
    with pytest.raises(ValueError, match=message):
        model(**inputs)


def test_a_loss_without_scipy(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=r'pip install "qkv\[detection\]"'):
        model(torch.randn(1, 3, 64, 64), labels=LABELS)


def test_matches():
    cost = torch.tensor([[float("nan"), 2.0], [1.0, float("inf")], [5.0, 0.5]])
    rows, columns = assign(cost)
    assert rows.tolist() == [1, 2] and columns.tolist() == [0, 1]


def test_overlaps():
    one, other = corners(torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.25, 0.25, 0.5, 0.5]]))
    iou, giou = overlaps(one, other)
    assert float(iou) == pytest.approx(0.25) and float(giou) == pytest.approx(0.25)
    far = corners(torch.tensor([0.9, 0.9, 0.2, 0.2]))
    iou, giou = overlaps(other, far)
    assert float(iou) == 0 and -1 < float(giou) < 0


def test_it_learns(model):
    """The loss of one picture becomes less."""
    torch.manual_seed(0)
    small = qkv.DetrForObjectDetection(config()).train()
    optimizer = torch.optim.AdamW(small.parameters(), lr=1e-2)
    x = torch.randn(1, 3, 64, 64)
    losses = []
    for _ in range(30):
        out = small(x, labels=LABELS)
        out.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(out.loss.item())
    assert losses[-1] < losses[0] - 1
    assert set(out.loss_dict) == {"loss_ce", "loss_bbox", "loss_giou", "cardinality_error"}


def test_masks_need_four_maps():
    back = qkv.ResNetConfig(**(BACKBONE | {"out_indices": [4]}))
    with pytest.raises(ValueError, match="masks need four maps of the backbone, got 1: give a backbone_config"):
        qkv.DetrForSegmentation(qkv.DetrConfig(backbone_config=back, **SMALL))


def test_finished_objects():
    out = qkv.outputs.ObjectDetectionOutput(
        logits=torch.tensor([[[4.0, 0.0, 0.0], [0.0, 0.0, 5.0]]]), pred_boxes=torch.tensor([[[0.5, 0.5, 0.5, 1.0]] * 2])
    )
    processor = qkv.DetrImageProcessor()
    (one,) = processor.post_process_object_detection(out, target_sizes=[(100, 200)])
    assert one["labels"].tolist() == [0] and one["boxes"].tolist() == [[50.0, 0.0, 150.0, 100.0]]
    (parts,) = processor.post_process_object_detection(out, threshold=0.0)
    assert parts["boxes"].tolist() == [[0.25, 0.0, 0.75, 1.0]] * 2
    with pytest.raises(ValueError, match="target_sizes=.*each of the 1 pictures"):
        processor.post_process_object_detection(out, target_sizes=[(1, 2), (3, 4)])


def test_a_result_is_drawn(model, tmp_path):
    processor = qkv.DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    pipe = qkv.pipeline("object-detection", model=model, image_processor=processor)
    found = pipe(pictures(), threshold=0.0)
    assert [len(one) for one in found] == [4] * 4
    found[0].draw(tmp_path / "out.png")
    assert (tmp_path / "out.png").exists()
    assert pipe(pictures()[0], threshold=1.0) == []
    with pytest.raises(TypeError, match="no option 'treshold'; the nearest are 'threshold'"):
        pipe(pictures()[0], treshold=0.1)


DEFORMABLE = dict(
    hidden_size=32, num_hidden_layers=1, decoder_layers=2, encoder_ffn_dim=8, decoder_ffn_dim=8, num_queries=4,
    num_labels=3, num_attention_heads=4, decoder_attention_heads=4, dropout=0.0, num_feature_levels=3,
)  # fmt: skip


def deformable(**changes):
    back = qkv.ResNetConfig(**(BACKBONE | {"out_indices": [2, 3]}))
    return qkv.DeformableDetrConfig(**({"backbone_config": back} | DEFORMABLE | changes))


@pytest.mark.parametrize("stages", [True, False])
def test_heads_that_files_have_twice(stages, tmp_path):
    """Older files have the heads of a refining decoder under two names, converted ones under either."""
    torch.manual_seed(0)
    ours = qkv.DeformableDetrForObjectDetection(deformable(with_box_refine=True, two_stage=stages)).eval()
    ours.save_pretrained(tmp_path)
    names = {name for name in ours.state_dict() if "_embed." in name and "bias" in name and "layers" not in name}
    start = "model.decoder." if stages else ""
    assert names == {f"{start}class_embed.{i}.bias" for i in range(3 if stages else 2)}
    state = {name: x.contiguous() for name, x in ours.state_dict().items()}
    plain = {
        name.replace("model.decoder.bbox", "bbox").replace("model.decoder.class", "class"): x
        for name, x in state.items()
    }
    x = torch.randn(1, 3, 64, 64)
    for published in (plain, plain | {name: x.clone() for name, x in state.items()}):
        save_file(published, tmp_path / "model.safetensors")
        again, info = qkv.DeformableDetrForObjectDetection.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info.values()), info
        with torch.inference_mode():
            assert torch.equal(ours(x).pred_boxes, again(x).pred_boxes)


def test_heads_that_all_layers_share(tmp_path):
    ours = qkv.DeformableDetrForObjectDetection(deformable()).eval()
    ours.save_pretrained(tmp_path)
    state = {name: x.contiguous() for name, x in ours.state_dict().items()}
    copies = {name.replace("embed.0", "embed.1"): x.clone() for name, x in state.items() if "_embed.0" in name}
    assert copies
    save_file(state | copies, tmp_path / "model.safetensors")
    _, info = qkv.DeformableDetrForObjectDetection.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info


def test_two_stages_need_heads():
    with pytest.raises(ValueError, match="use DeformableDetrForObjectDetection"):
        qkv.DeformableDetrModel(deformable(two_stage=True))(torch.randn(1, 3, 64, 64))


def test_more_maps_than_levels():
    with pytest.raises(ValueError, match="num_feature_levels=2 is less than the backbone's 4 maps"):
        qkv.DeformableDetrModel(deformable(num_feature_levels=2, backbone_config=qkv.ResNetConfig(**BACKBONE)))


def test_a_config_for_both_generations():
    found = config().to_dict()
    assert found["use_timm_backbone"] is False and found["use_pretrained_backbone"] is False
    assert found["backbone"] is None and found["backbone_config"]["model_type"] == "resnet"
    assert qkv.DetrConfig.from_dict(found) == config()
    timm = qkv.DetrConfig(backbone="resnet18").to_dict()  # or 4.57.6 fetches weights that the file holds
    assert timm["use_pretrained_backbone"] is False and timm["backbone"] == "resnet18"
    older = found | {"dilation": None}  # which 4.57.6 writes beside a backbone_config, and 5.23.0 does not read
    assert qkv.DetrConfig.from_dict(older).to_dict() == found
    held = qkv.MaskFormerConfig.from_dict({"decoder_config": older})
    assert held.decoder == config() and held.to_dict()["decoder_config"] == found


RTDETR = dict(
    hidden_size=16, encoder_hidden_dim=16, encoder_ffn_dim=8, decoder_ffn_dim=8, decoder_layers=2, num_queries=4,
    num_labels=3, num_attention_heads=4, decoder_attention_heads=4, decoder_n_points=2,
    encoder_in_channels=[8, 8, 8], decoder_in_channels=[16, 16, 16],
)  # fmt: skip


def rt_detr(**changes):
    back = qkv.RTDetrResNetConfig(**(BACKBONE | {"embedding_size": 8, "out_indices": [2, 3, 4]}))
    return qkv.RTDetrForObjectDetection(qkv.RTDetrConfig(backbone_config=back, **(RTDETR | changes)))


def test_queries_with_noise():
    """In training the first queries are wanted objects with noise; each attends to its group and to the true ones."""
    torch.manual_seed(0)
    ours, x = rt_detr(num_denoising=6), torch.randn(1, 3, 64, 64)
    out = ours.train()(x, labels=LABELS)
    assert out.logits.shape == (1, 12 + 4, 3)  # 3 groups of 2 near and 2 far
    facts = out.denoising_meta_values
    assert facts["dn_num_group"] == 3 and facts["dn_num_split"] == [12, 4]
    assert facts["dn_positive_idx"][0].tolist() == [0, 1, 4, 5, 8, 9]
    mask = noise_of(LABELS, ours.config, 4).mask
    assert mask[:4, :4].all() and not mask[:4, 4:12].any() and mask[:4, 12:].all()
    assert not mask[12:, :12].any() and mask[12:, 12:].all()
    assert {"loss_vfl", "loss_vfl_aux_1", "loss_vfl_dn_1"} <= out.loss_dict.keys()
    empty = [{"class_labels": torch.zeros(0, dtype=torch.long), "boxes": torch.zeros(0, 4)}]
    none = ours(x, labels=empty)
    assert none.logits.shape == (1, 4, 3) and torch.isfinite(none.loss) and none.denoising_meta_values is None
    assert ours.eval()(x, labels=LABELS).logits.shape == (1, 4, 3)


def test_pictures_of_odd_sizes():
    """Maps that are not twice as large as the next one fit together all the same."""
    with torch.inference_mode():
        assert rt_detr().eval()(torch.randn(1, 3, 90, 71)).logits.shape == (1, 4, 3)


def test_fresh_heads_of_rt_detr():
    """Labels are rare at first; all weights of the backbone are trained, its norms are frozen."""
    ours = rt_detr()
    assert torch.allclose(ours.head.out[0].bias, torch.full((3,), -math.log(3.0)))
    assert all(p.requires_grad for p in ours.parameters())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ours.model.backbone.modules())
    with pytest.raises(ValueError, match="normalize_before"):
        rt_detr(normalize_before=True)
