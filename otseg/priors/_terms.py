"""What several priors share: values per problem, checked matrices, and the base of linear priors."""

import math
from abc import ABC, abstractmethod

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
    if not isinstance(value, Tensor):
        return like.new_full((1, 1, 1), value)
    tensor = value.to(like).reshape(-1, 1, 1)
    if tensor.shape[0] not in (1, like.shape[0]):
        checks.fail(name, f"a number or of shape (B,) = ({like.shape[0]},)", checks.describe(value))
    return tensor


def check_symmetric(name: str, matrix: Tensor, axes: str) -> None:
    """Require a finite symmetric matrix, one for the batch or one per problem; ``axes`` names both, as ``"N N"``."""
    dims = matrix.dim() if isinstance(matrix, Tensor) else 3
    checks.tensor(name, matrix, axes if dims == 2 else f"B {axes}")
    checks.require(matrix.shape[-1] == matrix.shape[-2], name, "square in its last axes", checks.describe(matrix))
    checks.finite(name, matrix)
    if checks.readable(matrix) and matrix.numel():
        value = matrix.detach()
        gap, largest = float((value - value.mT).abs().max()), float(value.abs().max())
        fix = f"Take ({name} + {name}.mT) / 2."
        checks.require(gap <= 1e-5 * largest, name, "symmetric", f"entries that differ by {gap:.3g} from theirs", fix)


def fit_batch(name: str, value: Tensor, x: Tensor, axis: str = "") -> Tensor:
    """Require ``value`` to serve the batch of ``x (B, N, K)``, and its frames if ``axis`` is ``"N"``; returns it."""
    fits = value.shape[0] in (1, x.shape[0])
    checks.require(fits, name, f"for one problem or for all {x.shape[0]}", f"{value.shape[0]} of them")
    if axis:
        frames = f"of {x.shape[1]} frames, as many as the plan has"
        checks.require(value.shape[1] == x.shape[1], name, frames, value.shape[1], "Padded frames count.")
    return value
