"""What several priors share: weights per problem and the energy of a linear term."""

import math

import torch
from torch import Tensor

from otseg import checks
from otseg.types import PerProblem


def check_weight(weight: PerProblem) -> None:
    """Require a finite weight, at least 0: a number, or a tensor with one per problem."""
    if isinstance(weight, Tensor):
        checks.tensor("weight", weight, "B")
        checks.finite("weight", weight)
        if checks.readable(weight) and weight.numel():
            checks.require(bool((weight >= 0).all()), "weight", "at least 0", float(weight.detach().min()))
        return
    checks.number("weight", weight, 0)
    checks.require(math.isfinite(weight), "weight", "finite", weight)


def per_problem(weight: PerProblem, like: Tensor) -> Tensor:
    """The weight as ``(B, 1, 1)``, or ``(1, 1, 1)`` where one value serves all; dtype and device of ``like``."""
    value = torch.as_tensor(weight, dtype=like.dtype, device=like.device).reshape(-1, 1, 1)
    fits = value.shape[0] in (1, like.shape[0])
    checks.require(fits, "weight", f"a number or of shape (B,) = ({like.shape[0]},)", checks.describe(weight))
    return value


def linear_energy(cost: Tensor, plan: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Energy ``<cost, plan>`` over real frames and its gradient, the cost itself."""
    cost = cost.masked_fill(~mask.unsqueeze(2), 0).expand(plan.shape)
    return (cost * plan).sum(dim=(1, 2)), cost
