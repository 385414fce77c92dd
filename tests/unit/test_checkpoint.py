import json
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from qkv.checkpoint import INT8_ROWS, int8_rows, read_file, read_weights, write_weights
from qkv.hub import open_repo
from qkv.keymap import Fused, KeyMap, transposed

TABLE = {
    "emb": "embed.token",
    "h.{}.qkv": Fused(tuple(f"layers.{{}}.{x}" for x in "qkv"), transposed=True),
    "h.{}.out": transposed("layers.{}.o"),
    "h.0.bias": "bias",
    "h.{}.sub.0.norm": "layers.{}.first",
    "h.{}.sub.1.norm": "layers.{}.second",
    "scale": "scale",
}
KEYS = KeyMap(TABLE, prefix="body.", ignored=("h.{}.mask",))


@given(st.integers(1, 12), st.integers(1, 4))
def test_table_is_reversible(layers, width):
    ours = {"embed.token.weight": torch.randn(5, width), "bias.weight": torch.randn(3), "scale": torch.randn(())}
    for i in range(layers):
        ours |= {f"layers.{i}.{x}.weight": torch.randn(width, width + 1) for x in "qkvo"}
        ours |= {f"layers.{i}.{x}.bias": torch.randn(width) for x in "qkv"}
        ours |= {f"layers.{i}.{x}.weight": torch.randn(width) for x in ("first", "second")}
    published = KEYS.to_published(ours)
    assert published[f"h.{layers - 1}.qkv.weight"].shape == (width + 1, 3 * width)
    for prefix in ("", "body."):
        back = {}
        for name, tensor in published.items():
            back |= KEYS.to_ours(prefix + name, tensor)
        assert back.keys() == ours.keys()
        assert all(torch.equal(back[name], ours[name]) for name in ours)


def test_names():
    assert KEYS.to_ours("h.0.sub.1.norm.gamma", torch.ones(1)).keys() == {"layers.0.second.weight"}
    assert KEYS.to_ours("h.3.nothing.weight", torch.ones(1)) is None
    assert KEYS.published_name("layers.7.k.weight") == "h.7.qkv.k.weight"
    assert KEYS.published_name("adapter.weight") == "adapter.weight"
    assert KEYS.ignores("body.h.11.mask") and KEYS.ignores("h.11.mask") and not KEYS.ignores("h.11.mask.weight")
    assert KEYS.is_body("h.3.nothing.weight") and not KEYS.is_body("head.weight")
    with pytest.raises(ValueError, match="does not split"):
        KEYS.to_ours("h.0.qkv.weight", torch.ones(4, 4))


def test_headed():
    keys = KEYS.headed({"head.dense": "dense", "cls.bias": "out.bias"})
    assert keys.to_ours("body.emb.weight", torch.ones(1)).keys() == {"backbone.embed.token.weight"}
    assert keys.to_ours("emb.weight", torch.ones(1)).keys() == {"backbone.embed.token.weight"}
    assert keys.to_ours("cls.bias", torch.ones(1)).keys() == {"head.out.bias"}
    assert keys.published_name("head.dense.weight") == "head.dense.weight"


def weights(folder):
    return dict(read_weights(open_repo(folder)))


def test_shards(tmp_path):
    state = {f"w{i}": torch.randn(100, 10) for i in range(5)}
    write_weights(tmp_path, state, max_shard_size=9000)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == 3
    assert all(torch.equal(tensor, state[name]) for name, tensor in weights(tmp_path).items())
    write_weights(tmp_path, state)  # one file again: the old shards and their index go
    assert sorted(os.listdir(tmp_path)) == ["model.safetensors"]
    assert weights(tmp_path).keys() == state.keys()


@pytest.mark.parametrize(
    "name", ["../x.safetensors", "/etc/passwd", "a/b.safetensors", "..\\x.safetensors", "x.bin", "", ".safetensors",
             "con\n.safetensors", "C:x.safetensors", 7, None, ["x"], "x" * 5000 + ".safetensors",
             "missing.safetensors"],
)  # fmt: skip
def test_hostile_index(tmp_path, name):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises((OSError, ValueError)) as error:
        weights(tmp_path)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {}}, {"weight_map": "x"}])
def test_broken_index(tmp_path, index):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(OSError, match="weight_map"):
        weights(tmp_path)


def test_damaged_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.randn(50, 50)}, path)
    whole = path.read_bytes()
    for content in (b"", b"x", whole[:-1], whole[:100], b"\xff" * 200, b"<html>" * 100, whole + b"0"):
        path.write_bytes(content)
        with pytest.raises(OSError, match="safetensors") as error:
            weights(tmp_path)
        assert len(str(error.value)) < 400


def test_no_weights(tmp_path):
    (tmp_path / "README.md").write_text("x")
    with pytest.raises(OSError, match="README.md"):
        weights(tmp_path)


@given(st.integers(1, 30), st.integers(1, 30), st.floats(1e-6, 1e3))
def test_int8_rows_keep_each_value_within_half_a_step(tmp_path_factory, rows, columns, size):
    state = {"w": torch.randn(rows, columns) * size, "b": torch.randn(rows)}
    path = tmp_path_factory.mktemp("packed") / "x.safetensors"
    packed = int8_rows(state)
    assert packed["w"].dtype == torch.int8 and packed["w.scale"].shape == (rows,)
    save_file(packed, path, metadata={"format": INT8_ROWS})
    back = dict(read_file(path))
    assert back.keys() == state.keys() and all(tensor.dtype == torch.float32 for tensor in back.values())
    step = packed["w.scale"].float()[:, None]
    assert ((back["w"] - state["w"]).abs() <= 0.501 * step).all()
    assert torch.allclose(back["b"], state["b"], atol=2e-3)


def test_a_file_stays_readable_while_it_is_replaced(tmp_path):
    """Tensors are mapped from the file; saving into the same folder must not change them under the reader."""
    first = {"w": torch.randn(300, 300)}
    write_weights(tmp_path, first)
    held = weights(tmp_path)["w"]
    write_weights(tmp_path, {"w": torch.zeros(3)})
    assert torch.equal(held, first["w"])
    assert load_file(tmp_path / "model.safetensors")["w"].shape == (3,)
