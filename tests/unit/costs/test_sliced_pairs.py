"""CLOT's cost: closed forms of the default, and what the published matrices really are."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from otseg.costs import CircularProjection, cosine, random_directions, sliced_cosine, sliced_pairs, sliced_pairwise


@pytest.fixture
def points(generator):
    make = {"generator": generator, "dtype": torch.float64}
    return torch.randn(2, 6, 4, **make), torch.randn(3, 4, **make), random_directions(9, 4, generator=generator)


@pytest.mark.parametrize("p", [1, 1.5, 2])
def test_equals_the_formula_of_every_pair(points, p):
    x, y, directions = points
    for projection, function in (
        ("linear", lambda v, d: d @ v),
        (CircularProjection(1.5), lambda v, d: np.linalg.norm(v - 1.5 * d)),
    ):
        ours = sliced_pairwise(x, y, directions=directions, p=p, projection=projection)
        for b, n, k in itertools.product(range(2), range(6), range(3)):
            gaps = [abs(function(x[b, n].numpy(), d) - function(y[k].numpy(), d)) for d in directions.numpy()]
            np.testing.assert_allclose(ours[b, n, k], np.mean(np.power(gaps, p)) ** (1 / p), rtol=1e-12)


def test_many_linear_directions_give_a_multiple_of_the_euclidean_distance(generator):
    """So a per-pair sliced distance adds nothing to a Euclidean cost."""
    size = 40
    x, y = torch.randn(1, 5, size, generator=generator), torch.randn(4, size, generator=generator)
    directions = random_directions(20_000, size, generator=generator).float()
    for p, constant in (
        (1, math.gamma(size / 2) / (math.sqrt(math.pi) * math.gamma((size + 1) / 2))),
        (2, size**-0.5),
    ):
        ratio = sliced_pairwise(x, y, directions=directions, p=p) / torch.cdist(x, y[None])
        torch.testing.assert_close(ratio, torch.full_like(ratio, constant), rtol=0.02, atol=0)
    assert abs(math.gamma(20) / (math.sqrt(math.pi) * math.gamma(20.5)) - 0.1269) < 1e-4


@pytest.mark.parametrize("protocol", ["default", "published", "published_unsorted"])
def test_clot_adds_the_cosine_cost(points, protocol):
    x, y, directions = points
    both = sliced_cosine(x, y, directions=directions, protocol=protocol)
    torch.testing.assert_close(both, cosine(x, y) + sliced_pairwise(x, y, directions=directions, protocol=protocol))


def test_published_matrix_ignores_the_order_of_frames_and_actions(points):
    x, y, directions = points
    frames, actions = torch.tensor([3, 1, 5, 0, 2, 4]), torch.tensor([2, 0, 1])
    for protocol, invariant in (("published", True), ("published_unsorted", False), ("default", False)):
        cost = sliced_pairwise(x, y, directions=directions, protocol=protocol)
        permuted = sliced_pairwise(x[:, frames], y[actions], directions=directions, protocol=protocol)
        if invariant:
            torch.testing.assert_close(permuted, cost)
        else:
            torch.testing.assert_close(permuted, cost[:, frames][:, :, actions])
            assert not torch.allclose(permuted, cost, atol=1e-2)


def test_published_matrix_is_an_order_prior_in_disguise(generator):
    x, y = torch.randn(3, 60, 40, generator=generator), torch.randn(5, 40, generator=generator)
    directions = random_directions(150, 40, generator=generator).float()
    best = sliced_pairwise(x, y, directions=directions, protocol="published").argmin(dim=2)
    assert (best.diff(dim=1) >= 0).all()
    assert (best[:, 0] == 0).all()
    assert (best[:, -1] == 4).all()


@pytest.mark.parametrize("protocol", ["default", "published", "published_unsorted"])
def test_padding_changes_nothing(points, protocol, dtype):
    x, y, directions = (t.to(dtype) for t in points)
    mask = torch.tensor([[True] * 6, [True, False, True, True, False, False]])
    x[1][~mask[1]] = torch.nan
    for cost in (sliced_pairwise, sliced_cosine):
        together = cost(x, y, directions=directions, mask=mask, protocol=protocol)
        assert (together[~mask] == 0).all()
        for i in range(2):
            alone = cost(x[i : i + 1, mask[i]], y, directions=directions, protocol=protocol)
            torch.testing.assert_close(together[i, mask[i]], alone[0])


@pytest.mark.parametrize("protocol", ["default", "published", "published_unsorted"])
def test_derivatives_with_masks(points, protocol):
    x, y, directions = points
    inputs = x[:, :3].clone().requires_grad_(), y.clone().requires_grad_(), directions[:4].clone().requires_grad_()
    mask = torch.tensor([[True, True, True], [True, False, True]])

    def cost(x, y, directions):
        return sliced_pairwise(x, y, directions=directions, mask=mask, protocol=protocol)

    assert gradcheck(cost, inputs)
    assert gradgradcheck(cost, inputs)


def test_chunks_change_nothing(points, monkeypatch):
    x, y, directions = points
    x.requires_grad_()

    def gradients():
        cost = sliced_pairwise(x, y, directions=directions, p=2)
        (first,) = torch.autograd.grad(cost.square().sum(), x, create_graph=True)
        return cost, first, torch.autograd.grad(first.pow(3).sum(), x)[0]

    whole = gradients()
    monkeypatch.setattr(sliced_pairs, "CHUNK", 2 * 6 * 3 * 2)
    torch.testing.assert_close(gradients(), whole)


@pytest.mark.parametrize(("protocol", "p"), [("default", 1), ("default", 1.5), ("default", 3), ("published", None)])
def test_one_derivative_two_and_transformations_agree(points, protocol, p):
    """Values and gradients of torch.cdist are those of the formula that second derivatives and torch.func take."""
    x, y, directions = points
    y = torch.cat((y, x[0, :1]))  # coinciding points too
    weight = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def total(x):
        return (weight * sliced_pairwise(x, y, directions=directions, p=p, protocol=protocol)).sum()

    gradient, value = torch.func.grad_and_value(total)(x)
    torch.testing.assert_close(total(x), value)
    leaf = x.clone().requires_grad_()
    for twice in (False, True):
        torch.testing.assert_close(torch.autograd.grad(total(leaf), leaf, create_graph=twice)[0].detach(), gradient)


def test_bad_arguments_are_refused(points):
    x, y, directions = points
    for change, error, message in (
        ({"p": 2, "protocol": "published"}, ValueError, "`p` must be None for the published protocols; got 2"),
        ({"p": 0}, ValueError, "`p` must be a number >= 1"),
        ({"protocol": "paper"}, ValueError, "`protocol` must be one of"),
        ({"directions": None}, TypeError, "`directions` must be a tensor"),
        ({"directions": directions[:, :3]}, ValueError, "`directions` must be of shape"),
        ({"mask": torch.ones(2, 6)}, TypeError, "`mask` must be a boolean tensor"),
        ({"mask": torch.ones(2, 5, dtype=torch.bool)}, ValueError, "`mask` must be of shape"),
    ):
        with pytest.raises(error, match=message):
            sliced_pairwise(x, y, **({"directions": directions} | change))
