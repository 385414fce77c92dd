"""Decoders and a padded text for the tests of caches."""

import pytest
import torch

from decoders import CASES, LENGTH, PADS, load


@pytest.fixture(params=CASES)
def model(request):
    return load(request.param)


@pytest.fixture
def llama():
    return load("llama")


@pytest.fixture
def ids():
    return torch.randint(2, 98, (len(PADS), LENGTH), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask():
    return (torch.arange(LENGTH) >= torch.tensor(PADS)[:, None]).long()
