"""The exponential without denormal numbers."""

import torch

from otseg.ops.exponential import exp_in_place, recorded
from otseg.ops.softmin import softmin


def test_accurate_where_it_counts_and_zero_below(dtype):
    bottom = {torch.float32: -79.0, torch.float64: -649.0}[dtype]
    x = torch.linspace(bottom, 5, 1001, dtype=dtype)
    exact = x.double().exp()
    bits = torch.finfo(dtype).eps
    found = exp_in_place(x.clone())
    assert ((found.double() / exact - 1).abs() <= bits * (2 + x.abs())).all()
    low = torch.tensor([1.05 * bottom, 10 * bottom, -torch.inf], dtype=dtype)
    assert (exp_in_place(low) == 0).all()


def test_in_place():
    x = torch.zeros(3)
    assert exp_in_place(x) is x
    assert x.tolist() == [1, 1, 1]


def test_recorded():
    x, leaf = torch.zeros(2), torch.zeros(2, requires_grad=True)
    assert not recorded(x)
    assert recorded(x, leaf)
    with torch.no_grad():
        assert not recorded(leaf)


def test_softmin_is_the_same_recorded_or_not(generator, dtype):
    score = 300 * torch.randn(2, 7, 5, generator=generator).to(dtype)
    score[0, 2, 1] = -torch.inf
    potential = torch.randn(2, 5, generator=generator).to(dtype)
    weight = torch.tensor([0.5, 0.2, 0.0, 0.2, 0.1]).log().to(dtype)
    leaf = potential.clone().requires_grad_()
    fast, reference = softmin(score, potential, weight, 2), softmin(score, leaf, weight, 2)
    assert reference.requires_grad
    torch.testing.assert_close(fast, reference.detach(), atol=0, rtol=4 * torch.finfo(dtype).eps)
