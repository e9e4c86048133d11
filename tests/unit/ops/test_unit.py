import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.functional import normalize

from otseg.ops.unit import unit


def test_equals_torch(generator, dtype):
    x = torch.randn(3, 5, 4, generator=generator, dtype=dtype)
    torch.testing.assert_close(unit(x), normalize(x, dim=-1))


def test_a_zero_vector_stays_zero_with_a_zero_gradient():
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    assert unit(x).tolist()[0] == [0, 0]
    unit(x)[:, 0].sum().backward()
    assert x.grad[0].tolist() == [0, 0]
    torch.testing.assert_close(x.grad[1], torch.tensor([0.128, -0.096]))  # (y^2, -x y) / |x|^3


def test_gradients(generator):
    x = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert gradcheck(unit, x)
    assert gradgradcheck(unit, x)
