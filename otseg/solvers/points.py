"""Entropic optimal transport between two large sets of points, without their cost matrix."""

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.ops.divergence import kl
from otseg.ops.point_scores import BACKENDS, Backend, PointCost
from otseg.ops.sinkhorn import alternate, center, column_error, slope
from otseg.ops.softmin_points import softmin_points
from otseg.solvers._point_problem import PointProblem, make_problem, per_problem
from otseg.solvers._point_result import PointResult
from otseg.types import PerProblem, Potentials

#: Sweeps at every epsilon above the problem's own.
SWEEPS_PER_STAGE = 5


def sinkhorn_points(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "B M D"],
    a: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    b: Float[Tensor, "#B M"] | Float[Tensor, " M"] | None = None,
    *,
    epsilon: PerProblem,
    rho_a: PerProblem = math.inf,
    rho_b: PerProblem = math.inf,
    mask_x: Bool[Tensor, "B N"] | None = None,
    mask_y: Bool[Tensor, "B M"] | None = None,
    cost: PointCost = "sqeuclidean",
    max_iter: int = 1000,
    tol: float | None = 1e-4,
    start: PerProblem | None = None,
    init: Potentials | PointResult | None = None,
    grad: Literal["none", "envelope"] = "none",
    backend: Backend = "torch",
    memory: int | None = None,
) -> PointResult:
    r"""Entropic optimal transport between sets of points, for sizes whose cost matrix fits into no memory.

    Solves the problem of :func:`otseg.solvers.sinkhorn` for the cost :math:`C_{ij} = c(x_i, y_j)`, by the same sweeps
    with the same stopping rule, and gives the same potentials: rows and columns of the cost are made tile by tile and
    reduced at once. A sweep costs O(BNMD) time; memory is O(B(N + M)D), besides ``memory`` bytes for a tile.

    Args:
        x: Points of the rows.
        y: Points of the columns.
        a: Mass of every point of ``x``, at least 0, and 0 where masked; equal masses of total 1 if ``None``.
        b: The same for ``y``; equal shares of the mass of ``a`` if ``None``.
        epsilon: Weight of the entropy, above 0, in units of the cost; one value, or one per problem.
        rho_a: Weight of the penalty on the marginal of ``x``, at least 0; ``inf`` makes it exact.
        rho_b: The same for ``y``.
        mask_x: True on real points, at least one per problem; all if ``None``.
        mask_y: The same for ``y``.
        cost: ``"sqeuclidean"``, ``"euclidean"`` or ``"cosine"``, as in :mod:`otseg.costs`.
        max_iter: Largest number of sweeps at the problem's own epsilon, at least 1.
        tol: Stop a problem when its ``error`` is below this, tested every 10 sweeps; ``None`` runs all sweeps.
        start: Epsilon to begin with, such as the largest cost: it is halved every fifth sweep down to the problem's
            own, which takes far fewer sweeps where that is small. ``None`` begins with the problem's own.
        init: Potentials ``(f, g)`` or a result to start from, in units of the cost; zeros if ``None``. The first
            update needs only ``f``.
        grad: ``"envelope"`` makes ``value`` differentiable once, in points, masses, ``epsilon`` and ``rho``: exact
            where converged, at the price of one more sweep. Everything else is a constant.
        backend: ``"torch"``; ``"keops"`` (extra ``keops``) compiles a kernel when a shape of problem is first seen.
        memory: Bytes for tiles; if ``None`` 8 MiB for every thread of the CPU, whose share should stay in its cache, or
            512 MiB on an accelerator. KeOps needs none.

    Returns:
        Potentials, value and marginals; the plan is applied by its methods. ``converged`` is False where ``tol`` was
        not reached or not given.

    Raises:
        TypeError: If an argument has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong.
        ImportError: If KeOps is asked for and not installed.

    Note:
        The masses of exact marginals move together: only gradients along changes that keep both totals equal have a
        meaning there.

    Example:
        >>> x, y = torch.rand(1, 1000, 2), torch.rand(1, 800, 2)
        >>> result = otseg.solvers.sinkhorn_points(x, y, epsilon=0.01, start=1.0)
        >>> result.converged, result.apply(y).shape
        (tensor([True]), torch.Size([1, 1000, 2]))

    References:
        :cite:`cuturi2013sinkhorn`, Algorithm 1; :cite:`feydy2019interpolating` for reductions without a cost matrix;
        :cite:`schmitzer2019stabilized`, section 3.2, for ``start``.
    """
    checks.number("max_iter", max_iter, 1, integer=True)
    if tol is not None:
        checks.number("tol", tol, 0)
    if memory is not None:
        checks.number("memory", memory, 1, integer=True)
    checks.choice("grad", grad, ("none", "envelope"))
    checks.choice("backend", backend, BACKENDS)
    problem = make_problem(x, y, a, b, epsilon, rho_a, rho_b, mask_x, mask_y, cost)
    with torch.autocast(device_type=x.device.type, enabled=False):
        with torch.no_grad():
            f, stages = _start(init, problem), None
            if start is not None:
                f, stages = _anneal(problem, f, per_problem("start", start, problem.x, positive=True), backend, memory)
            f, g, n_iter, target = _sweeps(problem, problem.epsilon, f, max_iter, tol, backend, memory)
            scale = problem.epsilon[:, None]
            error = column_error(g / scale, target, problem.b, slope(problem.rho_b, problem.epsilon))
            ratio_b = (g / scale - target).clamp(max=80).exp()  # marginal over mass, wherever the mass is 0 too
            f, g = center(f, g, problem.b, torch.isinf(problem.rho_a) & torch.isinf(problem.rho_b))
            f, g = f.masked_fill(~problem.mask_x, 0), g.masked_fill(~problem.mask_y, 0)
        with torch.set_grad_enabled(grad == "envelope" and torch.is_grad_enabled()):
            value, marginal_a, marginal_b = _value(problem, f, g, ratio_b, backend, memory)
    n_iter = n_iter if stages is None else n_iter + stages
    converged = error < tol if tol is not None else torch.zeros_like(n_iter, dtype=torch.bool)
    return PointResult(problem, f, g, value, marginal_a, marginal_b, n_iter, error, converged, backend, memory)


def _sweeps(
    problem: PointProblem,
    epsilon: Tensor,
    f: Tensor,
    max_iter: int,
    tol: float | None,
    backend: Backend,
    memory: int | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``f`` and ``g`` in units of the cost, ``n_iter``, and the soft-minimum of the columns over epsilon."""
    x, y, log_a, log_b = problem.x, problem.y, problem.log_a, problem.log_b
    slope_a, slope_b = slope(problem.rho_a, epsilon), slope(problem.rho_b, epsilon)
    exact = (slope_a == 0) & (slope_b == 0)
    translate = not (checks.readable(exact) and bool(exact.all()))
    scale = epsilon[:, None]
    f, g, n_iter, target = alternate(
        lambda f: softmin_points(y, x, epsilon, f, log_a, problem.cost, backend, memory),
        lambda g: softmin_points(x, y, epsilon, g, log_b, problem.cost, backend, memory),
        problem.a, problem.b, slope_a, slope_b, f / scale, max_iter, tol, translate,
    )  # fmt: skip
    return f * scale, g * scale, n_iter, target


def _anneal(
    problem: PointProblem, f: Tensor, start: Tensor, backend: Backend, memory: int | None
) -> tuple[Tensor, Tensor]:
    """``f`` after a few sweeps at every halving of ``start`` above the problem's own epsilon, and their number."""
    stages = (start / problem.epsilon).log2().sub(1e-6).ceil().clamp(min=0).long()  # (B,)
    for stage in range(max(stages.tolist(), default=0)):
        epsilon = torch.maximum(start / 2**stage, problem.epsilon)
        new_f = _sweeps(problem, epsilon, f, SWEEPS_PER_STAGE, None, backend, memory)[0]
        f = torch.where((stage < stages)[:, None], new_f, f)
    return f, SWEEPS_PER_STAGE * stages


def _value(
    problem: PointProblem, f: Tensor, g: Tensor, ratio_b: Tensor, backend: Backend, memory: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    r"""The objective at the plan, and its marginals.

    With :math:`\log(P / a b^\top) = (f + g - C) / \varepsilon` the objective is :math:`\langle f, P1\rangle +
    \langle g, P^\top 1\rangle - \varepsilon (|P| - |a||b|)` and the penalties. Its gradient at fixed potentials is that
    at the optimum: points and epsilon enter through :math:`|P|`, masses through their partial derivatives.
    """
    epsilon, scale = problem.epsilon, problem.epsilon[:, None]
    a, b = problem.a.detach(), problem.b.detach()
    row = softmin_points(
        problem.x, problem.y, epsilon, g / scale, problem.log_b.detach(), problem.cost, backend, memory
    )
    ratio_a = (f / scale - row).exp()  # marginal over mass
    mass = (a * ratio_a).sum(dim=1)
    ratio_a = ratio_a.detach()
    marginal_a, marginal_b = a * ratio_a, b * ratio_b
    mass_a, mass_b = a.sum(dim=1), b.sum(dim=1)
    value = (f * marginal_a).sum(dim=1) + (g * marginal_b).sum(dim=1) - epsilon * (mass - mass_a * mass_b)
    value = value + _side(problem.rho_a, epsilon, f, ratio_a, problem.a, mass_b, problem.mask_x)
    value = value + _side(problem.rho_b, epsilon, g, ratio_b, problem.b, mass_a, problem.mask_y)
    return value, marginal_a, marginal_b


def _side(
    rho: Tensor, epsilon: Tensor, potential: Tensor, ratio: Tensor, mass: Tensor, other: Tensor, mask: Tensor
) -> Tensor:
    """Penalty of one marginal, with the derivative of the whole objective with respect to its masses."""
    exact = torch.isinf(rho)
    rho = torch.where(exact, 0, rho)
    constant = mass.detach()
    penalty = rho * kl(constant * ratio, constant)
    slope = (epsilon * other).unsqueeze(1) - epsilon.unsqueeze(1) * ratio
    slope = slope + torch.where(exact.unsqueeze(1), potential, rho.unsqueeze(1) * (1 - ratio))
    change = torch.where(mask, mass - constant, 0)  # 0, with a gradient
    return penalty + (slope.detach() * change).sum(dim=1)


def _start(init: Potentials | PointResult | None, problem: PointProblem) -> Tensor:
    if init is None:
        return torch.zeros_like(problem.a)
    f, g = (init.f, init.g) if isinstance(init, PointResult) else init
    for name, value, like, axes in (("init[0]", f, problem.a, "(B, N)"), ("init[1]", g, problem.b, "(B, M)")):
        checks.shape(name, value, tuple(like.shape), axes)
        checks.like(name, value, "x", problem.x)
        checks.finite(name, value)
    return f.detach()
