"""Problems whose solutions are differentiated: every kind of marginal, masks, empty masses, ties, single entries."""

import math
from dataclasses import dataclass

import torch

RHO = {
    "balanced": (math.inf, math.inf),
    "semi-relaxed": (math.inf, 0.3),
    "unbalanced": (0.5, 0.2),
    "exact actions": (0.4, math.inf),
    "free actions": (math.inf, 0.0),
    "free frames": (0.0, 0.3),
}


@dataclass
class Inputs:
    """Leaves to differentiate by: cost, logits of both marginals, and one epsilon and rho per problem."""

    cost: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor
    epsilon: torch.Tensor
    rho_a: torch.Tensor
    rho_b: torch.Tensor
    mask: torch.Tensor
    empty: torch.Tensor  # actions without mass, (B, K)

    @property
    def leaves(self):
        return self.cost, self.a, self.b, self.epsilon, self.rho_a, self.rho_b

    def problem(self, cost, a, b, epsilon, rho_a, rho_b):
        """Keyword arguments of a door; marginals stay on the simplex."""
        a = a.masked_fill(~self.mask, -torch.inf).softmax(dim=1)
        b = b.masked_fill(self.empty, -torch.inf).softmax(dim=1)
        return {"cost": cost, "a": a, "b": b, "epsilon": epsilon, "rho_a": rho_a, "rho_b": rho_b, "mask": self.mask}


def inputs(generator, rho, shape=(2, 5, 3), kind=""):
    """Random leaves; ``kind`` makes masses empty or costs equal."""
    batch, frames, actions = shape

    def random(*size):
        return torch.rand(*size, generator=generator, dtype=torch.float64)

    cost = random(*shape)
    if kind == "ties":
        cost = (2 * cost).round()
    mask = torch.ones(batch, frames, dtype=torch.bool)
    mask[-1, max(1, frames - 2) :] = False
    empty = torch.zeros(batch, actions, dtype=torch.bool)
    if kind == "zero mass" and actions > 1:
        empty[-1, 1] = True
    rho_a, rho_b = (torch.full((batch,), value, dtype=torch.float64) for value in RHO[rho])
    for value in (rho_a, rho_b):
        value.requires_grad_(bool((value > 0).all() & torch.isfinite(value).all()))
    leaves = cost, random(batch, frames), random(batch, actions), 0.2 + 0.3 * random(batch)
    return Inputs(*(leaf.requires_grad_() for leaf in leaves), rho_a, rho_b, mask, empty)
