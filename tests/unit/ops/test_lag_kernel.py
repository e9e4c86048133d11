"""Products with symmetric Toeplitz matrices against the dense matrix."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from otseg.ops.lag_kernel import _fast_length, lag_kernel_sum


def dense_kernel(weights, n):
    """The matrix of one kernel, entry by entry."""
    matrix = torch.zeros(n, n, dtype=weights.dtype)
    for i in range(n):
        for j in range(n):
            if 0 < abs(i - j) <= len(weights):
                matrix[i, j] = weights[abs(i - j) - 1]
    return matrix


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 12),
    lags=st.integers(1, 15),
    batch=st.integers(1, 3),
    shared=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_the_dense_matrix(n, lags, batch, shared, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(batch, n, 3, generator=generator, dtype=torch.float64)
    weights = torch.randn(1 if shared else batch, lags, generator=generator, dtype=torch.float64)
    dense = torch.stack([dense_kernel(row, n) for row in weights])
    torch.testing.assert_close(lag_kernel_sum(x, weights), dense @ x)


def test_nothing_wraps_around_at_lengths_that_need_no_padding():
    """Frames at one end must not see those at the other, whatever the length of the transform."""
    for n in (2, 3, 4, 5, 8, 9, 10, 16, 17, 32, 33, 40, 48):
        for lags in {1, 2, n // 2, n - 1} - {0}:
            x = torch.zeros(1, n, 1, dtype=torch.float64)
            x[:, -1] = 1
            weights = torch.arange(1.0, lags + 1, dtype=torch.float64)[None]
            torch.testing.assert_close(
                lag_kernel_sum(x, weights)[0], dense_kernel(weights[0], n)[:, -1:], atol=1e-12, rtol=0
            )


def test_length_of_the_transform():
    for n in range(1, 3000):
        length = _fast_length(n)
        assert length >= n
        assert length % 2 == 0
        assert length <= max(16, 1.26 * n)
        for factor in (2, 3, 5):
            while length % factor == 0:
                length //= factor
        assert length == 1


@pytest.mark.parametrize(("n", "lags"), [(6, 2), (4, 6), (1, 3)])
def test_derivatives(generator, n, lags):
    x = torch.rand(2, n, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(2, lags, generator=generator, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lag_kernel_sum, (x, weights))
    assert gradgradcheck(lag_kernel_sum, (x, weights))


def test_float32_is_right_for_long_sequences(generator):
    x, weights = torch.rand(1, 200_000, 2, generator=generator), torch.rand(1, 5000, generator=generator)
    exact = lag_kernel_sum(x.double(), weights.double())
    result = lag_kernel_sum(x, weights)
    assert result.dtype == torch.float32
    assert (result - exact).abs().max() < 1e-5 * exact.max()


def test_empty_batch():
    assert lag_kernel_sum(torch.zeros(0, 4, 2), torch.zeros(0, 3)).shape == (0, 4, 2)
