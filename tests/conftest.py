"""Fixtures of all tests."""

import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports matplotlib

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """Every device there is."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    return torch.device(request.param)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request):
    """Single and double precision."""
    return request.param


@pytest.fixture
def generator():
    """A seeded generator on the CPU."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def data_root():
    """Folder of real recordings; they are not part of the repository."""
    root = Path(os.environ.get("OTSEG_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"no real recordings: {root} is not a folder; set OTSEG_TEST_DATA")
    return root
