"""Product with a symmetric Toeplitz matrix, given by its weights per lag, in O(N K log N) whatever their number."""

import torch
from torch import Tensor


def lag_kernel_sum(x: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum over neighbors: ``out[b, i] = sum over lags d of weights[b, d - 1] (x[b, i - d] + x[b, i + d])``.

    The sum is cut at both ends of the axis; a frame is not its own neighbor. A product of Fourier transforms, in the
    precision of ``x`` (errors are relative to the largest entries, not to each). O(B K N log N) time, O(B N K) memory.

    Args:
        x: ``(B, N, K)``.
        weights: ``(B, R)``, or ``(1, R)`` for all problems: the weights of lags 1 to R.

    Returns:
        ``(B, N, K)``.
    """
    n = x.shape[1]
    weights = weights[:, : n - 1]  # no two frames are farther apart
    if weights.shape[1] == 0 or x.numel() == 0:
        return x * weights.sum(dim=1)[:, None, None]  # all zeros, and differentiable
    length = _fast_length(n + weights.shape[1])  # long enough that nothing wraps around
    one_sided = torch.nn.functional.pad(weights, (1, 0))
    spectrum = 2 * torch.fft.rfft(one_sided, n=length).real.unsqueeze(1)  # of both sides: real, as they are even
    rows = torch.fft.rfft(x.transpose(1, 2), n=length)  # (B, K, F)
    out: Tensor = torch.fft.irfft(rows * spectrum, n=length)[:, :, :n]
    return out.transpose(1, 2)


def _fast_length(n: int) -> int:
    """Least even length from ``n`` on that has few and small prime factors."""
    power = max(16, 1 << (n - 1).bit_length())
    return min(length for part in (9, 10, 12, 15, 16) if (length := part * power // 16) >= n and length % 2 == 0)
