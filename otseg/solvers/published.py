"""The iteration of ASOT's released code, for parity with published numbers."""

import torch
from torch import Tensor

from otseg import checks
from otseg.ops.divergence import log_weight
from otseg.ops.layout import frames_contiguous
from otseg.ops.softmin import softmin
from otseg.problem import Problem
from otseg.result import OTResult
from otseg.solvers.gradients import recording
from otseg.types import GradMode


def published_mirror_descent(
    problem: Problem,
    *,
    max_iter: int = 25,
    step: float | None = None,
    inner_iter: int = 1,
    grad: GradMode = "unroll",
) -> OTResult:
    r"""Projected mirror descent exactly as ASOT's released code does it, in the log domain.

    With :math:`G` the gradient of the whole objective, entropy and penalties included,
    :math:`P \gets P \exp(-\eta\,G)`, then frames are rescaled to ``a`` where they are exact, or actions to ``b``
    where only they are; both relaxed: no rescaling. Both exact: the step is not used, and ``inner_iter`` Sinkhorn
    rounds project :math:`\exp(-G' / \varepsilon)`, with :math:`G'` the gradient without the entropy. O(BNK) time per
    iteration plus the priors' gradients.

    Args:
        problem: Transport problem with any priors. Each side must be exact, or relaxed, in the whole batch.
        max_iter: Number of iterations.
        step: The step :math:`\eta`; 4 over the largest entry of the first gradient *of the batch* if ``None``.
        inner_iter: Sinkhorn rounds per iteration where both sides are exact.
        grad: How the result is differentiated, see :mod:`otseg.solvers.gradients`.

    Returns:
        Result without potentials. Its ``error`` is the L1 change of the plan in the last iteration, relative to the
        mass of ``a``; ``converged`` is False, since nothing is tested.

    Note:
        This is ``protocol="published"``: the automatic step depends on the rest of the batch and on padding, has no
        guarantee of descent (it raises the objective for large epsilon), and an action whose mass underflows ends in
        NaN. Its gradient has no reference measure, which matters for the automatic step (it is added back here) and
        where both sides are relaxed (add ``epsilon log(a b) + rho_a + rho_b`` to the cost). For everything but parity
        use :func:`otseg.solvers.mirror_descent`.

    References:
        :cite:`xu2024asot`, Algorithm 1, and its released code.
    """
    checks.number("max_iter", max_iter, 1, integer=True)
    checks.number("inner_iter", inner_iter, 1, integer=True)
    if step is not None:
        checks.number("step", step, 0, open_low=True)
    exact_a, exact_b = _exact("rho_a", problem.rho_a), _exact("rho_b", problem.rho_b)
    checks.choice("grad", grad, ("none", "unroll"))
    with recording(grad == "unroll", problem.cost.device):
        cost = frames_contiguous(problem.linear_cost)
        log_a, log_b = log_weight(problem.a), log_weight(problem.b)
        density = torch.zeros_like(cost)
        plan = _plan(density, log_a, log_b)
        size: Tensor | float | None = step
        for _ in range(max_iter):
            old = plan
            gradient = _gradient(problem, cost, plan, exact_a, exact_b)
            if exact_a and exact_b:
                density = _balanced(-gradient / problem.epsilon[:, None, None], log_a, log_b, inner_iter)
            else:
                size = _first_step(problem, gradient) if size is None else size
                density = density - size * (gradient + problem.epsilon[:, None, None] * density)
                if exact_a:
                    density = density + softmin(density, torch.zeros_like(problem.b), log_b, 2).unsqueeze(2)
                elif exact_b:
                    density = density + softmin(density, torch.zeros_like(problem.a), log_a, 1).unsqueeze(1)
            plan = _plan(density, log_a, log_b)
    with torch.no_grad():
        error = (plan - old).abs().sum(dim=(1, 2)) / problem.a.sum(dim=1)
    n_iter = torch.full_like(error, max_iter, dtype=torch.int64)
    plan = plan.contiguous()
    return OTResult(plan, problem, None, None, n_iter, error, torch.zeros_like(n_iter, dtype=torch.bool), grad)


def _exact(name: str, rho: Tensor) -> bool:
    exact = torch.isinf(rho)
    same = bool(exact.all()) or not bool(exact.any())
    checks.require(same, name, "inf everywhere or nowhere for the published solver", rho.tolist())
    return bool(exact.all())


def _plan(density: Tensor, log_a: Tensor, log_b: Tensor) -> Tensor:
    return (density + log_a.unsqueeze(2) + log_b.unsqueeze(1)).exp()


def _gradient(problem: Problem, cost: Tensor, plan: Tensor, exact_a: bool, exact_b: bool) -> Tensor:
    """Gradient of everything but the entropy."""
    gradient = cost
    for prior in problem.curved_priors:
        gradient = gradient + prior.energy_and_grad(plan, problem.mask)[1]
    if not exact_b:
        ratio = plan.sum(dim=1).log() - log_weight(problem.b)
        gradient = gradient + (problem.rho_b[:, None] * ratio).unsqueeze(1)
    if not exact_a:
        ratio = torch.where(problem.mask, plan.sum(dim=2).log() - log_weight(problem.a), 0)
        gradient = gradient + (problem.rho_a[:, None] * ratio).unsqueeze(2)
    return gradient


def _first_step(problem: Problem, gradient: Tensor) -> Tensor:
    """``4 / max G`` over the batch, with the terms of the published gradient that have no place in ours."""
    product = log_weight(problem.a).unsqueeze(2) + log_weight(problem.b).unsqueeze(1)
    finite = sum(torch.where(torch.isinf(rho), 0, rho) for rho in (problem.rho_a, problem.rho_b))
    published = gradient + problem.epsilon[:, None, None] * product + finite[:, None, None]  # type: ignore[index]
    return 4 / published.detach().masked_fill(~problem.mask.unsqueeze(2), -torch.inf).max()


def _balanced(score: Tensor, log_a: Tensor, log_b: Tensor, rounds: int) -> Tensor:
    """Sinkhorn rounds from zero potentials that end with the actions."""
    g = torch.zeros_like(log_b)
    for _ in range(rounds):
        f = softmin(score, g, log_b, 2)
        g = softmin(score, f, log_a, 1)
    return score + f.unsqueeze(2) + g.unsqueeze(1)
