"""Sliced Wasserstein distances between weighted sets of points, averaged over directions."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.costs._sets import line_costs, prepare_sets
from otseg.costs.projections import Projection, ProjectionName, as_projection, directions_for
from otseg.ops.quantile import power


def sliced_wasserstein(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "B M D"] | Float[Tensor, "M D"],
    *,
    weights_x: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    weights_y: Float[Tensor, "#B M"] | Float[Tensor, " M"] | None = None,
    mask_x: Bool[Tensor, "#B N"] | Bool[Tensor, " N"] | None = None,
    mask_y: Bool[Tensor, "#B M"] | Bool[Tensor, " M"] | None = None,
    p: int | float = 2,
    n_projections: int = 128,
    projection: ProjectionName | Projection = "linear",
    directions: Float[Tensor, "P E"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " B"]:
    r"""Sliced Wasserstein distance between weighted sets of points, as a distance: with the :math:`p`-th root.

    .. math::

        \mathrm{SW}_p(\mu, \nu) = \Big( \frac{1}{P} \sum_{i=1}^P
        W_p^p\big(g_{\theta_i \#}\, \mu,\; g_{\theta_i \#}\, \nu\big) \Big)^{1/p}, \qquad
        W_p^p = \int_0^1 |F_\mu^{-1}(t) - F_\nu^{-1}(t)|^p \, dt

    The sets may differ in size and weights; every one-dimensional problem is solved exactly, by sorting. It takes
    O(BP(ND + N log N)) time (the same for M); memory is O(BPN), in chunks of directions if that is large.

    Differentiable in points and weights, once and twice. Where projections tie, coincide, or cumulated weights of both
    sets are equal, the distance has a kink and the gradient is the one of the order that sorting chose (by index);
    where a distance is 0 it is 0.

    Args:
        x: Points.
        y: Points to compare with, shared by the batch or one set per problem.
        weights_x: Mass of every point, at least 0; only ratios matter, as every set counts with mass 1. Equal masses
            if ``None``. Ignored where masked.
        weights_y: The same for ``y``.
        mask_x: True on real points; all if ``None``.
        mask_y: The same for ``y``.
        p: Exponent, at least 1.
        n_projections: Number of random directions; without effect if ``directions`` are given.
        projection: The function :math:`g_\theta`: ``"linear"`` :math:`\theta \cdot x` (sliced Wasserstein),
            ``"circular"`` :math:`|x - 2 \theta|`, ``"polynomial"`` of degree 3, or an object such as
            ``CircularProjection(radius=3.0)``.
        directions: Directions to use as they are; see :func:`otseg.costs.random_directions`.
        generator: Source of random directions; the global one if ``None``, and then no two calls agree.

    Raises:
        TypeError: If an argument has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong, or a polynomial has too many monomials.

    Note:
        For two single points and linear projections, :math:`\mathrm{SW}_p` is a constant times their Euclidean
        distance: as a cost of pairs it adds nothing to it, see :func:`otseg.costs.sliced_pairwise`.

    Example:
        >>> x = torch.tensor([[[0.0], [1.0]]])
        >>> y = torch.tensor([[2.0]])
        >>> otseg.sliced_wasserstein(x, y, p=1), otseg.sliced_wasserstein(x, y, p=1, weights_x=torch.tensor([3.0, 1.0]))
        (tensor([1.5000]), tensor([1.7500]))

    References:
        :cite:`bonneel2015sliced` (linear); :cite:`kolouri2019generalized` (generalized).
    """
    costs = _costs(
        x, y, weights_x, weights_y, mask_x, mask_y, p, n_projections, projection, directions, generator
    )  # fmt: skip
    return power(costs.mean(dim=1), 1 / p)


def energy_sliced_wasserstein(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "B M D"] | Float[Tensor, "M D"],
    *,
    weights_x: Float[Tensor, "#B N"] | Float[Tensor, " N"] | None = None,
    weights_y: Float[Tensor, "#B M"] | Float[Tensor, " M"] | None = None,
    mask_x: Bool[Tensor, "#B N"] | Bool[Tensor, " N"] | None = None,
    mask_y: Bool[Tensor, "#B M"] | Bool[Tensor, " M"] | None = None,
    p: int | float = 2,
    temperature: int | float = 1.0,
    n_projections: int = 128,
    projection: ProjectionName | Projection = "linear",
    directions: Float[Tensor, "P E"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " B"]:
    r"""Energy-based sliced Wasserstein distance: directions count by how far apart they see the sets.

    .. math::

        \Big( \sum_i s_i W_p^p(\theta_i) \Big)^{1/p}, \qquad
        s = \mathrm{softmax}_i\big( W_p^p(\theta_i) / \mathrm{temperature} \big)

    Between :func:`sliced_wasserstein` (``temperature = inf``) and the largest of the drawn directions (to 0). The
    weights are differentiated too. Time, memory and arguments of :func:`sliced_wasserstein`, and:

    Args:
        x: Points.
        y: Points to compare with.
        weights_x: Mass of every point of ``x``.
        weights_y: Mass of every point of ``y``.
        mask_x: True on real points of ``x``.
        mask_y: True on real points of ``y``.
        p: Exponent, at least 1.
        temperature: Of the softmax, above 0, in units of the distance to the power ``p``; 1 in the paper.
        n_projections: Number of random directions.
        projection: The function of points and directions.
        directions: Directions to use as they are.
        generator: Source of random directions.

    Note:
        The paper's importance sampling with uniform proposals and an exponential energy; the temperature is added,
        as the distance is not homogeneous in the scale of the points without it.

    Example:
        >>> x, y = torch.zeros(1, 1, 2), torch.tensor([[1.0, 0.0]])
        >>> otseg.costs.energy_sliced_wasserstein(x, y, directions=torch.eye(2), temperature=0.01)
        tensor([1.])

    References:
        :cite:`nguyen2023energy` (importance sampling estimate).
    """
    checks.number("temperature", temperature, 0, open_low=True)
    costs = _costs(
        x, y, weights_x, weights_y, mask_x, mask_y, p, n_projections, projection, directions, generator
    )  # fmt: skip
    return power((costs * (costs / temperature).softmax(dim=1)).sum(dim=1), 1 / p)


def check_exponent(p: int | float) -> None:
    """Require a finite exponent of at least 1."""
    checks.number("p", p, 1)
    checks.require(math.isfinite(p), "p", "finite", p)


def _costs(
    x: Tensor,
    y: Tensor,
    weights_x: Tensor | None,
    weights_y: Tensor | None,
    mask_x: Tensor | None,
    mask_y: Tensor | None,
    p: int | float,
    n_projections: int,
    projection: ProjectionName | Projection,
    directions: Tensor | None,
    generator: torch.Generator | None,
) -> Tensor:
    """``W_p^p`` along every direction, ``(B, P)``."""
    check_exponent(p)
    first, second = prepare_sets(x, y, weights_x, weights_y, mask_x, mask_y)
    family = as_projection(projection)
    directions = directions_for(first.x, family, directions, n_projections, generator)
    return line_costs(first, second, family, directions, p)
