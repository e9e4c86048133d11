"""Conjugate gradients for a batch of symmetric systems that are given as functions."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
#: Iterations at most; a system that needs more is nearly singular.
MAX_ITER = 500


def conjugate_gradients(
    curvature: Map, right: Tensor, spread: Map, inner: Callable[[Tensor, Tensor], Tensor], tol: float
) -> tuple[Tensor, Tensor]:
    r"""Solve :math:`(\Pi^{-1} + H)\, x = r` for a batch, preconditioned by :math:`\Pi`.

    Both maps are symmetric for ``inner``. :math:`\Pi` is positive, or a projection: then the solution is sought in its
    range, and its inverse, which is never applied, acts there. A problem that is solved is frozen, and so is one
    whose curvature is not positive (its system is not that of a minimum). One call of each map per iteration.

    Args:
        curvature: :math:`H`.
        right: :math:`r`, ``(B, ...)``.
        spread: :math:`\Pi`.
        inner: Inner product of two batches, ``(B,)``.
        tol: Relative residual to stop at, in the norm of ``inner`` and :math:`\Pi`.

    Returns:
        The solution and the relative residual of every problem, ``(B,)``.
    """
    axes = (-1, *[1] * (right.dim() - 1))
    solution, residual = torch.zeros_like(right), right
    direction, unspread = torch.zeros_like(right), torch.zeros_like(right)  # p and its inverse image
    first = last = None
    active = torch.ones_like(right.reshape(right.shape[0], -1)[:, :1].squeeze(1), dtype=torch.bool)
    for _ in range(MAX_ITER):
        spread_residual = spread(residual)
        square = inner(residual, spread_residual).clamp(min=0)
        first = square if first is None else first
        active = active & (square > tol**2 * first)
        if not bool(active.any()):
            break
        beta = torch.zeros_like(square) if last is None else square / torch.where(last > 0, last, 1)
        direction = spread_residual + beta.reshape(axes) * direction
        unspread = residual + beta.reshape(axes) * unspread
        image = unspread + curvature(direction)
        slope = inner(direction, image)
        active = active & (slope > 0)
        step = torch.where(active, square / torch.where(slope > 0, slope, 1), 0).reshape(axes)
        solution, residual = solution + step * direction, residual - step * image
        last = square
    assert first is not None
    left = inner(residual, spread(residual)).clamp(min=0)
    return solution, torch.where(first > 0, (left / torch.where(first > 0, first, 1)).sqrt(), 0)


def symmetric_solve(matvec: Map, right: Tensor) -> Tensor:
    """``M^-1 right`` for a symmetric positive ``M``, differentiable (twice at most) in ``right`` and in ``M``.

    Args:
        matvec: ``x -> M x`` for ``x`` of shape ``(B, K)``, made of differentiable operations.
        right: ``(B, K)``.
    """

    def solve(vector: Tensor) -> Tensor:
        with torch.no_grad():
            tol = 4 * torch.finfo(vector.dtype).eps
            return conjugate_gradients(
                lambda x: matvec(x) - x, vector.detach(), lambda x: x, lambda x, y: (x * y).sum(dim=1), tol
            )[0]

    solution = solve(right)
    if not torch.is_grad_enabled():
        return solution
    # One refinement with M as a constant: its derivative in all that M and the right side depend on is exact.
    return solution + _Constant.apply(right - matvec(solution), solve)  # type: ignore[no-any-return, no-untyped-call]


class _Constant(torch.autograd.Function):
    """A constant symmetric linear map."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, solve: Map) -> Tensor:
        ctx.solve = solve
        return solve(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Constant.apply(grad, ctx.solve), None  # type: ignore[no-untyped-call]
