"""Descent, honesty of convergence, warm starts and fixed steps."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import otseg
from otseg import Problem
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import mirror_descent


def values(problem, steps):
    return torch.stack([mirror_descent(problem, max_iter=n, grad="none").value for n in steps])


@settings(max_examples=30, deadline=None)
@given(
    epsilon=st.sampled_from([1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0]),
    rho_a=st.sampled_from([0.0, 0.05, 1.0, 100.0, math.inf]),
    rho_b=st.sampled_from([0.0, 0.01, 0.1, 1.0, 100.0]),
    alpha=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    radius=st.sampled_from([1, 3, 0.04, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_objective_never_rises(epsilon, rho_a, rho_b, alpha, radius, seed):
    generator = torch.Generator().manual_seed(seed)
    cost = (1 - alpha) * torch.rand(2, 15, 4, generator=generator, dtype=torch.float64)
    mask = torch.arange(15) < torch.tensor([[15], [9]])
    priors = [TemporalSmoothness(alpha, radius)]
    problem = Problem.make(cost, epsilon=epsilon, rho_a=rho_a, rho_b=rho_b, mask=mask, priors=priors)
    trace = values(problem, range(0, 25, 4))
    assert torch.isfinite(trace).all()
    assert (trace.diff(dim=0) <= 1e-12 * (1 + trace[:-1].abs())).all()


@pytest.mark.parametrize("epsilon", [1e-4, 0.1, 100.0])
def test_objective_never_rises_in_float32_beyond_rounding(epsilon, generator):
    cost = torch.rand(1, 200, 8, generator=generator)
    problem = Problem.make(cost, epsilon=epsilon, rho_b=0.1, priors=[TemporalSmoothness(0.4, 0.04)])
    trace = values(problem, range(0, 40, 3))
    assert (trace.diff(dim=0) <= 1e-5 * (1 + epsilon)).all()


@pytest.mark.parametrize("rho", [(math.inf, 0.1), (math.inf, math.inf), (0.5, 0.1), (math.inf, 20.0), (0.5, math.inf)])
def test_converged_means_stationary(rho, generator):
    """At a converged plan, the gradient of the whole objective is what the marginals' multipliers say."""
    cost = torch.rand(2, 30, 4, generator=generator, dtype=torch.float64)
    priors = [TemporalSmoothness(0.2, 0.1), LinearOrder(0.1)]
    problem = Problem.make(cost, epsilon=0.2, rho_a=rho[0], rho_b=rho[1], priors=priors)
    result = mirror_descent(problem, max_iter=2000, tol=1e-9)
    assert result.converged.all()
    assert (result.error < 1e-9).all()
    plan = result.plan.detach().requires_grad_()
    (slope,) = torch.autograd.grad(replace(result, plan=plan).value.sum(), plan)
    if math.isinf(rho[0]):
        slope = slope - slope.mean(dim=2, keepdim=True)
    if math.isinf(rho[1]):
        slope = slope - slope.mean(dim=1, keepdim=True)
    assert slope.abs().max() < 1e-5


def test_not_converged_is_said():
    cost = torch.rand(3, 40, 5, generator=torch.Generator().manual_seed(1))
    problem = Problem.make(cost, epsilon=0.01, rho_b=0.1, priors=[TemporalSmoothness(0.5, 0.1)])
    few = mirror_descent(problem, max_iter=3, tol=1e-6)
    assert not few.converged.any()
    assert (few.error > 1e-6).all()
    assert not mirror_descent(problem, max_iter=3).converged.any()  # no tolerance, no claim


def test_a_confident_plan_that_is_not_optimal_is_not_called_converged():
    """A residual weighted by the plan would be blind to mass that ought to be where none is."""
    cost = torch.tensor([[[0.0, 1.0]] * 6])
    problem = Problem.make(cost, epsilon=0.05, rho_b=0.01, priors=[TemporalSmoothness(0.1, 1)])
    wrong = torch.tensor([[[1e-30, 1.0]] * 6]) / 6
    assert mirror_descent(problem, max_iter=0, tol=1e-3, init=wrong).error > 0.5


def test_warm_start_continues(generator):
    cost = torch.rand(2, 25, 4, generator=generator, dtype=torch.float64)
    problem = Problem.make(cost, epsilon=0.1, rho_b=0.1, priors=[TemporalSmoothness(0.3, 0.1)])
    done = mirror_descent(problem, max_iter=500, tol=1e-10)
    for init in (done, done.plan):
        again = mirror_descent(problem, max_iter=1, init=init)
        torch.testing.assert_close(again.plan, done.plan, atol=1e-8, rtol=0)


def test_warm_start_revives_underflowed_entries():
    cost = torch.tensor([[[0.0, 1.0]] * 4, [[1.0, 0.0]] * 4])
    problem = Problem.make(cost, epsilon=0.5, rho_b=0.1, priors=[TemporalSmoothness(0.1, 1)])
    start = torch.tensor([[[0.25, 0.0]] * 4]).expand(2, -1, -1).contiguous()
    result = mirror_descent(problem, max_iter=300, init=start)
    fresh = mirror_descent(problem, max_iter=300)
    torch.testing.assert_close(result.plan, fresh.plan, atol=1e-3, rtol=0)


def test_fixed_step_is_the_documented_update(generator):
    cost = torch.rand(1, 12, 3, generator=generator, dtype=torch.float64)
    prior = TemporalSmoothness(0.4, 2)
    problem = Problem.make(cost, epsilon=0.3, rho_b=0.2, priors=[prior])
    product = problem.a[..., None] * problem.b[:, None]
    plan, step = product, 0.7
    for _ in range(4):
        grad = cost + prior.energy_and_grad(plan, problem.mask)[1] + 0.2 * (plan.sum(1) / problem.b).log()[:, None]
        logit = ((plan / product).log() / step - grad) / (1 / step + 0.3)
        plan = problem.a[..., None] * (logit + problem.b.log()[:, None]).softmax(dim=2)
    torch.testing.assert_close(mirror_descent(problem, max_iter=4, step=step).plan, plan)


def test_linear_problem_equals_sinkhorn(generator):
    cost = torch.rand(2, 9, 4, generator=generator, dtype=torch.float64)
    for rho_a, rho_b in ((math.inf, math.inf), (math.inf, 0.3), (0.4, 0.2), (1.0, 0.0), (0.0, 1.0)):
        problem = Problem.make(cost, epsilon=0.2, rho_a=rho_a, rho_b=rho_b)
        exact = otseg.solvers.sinkhorn(problem, max_iter=5000, tol=1e-12)
        found = mirror_descent(problem, max_iter=60)
        torch.testing.assert_close(found.plan, exact.plan, atol=1e-7, rtol=0)


def test_action_without_mass_stays_empty_and_finite(generator):
    b = torch.tensor([0.5, 0.0, 0.5])
    cost = torch.rand(1, 20, 3, generator=generator)
    cost[..., 1] = -50.0
    result = otseg.gromov_ot(cost, b=b, epsilon=0.01, alpha=0.4, radius=0.1, rho_b=0.1)
    assert torch.isfinite(result.plan).all()
    assert (result.plan[..., 1] == 0).all()
    torch.testing.assert_close(result.marginal_a, torch.full((1, 20), 0.05))


@pytest.mark.parametrize("rho_b", [0.05, math.inf])
def test_masses_other_than_one(rho_b, generator):
    """A problem of mass m is one of mass 1 with everything else scaled; it starts with the right rows."""
    cost = torch.rand(1, 40, 5, generator=generator, dtype=torch.float64)
    mass = 3.0
    a, b = torch.full((1, 40), mass / 40, dtype=torch.float64), torch.full((1, 5), mass / 5, dtype=torch.float64)
    prior, scaled = TemporalSmoothness(0.3, 0.1), TemporalSmoothness(0.3 / mass, 0.1)
    one = mirror_descent(Problem.make(cost, epsilon=0.1, rho_b=rho_b, priors=[prior]), max_iter=400, tol=1e-8)
    problem = Problem.make(cost, a, b, epsilon=0.1, rho_b=rho_b, priors=[scaled])
    for n in (0, 1, 2):
        early = mirror_descent(problem, max_iter=n, grad="none")
        torch.testing.assert_close(early.marginal_a, a)
    many = mirror_descent(problem, max_iter=400, tol=1e-8)
    torch.testing.assert_close(many.plan, mass * one.plan, atol=1e-6, rtol=1e-5)
