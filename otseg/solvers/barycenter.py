"""Barycenters with a free support: prototypes that are re-estimated from plans."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.ops.unit import unit
from otseg.problem import Problem
from otseg.result import OTResult
from otseg.solvers._weights import normalized
from otseg.solvers.sinkhorn import sinkhorn
from otseg.types import Cost, PerProblem


def plan_means(
    plan: Float[Tensor, "B N K"],
    features: Float[Tensor, "B N D"],
    *,
    mask: Bool[Tensor, "B N"] | None = None,
    weights: Float[Tensor, " B"] | None = None,
    fallback: Float[Tensor, "K D"] | None = None,
) -> Float[Tensor, "K D"]:
    r"""Mean of the frames that each action receives, weighted by the plan: prototypes from a batch of plans.

    .. math::  A_k = \frac{\sum_{bn} w_b P_{bnk} f_{bn}}{\sum_{bn} w_b P_{bnk}}

    The prototypes that minimize :math:`\sum_b w_b \sum_{nk} P_{bnk} |f_{bn} - A_k|^2`. Differentiable in plan, features
    and weights: with a plan of ``grad="none"`` the gradient goes into the features alone. O(BNKD) time, O(BNK) memory.

    Args:
        plan: Mass from each frame to each action, at least 0; 0 on masked frames.
        features: Features of the frames.
        mask: True on real frames. Needed only where masked features are not finite, since their mass is 0.
        weights: Weight of each sequence, at least 0; equal if ``None``. Only their ratios count.
        fallback: Prototypes of the actions that receive no mass; zeros if ``None``.

    Returns:
        One prototype per action, for the whole batch.

    Raises:
        TypeError: If a tensor has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong.

    Example:
        >>> plan = torch.tensor([[[0.25, 0.0], [0.25, 0.0], [0.0, 0.5]]])
        >>> plan_means(plan, torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]]))
        tensor([[1., 0.],
                [0., 3.]])

    References:
        :cite:`cuturi2014fast`, the update of the support in Algorithm 2 (with step 1).
    """
    plan, features = _checked(plan, features, mask)
    with torch.autocast(device_type=plan.device.type, enabled=False):
        plan = normalized(weights, plan)[:, None, None] * plan
        mass = plan.sum(dim=(0, 1))[:, None]  # (K, 1)
        total = plan.flatten(0, 1).T @ features.flatten(0, 1)  # (K, D)
        means = total / torch.where(mass > 0, mass, 1)
        return means if fallback is None else torch.where(mass > 0, means, _fitting(fallback, means))


def plan_directions(
    plan: Float[Tensor, "B N K"],
    features: Float[Tensor, "B N D"],
    *,
    mask: Bool[Tensor, "B N"] | None = None,
    weights: Float[Tensor, " B"] | None = None,
    fallback: Float[Tensor, "K D"] | None = None,
) -> Float[Tensor, "K D"]:
    r"""Mean direction of the frames that each action receives: :func:`plan_means` on the sphere.

    .. math::

        A_k = \frac{m_k}{|m_k|}, \qquad m_k = \sum_{bn} w_b P_{bnk} \frac{f_{bn}}{|f_{bn}|}

    The unit prototypes that minimize :math:`\sum_b w_b \langle C_b, P_b\rangle` for the cosine cost. Arguments,
    gradient, errors and complexity are those of :func:`plan_means`; ``fallback`` also stands in where the mean is 0.

    Example:
        >>> plan = torch.tensor([[[0.5, 0.0], [0.0, 0.5]]])
        >>> plan_directions(plan, torch.tensor([[[9.0, 0.0], [3.0, 4.0]]]))
        tensor([[1.0000, 0.0000],
                [0.6000, 0.8000]])

    References:
        :cite:`dhillon2001concept` (spherical k-means, whose assignment is here a plan).
    """
    plan, features = _checked(plan, features, mask)
    directions = unit(plan_means(plan, unit(features), weights=weights))
    if fallback is None:
        return directions
    zero = (directions == 0).all(dim=1, keepdim=True)
    return torch.where(zero, _fitting(fallback, directions), directions)


@dataclass(frozen=True, eq=False)
class FreeSupportBarycenter:
    """Barycenter whose support was fitted.

    Attributes:
        support: The prototypes, one per action.
        result: The plans from all sequences to them.
        objective: The weighted mean of ``result.value`` at the start and after every iteration, ``(n_iter + 1,)``.
        n_iter: Iterations done.
        converged: Whether the last iteration moved no prototype by more than the tolerance.
    """

    support: Float[Tensor, "K D"]
    result: OTResult
    objective: Float[Tensor, " T"]
    n_iter: int
    converged: bool


@torch.no_grad()
def free_support_barycenter(
    features: Float[Tensor, "B N D"],
    init: Float[Tensor, "K D"] | int,
    *,
    cost: Cost,
    epsilon: PerProblem,
    mask: Bool[Tensor, "B N"] | None = None,
    weights: Float[Tensor, " B"] | None = None,
    solver: Callable[..., OTResult] = sinkhorn,
    update: Callable[..., Tensor] = plan_means,
    max_iter: int = 100,
    tol: float | None = 1e-4,
    warm_start: bool = False,
    generator: torch.Generator | None = None,
    **problem: Any,
) -> FreeSupportBarycenter:
    r"""Prototypes that are close to all sequences in transport, by alternating plans and prototypes.

    .. math::

        \min_A \; \sum_b w_b \min_{P_b} \mathrm{objective}(P_b;\, C(F_b, A))
        \qquad P_b \gets \mathrm{solver}(C(F_b, A)), \quad A \gets \mathrm{update}(P, F)

    with the objective of :class:`otseg.Problem`. Each half step minimizes it in one of the two unknowns, so that it
    never rises, if the solver finds the optimal plan and the update belongs to the cost:

    =========================================  ========================
    cost                                       update
    =========================================  ========================
    squared Euclidean, or a multiple of it     :func:`plan_means`
    cosine                                     :func:`plan_directions`
    =========================================  ========================

    It ends in a local minimum that depends on ``init``, as k-means does (which it is for ``rho_b = 0`` and vanishing
    ``epsilon``). One iteration costs a call of the solver and O(BNKD).

    Args:
        features: Features of the frames.
        init: Prototypes to start from; or their number K, to start from K different real frames, drawn at random.
        cost: Function of features and prototypes, such as ``partial(otseg.costs.euclidean, squared=True)``.
        epsilon: Weight of the entropy, in units of the cost.
        mask: True on real frames; all frames if ``None``.
        weights: Weight of each sequence, at least 0; equal if ``None``. Only their ratios count.
        solver: Function from a problem to a result; set its options with :func:`functools.partial`.
        update: Function of plan, features, ``mask``, ``weights`` and ``fallback`` to prototypes.
        max_iter: Largest number of iterations.
        tol: Stop when no prototype moves by more than this, in units of the features; ``None`` runs all iterations.
        warm_start: Whether to start the solver from its last result (its ``init``). Saves sweeps of
            :func:`~otseg.solvers.sinkhorn`; with curved priors it is what keeps the objective from rising.
        generator: Source of the random start.
        **problem: Further arguments of :meth:`otseg.Problem.make`: ``a``, ``b``, ``rho_a``, ``rho_b``, ``priors``.

    Returns:
        Prototypes, plans and the course of the objective. No gradient is recorded: to learn features, take
        :func:`plan_means` of ``result.plan`` and the features, which is the prototypes where ``converged``.

    Raises:
        TypeError: If an argument has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong.

    Example:
        >>> from functools import partial
        >>> frames = torch.tensor([[[0.0], [0.2], [1.0], [1.2]]])
        >>> squared = partial(otseg.costs.euclidean, squared=True)
        >>> found = free_support_barycenter(frames, torch.tensor([[0.0], [0.9]]), cost=squared, epsilon=0.01)
        >>> found.support
        tensor([[0.1000],
                [1.1000]])

    References:
        :cite:`cuturi2014fast`, Algorithm 2, with fixed masses.
    """
    checks.number("max_iter", max_iter, 0, integer=True)
    if tol is not None:
        checks.number("tol", tol, 0)
    features = checks.tensor("features", features, "B N D")
    if features.dtype not in (torch.float32, torch.float64):
        features = features.float()
    checks.require(len(features) > 0, "features", "at least one sequence", checks.describe(features))
    if mask is not None:
        features = features.masked_fill(~checks.mask("mask", mask, "features", features).unsqueeze(2), 0)
    support = init if isinstance(init, Tensor) else _drawn(init, features, mask, generator)
    support = checks.tensor("init", support, "K D").to(features.dtype)
    weight = normalized(weights, features)

    def solve(support: Tensor, last: OTResult | None) -> OTResult:
        made = Problem.make(cost(features, support), epsilon=epsilon, mask=mask, **problem)
        options = {"init": last} if warm_start and last is not None else {}
        return solver(made, **options)

    result = solve(support, None)
    objective, n_iter, converged = [weight @ result.value], 0, False
    while n_iter < max_iter and not converged:
        moved = update(result.plan, features, mask=mask, weights=weights, fallback=support)
        converged = tol is not None and bool((moved - support).norm(dim=1).max() <= tol)
        support, n_iter = moved, n_iter + 1
        result = solve(support, result)
        objective.append(weight @ result.value)
    return FreeSupportBarycenter(support, result, torch.stack(objective), n_iter, converged)


def _drawn(n: int, features: Tensor, mask: Tensor | None, generator: torch.Generator | None) -> Tensor:
    checks.number("init", n, 1, integer=True, fix="Give prototypes (K, D) or their number K.")
    frames = features.flatten(0, 1) if mask is None else features[mask]
    checks.require(n <= len(frames), "init", f"at most the number of real frames, {len(frames)}", n)
    device = generator.device if generator is not None else frames.device
    return frames[torch.randperm(len(frames), generator=generator, device=device)[:n].to(frames.device)]


def _checked(plan: Tensor, features: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Plan and features of one dtype, at least float32, and 0 on masked frames."""
    plan, features = checks.tensor("plan", plan, "B N K"), checks.tensor("features", features, "B N D")
    checks.shape("plan", plan, (*features.shape[:2], plan.shape[2]), "(B, N, K)")
    checks.require(plan.device == features.device, "plan", f"on {features.device}", checks.describe(plan))
    dtype = torch.promote_types(torch.promote_types(plan.dtype, features.dtype), torch.float32)
    plan, features = plan.to(dtype), features.to(dtype)
    if mask is None:
        return plan, features
    padding = ~checks.mask("mask", mask, "features", features).unsqueeze(2)
    return plan.masked_fill(padding, 0), features.masked_fill(padding, 0)


def _fitting(fallback: Tensor, means: Tensor) -> Tensor:
    checks.tensor("fallback", fallback, "K D")
    checks.shape("fallback", fallback, tuple(means.shape), "(K, D)")
    return fallback.to(means)
