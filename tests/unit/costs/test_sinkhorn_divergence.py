"""The Sinkhorn divergence through geomloss, against otseg's own solver and finite differences."""

import sys

import pytest
import torch

import otseg
from otseg.costs import euclidean, sinkhorn_divergence

EPSILON = 0.1


@pytest.fixture
def sets(generator):
    pytest.importorskip("geomloss", reason="the extra geomloss is not installed")
    make = {"generator": generator, "dtype": torch.float64}
    return torch.rand(2, 7, 3, **make), torch.rand(2, 5, 3, **make), torch.rand(2, 7, **make), torch.rand(2, 5, **make)


@pytest.mark.parametrize("p", [1, 2])
def test_equals_the_value_of_our_own_solver(sets, p):
    x, y, a, b = sets
    a, b = a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)

    def entropic(x, y, a, b):
        cost = euclidean(x, y, squared=p == 2) / p
        return otseg.sinkhorn(cost, a, b, epsilon=EPSILON, max_iter=5000, tol=1e-9).value

    own = entropic(x, y, a, b) - (entropic(x, x, a, a) + entropic(y, y, b, b)) / 2
    ours = sinkhorn_divergence(x, y, weights_x=3 * a, weights_y=b, epsilon=EPSILON, p=p, scaling=0.99)
    torch.testing.assert_close(ours, own, rtol=2e-3, atol=0)


def test_zero_for_equal_sets_and_alone_as_in_a_batch(sets, dtype):
    x, y, a, b = (t.to(dtype) for t in sets)
    same = sinkhorn_divergence(x, x, epsilon=EPSILON)
    torch.testing.assert_close(same, torch.zeros_like(same), atol=1e-6, rtol=0)
    mask = torch.tensor([[True] * 7, [True, False, True, True, False, False, False]])
    x[0] *= 10  # another diameter, another schedule
    x[1, ~mask[1]] = torch.nan
    together = sinkhorn_divergence(x, y, weights_x=a, weights_y=b, mask_x=mask, epsilon=EPSILON)
    alone = sinkhorn_divergence(
        x[1:, mask[1]], y[1], weights_x=a[1, mask[1]], weights_y=b[1], epsilon=EPSILON
    )  # fmt: skip
    torch.testing.assert_close(together[1:], alone)
    assert together.dtype == dtype


def test_gradient_by_finite_differences(sets):
    x, y, a, _ = (t[:1] for t in sets)
    a[0, 0] = 0  # a weight of zero has a derivative too
    inputs = x.clone().requires_grad_(), a.clone().requires_grad_()

    def value(x, a):
        return sinkhorn_divergence(x, y, weights_x=a, epsilon=EPSILON, scaling=0.995).sum()

    gradients = torch.autograd.grad(value(*inputs), inputs)
    for i, (tensor, gradient) in enumerate(zip(inputs, gradients, strict=True)):
        for entry in ((0, 0), (0, 3)):
            step = torch.zeros_like(tensor)
            step[entry] = 1e-4
            moved = [t + step if j == i else t for j, t in enumerate(inputs)]
            rate = (value(*moved) - value(*inputs)) / 1e-4
            torch.testing.assert_close((gradient * step).sum() / 1e-4, rate, rtol=0.03, atol=1e-4)


def test_bad_arguments_and_a_missing_package(monkeypatch):
    x = torch.rand(1, 3, 2)
    for options, message in (
        ({"epsilon": 0.0}, "`epsilon` must be a number > 0"),
        ({"epsilon": 1.0, "p": 3}, "`p` must be 1 or 2; got 3"),
        ({"epsilon": 1.0, "scaling": 1.0}, "`scaling` must be below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            sinkhorn_divergence(x, x, **options)
    monkeypatch.setitem(sys.modules, "geomloss", None)
    with pytest.raises(ImportError, match="otseg\\[geomloss\\]"):
        sinkhorn_divergence(x, x, epsilon=1.0)
