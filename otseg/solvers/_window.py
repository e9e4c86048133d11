"""The problems that one fused loop solves: a temporal window, and a penalty of the actions that is linearized."""

from typing import cast

import torch
from torch import Tensor

from otseg.ops.sinkhorn import needs_formula
from otseg.ops.window_descent import window_descent
from otseg.problem import Problem
from otseg.result import OTResult
from otseg.solvers._descent import KEEP_ABOVE, decided
from otseg.solvers._start import start
from otseg.types import GradMode, WindowPrior, satisfies


def window_solution(
    problem: Problem,
    init: Tensor | OTResult | None,
    step: Tensor | None,
    max_iter: int,
    tol: float | None,
    grad: GradMode,
) -> OTResult | None:
    """Mirror descent by :func:`~otseg.ops.window_descent.window_descent`; ``None`` where that does not apply.

    It does for one curved prior, a window, no constraint, a penalty of the actions that is linearized, and where no
    derivative of the iterations is wanted.
    """
    curved = problem.curved_priors
    if len(curved) != 1 or not satisfies(curved[0], WindowPrior) or problem.support is not None:
        return None
    cost, prior = problem.linear_cost, cast(WindowPrior, curved[0])
    half_width, weight, curvature = prior.window_term(problem.a, problem.mask)
    settings = problem.epsilon, problem.rho_a, problem.rho_b, weight
    if needs_formula(cost, problem.a, problem.b, *settings):
        return None
    if decided(~(problem.rho_b <= KEEP_ABOVE * curvature)):
        return None
    density = None if init is None else start(problem, init)
    plan, f, g, _, error, n_iter, _ = window_descent(
        cost, problem.a, problem.b, *settings, half_width, curvature, density, step, max_iter, tol, False
    )
    converged = error < tol if tol is not None else torch.zeros_like(n_iter, dtype=torch.bool)
    return OTResult(plan, problem, f, g, n_iter, error, converged, grad)
