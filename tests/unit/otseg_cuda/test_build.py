"""What compilers are asked to do."""

import shlex
import shutil
import sys

import pytest

from otseg_cuda import build


def torch_folder(tmp_path, version="2.13.0+cu130", cuda="Optional[str] = '13.0'"):
    (tmp_path / "version.py").write_text(f"__version__ = '{version}'\ndebug = False\ncuda: {cuda}\ngit_version = 'a'\n")
    return tmp_path


def test_versions(tmp_path):
    assert build.torch_version(torch_folder(tmp_path)) == ("2.13.0+cu130", "13.0")
    assert build.torch_version(torch_folder(tmp_path, "2.10.1", "Optional[str] = None")) == ("2.10.1", None)
    with pytest.raises(build.BuildError, match=r"kernels need torch >= 2\.10; found 2\.9\.1"):
        build.torch_version(torch_folder(tmp_path, "2.9.1"))
    (tmp_path / "version.py").write_text("")
    with pytest.raises(build.BuildError, match="an unknown version"):
        build.torch_version(tmp_path)


def test_cxx(monkeypatch):
    monkeypatch.setenv("CXX", "ccache  g++")
    assert build.cxx() == ["ccache", "g++"]
    monkeypatch.delenv("CXX")
    monkeypatch.setattr(build.sysconfig, "get_config_var", lambda name: "/gone/with/the/builder/g++ -pthread")
    assert build.cxx() == ["c++"]


def test_nvcc(monkeypatch, tmp_path):
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    assert build.nvcc() == ["/usr/local/cuda/bin/nvcc"]
    monkeypatch.setattr(build.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert build.nvcc() == ["/usr/bin/nvcc"]
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert build.nvcc() == [str(tmp_path / "bin" / "nvcc")]


def test_no_compiler():
    with pytest.raises(build.BuildError, match=r"no C\+\+ compiler: .*/nowhere/c\+\+"):
        build.compiler(["/nowhere/c++"])
    with pytest.raises(build.BuildError, match=r"no CUDA compiler: .*/nowhere/nvcc"):
        build.compiler(["/nowhere/nvcc"])


def test_architectures(monkeypatch):
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "8.0 9.0a+PTX")
    assert build.architectures() == [
        "-gencode=arch=compute_80,code=sm_80",
        "-gencode=arch=compute_90a,code=sm_90a",
        "-gencode=arch=compute_90a,code=compute_90a",
    ]
    monkeypatch.delenv("TORCH_CUDA_ARCH_LIST")
    monkeypatch.setattr(build, "_visible", lambda: "")
    assert len(build.architectures()) == 3
    monkeypatch.setattr(build, "_visible", lambda: "12.0")
    assert build.architectures() == ["-gencode=arch=compute_120,code=sm_120"]


def test_cuda_needs_a_torch_with_cuda(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "sources", lambda device: ["x.cu"])
    with pytest.raises(build.BuildError, match=r"torch 2\.13\.0\+cpu is made without CUDA"):
        build.info(torch_folder(tmp_path, "2.13.0+cpu", "Optional[str] = None"), "cuda")


def test_every_source_is_compiled():
    found = build.sources("cpu")
    assert build.SOURCES / "cpu" / "sinkhorn.cpp" in found
    assert found == sorted(build.SOURCES.glob("cpu/*.cpp"))


@pytest.mark.skipif(not (shutil.which("c++") and sys.platform == "linux"), reason="no C++ compiler on Linux")
def test_flags_of_the_environment_and_all_objects(tmp_path, monkeypatch):
    """A compiler that writes down how it was called."""
    log = tmp_path / "log"
    fake = tmp_path / "fake c++"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(log))}\nexec c++ "$@"\n')
    fake.chmod(0o755)
    sources = [tmp_path / f"{name}.cpp" for name in "ab"]
    for path in sources:
        path.write_text(f"int otseg_{path.stem} = 1;\n")
    for name, value in {"CXX": shlex.quote(str(fake)), "CXXFLAGS": "-DX=1", "LDFLAGS": "-Wl,-s"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(build, "sources", lambda device: sources)
    torch = pytest.importorskip("torch")
    target = tmp_path / "new" / "_C_cpu.abi3.so"
    build.compile_library("cpu", build.Path(torch.__file__).parent, target)
    assert [path.name for path in target.parent.iterdir()] == ["_C_cpu.abi3.so"]
    *compiles, link = log.read_text().splitlines()
    assert len(compiles) == 2
    assert all(line.startswith("-DX=1 ") and "-Wl,-s" not in line for line in compiles)
    assert "a.o" in link
    assert "b.o" in link
    assert "-Wl,-s" in link


def test_the_digest_is_of_sources_and_flags(tmp_path, monkeypatch):
    first = build.digest()
    assert build.digest() == first
    shutil.copytree(build.FOLDER, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(build, "FOLDER", tmp_path / "copy")
    monkeypatch.setattr(build, "SOURCES", tmp_path / "copy" / "csrc")
    monkeypatch.setattr(build, "__file__", str(tmp_path / "copy" / "build.py"))
    assert build.digest() == first
    (tmp_path / "copy" / "csrc" / "common.h").write_text("")
    changed = build.digest()
    assert changed != first
    monkeypatch.setenv("OTSEG_SANITIZE", "1")
    assert build.digest() != changed
