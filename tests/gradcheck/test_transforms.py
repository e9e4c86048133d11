"""Solvers under torch.func, torch.compile, autocast and checkpointing: the same numbers and gradients."""

import pytest
import torch
from torch import func
from torch.utils.checkpoint import checkpoint

import otseg

modes = pytest.mark.parametrize("grad", ["envelope", "implicit", "unroll"])


def sinkhorn(cost, grad, max_iter=60):
    return otseg.sinkhorn(cost, epsilon=0.2, rho_b=0.5, max_iter=max_iter, tol=None, grad=grad)


def gromov(cost, grad, max_iter=60):
    return otseg.gromov_ot(cost, epsilon=0.4, alpha=0.2, radius=1, rho_b=0.5, max_iter=max_iter, grad=grad)


@pytest.fixture
def cost(generator):
    return torch.rand(3, 6, 4, generator=generator, dtype=torch.float64)


def loss(solve, cost, grad):
    result = solve(cost, grad)
    return result.value.sum() + (result.plan.square().sum() if grad != "envelope" else 0)


@modes
def test_vmap_of_grad(grad, cost):
    found = func.vmap(func.grad(lambda one: loss(sinkhorn, one[None], grad)))(cost)
    leaf = cost.clone().requires_grad_()
    (expected,) = torch.autograd.grad(loss(sinkhorn, leaf, grad), leaf)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("grad", ["implicit", "unroll"])
def test_hessian(grad, cost):
    small = cost[0, :3, :2]
    found = func.jacrev(func.jacrev(lambda one: loss(sinkhorn, one[None], grad)))(small)
    expected = torch.autograd.functional.hessian(lambda one: loss(sinkhorn, one[None], grad), small)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("solve", "grad"), [(sinkhorn, "implicit"), (sinkhorn, "unroll"), (gromov, "unroll")])
def test_compiled_in_one_graph(solve, grad, cost):
    torch._dynamo.reset()
    compiled = torch.compile(lambda cost: solve(cost, grad, max_iter=5).plan, fullgraph=True, backend="aot_eager")
    gradients = []
    for plan_of in (compiled, lambda cost: solve(cost, grad, max_iter=5).plan):
        leaf = cost.clone().requires_grad_()
        plan = plan_of(leaf)
        gradients.append((plan.detach(), *torch.autograd.grad(plan.square().sum(), leaf)))
    torch.testing.assert_close(gradients[0], gradients[1])


@modes
@pytest.mark.parametrize("solve", [sinkhorn, gromov])
def test_full_precision_under_autocast(solve, grad, cost):
    found = []
    for enabled in (True, False):
        leaf = cost.float().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            total = loss(solve, leaf, grad)
        found.append((total.detach(), *torch.autograd.grad(total, leaf)))
    assert found[0][0].dtype == torch.float32
    torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=1e-5)


@modes
@pytest.mark.parametrize("solve", [sinkhorn, gromov])
def test_checkpointed(solve, grad, cost):
    leaf = cost.clone().requires_grad_()
    (found,) = torch.autograd.grad(checkpoint(lambda x: loss(solve, x, grad), leaf, use_reentrant=False), leaf)
    (expected,) = torch.autograd.grad(loss(solve, leaf, grad), leaf)
    torch.testing.assert_close(found, expected)
