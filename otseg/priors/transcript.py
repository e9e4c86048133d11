"""An order prior for a known order of actions: a transcript, or the order in which segments were decoded."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otseg import checks
from otseg.priors._positions import frame_positions
from otseg.priors._terms import LinearTerm, check_per_problem, check_weight
from otseg.priors.order import gaussian_factor
from otseg.types import PerProblem


@dataclass(frozen=True, eq=False)
class TranscriptOrder(LinearTerm):
    r"""TOT's Gaussian prior around the places of a transcript: UFSA's prior for aligning frames with segments.

    .. math::

        D_{nk} = \frac{w}{2 \sigma^2} \, \min_{j \,:\, \mathrm{order}_j = k} d_{nj}^2, \qquad
        d_{nj} = \left| \frac{n + 1/2}{N} - \frac{j + 1/2}{L} \right| \Big/ \sqrt{\frac{1}{N^2} + \frac{1}{L^2}}

    with :math:`L` the number of places of the transcript, :math:`N` the real frames, and :math:`n, j` from 0. For a
    permutation it is :class:`~otseg.priors.GaussianOrder` with its columns permuted. An action that occurs at several
    places is free to be at any of them: the nearest counts. An action that does not occur has no place: every frame is
    as far from it as the two ends of the sequence are from each other, :math:`d = 1 / \sqrt{1 / N^2 + 1 / L^2}`, so
    it is discouraged alike everywhere (and not at all where its marginal is exact: no plan can avoid it then).

    Args:
        weight: Factor :math:`w`, in units of the cost, at least 0; one value, or one per problem ``(B,)``.
        order: The action at every place, ``(L,)`` for the whole batch or ``(B, L)``, int64. Shorter transcripts are
            filled with -1 at the end; what is filled in changes nothing.
        sigma: Width :math:`\sigma`, above 0, in places; one value, or one per problem ``(B,)``. 0.75 in UFSA.

    Note:
        UFSA's code counts :math:`n / N - j / L`, indices from 0, as TOT's does.

    Example:
        >>> prior = TranscriptOrder(weight=0.1, order=torch.tensor([2, 0, 1]), sigma=1.0)
        >>> otseg.solve(torch.zeros(1, 6, 3), epsilon=0.1, priors=[prior]).labels()
        tensor([[2, 2, 0, 0, 1, 1]])

    References:
        :cite:`tran2024ufsa` (alignment); :cite:`kumar2022tot` (temporal prior).
    """

    weight: PerProblem
    order: Int[Tensor, " L"] | Int[Tensor, "B L"]
    sigma: PerProblem

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_per_problem("sigma", self.sigma, positive=True)
        _check_order(self.order)

    def term(self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Tensor:
        """The weighted squared distance of every frame from the nearest place of every action; O(BN(K + L))."""
        batch, frames, actions = plan.shape
        order = (self.order if self.order.dim() == 2 else self.order.unsqueeze(0)).to(plan.device)
        checks.require(order.shape[0] in (1, batch), "order", f"(L,) or (B, L) with B = {batch}", _shape(order))
        if checks.readable(order) and order.numel():
            checks.require(int(order.max()) < actions, "order", f"actions below K = {actions}", int(order.max()))
        used = order >= 0
        places = used.sum(dim=1, keepdim=True).to(plan.dtype)  # (B, 1)
        index = torch.arange(order.shape[1], dtype=plan.dtype, device=plan.device)
        place = (index + 0.5) / places  # (B, L)
        squares = (frame_positions(mask, plan).unsqueeze(2) - place.unsqueeze(1)).square()
        squares = torch.where(used.unsqueeze(1), squares, 1).expand(batch, -1, -1)
        action = order.clamp(min=0).unsqueeze(1).expand(squares.shape)
        nearest = plan.new_ones(batch, frames, actions).scatter_reduce(2, action, squares, "amin")
        return gaussian_factor(self.weight, self.sigma, mask, places, plan) * nearest


def _check_order(order: Tensor) -> None:
    integers = isinstance(order, Tensor) and order.dtype == torch.int64
    fix = "Convert it with torch.as_tensor(order, dtype=torch.int64)."
    checks.require(integers, "order", "an int64 tensor of shape (L,) or (B, L)", checks.describe(order), fix, TypeError)
    fits = order.dim() in (1, 2) and order.shape[-1] > 0
    checks.require(fits, "order", "of shape (L,) or (B, L), not empty", _shape(order))
    if checks.readable(order):
        used = order >= 0
        filled_at_end = bool(used[..., 0].all()) and not bool((used[..., 1:] & ~used[..., :-1]).any())
        right = filled_at_end and bool((order >= -1).all())
        checks.require(right, "order", "actions from 0, then -1 where a transcript has ended", order.tolist())


def _shape(order: Tensor) -> str:
    return f"shape {tuple(order.shape)}"
