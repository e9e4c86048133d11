"""Euclidean costs: the distance between a frame and a prototype, or its square."""

import torch
from jaxtyping import Float
from torch import Tensor

from otseg.costs._pairs import prepare, product


def euclidean(
    x: Float[Tensor, "B N D"], y: Float[Tensor, "K D"] | Float[Tensor, "B K D"], *, squared: bool = False
) -> Float[Tensor, "B N K"]:
    r"""Euclidean cost :math:`|x_n - y_k|`, or its square, at least 0.

    Both sides are first shifted by the mean prototype, so that features far from the origin lose no digits in the
    matrix product. Coinciding points have a zero gradient. O(BNKD) time, O(BNK) memory.

    Args:
        x: Features of the frames.
        y: Prototypes, shared by the batch or one set per sequence.
        squared: Whether to return the squared distance, as POT's default ``ot.dist`` does.

    Raises:
        TypeError: If an input is not a floating-point tensor, or their dtypes differ.
        ValueError: If shapes or devices do not fit.

    Example:
        >>> otseg.costs.euclidean(torch.tensor([[[3.0, 4.0]]]), torch.zeros(1, 2))
        tensor([[[5.]]])
    """
    x, y = prepare(x, y)
    center = y.detach().mean(dim=1, keepdim=True)
    x, y = x - center, y - center
    square = (x * x).sum(dim=2).unsqueeze(2) + (y * y).sum(dim=2).unsqueeze(1) - 2 * product(x, y)
    square = square.clamp(min=0)
    if squared:
        return square
    zero = square == 0
    return torch.where(zero, 0, torch.where(zero, 1, square).sqrt())
