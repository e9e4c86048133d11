"""Fixtures of all tests."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports matplotlib

# The suite draws the same examples in every run, so that a change is judged by what it changed.
# HYPOTHESIS_PROFILE=explore draws new ones each time: for hunting, not for judging.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

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
