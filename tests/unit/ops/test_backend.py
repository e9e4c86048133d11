"""Compiled kernels that are absent, present, broken, forced, and forced but missing."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import otseg
from otseg.ops._backend import load_kernels
from otseg_cuda.libraries import build_info, find, load

ROOT = Path(__file__).resolve().parents[3]


def package(devices=(), error=None):
    """A stand-in for `otseg_cuda` with libraries for some devices, and what loading them raises."""
    loaded = []

    def load(path):
        if error is not None:
            raise error
        loaded.append(path)

    find = {device: Path(f"_C_{device}.so") for device in devices}.get
    return SimpleNamespace(find=find, load=load, loaded=loaded)


def test_absent_is_normal():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_kernels(None, package()) == {"cpu": "not built", "cuda": "not built"}
        assert load_kernels("", package()) == {"cpu": "not built", "cuda": "not built"}


@pytest.fixture
def torch_with_cuda(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")


def test_present_is_loaded(torch_with_cuda):
    kernels = package(("cpu", "cuda"))
    assert load_kernels(None, kernels) == {"cpu": "loaded from _C_cpu.so", "cuda": "loaded from _C_cuda.so"}
    assert kernels.loaded == [Path("_C_cpu.so"), Path("_C_cuda.so")]


@pytest.mark.parametrize(("forced", "devices"), [("torch", []), ("cpp", ["cpu"]), ("cuda", ["cpu", "cuda"])])
def test_forced(forced, devices, torch_with_cuda):
    kernels = package(("cpu", "cuda"))
    found = load_kernels(forced, kernels)
    assert kernels.loaded == [Path(f"_C_{device}.so") for device in devices]
    assert [device for device in ("cpu", "cuda") if found[device].startswith("loaded")] == devices
    assert all(text == f"not loaded: OTSEG_BACKEND={forced}" for d, text in found.items() if d not in devices)


def test_broken_is_reported_and_does_not_raise():
    with pytest.warns(RuntimeWarning, match=r"cpu kernels of otseg were not loaded: .*undefined symbol") as caught:
        found = load_kernels(None, package(("cpu",), OSError("undefined symbol")))
    assert len(caught) == 1
    assert "undefined symbol" in found["cpu"]


def test_cuda_kernels_beside_a_torch_without_cuda(monkeypatch):
    """They are left alone, without a warning: such a torch cannot load them."""
    monkeypatch.setattr(torch.version, "cuda", None)
    kernels = package(("cpu", "cuda"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_kernels(None, kernels)["cuda"] == "not loaded: this torch has no CUDA"
    assert kernels.loaded == [Path("_C_cpu.so")]
    with pytest.raises(ImportError, match="cuda kernels not loaded: this torch has no CUDA"):
        load_kernels("cuda", kernels)


def test_one_library_fails_alone(torch_with_cuda):
    kernels = package(("cpu", "cuda"))
    whole = kernels.load

    def load(path):
        if "cuda" in path.name:
            raise OSError("libcudart is missing")
        whole(path)

    kernels.load = load
    with pytest.warns(RuntimeWarning, match="cuda kernels of otseg were not loaded: .*libcudart is missing"):
        found = load_kernels(None, kernels)
    assert found["cpu"] == "loaded from _C_cpu.so"
    assert kernels.loaded == [Path("_C_cpu.so")]


@pytest.mark.parametrize(("forced", "device"), [("cpp", "cpu"), ("cuda", "cuda")])
def test_forced_but_missing(forced, device):
    message = rf"`OTSEG_BACKEND` must be .*; got '{forced}', {device} kernels not built. Unset it"
    with pytest.raises(ImportError, match=message):
        load_kernels(forced, package())


def test_forced_but_broken():
    with (
        pytest.warns(RuntimeWarning, match="does not fit"),
        pytest.raises(ImportError, match=r"not loaded: _C_cpu\.so does not fit torch .*wrong"),
    ):
        load_kernels("cpp", package(("cpu",), OSError("wrong")))


def test_unknown_choice():
    with pytest.raises(ValueError, match="`OTSEG_BACKEND` must be one of 'torch', 'cpp', 'cuda'; got 'gpu'"):
        load_kernels("gpu", package())


def test_a_file_that_is_no_library_is_named(tmp_path):
    path = tmp_path / "_C_cpu.abi3.so"
    path.write_text("no library")
    assert find("cpu", tmp_path) == path
    assert find("cuda", tmp_path) is None
    with pytest.raises(OSError, match="_C_cpu"):
        load(path)


def test_build_info(tmp_path):
    assert build_info(tmp_path) == {}
    (tmp_path / "_build_info.json").write_text('{"kernels": "cpu"}')
    assert build_info(tmp_path) == {"kernels": "cpu"}


def test_environment_forces_torch():
    """In a fresh process, since libraries cannot be unloaded."""
    environment = os.environ | {"OTSEG_BACKEND": "torch", "PYTHONPATH": str(ROOT)}
    code = "import otseg; print(otseg.backend_info()['cpu'], otseg.backend_info()['forced'])"
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "not loaded: OTSEG_BACKEND=torch torch"


def test_backend_info_says_what_runs():
    info = otseg.backend_info()
    assert set(info) == {"torch", "forced", "cpu", "cuda", "build"}
    assert info["cpu"].startswith(("loaded from", "not built", "not loaded"))
