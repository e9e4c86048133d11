"""`otseg doctor` on healthy and on sick installations."""

from types import SimpleNamespace

import pytest

import otseg
from otseg.cli import doctor as command
from otseg.cli._extras import Package
from otseg.ops import _backend
from otseg.ops.selftest import Check


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Without imports of all optional packages, which takes seconds."""
    monkeypatch.setattr(command, "extras", lambda: {"plots": [Package("matplotlib", "ok", "3.9")]})
    monkeypatch.delenv("OTSEG_BACKEND", raising=False)


@pytest.fixture
def installation(monkeypatch, tmp_path):
    """Pretends another state of the kernels: what loading said, whether there is a library, what its build wrote."""

    def pretend(state, *, library=False, info=None, cuda_sources=False):
        package = SimpleNamespace(
            find=lambda device: tmp_path / "_C_cpu.so" if library and device == "cpu" else None,
            build_info=lambda *folder: info or {},
            instructions=lambda path: "AVX2",
            build=SimpleNamespace(sources=lambda device: ["x.cu"] if cuda_sources else []),
        )
        monkeypatch.setattr(_backend, "package", lambda: package)
        monkeypatch.setattr(_backend, "STATE", {"cpu": state, "cuda": "not built"})

    return pretend


def test_this_installation(otseg_command):
    found = otseg_command("doctor", "--json").document
    assert found["ok"] is True
    assert found["problems"] == []
    assert found["kernels"]["cpu"]["state"] == otseg.backend_info()["cpu"]
    if found["kernels"]["cpu"]["loaded"]:
        assert found["kernels"]["cpu"]["instructions"] in ("baseline", "AVX2", "AVX-512")
        assert found["kernels"]["cpu"]["build"]["compiler"]
        assert all(check["ok"] for check in found["ops"]["cpu"])
    text = otseg_command("doctor").stdout
    assert "sinkhorn_sweeps: " in text
    assert "ok extra plots: matplotlib 3.9" in text


def test_loaded(otseg_command, installation, tmp_path):
    path = tmp_path / "_C_cpu.so"
    installation(f"loaded from {path}", library=True, info={"date": "2026-01-02", "compiler": "g++ 12", "mode": "auto"})
    text = otseg_command("doctor").stdout
    assert f"ok cpu kernels: loaded from {path} (date 2026-01-02; compiler g++ 12; uses AVX2)" in text
    assert "advice" not in text


def test_built_without_compiler(otseg_command, installation):
    installation("not built", info={"date": "2026-01-02", "kernels": "none (no C++ compiler: x)"})
    (advice,) = otseg_command("doctor", "--json").document["advice"]
    assert advice.startswith("otseg was built without kernels on 2026-01-02 (no C++ compiler: x): run `otseg build-ker")
    assert "--no-cache-dir --force-reinstall" in advice
    assert "-- cpu kernels: not built" in otseg_command("doctor").stdout


def test_never_built(otseg_command, installation):
    installation("not built")
    (advice,) = otseg_command("doctor", "--json").document["advice"]
    assert "without kernels (a plain source tree): run `otseg build-kernels`" in advice


@pytest.mark.parametrize(
    ("mode", "fix"), [("auto", "pip install --no-cache-dir"), ("build-kernels", "otseg build-kernels --force")]
)
def test_a_library_that_does_not_load(mode, fix, otseg_command, installation):
    installation("not loaded: x.so does not fit torch 2.13 (undefined symbol)", library=True, info={"mode": mode})
    outcome = otseg_command("doctor", exit_code=1)
    assert "undefined symbol" in outcome.stdout
    assert fix in outcome.stdout.split("problems")[1]


def test_forced_to_torch(otseg_command, installation, monkeypatch):
    monkeypatch.setenv("OTSEG_BACKEND", "torch")
    installation("not loaded: OTSEG_BACKEND=torch", library=True)
    found = otseg_command("doctor", "--json").document
    assert found["variables"]["OTSEG_BACKEND"] == "torch"
    assert "unset it" in found["advice"][0]
    assert found["problems"] == []


def test_cuda_without_kernels(otseg_command, installation, monkeypatch):
    monkeypatch.setattr("torch.version.cuda", "13.0")
    installation("loaded from x.so", library=True, cuda_sources=True)
    (advice,) = otseg_command("doctor", "--json").document["advice"]
    assert "otseg build-kernels --cuda" in advice


def test_a_wrong_kernel(otseg_command, monkeypatch):
    wrong = Check("sinkhorn_sweeps", True, False, "the cpu kernel differs from the reference")
    monkeypatch.setattr(command, "check_ops", lambda device: [wrong])
    outcome = otseg_command("doctor", exit_code=1)
    assert "!! sinkhorn_sweeps: the cpu kernel differs from the reference" in outcome.stdout
    assert "set OTSEG_BACKEND=torch, and report it" in outcome.stdout


@pytest.mark.parametrize(("state", "exit_code"), [("missing", 0), ("broken", 1)])
def test_extras(state, exit_code, otseg_command, monkeypatch):
    monkeypatch.setattr(command, "extras", lambda: {"train": [Package("lightning", state, "what is wrong")]})
    text = otseg_command("doctor", exit_code=exit_code).stdout
    assert "extra train: lightning what is wrong: pip install " in text
    assert ("problems" in text) is (state == "broken")
