"""Cosine cost: one minus the cosine of the angle between a frame and a prototype."""

from jaxtyping import Float
from torch import Tensor

from otseg.costs._pairs import prepare, product
from otseg.ops.unit import unit


def cosine(x: Float[Tensor, "B N D"], y: Float[Tensor, "K D"] | Float[Tensor, "B K D"]) -> Float[Tensor, "B N K"]:
    r"""Cosine cost :math:`1 - x_n \cdot y_k / (|x_n| |y_k|)`, in ``[0, 2]``.

    A zero vector has cost 1 to everything and gets a zero gradient. Computed in float32 for half precision and under
    autocast. O(BNKD) time, O(BNK) memory.

    Args:
        x: Features of the frames.
        y: Prototypes, shared by the batch or one set per sequence.

    Raises:
        TypeError: If an input is not a floating-point tensor, or their dtypes differ.
        ValueError: If shapes or devices do not fit.

    Example:
        >>> otseg.costs.cosine(torch.tensor([[[2.0, 0.0]]]), torch.eye(2))
        tensor([[[0., 1.]]])

    References:
        :cite:`xu2024asot`, section 3 (the cost of ASOT).
    """
    x, y = prepare(x, y)
    return (1 - product(unit(x), unit(y))).clamp(0, 2)
