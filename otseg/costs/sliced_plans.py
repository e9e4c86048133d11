"""Sliced plans: transport plans of one-dimensional projections, lifted back to the points."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.costs._sets import Points, in_chunks, prepare_sets
from otseg.costs.euclidean import euclidean
from otseg.costs.projections import Projection, ProjectionName, as_projection, directions_for
from otseg.ops.quantile import line_plan


def expected_sliced_plan(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "B M D"] | Float[Tensor, "M D"],
    *,
    weights_x: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    weights_y: Float[Tensor, "#B M"] | Float[Tensor, " M"] | None = None,
    mask_x: Bool[Tensor, "#B N"] | Bool[Tensor, " N"] | None = None,
    mask_y: Bool[Tensor, "#B M"] | Bool[Tensor, " M"] | None = None,
    cost: Float[Tensor, "B N M"] | None = None,
    temperature: int | float = math.inf,
    n_projections: int = 128,
    projection: ProjectionName | Projection = "linear",
    directions: Float[Tensor, "P E"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "B N M"]:
    r"""Average of the optimal plans of the projections: a plan between the sets themselves.

    .. math::  Q = \sum_i s_i\, Q_{\theta_i}, \qquad
        s = \mathrm{softmax}_i\big( -\langle C, Q_{\theta_i} \rangle / \mathrm{temperature} \big)

    :math:`Q_\theta` couples both sets in the order of their projections: optimal on the line for every exponent, and
    feasible for the sets. So :math:`Q` has exact marginals: the weights, of total mass 1. It is a reference plan from
    features alone, to start :func:`otseg.solvers.mirror_descent` from (``init``), or to stay near of: the prior
    ``LinearPrior(-epsilon * torch.log(Q / (a b)))`` replaces ``epsilon KL(P | a b)`` by ``epsilon KL(P | Q)``. Mix a
    share of ``a b`` into it first: where :math:`Q` is 0 the prior forbids. The page on conventions has an example.

    O(BP(ND + N log N) + BNM) time (the same for M), O(BNM) memory plus a chunk of directions. Differentiable in the
    weights, and, for a finite temperature, in points and ``cost`` through the shares :math:`s`; the plan of a single
    direction is constant in the points. Points with equal projections are coupled in the order of their indices.

    Args:
        x: Points.
        y: Points to couple with, shared by the batch or one set per problem.
        weights_x: Mass of every point, at least 0; only ratios matter. Equal masses if ``None``; ignored if masked.
        weights_y: The same for ``y``.
        mask_x: True on real points; all if ``None``. Masked points have no mass.
        mask_y: The same for ``y``.
        cost: Cost :math:`C` that judges the plans of a finite temperature; the squared Euclidean distance if ``None``.
        temperature: Of the softmax, above 0, in units of the cost; ``inf`` averages, and towards 0 the cheapest plan
            remains (:func:`min_sliced_plan`).
        n_projections: Number of random directions; without effect if ``directions`` are given.
        projection: The function of points and directions, see :func:`otseg.sliced_wasserstein`.
        directions: Directions to use as they are.
        generator: Source of random directions; the global one if ``None``.

    Example:
        >>> x, y = torch.tensor([[[0.0], [2.0], [3.0]]]), torch.tensor([[9.0], [5.0]])
        >>> 6 * otseg.costs.expected_sliced_plan(x, y, directions=torch.ones(1, 1))
        tensor([[[0., 2.],
                 [1., 1.],
                 [2., 0.]]])

    References:
        :cite:`liu2025expected`.
    """
    checks.number("temperature", temperature, 0, open_low=True)
    first, second = prepare_sets(x, y, weights_x, weights_y, mask_x, mask_y)
    family = as_projection(projection)
    lines = directions_for(first.x, family, directions, n_projections, generator)
    if temperature == math.inf:
        share = lines.new_ones(first.x.shape[0], len(lines)) / len(lines)
    else:
        share = (-_plan_costs(first, second, family, lines, cost) / temperature).softmax(dim=1)
    return _average(first, second, family, lines, share)


def min_sliced_plan(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "B M D"] | Float[Tensor, "M D"],
    *,
    weights_x: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    weights_y: Float[Tensor, "#B M"] | Float[Tensor, " M"] | None = None,
    mask_x: Bool[Tensor, "#B N"] | Bool[Tensor, " N"] | None = None,
    mask_y: Bool[Tensor, "#B M"] | Bool[Tensor, " M"] | None = None,
    cost: Float[Tensor, "B N M"] | None = None,
    n_projections: int = 128,
    projection: ProjectionName | Projection = "linear",
    directions: Float[Tensor, "P E"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "B N M"]:
    r"""The cheapest of the plans of the projections, :math:`\arg\min_{Q_\theta} \langle C, Q_\theta \rangle`.

    A feasible plan with at most ``N + M - 1`` entries, whose cost bounds the optimal one from above (the min-pivot
    sliced plan, or min-SWGG). Marginals, uses, time, memory and arguments of :func:`expected_sliced_plan`.
    Differentiable in the weights; constant in points and ``cost`` until another direction becomes the cheapest.

    Args:
        x: Points.
        y: Points to couple with.
        weights_x: Mass of every point of ``x``.
        weights_y: Mass of every point of ``y``.
        mask_x: True on real points of ``x``.
        mask_y: True on real points of ``y``.
        cost: Cost :math:`C` that judges the plans; the squared Euclidean distance if ``None``.
        n_projections: Number of random directions.
        projection: The function of points and directions.
        directions: Directions to use as they are.
        generator: Source of random directions.

    Example:
        >>> x, y = torch.tensor([[[3.0, 3.0], [1.0, 1.0]]]), torch.tensor([[2.0, 2.5], [3.0, 2.0]])
        >>> otseg.costs.min_sliced_plan(x, y, directions=torch.eye(2))
        tensor([[[0.0000, 0.5000],
                 [0.5000, 0.0000]]])

    References:
        :cite:`mahey2023fast`; :cite:`tanguy2025sliced`.
    """
    first, second = prepare_sets(x, y, weights_x, weights_y, mask_x, mask_y)
    family = as_projection(projection)
    lines = directions_for(first.x, family, directions, n_projections, generator)
    with torch.no_grad():
        best = _plan_costs(first, second, family, lines, cost).argmin(dim=1)
    chosen = lines[best].unsqueeze(1)  # (B, 1, E)
    return _average(first, second, family, chosen, chosen.new_ones(len(best), 1))


def _plan_costs(x: Points, y: Points, family: Projection, directions: Tensor, cost: Tensor | None) -> Tensor:
    """Cost of the plan of every direction, ``(B, P)``."""
    shape = x.x.shape[0], x.x.shape[1], y.x.shape[1]
    if cost is None:
        cost = euclidean(x.x, y.x, squared=True)
    else:
        cost = checks.tensor("cost", cost, "B N M").to(x.x.dtype)
        checks.shape("cost", cost, shape, "(B, N, M)")
        checks.like("cost", cost, "x", x.x)
        cost = cost.masked_fill(~_real_pairs(x, y), 0)
    flat = cost.flatten(1).unsqueeze(1)

    def chunk(x: Points, y: Points, directions: Tensor) -> Tensor:
        mass, rows, columns = line_plan(x.on_lines(family, directions), y.on_lines(family, directions))
        entries = flat.expand(-1, rows.shape[1], -1).gather(2, rows * shape[2] + columns)
        return (mass.to(entries.dtype) * entries).sum(dim=2)

    return torch.cat(in_chunks(chunk, x, y, directions), dim=1)


def _real_pairs(x: Points, y: Points) -> Tensor:
    """Which pairs are of two real points, broadcastable to ``(B, N, M)``."""
    real = torch.ones_like(x.x[:, :1, :1], dtype=torch.bool)
    if x.mask is not None:
        real = real & x.mask.unsqueeze(2)
    return real if y.mask is None else real & y.mask.unsqueeze(1)


def _average(x: Points, y: Points, family: Projection, directions: Tensor, share: Tensor) -> Tensor:
    """Sum of the plans of directions times their shares ``(B, P)``."""
    batch, n, m = x.x.shape[0], x.x.shape[1], y.x.shape[1]

    def chunk(x: Points, y: Points, directions: Tensor, share: Tensor) -> Tensor:
        mass, rows, columns = line_plan(x.on_lines(family, directions), y.on_lines(family, directions))
        entry = (rows * m + columns).flatten(1)
        plan = mass.new_zeros(batch, n * m)
        return plan.scatter_add(1, entry, (mass * share).flatten(1))

    plan = sum(in_chunks(chunk, x, y, directions, share.unsqueeze(2)))
    assert isinstance(plan, Tensor)
    return plan.reshape(batch, n, m).to(x.x.dtype)
