"""Solving inside of a support: against POT and the linear program with a large cost outside, and infinite penalties."""

from functools import partial
from itertools import pairwise

import numpy as np
import ot
import pytest
import torch
from torch.autograd import gradcheck

import otseg
from otseg.priors import (
    AllowedActions,
    GaussianOrder,
    LinearPrior,
    MinimumDuration,
    OrderBand,
    OrderParallelogram,
    TemporalSmoothness,
)
from otseg.solvers import annealed, mirror_descent, sinkhorn

N, K = 12, 4
CONSTRAINTS = {
    "band": OrderBand(0.2),
    "parallelogram": OrderParallelogram(2.0),
    "duration": MinimumDuration(2),
    "allowed": AllowedActions(OrderBand(0.1).support(torch.ones(1, N, dtype=torch.bool), K)),
}
each = pytest.mark.parametrize("constraint", CONSTRAINTS.values(), ids=CONSTRAINTS.keys())
OUTSIDE = 1e3  # far above all costs, far below what exp could not tell from zero at the epsilons of the tests


def draw(seed=0):
    cost = np.random.default_rng(seed).random((N, K))
    return cost, torch.from_numpy(cost)[None], torch.ones(1, N, dtype=torch.bool)


def walled(cost, constraint, mask):
    """The cost with a wall outside of the support, as numpy, and the support."""
    inside = constraint.support(mask, K)[0].numpy()
    return np.where(inside, cost, OUTSIDE), inside


@each
def test_balanced_equals_pot_with_a_wall(constraint):
    cost, tensor, mask = draw()
    wall, inside = walled(cost, constraint, mask)
    a, b = np.full(N, 1 / N), np.full(K, 1 / K)
    expected = ot.sinkhorn(a, b, wall, 0.1, method="sinkhorn_log", numItermax=100_000, stopThr=1e-13)
    free = otseg.sinkhorn(tensor, epsilon=0.1)
    assert free.plan[0].numpy()[~inside].sum() > 1e-2  # it matters
    result = otseg.solve(tensor, epsilon=0.1, priors=[constraint], tol=1e-13, max_iter=100_000)
    assert result.converged.all()
    assert (result.plan[0].numpy()[~inside] == 0).all()
    assert (result.plan[0].numpy()[inside] > 0).all()
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(result.marginal_a[0].numpy(), a, atol=1e-12)
    np.testing.assert_allclose(result.marginal_b[0].numpy(), b, atol=1e-10)
    assert torch.isfinite(result.value).all()


@each
def test_small_epsilon_tends_to_the_linear_program(constraint):
    cost, tensor, mask = draw(1)
    wall, inside = walled(cost, constraint, mask)
    exact = ot.emd2(np.full(N, 1 / N), np.full(K, 1 / K), wall)
    solver = annealed(partial(sinkhorn, max_iter=5000, tol=1e-5), start=1.0)
    result = otseg.solve(tensor, epsilon=5e-3, priors=[constraint], solver=solver)
    assert result.converged.all()
    assert (result.plan[0].numpy()[~inside] == 0).all()
    assert float(result.value_linear) == pytest.approx(exact, abs=1e-2)
    assert float(result.value_linear) >= exact - 1e-4


@each
@pytest.mark.parametrize("rho", [(np.inf, 0.2), (0.3, 0.2)])
def test_relaxed_equals_pot_with_a_wall(constraint, rho):
    cost, tensor, mask = draw(2)
    wall, inside = walled(cost, constraint, mask)
    options = {"method": "sinkhorn", "reg_type": "kl", "numItermax": 100_000, "stopThr": 1e-14}
    expected = ot.unbalanced.sinkhorn_unbalanced(np.full(N, 1 / N), np.full(K, 1 / K), wall, 0.1, rho, **options)
    settings = {"epsilon": 0.1, "rho_a": float(rho[0]), "rho_b": float(rho[1]), "tol": 1e-13, "max_iter": 100_000}
    result = otseg.solve(tensor, priors=[constraint], **settings)
    assert (result.plan[0].numpy()[~inside] == 0).all()
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-8)


@each
@pytest.mark.parametrize("rho_b", [0.2, float("inf")])
def test_beside_gromov_structure_equals_a_wall(constraint, rho_b):
    _, tensor, mask = draw(3)
    wall, inside = walled(np.zeros((N, K)), constraint, mask)
    others = [TemporalSmoothness(0.2, 2), GaussianOrder(0.1, 1.0)]
    settings = {"epsilon": 0.1, "rho_b": rho_b, "solver": mirror_descent, "inner_iter": 20}
    # A fixed step, so that both runs take the same steps; the wall needs some to be climbed.
    settings |= {"step": 3.0, "max_iter": 80}
    result = otseg.solve(tensor, priors=[*others, constraint], **settings)
    behind = otseg.solve(tensor, priors=[*others, LinearPrior(torch.from_numpy(wall))], **settings)
    assert (result.plan[0].numpy()[~inside] == 0).all()
    torch.testing.assert_close(result.plan, behind.plan, atol=1e-7, rtol=0)
    torch.testing.assert_close(result.marginal_a, result.problem.a, atol=1e-12, rtol=0)
    if rho_b == float("inf"):
        torch.testing.assert_close(result.marginal_b, result.problem.b, atol=1e-4, rtol=0)
    free = otseg.solve(tensor, priors=others, **settings)
    assert free.plan[0].numpy()[~inside].sum() > 1e-3  # it matters


@each
def test_descent_inside_of_the_support(constraint):
    _, tensor, mask = draw(4)
    values = []
    for max_iter in (1, 2, 5, 10, 40):
        settings = {"epsilon": 0.1, "rho_b": 0.2, "solver": mirror_descent, "max_iter": max_iter}
        result = otseg.solve(tensor, priors=[TemporalSmoothness(0.3, 2), constraint], **settings)
        assert (result.plan[~constraint.support(mask, K)] == 0).all()
        values.append(float(result.value))
    assert np.isfinite(values).all()
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(values))


def test_constraints_meet():
    """Two constraints are their conjunction, in the door as well."""
    _, tensor, mask = draw(5)
    one, other = OrderBand(0.3), MinimumDuration(2)
    both = AllowedActions(one.support(mask, K) & other.support(mask, K))
    plans = [otseg.temporal_ot(tensor, epsilon=0.1, sigma=1.0, priors=priors).plan for priors in ([one, other], [both])]
    torch.testing.assert_close(plans[0], plans[1], atol=1e-12, rtol=0)
    assert (plans[0][~both.support(mask, K)] == 0).all()


def test_padding_and_batch_change_nothing(generator):
    cost = torch.rand(2, 9, 3, generator=generator, dtype=torch.float64)
    mask = torch.arange(9) < torch.tensor([[9], [5]])
    for solver, others in ((sinkhorn, []), (mirror_descent, [TemporalSmoothness(0.3, 2)])):
        settings = {"epsilon": 0.1, "rho_b": 0.3, "priors": [*others, OrderBand(0.15)], "solver": solver}
        together = otseg.solve(cost, mask=mask, **settings)
        for i, n in enumerate((9, 5)):
            alone = otseg.solve(cost[i : i + 1, :n], **settings)
            torch.testing.assert_close(together.plan[i, :n], alone.plan[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("rho_b", [0.3, float("inf")])
def test_gradient(rho_b, generator):
    cost = torch.rand(2, 6, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    for solver, others in ((sinkhorn, []), (mirror_descent, [TemporalSmoothness(0.2, 1)])):

        def door(cost, solver=solver, others=others):
            settings = {"epsilon": 0.3, "rho_b": rho_b, "priors": [*others, OrderBand(0.1)], "mask": mask}
            options = {"max_iter": 4, "tol": None, "grad": "unroll"}
            result = otseg.solve(cost, solver=solver, **settings, **options)
            return result.plan, result.value

        assert gradcheck(door, (cost,))


def test_implicit_gradient_of_the_door_inside_of_a_support(generator):
    """In cost, epsilon, sigma and moment; equal to unrolled where converged."""
    cost = torch.rand(2, 6, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.2, 0.4], [0.7, 1.0], [0.2, 0.5])]
    gradients = []
    for grad in ("implicit", "unroll"):
        epsilon, sigma, moment = leaves
        settings = {"epsilon": epsilon, "sigma": sigma, "moment": moment, "priors": [OrderBand(0.1)]}
        result = otseg.temporal_ot(cost, **settings, tol=1e-13, max_iter=2000, grad=grad)
        gradients.append(torch.autograd.grad(result.plan.square().sum() + result.value.sum(), (cost, *leaves)))
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-9, rtol=1e-7)
    assert all((gradient != 0).any() for gradient in gradients[0])
