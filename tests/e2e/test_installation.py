"""Installation with and without compiler, torch and working sources: it fails only where that was asked for."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

setuptools = pytest.importorskip("setuptools", minversion="77")
ROOT = Path(__file__).resolve().parents[2]
LIBRARY = "otseg_cuda/_C_cpu.abi3.so"
compiled = pytest.mark.skipif(
    not (shutil.which("c++") and sys.platform == "linux"), reason="no C++ compiler on Linux, so nothing is compiled"
)


@pytest.fixture
def tree(tmp_path):
    """A copy of what is needed to build."""
    for name in ("otseg", "otseg_cuda"):
        ignored = shutil.ignore_patterns("__pycache__", "_C_*", "_build_info.json")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def build(tree, hook="build_wheel", **variables):
    """Build as pip does; the finished process, and the wheel if there is one."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTSEG_")} | variables
    code = f"from setuptools import build_meta; build_meta.{hook}('dist')"
    (tree / "dist").mkdir(exist_ok=True)
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, env=environment, capture_output=True, text=True)
    wheels = list((tree / "dist").glob("*.whl"))
    return done, wheels[0] if wheels else None


def assert_pure(done, wheel, reason):
    assert done.returncode == 0, done.stderr
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert LIBRARY not in archive.namelist()
        info = json.loads(archive.read("otseg_cuda/_build_info.json"))
        tag = archive.read(next(name for name in archive.namelist() if name.endswith("/WHEEL"))).decode()
    assert reason in info["kernels"]
    assert "Root-Is-Purelib: true" in tag


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"OTSEG_BUILD": "none"}, "OTSEG_BUILD=none"),
        ({"CXX": "/nowhere/c++"}, "no C++ compiler"),
        ({"OTSEG_TORCH_PATH": "/nowhere"}, "torch was not found in OTSEG_TORCH_PATH=/nowhere"),
    ],
)
def test_pure_without(variables, reason, tree):
    assert_pure(*build(tree, **variables), reason)
    needed = variables | {"OTSEG_BUILD": "require"}
    if variables != {"OTSEG_BUILD": "none"}:
        done, _ = build(tree, **needed)
        assert done.returncode != 0
        assert reason in done.stderr


def test_torch_without_stable_abi(tree):
    old = tree / "torch"
    (old / "include").mkdir(parents=True)
    (old / "version.py").write_text("__version__ = '2.9.1+cpu'\n")
    assert_pure(*build(tree, OTSEG_TORCH_PATH=str(old)), "kernels need torch >= 2.10; found 2.9.1+cpu")


@pytest.mark.parametrize(("mode", "message"), [("fast", "must be one of"), ("cuda", "kernels for the CPU only")])
def test_impossible_mode(mode, message, tree):
    done, wheel = build(tree, OTSEG_BUILD=mode)
    assert done.returncode != 0
    assert message in done.stderr
    assert wheel is None


@compiled
def test_broken_source(tree):
    (tree / "otseg_cuda" / "csrc" / "cpu" / "sinkhorn.cpp").write_text("#error broken\n")
    done, wheel = build(tree)
    assert_pure(done, wheel, "none (")
    assert done.stderr.count("cpu kernels of otseg were not built") == 1
    wheel.unlink()
    done, wheel = build(tree, OTSEG_BUILD="require")
    assert done.returncode != 0
    assert wheel is None


@compiled
def test_editable_build_with_broken_source_drops_old_libraries(tree):
    (tree / "otseg_cuda" / "csrc" / "cpu" / "sinkhorn.cpp").write_text("#error broken\n")
    (tree / LIBRARY).write_text("of an earlier build")
    done, _ = build(tree, "build_editable")
    assert done.returncode == 0, done.stderr
    assert not (tree / LIBRARY).exists()
    assert json.loads((tree / "otseg_cuda" / "_build_info.json").read_text())["kernels"] != "cpu"


@compiled
def test_build(tree):
    """A wheel for every Python that holds a library without a symbol of Python or of torch's unstable C++ side."""
    done, wheel = build(tree, OTSEG_BUILD="require")
    assert done.returncode == 0, done.stderr
    assert "-cp310-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        library = archive.extract(LIBRARY, tree / "out")
        assert json.loads(archive.read("otseg_cuda/_build_info.json"))["kernels"] == "cpu"
    symbols = subprocess.run(["nm", "-DuC", library], capture_output=True, text=True, check=True).stdout
    assert not [line for line in symbols.splitlines() if any(word in line for word in ("at::", "c10::", " Py", " _Py"))]
    environment = os.environ | {"OTSEG_BACKEND": "cpp", "PYTHONPATH": str(tree)}
    shutil.copy(library, tree / LIBRARY)
    code = "import otseg; print(otseg.backend_info()['cpu'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"loaded from {tree / 'otseg_cuda'}")
    shutil.rmtree(tree / "dist")  # the build folder is left: it must not leak into a pure installation
    (tree / LIBRARY).unlink()
    assert_pure(*build(tree, OTSEG_BUILD="none"), "OTSEG_BUILD=none")
