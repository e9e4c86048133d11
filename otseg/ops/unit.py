"""Vectors of length 1, safe at zero."""

import torch
from torch import Tensor


def unit(x: Tensor) -> Tensor:
    """``x / |x|`` along the last axis; a zero vector stays zero, with a zero gradient."""
    square = (x * x).sum(dim=-1, keepdim=True)
    zero = square == 0
    return x * torch.where(zero, 0, torch.where(zero, 1, square).rsqrt())
