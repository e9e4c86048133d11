"""The tiled soft-minimum against the dense one, its first and second derivatives, and its memory."""

import subprocess
import sys

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from otseg.costs import cosine, euclidean
from otseg.ops.point_scores import COSTS
from otseg.ops.softmin import softmin
from otseg.ops.softmin_points import softmin_points

TINY = 200  # bytes: tiles of a few entries


def dense(x, y, epsilon, log_potential, log_weight, cost):
    matrix = cosine(x, y) if cost == "cosine" else euclidean(x, y, squared=cost == "sqeuclidean")
    return softmin(-matrix / epsilon[:, None, None], log_potential, log_weight, 2)


def inputs(generator, dtype=torch.float64, n=5, m=4):
    x = torch.randn(2, n, 3, generator=generator, dtype=dtype)
    y = torch.randn(2, m, 3, generator=generator, dtype=dtype)
    log_potential = torch.randn(2, m, generator=generator, dtype=dtype)
    log_weight = torch.rand(2, m, generator=generator, dtype=dtype).log()
    return x, y, torch.tensor([0.4, 1.5], dtype=dtype), log_potential, log_weight


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("memory", [TINY, 5000, None])
def test_equals_the_dense_one(cost, memory, dtype, device, generator):
    values = [value.to(device) for value in inputs(generator, dtype, 37, 23)]
    values[4][0, :9] = -torch.inf  # whole tiles without mass
    values[4][1, 3] = -torch.inf
    values[2] = values[2] / 100
    result = softmin_points(*values, cost, "torch", memory)
    tolerance = {"atol": 1e-9, "rtol": 1e-12} if dtype == torch.float64 else {"atol": 2e-3, "rtol": 1e-5}
    torch.testing.assert_close(result, dense(*values, cost), **tolerance)


def test_terms_that_underflow_do_not_count(generator):
    x, y = torch.zeros(1, 1, 1), torch.tensor([[[0.0], [1.0], [2.0], [30.0]]])
    zero = torch.zeros(1, 4)
    for memory in (1, None):
        result = softmin_points(x, y, torch.tensor([1e-4]), zero, zero, "sqeuclidean", "torch", memory)
        torch.testing.assert_close(result, torch.zeros(1, 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("memory", [TINY, None])
def test_first_derivatives(cost, memory, generator):
    values = inputs(generator)
    values[4][0, 1] = -torch.inf
    assert gradcheck(lambda *v: softmin_points(*v, values[4], cost, "torch", memory), _require(values[:4]))
    values[4][0, 1] = -1.0
    assert gradcheck(lambda *v: softmin_points(*v, cost, "torch", memory), _require(values))


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("memory", [TINY, None])
def test_second_derivatives(cost, memory, generator):
    values = inputs(generator, n=3, m=4)
    assert gradgradcheck(lambda *v: softmin_points(*v, cost, "torch", memory), _require(values))


@pytest.mark.parametrize("cost", COSTS)
def test_one_point_and_equal_points(cost, generator):
    x = torch.tensor([[[1.0, 2.0], [1.0, 2.0], [0.5, -1.0]]], dtype=torch.float64)
    y = x[:, :1].clone()
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    values = _require((x, y))
    result = softmin_points(*values, one, zero, zero, cost)
    torch.testing.assert_close(result, dense(x, y, one, zero, zero, cost), atol=1e-7, rtol=0)
    grads = torch.autograd.grad(result.sum(), values, create_graph=True)
    assert all(torch.isfinite(grad).all() for grad in grads)
    torch.testing.assert_close(grads[0][0, :2], torch.zeros(2, 2, dtype=torch.float64), atol=1e-7, rtol=0)
    second = torch.autograd.grad(sum((grad**2).sum() for grad in grads), values)
    assert all(torch.isfinite(grad).all() for grad in second)


def test_third_derivatives_are_refused(generator):
    values = _require(inputs(generator))
    (first,) = torch.autograd.grad(softmin_points(*values).sum(), values[0], create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), values[0], create_graph=True)
    with pytest.raises(RuntimeError, match="`softmin_points` must be differentiated twice at most"):
        torch.autograd.grad(second.square().sum(), values[0])


def test_autocast_changes_nothing(generator):
    values = [value.float() for value in inputs(generator)]
    plain = softmin_points(*values)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(softmin_points(*values), plain)


def test_memory_of_value_and_gradient():
    """12000 x 12000 scores are 549 MiB in float32; nothing near that is ever held."""
    pytest.importorskip("resource", reason="the peak memory of a process is read through the module resource")
    code = """
import resource, torch
from otseg.ops.softmin_points import softmin_points
torch.set_num_threads(1)
def work(n):
    x, y = torch.rand(1, n, 2, requires_grad=True), torch.rand(1, n, 2)
    softmin_points(x, y, torch.ones(1), torch.zeros(1, n), torch.zeros(1, n)).sum().backward()
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
work(1000)
before = peak()
work(12000)
print(peak() - before)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(found) < 40


def _require(values):
    return tuple(value.detach().clone().requires_grad_() for value in values)
