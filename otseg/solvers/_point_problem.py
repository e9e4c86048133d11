"""The transport problem between two sets of points, checked once: a ``Problem`` without its cost matrix."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from otseg import checks
from otseg.ops.divergence import log_weight
from otseg.ops.point_scores import COSTS, PointCost
from otseg.types import PerProblem


@dataclass(frozen=True, eq=False)
class PointProblem:
    """What :func:`otseg.solvers.sinkhorn_points` solves, with every default filled in.

    Attributes:
        x: Points of the rows, ``(B, N, D)``; masked ones lie at the mean of ``y``.
        y: Points of the columns, ``(B, M, D)``; masked ones lie at their mean.
        a: Mass of ``x``, ``(B, N)``; 0 where masked.
        b: Mass of ``y``, ``(B, M)``; 0 where masked.
        mask_x: True on real points, ``(B, N)``.
        mask_y: True on real points, ``(B, M)``.
        epsilon: Weight of the entropy, ``(B,)``.
        rho_a: Weight of the penalty on the marginal of ``x``, ``(B,)``.
        rho_b: The same for ``y``.
        cost: Name of the cost.
    """

    x: Tensor
    y: Tensor
    a: Tensor
    b: Tensor
    mask_x: Tensor
    mask_y: Tensor
    epsilon: Tensor
    rho_a: Tensor
    rho_b: Tensor
    cost: PointCost

    @property
    def log_a(self) -> Tensor:
        """Log mass of ``x``, minus infinity where it is 0."""
        return log_weight(self.a)

    @property
    def log_b(self) -> Tensor:
        """Log mass of ``y``, minus infinity where it is 0."""
        return log_weight(self.b)


def make_problem(
    x: Tensor,
    y: Tensor,
    a: Tensor | None,
    b: Tensor | None,
    epsilon: PerProblem,
    rho_a: PerProblem,
    rho_b: PerProblem,
    mask_x: Tensor | None,
    mask_y: Tensor | None,
    cost: PointCost,
) -> PointProblem:
    """Check the arguments of :func:`otseg.solvers.sinkhorn_points` and fill in the defaults."""
    checks.choice("cost", cost, COSTS)
    x, y = (_full_precision(checks.tensor(name, value, "B N D")) for name, value in (("x", x), ("y", y)))
    checks.like("y", y, "x", x)
    fits = x.shape[0] == y.shape[0] and x.shape[2] == y.shape[2]
    checks.require(fits, "y", f"of shape ({x.shape[0]}, M, {x.shape[2]})", checks.describe(y))
    for name, value in (("x", x), ("y", y)):
        checks.require(value.shape[1] > 0, name, "of at least one point", checks.describe(value))
    mask_x, mask_y = _mask("mask_x", mask_x, x), _mask("mask_y", mask_y, y)
    checks.finite("x", x, mask_x.unsqueeze(2))
    checks.finite("y", y, mask_y.unsqueeze(2))
    a = mask_x.to(x.dtype) / mask_x.sum(dim=1, keepdim=True) if a is None else _mass("a", a, mask_x, x)
    b = a.sum(dim=1, keepdim=True) * mask_y / mask_y.sum(dim=1, keepdim=True) if b is None else _mass("b", b, mask_y, y)
    rho_a, rho_b = per_problem("rho_a", rho_a, x), per_problem("rho_b", rho_b, x)
    _same_mass(a, b, torch.isinf(rho_a) & torch.isinf(rho_b))
    epsilon = per_problem("epsilon", epsilon, x, positive=True)
    y = y.masked_fill(~mask_y.unsqueeze(2), 0)
    center = (y.detach().sum(dim=1) / mask_y.sum(dim=1, keepdim=True)).unsqueeze(1)
    x, y = torch.where(mask_x.unsqueeze(2), x, center), torch.where(mask_y.unsqueeze(2), y, center)
    return PointProblem(x, y, a, b, mask_x, mask_y, epsilon, rho_a, rho_b, cost)


def per_problem(name: str, value: PerProblem, like: Tensor, *, positive: bool = False) -> Tensor:
    """One value per problem, ``(B,)``, checked: at least 0, or above 0 and finite if ``positive``."""
    bound = "above 0 and finite" if positive else "at least 0 (inf: exact marginal)"
    if not isinstance(value, Tensor):
        checks.number(name, value, 0, open_low=positive)
        checks.require(not (positive and math.isinf(value)), name, bound, value)
        return like.new_full(like.shape[:1], value)
    value = value.expand(like.shape[0]) if value.dim() == 0 else checks.tensor(name, value, "B")
    checks.shape(name, value, tuple(like.shape[:1]), "(B,)")
    value = value.to(like.dtype)
    checks.like(name, value, "x", like)
    if checks.readable(value):
        good = (value > 0) & torch.isfinite(value) if positive else value >= 0
        checks.require(bool(good.all()), name, bound, value.tolist())
    return value


def _full_precision(value: Tensor) -> Tensor:
    return value if value.dtype in (torch.float32, torch.float64) else value.float()


def _mask(name: str, mask: Tensor | None, points: Tensor) -> Tensor:
    if mask is None:
        return torch.ones(points.shape[:2], dtype=torch.bool, device=points.device)
    is_mask = isinstance(mask, Tensor) and mask.dtype == torch.bool
    fix = f"Convert it with {name}.bool(); True marks real points."
    checks.require(is_mask, name, "a boolean tensor of shape (B, N)", checks.describe(mask), fix, TypeError)
    checks.shape(name, mask, tuple(points.shape[:2]), "(B, N)")
    on = f"on the device of the points ({points.device})"
    checks.require(mask.device == points.device, name, on, checks.describe(mask))
    if checks.readable(mask):
        empty = (~mask.any(dim=1)).nonzero().flatten().tolist()
        checks.require(not empty, name, "True on a point of every problem", f"none in problems {empty}")
    return mask


def _mass(name: str, value: Tensor, mask: Tensor, points: Tensor) -> Tensor:
    checks.require(isinstance(value, Tensor), name, "a tensor", checks.describe(value), "", TypeError)
    value = value.unsqueeze(0) if value.dim() == 1 else value
    value = _full_precision(checks.tensor(name, value, "B N"))
    checks.like(name, value, "x", points)
    value = value.expand(mask.shape[0], -1) if value.shape[0] == 1 else value
    checks.shape(name, value, tuple(mask.shape), "(B, N)")
    checks.finite(name, value)
    if checks.readable(value):
        least = float(value.detach().min())
        checks.require(least >= 0, name, "at least 0", f"a smallest entry of {least}")
        fix = "Multiply it by the mask and rescale it."
        checks.require(not bool((value * ~mask).any()), name, "0 on masked points", "mass on a masked point", fix)
        positive = bool((value.sum(dim=1) > 0).all())
        checks.require(positive, name, "of positive total mass", "a problem whose mass is 0")
    return value


def _same_mass(a: Tensor, b: Tensor, balanced: Tensor) -> None:
    if not (checks.readable(a) and checks.readable(b)):
        return
    mass_a, mass_b = a.detach().sum(dim=1), b.detach().sum(dim=1)
    wrong = (balanced & ((mass_a - mass_b).abs() > 1e-4 * mass_a)).nonzero().flatten().tolist()
    if wrong:
        got = f"{float(mass_b[wrong[0]]):.6g} against {float(mass_a[wrong[0]]):.6g} in problem {wrong[0]}"
        fix = "Rescale one of them, or relax a marginal with a finite rho_a or rho_b."
        checks.fail("b", "of the same total mass as `a` where both marginals are exact", got, fix)
