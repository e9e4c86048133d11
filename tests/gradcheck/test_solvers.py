"""Unrolled gradients of plan, potentials and value against finite differences, in float64."""

import math

import pytest
import torch
from torch.autograd import gradcheck

import otseg

RHO = [(math.inf, math.inf), (math.inf, 0.3), (0.5, 0.2), (0.4, math.inf)]


def inputs(generator, zero=False):
    cost = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    b = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0] if zero else [0.5, 0.4, 0.1]], dtype=torch.float64)
    return cost.requires_grad_(), mask, b


@pytest.mark.parametrize("rho", RHO)
@pytest.mark.parametrize("zero", [False, True], ids=["", "zero weight"])
def test_sinkhorn(rho, zero, generator):
    cost, mask, b = inputs(generator, zero)
    epsilon = torch.tensor([0.2, 0.5], dtype=torch.float64, requires_grad=True)

    def door(cost, epsilon):
        result = otseg.sinkhorn(
            cost, b=b, epsilon=epsilon, rho_a=rho[0], rho_b=rho[1], mask=mask, max_iter=6, tol=None, grad="unroll"
        )
        return result.plan, result.f, result.g, result.value, result.value_linear

    assert gradcheck(door, (cost, epsilon))


@pytest.mark.parametrize("rho", RHO)
def test_sinkhorn_in_the_marginals(rho, generator):
    cost, _, b = inputs(generator)

    def door(a, b):
        a, b = a.softmax(dim=1), b.softmax(dim=1)  # stay on the simplex
        return otseg.sinkhorn(
            cost.detach(), a, b, epsilon=0.3, rho_a=rho[0], rho_b=rho[1], max_iter=6, tol=None, grad="unroll"
        ).value

    a = torch.rand(2, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    assert gradcheck(door, (a, b.clone().requires_grad_()))


@pytest.mark.parametrize("rho", RHO)
@pytest.mark.parametrize("step", [None, 0.8], ids=["safeguarded", "fixed step"])
def test_gromov(rho, step, generator):
    cost, mask, b = inputs(generator)

    def door(cost):
        result = otseg.gromov_ot(
            cost, b=b, epsilon=0.3, alpha=0.3, radius=1, order=0.2, rho_a=rho[0], rho_b=rho[1], mask=mask,
            max_iter=5, step=step, inner_iter=3,
        )  # fmt: skip
        return result.plan, result.value

    assert gradcheck(door, (cost,))


def test_published(generator):
    cost, mask, _ = inputs(generator)
    settings = {"epsilon": 0.3, "alpha": 0.3, "radius": 0.3, "rho_b": 0.2, "max_iter": 5, "protocol": "published"}
    assert gradcheck(lambda cost: otseg.gromov_ot(cost, mask=mask, step=0.5, **settings).plan, (cost,))
