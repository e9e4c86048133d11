"""Epsilon annealing around any solver."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from otseg import checks
from otseg.problem import Problem
from otseg.result import OTResult, Solver
from otseg.types import PerProblem


def annealed(solver: Any, *, start: PerProblem, factor: float = 0.5) -> Solver:
    r"""A solver that lowers ``epsilon`` from ``start`` to the problem's own, every stage starting from the last.

    Stage :math:`t` solves with :math:`\max(\varepsilon, \mathrm{start} \cdot \mathrm{factor}^t)`, problem by problem: a
    problem that has reached its own epsilon is solved there once and keeps that result, so that its neighbors change
    nothing. Large epsilons converge in few iterations and bring the small ones close to their solution.

    Args:
        solver: Function from a problem to a result that takes a result as ``init``, such as
            :func:`otseg.solvers.sinkhorn`; set its options with :func:`functools.partial`.
        start: Epsilon of the first stage, above 0, such as the range of the cost; one value, or one per problem.
        factor: Between 0 and 1: how much of epsilon is left in the next stage.

    Returns:
        A solver. Its ``n_iter`` counts the iterations of all stages.

    Example:
        >>> from functools import partial
        >>> solver = annealed(partial(otseg.solvers.sinkhorn, tol=1e-6, max_iter=5000), start=1.0)
        >>> cost = torch.rand(1, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        >>> bool(otseg.solve(cost, epsilon=0.01, solver=solver).converged)
        True

    References:
        :cite:`schmitzer2019stabilized`, section 3.2 (epsilon scaling).
    """
    checks.number("factor", factor, 0, 1, open_low=True)
    checks.require(factor < 1, "factor", "below 1", factor)
    if not isinstance(start, Tensor):
        checks.number("start", start, 0, open_low=True)

    def solve_annealed(problem: Problem, **options: Any) -> OTResult:
        first = torch.as_tensor(start, dtype=problem.epsilon.dtype, device=problem.epsilon.device)
        first = torch.maximum(first.expand_as(problem.epsilon), problem.epsilon).detach()
        # Every problem's last stage is the last of all: easy problems start later, and wait until then.
        ratio = (first / problem.epsilon.detach()).log() / -math.log(factor)
        stages = ratio.sub(1e-6).ceil().clamp(min=0).long()  # (B,) stages above the problem's own epsilon
        result = None
        for stage in range(max(stages.tolist(), default=0) + 1):
            epsilon = torch.where(stage >= stages, problem.epsilon, first * factor**stage)
            if result is not None:
                options["init"] = result
            new: OTResult = solver(replace(problem, epsilon=epsilon), **options)
            result = new if result is None else _merge(stage <= stages, new, result)
        assert result is not None
        return replace(result, problem=problem)

    return solve_annealed


def _merge(running: Tensor, new: OTResult, old: OTResult) -> OTResult:
    """The new result where a problem is still running, the old one elsewhere."""

    def pick(name: str) -> Any:
        x, y = getattr(new, name), getattr(old, name)
        if x is None:
            return None
        return torch.where(running.reshape(-1, *[1] * (x.dim() - 1)), x, y)

    count = torch.where(running, old.n_iter + new.n_iter, old.n_iter)
    names = ("plan", "f", "g", "error", "converged")
    return replace(new, n_iter=count, **{name: pick(name) for name in names})
