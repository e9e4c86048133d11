"""Kernels of lags against their dense matrices."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from otseg.priors import BandKernel, ShapedWindow, TemporalWindow
from otseg.priors.window import window


def dense_of(weights, n):
    """Matrix of one sequence's weights per lag, entry by entry."""
    value = [0.0, *weights, *[0.0] * n]
    return torch.tensor([[value[abs(i - j)] for j in range(n)] for i in range(n)], dtype=torch.float64)


def test_kernel_equals_the_dense_matrix(generator):
    x = torch.rand(2, 8, 3, generator=generator, dtype=torch.float64)
    mask = torch.ones(2, 8, dtype=torch.bool)
    weights = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], dtype=torch.float64)
    matrix = torch.stack([dense_of(row.tolist(), 8) for row in weights])
    structure = BandKernel(weights)
    torch.testing.assert_close(structure.apply(x, mask), matrix @ x)
    torch.testing.assert_close(structure.apply_squared(x, mask), matrix**2 @ x)
    torch.testing.assert_close(structure.row_bound(x[:, :, 0], mask), (matrix.abs() @ x)[:, :, 0].amax(dim=1))
    shared = BandKernel(weights[0]).apply(x, mask)
    torch.testing.assert_close(shared, matrix[0] @ x)


@pytest.mark.parametrize("radius", [0.1, 0.4, 1.0, 1, 3, 50])
def test_shaped_window_equals_its_formula(generator, radius):
    lengths = (10, 7, 1)
    mask = torch.arange(10) < torch.tensor(lengths)[:, None]
    x = torch.rand(3, 10, 2, generator=generator, dtype=torch.float64) * mask.unsqueeze(2)
    structure = ShapedWindow(radius, lambda t: (1 - t) * torch.exp(-t))
    out, squared = structure.apply(x, mask), structure.apply_squared(x, mask)
    reach = window(radius, "default", mask)[0].tolist()
    for i, n in enumerate(lengths):
        times = [d / (reach[i] + 1) for d in range(1, reach[i] + 1)]
        shape = [(1 - t) * math.exp(-t) for t in times]
        matrix = dense_of([n * value / sum(shape) for value in shape], n)
        torch.testing.assert_close(out[i, :n], matrix @ x[i, :n])
        torch.testing.assert_close(squared[i, :n], matrix**2 @ x[i, :n])


def test_flat_shape_is_the_window(generator):
    mask = torch.arange(12) < torch.tensor([[12], [9]])
    x = torch.rand(2, 12, 3, generator=generator, dtype=torch.float64) * mask.unsqueeze(2)
    for radius in (0.05, 0.3, 2, 30):
        shaped, flat = ShapedWindow(radius, torch.ones_like), TemporalWindow(radius)
        torch.testing.assert_close(shaped.apply(x, mask), flat.apply(x, mask))
        torch.testing.assert_close(shaped.row_bound(x[:, :, 0], mask), flat.row_bound(x[:, :, 0], mask))


def test_shape_of_any_sequence_sees_only_its_own_lags():
    seen = []

    def shape(t):
        seen.append(t)
        return 1 / t.sqrt()  # infinite at 0

    mask = torch.arange(20) < torch.tensor([[20], [4]])
    weights = ShapedWindow(0.25, shape).weights(mask, torch.zeros(1))
    assert ((seen[0] > 0) & (seen[0] < 1)).all()
    assert weights.shape == (2, 5)
    assert (weights[1, 1:] == 0).all()
    torch.testing.assert_close(2 * weights.sum(dim=1), torch.tensor([40.0, 8.0]))


def test_derivatives_in_weights_and_shape(generator):
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    x = torch.rand(2, 6, 2, generator=generator, dtype=torch.float64) * mask.unsqueeze(2)
    weights = torch.rand(3, generator=generator, dtype=torch.float64, requires_grad=True)
    rate = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    for check in (gradcheck, gradgradcheck):
        assert check(lambda w: BandKernel(w).apply_squared(x, mask), weights)
        assert check(lambda r: ShapedWindow(0.5, lambda t: torch.exp(-r * t)).apply(x, mask), rate)


@pytest.mark.parametrize("bad", [[1.0], torch.tensor([1]), torch.tensor(1.0), torch.tensor([math.nan])])
def test_bad_weights_are_refused(bad):
    with pytest.raises((ValueError, TypeError), match="`weights` must be"):
        BandKernel(bad)


def test_weights_of_another_batch_are_refused():
    with pytest.raises(ValueError, match="`weights` must be for one problem or for all 3; got 2 of them"):
        BandKernel(torch.ones(2, 4)).apply(torch.ones(3, 5, 1), torch.ones(3, 5, dtype=torch.bool))


@pytest.mark.parametrize("bad", ["flat", lambda t: 1.0, lambda t: t.sum(), lambda t: -t])
def test_bad_shapes_are_refused(bad):
    with pytest.raises((ValueError, TypeError), match="`shape` must be"):
        ShapedWindow(3, bad).apply(torch.ones(1, 5, 1), torch.ones(1, 5, dtype=torch.bool))
