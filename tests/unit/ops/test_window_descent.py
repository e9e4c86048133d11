"""The fused loop of mirror descent: the op against the general solver, kernel against reference, padding, extremes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import otseg
from otseg import Problem
from otseg.ops.window_descent import reference_window_descent, window_descent
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import _window, mirror_descent

STATE = otseg.backend_info()["cpu"]
compiled = pytest.mark.skipif(not STATE.startswith("loaded"), reason=f"CPU kernels: {STATE}")
DOUBLE = torch.float64


def make(seed, shape=(3, 70, 5), *, epsilon=0.07, rho_a=math.inf, rho_b=0.1, alpha=0.4, radius=0.04, dtype=DOUBLE):
    """Ragged problems with zero masses on both sides, each with its own settings."""
    generator = torch.Generator().manual_seed(seed)
    batch, n, k = shape
    cost = torch.rand(shape, generator=generator, dtype=DOUBLE)
    mask = torch.arange(n) < torch.randint(1, n + 1, (batch, 1), generator=generator)
    a = (torch.rand(batch, n, generator=generator, dtype=DOUBLE) + 0.1) * mask
    a = a * ((torch.rand(batch, n, generator=generator) > 0.2) | (torch.arange(n) == 0))
    b = torch.rand(batch, k, generator=generator, dtype=DOUBLE) + 0.1
    b = b * ((torch.rand(batch, k, generator=generator) > 0.3) | (torch.arange(k) == 0))
    a, b = a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)
    vary = 1 + torch.rand(batch, generator=generator, dtype=DOUBLE)
    priors = (TemporalSmoothness(alpha * vary, radius), LinearOrder(0.1))
    values = [x.to(dtype) for x in (cost, a, b)]
    per_problem = {"epsilon": epsilon * vary, "rho_a": rho_a * vary, "rho_b": rho_b * vary}
    per_problem = {name: value.to(dtype) for name, value in per_problem.items()}
    return Problem.make(*values, mask=mask, priors=priors, **per_problem)


def arguments(problem, init=None, step=None):
    prior = problem.curved_priors[0]
    half_width, weight = prior.window_term(problem.a, problem.mask)
    curvature = prior.smoothness(problem.a, problem.mask)
    marginals = problem.a, problem.b, problem.epsilon, problem.rho_a, problem.rho_b
    return problem.linear_cost, *marginals, weight, half_width, curvature, init, step


any_problem = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "shape": st.tuples(st.integers(1, 3), st.integers(1, 150), st.integers(1, 20)),
        "epsilon": st.sampled_from([1e-3, 0.07, 1.0, 50.0]),
        "rho_a": st.sampled_from([0.0, 0.05, 2.0, math.inf, math.inf]),
        "rho_b": st.sampled_from([0.0, 0.01, 0.1, 3.0]),
        "alpha": st.sampled_from([0.0, 0.4, 1.0]),
        "radius": st.sampled_from([1, 3, 0.04, 0.5, 1.0]),
    }
)


@settings(max_examples=40, deadline=None)
@given(case=any_problem, n_iter=st.integers(0, 12))
def test_reference_is_the_general_solver(case, n_iter):
    """The general path of mirror descent, which knows nothing of windows, does the same iterations."""
    problem = make(**{**case, "rho_b": min(case["rho_b"], 0.2)})
    curvature = problem.curved_priors[0].smoothness(problem.a, problem.mask)
    problem = Problem.make(
        problem.cost, problem.a, problem.b, epsilon=problem.epsilon, rho_a=problem.rho_a,
        rho_b=torch.minimum(problem.rho_b, curvature), mask=problem.mask, priors=problem.priors,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_window, "recorded", lambda *_: True)
        expected = mirror_descent(problem, max_iter=n_iter, grad="none")
    found = reference_window_descent(*arguments(problem), n_iter, None, False)
    torch.testing.assert_close(found[0], expected.plan, atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(found[1].masked_fill(~problem.mask, 0), expected.f, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(found[2], expected.g, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(found[4], expected.error, atol=1e-10, rtol=1e-8)
