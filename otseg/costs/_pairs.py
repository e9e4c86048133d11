"""What every pairwise cost shares: checked inputs, and a matrix product in full precision."""

import torch
from torch import Tensor

from otseg import checks


def prepare(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Checked features ``(B, N, D)`` and prototypes ``(1 or B, K, D)``, at least float32."""
    x = checks.tensor("x", x, "B N D")
    is_shared = isinstance(y, Tensor) and y.dim() == 2
    y = checks.tensor("y", y, "K D" if is_shared else "B K D")
    y = y.unsqueeze(0) if is_shared else y
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    if y.dtype not in (torch.float32, torch.float64):
        y = y.float()
    checks.like("y", y, "x", x)
    fits = y.shape[-1] == x.shape[-1] and y.shape[0] in (1, x.shape[0])
    checks.require(fits, "y", f"of shape (K, {x.shape[-1]}) or ({x.shape[0]}, K, {x.shape[-1]})", checks.describe(y))
    return x, y


def product(x: Tensor, y: Tensor) -> Tensor:
    """``x y^T``, ``(B, N, K)``, in full precision even under autocast."""
    with torch.autocast(device_type=x.device.type, enabled=False):
        return x @ y.transpose(1, 2)
