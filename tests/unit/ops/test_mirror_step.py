"""The fused update against its formula, and in the corners."""

import pytest
import torch
from torch.autograd import gradcheck

from otseg.ops.divergence import log_weight
from otseg.ops.mirror_step import mirror_step
from otseg.ops.softmin import softmin


def inputs(generator, dtype=torch.float64):
    density, gradient = (torch.randn(2, 6, 3, generator=generator).to(dtype) for _ in "MG")
    a = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.0, 0.0]] * 2, dtype=dtype)
    b = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]], dtype=dtype)
    keep, step = torch.tensor([0.9, 0.3], dtype=dtype), torch.tensor([1.0, 4.0], dtype=dtype)
    return density, gradient, keep, step, a, log_weight(b)


@pytest.mark.parametrize("tau", [1.0, 0.4, 0.0])
def test_formula(generator, tau):
    density, gradient, keep, step, a, log_b = inputs(generator)
    new, plan = mirror_step(density, gradient, keep, step, a, log_b, torch.full((2,), tau, dtype=torch.float64))
    moved = keep[:, None, None] * density - step[:, None, None] * gradient
    row = (log_b.exp()[:, None] * moved.exp()).sum(dim=2, keepdim=True)
    torch.testing.assert_close(new, moved - tau * row.log())
    torch.testing.assert_close(plan, a[..., None] * log_b.exp()[:, None] * new.exp())
    if tau == 1.0:
        torch.testing.assert_close(plan.sum(dim=2), a)


def test_extreme_gradients_stay_finite(generator):
    density, gradient, keep, step, a, log_b = inputs(generator, torch.float32)
    new, plan = mirror_step(density, 1e6 * gradient, keep, step, a, log_b, torch.ones(2))
    assert torch.isfinite(new).all()
    torch.testing.assert_close(plan.sum(dim=2), a)


def test_derivative(generator):
    density, gradient, keep, step, a, log_b = inputs(generator)
    tau = torch.tensor([1.0, 0.5], dtype=torch.float64)
    variables = [x.requires_grad_() for x in (density, gradient, keep, step, a.clone())]
    assert gradcheck(lambda M, G, keep, step, a: mirror_step(M, G, keep, step, a, log_b, tau), variables)


def test_softmin_is_the_minimum_for_small_epsilon(generator):
    cost = torch.rand(2, 6, 3, generator=generator, dtype=torch.float64)
    epsilon, log_weights = 1e-6, torch.full((2, 3), 1 / 3, dtype=torch.float64).log()
    value = epsilon * softmin(-cost / epsilon, torch.zeros(2, 3, dtype=torch.float64), log_weights, 2)
    torch.testing.assert_close(value, cost.amin(dim=2), atol=1e-5, rtol=0)
