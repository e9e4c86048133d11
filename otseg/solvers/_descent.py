"""What mirror descent needs to know of a problem: objective, gradient, proposal and optimality of a plan."""

from dataclasses import dataclass

import torch
from torch import Tensor

from otseg.checks import readable
from otseg.ops.divergence import dot, kl, log_weight
from otseg.ops.layout import frames_contiguous
from otseg.ops.mirror_step import mirror_step
from otseg.ops.newton import newton_polish
from otseg.ops.sinkhorn import center, damping, sinkhorn_sweeps, slope
from otseg.ops.sinkhorn_gradient import DIRECT_UP_TO
from otseg.ops.softmin import softmin
from otseg.problem import Problem

#: An action penalty above this multiple of the priors' curvature is kept exactly instead of linearized.
KEEP_ABOVE = 1.0
#: Newton steps after the sweeps of a subproblem: without them its marginals limit how far the objective can fall.
NEWTON_STEPS = 2


def decided(condition: Tensor) -> bool:
    """Whether it holds anywhere; True where that cannot be read: in a compiled, transformed or captured program."""
    captured = condition.is_cuda and torch.cuda.is_current_stream_capturing()
    if captured or torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(condition):
        return True
    return bool(condition.any())


@dataclass(frozen=True, eq=False)
class Point:
    """A plan with all that the next step needs."""

    log_density: Tensor  # M = log P / (a b), (B, N, K)
    plan: Tensor  # (B, N, K)
    gradient: Tensor  # of all that is linearized, (B, N, K)
    objective: Tensor  # (B,)
    multiplier: Tensor  # potential of a kept action marginal in units of the cost, 0 elsewhere, (B, K)

    def where(self, chosen: Tensor, other: "Point") -> "Point":
        """This point in the chosen problems, another one elsewhere."""
        if readable(chosen):
            if bool(chosen.all()):
                return self
            if not bool(chosen.any()):
                return other
        column, entry = chosen[:, None], chosen[:, None, None]
        return Point(
            torch.where(entry, self.log_density, other.log_density),
            torch.where(entry, self.plan, other.plan),
            torch.where(entry, self.gradient, other.gradient),
            torch.where(chosen, self.objective, other.objective),
            torch.where(column, self.multiplier, other.multiplier),
        )


@dataclass(frozen=True, eq=False)
class Descent:
    """A problem prepared for mirror descent: which terms are linearized and which are kept.

    ``linear_rho`` weighs an action penalty that is linearized, ``kept_rho`` one that is kept (0: none). Exactly one
    of them is not 0, unless the marginal is free.
    """

    problem: Problem
    cost: Tensor
    log_b: Tensor
    support: Tensor | None
    smoothness: Tensor
    linear_rho: Tensor
    kept_rho: Tensor
    finite_a: Tensor  # rho_a where it is finite, else 0
    finite_b: Tensor
    scale: Tensor  # what objectives may differ by: mass times the range of cost and priors
    violation_weight: Tensor  # of an exact action marginal
    mass_b: Tensor
    product_mass: Tensor  # mass of a b^T
    tau_exact: Tensor  # damping of exact frames, 1
    any_kept: bool
    relaxed_a: bool
    inner_iter: int

    @classmethod
    def of(cls, problem: Problem, inner_iter: int) -> "Descent":
        """Prepare a problem."""
        cost = frames_contiguous(problem.linear_cost)
        curvature = torch.zeros_like(problem.epsilon)
        for prior in problem.curved_priors:
            curvature = curvature + prior.smoothness(problem.a, problem.mask).detach()
        rho = problem.rho_b
        kept = torch.isinf(rho) | (rho > KEEP_ABOVE * curvature)
        zero = torch.zeros_like(rho)
        linear_rho, kept_rho = torch.where(kept, zero, rho), torch.where(kept, rho, zero)
        massive = (problem.a > 0).unsqueeze(2)
        # Exact penalty of a violated exact marginal: no multiplier exceeds the range of the cost and of the priors.
        width = cost.detach().masked_fill(~massive, -torch.inf).amax(dim=(1, 2))
        width = width - cost.detach().masked_fill(~massive, torch.inf).amin(dim=(1, 2)) + 2 * curvature
        violation_weight = torch.where(torch.isinf(kept_rho), width, zero)
        smoothness = curvature + linear_rho.detach()
        exact_a, exact_b = torch.isinf(problem.rho_a), torch.isinf(rho)
        return cls(
            problem,
            cost,
            log_weight(problem.b),
            problem.support,
            smoothness,
            linear_rho,
            kept_rho,
            finite_a=torch.where(exact_a, zero, problem.rho_a),
            finite_b=torch.where(exact_b, zero, rho),
            scale=problem.a.detach().sum(dim=1) * (width + problem.epsilon.detach()),
            violation_weight=violation_weight,
            mass_b=problem.b.sum(dim=1),
            product_mass=problem.a.sum(dim=1) * problem.b.sum(dim=1),
            tau_exact=torch.ones_like(rho),
            any_kept=decided(kept),
            relaxed_a=decided(~exact_a),
            inner_iter=inner_iter,
        )

    def plan(self, log_density: Tensor) -> Tensor:
        """The plan ``a b exp(M)``, 0 outside of the support."""
        log_plan = log_density + log_weight(self.problem.a).unsqueeze(2) + self.log_b.unsqueeze(1)
        return self.supported(log_plan).exp()

    def point(self, log_density: Tensor, multiplier: Tensor | None, plan: Tensor | None = None) -> Point:
        """Objective and gradient at a plan that is given by its log density."""
        problem, epsilon = self.problem, self.problem.epsilon
        a, b = problem.a, problem.b
        if plan is None:
            plan = self.plan(log_density)
        if multiplier is None:
            multiplier = torch.zeros_like(b)
        column = plan.sum(dim=1)
        mass, ratio = column.sum(dim=1), self._ratio(column)
        entropy = dot(plan, log_density) - mass + self.product_mass
        objective = dot(plan, self.cost) + epsilon * entropy
        objective = objective + self.finite_b * ((column * ratio).sum(dim=1) - mass + self.mass_b)
        gradient = self.cost + (self.linear_rho[:, None] * ratio).unsqueeze(1)
        for prior in problem.curved_priors:
            energy, curved = prior.energy_and_grad(plan, problem.mask)
            objective, gradient = objective + energy, gradient.add_(curved)
        if self.relaxed_a:
            objective = objective + self.finite_a * kl(plan.sum(dim=2), a)
        if self.any_kept:
            objective = objective + self.violation_weight * (column - b).abs().sum(dim=1)
        return Point(log_density, plan, gradient, objective, multiplier)

    def gradient(self, plan: Tensor) -> Tensor:
        """Gradient of all that is linearized."""
        gradient = self.cost + (self.linear_rho[:, None] * self._ratio(plan.sum(dim=1))).unsqueeze(1)
        for prior in self.problem.curved_priors:
            gradient = gradient + prior.energy_and_grad(plan, self.problem.mask)[1]
        return gradient

    def propose(self, point: Point, step: Tensor) -> Point:
        """The minimizer of the linearized objective plus ``KL(X | P) / step``."""
        problem = self.problem
        scale = problem.epsilon + 1 / step  # weight of all entropies of the subproblem
        keep, move = 1 / (step * scale), 1 / scale
        if not self.any_kept:
            tau_a = damping(slope(problem.rho_a, scale)) if self.relaxed_a else self.tau_exact
            density, plan = mirror_step(
                point.log_density, point.gradient, keep, move, problem.a, self.log_b, tau_a, self.support
            )
            return self.point(density, None, plan)
        score = keep[:, None, None] * point.log_density - move[:, None, None] * point.gradient
        f, g = self.balance(self.supported(score), point.multiplier, scale, self.inner_iter, None)
        return self.point(score + f.unsqueeze(2) + g.unsqueeze(1), g * scale[:, None])

    def supported(self, score: Tensor) -> Tensor:
        """A score that is minus infinity where the plan may have no mass."""
        return score if self.support is None else score.masked_fill(~self.support, float("-inf"))

    def balance(
        self, score: Tensor, multiplier: Tensor, scale: Tensor, max_iter: int, tol: float | None
    ) -> tuple[Tensor, Tensor]:
        """Meet both sides of a subproblem by Sinkhorn sweeps, starting from the last multiplier; over ``scale``."""
        problem = self.problem
        slope_a, slope_b = slope(problem.rho_a, scale), slope(self.kept_rho, scale)
        f = damping(slope_a)[:, None] * softmin(score, multiplier / scale[:, None], self.log_b, 2)
        f, g, _, _ = sinkhorn_sweeps(score, problem.a, problem.b, slope_a, slope_b, f, max_iter, tol, True)
        if g.shape[1] > DIRECT_UP_TO:
            return f, g
        return newton_polish(score, problem.a, problem.b, slope_a, slope_b, g, NEWTON_STEPS)

    def _ratio(self, column: Tensor) -> Tensor:
        """``log(column / b)``: the slope of the action penalty; 0 where an action has no mass to get."""
        # A column whose mass underflowed gets the steepest slope that the dtype can say, not an infinite one.
        tiny = torch.finfo(column.dtype).tiny
        return torch.where(self.problem.b > 0, column.clamp(min=tiny).log() - self.log_b, 0)

    def respond(self, point: Point) -> tuple[Tensor, Tensor, Tensor]:
        """Potentials ``f`` ``(B, N)``, 0 where ``a`` is, and ``g`` ``(B, K)`` in units of the cost; the best response.

        The response minimizes the objective linearized at the plan, the potentials that make up its density are
        ``(f + g - gradient of cost and priors) / epsilon``.
        """
        problem, epsilon = self.problem, self.problem.epsilon
        shifted = self.log_b + point.multiplier / epsilon[:, None]
        tau_a, forget = damping(slope(problem.rho_a, epsilon)), torch.zeros_like(epsilon)
        density, best = mirror_step(
            point.gradient, point.gradient, forget, 1 / epsilon, problem.a, shifted, tau_a, self.support
        )
        f = (epsilon[:, None, None] * density[:, :, :1] + point.gradient[:, :, :1]).squeeze(2)
        g = point.multiplier - self.linear_rho[:, None] * self._ratio(point.plan.sum(dim=1))
        f, g = center(f, g, problem.b, torch.isinf(problem.rho_a) & torch.isinf(problem.rho_b))
        return f.masked_fill(problem.a == 0, 0), g, best

    def error(self, point: Point, best: Tensor | None = None) -> Tensor:
        """L1 distance between a plan and its best response, plus the violation of a kept marginal; ``(B,)``."""
        with torch.no_grad():
            best = self.respond(point)[2] if best is None else best
            mass, b = self.problem.a.sum(dim=1), self.problem.b
            error = (best - point.plan).abs().sum(dim=(1, 2)) / mass
            target = b * (-point.multiplier / self.kept_rho[:, None]).clamp(max=80).exp()
            gap = (point.plan.sum(dim=1) - target).abs().sum(dim=1) / mass
            return error + torch.where(self.kept_rho > 0, gap, 0)
