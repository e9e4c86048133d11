"""Sum of a plan over a temporal window, in O(N K) whatever the width of the window.

The window sum is a difference of two running sums. They are accumulated in float64 for any input, so that the
difference is right to the input's own precision for a million frames; a float32 running sum is not.
"""

from typing import Any

import torch
from torch import Tensor

from otseg.checks import readable


def band_sum(x: Tensor, half_width: Tensor) -> Tensor:
    """Sum over the neighbors of every frame: ``out[b, i, k] = sum of x[b, j, k] over 0 < |i - j| <= half_width[b]``.

    The window is cut at both ends of the axis; pad with zeros to cut it earlier. The operator is symmetric, so its
    gradient is the same sum. Time and memory are O(B N K).

    Args:
        x: ``(B, N, K)``, any strides. Fastest where frames are contiguous, as in ``y.transpose(1, 2)``.
        half_width: ``(B,)``, int64, at least 0.

    Returns:
        ``(B, N, K)``, with frames contiguous in memory.
    """
    if readable(x) and not (torch.is_grad_enabled() and x.requires_grad):
        return _window_difference(x, half_width)  # the same without the overhead of a recorded function
    return _BandSum.apply(x, half_width)  # type: ignore[no-any-return, no-untyped-call]


class _BandSum(torch.autograd.Function):
    """The band is a symmetric matrix: backward applies it once more, and so does every further derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, half_width: Tensor) -> Tensor:
        return _window_difference(x, half_width)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (half_width,) = ctx.saved_tensors
        return band_sum(grad, half_width), None


def _window_difference(x: Tensor, half_width: Tensor) -> Tensor:
    rows = x.transpose(1, 2)  # (B, K, N)
    width = _common_width(x, half_width)
    if width is None:
        window = _gathered(torch.cumsum(rows, dim=2, dtype=torch.float64), half_width, x.dtype)
        return (window - rows).transpose(1, 2)
    window = torch.empty(rows.shape, dtype=x.dtype, device=x.device)
    # A few actions at a time, so that the float64 sums stay in the cache and their memory is used again.
    parts = (torch.split(tensor, _chunk(rows), dim=1) for tensor in (rows, window))
    for part, out in zip(*parts, strict=True):
        _sliced(torch.cumsum(part, dim=2, dtype=torch.float64), width, out)
        out.sub_(part)
    return window.transpose(1, 2)


def _chunk(rows: Tensor) -> int:
    """Actions whose sums are held at once: about 2 million entries, at least one action."""
    return max(1, min(rows.shape[1], 2**21 // max(1, rows.shape[0] * rows.shape[2])))


def _common_width(x: Tensor, half_width: Tensor) -> int | None:
    """The width that all sequences share, where reading it costs nothing."""
    if not (readable(x) and readable(half_width)):
        return None
    widths = set(half_width.tolist())
    return int(widths.pop()) if len(widths) == 1 else None


def _gathered(sums: Tensor, half_width: Tensor, dtype: torch.dtype) -> Tensor:
    """Window sums with one width per sequence, by index."""
    n = sums.shape[2]
    padded = torch.nn.functional.pad(sums, (1, 0))  # padded[i] = x_0 + ... + x_{i-1}
    frame = torch.arange(n, device=sums.device)
    after = (frame + half_width[:, None] + 1).clamp(max=n)[:, None]  # (B, 1, N)
    before = (frame - half_width[:, None]).clamp(min=0)[:, None]
    shape = (-1, sums.shape[1], -1)
    return (padded.gather(2, after.expand(shape)) - padded.gather(2, before.expand(shape))).to(dtype)


def _sliced(sums: Tensor, width: int, window: Tensor) -> None:
    """The same by slicing where all sequences share a width, into ``window``: no index per entry, much faster."""
    n = sums.shape[2]
    inside = max(n - width, 0)  # frames below it have a window that is not cut at the end
    cut = min(width + 1, n)  # frames below it have a window that is cut at the start
    first, last = min(inside, cut), max(inside, cut)
    window[:, :, :first] = sums[:, :, width : width + first]
    if inside > cut:
        torch.sub(sums[:, :, cut + width :], sums[:, :, : inside - cut], out=window[:, :, cut:inside])
    else:
        window[:, :, first:last] = sums[:, :, n - 1 :]
    torch.sub(sums[:, :, n - 1 :], sums[:, :, last - width - 1 : n - width - 1], out=window[:, :, last:])
