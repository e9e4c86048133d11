"""One-dimensional transport against POT, scipy and the linear program."""

import numpy as np
import ot
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from otseg.ops.quantile import distance_power, line_cost, line_plan, match, power, rank


@st.composite
def lines(draw):
    """Two weighted sets on lines, float64: ties, zero weights, single points, and masks anywhere."""
    batch, n_lines = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    sets = []
    for _ in range(2):
        n = draw(st.integers(1, 7))
        value = torch.randn(batch, n_lines, n, generator=generator, dtype=torch.float64)
        if draw(st.booleans()):
            value = value.round()  # ties
        mask = torch.rand(batch, n, generator=generator) < 0.7 if draw(st.booleans()) else None
        if mask is not None:
            mask[:, -1] = True
        weight = None
        if draw(st.booleans()):
            weight = (4 * torch.rand(batch, n, generator=generator, dtype=torch.float64)).round()  # zeros, equal levels
            weight[:, -1] += 1
            weight = weight if mask is None else weight * mask
        sets.append((value, weight, mask))
    return sets


def single(value, weight, mask, b, i):
    """Positions and weights of one set on one line, without its padding."""
    real = np.ones(value.shape[2], dtype=bool) if mask is None else mask[b].numpy()
    weight = np.ones(value.shape[2]) if weight is None else weight[b].numpy()
    return value[b, i].numpy()[real], weight[real] / weight[real].sum()


@settings(max_examples=80, deadline=None)
@given(sets=lines(), p=st.sampled_from([1, 1.5, 2, 3]))
def test_cost_of_pot_and_scipy(sets, p):
    x, y = sets
    cost = line_cost(rank(*x), rank(*y), p)
    for b, i in np.ndindex(*cost.shape):
        (u, a), (v, c) = single(*x, b, i), single(*y, b, i)
        np.testing.assert_allclose(cost[b, i], ot.wasserstein_1d(u, v, a, c, p=p), atol=1e-12)
        np.testing.assert_allclose(cost[b, i], ot.emd2_1d(u, v, a, c, metric="minkowski", p=p) ** 1.0, atol=1e-12)
        if p == 1:
            np.testing.assert_allclose(cost[b, i], scipy.stats.wasserstein_distance(u, v, a, c), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(sets=lines())
def test_plan_is_feasible_and_optimal(sets):
    x, y = sets
    mass, rows, columns = line_plan(rank(*x), rank(*y))
    assert (mass >= 0).all()
    for b, i in np.ndindex(*mass.shape[:2]):
        plan = np.zeros((x[0].shape[2], y[0].shape[2]))
        np.add.at(plan, (rows[b, i].numpy(), columns[b, i].numpy()), mass[b, i].numpy())
        for side, values in ((0, x), (1, y)):
            value, weight, mask = values
            _, expected = single(value, weight, mask, b, i)
            real = np.ones(value.shape[2], dtype=bool) if mask is None else mask[b].numpy()
            marginal = plan.sum(axis=1 - side)
            np.testing.assert_allclose(marginal[real], expected, atol=1e-15)
            assert (marginal[~real] == 0).all()
        (u, a), (v, c) = single(*x, b, i), single(*y, b, i)
        cost = np.abs(x[0][b, i].numpy()[:, None] - y[0][b, i].numpy()) ** 2
        lowest = ot.emd2(a, c, np.abs(u[:, None] - v) ** 2)
        np.testing.assert_allclose((plan * cost).sum(), lowest, atol=1e-12)


def test_equal_weights_need_one_row_of_levels(generator):
    x, y = torch.randn(2, 5, 4, generator=generator), torch.randn(2, 5, 6, generator=generator)
    mask = torch.tensor([[True, False, True, True], [True, True, False, False]])
    mass, i, _ = match(rank(x, mask=mask), rank(y))
    assert mass.shape == i.shape == (2, 1, 10)
    given_weights = line_cost(rank(x, mask.float(), mask), rank(y, torch.ones(2, 6)), 2)
    torch.testing.assert_close(line_cost(rank(x, mask=mask), rank(y), 2), given_weights)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_derivatives_in_values_and_weights(generator, p):
    make = {"generator": generator, "dtype": torch.float64}
    x, y = torch.randn(2, 2, 4, **make).requires_grad_(), torch.randn(2, 2, 3, **make).requires_grad_()
    a, b = torch.rand(2, 4, **make).requires_grad_(), torch.rand(2, 3, **make).requires_grad_()

    def cost(x, y, a, b):
        return line_cost(rank(x, a), rank(y, b), p)

    assert gradcheck(cost, (x, y, a, b))
    assert gradgradcheck(cost, (x, y, a, b))


@pytest.mark.parametrize("p", [1, 1.5, 2, 2.5])
def test_derivatives_of_powers_are_finite_at_zero(p):
    gap = torch.tensor([0.0, -2.0, 0.0], dtype=torch.float64, requires_grad=True)
    first = torch.autograd.grad(distance_power(gap, p).sum(), gap, create_graph=True)[0]
    torch.testing.assert_close(first, torch.tensor([0.0, -p * 2.0 ** (p - 1), 0.0], dtype=torch.float64))
    if first.requires_grad and first.grad_fn is not None and p != 1:
        second = torch.autograd.grad(first.sum(), gap)[0]
        assert torch.isfinite(second).all()
        at_zero = 2.0 if p == 2 else 0.0
        assert second[0] == at_zero
    root = power(gap.abs(), 1 / p)
    assert torch.isfinite(torch.autograd.grad(root.sum(), gap)[0]).all()


def test_mass_of_a_long_sequence_keeps_its_digits(generator):
    n, m = 50_000, 7
    weight = torch.rand(1, n, generator=generator)
    mass, rows, _ = line_plan(rank(torch.randn(1, 1, n, generator=generator), weight), rank(torch.randn(1, 1, m)))
    marginal = torch.zeros(n, dtype=torch.float64).index_add(0, rows[0, 0], mass[0, 0])
    torch.testing.assert_close(marginal, weight[0].double() / weight.double().sum(), rtol=1e-9, atol=1e-15)
