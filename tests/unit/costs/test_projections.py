"""Projections against their formulas, and directions."""

import itertools
import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from otseg.costs import CircularProjection, LinearProjection, PolynomialProjection, random_directions
from otseg.costs.projections import as_projection

FAMILIES = [LinearProjection(), CircularProjection(1.5), PolynomialProjection(3)]
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)


def formula(family, x, direction):
    """The defining function of one point and one direction, term by term."""
    if isinstance(family, LinearProjection):
        return sum(t * v for t, v in zip(direction, x, strict=True))
    if isinstance(family, CircularProjection):
        return math.sqrt(sum((v - family.radius * t) ** 2 for t, v in zip(direction, x, strict=True)))
    monomials = itertools.combinations_with_replacement(x, family.degree)
    return sum(t * math.prod(monomial) for t, monomial in zip(direction, monomials, strict=True))


@families
def test_equals_its_formula(family, generator):
    x = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    directions = random_directions(5, 4, projection=family, generator=generator)
    expected = [[[formula(family, v, d) for v in one] for d in directions.tolist()] for one in x.tolist()]
    torch.testing.assert_close(family(x, directions), torch.tensor(expected, dtype=torch.float64))
    own = directions.expand(2, -1, -1) * torch.tensor([1.0, 2.0], dtype=torch.float64)[:, None, None]
    for i in range(2):
        torch.testing.assert_close(family(x, own)[i], family(x, own[i])[i])


@families
def test_derivatives(family, generator):
    x = torch.randn(1, 3, 3, generator=generator, dtype=torch.float64)
    x[0, 0] = 0
    directions = random_directions(2, 3, projection=family, generator=generator)
    inputs = x.requires_grad_(), directions.requires_grad_()
    assert gradcheck(family, inputs)
    assert gradgradcheck(family, inputs)


def test_center_of_a_circle_has_a_finite_gradient():
    x = torch.tensor([[[2.0, 0.0]]], requires_grad=True)
    distance = CircularProjection(2.0)(x, torch.eye(2))
    distance.sum().backward()
    assert distance[0, 0, 0] == 0
    assert torch.isfinite(x.grad).all()


def test_degree_one_is_linear(generator):
    x = torch.randn(1, 3, 4, generator=generator)
    directions = random_directions(2, 4, generator=generator).float()
    torch.testing.assert_close(PolynomialProjection(1)(x, directions), LinearProjection()(x, directions))


def test_directions_are_unit_reproducible_and_uniform():
    one, two = (random_directions(4000, 3, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, two)
    torch.testing.assert_close(one.norm(dim=1), torch.ones(4000, dtype=torch.float64))
    torch.testing.assert_close(one.T @ one / 4000, torch.eye(3, dtype=torch.float64) / 3, atol=0.02, rtol=0)


def test_full_precision_under_autocast(generator):
    x, directions = torch.randn(1, 5, 8, generator=generator), random_directions(4, 8, generator=generator).float()
    for family in (LinearProjection(), CircularProjection()):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            under = family(x, directions)
        assert torch.equal(under, family(x, directions))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="`degree` must be odd; got 2"):
        PolynomialProjection(2)
    with pytest.raises(ValueError, match="`radius` must be a number > 0"):
        CircularProjection(0.0)
    with pytest.raises(ValueError, match="at most 50000 monomials; got 1086008, for degree 5 and 40 features"):
        PolynomialProjection(5).dimension(40)
    with pytest.raises(ValueError, match="`projection` must be one of 'linear'"):
        as_projection("spherical")
    for wrong in (3, LinearProjection):
        with pytest.raises(TypeError, match="`projection` must be a name or a Projection"):
            as_projection(wrong)
