"""Sliced plans against POT's plans, brute force and the linear program; their use as reference and start."""

import math
from functools import partial

import numpy as np
import ot
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import otseg
from otseg.costs import _sets, euclidean, expected_sliced_plan, min_sliced_plan, random_directions
from otseg.priors import LinearPrior
from otseg.solvers import mirror_descent

with_plans = pytest.mark.skipif(not hasattr(ot, "expected_sliced_plan"), reason="this POT has no sliced plans")


@pytest.fixture
def sets(generator):
    make = {"generator": generator, "dtype": torch.float64}
    return (
        torch.randn(2, 7, 3, **make),
        torch.randn(2, 5, 3, **make),
        torch.rand(2, 7, **make),
        torch.rand(2, 5, **make),
    )


@pytest.fixture
def directions(generator):
    return random_directions(20, 3, generator=generator)


def normalized(weight):
    return weight / weight.sum(dim=1, keepdim=True)


@with_plans
def test_expected_plan_equals_pot(sets, directions):
    x, y, a, b = sets
    ours = expected_sliced_plan(x, y, weights_x=a, weights_y=b, directions=directions)
    for i in range(2):
        u, v, w, z = (t[i].numpy() for t in (x, y, normalized(a), normalized(b)))
        theirs, _ = ot.expected_sliced_plan(u, v, w, z, projections=directions.T.numpy())
        np.testing.assert_allclose(ours[i], theirs, atol=1e-14)


@with_plans
def test_equal_sizes_equal_pot_with_a_temperature_and_for_the_minimum(sets, directions):
    x, y = sets[0][:, :5], sets[1]
    soft = expected_sliced_plan(x, y, directions=directions, temperature=0.25)
    cheapest = min_sliced_plan(x, y, directions=directions)
    for i in range(2):
        options = {"projections": directions.T.numpy()}
        theirs, _ = ot.expected_sliced_plan(x[i].numpy(), y[i].numpy(), beta=4.0, **options)
        np.testing.assert_allclose(soft[i], theirs, atol=1e-13)
        theirs, _ = ot.min_sliced_transport_plan(x[i].numpy(), y[i].numpy(), **options)
        np.testing.assert_allclose(cheapest[i], theirs, atol=1e-14)


@with_plans
def test_unequal_weights_equal_brute_force_over_the_plans_of_pot(sets, directions):
    """POT 0.9.7 weighs the cost of a plan by the row's index instead of the entry; its plans are right."""
    x, y, a, b = sets
    options = {"weights_x": a, "weights_y": b, "directions": directions}
    soft, cheapest = expected_sliced_plan(x, y, temperature=0.5, **options), min_sliced_plan(x, y, **options)
    for i in range(2):
        u, v, w, z = (t[i].numpy() for t in (x, y, normalized(a), normalized(b)))
        entries, _ = ot.sliced.sliced_plans(u, v, w, z, projections=directions.T.numpy())
        plans = np.zeros((20, 7, 5))
        for plan, entry in zip(plans, entries, strict=True):
            np.add.at(plan, (entry.rows, entry.cols), entry.data)
        cost = ((u[:, None] - v) ** 2).sum(axis=2)
        costs = (plans * cost).sum(axis=(1, 2))
        share = np.exp(-(costs - costs.min()) / 0.5)
        expected = (share[:, None, None] * plans).sum(axis=0) / share.sum()
        np.testing.assert_allclose(soft[i], expected, atol=1e-14)
        np.testing.assert_allclose(cheapest[i], plans[costs.argmin()], atol=1e-14)
        assert (cheapest[i].numpy() * cost).sum() >= ot.emd2(w, z, cost) - 1e-12
        assert (cheapest[i] > 1e-12).sum() <= 7 + 5 - 1


def test_on_a_line_both_are_the_linear_program(sets):
    x, y, a, b = sets
    x, y = x[:, :, :1], y[:, :, :1]
    for plan in (expected_sliced_plan, min_sliced_plan):
        ours = plan(x, y, weights_x=a, weights_y=b, n_projections=6)
        for i in range(2):
            w, z = normalized(a)[i].numpy(), normalized(b)[i].numpy()
            exact = ot.emd(w, z, ot.dist(x[i].numpy(), y[i].numpy()))
            np.testing.assert_allclose(ours[i], exact, atol=1e-14)


@pytest.mark.parametrize(
    "plan", [expected_sliced_plan, partial(expected_sliced_plan, temperature=1.0), min_sliced_plan]
)
@pytest.mark.parametrize("projection", ["linear", "circular", "polynomial"])
def test_marginals_masks_and_batch(sets, generator, plan, projection, dtype):
    x, y, a, b = (t.to(dtype) for t in sets)
    mask = torch.tensor([[True] * 7, [True, False, True, True, False, True, False]])
    cost = torch.rand(2, 7, 5, generator=generator).to(dtype)
    cost[1][~mask[1]] = torch.nan
    x[1][~mask[1]] = torch.nan
    lines = random_directions(8, 3, projection=projection, generator=generator).to(dtype)
    options = {"directions": lines, "projection": projection}
    together = plan(x, y, weights_x=a, weights_y=b, mask_x=mask, cost=cost, **options)
    marginal = normalized(a * mask)
    atol = 1e-15 if dtype == torch.float64 else 1e-7
    torch.testing.assert_close(together.sum(dim=2), marginal, atol=atol, rtol=1e-6)
    torch.testing.assert_close(together.sum(dim=1), normalized(b), atol=atol, rtol=1e-6)
    assert (together >= 0).all()
    assert (together[~mask] == 0).all()
    for i in range(2):
        keep = mask[i]
        one = slice(i, i + 1)
        alone = plan(x[one, keep], y[i], weights_x=a[i, keep], weights_y=b[i], cost=cost[one, keep], **options)
        torch.testing.assert_close(together[i, keep], alone[0])


def test_temperature_goes_from_the_average_to_the_cheapest(sets, directions):
    x, y, a, b = sets
    options = {"weights_x": a, "weights_y": b, "directions": directions}
    hot = expected_sliced_plan(x, y, temperature=1e12, **options)
    torch.testing.assert_close(hot, expected_sliced_plan(x, y, temperature=math.inf, **options))
    cold = expected_sliced_plan(x, y, temperature=1e-6, **options)
    torch.testing.assert_close(cold, min_sliced_plan(x, y, **options))


def test_derivatives(sets, directions):
    x, y, a, b = (t[:, :4].clone().requires_grad_() for t in sets)
    cost = torch.rand(2, 4, 4, dtype=torch.float64, requires_grad=True)
    options = {"directions": directions[:3], "temperature": 0.7}

    def features(x, y, a, b):
        return expected_sliced_plan(x, y, weights_x=a, weights_y=b, **options)

    def given(cost, a):
        return expected_sliced_plan(x.detach(), y.detach(), weights_x=a, cost=cost, **options)

    def cheapest(a, b):
        return min_sliced_plan(x.detach(), y.detach(), weights_x=a, weights_y=b, directions=directions)

    for function, inputs in ((features, (x, y, a, b)), (given, (cost, a)), (cheapest, (a, b))):
        assert gradcheck(function, inputs)
        assert gradgradcheck(function, inputs)


def test_chunks_change_nothing(sets, directions, monkeypatch):
    x, y, a, b = sets
    x.requires_grad_()
    options = {"weights_x": a, "weights_y": b, "directions": directions, "temperature": 0.5}
    whole = expected_sliced_plan(x, y, **options)
    expected = torch.autograd.grad(whole.square().sum(), x)[0]
    monkeypatch.setattr(_sets, "CHUNK", 3 * 12 * 2)
    parts = expected_sliced_plan(x, y, **options)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts.square().sum(), x)[0], expected)


def test_as_reference_and_as_start(sets, directions):
    """With a huge epsilon the plan is the reference itself; the start does not change where descent ends."""
    x, y, _, _ = sets
    cost = euclidean(x, y)
    plan = expected_sliced_plan(x, y, directions=directions)
    mixed = 0.99 * plan + 0.01 / 35
    prior = LinearPrior(-1e6 * torch.log(mixed * 35))
    result = otseg.solve(cost, epsilon=1e6, priors=[prior])
    torch.testing.assert_close(result.plan, mixed, atol=1e-6, rtol=0)
    assert (plan == 0).any()
    started = otseg.solve(cost, epsilon=0.1, rho_b=0.5, solver=mirror_descent, init=plan, max_iter=100)
    exact = otseg.solve(cost, epsilon=0.1, rho_b=0.5, tol=1e-10)
    torch.testing.assert_close(started.plan, exact.plan, atol=1e-8, rtol=0)


def test_bad_arguments_are_refused(sets):
    x, y, _, _ = sets
    with pytest.raises(ValueError, match="`temperature` must be a number > 0"):
        expected_sliced_plan(x, y, temperature=0)
    with pytest.raises(ValueError, match="`cost` must be of shape"):
        min_sliced_plan(x, y, cost=torch.rand(2, 5, 7, dtype=torch.float64))
