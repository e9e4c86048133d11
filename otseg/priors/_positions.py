"""Where frames and actions lie in a sequence, as fractions of it."""

import torch
from torch import Tensor


def lengths(mask: Tensor) -> Tensor:
    """Real frames of every sequence, ``(B, 1)``, int64."""
    return mask.sum(dim=1, keepdim=True)


def ranks(mask: Tensor) -> Tensor:
    """Index of every real frame among the real frames of its sequence, ``(B, N)``, int64; any value elsewhere."""
    return mask.cumsum(dim=1) - 1


def frame_positions(mask: Tensor, like: Tensor, shift: float = 0.5) -> Tensor:
    """``(n + shift) / N`` of every real frame, ``(B, N)``; midpoints by default. dtype of ``like``."""
    return (ranks(mask).to(like.dtype) + shift) / lengths(mask).to(like.dtype)


def place_positions(places: int, like: Tensor, shift: float = 0.5) -> Tensor:
    """``(k + shift) / K`` of every place, ``(K,)``; dtype and device of ``like``."""
    return (torch.arange(places, dtype=like.dtype, device=like.device) + shift) / places
