import shutil
from pathlib import Path

import pytest

from tiny import make


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory):
    """A tiny classifier and its tokenizer (tests/tiny.py); not to be written to."""
    return make(tmp_path_factory.mktemp("source") / "tiny")


@pytest.fixture
def tiny(tiny_source, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(tiny_source, tmp_path / "tiny"))


@pytest.fixture
def tiny_distilbert():
    """Makes a tiny DistilBERT classifier in a folder."""
    return lambda folder: make(folder, "distilbert")
