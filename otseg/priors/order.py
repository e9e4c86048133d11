"""Rough order of actions: action ``k`` is expected around the ``k``-th part of the sequence."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.priors._terms import check_weight, linear_energy, per_problem
from otseg.types import PerProblem, ProtocolName


@dataclass(frozen=True, eq=False)
class LinearOrder:
    r"""ASOT's temporal prior: the distance between relative positions, on midpoints.

    .. math:: D_{nk} = w \left| \frac{n + 1/2}{N} - \frac{k + 1/2}{K} \right|

    with :math:`n, k` from 0 and :math:`N` the real frames of the sequence. It ties the index of an action to its place
    in time, so the order of the prototypes matters.

    Args:
        weight: Factor :math:`w`, in units of the cost, at least 0; one value, or one per problem ``(B,)``.
        protocol: ``"published"`` uses :math:`|n / N - k / K|` with the padded length, as the released code does.

    Note:
        ``protocol="published"`` is zero at the *start* of every action's part, so that the first action owns 6 % and
        the last 15 % of the frames for ten actions; and it depends on padding.

    Example:
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> LinearOrder(weight=1.0).energy_and_grad(torch.zeros(1, 2, 2), mask)[1]
        tensor([[[0.0000, 0.5000],
                 [0.5000, 0.0000]]])

    References:
        :cite:`xu2024asot`, Eq. 11 (temporal prior).
    """

    weight: PerProblem
    protocol: ProtocolName = "default"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        checks.choice("protocol", self.protocol, ("default", "published"))

    @property
    def linear(self) -> bool:
        """True: the gradient does not depend on the plan."""
        return True

    def energy_and_grad(
        self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, "B N K"]]:
        """Energy ``<D, plan>`` and ``D``; O(BNK)."""
        frames, actions = plan.shape[1], plan.shape[2]
        published = self.protocol == "published"
        shift = 0.0 if published else 0.5
        length = torch.full_like(mask[:, :1], frames, dtype=plan.dtype) if published else mask.sum(1, keepdim=True)
        frame = (torch.arange(frames, dtype=plan.dtype, device=plan.device) + shift) / length.to(plan.dtype)
        action = (torch.arange(actions, dtype=plan.dtype, device=plan.device) + shift) / actions
        distance = (frame.unsqueeze(2) - action).abs()
        return linear_energy(per_problem(self.weight, plan) * distance, plan, mask)

    def smoothness(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """Zero: a linear term does not curve."""
        return a.new_zeros(a.shape[0])
