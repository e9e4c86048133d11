"""Divergence and logarithms at zero mass, in value and gradient."""

import math

import pytest
import torch
from scipy.special import kl_div

from otseg.ops.divergence import dot, kl, log_weight


def test_kl_of_scipy(generator):
    p, q = (torch.rand(3, 5, generator=generator, dtype=torch.float64) for _ in "pq")
    p[0, 0] = p[1, 2] = q[1, 2] = 0.0
    expected = torch.from_numpy(kl_div(p.numpy(), q.numpy())).sum(dim=1)
    torch.testing.assert_close(kl(p, q), expected)


def test_kl_is_finite_at_zero_mass_in_value_and_gradient():
    p = torch.tensor([0.0, 0.5, 0.0], requires_grad=True)
    q = torch.tensor([0.3, 0.7, 0.0], requires_grad=True)
    kl(p, q).backward()
    assert torch.isfinite(p.grad).all()
    assert torch.isfinite(q.grad).all()
    assert kl(torch.tensor([0.1]), torch.tensor([0.0])) == math.inf


def test_log_weight():
    weight = torch.tensor([0.0, 0.5, 2.0], requires_grad=True)
    log = log_weight(weight)
    assert log.tolist() == pytest.approx([-math.inf, math.log(0.5), math.log(2)])
    log[1:].sum().backward()
    assert weight.grad.tolist() == [0.0, 2.0, 0.5]


def test_dot(generator):
    x, y = (torch.rand(3, 5, 4, generator=generator, dtype=torch.float64) for _ in "xy")
    for first in (x, x.mT.contiguous().mT):
        torch.testing.assert_close(dot(first, y), (x * y).sum(dim=(1, 2)))
