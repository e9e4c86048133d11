"""The linear order prior: unbiased by default, skewed as published."""

import torch

from otseg.priors import LinearOrder


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
