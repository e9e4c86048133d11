"""`otseg info`."""

import torch

import otseg


def test_info(otseg_command):
    found = otseg_command("info", "--json").document
    assert found["otseg"] == otseg.__version__
    assert found["torch"] == torch.__version__
    assert "sinkhorn" in found["offers"]["solvers"]
    assert "TemporalSmoothness" in found["offers"]["priors"]
    assert found["kernels"]["cpu"] == otseg.backend_info()["cpu"]
    text = otseg_command("info").stdout
    assert f"otseg {otseg.__version__}, torch {torch.__version__}" in text
    assert "cpu kernels: " in text
    assert "benchmarks: breakfast, " in text
