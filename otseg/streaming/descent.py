"""Mirror descent of the frames of a window, beside others whose iterations are known."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from otseg.ops.band import band_sum
from otseg.ops.divergence import dot
from otseg.ops.layout import frames_contiguous
from otseg.ops.mirror_step import mirror_step
from otseg.ops.step_rule import ROUNDING, StepRule


@dataclass(frozen=True, eq=False)
class WindowTerms:
    """What the frames of a window pay, per frame.

    Attributes:
        cost: Linear terms, ``(1, n, K)``.
        log_b: Logarithm of the shares that the actions should have, ``(1, K)``.
        epsilon: Weight of the entropy, ``(1,)``.
        smoothness: Weight of two frames of different actions that are near in time.
        half_width: How far near is, ``(1,)``, int64, at most n.
        curvature: Constant of smoothness of the whole objective relative to the entropy, ``(1,)``.
        near: Function of the iteration to the decided frames of every action that are near to each of the first
            frames, ``(1, m, K)``.
        penalty: Function of the iteration and of the frames that every action has in the window, ``(1, K)``, to the
            penalty of the shares, ``(1,)``, and its gradient, ``(1, K)``.
    """

    cost: Tensor
    log_b: Tensor
    epsilon: Tensor
    smoothness: float
    half_width: Tensor
    curvature: Tensor
    near: Callable[[int], Tensor]
    penalty: Callable[[int, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class _Point:
    density: Tensor  # log(shares / b), (1, n, K)
    shares: Tensor  # (1, n, K), rows sum to 1
    gradient: Tensor  # of cost and smoothness within the window, (1, n, K)
    objective: Tensor  # their part of it, with the entropy, (1,)


def descend(terms: WindowTerms, max_iter: int) -> Iterator[Tensor]:
    """Shares of the frames before every iteration, and after the last: ``max_iter + 1`` tensors ``(n, K)``.

    The iteration of :func:`otseg.ops.window_descent.window_descent`, with its rule of steps, for exact frames of mass
    1. Before each, frames outside of the window and the shares of the actions take the values that they have at that
    iteration; so a step is judged by what it does to the window. O(nK) time per iteration, and memory.

    Args:
        terms: The terms.
        max_iter: Number of iterations.
    """
    cost, epsilon, log_b = frames_contiguous(terms.cost), terms.epsilon, terms.log_b
    width = cost.amax(dim=(1, 2)) - cost.amin(dim=(1, 2)) + 2 * terms.curvature
    rounding = ROUNDING * torch.finfo(cost.dtype).eps * cost.shape[1] * (width + epsilon)
    exact = torch.ones_like(epsilon)
    rule = StepRule(terms.curvature, epsilon, exact.bool(), None)
    mass = cost.new_ones(cost.shape[:2])

    def measure(density: Tensor, shares: Tensor) -> _Point:
        gradient, objective = cost, dot(shares, cost) + epsilon * dot(shares, density)
        if terms.smoothness:
            near = band_sum(shares, terms.half_width)
            other = terms.smoothness * (near.sum(dim=2, keepdim=True) - near)
            gradient, objective = cost + other, objective + dot(shares, other) / 2
        return _Point(density, shares, gradient, objective)

    density = frames_contiguous(torch.zeros_like(cost))
    point = measure(density, (density + log_b.unsqueeze(1)).exp())
    for i in range(max_iter):
        yield point.shares[0]
        near = terms.near(i)
        apart = terms.smoothness * (near.sum(dim=2, keepdim=True) - near)
        m = apart.shape[1]

        def outside(shares: Tensor, i: int = i, apart: Tensor = apart, m: int = m) -> tuple[Tensor, Tensor]:
            """The objective's part that depends on what is outside of the window; the slope of the penalty."""
            value, slope = terms.penalty(i, shares.sum(dim=1))
            return dot(shares[:, :m], apart) + value, slope

        value, slope = outside(point.shares)
        gradient = point.gradient + slope.unsqueeze(1)
        gradient[:, :m] += apart
        scale = epsilon + 1 / rule.size
        step = mirror_step(point.density, gradient, 1 / (rule.size * scale), 1 / scale, mass, log_b, exact)
        candidate = measure(*step)
        change = candidate.objective - point.objective + outside(candidate.shares)[0] - value
        if bool(rule.judge(change, rounding)):
            point = candidate
    yield point.shares[0]
