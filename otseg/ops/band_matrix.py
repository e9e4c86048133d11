"""Symmetric band matrices whose entries differ from frame to frame, in blocks: O(N R) memory for R neighbors.

Frames are cut into S blocks of ``C >= R``. A block holds the pairs of its frames with the frames after them: ``C`` rows
and ``C + R`` columns, its own frames and the first ``R`` of the next block. Every pair is stored once, so the matrix is
symmetric by construction, and every operation is a few batched matrix products, differentiable any number of times.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

#: Smallest block: below it the overhead of a block exceeds its work.
SMALLEST_BLOCK = 16


def band_products(x: Tensor, reach: int) -> Tensor:
    """Inner products of every frame with its neighbors, as the blocks of a band matrix.

    Args:
        x: ``(B, N, D)``.
        reach: Neighbors ``R`` to each side, from 1 to N.

    Returns:
        ``(B, S, C, C + R)``. The entries of pairs outside of the band are there too: see :func:`band_mask`.
    """
    size = min(max(reach, SMALLEST_BLOCK), x.shape[1])
    rows, columns = _blocks(x, size, reach)
    return rows @ columns.transpose(2, 3)


def band_mask(blocks: Tensor, half_width: Tensor) -> Tensor:
    """Which entries of blocks are pairs ``(i, k)`` with ``0 < k - i <= half_width[b]``; ``(B, 1, C, C + R)``."""
    row = torch.arange(blocks.shape[2], device=blocks.device)[:, None]
    column = torch.arange(blocks.shape[3], device=blocks.device)
    lag = column - row
    return (lag > 0) & (lag <= half_width[:, None, None, None])


def band_matmul(blocks: Tensor, x: Tensor) -> Tensor:
    """Product of a symmetric band matrix without diagonal with ``x``; O(B N R K) time.

    Args:
        blocks: ``(B, S, C, C + R)``, or one matrix for all problems, ``(1, S, C, C + R)``; 0 outside of the band.
        x: ``(B, N, K)``.

    Returns:
        ``(B, N, K)``.
    """
    size = blocks.shape[2]
    reach = blocks.shape[3] - size
    rows, columns = _blocks(x, size, reach)
    later = blocks @ columns  # (B, S, C, K) from the frames after
    earlier = blocks.transpose(2, 3) @ rows  # (B, S, C + R, K) from the frames before, of this block and the next
    carried = pad(earlier[:, :-1, size:], (0, 0, 0, size - reach, 1, 0))
    return (later + earlier[:, :, :size] + carried).flatten(1, 2)[:, : x.shape[1]]


def _blocks(x: Tensor, size: int, reach: int) -> tuple[Tensor, Tensor]:
    """Frames in blocks ``(B, S, C, K)``, and the same with the first frames of the next one, ``(B, S, C + R, K)``."""
    batch, n, width = x.shape
    rows = pad(x, (0, 0, 0, -n % size)).reshape(batch, -(-n // size), size, width)
    following = pad(rows[:, 1:, :reach], (0, 0, 0, 0, 0, 1))
    return rows, torch.cat([rows, following], dim=2)
