"""Record goldens: tiny random checkpoints that the reference library writes, and what it computes from them.

    python tools/golden.py [FAMILY...]      # in an environment that has torch, transformers==5.23.0 and safetensors

Names that end in -by-4.57 are recorded in an environment with transformers==4.57.6, which writes another layout.

For each family, tests/parity/goldens/<family>/ holds the folder that the reference saved for its body and for each
head, and expected.safetensors with the inputs (padded rows, one fully masked row) and the outputs. Weights are drawn
wide enough (std 0.3) that an error in any of them shows in the outputs.
"""

import copy
import shutil
import sys
from pathlib import Path

import torch
import transformers as ref
from safetensors.torch import save_file

OLD = ref.__version__.startswith("4.57")
GOLDENS = Path(__file__).parent.parent / "tests" / "parity" / "goldens"
TINY = dict(vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
TINY |= dict(max_position_embeddings=40, num_labels=3)
DISTIL = dict(vocab_size=99, dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=40, num_labels=3)
ALBERT = TINY | dict(embedding_size=16, num_hidden_layers=3)
ALBERT_GROUPS = ALBERT | dict(num_hidden_layers=5, num_hidden_groups=2, inner_group_num=2, hidden_act="relu")
ELECTRA = TINY | dict(embedding_size=16)
ELECTRA_BASE = TINY | dict(embedding_size=32, summary_use_proj=False, summary_activation="tanh", hidden_act="relu")
ROBERTA = TINY | dict(type_vocab_size=1, pad_token_id=1)
LONGFORMER = ROBERTA | dict(type_vocab_size=2, sep_token_id=2)
BIG_BIRD = TINY | dict(attention_type="original_full", use_bias=False, rescale_embeddings=True, sep_token_id=66)
BIG_BIRD_BLOCKS = TINY | dict(attention_type="block_sparse", block_size=2, num_random_blocks=1, sep_token_id=66)
GPT2 = dict(
    vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=40, num_labels=3, pad_token_id=1, eos_token_id=98
)
T5 = dict(vocab_size=99, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, num_labels=3, decoder_start_token_id=0)
T5_V1_1 = T5 | dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False)
DEBERTA = TINY | dict(relative_attention=True, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True)
DEBERTA |= dict(pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0, max_relative_positions=-1)
DEBERTA_XLARGE = DEBERTA | dict(  # the other half of its switches
    share_att_key=False, conv_kernel_size=3, conv_act="gelu", position_biased_input=True, type_vocab_size=2,
    embedding_size=16, position_buckets=-1, max_relative_positions=20,
)  # fmt: skip
DEBERTA_V1 = TINY | dict(relative_attention=True, pos_att_type="c2p|p2c", position_biased_input=False)
DEBERTA_V1_WIDE = DEBERTA_V1 | dict(  # the other half of its switches, and distances beyond the table
    pos_att_type=["p2c"], position_biased_input=True, type_vocab_size=2, embedding_size=16, max_relative_positions=5
)
NOMIC = TINY | dict(type_vocab_size=2)
NOMIC_SCALED = NOMIC | dict(head_dim=12, rope_parameters=dict(rope_type="linear", rope_theta=50.0, factor=2.0))
MODERN = TINY | dict(pad_token_id=1, bos_token_id=0, eos_token_id=98, cls_token_id=0, sep_token_id=98)
MODERN |= dict(global_attn_every_n_layers=2, local_attention=4)
MODERN_BIASED = MODERN | dict(
    norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True, decoder_bias=False,
    hidden_activation="silu", classifier_activation="gelu_new", layer_types=["sliding_attention", "full_attention"],
    rope_parameters=dict(
        full_attention=dict(rope_type="linear", rope_theta=500.0, factor=2.0),
        sliding_attention=dict(rope_type="default", rope_theta=20.0),
    ),
)  # fmt: skip
MODERN_OLD = MODERN | dict(  # a window that hides something, and in which padding still sees a token
    global_rope_theta=500.0, local_rope_theta=20.0, classifier_pooling="mean", local_attention=8
)
LLAMA = TINY | dict(num_key_value_heads=2, pad_token_id=1, bos_token_id=0, eos_token_id=98)
LLAMA_3 = dict(rope_type="llama3", rope_theta=5e5, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0)
LLAMA_3 |= dict(original_max_position_embeddings=10)
LLAMA_BIASED = LLAMA | dict(head_dim=12, attention_bias=True, mlp_bias=True, rope_parameters=LLAMA_3)
LINEAR = dict(rope_theta=5e3, rope_scaling={"rope_type": "linear", "factor": 4.0}, tie_word_embeddings=True)
GRANITE = LLAMA | dict(embedding_multiplier=1.5, attention_multiplier=0.3, residual_multiplier=0.7, logits_scaling=3.0)
QWEN2 = LLAMA | dict(use_sliding_window=True, sliding_window=4, max_window_layers=1)
QWEN3 = QWEN2 | dict(head_dim=12, attention_bias=True, layer_types=["sliding_attention", "full_attention"])
SMOLLM3 = LLAMA | dict(no_rope_layers=[1, 0], use_sliding_window=True, sliding_window=4)
LONGROPE = dict(short_factor=[1.0, 1.5], long_factor=[2.0, 5.0])
PHI3 = LLAMA | dict(original_max_position_embeddings=4, sliding_window=7, resid_pdrop=0.1)
PHI3_LONG = dict(rope_parameters=dict(rope_type="longrope", partial_rotary_factor=0.5, rope_theta=1e4, **LONGROPE))
PHI3_OLD = dict(rope_scaling=dict(type="longrope", **LONGROPE), partial_rotary_factor=0.5)
GEMMA = TINY | dict(num_key_value_heads=2, head_dim=12)
GEMMA_2 = GEMMA | dict(query_pre_attn_scalar=20, sliding_window=4, attn_logit_softcapping=2.0)
GEMMA_3 = GEMMA | dict(query_pre_attn_scalar=20, sliding_window=4, sliding_window_pattern=2)
GEMMA_3_OLD = GEMMA_3 | dict(
    rope_theta=5e3, rope_local_base_freq=10.0, rope_scaling=dict(rope_type="linear", factor=4.0)
)
NEOX = TINY | dict(pad_token_id=1)
NEOX_SERIAL = NEOX | dict(use_parallel_residual=False, attention_bias=False, rotary_pct=0.5, rotary_emb_base=500)
OPT = dict(vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=64, num_labels=3)
OPT |= dict(max_position_embeddings=40)
OPT_350M = OPT | dict(word_embed_proj_dim=20, do_layer_norm_before=False)
OPT_BARE = OPT | dict(enable_bias=False, layer_norm_elementwise_affine=False, _remove_final_layer_norm=True)
PAGES = dict(max_2d_position_embeddings=64)
LILT = ROBERTA | PAGES | dict(hidden_size=48, num_attention_heads=4, channel_shrink_ratio=2, type_vocab_size=2)
LAYOUTLMV3 = ROBERTA | PAGES | dict(coordinate_size=6, shape_size=4, input_size=16, patch_size=8, type_vocab_size=2)
LAYOUTLMV3 |= dict(rel_pos_bins=8, max_rel_pos=10, rel_2d_pos_bins=12, max_rel_2d_pos=40)
LAYOUTLMV3_TEXT = LAYOUTLMV3 | dict(visual_embed=False, num_labels=12)
LAYOUTLMV3_FREE = LAYOUTLMV3 | dict(has_relative_attention_bias=False, has_spatial_attention_bias=False)
TAPAS = TINY | dict(type_vocab_sizes=[3, 9, 9, 2, 9, 9, 10], max_num_rows=4, max_num_columns=4, temperature=0.7)
TAPAS |= dict(num_aggregation_labels=4, aggregation_labels={0: "NONE", 1: "SUM", 2: "AVERAGE", 3: "COUNT"})
TAPAS |= dict(no_aggregation_label_index=0, average_logits_per_cell=True)
TAPAS_WEAK = TAPAS | dict(use_answer_as_supervision=True, cell_selection_preference=0.9, huber_loss_delta=5.0)
TAPAS_WEAK |= dict(answer_loss_importance=0.5, answer_loss_cutoff=30.0, average_logits_per_cell=False)
TAPAS_WEAK |= dict(reset_position_index_per_cell=False)
CLASSIFIER, MASKED, GENERATOR = "ForSequenceClassification", "ForMaskedLM", "ForConditionalGeneration"
CAUSAL, BOTH = "ForCausalLM", "ForPreTraining"
TOKENS, ANSWERS, CHOICE, NEXT = (
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
    "ForNextSentencePrediction",
)
TABLES = "ForTableQuestionAnswering"
ENCODER = (CLASSIFIER, MASKED, TOKENS, ANSWERS, CHOICE)

CASES = {  # name: (stem of the reference's classes, config, heads)
    "albert": ("Albert", ALBERT, (*ENCODER, BOTH)),
    "albert-groups": ("Albert", ALBERT_GROUPS, (CLASSIFIER, MASKED)),
    "bert": ("Bert", TINY, (*ENCODER, NEXT, BOTH)),
    "distilbert": ("DistilBert", DISTIL, ENCODER),
    "electra": ("Electra", ELECTRA, (*ENCODER, BOTH)),
    "electra-base": ("Electra", ELECTRA_BASE, (MASKED, CHOICE, BOTH)),
    "mpnet": ("MPNet", TINY | dict(pad_token_id=1), ENCODER),
    "roberta": ("Roberta", ROBERTA, ENCODER),
    "xlm-roberta": ("XLMRoberta", ROBERTA, (CLASSIFIER, TOKENS)),
    "camembert": ("Camembert", ROBERTA, (CLASSIFIER, ANSWERS)),
    "longformer": ("Longformer", LONGFORMER | dict(attention_window=[4, 8]), ENCODER),
    "longformer-wide": ("Longformer", LONGFORMER | dict(attention_window=16), (MASKED,)),
    "big_bird": ("BigBird", BIG_BIRD, ENCODER),
    "big_bird-blocks": ("BigBird", BIG_BIRD_BLOCKS, (CLASSIFIER, ANSWERS)),
    "layoutlm": ("LayoutLM", TINY | PAGES, (CLASSIFIER, MASKED, TOKENS, ANSWERS)),
    "lilt": ("Lilt", LILT, (CLASSIFIER, TOKENS, ANSWERS)),
    "layoutlmv3": ("LayoutLMv3", LAYOUTLMV3, (CLASSIFIER, TOKENS, ANSWERS)),
    "layoutlmv3-text": ("LayoutLMv3", LAYOUTLMV3_TEXT, (TOKENS,)),
    "layoutlmv3-free": ("LayoutLMv3", LAYOUTLMV3_FREE, ()),
    "gpt2": ("GPT2", GPT2, (CLASSIFIER, "LMHeadModel")),
    "gpt2-scaled": ("GPT2", GPT2 | dict(scale_attn_by_inverse_layer_idx=True, n_inner=48), ()),
    "deberta-v2": ("DebertaV2", DEBERTA, ENCODER),
    "deberta-v2-xlarge": ("DebertaV2", DEBERTA_XLARGE, (CLASSIFIER,)),
    "deberta": ("Deberta", DEBERTA_V1, (CLASSIFIER, MASKED, TOKENS, ANSWERS)),
    "deberta-wide": ("Deberta", DEBERTA_V1_WIDE, (CLASSIFIER, MASKED)),
    "nomic_bert": ("NomicBert", NOMIC, (CLASSIFIER, MASKED, TOKENS)),
    "nomic_bert-scaled": ("NomicBert", NOMIC_SCALED, ()),
    "modernbert": ("ModernBert", MODERN, ENCODER),
    "modernbert-biased": ("ModernBert", MODERN_BIASED, ENCODER),
    "modernbert-by-4.57": ("ModernBert", MODERN_OLD, ENCODER),
    "llama": ("Llama", LLAMA_BIASED, (CLASSIFIER, CAUSAL)),
    "llama-by-4.57": ("Llama", LLAMA | LINEAR, (CAUSAL,)),
    "mistral": ("Mistral", LLAMA | dict(sliding_window=4), (CLASSIFIER, CAUSAL)),
    "qwen2": ("Qwen2", QWEN2, (CLASSIFIER, CAUSAL)),
    "qwen3": ("Qwen3", QWEN3, (CLASSIFIER, CAUSAL)),
    "granite": ("Granite", GRANITE, (CAUSAL,)),
    "olmo2": ("Olmo2", LLAMA, (CLASSIFIER, CAUSAL)),
    "smollm3": ("SmolLM3", SMOLLM3, (CLASSIFIER, CAUSAL)),
    "phi3": ("Phi3", PHI3 | PHI3_LONG, (CLASSIFIER, CAUSAL)),
    "phi3-by-4.57": ("Phi3", PHI3 | PHI3_OLD, ()),
    "gemma": ("Gemma", GEMMA, (CLASSIFIER, CAUSAL)),
    "gemma2": ("Gemma2", GEMMA_2 | dict(final_logit_softcapping=5.0), (CLASSIFIER, CAUSAL)),
    "gemma3": ("Gemma3Text", GEMMA_3, (CLASSIFIER, CAUSAL)),
    "gemma3-by-4.57": ("Gemma3Text", GEMMA_3_OLD | dict(final_logit_softcapping=5.0), (CAUSAL,)),
    "embeddinggemma": ("Gemma3Text", GEMMA_3 | dict(use_bidirectional_attention=True), ()),
    "gpt_neox": ("GPTNeoX", NEOX, (CLASSIFIER, CAUSAL)),
    "gpt_neox-by-4.57": ("GPTNeoX", NEOX_SERIAL, (CAUSAL,)),
    "opt": ("OPT", OPT, (CLASSIFIER, CAUSAL)),
    "opt-350m": ("OPT", OPT_350M, (CLASSIFIER, CAUSAL)),
    "opt-bare": ("OPT", OPT_BARE, ()),
    "tapas": ("Tapas", TAPAS, (CLASSIFIER, MASKED, TABLES)),
    "tapas-weak": ("Tapas", TAPAS_WEAK, (TABLES,)),
    "t5": ("T5", T5, (GENERATOR, CLASSIFIER)),
    "t5-v1_1": ("T5", T5_V1_1, (GENERATOR,)),
    "t5-v1_1-by-4.57": ("T5", T5_V1_1, (GENERATOR,)),
}


def inputs(stem: str, settings: dict, pad: int, count: int) -> dict[str, torch.Tensor]:
    """Four rows of `count` tokens: full, padded, fully masked, and a lone token."""
    ids = torch.randint(2, 98, (4, count))
    mask = torch.ones(4, count, dtype=torch.long)
    lengths = (5, 0, 1)
    if stem == "ModernBert" and OLD:  # a row that sees no token attends to all of them there, and to none in 5.x
        lengths = (5, 7, 6)
    for row, length in enumerate(lengths, start=1):
        mask[row, length:], ids[row, length:] = 0, pad
    batch = {"input_ids": ids, "attention_mask": mask}
    if stem == "OPT":  # its positions are counted from the mask: one row is padded on the left
        mask[3] = torch.arange(9) > 4
        ids[3] = torch.where(mask[3] > 0, 50 + torch.arange(9), pad)
    if stem == "Longformer":  # a question and a text, each after padding has been put in, as both are looked for in ids
        ids[ids == 2] = 3
        ids[:, [1, 2, 4]] = 2
        batch["global_attention_mask"] = torch.tensor([0, 0, 1, 0, 0, 0, 0, 1, 0]).expand(4, 9).clone()
        batch["global_attention_mask"][3, 0] = 1
    if settings.get("max_2d_position_embeddings"):
        corner, size = torch.randint(0, 32, (2, 4, 9, 2))
        batch["bbox"] = torch.cat((corner, corner + size), dim=-1) * mask[..., None]
    if stem == "LayoutLMv3" and settings.get("visual_embed", True):
        batch["pixel_values"] = torch.randn(4, 3, 16, 16)
    if stem in ("Bert", "Albert", "Electra", "Longformer", "NomicBert", "LayoutLM", "Lilt", "LayoutLMv3"):
        batch["token_type_ids"] = (torch.arange(9) > 3).long().expand(4, 9) * mask
    if stem == "Tapas":  # a question of two tokens, two headers, and cells
        types = torch.randint(0, 2, (4, 9, 7))
        types[..., 0] = (torch.arange(9) > 1).long()
        types[..., 1] = torch.tensor([0, 0, 1, 2, 1, 1, 2, 1, 2])
        types[..., 2] = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2])
        types[..., 4:6] = torch.randint(0, 9, (4, 9, 2))
        types[..., 6] = torch.randint(0, 10, (4, 9))
        types[3, 0, :3] = 1  # the lone token is a cell
        mask[2] = 1  # of which there are no tokens
        batch["token_type_ids"], mask[2] = types * mask[..., None], 0
    if stem == "T5":
        batch["decoder_input_ids"] = torch.randint(2, 98, (4, 6))
    return batch


def targets(stem: str, suffix: str, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What a head's loss takes."""
    ids, few = given.get("decoder_input_ids", given["input_ids"]), torch.tensor([0, 1, 2, 1])
    if suffix == TOKENS:
        return {"labels": ids % 3}
    if suffix == ANSWERS:
        return {"start_positions": few, "end_positions": few + 3}
    if suffix == CHOICE:
        return {"labels": torch.tensor([1, 0, 1, 1])}
    if suffix == BOTH and stem == "Electra":
        return {"labels": ids % 2}
    if suffix == BOTH:
        return {"labels": ids, "sentence_order_label" if stem == "Albert" else "next_sentence_label": few % 2}
    if suffix == TABLES:
        row, column = given["token_type_ids"][..., 2], given["token_type_ids"][..., 1]
        numbers = torch.where(row > 0, row * 3.5 + column, float("nan"))
        asked = ((row == 1) & (column == 1)).long()
        found = {
            "labels": asked,
            "aggregation_labels": few,
            "float_answer": torch.tensor([9.0, float("nan"), 3.0, 4.0]),
        }
        return found | {"numeric_values": numbers, "numeric_values_scale": 1.0 + (ids % 2)}
    return {"labels": few if suffix == CLASSIFIER else few % 2 if suffix == NEXT else ids}


def widen(model: torch.nn.Module) -> None:
    for parameter in model.parameters():
        with torch.no_grad():
            torch.nn.init.normal_(parameter, mean=float(parameter.dim() == 1) * 0.5, std=0.3)


def training(model: torch.nn.Module, config: ref.PretrainedConfig, given: dict, wanted: dict) -> torch.Tensor:
    """The losses of four AdamW steps without dropout, on the rows that hold a token."""
    config = copy.deepcopy(config)
    for name, value in vars(config).items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)
    copied = type(model)(config).train()
    copied.load_state_dict(model.state_dict())
    optimizer = torch.optim.AdamW(copied.parameters(), lr=1e-3)
    rows, losses = [0, 1, 3], []
    padding = given["attention_mask"] == 0
    wanted = {key: v.masked_fill(padding, -100) if v.shape == padding.shape else v for key, v in wanted.items()}
    batch = {key: value[rows] for key, value in (given | wanted).items()}
    for _ in range(4):
        loss = copied(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    return torch.stack(losses)


@torch.no_grad()
def observed(model: torch.nn.Module, stem: str, given: dict) -> dict:
    """What a model gives, with its hidden states."""
    out = model(**given, output_hidden_states=True)
    if stem == "ModernBert" and OLD:  # the last of them is not normalised there, as in 5.x and all other families
        body = model.base_model(**{key: value.flatten(0, -2) for key, value in given.items()})
        out["hidden_states"] = (*out["hidden_states"][:-1], body.last_hidden_state)
    return out


def tensors(outputs: list[tuple[str, object]]) -> dict[str, torch.Tensor]:
    """Tensors by name, those of a tuple by name and number."""
    found = {}
    for key, value in outputs:
        if isinstance(value, torch.Tensor):
            found[key] = value
        elif isinstance(value, tuple) and all(isinstance(v, torch.Tensor) for v in value):
            found |= {f"{key}.{i}": v for i, v in enumerate(value)}
    return found


def without_own_padding(outputs: dict[str, torch.Tensor], mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """BigBird's states and weights without the tokens that it adds to fill blocks, and without what padding sees."""
    count = mask.shape[-1]
    found = dict(outputs)
    for key, value in outputs.items():
        if key.startswith("attentions"):
            found[key] = value[..., :count, :count] * mask[:, None, :, None]
        elif key.startswith("hidden_states"):
            found[key] = value[:, :count]
    return found


def record(name: str, stem: str, settings: dict, heads: tuple[str, ...]) -> None:
    folder = GOLDENS / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(0)
    config = getattr(ref, f"{stem}Config")(**settings)
    pad = config.pad_token_id if config.pad_token_id is not None else 0
    blocks = settings.get("attention_type") == "block_sparse"
    batch = inputs(stem, settings, pad, 17 if blocks else 9)
    for suffix in ("Model", *heads):
        config.num_labels = (
            2 if suffix == ANSWERS or (stem, suffix) == ("Albert", BOTH) else settings.get("num_labels", 2)
        )
        cls = getattr(ref, stem + suffix.replace("Table", ""), None) or getattr(ref, stem.removesuffix("Text") + suffix)
        model = cls(copy.deepcopy(config)).eval()
        widen(model)
        model.tie_weights()
        given = dict(batch)
        if suffix == "ForSequenceClassification" and stem == "T5":
            given.pop("decoder_input_ids")
            given["input_ids"] = given["input_ids"].clone()
            given["input_ids"][:, -1] = config.eos_token_id  # the head reads the state at the last </s>
        if suffix in (CLASSIFIER, ANSWERS, CHOICE):
            given.pop("global_attention_mask", None)  # the model says itself what is global
        wanted = {} if suffix == "Model" else targets(stem, suffix, given)
        if suffix == CHOICE:  # the rows, and the same backwards: (B,2,T)
            given = {key: torch.stack((value, value.flip(0)), dim=1) for key, value in given.items()}
        if wanted:
            with torch.no_grad():
                loss = model(**given, **wanted).loss
        out = observed(model, stem, given)
        eager = cls(copy.deepcopy(config)).eval()  # only it gives attention weights
        eager.load_state_dict(model.state_dict())
        eager.set_attn_implementation("eager")
        with torch.no_grad():
            seen = eager(**given, output_attentions=True)
        target = folder / suffix
        model.save_pretrained(target)
        expected = {f"input.{k}": v for k, v in given.items()}
        outputs = tensors([*out.items(), *((k, v) for k, v in seen.items() if "attentions" in k)])
        expected |= without_own_padding(outputs, given["attention_mask"]) if blocks else outputs
        if suffix != "Model":
            expected |= {"loss": loss, "training": training(model, config, given, wanted)}
            expected |= {f"target.{key}": value for key, value in wanted.items()}
        save_file({k: v.contiguous().clone() for k, v in expected.items()}, target / "expected.safetensors")
        (target / "generation_config.json").unlink(missing_ok=True)
    print(f"{name}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1024:.0f} kB")


if __name__ == "__main__":
    here = [name for name in CASES if name.endswith("-by-4.57") == OLD]
    for name in sys.argv[1:] or here:
        record(name, *CASES[name])
