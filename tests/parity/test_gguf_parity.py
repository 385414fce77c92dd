"""GGUF files against what the reference library reads from the same bytes (recorded by tools/golden_gguf.py)."""

import hashlib
import json
from pathlib import Path

import pytest

import gguf_cases as cases
import gguf_files as files
from qkv import AutoConfig, AutoTokenizer
from qkv.hub import open_repo

GOLDEN = json.loads((Path(__file__).parent / "goldens" / "gguf.json").read_text("utf8"))


@pytest.fixture(scope="module")
def texts():
    return cases.texts()


@pytest.mark.parametrize("name", cases.MODELS)
def test_model(tmp_path, name):
    path, expected = tmp_path / "model.gguf", GOLDEN["models"][name]
    files.write(path, *cases.MODELS[name])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == expected["file"]
    config = AutoConfig.from_pretrained(path)
    for field, value in expected["config"].items():
        # the reference keeps the float32 next to 1e-05
        expected_value = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        assert getattr(config, field) == expected_value, field
    found = {tensor: cases.digest(values) for tensor, values in open_repo(path).weights()}
    tied = expected["tensors"].keys() - found.keys()
    assert tied <= {"lm_head.weight"}
    assert found == {tensor: digest for tensor, digest in expected["tensors"].items() if tensor not in tied}


@pytest.mark.parametrize("name", cases.TOKENIZERS)
def test_tokenizer(tmp_path, name, texts):
    files.write(tmp_path / "model.gguf", **cases.TOKENIZERS[name])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model.gguf")
    assert cases.digests(tokenizer.backend_tokenizer, texts) == GOLDEN["tokenizers"][name]
