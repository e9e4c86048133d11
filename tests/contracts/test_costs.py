"""What every cost must satisfy."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from tests.cases import COSTS

costs = pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS.keys())


@costs
def test_in_a_batch_equals_alone(cost, generator, dtype):
    x = torch.randn(3, 7, 4, generator=generator).to(dtype)
    shared = torch.randn(5, 4, generator=generator).to(dtype)
    own = torch.randn(3, 5, 4, generator=generator).to(dtype)
    together, each = cost(x, shared), cost(x, own)
    assert together.shape == each.shape == (3, 7, 5)
    assert together.dtype == dtype
    for i in range(3):
        torch.testing.assert_close(cost(x[i : i + 1], shared)[0], together[i])
        torch.testing.assert_close(cost(x[i : i + 1], own[i])[0], each[i])


@costs
def test_not_negative_and_right_gradient(cost, generator):
    x = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert (cost(x, y) >= 0).all()
    assert gradcheck(cost, (x, y))
    assert gradgradcheck(cost, (x, y))


@costs
def test_zero_vectors_and_coinciding_points_are_finite(cost, dtype):
    x = torch.tensor([[[0.0, 0.0], [1.0, 2.0]]], dtype=dtype, requires_grad=True)
    y = torch.tensor([[0.0, 0.0], [1.0, 2.0]], dtype=dtype, requires_grad=True)
    value = cost(x, y)
    value.sum().backward()
    for tensor in (value, x.grad, y.grad):
        assert torch.isfinite(tensor).all()
    torch.testing.assert_close(value[0, 1, 1], torch.zeros((), dtype=dtype), atol=1e-6, rtol=0)


@costs
def test_computed_in_float32_for_half_precision_and_autocast(cost, generator):
    x, y = torch.randn(1, 6, 8, generator=generator), torch.randn(3, 8, generator=generator)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(cost(x, y), cost(x, y).float())
        torch.testing.assert_close(cost(x, y), cost(x, y))
        under = cost(x, y)
    assert torch.equal(under, cost(x, y))
    assert cost(x.half(), y.half()).dtype == torch.float32


@costs
def test_bad_input_is_refused(cost):
    x, y = torch.rand(1, 4, 3), torch.rand(2, 3)
    for bad_x, bad_y, error, message in (
        (x[0], y, ValueError, "`x` must be of shape"),
        (x, y[:, :2], ValueError, "`y` must be of shape"),
        (x, y.double(), TypeError, "`y` must be of the dtype of `x`"),
        (x.numpy(), y, TypeError, "`x` must be a tensor.*torch.as_tensor"),
        (x.long(), y, TypeError, "`x` must be a floating-point tensor"),
        (x, torch.rand(2, 2, 3), ValueError, "`y` must be of shape"),
    ):
        with pytest.raises(error, match=message):
            cost(bad_x, bad_y)
