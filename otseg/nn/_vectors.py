"""What dispatching and attention share: checked vectors, at least float32 and 0 on padding, and scalars."""

import torch
from torch import Tensor

from otseg import checks
from otseg.types import PerProblem


def vectors(name: str, value: Tensor, axes: str) -> Tensor:
    """A checked floating-point tensor; half precision becomes float32."""
    value = checks.tensor(name, value, axes)
    return value if value.dtype in (torch.float32, torch.float64) else value.float()


def same_space(name: str, value: Tensor, features: Tensor) -> None:
    """Require the dtype, device and dimension of the features, and their batch where there is a batch axis."""
    checks.like(name, value, "features", features)
    batch, _, dim = features.shape
    fits = value.shape[-1] == dim and (value.dim() == 2 or value.shape[0] == batch)
    requirement = f"of dimension D = {dim}, one set per sequence (B = {batch}) where it has a batch axis"
    checks.require(fits, name, requirement, checks.describe(value))


def zero_padding(name: str, value: Tensor, mask: Tensor | None, mask_name: str = "mask") -> Tensor:
    """The vectors with 0 where the mask is False, whatever stood there, NaN included."""
    if mask is None:
        return value
    return value.masked_fill(~checks.mask(mask_name, mask, name, value).unsqueeze(2), 0)


def scalar(name: str, value: PerProblem, features: Tensor, low: int | float = float("-inf")) -> PerProblem:
    """A number above ``low``, or a tensor of one value or one per sequence that broadcasts against ``(B, N, K)``."""
    if not isinstance(value, Tensor):
        checks.number(name, value, low, open_low=True)
        return value
    checks.tensor(name, value, "B" if value.dim() else "")
    fits = value.numel() == 1 or value.shape == features.shape[:1]
    shape = f"a scalar or of shape (B,) = ({features.shape[0]},)"
    checks.require(fits, name, shape, checks.describe(value))
    if checks.readable(value):
        checks.require(bool((value > low).all()), name, f"> {low}", value.tolist())
    return value.to(features).reshape(-1, 1, 1)
