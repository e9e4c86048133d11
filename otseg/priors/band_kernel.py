"""Frame structures that depend on how far frames are apart: weights per lag, as numbers or as a shape."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.ops.lag_kernel import lag_kernel_sum
from otseg.priors._terms import fit_batch
from otseg.priors.window import check_radius, largest_reach, window


@dataclass(frozen=True, eq=False)
class BandKernel:
    r"""Frame structure with a weight per lag, taken as it is: ``C^v_ij = weights[|i - j| - 1]``, 0 beyond the last.

    Differentiable in the weights. Products are Fourier transforms: O(BNK log N) time for any number of lags, O(BNK)
    memory.

    Args:
        weights: Weights of lags 1 to R, in frames: ``(R,)``, or ``(B, R)`` for a kernel per problem. Any sign.

    Example:
        >>> kernel = BandKernel(torch.tensor([2.0, 1.0]))
        >>> out = kernel.apply(torch.eye(4).unsqueeze(0), torch.ones(1, 4, dtype=torch.bool))
        >>> out[0, 0].round().int().tolist()
        [0, 2, 1, 0]
    """

    weights: Float[Tensor, " R"] | Float[Tensor, "B R"]

    def __post_init__(self) -> None:
        shared = isinstance(self.weights, Tensor) and self.weights.dim() == 1
        checks.tensor("weights", self.weights, "R" if shared else "B R")
        checks.finite("weights", self.weights)

    def apply(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """``C^v x``; O(BNK log N)."""
        return lag_kernel_sum(x, self._weights(x))

    def apply_squared(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """The entrywise square of ``C^v`` times ``x``; O(BNK log N)."""
        return lag_kernel_sum(x, self._weights(x).square())

    def row_bound(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """``max_i (|C^v| a)_i``."""
        return _largest_row(a, self._weights(a).abs(), mask)

    def _weights(self, x: Tensor) -> Tensor:
        weights = self.weights if self.weights.dim() == 2 else self.weights.unsqueeze(0)
        return fit_batch("weights", weights, x).to(x)


@dataclass(frozen=True, eq=False)
class ShapedWindow:
    r"""The temporal window with a shape: frames count the less, say, the farther they are apart.

    .. math::

        C^v_{ij} = \frac{n\,\kappa(t_{|i - j|})}{\sum_{d = 1}^{r} \kappa(t_d)}\,[0 < |i - j| \le r],
        \qquad t_d = \frac{d}{r + 1}

    with :math:`n` the real frames of the sequence and :math:`r` the window in frames, as in
    :class:`TemporalWindow`, which is the shape :math:`\kappa = 1`: whatever the shape, the rows of frames far from
    both ends sum to :math:`2 n`. O(BNK log N) time, O(BNK) memory.

    Args:
        radius: Reach of the window to each side: a fraction of the sequence's own length, or frames.
        shape: Function :math:`\kappa` of a tensor of relative lags in (0, 1), applied to each of them; 1 is the first
            lag outside of the window. Its values over a window must have a positive sum.

    Example:
        >>> triangle = ShapedWindow(2, lambda t: 1 - t)  # lags 1 and 2 count 2 to 1
        >>> triangle.weights(torch.ones(1, 4, dtype=torch.bool), torch.zeros(1))
        tensor([[2.6667, 1.3333]])
    """

    radius: int | float
    shape: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        check_radius(self.radius)
        checks.require(
            callable(self.shape), "shape", "a function of a tensor", checks.describe(self.shape), "", TypeError
        )

    def apply(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """``C^v x``; O(BNK log N)."""
        return lag_kernel_sum(x, self.weights(mask, x))

    def apply_squared(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """The entrywise square of ``C^v`` times ``x``; O(BNK log N)."""
        return lag_kernel_sum(x, self.weights(mask, x).square())

    def row_bound(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """``max_i (|C^v| a)_i``."""
        return _largest_row(a, self.weights(mask, a).abs(), mask)

    def weights(self, mask: Bool[Tensor, "B N"], like: Tensor) -> Float[Tensor, "B R"]:
        """The weights of lags 1 to R of every sequence, 0 beyond its own window; dtype and device of ``like``."""
        reach = window(self.radius, "default", mask)[0].unsqueeze(1)
        lag = torch.arange(1, largest_reach(self.radius, mask.shape[1]) + 1, device=like.device)
        inside = lag <= reach  # (B, R)
        relative = torch.where(inside, lag / (reach + 1).to(like.dtype), 0.5)  # outside: anywhere in the domain
        value = self.shape(relative)
        same = isinstance(value, Tensor) and value.shape == relative.shape
        checks.require(same, "shape", "a function that keeps the shape of its tensor", checks.describe(value))
        value = torch.where(inside, value.to(like.dtype), 0)
        total = value.sum(dim=1, keepdim=True)
        if checks.readable(total):
            checks.require(bool((total > 0).all()), "shape", "of positive sum over a window", total.flatten().tolist())
        return mask.sum(dim=1, keepdim=True) / total * value


def _largest_row(a: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
    return (lag_kernel_sum(a.unsqueeze(2), weights).squeeze(2) * mask).amax(dim=1)
