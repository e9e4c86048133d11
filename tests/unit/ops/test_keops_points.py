"""The KeOps backend against the one in torch; it compiles a few kernels when it runs for the first time."""

import importlib.util
import math
import subprocess
import sys

import pytest
import torch

from otseg.ops.plan_points import argmax_points, transport_points
from otseg.ops.softmin_points import softmin_points
from otseg.solvers import sinkhorn_points

needs_keops = pytest.mark.skipif(
    importlib.util.find_spec("pykeops") is None, reason="pykeops is not installed: pip install 'otseg[keops]'"
)


def inputs(generator):
    x = torch.randn(2, 12, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(2, 10, 3, generator=generator, dtype=torch.float64)
    y[0, 3] = x[0, 5]
    log_potential = torch.randn(2, 10, generator=generator, dtype=torch.float64)
    log_weight = torch.rand(2, 10, generator=generator, dtype=torch.float64).log()
    log_weight[0, :4] = -torch.inf
    return x, y, torch.tensor([0.5, 1.0], dtype=torch.float64), log_potential, log_weight


@needs_keops
@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean"])
def test_softmin_and_its_gradient(cost, generator):
    *values, log_weight = inputs(generator)
    values = [value.requires_grad_() for value in values]
    found = [softmin_points(*values, log_weight, cost, backend) for backend in ("torch", "keops")]
    torch.testing.assert_close(found[1], found[0], atol=1e-7, rtol=1e-9)
    grads = [torch.autograd.grad(value.square().sum(), values) for value in found]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


@needs_keops
def test_plan(generator):
    x, y, epsilon, log_potential, log_weight = inputs(generator)
    row, column = torch.randn(2, 12, generator=generator, dtype=torch.float64), log_potential + log_weight
    row[1, 2] = -torch.inf
    z = torch.randn(2, 10, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    found = [transport_points(x, y, epsilon, row, column, z, backend=backend) for backend in ("torch", "keops")]
    torch.testing.assert_close(found[1], found[0], atol=1e-10, rtol=1e-9)
    grads = [torch.autograd.grad(value.square().sum(), z)[0] for value in found]
    torch.testing.assert_close(grads[1], grads[0], atol=1e-10, rtol=1e-9)
    labels = [argmax_points(x, y, epsilon, column, backend=backend) for backend in ("torch", "keops")]
    assert torch.equal(*labels)


@needs_keops
@pytest.mark.parametrize("rho_b", [math.inf, 0.3])
def test_solver(rho_b, generator):
    x, y = inputs(generator)[:2]
    mask_y = torch.arange(10) < torch.tensor([[10], [7]])
    x.requires_grad_()
    options = {"epsilon": torch.tensor([0.2, 1.0]).double(), "rho_b": rho_b, "mask_y": mask_y, "start": 4.0}
    one, other = (sinkhorn_points(x, y, backend=b, grad="envelope", **options) for b in ("torch", "keops"))
    for name in ("f", "g", "value", "marginal_b"):
        torch.testing.assert_close(getattr(other, name), getattr(one, name), atol=1e-10, rtol=1e-9)
    assert torch.equal(one.n_iter, other.n_iter)
    assert torch.equal(one.labels(), other.labels())
    torch.testing.assert_close(other.apply(y), one.apply(y), atol=1e-10, rtol=1e-9)
    grads = [torch.autograd.grad(result.value.sum(), x)[0] for result in (one, other)]
    torch.testing.assert_close(grads[1], grads[0], atol=1e-9, rtol=1e-9)


def test_a_missing_package_is_said_and_never_imported_unasked():
    code = """
import sys, torch
import otseg
sys.modules["pykeops"] = None
x = torch.rand(1, 3, 2)
otseg.solvers.sinkhorn_points(x, x, epsilon=0.1)
try:
    otseg.solvers.sinkhorn_points(x, x, epsilon=0.1, backend="keops")
except ImportError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == ("`pykeops` is needed here and not installed. Install it with: pip install 'otseg[keops]'")
