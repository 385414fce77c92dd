"""Models of two towers: their configs, their parts by themselves, the names of old files, and wrong inputs."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from qkv import (
    AutoModel,
    CLIPConfig,
    CLIPForImageClassification,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    SiglipConfig,
    SiglipModel,
    SiglipTextConfig,
    SiglipTextModel,
)
from qkv.backends.cpu.stack import steady

TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = TOWER | {"vocab_size": 30, "max_position_embeddings": 8, "eos_token_id": 29}
PATCHES = TOWER | {"image_size": 8, "patch_size": 4}
IDS = torch.tensor([[5, 6, 29, 1], [5, 29, 1, 1], [3, 4, 5, 29]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(CLIPConfig(text_config=WORDS, vision_config=PATCHES, projection_dim=12)).save_pretrained(folder)
    return folder


def test_configs_of_towers():
    config = CLIPConfig(text_config=CLIPTextConfig(**WORDS), vision_config=PATCHES)
    assert config.text_config.vocab_size == 30 and config.vision_config.patch_size == 4
    both = CLIPConfig.from_text_vision_configs(CLIPTextConfig(**WORDS), CLIPVisionConfig(**PATCHES))
    assert both.text_config == config.text_config and both.vision_config.patch_size == 4
    again = CLIPConfig.from_dict(config.to_dict())
    assert again == config
    again.text_config.vocab_size = 31
    assert again.to_dict()["text_config"]["vocab_size"] == 31
    assert CLIPConfig().text_config.hidden_size == 512
    old = CLIPConfig.from_dict({"text_config": None, "text_config_dict": {"hidden_size": 24}})
    assert old.text_config.hidden_size == 24


@torch.inference_mode()
def test_a_tower_of_a_whole_file(folder):
    whole, text, picture = (cls.from_pretrained(folder) for cls in (AutoModel, CLIPTextModel, CLIPVisionModel))
    pixels = torch.randn(2, 3, 8, 8)
    out = whole(IDS, pixels, output_hidden_states=True)
    pairs = [(text(IDS), out.text_model_output), (picture(pixels), out.vision_model_output)]
    for alone, within in pairs:  # which is asked for its states, so that torch computes it
        assert torch.allclose(alone.last_hidden_state, within.last_hidden_state, atol=1e-5)
    assert len(out.vision_model_output.hidden_states) == 3
    assert isinstance(out.to_tuple()[-1], tuple) and out.logits_per_image.shape == (2, 3)
    assert text.config.vocab_size == 30 and CLIPTextConfig.from_pretrained(folder).vocab_size == 30
    assert CLIPForImageClassification.from_pretrained(folder, num_labels=3)(pixels).logits.shape == (2, 3)


@torch.inference_mode()
def test_features(folder):
    model, pixels = CLIPModel.from_pretrained(folder), torch.randn(2, 3, 8, 8)
    out, text, image = model(IDS, pixels), model.get_text_features(input_ids=IDS), model.get_image_features(pixels)
    assert torch.allclose(text / text.norm(dim=-1, keepdim=True), out.text_embeds, atol=1e-6)
    assert torch.equal(image.pooler_output, image) and torch.equal(image, out.vision_model_output.pooler_output)


def test_the_names_of_5x_and_of_older_files(folder, tmp_path):
    state = load_file(folder / "model.safetensors")
    text = {k.removeprefix("text_model."): v for k, v in state.items() if k.startswith("text_model.")}
    CLIPTextConfig(**WORDS).save_pretrained(tmp_path)
    save_file(text | {"embeddings.position_ids": torch.arange(8)[None]}, tmp_path / "model.safetensors")
    model = CLIPTextModel.from_pretrained(tmp_path)
    assert torch.equal(model.text_model.embeddings.token_embedding.weight, text["embeddings.token_embedding.weight"])
    assert {f"text_model.{name}" for name in text} == {*model.state_dict()}
    save_file(text | {"encoder.layers.0.self_attn.rotary": torch.ones(3)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="no place for"):
        CLIPTextModel.from_pretrained(tmp_path)


def test_published_paths_and_tokens(folder):
    model = CLIPModel.from_pretrained(folder)
    assert model.text_model.encoder.layers[1].self_attn.q_proj is model.text_model.layers[1].attn.q_proj
    assert "embeddings.class_embedding" in model.vision_model.state_dict()
    model.resize_token_embeddings(33)
    assert model.get_input_embeddings().num_embeddings == model.config.text_config.vocab_size == 33
    model.gradient_checkpointing_enable()
    model.train()(IDS[:2], torch.randn(2, 3, 8, 8), return_loss=True).loss.backward()
    assert model.logit_scale.grad is not None


def test_fresh_weights_are_drawn_by_the_towers():
    """By width and depth, in a model with a head as in one without."""
    config = CLIPConfig(text_config=WORDS, vision_config=PATCHES | {"num_hidden_layers": 50})
    for model in (CLIPModel(config).vision_model, CLIPForImageClassification(config).base_model):
        spread = torch.stack([block.attn.q_proj.weight for block in model.layers]).std()
        assert abs(spread / (16**-0.5 / 10) - 1) < 0.1  # 1/sqrt(width) / sqrt(2 * layers)


def test_wrong_inputs(folder):
    model, pixels = CLIPModel.from_pretrained(folder), torch.randn(2, 3, 8, 8)
    with pytest.raises(ValueError, match="get_text_features"):
        model(IDS)
    with pytest.raises(ValueError, match="3 texts and 2 pictures"):
        model(IDS, pixels, return_loss=True)
    with pytest.raises(ValueError, match="pixel_values"):
        model.get_image_features()
    with pytest.raises(ValueError, match="more than the 8"):
        model.get_text_features(torch.ones(1, 9, dtype=torch.long))
    with pytest.raises(TypeError, match="nearest"):
        model(IDS, pixels, pixel_mask=pixels)


@torch.inference_mode()
def test_siglip_reads_padding_that_a_pipeline_does_without():
    torch.manual_seed(0)
    model = SiglipTextModel(SiglipTextConfig(**WORDS)).eval()
    expected = model(IDS, (IDS != 1).long()).pooler_output
    with steady(padding=False):
        assert torch.allclose(model(IDS, (IDS != 1).long()).pooler_output, expected, atol=1e-6)
    assert not torch.allclose(expected[0], expected[1], atol=1e-3)


def test_siglip_draws_and_pools(tmp_path):
    towers = {"text_config": WORDS, "vision_config": PATCHES | {"vision_use_head": False}}
    model = SiglipModel(SiglipConfig(**towers))
    assert model.vision_model.pooler is None
    with pytest.raises(ValueError, match="vision_use_head"):
        model.get_image_features(torch.randn(1, 3, 8, 8))
    fresh = SiglipModel(SiglipConfig(text_config=WORDS, vision_config=PATCHES | {"hidden_size": 64}))
    spread = fresh.vision_model.embed.patch.weight.std() * (3 * 4 * 4) ** 0.5  # LeCun's
    assert abs(spread - 1) < 0.1 and fresh.vision_model.pooler.probe.abs().max() > 0
    assert abs(fresh.vision_model.layers[0].mlp.up_proj.bias.std() / 1e-6 - 1) < 0.5
