"""Frames that are near in time are related, the more so the more their features resemble each other (FIS-OT)."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.ops.band_matrix import band_mask, band_matmul, band_products
from otseg.ops.unit import unit
from otseg.priors._terms import check_per_problem, fit_batch, per_problem
from otseg.priors.window import check_radius, largest_reach, window
from otseg.types import PerProblem


@dataclass(frozen=True, eq=False)
class FeatureAffinity:
    r"""Temporal window that is higher between frames with similar features: the structural prior of FIS-OT.

    .. math::

        C^v_{ij} = \frac{n}{r}\,[0 < |i - j| \le r]\,
        \Big(1 + \gamma \exp\big(-(1 - \cos(x_i, x_j)) / h\big)\Big)

    with :math:`n` the real frames of the sequence and :math:`r` the window in frames, as in :class:`TemporalWindow`.
    The affinities are computed once, here: O(BNrD) time and O(BNr) memory, never N x N. Products cost O(BNrK).
    Differentiable in features, strength and bandwidth. Half precision is computed in float32.

    Args:
        features: ``(B, N, D)``, or ``(N, D)`` for the whole batch; finite, also on padded frames, where their values do
            not count. A zero vector has cosine 0 to everything, with a zero gradient.
        radius: Reach of the window to each side: a fraction of the sequence's own length, or frames.
        strength: Factor :math:`\gamma` of the affinity, at least 0; one value, or one per problem. FIS-OT's comments
            have 0.3 for Breakfast, 0.05 for 50 Salads and YouTube Instructions and 0.55 for Desktop Assembly.
        bandwidth: Scale :math:`h` of the cosine distance, above 0; one value, or one per problem.

    Note:
        The released code of FIS-OT multiplies the affinity by 0, includes the diagonal (which relates a frame to
        itself and favors frames with one action, as a smaller epsilon does), and scales the window to a height of
        ``0.8 / radius``. Here the diagonal is 0 and the scale is ASOT's.

    Example:
        >>> features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> structure = FeatureAffinity(features, radius=1, strength=0.5)
        >>> structure.apply(torch.eye(3).unsqueeze(0), torch.ones(1, 3, dtype=torch.bool))
        tensor([[[0.0000, 4.5000, 0.0000],
                 [4.5000, 0.0000, 3.0001],
                 [0.0000, 3.0001, 0.0000]]])

    References:
        :cite:`peng2026fisot` (structural prior); :cite:`xu2024asot`, Eq. 5-7 (window).
    """

    features: Float[Tensor, "B N D"] | Float[Tensor, "N D"]
    radius: int | float
    strength: PerProblem = 0.3
    bandwidth: PerProblem = 0.1
    #: Factors of the window's height, ``(B, S, C, C + R)``, see :mod:`otseg.ops.band_matrix`.
    blocks: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        dims = self.features.dim() if isinstance(self.features, Tensor) else 3
        features = checks.tensor("features", self.features, "N D" if dims == 2 else "B N D")
        features = features if dims == 3 else features.unsqueeze(0)
        checks.finite("features", features)
        check_radius(self.radius)
        check_per_problem("strength", self.strength)
        check_per_problem("bandwidth", self.bandwidth, positive=True)
        if features.dtype not in (torch.float32, torch.float64):
            features = features.float()
        strength = per_problem(self.strength, features, "strength").unsqueeze(3)
        bandwidth = per_problem(self.bandwidth, features, "bandwidth").unsqueeze(3)
        reach = largest_reach(self.radius, features.shape[1])
        with torch.autocast(device_type=features.device.type, enabled=False):
            cosine = band_products(unit(features), reach)
            affinity = 1 + strength * torch.exp((cosine - 1) / bandwidth)
        widest = torch.full_like(cosine[:1, 0, 0, 0], reach, dtype=torch.int64)
        object.__setattr__(self, "blocks", affinity * band_mask(cosine, widest))

    def apply(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """``C^v x``; O(BNrK)."""
        return self._scaled(x, mask, 1)

    def apply_squared(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """The entrywise square of ``C^v`` times ``x``; O(BNrK)."""
        return self._scaled(x, mask, 2)

    def row_bound(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """``max_i (C^v a)_i``; at most ``2 (1 + strength)`` for equal frames of total mass 1."""
        return (self.apply(a.unsqueeze(2), mask).squeeze(2) * mask).amax(dim=1)

    def _scaled(self, x: Tensor, mask: Tensor, power: int) -> Tensor:
        half_width, height = window(self.radius, "default", mask)
        fit_batch("features", self.features if self.features.dim() == 3 else self.features.unsqueeze(0), x, "N")
        blocks = self.blocks.to(x)
        reach = blocks.shape[3] - blocks.shape[2]
        if not (checks.readable(half_width) and bool((half_width == reach).all())):
            blocks = blocks * band_mask(blocks, half_width)  # shorter sequences have a narrower window
        return (height**power).to(x.dtype)[:, None, None] * band_matmul(blocks**power, x)
