"""The penalty of the actions' shares where part of a sequence is decided already."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.ops.divergence import log_weight
from otseg.priors._terms import check_weight, fit_batch, per_problem
from otseg.types import PerProblem


@dataclass(frozen=True, eq=False)
class CarriedMass:
    r"""What a plan adds to the penalty of the actions' shares when other frames have given mass to them before.

    .. math::

        E(P) = w \big( \mathrm{KL}(m + P^\top 1 \mid t) - \mathrm{KL}(m \mid t) \big)
        = w \sum_k m_k \log\Big(1 + \frac{p_k}{m_k}\Big) + p_k \log\frac{m_k + p_k}{t_k} - p_k, \qquad p = P^\top 1

    with the mass :math:`m` that the actions have and the mass :math:`t` that all frames together should give them.
    Where :math:`m = 0` it is the penalty ``rho_b`` of :class:`otseg.Problem` with the marginal ``t``, up to a constant;
    give that problem ``rho_b=0``. The difference is computed as such, so that it is as precise for a small part of a
    long sequence as for a large one. The gradient is :math:`w \log((m + p) / t)`, the same for all frames.

    Args:
        weight: Factor :math:`w`, in units of the cost, at least 0; one value, or one per problem ``(B,)``.
        mass: Mass :math:`m` that every action has, ``(B, K)`` or ``(K,)``, at least 0, in units of the plan.
        target: Mass :math:`t` that it should have with the plan, the same shapes, at least 0. An action whose target
            is 0 is not charged.

    Example:
        >>> prior = CarriedMass(weight=1.0, mass=torch.tensor([1.0, 0.0]), target=torch.tensor([1.0, 1.0]))
        >>> plan, mask = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]), torch.ones(2, 1, dtype=torch.bool)
        >>> prior.energy_and_grad(plan, mask)[0]  # the second plan evens the shares out
        tensor([ 0.3863, -1.0000])
    """

    weight: PerProblem
    mass: Float[Tensor, "B K"] | Float[Tensor, " K"]
    target: Float[Tensor, "B K"] | Float[Tensor, " K"]

    def __post_init__(self) -> None:
        check_weight(self.weight)
        for name in ("mass", "target"):
            value = getattr(self, name)
            dims = value.dim() if isinstance(value, Tensor) else 2
            checks.tensor(name, value, "K" if dims == 1 else "B K")
            checks.finite(name, value)
            if checks.readable(value) and value.numel():
                least = float(value.detach().min())
                checks.require(least >= 0, name, "at least 0", f"a smallest entry of {least}")

    @property
    def linear(self) -> bool:
        """False: the gradient depends on the plan."""
        return False

    def energy_and_grad(
        self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, "B N K"]]:
        """Energy and its gradient; O(BNK)."""
        mass, target = self._rows("mass", plan), self._rows("target", plan)
        real = mask.unsqueeze(2)
        added = (plan * real).sum(dim=1)  # (B, K)
        total = mass + added
        # A mass that underflowed gets the steepest slope that the dtype can say, not an infinite one.
        tiny = torch.finfo(total.dtype).tiny
        slope = torch.where(target > 0, total.clamp(min=tiny).log() - log_weight(target), 0)
        before = torch.where(mass > tiny, mass, 1)
        grown = torch.where((mass > tiny) & (target > 0), mass * torch.log1p(added / before), 0)
        weight = per_problem(self.weight, plan)
        energy = weight.reshape(-1) * (grown + added * slope - torch.where(target > 0, added, 0)).sum(dim=1)
        return energy, (weight * slope.unsqueeze(1) * real).expand(plan.shape)

    def smoothness(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """``w p / (min m + p)`` with the mass ``p`` of the frames: the more is decided, the less the plan matters."""
        added = (a * mask).sum(dim=1)
        least = self._rows("mass", a.unsqueeze(2)).amin(dim=1)
        return per_problem(self.weight, a).reshape(-1) * added / (least + added)

    def _rows(self, name: str, like: Tensor) -> Tensor:
        value: Tensor = getattr(self, name)
        value = fit_batch(name, value.unsqueeze(0) if value.dim() == 1 else value, like).to(like)
        if like.shape[2] > 1:
            fits = value.shape[1] == like.shape[2]
            checks.require(fits, name, f"of {like.shape[2]} actions, as many as the plan has", value.shape[1])
        return value
