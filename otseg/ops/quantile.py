"""Exact optimal transport of weighted points on a line, by quantile functions, for many lines at once."""

from typing import NamedTuple

import torch
from torch import Tensor


class Ranked(NamedTuple):
    """Weighted points of every line in increasing order, masked points last.

    Attributes:
        value: ``(B, P, N)``, their positions.
        order: ``(B, P, N)``, int64, the index of every one of them before sorting.
        level: ``(B, P, N)``, or ``(B, 1, N)`` where the weights are equal: share of the mass up to each point, in
            float64; the last one is exactly 1.
    """

    value: Tensor
    order: Tensor
    level: Tensor


def rank(value: Tensor, weight: Tensor | None = None, mask: Tensor | None = None) -> Ranked:
    """Sort weighted points on lines; O(B P N log N) time, O(B P N) memory.

    Levels are summed in float64: the mass of a point is a difference of two of them, and float32 would leave it few
    digits in a long sequence. Points at the same position keep the order of their indices.

    Args:
        value: ``(B, P, N)``, positions of ``N`` points on ``P`` lines; finite.
        weight: ``(B, N)``, at least 0, and 0 on masked points; equal weights if ``None``.
        mask: ``(B, N)``, True on real points; all if ``None``.
    """
    key = value.detach()
    if mask is not None:
        key = key.masked_fill(~mask.unsqueeze(1), float("inf"))
    order = key.argsort(dim=2, stable=True)
    if weight is not None:
        share = weight.unsqueeze(1).expand_as(value).gather(2, order)
    else:  # whatever the order, the real points come first: one row of levels serves all lines
        real = torch.ones_like(value[:, 0], dtype=torch.bool) if mask is None else mask
        share = real.sort(dim=1, descending=True)[0].unsqueeze(1)
    level = share.double().cumsum(dim=2)
    return Ranked(value.gather(2, order), order, level / level[:, :, -1:])


def match(x: Ranked, y: Ranked) -> tuple[Tensor, Tensor, Tensor]:
    """The optimal plan of every line as ``N + M`` entries: masses, and ranks in ``x`` and in ``y``.

    The levels of both sides cut the unit interval; on every piece both quantile functions are constant. The plan is
    optimal for any cost that is convex in the distance. Where a level of ``x`` equals one of ``y``, the derivative of
    the masses is the one for ``x`` reaching it first.

    Returns:
        Masses ``(B, P, N + M)`` in float64, some of them 0, and int64 indices of the same shape; ``P`` is 1 where
        both sides have equal weights.
    """
    n, m = x.level.shape[2], y.level.shape[2]
    lines = _lines(x.level, y.level)
    cuts, origin = torch.cat((x.level.expand(*lines, n), y.level.expand(*lines, m)), dim=2).sort(dim=2, stable=True)
    of_x = (origin < n).long()
    i = of_x.cumsum(dim=2) - of_x  # levels of x before this cut: the rank of x's point on the piece that ends here
    j = torch.arange(n + m, device=cuts.device) - i
    mass = cuts.diff(dim=2, prepend=cuts.new_zeros(*lines, 1))
    return mass, i.clamp(max=n - 1), j.clamp(max=m - 1)


def line_cost(x: Ranked, y: Ranked, p: int | float) -> Tensor:
    r"""The transport cost :math:`W_p^p` of every line, ``(B, P)``, of total mass 1.

    .. math::  \int_0^1 |F_x^{-1}(t) - F_y^{-1}(t)|^p \, dt
    """
    mass, i, j = match(x, y)
    gap = _take(x.value, i) - _take(y.value, j)
    cost: Tensor = (mass.to(gap.dtype) * distance_power(gap, p)).sum(dim=2)
    return cost


def line_plan(x: Ranked, y: Ranked) -> tuple[Tensor, Tensor, Tensor]:
    """The optimal plan of every line as ``N + M`` entries ``(B, P, N + M)``: masses, and indices before sorting."""
    mass, i, j = match(x, y)
    rows, columns = _take(x.order, i), _take(y.order, j)
    return mass.expand_as(rows), rows, columns


def distance_power(gap: Tensor, p: int | float) -> Tensor:
    """``|gap|^p`` for ``p >= 1``, whose derivatives at 0 are finite (0 where the true one is not)."""
    if p == 2:
        return gap * gap
    return power(gap.abs(), p)


def power(value: Tensor, exponent: int | float) -> Tensor:
    """``value^exponent`` for values of at least 0; all derivatives at 0 are 0."""
    if exponent == 1:
        return value
    zero = value == 0
    return torch.where(zero, 0, torch.where(zero, 1, value) ** exponent)


def _lines(one: Tensor, other: Tensor) -> tuple[int, int]:
    """Batch and number of lines; one line may serve for all."""
    return one.shape[0], max(one.shape[1], other.shape[1])


def _take(value: Tensor, index: Tensor) -> Tensor:
    """Entries of every line; one row of indices may serve all lines."""
    lines = _lines(value, index)
    return value.expand(*lines, value.shape[2]).gather(2, index.expand(*lines, index.shape[2]))
