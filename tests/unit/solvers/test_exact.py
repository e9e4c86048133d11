"""The exact solver against scipy's linear program, brute force and the inequalities that define a subgradient."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch.autograd import gradcheck

import otseg
from otseg import Problem
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import exact
from tests.asserts import assert_is_plan, single
from tests.strategies import problems

balanced = problems(rho_a=st.just(math.inf), rho_b=st.just(math.inf))
quick = settings(max_examples=25, deadline=None)


def linear_program(cost, a, b):
    """Value of the program by scipy; one of its equations is redundant and left out."""
    n, k = cost.shape
    rows, columns = np.kron(np.eye(n), np.ones(k)), np.kron(np.ones(n), np.eye(k))
    equations, masses = np.concatenate([rows, columns])[:-1], np.concatenate([a, b])[:-1]
    found = linprog(cost.ravel(), A_eq=equations, b_eq=masses, method="highs")
    assert found.status == 0
    return found.fun


def random_problem(generator, batch=2, n=6, k=4, **options):
    cost = torch.rand(batch, n, k, generator=generator, dtype=torch.float64)
    a = torch.rand(batch, n, generator=generator, dtype=torch.float64) + 0.1
    b = torch.rand(batch, k, generator=generator, dtype=torch.float64) + 0.1
    a, b = a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)
    return Problem.make(cost, a, b, epsilon=1.0, **options)


@quick
@given(balanced)
def test_is_the_optimum_of_the_linear_program(problem):
    result = exact(problem)
    assert_is_plan(result, atol=1e-12)
    assert result.converged.all()
    torch.testing.assert_close(result.marginal_b, problem.b, atol=1e-12, rtol=0)
    for i in range(len(problem.cost)):
        alone = single(problem, i)
        expected = linear_program(alone.cost[0].numpy(), alone.a[0].numpy(), alone.b[0].numpy())
        assert float(result.value[i]) == pytest.approx(expected, abs=1e-10)
        assert float(result.value_linear[i]) == pytest.approx(expected, abs=1e-10)


@quick
@given(balanced)
def test_potentials_are_feasible_optimal_and_centered(problem):
    result = exact(problem)
    f, g = result.f, result.g
    slack = (problem.cost - f.unsqueeze(2) - g.unsqueeze(1))[problem.mask]
    assert (slack >= -1e-12).all()  # also where a mass is 0
    dual = (f * problem.a).sum(dim=1) + (g * problem.b).sum(dim=1)
    torch.testing.assert_close(dual, result.value)
    torch.testing.assert_close((g * problem.b).sum(dim=1), torch.zeros_like(dual), atol=1e-12, rtol=0)
    assert (f[~problem.mask] == 0).all()


@quick
@given(balanced)
def test_alone_unpadded_equals_in_a_batch(problem):
    together = exact(problem)
    for i in range(len(problem.cost)):
        alone, n = exact(single(problem, i)), int(problem.mask[i].sum())
        assert torch.equal(together.plan[i, :n], alone.plan[0])
        assert torch.equal(together.f[i, :n], alone.f[0])
        assert torch.equal(together.g[i], alone.g[0])


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_best_permutation(seed):
    cost = torch.rand(1, 5, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    best = min(itertools.permutations(range(5)), key=lambda p: sum(cost[0, i, j] for i, j in enumerate(p)))
    assert otseg.solve(cost, epsilon=1.0, solver=exact).labels()[0].tolist() == list(best)


def test_is_the_limit_of_sinkhorn(generator):
    problem = random_problem(generator)
    near = otseg.sinkhorn(problem.cost, problem.a, problem.b, epsilon=2e-3, tol=1e-9, max_iter=100_000)
    torch.testing.assert_close(exact(problem).plan, near.plan, atol=1e-4, rtol=0)
    torch.testing.assert_close(exact(problem).value, near.value_linear, atol=1e-4, rtol=0)


def test_epsilon_plays_no_role_and_value_has_the_linear_priors(generator):
    problem = random_problem(generator, priors=[LinearOrder(0.7)])
    result, other = exact(problem), exact(replace(problem, epsilon=0.01 * problem.epsilon))
    assert torch.equal(result.plan, other.plan)
    assert (result.problem.epsilon == 0).all()
    assert torch.equal(result.value, other.value)
    folded = problem.linear_cost
    for i in range(2):
        expected = linear_program(folded[i].numpy(), problem.a[i].numpy(), problem.b[i].numpy())
        assert float(result.value[i]) == pytest.approx(expected)
    torch.testing.assert_close(result.value_linear, (problem.cost * result.plan).sum(dim=(1, 2)))
    assert (result.value_linear < result.value).all()


def test_gradient_where_plan_and_potentials_are_unique(generator):
    problem = random_problem(generator)
    cost = problem.cost.requires_grad_()
    a, b = problem.a.log().requires_grad_(), problem.b.log().requires_grad_()

    def value(cost, a, b):  # masses stay on the simplex
        return exact(replace(problem, cost=cost, a=a.softmax(dim=1), b=b.softmax(dim=1))).value

    assert gradcheck(value, (cost, a, b))


def test_gradient_in_the_weight_of_a_prior(generator):
    problem = random_problem(generator)
    weight = torch.tensor([0.3, 0.8], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda w: exact(replace(problem, priors=(LinearOrder(w),))).value, weight)


def test_gradient_modes(generator):
    problem = random_problem(generator)
    problem = replace(problem, cost=problem.cost.requires_grad_(), a=problem.a.requires_grad_())
    assert not exact(problem, grad="none").value.requires_grad
    result = exact(problem)
    cost, a = torch.autograd.grad(result.value.sum(), (problem.cost, problem.a))
    assert torch.equal(cost, result.plan)
    assert torch.equal(a, result.f)
    with pytest.raises(ValueError, match="`grad` must be one of 'none', 'envelope'; got 'unroll'"):
        exact(problem, grad="unroll")


@dataclass(frozen=True)
class Forbidden:
    """A constraint: entries that the plan may not use."""

    entries: torch.Tensor  # (N, K)
    linear = True

    def energy_and_grad(self, plan, mask):
        return plan.new_zeros(len(plan)), torch.zeros_like(plan)

    def smoothness(self, a, mask):
        return a.new_zeros(len(a))

    def support(self, mask, n_actions):
        return (~self.entries).expand(len(mask), -1, -1)


def test_constraints_are_kept(generator):
    entries = torch.rand(6, 4, generator=generator) > 0.7
    problem = random_problem(generator, priors=[Forbidden(entries)])
    problem = replace(problem, b=torch.full((2, 4), 0.25, dtype=torch.float64))
    result = exact(problem)
    assert entries.any()
    assert (exact(replace(problem, priors=())).plan[:, entries] > 0).any()
    assert (result.plan[:, entries] == 0).all()
    assert result.converged.all()
    for i in range(2):
        cost = problem.cost[i].masked_fill(entries, 1e4)
        expected = linear_program(cost.numpy(), problem.a[i].numpy(), problem.b[i].numpy())
        assert float(result.value[i]) == pytest.approx(expected, abs=1e-9)
    slack = problem.cost - result.f.unsqueeze(2) - result.g.unsqueeze(1)
    assert (slack[:, ~entries] >= -1e-12).all()


def test_constraints_without_a_plan_are_said():
    entries = torch.tensor([[False, True], [False, True], [True, False]])  # half of the mass must go to a third
    result = otseg.solve(torch.rand(1, 3, 2), epsilon=1.0, priors=[Forbidden(entries)], solver=exact)
    assert not result.converged.any()
    assert float(result.error) > 0.1


@quick
@given(balanced, st.integers(0, 1000))
def test_plan_and_potentials_are_subgradients_even_where_degenerate(problem, seed):
    """The value is concave in the cost and convex in the masses; ties and zero masses included."""
    result = exact(problem)
    generator = torch.Generator().manual_seed(seed)
    other = torch.rand(problem.cost.shape, generator=generator, dtype=torch.float64)
    other = other.masked_fill(~problem.mask.unsqueeze(2), 0)
    bound = result.value + (result.plan * (other - problem.cost)).sum(dim=(1, 2))
    assert (exact(replace(problem, cost=other)).value <= bound + 1e-10).all()
    a = torch.rand(problem.a.shape, generator=generator, dtype=torch.float64) * problem.mask
    b = torch.rand(problem.b.shape, generator=generator, dtype=torch.float64)
    a, b = a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)
    bound = result.value + (result.f * (a - problem.a)).sum(dim=1) + (result.g * (b - problem.b)).sum(dim=1)
    assert (exact(replace(problem, a=a, b=b)).value >= bound - 1e-10).all()


def test_potential_of_a_massless_frame_is_its_marginal_price():
    """The right derivative of the value as mass moves onto a frame that has none."""
    cost = torch.tensor([[[0.1, 0.9], [0.8, 0.3], [0.5, 0.2]]], dtype=torch.float64)
    b = torch.tensor([0.45, 0.55], dtype=torch.float64)
    at = Problem.make(cost, torch.tensor([0.4, 0.6, 0.0], dtype=torch.float64), b, epsilon=1.0)
    step = 1e-3
    moved = replace(at, a=at.a + step * torch.tensor([0.0, -1.0, 1.0], dtype=torch.float64))
    slope = (exact(moved).value - exact(at).value) / step
    torch.testing.assert_close(slope, exact(at).f[:, 2] - exact(at).f[:, 1])


def test_stopping_early_is_said_and_does_not_warn(generator):
    problem = random_problem(generator, batch=1, n=30, k=20)
    few, enough = exact(problem, max_iter=3), exact(problem)
    assert not few.converged.any()
    assert float(few.error) > 0.1
    assert enough.converged.all()
    assert float(enough.error) < 1e-12


def test_dtypes_and_nothing_flows_through_plan_and_potentials(generator, dtype, device):
    cost = torch.rand(2, 5, 3, generator=generator).to(device, dtype).requires_grad_()
    result = otseg.solve(cost, epsilon=0.1, solver=exact)
    for x in (result.plan, result.f, result.g, result.error):
        assert x.dtype == dtype
        assert x.device == cost.device
        assert not x.requires_grad
    torch.testing.assert_close(result.marginal_b, result.problem.b)


def test_empty_batch():
    result = exact(Problem.make(torch.zeros(0, 4, 3), epsilon=0.1))
    assert result.plan.shape == (0, 4, 3)
    assert result.n_iter.shape == result.error.shape == result.converged.shape == (0,)


def test_what_is_no_balanced_linear_program_is_refused():
    cost = torch.rand(1, 4, 2)
    with pytest.raises(ValueError, match=r"`rho_b` must be inf for the solver `exact`; got \[0.5\].*sinkhorn"):
        otseg.solve(cost, epsilon=0.1, rho_b=0.5, solver=exact)
    with pytest.raises(ValueError, match="`rho_a` must be inf"):
        otseg.solve(cost, epsilon=0.1, rho_a=0.0, solver=exact)
    with pytest.raises(ValueError, match=r"`priors` must be linear.*got TemporalSmoothness.*mirror_descent"):
        otseg.solve(cost, epsilon=0.1, priors=[TemporalSmoothness(0.5, 1)], solver=exact)
    with pytest.raises(ValueError, match="`max_iter` must be"):
        exact(Problem.make(cost, epsilon=0.1), max_iter=0)
    problem = Problem.make(cost, epsilon=0.1)
    with pytest.raises(ValueError, match=r"`b` must be of the same total mass as `a`.*got 2 against 1 in problem 0"):
        exact(replace(problem, b=2 * problem.b))
