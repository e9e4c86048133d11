r"""Constraints: which entries a plan may use at all.

A constraint (:class:`otseg.types.Constraint`) is a prior without energy that has a support. Solvers keep the plan at
exactly 0 outside of it: as if the cost were infinite there, but finite in value and gradient.

The constraints on the order contain every entry on which the uniform split of a sequence puts mass (action :math:`k`
on the :math:`k`-th of :math:`K` equal parts, a frame across a boundary shared by both). So they leave every frame an
action and every action a frame, and the problem with equal masses feasible. With other exact marginals, or where
several constraints meet, that is up to the caller: relax a marginal where in doubt.

None of them makes a plan monotone, they bound where it may go. :func:`otseg.decode.viterbi` decodes a monotone path.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.priors._positions import lengths, ranks
from otseg.priors._terms import LinearTerm, check_per_problem, per_problem
from otseg.types import PerProblem

#: What counts as touching rather than overlapping: above the rounding of positions, below ``1 / (N K)``.
TOUCH = 1e-12


class _NoEnergy(LinearTerm):
    """A prior that costs nothing where its constraint holds."""

    def term(self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Tensor:
        """Zero."""
        return plan.new_zeros(1, 1, 1)


@dataclass(frozen=True, eq=False)
class OrderBand(_NoEnergy):
    r"""A band around the diagonal: no frame further than ``width`` from its action's equal share (Sakoe and Chiba).

    Frame :math:`n` covers :math:`[n / N, (n + 1) / N]` of the sequence and action :math:`k` owns
    :math:`[k / K, (k + 1) / K]`. They may meet where the two intervals overlap, or where the gap between them is below
    ``width``.

    Args:
        width: Largest gap, at least 0, as a fraction of the sequence: 0 is the uniform split, ``1 / K`` allows for one
            action of delay or haste, 1 for everything. One value, or one per problem ``(B,)``.

    Example:
        >>> OrderBand(width=0.0).support(torch.ones(1, 4, dtype=torch.bool), 2)[0].int()
        tensor([[1, 0],
                [1, 0],
                [0, 1],
                [0, 1]], dtype=torch.int32)

    References:
        :cite:`sakoe1978dynamic` (adjustment window).
    """

    width: PerProblem

    def __post_init__(self) -> None:
        check_per_problem("width", self.width)

    def support(self, mask: Bool[Tensor, "B N"], n_actions: int) -> Bool[Tensor, "B N K"]:
        """True where a plan may have mass, False on masked frames; O(BNK)."""
        start, stop = _intervals(mask)
        width = per_problem(self.width, start, "width")
        return _corridor(start - width, stop + width, mask, n_actions)


@dataclass(frozen=True, eq=False)
class OrderParallelogram(_NoEnergy):
    r"""A parallelogram around the diagonal: no action faster or slower than ``slope`` from either end (Itakura).

    The paths from the first frame and action to the last ones, in relative positions :math:`x` of frames and :math:`y`
    of actions, whose slope is never above :math:`s` or below :math:`1 / s`, fill

    .. math::

        \max\big(x / s,\; 1 - s (1 - x)\big) \;\le\; y \;\le\; \min\big(s x,\; 1 - (1 - x) / s\big)

    A frame and an action may meet where the cell :math:`[n / N, (n + 1) / N] \times [k / K, (k + 1) / K]` overlaps it.
    Unlike a band it is narrow at both ends, and widest in the middle.

    Args:
        slope: Largest slope :math:`s`, at least 1: 1 is the uniform split, 2 allows for twice or half the mean speed.
            One value, or one per problem ``(B,)``.

    Example:
        >>> OrderParallelogram(slope=2.0).support(torch.ones(1, 4, dtype=torch.bool), 4)[0].int()
        tensor([[1, 1, 0, 0],
                [1, 1, 1, 0],
                [0, 1, 1, 1],
                [0, 0, 1, 1]], dtype=torch.int32)

    References:
        :cite:`itakura1975minimum` (continuity conditions).
    """

    slope: PerProblem

    def __post_init__(self) -> None:
        check_per_problem("slope", self.slope, positive=True)
        if not isinstance(self.slope, Tensor):
            checks.number("slope", self.slope, 1)
        elif checks.readable(self.slope) and self.slope.numel():
            checks.require(bool((self.slope >= 1).all()), "slope", "at least 1", self.slope.tolist())

    def support(self, mask: Bool[Tensor, "B N"], n_actions: int) -> Bool[Tensor, "B N K"]:
        """True where a plan may have mass, False on masked frames; O(BNK)."""
        start, stop = _intervals(mask)
        slope = per_problem(self.slope, start, "slope")
        lower = torch.maximum(start / slope, 1 - slope * (1 - start))
        upper = torch.minimum(stop * slope, 1 - (1 - stop) / slope)
        return _corridor(lower, upper, mask, n_actions)


@dataclass(frozen=True, eq=False)
class MinimumDuration(_NoEnergy):
    r"""Room for every other action: where an action may be if all come in order and each lasts long enough.

    With :math:`m` the shortest duration in frames, frame :math:`n` (from 0) may have action :math:`k` where

    .. math:: k\, m \;\le\; n \;\le\; N - 1 - (K - 1 - k)\, m

    which are exactly the entries of all labelings :math:`0, 1, \dots, K - 1`, in this order, in which every action
    lasts at least :math:`m` frames.

    Args:
        frames: Shortest duration. An int is frames. A float in [0, 1] is a fraction of the sequence's own length,
            rounded down. Never more than what all actions together have room for, :math:`\lfloor N / K \rfloor`: at
            that, in a sequence of :math:`K m` frames, it is the uniform split.

    Note:
        The duration itself is not enforced: a plan inside of the support may still give an action a single frame.

    Example:
        >>> MinimumDuration(frames=1).support(torch.ones(1, 4, dtype=torch.bool), 3)[0].int()
        tensor([[1, 0, 0],
                [1, 1, 0],
                [0, 1, 1],
                [0, 0, 1]], dtype=torch.int32)
    """

    frames: int | float

    def __post_init__(self) -> None:
        whole = isinstance(self.frames, int)
        fix = "" if whole else "A float is a fraction of the sequence; write 5 for five frames."
        checks.number("frames", self.frames, 0, float("inf") if whole else 1, fix=fix)

    def support(self, mask: Bool[Tensor, "B N"], n_actions: int) -> Bool[Tensor, "B N K"]:
        """True where a plan may have mass, False on masked frames; O(BNK)."""
        frames = lengths(mask)  # (B, 1)
        if isinstance(self.frames, int):
            wanted = torch.full_like(frames, self.frames)
        else:
            wanted = (frames.double() * self.frames).floor().long()
        shortest = torch.minimum(wanted, frames // n_actions)
        before = shortest * torch.arange(n_actions, device=mask.device)  # frames of the actions before, (B, K)
        rank = ranks(mask).unsqueeze(2)
        fits = (before.unsqueeze(1) <= rank) & (rank < (frames - before.flip(1)).unsqueeze(1))
        return fits & mask.unsqueeze(2)


@dataclass(frozen=True, eq=False)
class AllowedActions(_NoEnergy):
    """Any set of entries: the actions of an activity, annotated frames, an interval of each action.

    Args:
        allowed: True where a plan may have mass: ``(B, N, K)``, ``(N, K)`` for the whole batch, or with an axis of size
            1 for every axis along which it does not change, such as ``(B, 1, K)``. Every real frame needs an action.

    Note:
        An action without any entry needs to have no mass in ``b``.

    Example:
        >>> allowed = torch.tensor([[[True, True, False]], [[False, True, True]]])  # per sequence
        >>> AllowedActions(allowed).support(torch.ones(2, 5, dtype=torch.bool), 3)[:, 0]
        tensor([[ True,  True, False],
                [False,  True,  True]])
    """

    allowed: Bool[Tensor, "#B #N #K"] | Bool[Tensor, "#N #K"]

    def __post_init__(self) -> None:
        boolean = isinstance(self.allowed, Tensor) and self.allowed.dtype == torch.bool
        fix = "Convert it with allowed.bool(); True allows."
        wanted = "a boolean tensor of shape (B, N, K) or (N, K)"
        checks.require(boolean, "allowed", wanted, checks.describe(self.allowed), fix, TypeError)
        axes = self.allowed.dim() in (2, 3)
        checks.require(axes, "allowed", "of shape (B, N, K) or (N, K)", checks.describe(self.allowed))

    def support(self, mask: Bool[Tensor, "B N"], n_actions: int) -> Bool[Tensor, "B N K"]:
        """True where a plan may have mass, False on masked frames; O(BNK)."""
        shape = (*mask.shape, n_actions)
        allowed = self.allowed if self.allowed.dim() == 3 else self.allowed.unsqueeze(0)
        fits = all(size in (1, full) for size, full in zip(allowed.shape, shape, strict=True))
        got = checks.describe(self.allowed)
        checks.require(fits, "allowed", f"of shape (B, N, K) = {shape} or 1 in places", got)
        on = f"on the device of `cost` ({mask.device})"
        checks.require(allowed.device == mask.device, "allowed", on, got, "Move it with allowed.to(cost.device).")
        return allowed & mask.unsqueeze(2)


def _intervals(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Where every frame starts and stops, as fractions of its sequence, ``(B, N, 1)``, float64 whatever the plan is."""
    rank, length = ranks(mask).double(), lengths(mask).double()
    return (rank / length).unsqueeze(2), ((rank + 1) / length).unsqueeze(2)


def _corridor(lower: Tensor, upper: Tensor, mask: Tensor, n_actions: int) -> Tensor:
    """Actions whose part ``[k / K, (k + 1) / K]`` overlaps ``[lower, upper]``, ``(B, N, 1)``; False on masked frames.

    With ``lower`` at the start of a frame and ``upper`` at its stop, both growing along the sequence, these are the
    cells that overlap the region between the two curves.
    """
    edge = torch.arange(n_actions + 1, device=mask.device).double() / n_actions
    return (lower < edge[1:] - TOUCH) & (upper > edge[:-1] + TOUCH) & mask.unsqueeze(2)
