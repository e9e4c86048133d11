"""What several priors share: values per problem, and the base of priors that are linear in the plan."""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.types import PerProblem


class LinearTerm(ABC):
    r"""A prior :math:`\langle D, P \rangle` whose term :math:`D` does not depend on the plan."""

    @property
    def linear(self) -> bool:
        """True: the gradient does not depend on the plan."""
        return True

    def energy_and_grad(
        self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, "B N K"]]:
        """Energy ``<D, plan>`` over real frames and its gradient, ``D`` there; O(BNK)."""
        term = self.term(plan, mask).masked_fill(~mask.unsqueeze(2), 0).expand(plan.shape)
        return (term * plan).sum(dim=(1, 2)), term

    def smoothness(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """Zero: a linear term does not curve."""
        return a.new_zeros(a.shape[0])

    @abstractmethod
    def term(self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Tensor:
        """The term ``D`` in dtype and on the device of a plan, in a shape that expands to the plan's."""


def check_per_problem(name: str, value: PerProblem, *, positive: bool = False) -> None:
    """Require finite values, at least 0 or above 0: a number, or a tensor with one per problem."""
    if isinstance(value, Tensor):
        checks.tensor(name, value, "B")
        checks.finite(name, value)
        if checks.readable(value) and value.numel():
            least = float(value.detach().min())
            checks.require(
                least > 0 if positive else least >= 0, name, f"{'above' if positive else 'at least'} 0", least
            )
        return
    checks.number(name, value, 0, open_low=positive)
    checks.require(math.isfinite(value), name, "finite", value)


def check_weight(weight: PerProblem) -> None:
    """Require a finite weight, at least 0: a number, or a tensor with one per problem."""
    check_per_problem("weight", weight)


def per_problem(value: PerProblem, like: Tensor, name: str = "weight") -> Tensor:
    """The value as ``(B, 1, 1)``, or ``(1, 1, 1)`` where one serves all; dtype and device of ``like``."""
    tensor = torch.as_tensor(value, dtype=like.dtype, device=like.device).reshape(-1, 1, 1)
    fits = tensor.shape[0] in (1, like.shape[0])
    checks.require(fits, name, f"a number or of shape (B,) = ({like.shape[0]},)", checks.describe(value))
    return tensor
