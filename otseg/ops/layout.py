"""How plans lie in memory."""

from torch import Tensor


def frames_contiguous(x: Tensor) -> Tensor:
    """``(B, N, K)`` with frames contiguous in memory: actions are few, so loops over frames are the long ones."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)
