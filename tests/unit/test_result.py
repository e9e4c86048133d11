"""What a result computes from its plan."""

import math
from dataclasses import replace

import torch

import otseg
from otseg import OTResult, Problem
from otseg.priors import LinearPrior, TemporalSmoothness


def result_of(plan, problem):
    count = torch.zeros(plan.shape[0], dtype=torch.int64)
    return OTResult(plan, problem, None, None, count, count.double(), count.bool())


def test_values_by_hand():
    cost = torch.tensor([[[0.0, 1.0], [2.0, 0.5]]], dtype=torch.float64)
    plan = torch.tensor([[[0.5, 0.0], [0.1, 0.4]]], dtype=torch.float64)
    prior = LinearPrior(torch.ones(2, 2, dtype=torch.float64))
    problem = Problem.make(cost, epsilon=0.1, rho_b=2.0, priors=[prior])
    result = result_of(plan, problem)
    assert result.marginal_a.tolist() == [[0.5, 0.5]]
    torch.testing.assert_close(result.marginal_b, torch.tensor([[0.6, 0.4]], dtype=torch.float64))
    assert math.isclose(float(result.value_linear), 0.1 * 2 + 0.4 * 0.5)
    entropy = 0.5 * math.log(0.5 / 0.25) + 0.1 * math.log(0.1 / 0.25) + 0.4 * math.log(0.4 / 0.25)
    penalty = 0.6 * math.log(0.6 / 0.5) + 0.4 * math.log(0.4 / 0.5)
    assert math.isclose(float(result.value), 0.4 + 1.0 + 0.1 * entropy + 2 * penalty)


def test_value_is_differentiable_with_empty_entries():
    plan = torch.tensor([[[0.5, 0.0], [0.0, 0.5]]], requires_grad=True)
    problem = Problem.make(torch.zeros(1, 2, 2), epsilon=0.1, rho_b=0.0, priors=[TemporalSmoothness(1.0, 1)])
    replace(result_of(plan, problem), grad="unroll").value.sum().backward()
    assert torch.isfinite(plan.grad).all()


def test_labels_are_minus_one_on_padding_and_lowest_on_ties():
    mask = torch.tensor([[True, True, False]])
    result = otseg.sinkhorn(torch.zeros(1, 3, 4), epsilon=1.0, mask=mask)
    assert result.labels().tolist() == [[0, 0, -1]]
