"""Window sums against a dense band matrix, and their accuracy on very long sequences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from otseg.ops.band import band_sum
from tests.asserts import dense_band


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 12), widths=st.lists(st.integers(0, 15), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_equals_the_dense_band(n, widths, seed):
    x = torch.rand(len(widths), n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    dense = torch.stack([dense_band(n, width) for width in widths])
    for layout in (x, x.transpose(1, 2).contiguous().transpose(1, 2)):
        torch.testing.assert_close(band_sum(layout, torch.tensor(widths)), dense @ x)


@pytest.mark.parametrize("widths", [[2, 2], [1, 4]])
def test_derivatives(generator, widths):
    x = torch.rand(2, 7, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    half_width = torch.tensor(widths)
    assert gradcheck(lambda x: band_sum(x, half_width), x)
    assert gradgradcheck(lambda x: band_sum(x, half_width), x)


@pytest.mark.parametrize("width", [1, 40, 40_000])
def test_float32_is_right_for_a_million_frames(generator, width):
    n = 1_000_000
    x = torch.rand(1, n, 1, generator=generator) / n
    exact = band_sum(x.double(), torch.tensor([width]))
    error = (band_sum(x, torch.tensor([width])) - exact).abs().max()
    assert error < 1e-6 * exact.max()
    running = x.cumsum(dim=1)  # what it guards against: a float32 running sum is wrong by far more
    middle = n // 2
    naive = running[0, middle + width, 0] - running[0, middle - width - 1, 0] - x[0, middle, 0]
    if width == 1:
        assert (naive - exact[0, middle, 0]).abs() > 1e-3 * exact[0, middle, 0]


def test_vmap(generator):
    x = torch.rand(4, 2, 6, 3, generator=generator)
    half_width = torch.tensor([1, 2])
    mapped = torch.func.vmap(lambda x: band_sum(x, half_width))(x)
    torch.testing.assert_close(mapped, torch.stack([band_sum(one, half_width) for one in x]))
