"""SAM beyond the goldens: prompts of all kinds, embeddings computed once, parts of configs, wrong inputs."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from qkv import (
    AutoModel,
    SamConfig,
    SamImageProcessor,
    SamMaskDecoderConfig,
    SamModel,
    SamProcessor,
    SamVisionConfig,
    SamVisionModel,
)
from tiny_depth import SAM_FIELDS, pictures

GOLDEN = Path(__file__).parent.parent / "parity" / "vision" / "sam" / "Model"


@pytest.fixture
def model():
    return SamModel.from_pretrained(GOLDEN).eval()


def given(pictures=1, prompts=2, points=3):
    torch.manual_seed(0)
    return {
        "pixel_values": torch.randn(pictures, 3, 32, 32),
        "input_points": torch.rand(pictures, prompts, points, 2) * 31,
    }


@torch.inference_mode()
def test_embeddings_are_computed_once(model):
    inputs = given()
    whole = model(**inputs)
    found = model.get_image_embeddings(inputs["pixel_values"])
    again = model(image_embeddings=found, input_points=inputs["input_points"])
    assert found.shape == (1, 16, 8, 8) and torch.equal(whole.pred_masks, again.pred_masks)
    assert torch.equal(whole.iou_scores, again.iou_scores) and whole.pred_masks.shape == (1, 2, 3, 32, 32)
    assert model(**inputs, multimask_output=False).pred_masks.shape == (1, 2, 1, 32, 32)


@torch.inference_mode()
def test_prompts_do_not_change_each_other(model):
    inputs = given()
    both = model(**inputs)
    for i in range(2):
        one = model(inputs["pixel_values"], inputs["input_points"][:, i : i + 1])
        assert torch.allclose(one.pred_masks[:, 0], both.pred_masks[:, i], rtol=1e-5, atol=1e-4)


@torch.inference_mode()
def test_labels_say_what_points_are(model):
    inputs = given(prompts=1)
    inside = model(**inputs).pred_masks
    ones = torch.ones(1, 1, 3, dtype=torch.int)
    assert torch.equal(model(**inputs, input_labels=ones).pred_masks, inside)
    assert not torch.allclose(model(**inputs, input_labels=0 * ones).pred_masks, inside)
    moved = {**inputs, "input_points": inputs["input_points"] + torch.tensor([[0.0], [0], [9]])}
    ignored = torch.tensor([[[1, 1, -10]]])
    assert torch.equal(
        model(**inputs, input_labels=ignored).pred_masks, model(**moved, input_labels=ignored).pred_masks
    )


@torch.inference_mode()
def test_a_picture_alone_has_masks_too(model):
    assert model(given()["pixel_values"]).pred_masks.shape == (1, 1, 3, 32, 32)


@torch.inference_mode()
def test_all_that_the_processor_makes_is_taken(model):
    processor = SamProcessor(SamImageProcessor(**SAM_FIELDS))
    image = Image.fromarray(pictures()[0])
    inputs = processor(image, input_points=[[[20, 15]]], return_tensors="pt")
    out = model(**inputs)
    masks = processor.post_process_masks(out.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"])
    assert masks[0].shape == (1, 3, image.height, image.width) and masks[0].dtype == torch.bool


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel_values": None}, "one of the two"),
        ({"pixel_values": torch.zeros(1, 3, 16, 16)}, r"\(B,3,32,32\), got \(1, 3, 16, 16\)"),
        ({"input_points": torch.zeros(1, 3, 2)}, "input_points must be a tensor of shape"),
        ({"input_points": torch.zeros(2, 1, 3, 2)}, "for 1 pictures"),
        ({"input_labels": torch.zeros(1, 2)}, "one for each point"),
        ({"input_boxes": torch.zeros(1, 3, 4)}, "2 prompts of points and 3 of boxes"),
        ({"input_masks": torch.zeros(1, 1, 8, 8)}, "input_masks must be a tensor of shape"),
    ],
)
def test_wrong_inputs(model, changes, message):
    with pytest.raises(ValueError, match=message):
        model(**{**given(), **changes})


def test_parts_of_a_config_are_configs(tmp_path):
    config = SamConfig(vision_config={"hidden_size": 32}, mask_decoder_config=SamMaskDecoderConfig(mlp_dim=8))
    assert isinstance(config.vision_config, SamVisionConfig) and config.vision_config.hidden_size == 32
    assert config.mask_decoder_config.mlp_dim == 8 and config.prompt_encoder_config.hidden_size == 256
    config.save_pretrained(tmp_path)
    again = SamConfig.from_pretrained(tmp_path)
    assert again == config and again.vision_config.hidden_size == 32
    again.vision_config.window_size = 7
    assert SamConfig.from_dict(again.to_dict()).vision_config.window_size == 7
    with pytest.raises(TypeError, match="vision_config"):
        SamConfig(vision_config=3)


def test_files_with_the_shared_table_twice(tmp_path, model):
    model.save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    table = state["shared_image_embedding.positional_embedding"]
    save_file(
        state | {"prompt_encoder.shared_embedding.positional_embedding": table.clone()}, tmp_path / "model.safetensors"
    )
    again, info = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert torch.equal(again.shared_image_embedding.positional_embedding, table)


def test_the_encoder_alone_reads_the_whole_model(model):
    vision = SamVisionModel.from_pretrained(GOLDEN, config=model.config.vision_config).eval()
    pixels = given()["pixel_values"]
    with torch.inference_mode():
        assert torch.equal(vision(pixels).last_hidden_state, model.get_image_embeddings(pixels))


def test_fresh_weights():
    model = SamModel(SamModel.from_pretrained(GOLDEN).config)
    assert model.shared_image_embedding.positional_embedding.std() > 5  # by half the width, 16
    assert not model.vision_encoder.pos_embed.any() and not model.vision_encoder.layers[0].attn.rel_pos_h.any()
