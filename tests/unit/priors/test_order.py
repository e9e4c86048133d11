"""Order priors: their formulas, unbiased by default, skewed as published."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from otseg.priors import GaussianOrder, InverseDifferenceOrder, LinearOrder


def shares(protocol, n=1000, k=10):
    """Part of the frames where each action is the nearest."""
    mask = torch.ones(1, n, dtype=torch.bool)
    _, cost = LinearOrder(1.0, protocol).energy_and_grad(torch.zeros(1, n, k, dtype=torch.float64), mask)
    return cost[0].argmin(dim=1).bincount(minlength=k) / n, cost[0]


def test_midpoints_give_every_action_an_equal_part():
    part, cost = shares("default")
    torch.testing.assert_close(part, torch.full((10,), 0.1))
    torch.testing.assert_close(cost, cost.flip(0, 1))


def test_published_offsets_are_skewed():
    part, cost = shares("published")
    assert part[0] < 0.06
    assert part[-1] > 0.14
    assert cost[0, 0] == 0
    torch.testing.assert_close(cost[37, 4], torch.tensor(abs(37 / 1000 - 4 / 10), dtype=torch.float64))


def test_uses_the_length_of_each_sequence():
    mask = torch.arange(12) < torch.tensor([[12], [5]])
    plan = torch.zeros(2, 12, 3)
    _, cost = LinearOrder(1.0).energy_and_grad(plan, mask)
    alone = LinearOrder(1.0).energy_and_grad(plan[:1, :5], mask[1:, :5])[1]
    assert torch.equal(cost[1, :5], alone[0])


def ones(n):
    return torch.ones(1, n, dtype=torch.bool)


def term(prior, n, k, dtype=torch.float64):
    """The term of a linear prior for one sequence, as numpy."""
    return prior.energy_and_grad(torch.zeros(1, n, k, dtype=dtype), ones(n))[1][0].numpy()


def offsets(n, k, shift=0.5):
    """Differences of relative positions, written out."""
    return np.array([[(i + shift) / n - (j + shift) / k for j in range(k)] for i in range(n)])


SIZES = [(1, 1), (1, 4), (5, 1), (9, 4), (4, 9), (200, 12)]


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_gaussian_equals_the_formula(n, k):
    for protocol, shift in (("default", 0.5), ("published", 0.0)):
        distance = np.abs(offsets(n, k, shift)) / np.sqrt(1 / n**2 + 1 / k**2)
        expected = 0.3 * distance**2 / (2 * 0.8**2)
        np.testing.assert_allclose(term(GaussianOrder(0.3, 0.8, protocol), n, k), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_inverse_difference_equals_the_formula(n, k):
    expected = -0.3 / (offsets(n, k) ** 2 + 1)
    np.testing.assert_allclose(term(InverseDifferenceOrder(0.3), n, k), expected, rtol=1e-12)


@pytest.mark.parametrize("prior", [LinearOrder(1.0), GaussianOrder(1.0, 0.7), InverseDifferenceOrder(1.0)])
def test_midpoints_are_fair(prior):
    """Symmetric in time, and every action is the cheapest in an equal part."""
    cost = term(prior, 1000, 10)
    np.testing.assert_allclose(cost, cost[::-1, ::-1], atol=1e-12)
    assert (np.bincount(cost.argmin(axis=1), minlength=10) == 100).all()
    single = term(prior, 100_000, 50, torch.float32)
    np.testing.assert_allclose(single, term(prior, 100_000, 50), rtol=1e-4, atol=1e-5)


def test_gaussian_of_weight_epsilon_is_a_reference_plan(generator):
    """``epsilon KL(P | a b G)`` is ``epsilon KL(P | a b)``, the energy, and a constant that does not see P."""
    epsilon, sigma, n, k = 0.2, 0.6, 8, 5
    plans = torch.rand(3, n, k, generator=generator, dtype=torch.float64)
    a, b = torch.rand(n, 1, generator=generator).double(), torch.rand(1, k, generator=generator).double()
    bell = np.exp(-(offsets(n, k) ** 2) / (1 / n**2 + 1 / k**2) / (2 * sigma**2))
    product, reference = a * b, a * b * torch.from_numpy(bell)

    def kl(p, q):
        return (p * (p / q).log() - p + q).sum(dim=(1, 2))

    energy, _ = GaussianOrder(epsilon, sigma).energy_and_grad(plans, ones(n).expand(3, -1))
    constant = epsilon * (reference - product).sum()
    torch.testing.assert_close(epsilon * kl(plans, product) + energy + constant, epsilon * kl(plans, reference))


def test_sigma_and_weight_per_problem_equal_each_alone():
    plan, mask = torch.zeros(2, 6, 4, dtype=torch.float64), ones(6).expand(2, -1)
    weight, sigma = torch.tensor([0.2, 3.0]), torch.tensor([0.5, 2.0])
    together = GaussianOrder(weight, sigma).energy_and_grad(plan, mask)[1]
    for i in range(2):
        alone = term(GaussianOrder(float(weight[i]), float(sigma[i])), 6, 4)
        np.testing.assert_allclose(together[i].numpy(), alone, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [lambda w, s: LinearOrder(w), GaussianOrder, lambda w, s: InverseDifferenceOrder(w)],
    ids=["linear", "gaussian", "moment"],
)
def test_differentiable_in_weight_and_sigma(make, generator):
    plan = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    weight, sigma = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.3, 1.0], [0.4, 2.0]))

    def energy(plan, weight, sigma):
        return make(weight, sigma).energy_and_grad(plan, mask)[0]

    assert gradcheck(energy, (plan, weight, sigma))
    assert gradgradcheck(energy, (plan, weight, sigma))


@pytest.mark.parametrize(
    "make", [LinearOrder, lambda w: GaussianOrder(w, 0.7), InverseDifferenceOrder], ids=["linear", "gaussian", "moment"]
)
def test_masked_frames_take_no_room_wherever_they_lie(make):
    mask = torch.tensor([[False, True, True, False, True, True, True, False]])
    _, cost = make(1.0).energy_and_grad(torch.zeros(1, 8, 3, dtype=torch.float64), mask)
    np.testing.assert_allclose(cost[mask].numpy(), term(make(1.0), 5, 3), atol=1e-15)
    assert (cost[~mask] == 0).all()


@pytest.mark.parametrize("sigma", [0, -1.0, float("nan"), float("inf"), "wide", torch.tensor([1.0, 0.0])])
def test_sigma_out_of_range_is_refused(sigma):
    with pytest.raises((ValueError, TypeError), match="`sigma` must be"):
        GaussianOrder(1.0, sigma)
    with pytest.raises(ValueError, match="`protocol` must be one of"):
        GaussianOrder(1.0, 1.0, "paper")
