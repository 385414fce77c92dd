"""GGUF files in place of folders: settings, names, layouts, tokenizers, and what is refused."""

import json
import random
import struct
import sys

import pytest
import torch

import gguf_files as files
from qkv import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer, GPT2Tokenizer, LlamaTokenizer
from qkv.cli.describe import report
from qkv.gguf.header import MAX_ITEMS, read_header
from qkv.hub import open_repo
from qkv.preprocessing.tokenizers import sentencepiece

TEXTS = ["", "Hello world", "  two  spaces ", "Ünï 12345 ½\n\n日本", "a<|end|>b", "x</s>y", "\tdef f(x):\n    return 1"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.gguf"


def config_of(path, architecture="llama", **more):
    files.write(path, architecture, **more)
    return open_repo(path).json("config.json")


# ------------------------------------------------------------------------------------------------------------ weights


@pytest.mark.parametrize("architecture", files.ARCHITECTURES)
def test_names_and_layout_are_the_checkpoint_s(path, architecture):
    expected = files.write(path, architecture)
    found = dict(open_repo(path).weights())
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], torch.from_numpy(tensor)), name


@pytest.mark.parametrize("architecture", files.ARCHITECTURES)
def test_model_loads_whole(path, architecture):
    files.write(path, architecture)
    model, info = AutoModelForCausalLM.from_pretrained(path, output_loading_info=True)
    assert model.config.model_type == files.ARCHITECTURES[architecture]
    assert not any(info.values())
    assert model(torch.arange(9)[None]).logits.shape == (1, 9, files.VOCAB)


def test_body_alone(path):
    weights = files.write(path)
    model = AutoModel.from_pretrained(path)
    assert torch.equal(model.get_input_embeddings().weight, torch.from_numpy(weights["model.embed_tokens.weight"]))


@pytest.mark.parametrize("packing", files.PACKINGS[1:])
def test_unpacked_weights_are_near_the_packed_ones(path, packing):
    expected = files.write(path, packing=packing)
    for name, tensor in open_repo(path).weights():
        assert tensor.dtype == torch.float32
        assert (tensor - torch.from_numpy(expected[name])).abs().max() <= (0.1 if packing.startswith("Q4") else 0.05)


def test_dtype_is_the_one_asked_for(path):
    files.write(path, packing="Q8_0")
    assert AutoModelForCausalLM.from_pretrained(path, dtype="bfloat16").dtype == torch.bfloat16


def test_without_the_package(path, monkeypatch):
    files.write(path)
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert AutoConfig.from_pretrained(path).num_hidden_layers == files.LAYERS
    with pytest.raises(ImportError, match=r"pip install qkv\[gguf\]"):
        AutoModelForCausalLM.from_pretrained(path)


# ------------------------------------------------------------------------------------------------------------- places


def test_a_file_stands_where_a_folder_does(path, tmp_path, monkeypatch):
    files.write(path)
    monkeypatch.chdir(tmp_path)
    for name, more in ((path, {}), ("model.gguf", {}), (tmp_path, {"gguf_file": "model.gguf"}), (str(path), {})):
        assert AutoConfig.from_pretrained(name, **more).hidden_size == files.HIDDEN
        assert AutoTokenizer.from_pretrained(name, **more)("t5").input_ids[0] == 1
        assert AutoModelForCausalLM.from_pretrained(name, **more).generation_config.eos_token_id == 2
    assert LlamaTokenizer.from_pretrained(path).eos_token == "</s>"


def test_a_file_of_a_hub_repository(tmp_path):
    snapshot = tmp_path / "models--org--name" / "snapshots" / "0123"
    (tmp_path / "models--org--name" / "refs").mkdir(parents=True)
    (tmp_path / "models--org--name" / "refs" / "main").write_text("0123")
    snapshot.mkdir(parents=True)
    files.write(snapshot / "model.gguf")
    where = {"gguf_file": "model.gguf", "cache_dir": tmp_path, "local_files_only": True}
    assert AutoModelForCausalLM.from_pretrained("org/name", **where).config.name_or_path == "org/name"
    assert AutoTokenizer.from_pretrained("org/name", **where).name_or_path == "org/name"


def test_described(path):
    files.write(path, packing="Q4_0")
    found = report(open_repo(path))
    assert found["loads"] and found["parameters"] == sum(w.size for w in files.checkpoint("llama").values())
    assert found["tokenizer"] == "model.gguf"


@pytest.mark.parametrize(
    ("name", "more", "error", "says"),
    [
        ("{}/other.gguf", {}, OSError, "model.gguf"),
        ("{}", {"gguf_file": "other.gguf"}, OSError, "model.gguf"),
        ("{}", {"gguf_file": "config.json"}, ValueError, "gguf_file"),
        ("{}", {"gguf_file": "../model.gguf"}, ValueError, "not a name"),
        ("{}/none/model.gguf", {}, OSError, "none"),
    ],
)
def test_a_file_that_is_not_there(path, tmp_path, name, more, error, says):
    files.write(path)
    with pytest.raises(error, match=says) as caught:
        AutoConfig.from_pretrained(name.format(tmp_path), **more)
    assert len(str(caught.value)) < 400


def test_saved_folder_loads_alike(path, tmp_path):
    files.write(path, "gemma3", "Q4_0", vocabulary=files.byte_level_vocabulary("gpt-2", add_bos_token=False))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)
    model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    ids = torch.arange(9)[None]
    assert torch.equal(model(ids).logits, again(ids).logits)
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")(TEXTS).input_ids == tokenizer(TEXTS).input_ids


# ------------------------------------------------------------------------------------------------------------- config


@pytest.mark.parametrize(
    ("architecture", "extra", "expected"),
    [
        ("llama", {}, {"head_dim": 16, "rms_norm_eps": 1e-5, "rope_theta": 20000.0, "vocab_size": files.VOCAB}),
        ("llama", {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
         {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
        ("qwen2", {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 32},
         {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}}),
        ("granite", {"attention.scale": 0.5, "embedding_scale": 12.0, "residual_scale": 0.22, "logit_scale": 8.0},
         {"attention_multiplier": 0.5, "embedding_multiplier": 12.0, "residual_multiplier": 0.22}),
        ("granite", {"logit_scale": 8.0}, {"logits_scaling": 8.0}),
        ("gemma2", {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
         {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "sliding_window": 32}),
        ("gemma2", {}, {"query_pre_attn_scalar": 32, "tie_word_embeddings": True}),
        ("gemma3", {"rope.freq_base_swa": 5000.0}, {"rope_local_base_freq": 5000.0, "model_type": "gemma3_text"}),
        ("phi3", {"attention.sliding_window": 0}, {"sliding_window": None}),
        ("phi3", {"rope.dimension_count": 12}, {"partial_rotary_factor": 0.75}),
        ("gptneox", {"rope.dimension_count": 4, "use_parallel_residual": False},
         {"rotary_pct": 0.25, "use_parallel_residual": False, "layer_norm_eps": 1e-5}),
        ("gpt2", {}, {"n_layer": 2, "n_positions": 128, "n_inner": None, "tie_word_embeddings": True}),
    ],
)  # fmt: skip
def test_config(path, architecture, extra, expected):
    config = config_of(path, architecture, extra=extra)
    assert {name: config[name] for name in expected} == expected
    assert config["architectures"]


def llama3_factors(low, high, theta=20000.0, factor=8.0, original=8192):
    found = []
    for i in range(8):
        kept = min(max((original / (2 * torch.pi) * theta ** -(i / 8) - low) / (high - low), 0.0), 1.0)
        found.append(1 / ((1 - kept) / factor + kept))
    return torch.tensor(found, dtype=torch.float32).numpy()


def test_llama3_s_rope_is_recognised_by_its_factors(path):
    config = config_of(path, tensors={"rope_freqs.weight": llama3_factors(1, 4)})
    assert config["rope_scaling"] == {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                      "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}  # fmt: skip


@torch.inference_mode()
def test_other_rope_factors_are_taken_as_they_are(path):
    factors = llama3_factors(2, 6)
    config_of(path, tensors={"rope_freqs.weight": factors})
    config = AutoConfig.from_pretrained(path)
    assert config.rope_scaling["rope_type"] == "longrope"
    model = AutoModelForCausalLM.from_pretrained(path)
    cos, _ = model.base_model.rope(torch.tensor([[100]]))
    waves = 20000.0 ** (torch.arange(0, 16, 2) / 16) * torch.from_numpy(factors)
    assert torch.allclose(cos.flatten()[:8], (100 / waves).cos(), atol=1e-5)


def test_phi3_s_two_sets_of_factors(path):
    factors = {size: torch.full((8,), i + 1.0).numpy() for i, size in enumerate(("short", "long"))}
    config = config_of(path, "phi3", extra={"rope.scaling.original_context_length": 64},
                       tensors={f"rope_factors_{size}.weight": values for size, values in factors.items()})  # fmt: skip
    assert config["rope_scaling"] == {"type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
    assert config["original_max_position_embeddings"] == 64


def test_every_token_that_ends_an_answer(path):
    files.write(path, vocabulary=files.toy_vocabulary(eot_token_id=7, eom_token_id=2))
    assert AutoModelForCausalLM.from_pretrained(path).generation_config.eos_token_id == [2, 7]


@pytest.mark.parametrize(
    ("architecture", "more", "says"),
    [
        ("llama", {"extra": {"expert_count": 8}}, "mixture"),
        ("olmo2", {"extra": {"attention.sliding_window": 64}}, "OLMo 3"),
        ("llama", {"extra": {"block_count": 0}}, "block_count"),
        ("llama", {"extra": {"embedding_length": "64"}}, "embedding_length"),
        ("llama", {"vocabulary": files.toy_vocabulary(eos_token_id=4000)}, "eos_token_id"),
        ("llama", {"vocabulary": {"split.count": 3}}, "--merge"),
        ("llama", {"tensors": {"rope_freqs.weight": torch.zeros(8).numpy()}}, "rope_freqs"),
        ("llama", {"extra": {"rope.dimension_count": "x"}}, "rope.dimension_count"),
    ],
)
def test_config_that_makes_no_sense(path, architecture, more, says):
    with pytest.raises(ValueError, match=says) as caught:
        config_of(path, architecture, **more)
    assert len(str(caught.value)) < 400


def test_unknown_architecture_and_tensor(path):
    files.write(path, tensors={"blk.0.attn_gate.weight": torch.zeros(4).numpy()})
    with pytest.raises(ValueError, match="attn_gate"):
        AutoModelForCausalLM.from_pretrained(path)
    path.write_bytes(path.read_bytes().replace(b"\5\0\0\0\0\0\0\0llama", b"\5\0\0\0\0\0\0\0lhama", 1))
    with pytest.raises(ValueError, match="'llama'"):
        AutoConfig.from_pretrained(path)


# --------------------------------------------------------------------------------------------------------- tokenizers


def test_sentencepiece_reads_as_from_its_model_file(path):
    source = files.VOCABULARIES / "llama.model"
    files.write(path, vocabulary=files.sentencepiece_vocabulary(sentencepiece.read(source).pieces))
    ours, original = AutoTokenizer.from_pretrained(path), LlamaTokenizer(source)
    assert type(ours) is LlamaTokenizer
    assert ours.get_vocab() == original.get_vocab()
    assert ours(TEXTS).input_ids == original(TEXTS).input_ids
    ids = original(TEXTS).input_ids
    assert ours.batch_decode(ids) == original.batch_decode(ids)


@pytest.mark.parametrize(("bos", "eos"), [(True, True), (False, False), (False, True)])
def test_tokens_around_texts(path, bos, eos):
    pieces = sentencepiece.read(files.VOCABULARIES / "llama.model").pieces
    files.write(path, vocabulary=files.sentencepiece_vocabulary(pieces, add_bos_token=bos, add_eos_token=eos))
    ids = AutoTokenizer.from_pretrained(path)("Hello").input_ids
    assert (ids[0] == 1, ids[-1] == 2) == (bos, eos)
    asked = AutoTokenizer.from_pretrained(path, add_bos_token=not bos)("Hello").input_ids
    assert (asked[0] == 1) != bos


def test_byte_level_reads_as_from_its_files(path):
    files.write(path, "gpt2", vocabulary=files.byte_level_vocabulary("gpt-2"))
    original = GPT2Tokenizer(files.VOCABULARIES / "vocab.json", files.VOCABULARIES / "merges.txt")
    original.add_tokens(["<|end|>"], special_tokens=True)
    original.add_tokens(["<think>"])
    ours = AutoTokenizer.from_pretrained(path)
    assert ours(TEXTS).input_ids == original(TEXTS).input_ids
    assert ours.eos_token == "<|end|>" and ours.unk_token is None and len(ours) == len(original)
    assert ours.decode(ours("a<|end|><think>").input_ids, skip_special_tokens=True) == "a<think>"


def test_gemma_s_spaces(path):
    pieces = sentencepiece.read(files.VOCABULARIES / "llama.model").pieces
    runs = [sentencepiece.Piece(" " * n, -1000.0, sentencepiece.USER_DEFINED) for n in range(2, 6)]
    vocabulary = files.sentencepiece_vocabulary([*pieces, *runs], add_space_prefix=False, add_bos_token=False)
    files.write(path, "gemma2", vocabulary=vocabulary)
    tokenizer = AutoTokenizer.from_pretrained(path)
    assert tokenizer.tokenize("a     b")[1] == "▁" * 5
    assert tokenizer.tokenize("b")[0] == "b"
    assert tokenizer.decode(tokenizer("  a   b").input_ids) == "  a   b"


def test_phi3_s_marks_take_the_spaces_after_them(path):
    pieces = sentencepiece.read(files.VOCABULARIES / "llama.model").pieces
    mark = sentencepiece.Piece("<|user|>", -1000.0, sentencepiece.CONTROL)
    files.write(path, "phi3", vocabulary=files.sentencepiece_vocabulary([*pieces, mark], add_bos_token=False))
    tokenizer = AutoTokenizer.from_pretrained(path)
    assert tokenizer("<|user|>\n\nHi").input_ids == tokenizer("<|user|>Hi").input_ids
    assert tokenizer("<s>  Hi").input_ids != tokenizer("<s>Hi").input_ids


def test_entries_that_fill_up_a_vocabulary_are_left_out(path):
    values = files.byte_level_vocabulary("qwen2")
    count = len(values["tokenizer.ggml.tokens"])
    values["tokenizer.ggml.tokens"] += [f"[PAD{i}]" for i in range(count, count + 5)]
    values["tokenizer.ggml.token_type"] += [5] * 5
    files.write(path, "qwen2", vocabulary=values)
    tokenizer = AutoTokenizer.from_pretrained(path)
    assert len(tokenizer) == count and type(tokenizer).__name__.startswith("NoTypes")
    assert tokenizer.tokenize("e\u0301") == tokenizer.tokenize("\u00e9")  # composed first


def test_chat_templates(path):
    values = files.toy_vocabulary() | {"tokenizer.chat_template": "{{ messages }}"}
    files.write(path, vocabulary=values)
    assert AutoTokenizer.from_pretrained(path).chat_template == "{{ messages }}"
    values |= {"tokenizer.chat_templates": ["tool_use"], "tokenizer.chat_template.tool_use": "{{ tools }}"}
    files.write(path, vocabulary=values)
    templates = AutoTokenizer.from_pretrained(path).chat_template
    assert templates == {"default": "{{ messages }}", "tool_use": "{{ tools }}"}


@pytest.mark.parametrize(
    ("vocabulary", "says"),
    [
        ({}, "no vocabulary"),
        (files.toy_vocabulary(model="rwkv"), "rwkv"),
        (files.toy_vocabulary(scores=[0.0]), "scores"),
        (files.toy_vocabulary(unknown_token_id=41), "unknown_token_id"),
        (files.byte_level_vocabulary("gpt-5"), "'gpt-2'"),
        (files.byte_level_vocabulary("gpt-2", merges=["ab"]), "merges"),
        (files.byte_level_vocabulary("gpt-2", merges=["qqq zzz"]), "usable tokenizer"),
    ],
)
def test_vocabulary_that_cannot_be_used(path, vocabulary, says):
    files.write(path, vocabulary=vocabulary)
    with pytest.raises(ValueError, match=says) as caught:
        AutoTokenizer.from_pretrained(path)
    assert len(str(caught.value)) < 400


# ------------------------------------------------------------------------------------------------------ hostile files


def text(value):
    return struct.pack("<Q", len(value)) + value


def file(keys=b"", tensors=b"", *, version=3, counts=(0, 0), tail=bytes(64)):
    return b"GGUF" + struct.pack("<IQQ", version, *counts) + keys + tensors + tail


HUGE = 2**60
TENSOR = text(b"token_embd.weight")
HOSTILE = {
    "empty": b"",
    "another magic": b"GGML" + bytes(60),
    "magic alone": b"GGUF",
    "old version": file(version=1),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + bytes(64),
    "many keys": file(counts=(0, HUGE)),
    "many tensors": file(counts=(HUGE, 0)),
    "long key": file(struct.pack("<Q", HUGE), counts=(0, 1)),
    "long text": file(text(b"a") + struct.pack("<IQ", 8, HUGE), counts=(0, 1)),
    "many texts": file(text(b"a") + struct.pack("<IIQ", 9, 8, HUGE), counts=(0, 1)),
    "many numbers": file(text(b"a") + struct.pack("<IIQ", 9, 4, HUGE), counts=(0, 1)),
    "list of lists": file(text(b"a") + struct.pack("<IIQ", 9, 9, 1), counts=(0, 1)),
    "unknown kind of value": file(text(b"a") + struct.pack("<I", 77), counts=(0, 1)),
    "no UTF-8": file(text(b"\xff\xfe") + struct.pack("<IB", 7, 1), counts=(0, 1)),
    "a key twice": file(2 * (text(b"a") + struct.pack("<IB", 7, 1)), counts=(0, 2)),
    "odd alignment": file(text(b"general.alignment") + struct.pack("<II", 4, 3), counts=(0, 1)),
    "no alignment": file(text(b"general.alignment") + struct.pack("<II", 4, 0), counts=(0, 1)),
    "many dimensions": file(tensors=TENSOR + struct.pack("<I", 2**31), counts=(1, 0)),
    "no dimensions": file(tensors=TENSOR + struct.pack("<IIQ", 0, 0, 0), counts=(1, 0)),
    "overflowing shape": file(tensors=TENSOR + struct.pack("<IQQIQ", 2, HUGE, HUGE, 0, 0), counts=(1, 0)),
    "place beyond the end": file(tensors=TENSOR + struct.pack("<IQIQ", 1, 4, 0, HUGE), counts=(1, 0)),
    "a tensor twice": file(tensors=2 * (TENSOR + struct.pack("<IQIQ", 1, 4, 0, 0)), counts=(2, 0)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_header(path, name):
    path.write_bytes(HOSTILE[name])
    for load in (AutoConfig, AutoTokenizer, AutoModelForCausalLM):
        with pytest.raises(OSError, match=r"Download it again|empty") as caught:
            load.from_pretrained(path)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("dims", "kind", "offset", "error"),
    [
        ((4, 2**40), 0, 0, OSError),  # more numbers than the file has bytes
        ((64, 40), 0, 64, OSError),  # its end is beyond the file's
        ((33, 4), 2, 0, OSError),  # no whole blocks
        ((64, 40), 99, 0, ValueError),  # unknown packing
        ((64, 40), 24, 0, ValueError),  # int8, which no weights are
    ],
)
def test_damaged_tensor(path, dims, kind, offset, error):
    keys = text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
    tensor = TENSOR + struct.pack("<IQQIQ", 2, *dims, kind, offset)
    path.write_bytes(file(keys, tensor, counts=(1, 1), tail=bytes(64 * 40 * 4)))
    with pytest.raises(error) as caught:
        list(open_repo(path).weights())
    assert len(str(caught.value)) < 400


def test_many_names_for_the_same_bytes(path):
    tensors = b"".join(
        text(f"blk.{i}.attn_q.weight".encode()) + struct.pack("<IQQIQ", 2, 64, 60, 0, 0) for i in range(50)
    )
    keys = text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
    path.write_bytes(file(keys, tensors, counts=(50, 1), tail=bytes(64 * 64 * 4)))
    with pytest.raises(OSError, match="before its weights"):
        list(open_repo(path).weights())


def test_lists_are_bounded(path):
    key = text(b"a") + struct.pack("<IIQ", 9, 0, MAX_ITEMS + 1)
    path.write_bytes(file(key, counts=(0, 1), tail=bytes(MAX_ITEMS * 2)))
    with pytest.raises(OSError, match="entries"):
        read_header(path)


def test_no_cut_and_no_changed_byte_gets_through(path):
    """Whatever is done to a good file, it loads or says what is wrong."""
    files.write(path, packing="Q8_0")
    good, chance = path.read_bytes(), random.Random(5)
    end = good.index(b"token_embd.weight") + 2000
    for turn in range(300):
        raw = bytearray(good)
        if turn % 3 == 0:
            raw = raw[: chance.randrange(len(raw))]
        else:
            for _ in range(chance.randrange(1, 4)):
                raw[chance.randrange(end)] = chance.randrange(256)
        path.write_bytes(raw)
        for load in (AutoConfig, AutoTokenizer, AutoModelForCausalLM):
            try:
                load.from_pretrained(path)
            except (OSError, ValueError, TypeError) as error:
                assert 0 < len(str(error)) < 400, error


def test_config_is_plain_json(path):
    assert json.loads(json.dumps(config_of(path)))["model_type"] == "llama"
