"""Composite mirror descent for plans with curved priors, such as Gromov-Wasserstein smoothness."""

import torch
from torch import Tensor

from otseg import checks
from otseg.ops.sinkhorn import TEST_EVERY
from otseg.ops.step_rule import ROUNDING, StepRule
from otseg.problem import Problem
from otseg.result import OTResult
from otseg.solvers._descent import Descent, Point
from otseg.solvers._implicit import implicit_point
from otseg.solvers._start import start
from otseg.solvers._window import window_solution
from otseg.solvers.gradients import MODES, recording
from otseg.types import GradMode, PerProblem


def mirror_descent(
    problem: Problem,
    *,
    max_iter: int = 50,
    step: PerProblem | None = None,
    inner_iter: int = 10,
    tol: float | None = None,
    init: Tensor | OTResult | None = None,
    grad: GradMode = "unroll",
) -> OTResult:
    r"""Stationary plan of a problem with curved priors, by monotone mirror descent in the log domain.

    The entropy and the frame marginal are kept as they are, everything else (:math:`h`: curved priors and the penalty
    of the action marginal) is linearized at the current plan:

    .. math::

        P \gets \arg\min_X \; \langle C + \nabla h(P), X \rangle + \varepsilon\,\mathrm{KL}(X \mid a b^\top)
        + \rho_a \mathrm{KL}(X 1 \mid a) + \tfrac{1}{s}\,\mathrm{KL}(X \mid P)

    which is one exponential per entry: :math:`M \gets (M / s - G) / (1 / s + \varepsilon)` plus a constant per frame,
    with :math:`M = \log P / (a b)` and :math:`G` the gradient. Where the action marginal is exact, or its penalty
    dominates the curvature of the priors, it is kept too and solved by inner Sinkhorn sweeps, warm-started.

    The step :math:`s` is set per problem: it doubles after a descent; a plan that raises the objective is rejected
    and the step shrinks, down to ``1 / L`` where the problem is ``L``-smooth relative to the entropy
    (``L = 2 alpha + rho_b`` for ASOT) and descent is certain. So the objective, :attr:`otseg.OTResult.value`, never
    rises (with an exact action marginal: up to the violation that the inner sweeps leave, which is penalized).
    One iteration costs O(BNK) time plus the priors' gradients.

    Args:
        problem: Transport problem with any priors. ``otseg.gromov_ot`` takes a cost instead.
        max_iter: Largest number of iterations, rejected ones included.
        step: Fixed step :math:`s` instead of the safeguarded one, above 0, in 1 / cost; one value, or one per problem.
        inner_iter: Sinkhorn sweeps per iteration where the action marginal is not linearized.
        tol: Stop a problem when its ``error`` is below this: the L1 distance between the plan and its best response
            (the minimizer with ``s = inf``), relative to the mass of ``a``, plus the violation of a kept action
            marginal. Zero exactly at stationary plans. Tested every 10 iterations; ``None`` runs them all.
        init: Plan, or result, to start from; the product ``a b`` if ``None``.
        grad: How the result is differentiated, see :mod:`otseg.solvers.gradients`. Unrolled steps count as constants.
            ``"implicit"`` needs a plan close to stationary, and a strict minimum.

    Returns:
        Result with potentials, exact at stationary plans; ``converged`` is False where ``tol`` was not reached or not
        given.

    Raises:
        ValueError: If an option is out of range.

    Note:
        The published solver of ASOT takes an explicit step on the entropy as well, the same for the whole batch, and
        guarantees no descent: :func:`otseg.solvers.published_mirror_descent`.

    Example:
        >>> cost = torch.rand(1, 50, 4, generator=torch.Generator().manual_seed(0))
        >>> prior = otseg.priors.TemporalSmoothness(weight=0.5, radius=0.1)
        >>> result = otseg.solve(cost, epsilon=0.05, rho_b=0.1, priors=[prior], solver=mirror_descent)
        >>> int((result.labels().diff() != 0).sum()) < int((cost.argmin(dim=2).diff() != 0).sum())
        True

    References:
        :cite:`xu2024asot`, Algorithm 1 (projected mirror descent); :cite:`lu2018relatively` (relative smoothness).
    """
    checks.number("max_iter", max_iter, 0, integer=True)
    checks.number("inner_iter", inner_iter, 1, integer=True)
    if tol is not None:
        checks.number("tol", tol, 0)
    checks.choice("grad", grad, MODES)
    size = None if step is None else _fixed(step, problem.epsilon)
    with recording(grad in ("implicit", "unroll"), problem.cost.device):
        implicit = grad == "implicit" and torch.is_grad_enabled()
        with recording(grad == "unroll", problem.cost.device):
            fused = window_solution(problem, init, size, max_iter, tol, grad)
        if fused is not None and not implicit:
            return fused
        descent = Descent.of(problem, inner_iter)
        with recording(grad == "unroll", problem.cost.device):
            if fused is not None:
                point, n_iter = descent.point(start(problem, fused), None), fused.n_iter
            else:
                exact = torch.isinf(problem.rho_a)
                rule = StepRule(descent.smoothness, problem.epsilon.detach(), exact, size)
                point, n_iter = _iterate(descent, start(problem, init), rule, max_iter, tol)
        error = None
        if implicit:
            error = descent.error(point)
            point = implicit_point(descent, point, error)
        f, g, best = descent.respond(point)
        error = descent.error(point, best) if error is None else error
        plan = point.plan.contiguous()
    converged = error < tol if tol is not None else torch.zeros_like(n_iter, dtype=torch.bool)
    return OTResult(plan, problem, f, g, n_iter, error, converged, grad)


def _iterate(descent: Descent, start: Tensor, rule: StepRule, max_iter: int, tol: float | None) -> tuple[Point, Tensor]:
    point = descent.point(start, None)
    rounding = ROUNDING * torch.finfo(start.dtype).eps * descent.scale
    active = torch.ones_like(descent.problem.epsilon, dtype=torch.bool)
    n_iter = torch.full_like(active, max_iter, dtype=torch.int64)
    for i in range(max_iter):
        if tol is not None and i and i % TEST_EVERY == 0:
            done = active & (descent.error(point) < tol)
            n_iter, active = torch.where(done, i, n_iter), active & ~done
            if not bool(active.any()):
                break
        candidate = descent.propose(point, rule.size)
        change = (candidate.objective - point.objective).detach()
        accepted = active & rule.judge(change, rounding)
        point = candidate.where(accepted, point)
    return point, n_iter


def _fixed(step: PerProblem, epsilon: Tensor) -> Tensor:
    size = torch.as_tensor(step, dtype=epsilon.dtype, device=epsilon.device).expand_as(epsilon)
    if checks.readable(size):
        checks.require(bool((size > 0).all()), "step", "above 0", step)
    return size
