"""The transport problem: what to solve, checked once, at its door."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.ops.sinkhorn import damping, slope
from otseg.types import Constraint, PerProblem, Prior, satisfies


@dataclass(frozen=True, eq=False)
class Problem:
    r"""A batch of regularized transport problems between ``N`` frames and ``K`` actions.

    .. math::

        \min_P \; \langle C, P\rangle + \textstyle\sum_i \mathrm{prior}_i(P) + \varepsilon\,\mathrm{KL}(P \mid a b^\top)
        + \rho_a \mathrm{KL}(P 1 \mid a) + \rho_b \mathrm{KL}(P^\top 1 \mid b)

    ``rho = inf`` makes a marginal exact, ``rho = 0`` leaves it free. Build it with :meth:`make`, which fills in
    defaults and refuses what cannot be solved; the constructor itself checks nothing.

    Attributes:
        cost: Cost of assigning a frame to an action; 0 on masked frames.
        a: Mass of every frame; 0 on masked frames.
        b: Mass of every action.
        mask: True on real frames.
        epsilon: Weight of the entropy, in units of the cost.
        rho_a: Weight of the frame marginal's penalty, in units of the cost.
        rho_b: Weight of the action marginal's penalty, in units of the cost.
        priors: Energies added to the cost.
    """

    cost: Float[Tensor, "B N K"]
    a: Float[Tensor, "B N"]
    b: Float[Tensor, "B K"]
    mask: Bool[Tensor, "B N"]
    epsilon: Float[Tensor, " B"]
    rho_a: Float[Tensor, " B"]
    rho_b: Float[Tensor, " B"]
    priors: tuple[Prior, ...] = ()

    @classmethod
    def make(
        cls,
        cost: Float[Tensor, "B N K"],
        a: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
        b: Float[Tensor, "#B K"] | Float[Tensor, " K"] | None = None,
        *,
        epsilon: PerProblem,
        rho_a: PerProblem = math.inf,
        rho_b: PerProblem = math.inf,
        mask: Bool[Tensor, "B N"] | None = None,
        priors: Sequence[Prior] = (),
    ) -> "Problem":
        """Check the arguments and fill in the defaults.

        Args:
            cost: Cost of assigning each frame to each action, finite on real frames. Half precision is computed in
                float32.
            a: Mass of every frame, at least 0, and 0 on masked frames; one over the number of real frames if
                ``None``. ``(N,)`` is shared by the batch.
            b: Mass of every action, at least 0; equal shares of the mass of ``a`` if ``None``.
            epsilon: Weight of the entropy, above 0; one value, or one per problem.
            rho_a: Weight of the frame marginal's penalty, at least 0; ``inf`` makes it exact.
            rho_b: The same for actions.
            mask: True on real frames, at least one per sequence; all frames if ``None``.
            priors: Objects with the methods of :class:`otseg.types.Prior`.

        Raises:
            TypeError: If an argument has the wrong type or dtype.
            ValueError: If a shape, a device or a value is wrong; the message names the argument and the fix.

        Example:
            >>> problem = Problem.make(torch.rand(2, 5, 3), epsilon=0.1, rho_b=torch.tensor([0.5, 1.0]))
            >>> problem.a.sum(dim=1)
            tensor([1., 1.])
        """
        cost = checks.tensor("cost", cost, "B N K")
        if cost.dtype not in (torch.float32, torch.float64):
            cost = cost.float()
        sizes = "B, N, K"
        fix = f"Every sequence needs a frame and every problem an action ({sizes})."
        if min(cost.shape[1:]) == 0:
            checks.fail("cost", "non-empty", checks.describe(cost), fix)
        every_frame, mask = mask is None, _mask(mask, cost)
        checks.finite("cost", cost, mask.unsqueeze(2))
        if not every_frame:
            cost = cost.masked_fill(~mask.unsqueeze(2), 0)
        uniform = a is None
        if a is not None:
            a = _marginal("a", a, cost, cost.shape[1])
            if checks.readable(a) and bool((a * ~mask).any()):
                fix = "Multiply it by the mask and rescale it."
                checks.fail("a", "0 on masked frames", "mass on a masked frame", fix)
        elif every_frame:
            a = cost.new_full(cost.shape[:2], 1 / cost.shape[1])
        else:
            a = mask.to(cost.dtype) / mask.sum(dim=1, keepdim=True)
        if b is not None:
            b = _marginal("b", b, cost, cost.shape[2])
        elif uniform:
            b = cost.new_full(cost.shape[::2], 1 / cost.shape[2])
        else:
            b = (a.sum(dim=1, keepdim=True) / cost.shape[2]).expand(-1, cost.shape[2])
        relaxed = any(not isinstance(rho, Tensor) and rho != math.inf for rho in (rho_a, rho_b))
        rho_a, rho_b = _per_problem("rho_a", rho_a, cost), _per_problem("rho_b", rho_b, cost)
        if not relaxed:
            _same_mass(a, b, torch.isinf(rho_a) & torch.isinf(rho_b))
        for i, prior in enumerate(priors):
            if not satisfies(prior, Prior):
                got = checks.describe(prior)
                checks.fail(f"priors[{i}]", "a Prior (see otseg.types.Prior)", got, "", TypeError)
        epsilon = _per_problem("epsilon", epsilon, cost, positive=True)
        problem = cls(cost, a, b, mask, epsilon, rho_a, rho_b, tuple(priors))
        _supported(problem)
        return problem

    @property
    def linear_cost(self) -> Float[Tensor, "B N K"]:
        """The cost with every linear prior folded in."""
        cost = self.cost
        for prior in self.priors:
            if prior.linear:
                cost = cost + prior.energy_and_grad(self.cost, self.mask)[1]
        return cost

    @property
    def support(self) -> Bool[Tensor, "B N K"] | None:
        """Where the plan may have mass: the entries that every constraint allows; ``None`` without constraints.

        True wherever ``a`` or ``b`` is 0, where there is no mass to forbid.
        """
        constraints = (cast(Constraint, prior) for prior in self.priors if satisfies(prior, Constraint))
        found = [constraint.support(self.mask, self.b.shape[1]) for constraint in constraints]
        if not found:
            return None
        empty = (self.a == 0).unsqueeze(2) | (self.b == 0).unsqueeze(1)
        allowed = empty.new_ones(empty.shape)
        for support in found:
            allowed = allowed & support
        return allowed | empty

    @property
    def curved_priors(self) -> tuple[Prior, ...]:
        """The priors that are not linear in the plan."""
        return tuple(prior for prior in self.priors if not prior.linear)

    @property
    def tau_a(self) -> Float[Tensor, " B"]:
        """Damping of the frame side, ``1 / (1 + epsilon / rho_a)``: 1 where exact, 0 where free."""
        return damping(slope(self.rho_a, self.epsilon))

    @property
    def tau_b(self) -> Float[Tensor, " B"]:
        """Damping of the action side, ``1 / (1 + epsilon / rho_b)``: 1 where exact, 0 where free."""
        return damping(slope(self.rho_b, self.epsilon))


def _mask(mask: Tensor | None, cost: Tensor) -> Tensor:
    if mask is None:
        return torch.ones(cost.shape[:2], dtype=torch.bool, device=cost.device)
    checks.mask("mask", mask, "cost", cost)
    if checks.readable(mask):
        empty = (~mask.any(dim=1)).nonzero().flatten().tolist()
        checks.require(not empty, "mask", "True on a frame of every sequence", f"none in sequences {empty}")
    return mask


def _marginal(name: str, value: Tensor, cost: Tensor, size: int) -> Tensor:
    checks.require(isinstance(value, Tensor), name, "a tensor", checks.describe(value), "", TypeError)
    if value.dim() == 1:
        value = value.unsqueeze(0)
    value = checks.tensor(name, value, "B N" if name == "a" else "B K")
    if value.dtype not in (torch.float32, torch.float64):
        value = value.float()
    checks.like(name, value, "cost", cost)
    if value.shape[0] == 1:
        value = value.expand(cost.shape[0], -1)
    checks.shape(name, value, (cost.shape[0], size), "(B, N)" if name == "a" else "(B, K)")
    checks.finite(name, value)
    if checks.readable(value) and value.numel():
        least = float(value.detach().min())
        checks.require(least >= 0, name, "at least 0", f"a smallest entry of {least}")
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


def _supported(problem: Problem) -> None:
    support = problem.support
    if support is None or not checks.readable(support):
        return
    has_mass = (problem.a > 0).unsqueeze(2), (problem.b > 0).unsqueeze(1)
    for side, axis, own, other in (("frame", 2, *has_mass), ("action", 1, *has_mass[::-1])):
        # An entry helps only if there is mass on the other side.
        empty = (own.squeeze(axis) & ~(support & other).any(dim=axis)).nonzero()
        if len(empty):
            sequence, index = empty[0].tolist()
            got = f"none for {side} {index} of sequence {sequence} ({len(empty)} such {side}s)"
            checks.fail("priors", f"constraints that leave every {side} an entry", got, "Widen a constraint.")


def _per_problem(name: str, value: PerProblem, cost: Tensor, *, positive: bool = False) -> Tensor:
    bound = "above 0 and finite" if positive else "at least 0 (inf: exact marginal)"
    if not isinstance(value, Tensor):
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            checks.fail(name, "a number or a tensor of shape (B,)", checks.describe(value), "", TypeError)
        ok = 0 < value < math.inf if positive else value >= 0
        checks.require(ok, name, bound, value)
        return torch.full(cost.shape[:1], value, dtype=cost.dtype, device=cost.device)
    if value.dim() == 0:
        value = value.expand(cost.shape[0])
    value = checks.tensor(name, value, "B")
    checks.shape(name, value, tuple(cost.shape[:1]), "(B,)")
    on = f"on the device of `cost` ({cost.device})"
    checks.require(
        value.device == cost.device, name, on, checks.describe(value), f"Move it with {name}.to(cost.device)."
    )
    if checks.readable(value) and value.numel():
        ok = bool(((value > 0) & torch.isfinite(value)).all() if positive else (value >= 0).all())
        checks.require(ok, name, bound, value.tolist())
    return value.to(cost.dtype)
