"""Gradients of the door `temporal_ot` in everything that it takes, against finite differences, in float64."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import otseg
from otseg.priors import TranscriptOrder

MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])


def leaf(values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def arguments(generator):
    cost = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    return cost, leaf([0.2, 0.5]), leaf([0.6, 1.4]), leaf([0.3, 0.1])  # cost, epsilon, sigma, moment


@pytest.mark.parametrize("rho", [(math.inf, math.inf), (math.inf, 0.3), (0.5, 0.2)])
def test_first_order(rho, generator):
    def door(cost, epsilon, sigma, moment):
        options = {"rho_a": rho[0], "rho_b": rho[1], "mask": MASK, "max_iter": 6, "tol": None, "grad": "unroll"}
        result = otseg.temporal_ot(cost, epsilon=epsilon, sigma=sigma, moment=moment, **options)
        return result.plan, result.f, result.g, result.value

    assert gradcheck(door, arguments(generator))


def test_second_order(generator):
    def door(cost, epsilon, sigma, moment):
        options = {"mask": MASK, "rho_b": 0.4, "max_iter": 3, "tol": None, "grad": "unroll"}
        return otseg.temporal_ot(cost, epsilon=epsilon, sigma=sigma, moment=moment, **options).plan

    assert gradgradcheck(door, arguments(generator))


def test_in_the_weight_of_a_transcript(generator):
    cost, epsilon, sigma, _ = arguments(generator)
    order, weight = torch.tensor([[1, 0, 1], [2, 0, -1]]), leaf([0.3, 0.1])

    def door(weight, sigma):
        priors = [TranscriptOrder(weight, order, sigma)]
        options = {"mask": MASK, "max_iter": 6, "tol": None, "grad": "unroll"}
        return otseg.temporal_ot(cost.detach(), epsilon=epsilon.detach(), sigma=1.0, priors=priors, **options).plan

    assert gradcheck(door, (weight, sigma))


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 3), (4, 1)])
def test_one_frame_or_one_action(n, k, generator):
    cost = torch.rand(1, n, k, generator=generator, dtype=torch.float64, requires_grad=True)

    def door(cost, sigma):
        return otseg.temporal_ot(cost, epsilon=0.3, sigma=sigma, rho_b=0.5, max_iter=4, tol=None, grad="unroll").plan

    assert gradcheck(door, (cost, leaf([0.7])))
