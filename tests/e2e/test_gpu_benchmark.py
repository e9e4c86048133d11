"""The benchmark for a GPU machine, as far as it goes without one."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import otseg
from benchmarks import _gpu, gpu

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {"copy": 1000.0, "multiply-add": 2.0, "exponential": 0.5}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: run `python -m benchmarks.gpu`")
def test_stops_without_a_gpu():
    done = subprocess.run([sys.executable, "-m", "benchmarks.gpu"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks.gpu needs an NVIDIA GPU that torch can use: torch ")
    assert done.stderr.endswith("nothing was measured and nothing was written.\n")
    assert not done.stdout


def test_kernels_are_built_once(monkeypatch):
    _gpu.require_kernels("loaded from somewhere")
    calls = []
    monkeypatch.delenv(_gpu.BUILT, raising=False)
    monkeypatch.setattr(_gpu.subprocess, "run", lambda *args, **options: calls.append(options) or done)
    monkeypatch.setattr(_gpu.os, "execv", lambda *args: calls.append(args))
    done = subprocess.CompletedProcess([], 1)
    with pytest.raises(SystemExit, match="do not build"):
        _gpu.require_kernels("not built")
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setenv("OTSEG_BUILD", "none")
    _gpu.require_kernels("not built")
    assert calls[1]["env"]["OTSEG_BUILD"] == "cuda"
    assert calls[2][1][:3] == [sys.executable, "-m", "benchmarks.gpu"]
    with pytest.raises(SystemExit, match="CUDA kernels of otseg are not built"):
        _gpu.require_kernels("not built")  # again, after the build


def test_file_name():
    assert _gpu.file_name("NVIDIA H100 80GB HBM3, 132 multiprocessors") == "gpu_h100_80gb_hbm3"


def test_settings_of_the_op_are_those_of_the_door(generator):
    cost = torch.rand(2, 60, 4, generator=generator)
    found = torch.ops.otseg.window_descent(*gpu.window_arguments(cost))[0]
    expected = otseg.gromov_ot(cost, grad="none", **gpu.SETTINGS).plan
    torch.testing.assert_close(found, expected)


def test_a_whole_run(monkeypatch, tmp_path, generator):
    """Everything but the device: times by the clock, small shapes, a peer that is missing and one that fails."""
    pytest.importorskip("geomloss")
    monkeypatch.setattr(torch, "compile", lambda work=None, **_: work or (lambda inner: inner))
    from benchmarks import bench_sinkhorn

    def clock(work, repeats=1):
        start = time.perf_counter()
        work()
        return 1e3 * (time.perf_counter() - start)

    def fails(cost):
        raise RuntimeError("first line\nout of memory")

    for name, value in {
        "WORKS": [(work, [(2, 30, 4)], *rest) for work, _, *rest in gpu.WORKS], "SWEEPS": 5, "milliseconds": clock,
        "make_cost": lambda shape: torch.rand(shape, generator=generator), "require_gpu": lambda: None,
        "require_kernels": lambda state: None, "run_tests": lambda: "140 passed",
        "sanitize": lambda: {"memcheck": "ok"}, "ceilings": lambda: LIMITS,
        "device_info": lambda: {"GPU": "NVIDIA Test 1, 2 multiprocessors"},
    }.items():  # fmt: skip
        monkeypatch.setattr(gpu, name, value)
    monkeypatch.setattr(bench_sinkhorn, "pot_batch", fails)
    monkeypatch.setattr(sys, "argv", ["gpu", "--output", str(tmp_path)])
    gpu.main()
    rows = json.loads((tmp_path / "gpu_test_1.json").read_text())["rows"]
    by = {(row["work"], row["by"]): row for row in rows}
    assert {peer for work, peer in by if work == "ASOT"} >= {"otseg", "op, kernel", "published"}
    assert by["Sinkhorn", "POT batch"]["ms"] == "out of memory"
    kernel = by["Sinkhorn", "op, kernel"]
    entries = 2 * 30 * 4 * gpu.SINKHORN_EFFORT.rounds
    assert kernel["bytes / ceiling"] == pytest.approx(4 * entries / (kernel["ms"] / 1e3) / 1e9 / LIMITS["copy"])
    assert kernel["exponentials / ceiling"] == pytest.approx(entries / (kernel["ms"] / 1e3) / 1e9 / 0.5)
    assert by["ASOT", "op, kernel"]["bytes / ceiling"] > 0
    assert all(isinstance(row["time / otseg"], float) for row in rows if isinstance(row["ms"], float))
    text = (tmp_path / "gpu_test_1.md").read_text()
    for words in ("140 passed", "memcheck: ok", "exponential 0", "NVIDIA Test 1", "epsilon 0.07"):
        assert words in text
