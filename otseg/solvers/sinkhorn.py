"""Entropic optimal transport by Sinkhorn's iterations in the log domain."""

import torch

from otseg import checks
from otseg.ops.divergence import log_weight
from otseg.ops.exponential import exp_in_place, recorded
from otseg.ops.layout import frames_contiguous
from otseg.ops.sinkhorn import center, damping, sinkhorn_sweeps, slope
from otseg.ops.sinkhorn_gradient import implicit_potentials
from otseg.problem import Problem
from otseg.result import OTResult
from otseg.solvers.gradients import MODES, is_implicit, recording, warn_unconverged
from otseg.types import GradMode, Potentials

#: Up to here loops run over frames rather than over actions.
FEW_ACTIONS = 128


def sinkhorn(
    problem: Problem,
    *,
    max_iter: int = 1000,
    tol: float | None = 1e-4,
    init: Potentials | OTResult | None = None,
    grad: GradMode = "implicit",
) -> OTResult:
    r"""Entropic optimal transport by alternating soft-minima, in the log domain.

    .. math::

        g \gets -\tau_b\,\varepsilon \log \sum_n a_n \exp\big((f_n - C_{nk}) / \varepsilon\big), \qquad
        f \gets -\tau_a\,\varepsilon \log \sum_k b_k \exp\big((g_k - C_{nk}) / \varepsilon\big)

    with :math:`\tau = 1 / (1 + \varepsilon / \rho)`: balanced, unbalanced and semi-relaxed transport in one loop, one
    value of everything per problem. Each sweep costs O(BNK) time and memory, two exponentials per entry. A side whose
    marginal is free (``rho_b = 0``) is solved in closed form by the first sweep. Where a marginal is penalized, the
    constant that both potentials share is set to its optimum in every sweep, which cures the slow convergence for
    ``rho`` much above ``epsilon``.

    Args:
        problem: Transport problem; every prior must be linear. ``otseg.sinkhorn`` takes a cost instead.
        max_iter: Largest number of sweeps (one update of ``g`` and one of ``f``), at least 1.
        tol: Stop a problem when its ``error`` is below this: the L1 distance of the action marginal from
            ``b exp(-g / rho_b)`` (from ``b`` where it is exact), relative to the mass of ``b``. Frame marginals meet
            theirs by construction. Tested every 10 sweeps; ``None`` runs all sweeps without a test.
        init: Potentials ``(f, g)`` or a result to start from, in units of the cost; zeros if ``None``. The first
            update needs only ``f``.
        grad: How the result is differentiated, see :mod:`otseg.solvers.gradients`.

    Returns:
        Result with potentials, ``<b, g> = 0`` where both marginals are exact; ``converged`` is False where ``tol`` was
        not reached or not given.

    Raises:
        ValueError: If a prior is not linear or an option is out of range.

    Example:
        >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> otseg.solve(cost, epsilon=0.1).labels()
        tensor([[0, 1]])

    References:
        :cite:`cuturi2013sinkhorn`, Algorithm 1; :cite:`chizat2018scaling` for finite ``rho``;
        :cite:`sejourne2022faster` for the shared constant.
    """
    checks.number("max_iter", max_iter, 1, integer=True)
    if tol is not None:
        checks.number("tol", tol, 0)
    curved = [type(prior).__name__ for prior in problem.curved_priors]
    fix = "Solve it with solver=otseg.solvers.mirror_descent."
    checks.require(not curved, "priors", "linear for the solver `sinkhorn`", ", ".join(curved), fix)
    checks.choice("grad", grad, MODES)
    a, b, epsilon = problem.a, problem.b, problem.epsilon
    with recording(grad in ("implicit", "unroll"), problem.cost.device):
        scale = epsilon[:, None]
        score = -problem.linear_cost / scale.unsqueeze(2)
        if score.shape[2] <= FEW_ACTIONS:
            score = frames_contiguous(score)
        support = problem.support
        if support is not None:
            score = score.masked_fill(~support, float("-inf"))
        slopes = slope(problem.rho_a, epsilon), slope(problem.rho_b, epsilon)
        exact = (slopes[0] == 0) & (slopes[1] == 0)
        translate = not (checks.readable(exact) and bool(exact.all()))
        start = _start(init, problem) / scale
        with recording(grad == "unroll", problem.cost.device):
            f, g, n_iter, error = sinkhorn_sweeps(score, a, b, *slopes, start, max_iter, tol, translate)
        log_a, log_b = log_weight(a), log_weight(b)
        if is_implicit(grad, score, a, b, *slopes):
            warn_unconverged(error, "Raise `max_iter`, or use grad='unroll'.")
            f, g = implicit_potentials(score, log_a, log_b, damping(slopes[0]), damping(slopes[1]), f, g)
        f, g = center(f, g, b, exact)
        log_plan = score + (f + log_a).unsqueeze(2) + (g + log_b).unsqueeze(1)
        plan = (log_plan.exp() if recorded(log_plan) else exp_in_place(log_plan)).contiguous()
        f, g = (f * scale).masked_fill(~problem.mask, 0), g * scale
    converged = error < tol if tol is not None else torch.zeros_like(n_iter, dtype=torch.bool)
    return OTResult(plan, problem, f, g, n_iter, error, converged, grad)


def _start(init: Potentials | OTResult | None, problem: Problem) -> torch.Tensor:
    if init is None:
        return torch.zeros_like(problem.a)
    f, g = (init.f, init.g) if isinstance(init, OTResult) else init
    if f is None or g is None:
        got = "a result without potentials"
        checks.fail("init", "potentials (f, g) or a result of `sinkhorn`", got, "Start from (f, g) of your own.")
    for name, value, like in (("init[0]", f, problem.a), ("init[1]", g, problem.b)):
        checks.shape(name, value, tuple(like.shape), "(B, N)" if like is problem.a else "(B, K)")
        checks.like(name, value, "cost", problem.cost)
        checks.finite(name, value)
    return f
