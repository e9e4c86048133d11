"""Newton's method on Sinkhorn's fixed point: quadratic where close, never worse than a sweep."""

import math

import pytest
import torch
from hypothesis import given, settings

from otseg import Problem
from otseg.ops.divergence import log_weight
from otseg.ops.newton import newton_polish
from otseg.ops.sinkhorn import column_error, sinkhorn_sweeps, slope
from otseg.ops.softmin import softmin
from tests.strategies import problems


def prepared(problem):
    score = -problem.cost / problem.epsilon[:, None, None]
    slopes = slope(problem.rho_a, problem.epsilon), slope(problem.rho_b, problem.epsilon)
    return score, problem.a, problem.b, *slopes


def error_at(arguments, f, g):
    score, a, b, _, slope_b = arguments
    return column_error(g, softmin(score, f, log_weight(a), 1), b, slope_b)


@pytest.mark.parametrize("rho", [(math.inf, math.inf), (math.inf, 1.0), (2.0, 0.5)])
def test_a_few_steps_solve_to_rounding_what_many_sweeps_do_not(rho, generator):
    cost = torch.rand(4, 60, 8, generator=generator, dtype=torch.float64)
    b = torch.rand(4, 8, generator=generator, dtype=torch.float64) * torch.tensor([1.0] * 7 + [0.0])
    problem = Problem.make(cost, b=b / b.sum(1, keepdim=True), epsilon=0.02, rho_a=rho[0], rho_b=rho[1])
    arguments = prepared(problem)
    start = torch.zeros_like(problem.a)
    f, g, _, swept = sinkhorn_sweeps(*arguments, start, 20, None, True)
    assert (swept > 1e-7).all()
    f, g = newton_polish(*arguments, g, 6)
    assert (error_at(arguments, f, g) < 1e-13).all()
    _, _, _, after = sinkhorn_sweeps(*arguments, start, 26, None, True)
    assert (after > 1e-8).all()


@settings(max_examples=60, deadline=None)
@given(problems())
def test_never_worse_than_rounding_and_finite(problem):
    arguments = prepared(problem)
    f, g, _, before = sinkhorn_sweeps(*arguments, torch.zeros_like(problem.a), 3, None, True)
    f, g = newton_polish(*arguments, g, 3)
    assert torch.isfinite(f).all()
    assert torch.isfinite(g).all()
    assert (error_at(arguments, f, g) <= before + 1e-12).all()
