"""The same values, elsewhere in memory."""

import torch
from torch import Tensor


def strided(x: Tensor, generator: torch.Generator) -> Tensor:
    """A copy that is contiguous, transposed, or every second entry of a larger tensor whose others are rubbish."""
    kind = int(torch.randint(4, (), generator=generator)) if x.dim() else 0
    if kind == 1:
        return x.movedim(0, -1).contiguous().movedim(-1, 0)
    if kind == 2 and x.dim() > 1:
        return x.mT.contiguous().mT
    if kind == 3:
        rubbish = float("nan") if x.is_floating_point() else True
        wide = torch.full((*x.shape[:-1], 2 * x.shape[-1] + 1), rubbish, dtype=x.dtype)
        wide[..., 1::2] = x
        return wide[..., 1::2]
    return x.clone()


def on_device(x: Tensor | int | float | None, device: str) -> Tensor | int | float | None:
    """A value on a device, with its strides."""
    if not isinstance(x, torch.Tensor) or device == "cpu":
        return x
    offsets = [(size - 1) * stride for size, stride in zip(x.shape, x.stride(), strict=True)]
    room = x.as_strided((sum(offsets) + 1 if x.numel() else 0,), (1,)).to(device)
    return room.as_strided(x.shape, x.stride())
