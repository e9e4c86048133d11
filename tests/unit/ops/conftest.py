"""The CUDA kernels' own code on the CPU, every thread a fiber: see cuda_host.h."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
KERNELS = FOLDER.parents[2] / "otseg_cuda" / "csrc" / "cuda"


@pytest.fixture(scope="session")
def compile_for_host(tmp_path_factory):
    """Compiles the host version of an op's kernels, once."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the CUDA kernels for the host")

    def build(op):
        library = tmp_path_factory.mktemp("cuda_host") / f"{op}.so"
        flags = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-shared", "-fPIC"]
        source = FOLDER / f"cuda_{op}_host.cpp"
        subprocess.run(["g++", *flags, f"-I{KERNELS}", str(source), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))

    return build
