"""Band matrices in blocks against the dense matrix."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from otseg.ops.band_matrix import SMALLEST_BLOCK, band_mask, band_matmul, band_products
from tests.asserts import dense_band


def product(features, x, half_width, reach):
    """``(F F^T masked to the band) x``, by blocks."""
    blocks = band_products(features, reach)
    return band_matmul(blocks * band_mask(blocks, half_width), x)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n=st.integers(1, 75), batch=st.integers(1, 3), seed=st.integers(0, 99))
def test_equals_the_dense_matrix(data, n, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    reach = data.draw(st.integers(1, n))
    widths = [data.draw(st.integers(0, reach)) for _ in range(batch)]
    features = torch.randn(batch, n, 3, generator=generator, dtype=torch.float64)
    x = torch.randn(batch, n, 2, generator=generator, dtype=torch.float64)
    dense = features @ features.mT * torch.stack([dense_band(n, width) for width in widths])
    torch.testing.assert_close(product(features, x, torch.tensor(widths), reach), dense @ x)
    shared = product(features[:1], x, torch.tensor(widths[:1]), reach)
    torch.testing.assert_close(shared, dense[0] @ x)


def test_memory_is_that_of_the_band(generator):
    """A few times N R entries, not N^2."""
    for n, reach in ((5000, 1), (5000, 40), (5000, 700), (300, 300)):
        blocks = band_products(torch.rand(1, n, 2, generator=generator), reach)
        assert blocks.numel() <= 2 * (n + max(reach, SMALLEST_BLOCK)) * max(reach, SMALLEST_BLOCK)


@pytest.mark.parametrize(("n", "reach"), [(7, 2), (1, 1), (20, 3), (18, 17)])
def test_derivatives(generator, n, reach):
    features = torch.rand(1, n, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    x = torch.rand(1, n, 1, generator=generator, dtype=torch.float64, requires_grad=True)

    def run(features, x):
        return product(features, x, torch.tensor([reach]), reach)

    assert gradcheck(run, (features, x))
    assert gradgradcheck(run, (features, x))
