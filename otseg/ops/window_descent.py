"""Mirror descent with a temporal window, the whole loop of a batch: what a fused kernel can take over."""

import torch
from torch import Tensor

from otseg.ops._backend import LIBRARY
from otseg.ops.band import band_sum
from otseg.ops.divergence import dot, kl, log_weight
from otseg.ops.layout import frames_contiguous
from otseg.ops.mirror_step import mirror_step
from otseg.ops.sinkhorn import TEST_EVERY, damping, slope
from otseg.ops.step_rule import ROUNDING, StepRule


def window_descent(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: Tensor,
    rho_a: Tensor,
    rho_b: Tensor,
    weight: Tensor,
    half_width: Tensor,
    curvature: Tensor,
    init: Tensor | None,
    step: Tensor | None,
    max_iter: int,
    tol: float | None,
    trace: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    r"""Composite mirror descent of ASOT's objective, from the log density ``M = log P / (a b)`` to the plan.

    .. math::

        \min_P \; &\langle C, P \rangle + \frac{w}{2} \sum_{0 < |i - j| \le r} \sum_{k \ne l} P_{ik} P_{jl} \\
        &+ \varepsilon\,\mathrm{KL}(P \mid a b^\top) + \rho_a \mathrm{KL}(P 1 \mid a)
        + \rho_b \mathrm{KL}(P^\top 1 \mid b)

    One iteration, with the step ``s`` of :class:`~otseg.ops.step_rule.StepRule` and the gradient ``G`` of the cost,
    the window and the penalty of the actions:

    1. ``M' = (M / s - G) / (1 / s + epsilon)``, then a constant per row, as in
       :func:`~otseg.ops.mirror_step.mirror_step` with ``tau_a`` for ``rho_a`` and the entropy ``1 / s + epsilon``.
    2. Objective and gradient at the new plan.
    3. The problem accepts the plan or keeps the old one, and adapts its step.

    It is what :func:`otseg.solvers.mirror_descent` does for one window prior where no penalty of the actions is kept,
    and stops as that does: tested every 10 iterations, a problem that has converged is frozen.

    Args:
        cost: ``C``, linear priors included, ``(B, N, K)``, float32 or float64, any strides, finite where ``a > 0``.
        a: Frame marginal, ``(B, N)``, at least 0, with a frame above 0.
        b: Action marginal, ``(B, K)``, at least 0, with an action above 0.
        epsilon: ``(B,)``, above 0.
        rho_a: ``(B,)``; infinity: exact, 0: free.
        rho_b: ``(B,)``, finite.
        weight: ``w``, the weight of the prior times the height of its window, ``(B,)``.
        half_width: ``r``, ``(B,)``, int64, from 0 to N.
        curvature: ``(B,)``, constant of smoothness of the window term relative to the entropy.
        init: Log density to start from, ``(B, N, K)``, finite, rows normalized where ``rho_a`` is infinite;
            ``None``: the product ``a b``, over the mass of ``b`` where ``rho_a`` is infinite.
        step: Fixed step, ``(B,)``; ``None`` for the rule.
        max_iter: Number of iterations, at least 0.
        tol: Stop below this error; ``None`` runs every iteration without a test.
        trace: Whether to return the objective after each iteration.

    Returns:
        ``plan`` ``(B, N, K)``, contiguous; potentials in units of the cost, exact at stationary plans: ``f``
        ``(B, N)``, 0 where ``a`` is, and ``g`` ``(B, K)``; ``objective`` ``(B,)``; ``error`` ``(B,)``: the L1 distance
        to the best response, relative to the mass of ``a``; ``n_iter`` ``(B,)`` int64; ``trace``: objectives at the
        start and after every iteration, ``(B, max_iter + 1)``, the last one repeated once a problem is frozen, or
        ``(B, 0)`` if it was not asked for.
    """
    arguments = cost, a, b, epsilon, rho_a, rho_b, weight, half_width, curvature, init, step
    return torch.ops.otseg.window_descent(*arguments, max_iter, tol, trace)  # type: ignore[no-any-return]


def reference_window_descent(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: Tensor,
    rho_a: Tensor,
    rho_b: Tensor,
    weight: Tensor,
    half_width: Tensor,
    curvature: Tensor,
    init: Tensor | None,
    step: Tensor | None,
    max_iter: int,
    tol: float | None,
    trace: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """:func:`window_descent` in torch: for every device, and what kernels are measured against."""
    a, b = (torch.where(x >= torch.finfo(x.dtype).tiny, x, 0) for x in (a, b))  # a denormal mass counts as 0
    cost, log_b = frames_contiguous(cost), log_weight(b)
    mass = a.sum(dim=1)
    exact = torch.isinf(rho_a)
    finite_a = torch.where(exact, 0, rho_a)
    massive = (a > 0).unsqueeze(2)
    cost = torch.where(massive, cost, 0)  # a frame without mass may hold anything
    width = cost.masked_fill(~massive, -torch.inf).amax(dim=(1, 2))
    width = width - cost.masked_fill(~massive, torch.inf).amin(dim=(1, 2)) + 2 * curvature
    rounding = ROUNDING * torch.finfo(cost.dtype).eps * mass * (width + epsilon)

    def ratio(plan: Tensor) -> Tensor:
        """``log(column / b)``, 0 where ``b`` is; an underflowed column counts as the smallest normal number."""
        column = plan.sum(dim=1).clamp(min=torch.finfo(plan.dtype).tiny)
        return torch.where(b > 0, column.log() - log_b, 0)

    def evaluate(density: Tensor, plan: Tensor) -> tuple[Tensor, Tensor]:
        """Objective and gradient ``G``."""
        near, column = band_sum(plan, half_width), plan.sum(dim=1)
        other = weight[:, None, None] * (near.sum(dim=2, keepdim=True) - near)
        penalty = ratio(plan)
        objective = dot(plan, cost) + dot(other, plan) / 2
        objective = objective + epsilon * (dot(plan, density) - column.sum(dim=1) + mass * b.sum(dim=1))
        objective = objective + rho_b * ((column * penalty).sum(dim=1) - column.sum(dim=1) + b.sum(dim=1))
        objective = objective + finite_a * torch.where(exact, 0, kl(plan.sum(dim=2), a))
        return objective, cost + other + (rho_b[:, None] * penalty).unsqueeze(1)

    def respond(gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Log density of the minimizer of the linearized objective, and the minimizer."""
        tau_a = damping(slope(rho_a, epsilon))
        return mirror_step(gradient, gradient, torch.zeros_like(epsilon), 1 / epsilon, a, log_b, tau_a)

    def distance(gradient: Tensor, plan: Tensor) -> Tensor:
        return (respond(gradient)[1] - plan).abs().sum(dim=(1, 2)) / mass

    if init is None:  # exact frames keep their mass whatever that of the actions is
        init = -torch.where(exact, b.sum(dim=1).log(), 0)[:, None, None].expand(cost.shape)
    density = frames_contiguous(init)
    plan = (density + log_weight(a).unsqueeze(2) + log_b.unsqueeze(1)).exp()
    objective, gradient = evaluate(density, plan)
    rule = StepRule(curvature + rho_b, epsilon, exact, step)
    n_iter = torch.full_like(half_width, max_iter)
    active = torch.ones_like(exact)
    objectives = [objective]
    for i in range(max_iter):
        if tol is not None and i and i % TEST_EVERY == 0:
            done = active & (distance(gradient, plan) < tol)
            n_iter, active = torch.where(done, i, n_iter), active & ~done
            if not bool(active.any()):
                objectives += [objective] * (max_iter - i)
                break
        scale = epsilon + 1 / rule.size
        tau_a = damping(slope(rho_a, scale))
        new_density, new_plan = mirror_step(density, gradient, 1 / (rule.size * scale), 1 / scale, a, log_b, tau_a)
        new_objective, new_gradient = evaluate(new_density, new_plan)
        accepted = active & rule.judge(new_objective - objective, rounding)
        entry = accepted[:, None, None]
        density, plan = torch.where(entry, new_density, density), torch.where(entry, new_plan, plan)
        gradient = torch.where(entry, new_gradient, gradient)
        objective = torch.where(accepted, new_objective, objective)
        objectives.append(objective)
    response = respond(gradient)[0]
    f = (epsilon[:, None, None] * response[:, :, :1] + gradient[:, :, :1]).squeeze(2).masked_fill(a == 0, 0)
    g = -rho_b[:, None] * ratio(plan)
    history = torch.stack(objectives, dim=1) if trace else objective.new_empty(len(objective), 0)
    return plan.contiguous(), f, g, objective, distance(gradient, plan), n_iter, history


def _shapes(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: Tensor,
    rho_a: Tensor,
    rho_b: Tensor,
    weight: Tensor,
    half_width: Tensor,
    curvature: Tensor,
    init: Tensor | None,
    step: Tensor | None,
    max_iter: int,
    tol: float | None,
    trace: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    one = epsilon.new_empty(epsilon.shape)
    history = one.new_empty(len(epsilon), max_iter + 1 if trace else 0)
    shape = tuple(cost.shape)
    plan, f, g = cost.new_empty(shape), cost.new_empty(shape[:2]), cost.new_empty(shape[::2])
    return plan, f, g, one, one.new_empty(one.shape), half_width.new_empty(half_width.shape), history


LIBRARY.define(  # type: ignore[no-untyped-call]
    "window_descent(Tensor cost, Tensor a, Tensor b, Tensor epsilon, Tensor rho_a, Tensor rho_b, Tensor weight, "
    "Tensor half_width, Tensor curvature, Tensor? init, Tensor? step, int max_iter, float? tol, bool trace) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
)
LIBRARY.impl("window_descent", reference_window_descent, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
torch.library.register_fake("otseg::window_descent", _shapes, lib=LIBRARY)
