"""Frame structures given as a matrix: dense, or as the product of two thin ones."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.priors._terms import check_symmetric, fit_batch


@dataclass(frozen=True, eq=False)
class DenseStructure:
    """Any symmetric matrix of frames, such as distances of features; O(B N^2 K) time, the matrix's own memory.

    Args:
        matrix: ``C^v``, ``(B, N, N)``, or ``(N, N)`` for the whole batch; symmetric and finite, also on padded frames,
            where its values do not count. Of any sign. Differentiable.

    Example:
        >>> structure = DenseStructure(1 - torch.eye(3))
        >>> structure.apply(torch.ones(1, 3, 1), torch.ones(1, 3, dtype=torch.bool)).flatten()
        tensor([2., 2., 2.])
    """

    matrix: Float[Tensor, "B N N"] | Float[Tensor, "N N"]

    def __post_init__(self) -> None:
        check_symmetric("matrix", self.matrix, "N N")

    def apply(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """``C^v x``; O(B N^2 K)."""
        return self._matrix(x) @ x

    def apply_squared(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """The entrywise square of ``C^v`` times ``x``; O(B N^2 K) time, O(B N^2) memory."""
        return self._matrix(x).square() @ x

    def row_bound(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """``max_i (|C^v| a)_i``."""
        rows = self._matrix(a).abs() @ a.unsqueeze(2)
        return (rows.squeeze(2) * mask).amax(dim=1)

    def _matrix(self, x: Tensor) -> Tensor:
        matrix = self.matrix if self.matrix.dim() == 3 else self.matrix.unsqueeze(0)
        return fit_batch("matrix", matrix, x, "N").to(x)


@dataclass(frozen=True, eq=False)
class LowRankStructure:
    r"""A symmetric matrix of frames as the product of two thin ones, never formed.

    .. math:: C^v = \tfrac{1}{2} (U V^\top + V U^\top)

    which is :math:`U V^\top` where that is symmetric. O(BNRK) time and O(B (R^2 + NR)) memory for R columns;
    O(B N R^2) for the entrywise square, which only ``loss="square"`` needs.

    Args:
        left: ``U``, ``(B, N, R)``, or ``(N, R)`` for the whole batch. Finite, also on padded frames, where its values
            do not count. Differentiable.
        right: ``V``, of the same shape; ``left`` if ``None``, so that the matrix is the inner products of its rows.

    Example:
        Squared distances of positions, of rank 3:

        >>> t = torch.arange(3.0).unsqueeze(1)
        >>> one = torch.ones_like(t)
        >>> structure = LowRankStructure(torch.cat([t * t, one, -2 * t], 1), torch.cat([one, t * t, t], 1))
        >>> structure.apply(torch.eye(3).unsqueeze(0), torch.ones(1, 3, dtype=torch.bool))
        tensor([[[0., 1., 4.],
                 [1., 0., 1.],
                 [4., 1., 0.]]])
    """

    left: Float[Tensor, "B N R"] | Float[Tensor, "N R"]
    right: Float[Tensor, "B N R"] | Float[Tensor, "N R"] | None = None

    def __post_init__(self) -> None:
        dims = self.left.dim() if isinstance(self.left, Tensor) else 3
        axes = "N R" if dims == 2 else "B N R"
        checks.tensor("left", self.left, axes)
        checks.finite("left", self.left)
        if self.right is not None:
            checks.tensor("right", self.right, axes)
            checks.shape("right", self.right, tuple(self.left.shape), f"({', '.join(axes.split())})")
            checks.like("right", self.right, "left", self.left)
            checks.finite("right", self.right)

    def apply(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        """``C^v x``; O(BNRK)."""
        left, right = self._factors(x)
        return left @ (right.transpose(1, 2) @ x)

    def apply_squared(self, x: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
        r"""The entrywise square of ``C^v`` times ``x``, by :math:`(u \cdot v)^2 = u^\top (v v^\top) u`; O(BN R^2 K)."""
        left, right = self._factors(x)
        moments = torch.einsum("bnk,bnr,bns->bkrs", x, right, right)
        return torch.einsum("bnr,bkrs,bns->bnk", left, moments, left)

    def row_bound(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        """The root of ``max_i (C^v^2 a)_i`` times the mass of ``a`` (Cauchy and Schwarz)."""
        second = self.apply_squared(a.unsqueeze(2), mask).squeeze(2) * mask
        return (second.amax(dim=1).clamp(min=0) * a.sum(dim=1)).sqrt()

    def _factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Factors ``(B, N, R)`` or ``(B, N, 2R)`` whose product is the symmetric matrix."""
        left, right = (
            fit_batch(name, value if value.dim() == 3 else value.unsqueeze(0), x, "N").to(x)
            for name, value in (("left", self.left), ("right", self.left if self.right is None else self.right))
        )
        if self.right is None:
            return left, left
        return torch.cat([left, right], dim=2) / 2, torch.cat([right, left], dim=2)
