"""The Gaussian prior around the places of a transcript."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

import otseg
from otseg.priors import GaussianOrder, TranscriptOrder


def term(prior, n, k):
    mask = torch.ones(1, n, dtype=torch.bool)
    return prior.energy_and_grad(torch.zeros(1, n, k, dtype=torch.float64), mask)[1][0]


def by_hand(order, n, k, weight, sigma):
    """Loops over frames, actions and places; an absent action is one whole sequence away."""
    places, cost = len(order), np.empty((n, k))
    for i in range(n):
        for action in range(k):
            gaps = [abs((i + 0.5) / n - (j + 0.5) / places) for j in range(places) if order[j] == action]
            cost[i, action] = weight * min(gaps, default=1) ** 2 / (2 * sigma**2 * (1 / n**2 + 1 / places**2))
    return cost


@settings(max_examples=40, deadline=None)
@given(order=st.lists(st.integers(0, 4), min_size=1, max_size=8), n=st.integers(1, 12))
def test_repeated_and_missing_actions(order, n):
    cost = term(TranscriptOrder(0.3, torch.tensor(order), 0.75), n, 5)
    np.testing.assert_allclose(cost.numpy(), by_hand(order, n, 5, 0.3, 0.75), rtol=1e-10, atol=1e-14)


def test_a_permutation_permutes_the_columns_of_the_gaussian():
    order = torch.tensor([3, 0, 2, 1])
    straight = term(GaussianOrder(0.4, 0.75), 11, 4)
    torch.testing.assert_close(term(TranscriptOrder(0.4, order, 0.75), 11, 4)[:, order], straight)
    torch.testing.assert_close(term(TranscriptOrder(0.4, torch.arange(4), 0.75), 11, 4), straight)


def test_transcripts_of_different_lengths_equal_each_alone():
    order = torch.tensor([[2, 0, -1, -1], [0, 1, 0, 2], [1, -1, -1, -1]])
    mask = torch.arange(9) < torch.tensor([[9], [6], [2]])
    weight, sigma = torch.tensor([0.1, 0.5, 1.0]).double(), torch.tensor([0.5, 1.0, 2.0]).double()
    _, together = TranscriptOrder(weight, order, sigma).energy_and_grad(torch.zeros(3, 9, 3).double(), mask)
    for i, (places, n) in enumerate(((2, 9), (4, 6), (1, 2))):
        alone = term(TranscriptOrder(float(weight[i]), order[i, :places], float(sigma[i])), n, 3)
        assert torch.equal(together[i, :n], alone)
        assert (together[i, n:] == 0).all()


def test_labels_follow_the_transcript():
    order = torch.tensor([1, 0, 1, 2])
    prior = TranscriptOrder(0.1, order, 0.5)
    result = otseg.solve(torch.zeros(1, 40, 4), epsilon=0.05, rho_b=0.0, priors=[prior])
    assert torch.equal(result.labels()[0], order.repeat_interleave(10))
    assert result.marginal_b[0, 3] < 0.02  # discouraged: it has no place


def test_an_absent_action_with_exact_mass_is_placed_by_the_cost(generator):
    """Its penalty is the same everywhere, so it moves nothing where its mass is given."""
    cost = torch.rand(1, 10, 3, generator=generator, dtype=torch.float64)
    prior = TranscriptOrder(0.2, torch.tensor([1, 0]), 0.6)
    free = term(prior, 10, 3)
    free[:, 2] = 0
    one = otseg.solve(cost, epsilon=0.1, priors=[prior], tol=1e-12)
    other = otseg.solve(cost + free, epsilon=0.1, tol=1e-12)
    torch.testing.assert_close(one.plan, other.plan, atol=1e-10, rtol=0)


def test_differentiable_in_weight_and_sigma(generator):
    plan = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    mask, order = torch.arange(5) < torch.tensor([[5], [3]]), torch.tensor([[1, 0, 1], [2, -1, -1]])
    weight, sigma = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.3, 1.0], [0.4, 2.0]))

    def energy(plan, weight, sigma):
        return TranscriptOrder(weight, order, sigma).energy_and_grad(plan, mask)[0]

    assert gradcheck(energy, (plan, weight, sigma))
    assert gradgradcheck(energy, (plan, weight, sigma))


@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        ([0, 1], TypeError, "`order` must be an int64 tensor.*torch.as_tensor"),
        (torch.tensor([0.0, 1.0]), TypeError, "`order` must be an int64 tensor"),
        (torch.zeros(0, dtype=torch.int64), ValueError, "`order` must be of shape"),
        (torch.zeros(1, 1, 1, dtype=torch.int64), ValueError, "`order` must be of shape"),
        (torch.tensor([0, -2]), ValueError, "`order` must be actions from 0"),
        (torch.tensor([0, -1, 1]), ValueError, "`order` must be actions from 0"),
        (torch.tensor([[0, 1], [-1, -1]]), ValueError, "`order` must be actions from 0"),
    ],
)
def test_bad_orders_are_refused(order, error, message):
    with pytest.raises(error, match=message):
        TranscriptOrder(1.0, order, 1.0)


def test_orders_that_do_not_fit_the_problem_are_refused():
    for order in (torch.tensor([0, 3]), torch.tensor([[0], [1], [2]])):
        with pytest.raises(ValueError, match="`order` must be"):
            otseg.solve(torch.zeros(2, 6, 3), epsilon=0.1, priors=[TranscriptOrder(0.1, order, 1.0)])
    with pytest.raises(ValueError, match="`sigma` must be"):
        TranscriptOrder(1.0, torch.tensor([0]), 0.0)
