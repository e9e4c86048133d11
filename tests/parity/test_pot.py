"""Sinkhorn against POT: the log-domain solver, the unbalanced solver and the linear program."""

from dataclasses import replace
from functools import partial

import numpy as np
import ot
import pytest
import torch

import otseg
from otseg.solvers import annealed, sinkhorn


def random_problem(seed, n=9, k=6, mass=1.0):
    generator = np.random.default_rng(seed)
    a, b = generator.random(n) + 0.1, generator.random(k) + 0.1
    return generator.random((n, k)), a / a.sum(), mass * b / b.sum()


def ours(cost, a, b, **options):
    tensors = (torch.from_numpy(x)[None] for x in (cost, a, b))
    return otseg.sinkhorn(*tensors, max_iter=100_000, tol=1e-13, **options)


@pytest.mark.parametrize("epsilon", [1.0, 0.1, 0.02])
def test_balanced_equals_the_log_solver(epsilon):
    cost, a, b = random_problem(0)
    expected = ot.sinkhorn(a, b, cost, epsilon, method="sinkhorn_log", numItermax=100_000, stopThr=1e-13)
    result = ours(cost, a, b, epsilon=epsilon)
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-9)
    assert result.converged.all()


@pytest.mark.parametrize("rho", [(0.1, 0.1), (1.0, 0.05), (5.0, 3.0), (np.inf, 0.2), (0.2, np.inf)])
def test_unbalanced_equals_pot(rho):
    cost, a, b = random_problem(1, mass=1.3)
    options = {"method": "sinkhorn", "reg_type": "kl", "numItermax": 100_000, "stopThr": 1e-14}
    expected = ot.unbalanced.sinkhorn_unbalanced(a, b, cost, 0.1, rho, **options)
    result = ours(cost, a, b, epsilon=0.1, rho_a=float(rho[0]), rho_b=float(rho[1]))
    np.testing.assert_allclose(result.plan[0].numpy(), expected, atol=1e-7)


def test_large_penalties_tend_to_the_balanced_plan():
    cost, a, b = random_problem(1)
    relaxed = ours(cost, a, b, epsilon=0.1, rho_a=1e6, rho_b=1e6)
    np.testing.assert_allclose(relaxed.plan.numpy(), ours(cost, a, b, epsilon=0.1).plan.numpy(), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_small_epsilon_agrees_with_the_linear_program(seed):
    cost, a, b = random_problem(seed, 7, 5)
    exact = ot.emd2(a, b, cost)
    solver = annealed(partial(sinkhorn, max_iter=20_000, tol=1e-7), start=1.0)
    tensors = [torch.from_numpy(x)[None] for x in (cost, a, b)]
    result = otseg.solve(*tensors, epsilon=1e-3, solver=solver)
    assert result.converged.all()
    assert float(result.value_linear) == pytest.approx(exact, abs=3e-3)
    assert float(result.value_linear) >= exact - 1e-6


def test_value_is_the_documented_objective():
    cost, a, b = random_problem(3, mass=0.8)
    result = ours(cost, a, b, epsilon=0.2, rho_a=0.5, rho_b=0.3)
    plan = result.plan[0].numpy()

    def kl(p, q):
        return float((p * np.log(p / q) - p + q).sum())

    expected = (cost * plan).sum() + 0.2 * kl(plan, np.outer(a, b))
    expected += 0.5 * kl(plan.sum(1), a) + 0.3 * kl(plan.sum(0), b)
    assert float(result.value) == pytest.approx(expected, abs=1e-12)
    for direction in np.random.default_rng(0).normal(size=(5, *plan.shape)):  # and it is minimal there
        moved = torch.from_numpy(plan * np.exp(0.01 * direction))[None]
        assert float(replace(result, plan=moved).value) > expected
