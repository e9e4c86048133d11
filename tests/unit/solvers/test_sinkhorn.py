"""Convergence reports, small epsilon, large rho, warm starts and annealing."""

import math
from functools import partial

import pytest
import torch

import otseg
from otseg.solvers import annealed, sinkhorn


def test_not_converged_is_said(generator):
    cost = torch.rand(2, 20, 20, generator=generator)
    few = otseg.sinkhorn(cost, epsilon=1e-3, max_iter=5, tol=1e-6)
    assert not few.converged.any()
    violation = (few.marginal_b - few.problem.b).abs().sum(dim=1)
    torch.testing.assert_close(few.error, violation, atol=1e-4, rtol=1e-3)
    assert not otseg.sinkhorn(cost, epsilon=1.0, tol=None).converged.any()  # no tolerance, no claim


def test_semi_relaxed_is_not_called_converged_because_its_rows_are_exact(generator):
    cost = torch.rand(1, 20, 6, generator=generator, dtype=torch.float64)
    one = otseg.sinkhorn(cost, epsilon=0.01, rho_b=0.5, max_iter=1, tol=1e-6)
    done = otseg.sinkhorn(cost, epsilon=0.01, rho_b=0.5, max_iter=10_000, tol=1e-12)
    assert not one.converged.any()
    assert done.converged.all()
    assert (one.plan - done.plan).abs().sum() > 1e-3


@pytest.mark.parametrize("ratio", [1e-2, 1e-3, 1e-4])
def test_small_epsilon_in_float32_is_finite_and_feasible(ratio, generator):
    cost = 5 * torch.rand(2, 30, 12, generator=generator)
    solver = annealed(partial(sinkhorn, max_iter=2000, tol=1e-4), start=5.0)
    result = otseg.solve(cost, epsilon=5 * ratio, solver=solver)
    assert torch.isfinite(result.plan).all()
    assert torch.isfinite(result.f).all()
    assert torch.isfinite(result.g).all()
    torch.testing.assert_close(result.marginal_a, result.problem.a, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(result.marginal_b, result.problem.b, atol=1e-3, rtol=0)


def test_translation_makes_large_rho_as_fast_as_balanced(generator):
    cost = torch.rand(1, 20, 5, generator=generator, dtype=torch.float64)
    balanced = otseg.sinkhorn(cost, epsilon=0.1, tol=1e-10)
    relaxed = otseg.sinkhorn(cost, epsilon=0.1, rho_a=1e4, rho_b=1e4, tol=1e-10)
    assert relaxed.converged.all()
    assert int(relaxed.n_iter) <= int(balanced.n_iter) + 20


def test_free_side_is_solved_by_the_first_sweep(generator):
    cost = torch.rand(1, 9, 4, generator=generator, dtype=torch.float64)
    result = otseg.sinkhorn(cost, epsilon=0.3, rho_b=0.0, max_iter=1)
    expected = result.problem.a[..., None] * (-cost / 0.3).softmax(dim=2)
    torch.testing.assert_close(result.plan, expected)
    assert result.converged.all()


def test_warm_start_needs_fewer_sweeps(generator):
    cost = torch.rand(1, 20, 8, generator=generator, dtype=torch.float64)
    cold = otseg.sinkhorn(cost, epsilon=0.02, tol=1e-8, max_iter=10_000)
    for init in (cold, (cold.f, cold.g)):
        warm = otseg.sinkhorn(cost, epsilon=0.02, tol=1e-8, init=init)
        assert int(warm.n_iter) <= 10 < int(cold.n_iter)
        torch.testing.assert_close(warm.plan, cold.plan, atol=1e-7, rtol=0)


def test_a_converged_problem_is_frozen(generator):
    """An easy problem stops early, whatever its neighbors do."""
    easy, hard = torch.zeros(1, 6, 4), torch.rand(1, 6, 4, generator=generator)
    epsilon = torch.tensor([1.0, 1e-3])
    result = otseg.sinkhorn(torch.cat([easy, hard]), epsilon=epsilon, tol=1e-5)
    assert int(result.n_iter[0]) == 10 < int(result.n_iter[1])


def test_annealing_stages_per_problem(generator):
    cost = torch.rand(2, 15, 6, generator=generator, dtype=torch.float64)
    epsilon = torch.tensor([0.5, 0.03], dtype=torch.float64)
    stages = []

    def spy(problem, **options):
        stages.append(problem.epsilon.tolist())
        return sinkhorn(problem, tol=1e-11, max_iter=20_000, **options)

    result = otseg.solve(cost, epsilon=epsilon, solver=annealed(spy, start=1.0, factor=0.25))
    assert stages == [[1.0, 1.0], [0.5, 0.25], [0.5, 0.0625], [0.5, 0.03]]
    direct = otseg.sinkhorn(cost, epsilon=epsilon, tol=1e-11, max_iter=20_000)
    torch.testing.assert_close(result.plan, direct.plan, atol=1e-8, rtol=0)
    assert torch.equal(result.problem.epsilon, epsilon)
    with pytest.raises(ValueError, match="`factor` must be"):
        annealed(sinkhorn, start=1.0, factor=1.0)


def test_swapping_sides_transposes_the_plan(generator):
    cost = torch.rand(1, 7, 5, generator=generator, dtype=torch.float64)
    for rho_a, rho_b in ((0.3, 0.1), (math.inf, 0.2), (0.0, 1.0)):
        one = otseg.sinkhorn(cost, epsilon=0.1, rho_a=rho_a, rho_b=rho_b, tol=1e-12, max_iter=5000)
        other = otseg.sinkhorn(cost.mT, epsilon=0.1, rho_a=rho_b, rho_b=rho_a, tol=1e-12, max_iter=5000)
        torch.testing.assert_close(one.plan, other.plan.mT, atol=1e-9, rtol=0)
