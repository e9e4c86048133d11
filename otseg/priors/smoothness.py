"""Neighboring frames share an action: banded Gromov-Wasserstein, the structure of ASOT."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otseg import checks
from otseg.ops.band import band_sum
from otseg.ops.divergence import dot
from otseg.priors._terms import check_weight, per_problem
from otseg.priors.window import check_radius, window
from otseg.types import PerProblem, ProtocolName


@dataclass(frozen=True, eq=False)
class TemporalSmoothness:
    r"""Cost of frames that are near in time and differ in action.

    .. math::

        E(P) = \frac{w}{2} \langle C^v P C^a, P \rangle, \qquad
        C^v_{ij} = \frac{n}{r}\,[0 < |i - j| \le r], \qquad C^a_{kl} = [k \ne l]

    with :math:`n` the real frames of the sequence and :math:`r` the window in frames: half the Gromov-Wasserstein term
    of ASOT, so that its gradient is :math:`w\, C^v P C^a`. Both cost O(BNK) whatever the radius.

    Args:
        weight: Factor :math:`w`, at least 0; one value, or one per problem ``(B,)``.
        radius: Reach of the window to each side. A float in (0, 1] is a fraction of the sequence's own length, at
            least one frame (:math:`r = \max(1, \lfloor n \cdot \mathrm{radius} \rfloor)`); an int is frames. The
            window is never longer than the sequence.
        protocol: ``"published"`` uses a window of ``int(N radius)`` frames and the height ``1 / radius``, with ``N``
            the padded length, as the released code does.

    Note:
        ``protocol="published"`` depends on padding, and is silently off where ``N radius < 1``.

    Example:
        >>> prior = TemporalSmoothness(weight=1.0, radius=1)
        >>> mask = torch.ones(1, 4, dtype=torch.bool)
        >>> alternating = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]]) / 4
        >>> constant = torch.tensor([[[1.0, 0.0]] * 4]) / 4
        >>> prior.energy_and_grad(alternating, mask)[0], prior.energy_and_grad(constant, mask)[0]
        (tensor([0.7500]), tensor([0.]))

    References:
        :cite:`xu2024asot`, Eq. 5-7.
    """

    weight: PerProblem
    radius: int | float
    protocol: ProtocolName = "default"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_radius(self.radius, self.protocol)

    @property
    def linear(self) -> bool:
        """False: the gradient depends on the plan."""
        return False

    def energy_and_grad(
        self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, "B N K"]]:
        """Energy and its gradient ``w C^v P C^a``; O(BNK)."""
        if not (checks.readable(mask) and bool(mask.all())):
            plan = plan * mask.unsqueeze(2)
        half_width, weight = self._window_and_weight(plan, mask)
        scale = weight[:, None, None] * mask.unsqueeze(2)
        near = band_sum(plan, half_width)
        grad = torch.addcmul(scale * near.sum(dim=2, keepdim=True), near, -scale)  # x C^a = (sum over actions) - x
        return dot(grad, plan) / 2, grad

    def smoothness(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        r"""``w (n / r) min(m, max_i a_i min(2 r, n - 1))`` with the mass ``m``: a bound of :math:`w \max_i (C^v a)_i`.

        It is exact for equal frames, and at most ``2 w`` for those of total mass 1.
        """
        return self.window_term(a, mask)[2]

    def window_term(
        self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]
    ) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"], Float[Tensor, " B"]]:
        """Frames to each side, the weight times the height of the window, and the constant of smoothness."""
        half_width, weight = self._window_and_weight(a, mask)
        neighbors = torch.minimum(2 * half_width, mask.sum(dim=1) - 1)
        a = a * mask
        return half_width, weight, weight * torch.minimum(a.sum(dim=1), a.amax(dim=1) * neighbors)

    def _window_and_weight(self, like: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        half_width, height = self.window(mask)
        if not isinstance(self.weight, Tensor):
            return half_width, (self.weight * height).to(like.dtype)
        return half_width, per_problem(self.weight, like).reshape(-1) * height.to(like.dtype)

    def window(self, mask: Bool[Tensor, "B N"]) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"]]:
        """Frames to each side, ``(B,)`` int64, and the height of the window, ``(B,)`` float64."""
        return window(self.radius, self.protocol, mask)
