"""`otseg build-kernels`: builds, finds what it built, loads it in a new process, cleans; with a source of one line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import otseg_cuda
from otseg_cuda import build

ROOT = Path(__file__).resolve().parents[3]
old = tuple(int(part) for part in torch.__version__.split(".")[:2]) < build.OLDEST_TORCH
compiled = pytest.mark.skipif(
    old or not (shutil.which("c++") and sys.platform == "linux"),
    reason="an old torch, or no C++ compiler on Linux: nothing is compiled",
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and a library that compiles in no time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "small.cpp"
    source.write_text("int otseg_small = 1;\n")
    monkeypatch.setattr(build, "sources", lambda device: [source] if device == "cpu" else [])
    return otseg_cuda.cache_folder()


@compiled
def test_build_once(otseg_command, cache):
    found = otseg_command("build-kernels", "--json").document["cpu"]
    assert found["built"] is True
    assert found["path"] == str(cache / "_C_cpu.abi3.so") == str(otseg_cuda.find("cpu", cache))
    info = json.loads((cache / "_build_info.json").read_text())
    assert (info["mode"], info["kernels"]) == ("build-kernels", "cpu")
    assert info["compiler"]
    again = otseg_command("build-kernels", "--json").document["cpu"]
    assert (again["built"], again["path"]) == (False, found["path"])
    assert otseg_command("build-kernels", "--force", "--json").document["cpu"]["built"] is True
    assert "was built before" in otseg_command("build-kernels").stdout


@compiled
def test_clean(otseg_command, cache):
    otseg_command("build-kernels")
    assert otseg_command("build-kernels", "--clean").stdout == f"removed {cache / '_C_cpu.abi3.so'}\n"
    assert not otseg_cuda.cache_root().exists()
    assert "nothing to remove" in otseg_command("build-kernels", "--clean").stdout


@pytest.mark.skipif(old, reason="an old torch, which is said first")
def test_no_compiler(otseg_command, cache, monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/c++")
    outcome = otseg_command("build-kernels", exit_code=1)
    assert outcome.stdout.startswith("cpu kernels: not built: no C++ compiler: ")
    assert not cache.exists()


@compiled
def test_a_source_that_does_not_compile(otseg_command, cache, tmp_path):
    (tmp_path / "small.cpp").write_text("#error broken\n")
    text = otseg_command("build-kernels", exit_code=1).stdout
    assert "#error broken" in text
    assert "-std=c++20" in text
    assert otseg_cuda.find("cpu", cache) is None


@compiled
def test_a_library_that_does_not_load_is_not_kept(otseg_command, cache, tmp_path):
    (tmp_path / "small.cpp").write_text("extern int missing();\nint otseg_small = missing();\n")
    text = otseg_command("build-kernels", exit_code=1).stdout
    assert "they do not load" in text
    assert "undefined symbol" in text
    assert otseg_cuda.find("cpu", cache) is None


@pytest.mark.skipif(old, reason="an old torch, which is said first")
def test_cuda_says_what_is_missing(otseg_command, monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/c++")
    text = otseg_command("build-kernels", "--cuda", exit_code=1).stdout
    assert "cuda kernels: not built: this version of otseg has no kernels for cuda" in text


@compiled
def test_the_next_import_loads_it_where_the_package_has_none(otseg_command, cache, tmp_path):
    """In a copy of the package without a library; the digest of its sources is the same."""
    for name in ("otseg", "otseg_cuda"):
        shutil.copytree(ROOT / name, tmp_path / "copy" / name, ignore=shutil.ignore_patterns("__pycache__", "_C_*"))
    otseg_command("build-kernels")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "copy")}
    environment.pop("OTSEG_BACKEND", None)
    code = "import otseg; print(otseg.backend_info()['cpu'])"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"loaded from {cache / '_C_cpu.abi3.so'}\n"
    with (tmp_path / "copy" / "otseg_cuda" / "csrc" / "common.h").open("a") as file:
        file.write("\n")
    done = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "not built\n", "a library of other sources must not be loaded"
