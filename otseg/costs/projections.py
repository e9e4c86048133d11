"""Projections of points to lines: the defining functions of generalized sliced Wasserstein distances."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from otseg import checks
from otseg.ops.quantile import power

#: A projection by name, with its defaults.
ProjectionName: TypeAlias = Literal["linear", "circular", "polynomial"]
#: More monomials than this are refused: every point becomes a vector of that length.
MAX_MONOMIALS = 50_000


@runtime_checkable
class Projection(Protocol):
    """A family of functions from points to numbers, one for each direction."""

    def dimension(self, n_features: int) -> int:
        """Length of a direction for points of ``n_features``."""
        ...

    def __call__(
        self, x: Float[Tensor, "B N D"], directions: Float[Tensor, "P E"] | Float[Tensor, "B P E"]
    ) -> Float[Tensor, "B P N"]:
        """Position of every point on the line of every direction."""
        ...


@dataclass(frozen=True)
class LinearProjection:
    r"""The projection :math:`\theta \cdot x` of sliced Wasserstein distances; O(BNPD) time, O(BNP) memory.

    Example:
        >>> LinearProjection()(torch.tensor([[[3.0, 4.0]]]), torch.eye(2))
        tensor([[[3.],
                 [4.]]])
    """

    def dimension(self, n_features: int) -> int:
        """``n_features``."""
        return n_features

    def __call__(
        self, x: Float[Tensor, "B N D"], directions: Float[Tensor, "P E"] | Float[Tensor, "B P E"]
    ) -> Float[Tensor, "B P N"]:
        """Dot product of every point with every direction, in full precision even under autocast."""
        with torch.autocast(device_type=x.device.type, enabled=False):
            return directions @ x.transpose(1, 2)


@dataclass(frozen=True)
class CircularProjection:
    r"""The projection :math:`|x - r\,\theta|`: distance from a point of a sphere; O(BNPD) time, O(BNP) memory.

    Computed as :math:`\sqrt{|x|^2 + r^2 |\theta|^2 - 2 r\, \theta \cdot x}`, a matrix product, which loses digits only
    for points very near to :math:`r\,\theta`. A point there gets a zero gradient.

    Args:
        radius: The radius :math:`r` of the sphere, above 0.

    Example:
        >>> CircularProjection(radius=2.0)(torch.tensor([[[1.0, 0.0]]]), torch.eye(2)[:1])
        tensor([[[1.]]])

    References:
        :cite:`kolouri2019generalized`, section on generalized Radon transforms.
    """

    radius: int | float = 2.0

    def __post_init__(self) -> None:
        checks.number("radius", self.radius, 0, open_low=True)

    def dimension(self, n_features: int) -> int:
        """``n_features``."""
        return n_features

    def __call__(
        self, x: Float[Tensor, "B N D"], directions: Float[Tensor, "P E"] | Float[Tensor, "B P E"]
    ) -> Float[Tensor, "B P N"]:
        """Distance of every point from ``radius`` times every direction."""
        center = self.radius * directions
        square = (x * x).sum(dim=2).unsqueeze(1) + (center * center).sum(dim=-1, keepdim=True)
        return power((square - 2 * LinearProjection()(x, center)).clamp(min=0), 0.5)


@dataclass(frozen=True)
class PolynomialProjection:
    r"""The homogeneous polynomial :math:`\sum_{|\alpha| = m} \theta_\alpha x^\alpha` of an odd degree :math:`m`.

    A direction has one entry per monomial, in the order of :func:`torch.combinations` with replacement. Their number
    :math:`\binom{D + m - 1}{m}` grows as :math:`D^m / m!`: 11480 for D = 40 and m = 3, but 1.2 million for m = 5.
    Every point becomes a vector of that length ``E``: O(BNPE) time, O(BN(P + E)) memory. Degree 1 is linear.

    Args:
        degree: The degree :math:`m`, odd: an even one cannot tell ``x`` from ``-x``.

    Raises:
        ValueError: If the degree is even, or (in use) if there are more than 50000 monomials.

    Example:
        >>> PolynomialProjection(degree=3).dimension(2)  # x^3, x^2 y, x y^2, y^3
        4

    References:
        :cite:`kolouri2019generalized`, section on generalized Radon transforms.
    """

    degree: int = 3

    def __post_init__(self) -> None:
        checks.number("degree", self.degree, 1, integer=True)
        checks.require(self.degree % 2 == 1, "degree", "odd", self.degree, "An even one cannot tell x from -x.")

    def dimension(self, n_features: int) -> int:
        """Number of monomials of the degree."""
        size = math.comb(n_features + self.degree - 1, self.degree)
        got = f"{size}, for degree {self.degree} and {n_features} features"
        fix = "Lower the degree, or reduce the features first, for example to their principal components."
        checks.require(size <= MAX_MONOMIALS, "projection", f"of at most {MAX_MONOMIALS} monomials", got, fix)
        return size

    def __call__(
        self, x: Float[Tensor, "B N D"], directions: Float[Tensor, "P E"] | Float[Tensor, "B P E"]
    ) -> Float[Tensor, "B P N"]:
        """Polynomial of every point with the coefficients of every direction."""
        features = torch.arange(x.shape[2], device=x.device)
        factors = torch.combinations(features, self.degree, with_replacement=True).unbind(dim=1)
        monomials = x[:, :, factors[0]]  # (B, N, E)
        for factor in factors[1:]:
            monomials = monomials * x[:, :, factor]
        return LinearProjection()(monomials, directions)


_NAMED: dict[str, type[LinearProjection] | type[CircularProjection] | type[PolynomialProjection]] = {
    "linear": LinearProjection,
    "circular": CircularProjection,
    "polynomial": PolynomialProjection,
}


def as_projection(projection: ProjectionName | Projection) -> Projection:
    """A projection from its name, or the one given."""
    if isinstance(projection, str):
        checks.choice("projection", projection, tuple(_NAMED))
        return _NAMED[projection]()
    requirement = "a name or a Projection (see otseg.costs.projections)"
    ok = isinstance(projection, Projection) and not isinstance(projection, type)
    checks.require(ok, "projection", requirement, checks.describe(projection), "", TypeError)
    return projection


def random_directions(
    n_projections: int,
    n_features: int,
    *,
    projection: ProjectionName | Projection = "linear",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "P E"]:
    """Directions of length 1, uniform on the sphere, in float64.

    A model draws them once, casts them to its dtype and keeps them in a buffer. They are drawn on the device of the
    generator (the CPU without one), so that the same seed gives the same directions to every model.

    Args:
        n_projections: How many, at least 1.
        n_features: Dimension ``D`` of the points.
        projection: What they are for, see :class:`PolynomialProjection`, whose directions are longer than points.
        generator: Source of randomness; the global one if ``None``.

    Example:
        >>> directions = random_directions(10, 3, generator=torch.Generator().manual_seed(0))
        >>> directions.shape, bool(torch.allclose(directions.norm(dim=1), torch.ones(10).double()))
        (torch.Size([10, 3]), True)
    """
    checks.number("n_projections", n_projections, 1, integer=True)
    checks.number("n_features", n_features, 1, integer=True)
    device = None if generator is None else generator.device
    shape = n_projections, as_projection(projection).dimension(n_features)
    normal = torch.randn(shape, generator=generator, dtype=torch.float64, device=device)
    return torch.nn.functional.normalize(normal, dim=1)


def directions_for(
    x: Tensor,
    projection: Projection,
    directions: Tensor | None,
    n_projections: int,
    generator: torch.Generator | None,
) -> Tensor:
    """Directions ``(P, E)`` for points ``x``: those given, checked, else drawn."""
    if directions is None:
        drawn = random_directions(n_projections, x.shape[2], projection=projection, generator=generator)
        return drawn.to(x)
    return checked_directions(x, projection, directions)


def checked_directions(x: Tensor, projection: Projection, directions: Tensor) -> Tensor:
    """Directions ``(P, E)`` that fit points ``x`` and a projection, at least in float32."""
    directions = checks.tensor("directions", directions, "P E")
    if directions.dtype not in (torch.float32, torch.float64):
        directions = directions.float()
    checks.like("directions", directions, "x", x)
    length = projection.dimension(x.shape[2])
    fits = directions.shape[0] > 0 and directions.shape[1] == length
    fix = "Draw them with otseg.costs.random_directions."
    checks.require(fits, "directions", f"of shape (P, {length})", checks.describe(directions), fix)
    checks.finite("directions", directions)
    return directions
