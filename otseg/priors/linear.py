"""Any fixed cost term as a prior."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.priors._terms import LinearTerm


@dataclass(frozen=True, eq=False)
class LinearPrior(LinearTerm):
    r"""The energy :math:`\langle D, P \rangle` of a fixed cost term :math:`D`.

    A reference plan :math:`Q` (``epsilon KL(P | Q)`` instead of ``epsilon KL(P | a b^T)``) is the term
    ``-epsilon log(Q / a b^T)``.

    Args:
        cost: The term, ``(B, N, K)``, or ``(N, K)`` for the whole batch; finite on real frames.

    Example:
        >>> prior = LinearPrior(torch.tensor([[0.0, 1.0]]))
        >>> prior.energy_and_grad(torch.full((1, 1, 2), 0.5), torch.ones(1, 1, dtype=torch.bool))[0]
        tensor([0.5000])
    """

    cost: Float[Tensor, "B N K"] | Float[Tensor, "N K"]

    def __post_init__(self) -> None:
        dims = self.cost.dim() if isinstance(self.cost, Tensor) else 3
        checks.tensor("cost", self.cost, "N K" if dims == 2 else "B N K")

    def term(self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Tensor:
        """The fixed term, checked against the shape of the plan."""
        cost = self.cost if self.cost.dim() == 3 else self.cost.unsqueeze(0)
        fits = cost.shape[0] in (1, plan.shape[0]) and cost.shape[1:] == plan.shape[1:]
        sizes = f"of shape (N, K) or (B, N, K) = {tuple(plan.shape)}"
        checks.require(fits, "cost", sizes, checks.describe(self.cost))
        checks.finite("cost", cost, mask.unsqueeze(2))
        return cost.to(plan)
