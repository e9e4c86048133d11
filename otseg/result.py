"""What a solver returns: the plan, potentials, and an honest report of convergence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otseg.ops.divergence import kl
from otseg.problem import Problem
from otseg.types import GradMode


@dataclass(frozen=True, eq=False)
class OTResult:
    r"""Solution of a batch of transport problems.

    Attributes:
        plan: Mass that goes from each frame to each action; 0 on masked frames.
        problem: The problem that was solved.
        f: Potential of every frame, in units of the cost, or ``None`` where the solver has none:
            ``plan = a b exp((f + g - cost) / epsilon)``, with the gradient of all priors in the cost (of linear priors
            always; of curved ones at a stationary plan). Where both marginals are exact, ``<b, g> = 0``.
        g: Potential of every action.
        n_iter: Iterations done, per problem.
        error: Distance from optimality, per problem; the solver says in which norm.
        converged: Whether ``error`` fell below the solver's tolerance; False where no tolerance was given.
        grad: How the result can be differentiated, see :mod:`otseg.solvers.gradients`.
    """

    plan: Float[Tensor, "B N K"]
    problem: Problem
    f: Float[Tensor, "B N"] | None
    g: Float[Tensor, "B K"] | None
    n_iter: Int[Tensor, " B"]
    error: Float[Tensor, " B"]
    converged: Bool[Tensor, " B"]
    grad: GradMode = "none"

    @property
    def marginal_a(self) -> Float[Tensor, "B N"]:
        """Mass that leaves every frame."""
        return self.plan.sum(dim=2)

    @property
    def marginal_b(self) -> Float[Tensor, "B K"]:
        """Mass that reaches every action."""
        return self.plan.sum(dim=1)

    @property
    def value_linear(self) -> Float[Tensor, " B"]:
        """Transport cost of the plan, without priors, entropy and penalties."""
        return (self.problem.cost * self.plan).sum(dim=(1, 2))

    @property
    def value(self) -> Float[Tensor, " B"]:
        """The objective of :class:`~otseg.problem.Problem` at the plan; exact marginals add nothing to it."""
        with torch.set_grad_enabled(self.grad != "none" and torch.is_grad_enabled()):
            return self._value()

    def _value(self) -> Tensor:
        problem, plan = self.problem, self.plan
        value = (problem.cost * plan).sum(dim=(1, 2))
        for prior in problem.priors:
            value = value + prior.energy_and_grad(plan, problem.mask)[0]
        product = problem.a.unsqueeze(2) * problem.b.unsqueeze(1)
        value = value + problem.epsilon * kl(plan, product, dim=(1, 2))
        value = value + _penalty(problem.rho_a, self.marginal_a, problem.a)
        value = value + _penalty(problem.rho_b, self.marginal_b, problem.b)
        if self.grad == "envelope" and self.f is not None and self.g is not None:
            # The plan is a constant, so the multipliers of exact marginals stand for its dependence on a and b.
            value = value + _multiplied(problem.rho_a, self.f, problem.a)
            value = value + _multiplied(problem.rho_b, self.g, problem.b)
        return value

    def labels(self) -> Int[Tensor, "B N"]:
        """The action that receives most of every frame's mass; -1 where masked.

        Example:
            >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]])
            >>> otseg.solve(cost, epsilon=0.1, mask=torch.tensor([[True, True, False]])).labels()
            tensor([[ 0,  1, -1]])
        """
        return self.plan.argmax(dim=2).masked_fill(~self.problem.mask, -1)


def _penalty(rho: Tensor, marginal: Tensor, wanted: Tensor) -> Tensor:
    exact = torch.isinf(rho)
    return torch.where(exact, 0, torch.where(exact, 0, rho) * kl(marginal, wanted))


def _multiplied(rho: Tensor, potential: Tensor, wanted: Tensor) -> Tensor:
    """0, with the gradient ``potential`` with respect to an exact marginal."""
    return torch.where(torch.isinf(rho), (potential * (wanted - wanted.detach())).sum(dim=1), 0)


#: How to solve a problem: any function from a problem to a result.
Solver: TypeAlias = Callable[[Problem], OTResult]
