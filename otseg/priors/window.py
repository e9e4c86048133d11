"""The temporal window of ASOT, and the structure that it is: which frames are near in time."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from otseg import checks
from otseg.ops.band import band_sum
from otseg.types import ProtocolName


@dataclass(frozen=True, eq=False)
class TemporalWindow:
    r"""Frame structure of ASOT: all frames within a radius are equally near.

    .. math:: C^v_{ij} = \frac{n}{r}\,[0 < |i - j| \le r]

    with :math:`n` the real frames of the sequence and :math:`r` the window in frames. Products cost O(BNK) whatever
    the radius. ``GromovWasserstein(weight, TemporalWindow(radius))`` is ``TemporalSmoothness(weight, radius)``.

    Args:
        radius: Reach of the window to each side. A float in (0, 1] is a fraction of the sequence's own length, at
            least one frame (:math:`r = \max(1, \lfloor n \cdot \mathrm{radius} \rfloor)`); an int is frames. The
            window is never longer than the sequence.
        protocol: ``"published"`` uses a window of ``int(N radius)`` frames and the height ``1 / radius``, with ``N``
            the padded length, as the released code does.

    Example:
        >>> TemporalWindow(1).apply(torch.eye(3).unsqueeze(0), torch.ones(1, 3, dtype=torch.bool))
        tensor([[[0., 3., 0.],
                 [3., 0., 3.],
                 [0., 3., 0.]]])

    References:
        :cite:`xu2024asot`, Eq. 5-7.
    """

    radius: int | float
    protocol: ProtocolName = "default"

    def __post_init__(self) -> None:
        check_radius(self.radius, self.protocol)

    def apply(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """``C^v x``; O(BNK)."""
        return self._scaled(x, mask, 1)

    def apply_squared(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """The entrywise square of ``C^v`` times ``x``; O(BNK)."""
        return self._scaled(x, mask, 2)

    def row_bound(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """``max_i (C^v a)_i``; at most 2 for equal frames of total mass 1."""
        return (self.apply(a.unsqueeze(2), mask).squeeze(2) * mask).amax(dim=1)

    def _scaled(self, x: Tensor, mask: Tensor, power: int) -> Tensor:
        half_width, height = window(self.radius, self.protocol, mask)
        return (height**power).to(x.dtype)[:, None, None] * band_sum(x, half_width)


def check_radius(radius: int | float, protocol: ProtocolName = "default") -> None:
    """Require a reach: a fraction in (0, 1], or a number of frames."""
    checks.choice("protocol", protocol, ("default", "published"))
    if isinstance(radius, int):
        fix = "An int is a number of frames; write 0.04 for 4 % of the sequence."
        checks.number("radius", radius, 1, integer=True, fix=fix)
        checks.require(protocol != "published", "radius", "a fraction where protocol='published'", radius)
    else:
        fix = "A float is a fraction of the sequence; write 5 for five frames."
        checks.number("radius", radius, 0, 1, open_low=True, fix=fix)


def window(
    radius: int | float, protocol: ProtocolName, mask: Bool[Tensor, "B N"]
) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"]]:
    """Frames to each side, ``(B,)`` int64, and the height of the window, ``(B,)`` float64."""
    published = protocol == "published"
    if checks.readable(mask):  # a few numbers: faster without torch
        real = [mask.shape[1]] * len(mask) if published else mask.sum(dim=1).tolist()
        frames = [radius if isinstance(radius, int) else math.floor(n * radius) for n in real]
        if not published:
            frames = [min(max(reach, 1), n) for reach, n in zip(frames, real, strict=True)]
        heights = [1 / radius if published else n / reach for n, reach in zip(real, frames, strict=True)]
        return torch.tensor(frames, dtype=torch.int64), torch.tensor(heights, dtype=torch.float64)
    length = torch.full_like(mask[:, 0], mask.shape[1], dtype=torch.int64) if published else mask.sum(dim=1)
    exact = length.double()
    reach = torch.full_like(length, radius) if isinstance(radius, int) else (exact * radius).long()
    if published:
        return reach, torch.full_like(exact, 1 / radius)
    reach = torch.minimum(reach.clamp(min=1), length)
    return reach, exact / reach


def largest_reach(radius: int | float, n_frames: int) -> int:
    """Frames to each side in a sequence of ``n_frames``: the most that a shorter one can have."""
    return min(radius if isinstance(radius, int) else max(1, int(n_frames * radius)), n_frames)
