"""Record goldens of models that read pictures: tiny random checkpoints of the reference library, and what it computes.

    python tools/golden_vision.py [NAME...]     # in an environment with torch, transformers==5.23.0, safetensors, scipy
    python tools/golden_vision.py --to FOLDER NAME/SUFFIX...   # as any version writes them, for test_vision.py

For each name, tests/parity/vision/<name>/ holds the folder that the reference saved for the body and for each head, and
expected.safetensors: the inputs (`input.`), the targets (`target.`), the outputs, the `loss`, the losses of four
optimiser steps (`training`), and outputs for pictures of another size (`larger.`, from `input.larger`) where the model
takes them.
"""

import copy
import inspect
import shutil
import sys
from pathlib import Path

import torch
import transformers as ref
from golden import widen
from safetensors.torch import load_file, save_file

GOLDENS = Path(__file__).parent.parent / "tests" / "parity" / "vision"
TINY = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
TINY |= dict(image_size=16, patch_size=4, num_labels=3)
RESNET = dict(embedding_size=8, hidden_sizes=[16, 24], depths=[2, 1], num_labels=3, image_size=16)
SEGFORMER = dict(hidden_sizes=[8, 12, 16, 24], depths=[1, 2, 1, 1], num_attention_heads=[1, 2, 2, 3], num_labels=3)
SEGFORMER |= dict(decoder_hidden_size=16, drop_path_rate=0.0, classifier_dropout_prob=0.0, sr_ratios=[2, 2, 1, 1])
SAM: dict = {
    "vision_config": dict(
        hidden_size=32, output_channels=16, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=4,
        window_size=3, global_attn_indexes=[1], num_pos_feats=8, mlp_dim=48,
    ),
    "prompt_encoder_config": dict(hidden_size=16, image_size=32, patch_size=4, mask_input_channels=8),
    "mask_decoder_config": dict(
        hidden_size=16, mlp_dim=24, num_attention_heads=2, iou_head_depth=4, iou_head_hidden_dim=12
    ),
}  # fmt: skip
QUERIES = dict(d_model=16, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=24, decoder_ffn_dim=24, num_queries=5)
QUERIES |= dict(encoder_attention_heads=2, decoder_attention_heads=2, dropout=0.0, backbone_config=None)
QUERIES |= dict(use_timm_backbone=False, model_type="detr")
STAGES = [f"stage{i + 1}" for i in range(4)]
SMALL_SWIN = ref.SwinConfig(
    image_size=32, embed_dim=4, depths=[1, 2, 1, 1], num_heads=[1, 1, 2, 2], window_size=2, mlp_ratio=1.0,
    out_features=STAGES, drop_path_rate=0.0,
)  # fmt: skip
SMALL_RESNET = ref.ResNetConfig(embedding_size=4, hidden_sizes=[4, 8, 8, 16], depths=[1] * 4, out_features=STAGES)
MASKFORMER = dict(fpn_feature_size=64, mask_feature_size=12, num_labels=3, image_size=[32, 64], decoder_config=QUERIES)
DEEP = dict(use_auxiliary_loss=True, output_auxiliary_logits=True, output_hidden_states=True)
MASK2FORMER = dict(
    feature_size=64, mask_feature_size=12, hidden_dim=24, encoder_feedforward_dim=24, image_size=[32, 64]
)
MASK2FORMER |= dict(dim_feedforward=24, num_attention_heads=2, num_queries=5, encoder_layers=2, decoder_layers=5)
MASK2FORMER |= dict(num_labels=3, train_num_points=40)
INSTANCE, UNIVERSAL = "ForInstanceSegmentation", "ForUniversalSegmentation"
BACKBONE = "Backbone"
SEMANTIC = "ForSemanticSegmentation"
CLASSIFIER, MASKED = "ForImageClassification", "ForMaskedImageModeling"

DINO = {k: v for k, v in TINY.items() if k != "intermediate_size"} | dict(mlp_ratio=2, layerscale_value=0.7)
FOUR = DINO | dict(num_hidden_layers=4, hidden_size=24, image_size=32, patch_size=8)
SEEN = dict(model_type="dinov2", out_indices=[1, 2, 3, 4], reshape_hidden_states=False)
FUSED = dict(neck_hidden_sizes=[6, 8, 8, 10], fusion_hidden_size=8)
DPT = TINY | FUSED | dict(num_hidden_layers=4, image_size=32, backbone_out_indices=[0, 1, 2, 3], patch_size=16)
DPT |= dict(semantic_classifier_dropout=0.0, hidden_size=16, intermediate_size=24, num_channels=1)
ANYTHING = FUSED | dict(patch_size=8, reassemble_hidden_size=24, head_hidden_size=6)
DEPTH, DENSE = "ForDepthEstimation", ("DPT", "DepthAnything")
SWIN = dict(image_size=16, patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=3, mlp_ratio=2.0)
SWIN |= dict(num_labels=3, drop_path_rate=0.0, encoder_stride=4)
CONVNEXT = dict(hidden_sizes=[8, 12], depths=[2, 1], num_stages=2, image_size=16, num_labels=3)
BEIT = TINY | dict(hidden_size=24, intermediate_size=40, vocab_size=30, drop_path_rate=0.0, layer_scale_init_value=0.5)
BEIT |= dict(use_relative_position_bias=True, auxiliary_channels=8)
BEIT_MAPS = BEIT | dict(hidden_size=8, intermediate_size=16, num_attention_heads=2, num_hidden_layers=4)
BEIT_MAPS |= dict(out_indices=[1, 2, 3, 4])
TEACHER = "ForImageClassificationWithTeacher"
TOWER = dict(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, projection_dim=20)
WORDS, PATCHES = TOWER | dict(vocab_size=40, max_position_embeddings=9), TOWER | dict(image_size=16, patch_size=4)
READING = WORDS | dict(
    vocab_size=1300, max_position_embeddings=40, bos_token_id=512, eos_token_id=513
)  # vocab/clip.json
MATCHING = dict(text_config=READING, vision_config=PATCHES, projection_dim=20, num_labels=3)
PROJECTED = "ModelWithProjection"
# A tower alone is saved by 5.x under names that 4.x does not read; both read those of a file of two towers.
PREFIXES = {"CLIPTextModel": "text_model.", "CLIPVisionModel": "vision_model."}
PREFIXES |= {"SiglipTextModel": "text_model.", "SiglipVisionModel": "vision_model."}
OWL = dict(text_config=READING | dict(eos_token_id=1299, pad_token_id=0), vision_config=PATCHES, projection_dim=24)
SIGLIP = WORDS | dict(vocab_size=1150, max_position_embeddings=64, eos_token_id=1149, projection_size=24)  # t5.model
SIGLIP = dict(text_config=SIGLIP, vision_config=PATCHES, num_labels=3)

OBJECTS, MASKS = "ForObjectDetection", "ForSegmentation"
BACK = dict(embedding_size=4, hidden_sizes=[8, 8, 12], depths=[1, 1, 1])
DETECTOR = dict(d_model=16, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=24, decoder_ffn_dim=24, dropout=0.0)
DETECTOR |= dict(encoder_attention_heads=8, decoder_attention_heads=8, num_queries=5, num_labels=3, image_size=32)
DETECTOR |= dict(
    use_timm_backbone=False, backbone=None, backbone_config=ref.ResNetConfig(**BACK, out_indices=[0, 1, 2, 3])
)
DEFORMABLE = DETECTOR | dict(d_model=32, encoder_attention_heads=4, decoder_attention_heads=4, num_feature_levels=3)
DEFORMABLE |= dict(encoder_n_points=2, decoder_n_points=3, auxiliary_loss=True, image_size=48)
DEFORMABLE |= dict(backbone_config=ref.ResNetConfig(**BACK, out_indices=[2, 3]))
YOLOS = TINY | dict(image_size=[16, 16], num_detection_tokens=4)
RTBACK = ref.RTDetrResNetConfig(**BACK | dict(embedding_size=8), out_indices=[1, 2, 3])
RTDETR = dict(d_model=16, encoder_hidden_dim=16, encoder_ffn_dim=24, decoder_ffn_dim=24, decoder_layers=2)
RTDETR |= dict(encoder_attention_heads=4, decoder_attention_heads=4, num_queries=5, num_labels=3, image_size=32)
RTDETR |= dict(num_denoising=6, decoder_n_points=2, encoder_in_channels=[8, 8, 12], decoder_in_channels=[16] * 3)
RTDETR |= dict(feat_strides=[4, 8, 16], backbone_config=RTBACK)

CASES = {  # name: (stem of the reference's classes, config, heads)
    "clip": ("CLIP", MATCHING, (CLASSIFIER,)),
    "clip-pictures": ("CLIPVision", PATCHES, (PROJECTED,)),
    "clip-texts": ("CLIPText", WORDS | dict(eos_token_id=2), (PROJECTED,)),  # the wrong one, as old configs have it
    "beit": ("Beit", BEIT | dict(use_mask_token=True), (CLASSIFIER, MASKED, BACKBONE)),
    "beit-shared": (
        "Beit",
        BEIT
        | dict(use_shared_relative_position_bias=True, use_absolute_position_embeddings=True, use_mean_pooling=False),
        (CLASSIFIER,),
    ),
    "beit-one-loss": ("Beit", BEIT_MAPS | dict(use_auxiliary_head=False, pool_scales=[1, 2]), (SEMANTIC,)),
    "beit-maps": ("Beit", BEIT_MAPS | dict(auxiliary_concat_input=True, add_fpn=True), (SEMANTIC, BACKBONE)),
    "convnext": (
        "ConvNext",
        CONVNEXT | dict(layer_scale_init_value=0.5, out_features=["stem", "stage2"]),
        (CLASSIFIER, BACKBONE),
    ),
    "convnext-unscaled": ("ConvNext", CONVNEXT | dict(layer_scale_init_value=0.0), (BACKBONE,)),
    "convnextv2": ("ConvNextV2", CONVNEXT, (CLASSIFIER, BACKBONE)),
    "data2vec-vision": ("Data2VecVision", BEIT_MAPS, (CLASSIFIER,)),
    "deit": (
        "DeiT",
        TINY | dict(hidden_size=24, intermediate_size=40, encoder_stride=4),
        (CLASSIFIER, TEACHER, MASKED),
    ),
    "dinov2": ("Dinov2", DINO | dict(out_features=["stem", "stage2"]), (CLASSIFIER, BACKBONE)),
    "dinov2-giant": (
        "Dinov2",
        DINO
        | dict(
            use_swiglu_ffn=True,
            qkv_bias=False,
            use_mask_token=False,
            apply_layernorm=False,
            reshape_hidden_states=False,
            out_indices=[1, 2],
        ),
        (BACKBONE,),
    ),
    "dinov2-registers": (
        "Dinov2WithRegisters",
        DINO | dict(patch_size=4, num_register_tokens=2),
        (CLASSIFIER, BACKBONE),
    ),
    "conditional_detr": ("ConditionalDetr", DETECTOR, (OBJECTS, MASKS)),
    "conditional_detr-auxiliary": ("ConditionalDetr", DETECTOR | dict(auxiliary_loss=True), (OBJECTS,)),
    "deformable_detr": (
        "DeformableDetr",
        DEFORMABLE | dict(position_embedding_type="learned"),
        (OBJECTS,),
    ),
    "deformable_detr-stages": (
        "DeformableDetr",
        DEFORMABLE | dict(two_stage=True, with_box_refine=True, two_stage_num_proposals=4),
        (OBJECTS,),
    ),
    "detr": ("Detr", DETECTOR, (OBJECTS, MASKS)),
    "detr-auxiliary": (
        "Detr",
        DETECTOR | dict(auxiliary_loss=True, position_embedding_type="learned", decoder_layers=3),
        (OBJECTS,),
    ),
    "mask2former": ("Mask2Former", MASK2FORMER | dict(backbone_config=SMALL_SWIN), (UNIVERSAL,)),
    "mask2former-pre": (
        "Mask2Former",
        MASK2FORMER
        | dict(backbone_config=SMALL_RESNET, pre_norm=True, hidden_dim=64, decoder_layers=3, image_size=[32, 64]),
        (UNIVERSAL,),
    ),
    "maskformer": ("MaskFormer", MASKFORMER | dict(backbone_config=SMALL_SWIN), (INSTANCE,)),
    "maskformer-resnet": ("MaskFormer", MASKFORMER | DEEP | dict(backbone_config=SMALL_RESNET), (INSTANCE,)),
    "depth-anything": ("DepthAnything", ANYTHING | dict(backbone_config=FOUR | SEEN), (DEPTH,)),
    "depth-anything-metric": (
        "DepthAnything",
        ANYTHING
        | dict(backbone_config=FOUR | SEEN | dict(apply_layernorm=False), depth_estimation_type="metric", max_depth=20),
        (DEPTH,),
    ),
    "dpt": ("DPT", DPT, (DEPTH, SEMANTIC)),
    "dpt-add": ("DPT", DPT | dict(readout_type="add", use_batch_norm_in_fusion_residual=True), (DEPTH,)),
    "dpt-dinov2": ("DPT", FUSED | dict(backbone_config=FOUR | SEEN, readout_type="ignore"), (DEPTH,)),
    "resnet": ("ResNet", RESNET | dict(out_features=["stem", "stage2"]), (CLASSIFIER, BACKBONE)),
    "resnet-basic": ("ResNet", RESNET | dict(layer_type="basic", downsample_in_first_stage=True), (BACKBONE,)),
    "rt_detr": ("RTDetr", RTDETR, (OBJECTS,)),
    "rt_detr_resnet": ("RTDetrResNet", RESNET | dict(layer_type="basic", hidden_sizes=[8, 12]), (BACKBONE,)),
    "rt_detr-plain": ("RTDetr", RTDETR | dict(num_denoising=0, num_feature_levels=4, hidden_expansion=0.5), (OBJECTS,)),
    "sam": ("Sam", SAM, ()),
    "sam-points": ("Sam", SAM | {"vision_config": SAM["vision_config"] | dict(use_rel_pos=False, window_size=2)}, ()),
    "sam-vision": ("SamVision", SAM["vision_config"] | dict(use_abs_pos=False, qkv_bias=False), ()),
    "segformer": ("Segformer", SEGFORMER, (CLASSIFIER, SEMANTIC)),
    "segformer-flat": ("Segformer", SEGFORMER | dict(reshape_last_stage=False), (CLASSIFIER,)),
    "segformer-one": ("Segformer", SEGFORMER | dict(num_labels=1, depths=[1, 1, 1, 1]), (SEMANTIC,)),
    "owlvit": ("OwlViT", OWL, (OBJECTS,)),
    "owlvit-pictures": ("OwlViTVision", PATCHES, ()),
    "owlvit-texts": ("OwlViTText", WORDS | dict(eos_token_id=2), ()),
    "siglip": ("Siglip", SIGLIP, (CLASSIFIER,)),
    "siglip-pictures": ("SiglipVision", PATCHES | dict(vision_use_head=False), ()),
    "siglip-texts": ("SiglipText", WORDS | dict(eos_token_id=38, projection_size=20), ()),
    "swin": ("Swin", SWIN | dict(out_features=["stage1", "stage2"]), (CLASSIFIER, MASKED, BACKBONE)),
    "swin-wide": (  # a window as large as the last map, and maps of odd sides
        "Swin",
        SWIN | dict(image_size=14, window_size=4, qkv_bias=False, use_absolute_embeddings=True, out_indices=[0, 2]),
        (BACKBONE,),
    ),
    "yolos": ("Yolos", YOLOS, (OBJECTS,)),
    "yolos-plain": ("Yolos", YOLOS | dict(use_mid_position_embeddings=False, qkv_bias=False), ()),
    "vit": ("ViT", TINY | dict(encoder_stride=4), (CLASSIFIER, MASKED)),
    "vit-wide": ("ViT", TINY | dict(image_size=[8, 16], qkv_bias=False, pooler_output_size=20, pooler_act="gelu"), ()),
}
FIXED = ("rt_detr", "rt_detr-plain", "sam-vision")  # read pictures of one size
PADDED = ("conditional_detr", "deformable_detr", "detr", "rt_detr")  # model types that read a pixel_mask
LOOSE = (
    "CLIP",
    "CLIPVision",
    "OwlViTVision",
    "SiglipVision",
    "Swin",
)  # heads pass on what their signatures do not name
WITHOUT_BODY = (  # large, or not to be called
    "rt_detr_resnet",
    "deformable_detr-stages", "mask2former", "mask2former-pre", "maskformer", "maskformer-resnet",
    "segformer-flat", "segformer-one",
)  # fmt: skip
WITHOUT_BODY += ("depth-anything", "depth-anything-metric", "dpt-dinov2")  # a backbone and no more
SEEDS = {"mask2former": 4, "mask2former-pre": 4}  # of weights whose norms divide by no small deviation
STRETCHED = ("interpolate_pos_encoding",)  # what the reference is told for pictures of another size


def inputs(suffix: str, config: ref.PretrainedConfig, size: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Three pictures of standard normal numbers, and what else the head's loss or body reads."""
    given = {"pixel_values": torch.randn(3, getattr(config, "num_channels", 3), *size)}
    words = getattr(config, "text_config", config)
    if (
        hasattr(words, "vocab_size") and hasattr(words, "max_position_embeddings") and suffix != CLASSIFIER
    ):  # BEiT has a vocabulary, of visual tokens
        last = words.vocab_size - 1 if words.eos_token_id == 2 else words.eos_token_id
        texts = torch.randint(3, min(last, words.vocab_size), (3, 7))
        texts[:, 4], texts[1, 6] = last, last
        mask = torch.arange(7) < torch.tensor([5, 7, 5])[:, None]
        given = (given if words is not config else {}) | {"input_ids": texts, "attention_mask": mask.long()}
    if suffix == MASKED:
        given["bool_masked_pos"] = torch.rand(3, (size[0] // config.patch_size) * (size[1] // config.patch_size)) > 0.5
    if config.model_type == "sam":
        given["input_points"] = torch.rand(3, 2, 3, 2) * 31
        if config.vision_config.use_rel_pos:  # one case with all, one with points alone
            given["input_labels"] = torch.tensor([[[1, 0, 1], [-1, 0, -10]]] * 3)
            given["input_boxes"] = torch.rand(3, 2, 4).sort().values * 31
            given["input_masks"] = torch.randn(3, 1, 32, 32)
    if config.model_type in PADDED:
        given["pixel_mask"] = torch.ones(3, *size, dtype=torch.long)
        given["pixel_mask"][1, size[0] // 2 :] = given["pixel_mask"][1, :, size[1] // 2 :] = 0
    return given


def targets(
    suffix: str, config: ref.PretrainedConfig, size: tuple[int, int], given: dict[str, torch.Tensor]
) -> dict[str, object]:
    """Labels; of detectors a dictionary a picture, of which one holds no object; of hidden patches one each."""
    if suffix == MASKED and config.model_type == "beit":
        return {"labels": torch.randint(0, config.vocab_size, (int(given["bool_masked_pos"].sum()),))}
    if suffix == SEMANTIC:
        labels = torch.randint(0, max(config.num_labels, 2), (3, *size))
        return {"labels": torch.where(torch.rand(labels.shape) < 0.2, 255, labels)}
    if suffix == CLASSIFIER:
        return {"labels": torch.tensor([0, 2, 1])}
    if suffix == "Model" and hasattr(config, "text_config"):
        return {"return_loss": torch.tensor(True)}
    if suffix in (INSTANCE, UNIVERSAL):
        classes = [torch.randint(3, (count,)) for count in (2, 0, 3)]
        return {"class_labels": classes, "mask_labels": [(torch.rand(len(x), *size) > 0.5).float() for x in classes]}
    if suffix not in (OBJECTS, MASKS) or hasattr(config, "text_config"):
        return {}
    labels = []
    for count in (2, 0, 3):
        centres, sizes = torch.rand(count, 2) * 0.4 + 0.3, torch.rand(count, 2) * 0.4 + 0.1
        one = {"class_labels": torch.randint(3, (count,)), "boxes": torch.cat((centres, sizes), dim=1)}
        labels.append(one | ({"masks": (torch.rand(count, *size) > 0.5).float()} if suffix == MASKS else {}))
    return {"labels": labels}


def flat(name: str, value: object) -> dict[str, torch.Tensor]:
    """The tensors of lists and dictionaries of them, by their paths: `labels.0.boxes`."""
    if isinstance(value, torch.Tensor):
        return {name: value}
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return {path: x for key, one in rows for path, x in flat(f"{name}.{key}", one).items()}


def without_constants(model: torch.nn.Module) -> None:
    """What follows from the config is not saved with it, nor a norm that no map goes through."""
    for module in model.modules():
        for name in ("relative_position_index", "empty_weight"):
            if name in module._buffers:
                module.register_buffer(name, getattr(module, name), persistent=False)
        if "Swin" in type(module).__name__ and hasattr(module, "layernorm"):
            module.layernorm = torch.nn.Identity()


def calm(model: torch.nn.Module) -> None:
    """Kernels by their size: through twenty convolutions one after the other, rounding would grow beyond measure."""
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data.mul_(2 / parameter[0].numel() ** 0.5)


def training(model: torch.nn.Module, given: dict) -> torch.Tensor:
    """The losses of four AdamW steps; the tiny configs have no dropout."""
    copied, losses = copy.deepcopy(model).train(), []
    for module in copied.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # of DPT's auxiliary head: no config says it
    optimizer = torch.optim.AdamW(copied.parameters(), lr=1e-3)
    torch.manual_seed(0)  # some losses are taken at drawn points
    for _ in range(4):
        loss = copied(**given).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    return torch.stack(losses)


def separate(model: torch.nn.Module) -> None:
    """Heads for each layer of the decoder, as published models have them: those that are drawn here are tied."""
    for name in ("bbox_embed", "class_embed"):
        heads = torch.nn.ModuleList(copy.deepcopy(head) for head in getattr(model, name))
        setattr(model, name, heads)
        if getattr(model.model.decoder, name) is not None:
            setattr(model.model.decoder, name, heads)


def trim(model: torch.nn.Module, stem: str, suffix: str) -> None:
    """Take out what no output goes through."""
    if suffix == BACKBONE and stem == "Swin":
        model.swin.layernorm = torch.nn.Identity()  # which 4.x does not have
    if stem.startswith("Mask"):
        without_constants(model)


def draw(model: torch.nn.Module, stem: str, suffix: str) -> None:
    """Weights that show every part at work, in the parts that a published file has."""
    trim(model, stem, suffix)
    refined = model.config.model_type == "deformable_detr" and model.config.with_box_refine
    if refined:
        separate(model)
    widen(model)
    if stem in DENSE:
        calm(model)
    if not refined:
        model.tie_weights()


def sized(config: ref.PretrainedConfig, name: str, stem: str) -> tuple[int, int]:
    """The height and width of the pictures that a case is recorded with."""
    part = getattr(config, "vision_config", config)
    side = getattr(config.backbone_config if stem in DENSE and name in WITHOUT_BODY else part, "image_size", 16)
    return (side, side) if isinstance(side, int) else tuple(side)


def write(to: Path, case: str) -> None:
    """The folder of a case, NAME/SUFFIX, with all that the version at hand keeps in it, and expected.safetensors."""
    name, suffix = case.split("/")
    stem, settings, _ = copy.deepcopy(CASES[name])  # out of whose settings 4.57.6 takes what it reads
    torch.manual_seed(SEEDS.get(name, 0))
    if "use_timm_backbone" in settings:  # 4.57.6 asks for it beside a backbone_config
        settings["use_pretrained_backbone"] = False
    config = getattr(ref, f"{stem}Config")(**settings)
    given = inputs(suffix, config, sized(config, name, stem))
    model = getattr(ref, stem + suffix)(config).eval()
    widen(model)
    if stem in DENSE:
        calm(model)
    with torch.no_grad():
        out = model(**given)
    expected = {f"input.{k}": v for k, v in given.items()}
    expected |= {path: x for k, v in out.items() for path, x in flat(k, v).items()}
    refining = stem == "DeformableDetr" and config.with_box_refine  # shares tensors that 4.57.6 does not part
    model.save_pretrained(to / case, **({"safe_serialization": False} if refining else {}))
    save_file({k: v.contiguous().clone() for k, v in expected.items()}, to / case / "expected.safetensors")


def record(name: str, stem: str, settings: dict, heads: tuple[str, ...]) -> None:
    folder = GOLDENS / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(SEEDS.get(name, 0))
    config = getattr(ref, f"{stem}Config")(**settings)
    size = sized(config, name, stem)
    for suffix in heads if name in WITHOUT_BODY else ("Model", *heads):
        model = getattr(ref, stem + suffix)(copy.deepcopy(config)).eval()
        draw(model, stem, suffix)
        given = inputs(suffix, config, size)
        wanted = targets(suffix, config, size, given)
        unused = copy.deepcopy(model)  # Swin's windows stay as small as a call made them
        eager = type(model)._from_config(copy.deepcopy(config), attn_implementation="eager").eval()
        trim(eager, stem, suffix)
        eager.load_state_dict(model.state_dict())  # only it gives attention weights
        torch.manual_seed(1)
        with torch.no_grad():
            out = model(**given, **wanted, output_hidden_states=True)
            seen = eager(**given, output_attentions=True)
        expected = {f"input.{k}": v for k, v in given.items()}
        expected |= {path: x for k, v in wanted.items() for path, x in flat(f"target.{k}", v).items()}
        found = [(path, x) for k, v in out.items() for path, x in flat(k, v).items()]
        found += [(path, x) for k, v in seen.items() for path, x in flat(k, v).items() if "attentions" in path]
        expected |= {path: x for path, x in found if not path.startswith("mask_decoder")}  # which are no weights
        if out.get("loss") is not None:
            expected["training"] = training(model, given | wanted)
        alone = not given.keys() - {"pixel_values", "pixel_mask"} and name not in FIXED
        if alone and size[0] == size[1]:  # the reference stretches square tables alone
            larger = torch.randn(2, given["pixel_values"].shape[1], size[0] + 12, size[1] + 8)
            with torch.no_grad():
                known = inspect.signature(model.forward).parameters
                found = unused(larger, **{name: True for name in STRETCHED if name in known or stem in LOOSE})
            expected["input.larger"] = larger
            expected |= {path: x for k, v in found.items() for path, x in flat(f"larger.{k}", v).items()}
        target = folder / suffix
        model.save_pretrained(target)
        if prefix := PREFIXES.get(stem + suffix):
            weights = {prefix + k: v for k, v in load_file(target / "model.safetensors").items()}
            save_file(weights, target / "model.safetensors", {"format": "pt"})
        save_file({k: v.contiguous().clone() for k, v in expected.items()}, target / "expected.safetensors")
    print(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1024:.0f} kB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--to"]:
        for case in sys.argv[3:]:
            write(Path(sys.argv[2]), case)
    else:
        for name in sys.argv[1:] or CASES:
            record(name, *CASES[name])
