"""The CUDA kernels compile for every architecture, keep the hot ones in registers, and need the stable ABI alone.

No GPU takes part: only nvcc. The same commands as in an installation, plus a report of the assembler.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from otseg_cuda import build

INCLUDE = Path(torch.__file__).parent / "include"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which(build.nvcc()[0]) is None, reason="no nvcc to compile the CUDA kernels"),
    pytest.mark.skipif(tuple(map(int, torch.__version__.split(".")[:2])) < build.OLDEST_TORCH, reason="an old torch"),
]


@pytest.fixture(scope="module", params=build.sources("cuda"), ids=lambda path: path.stem)
def compiled(request, tmp_path_factory):
    """Object file of an op, and what the assembler says about its kernels."""
    target = tmp_path_factory.mktemp("cuda") / f"{request.param.stem}.o"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_CUDA_ARCH_LIST", build.ARCHITECTURES)
        flags = [*build.NVCC_FLAGS, *build.DEFINES, *build.architectures()]
    flags += ["-Werror", "all-warnings", "-Xptxas", "-v", "-t", "0", f"-I{build.SOURCES}", "-isystem", str(INCLUDE)]
    command = [*build.nvcc(), *flags, "-c", str(request.param), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target, done.stdout + done.stderr


def test_nothing_spills(compiled):
    """Not one value goes to local memory, in any function of any kernel, for any architecture."""
    _, report = compiled
    entries = re.findall(r"Compiling entry function '(\w+)' for '(sm_\d+)'", report)
    assert {architecture for _, architecture in entries} == {"sm_80", "sm_90"}
    assert len(entries) >= 4  # float32 and float64
    frames = re.findall(r"properties for (\w+)\s+(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+)", report)
    assert len(frames) > len(entries)
    spilled = [frame for frame in frames if any(int(number) for number in frame[1:])]
    assert not spilled


def test_registers_allow_a_block(compiled):
    """A multiprocessor has 65536 registers: a block of 512 threads in float32, of 256 in float64."""
    _, report = compiled
    used = re.findall(r"Compiling entry function '\w+kernelI([fd])\w*'.*?Used (\d+) registers", report, re.DOTALL)
    assert {kind for kind, _ in used} == {"f", "d"}
    for kind, count in used:
        assert int(count) * (512 if kind == "f" else 256) <= 65536


def test_only_the_stable_abi(compiled):
    """No symbol of ATen, c10 or Python is needed: one library for every torch from 2.10 on."""
    target, _ = compiled
    symbols = subprocess.run(["nm", "-uC", str(target)], capture_output=True, text=True, check=True).stdout
    assert "aoti_torch_get_current_cuda_stream" in symbols
    assert not re.findall(r"\b(?:at|c10)::\S+|\bPy\w+", symbols)


def test_the_ceilings_of_the_benchmark(tmp_path):
    source = Path(__file__).resolve().parents[3] / "benchmarks" / "ceilings.cu"
    command = [*build.nvcc(), "-O3", "-shared", "-Xcompiler", "-fPIC", "-arch=sm_90", str(source)]
    subprocess.run([*command, "-o", str(tmp_path / "ceilings.so")], check=True)
    symbols = subprocess.run(["nm", "-D", tmp_path / "ceilings.so"], capture_output=True, text=True, check=True).stdout
    assert {"otseg_copy", "otseg_exponential", "otseg_multiply_add"} <= set(symbols.split())
