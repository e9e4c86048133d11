"""Products with a plan of points, and its largest entries, against the plan itself."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from otseg.costs import cosine, euclidean
from otseg.ops.plan_points import argmax_points, transport_points
from otseg.ops.point_scores import COSTS


def inputs(generator, dtype=torch.float64):
    x = torch.randn(2, 13, 3, generator=generator, dtype=dtype)
    y = torch.randn(2, 9, 3, generator=generator, dtype=dtype)
    row = torch.randn(2, 13, generator=generator, dtype=dtype)
    column = torch.randn(2, 9, generator=generator, dtype=dtype)
    row[0, 4], column[1, 2], column[0, :4] = (torch.tensor(-torch.inf) for _ in range(3))
    return x, y, torch.tensor([0.05, 0.5], dtype=dtype), row, column


def plan(x, y, epsilon, row, column, cost):
    matrix = cosine(x, y) if cost == "cosine" else euclidean(x, y, squared=cost == "sqeuclidean")
    return (row.unsqueeze(2) + column.unsqueeze(1) - matrix / epsilon[:, None, None]).exp()


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("memory", [200, None])
def test_transport(cost, memory, dtype, device, generator):
    values = [value.to(device) for value in inputs(generator, dtype)]
    z = torch.randn(2, 9, 4, generator=generator, dtype=dtype).to(device)
    result = transport_points(*values, z, cost, "torch", memory)
    tolerance = {"atol": 1e-10, "rtol": 1e-9} if dtype == torch.float64 else {"atol": 1e-5, "rtol": 1e-3}
    torch.testing.assert_close(result, plan(*values, cost) @ z, **tolerance)
    assert (result[0, 4] == 0).all()  # a row without mass


@pytest.mark.parametrize("memory", [200, None])
def test_transport_is_linear_in_the_values(memory, generator):
    values = inputs(generator)
    z = torch.randn(2, 9, 2, generator=generator, dtype=torch.float64, requires_grad=True)

    def moved(z):
        return transport_points(*values, z, "sqeuclidean", "torch", memory)

    assert gradcheck(moved, (z,))
    assert gradgradcheck(moved, (z,))


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("memory", [200, None])
def test_argmax(cost, memory, generator):
    x, y, epsilon, row, column = inputs(generator)
    expected = plan(x, y, epsilon, torch.zeros_like(row), column, cost).argmax(dim=2)
    assert torch.equal(argmax_points(x, y, epsilon, column, cost, "torch", memory), expected)


def test_argmax_of_ties_is_the_first(generator):
    x = torch.zeros(1, 3, 2)
    y = torch.zeros(1, 5, 2)
    column = torch.tensor([[-torch.inf, 0.0, 0.0, -1.0, 0.0]])
    for memory in (1, None):
        found = argmax_points(x, y, torch.ones(1), column, "sqeuclidean", "torch", memory)
        assert found.tolist() == [[1, 1, 1]]
