"""What a plan between points does, without the plan: its product with values, and the largest entry of its rows."""

from typing import Any

import torch
from torch import Tensor

from otseg.ops.keops_points import argmax_keops, transport_keops
from otseg.ops.point_scores import Backend, PointCost, coordinates, tile, tiles
from otseg.ops.softmin_points import BITS, in_bits, reduce_row


def transport_points(
    x: Tensor,
    y: Tensor,
    epsilon: Tensor,
    log_row: Tensor,
    log_column: Tensor,
    z: Tensor,
    cost: PointCost = "sqeuclidean",
    backend: Backend = "torch",
    memory: int | None = None,
) -> Tensor:
    r"""``P z`` with ``P_ij = exp(log_row_i + log_column_j - c(x_i, y_j) / epsilon)``.

    The plan is a constant: differentiable in ``z`` alone, as often as needed. O(B N M (D + E)) time,
    O(B (N + M) (D + E)) memory besides ``memory`` bytes for a tile.

    Args:
        x: Points of the rows, ``(B, N, D)``, finite.
        y: Points of the columns, ``(B, M, D)``, finite.
        epsilon: ``(B,)``, above 0.
        log_row: ``(B, N)``, minus infinity where a row has no mass.
        log_column: ``(B, M)``, minus infinity where a column has no mass (not everywhere).
        z: Values of the columns, ``(B, M, E)``.
        cost: Which cost.
        backend: ``"torch"``, or ``"keops"`` if that is installed.
        memory: Bytes for tiles; ``None`` suits the device.

    Returns:
        ``(B, N, E)``.
    """
    with torch.autocast(device_type=x.device.type, enabled=False):
        if backend == "keops":
            return transport_keops(x, y, epsilon, log_row, log_column, z, cost)
        with torch.no_grad():
            u, v, row, column, rooted = coordinates(x, y, epsilon, cost)
            u, v = in_bits(u, v, rooted)
            row, column = (log_row + row) * BITS, (log_column + column) * BITS
        return _Transport.apply(z, u, v, row, column, rooted, memory)  # type: ignore[no-any-return, no-untyped-call]


def argmax_points(
    x: Tensor,
    y: Tensor,
    epsilon: Tensor,
    log_column: Tensor,
    cost: PointCost = "sqeuclidean",
    backend: Backend = "torch",
    memory: int | None = None,
) -> Tensor:
    """Column of the largest entry of every row of the plan of :func:`transport_points`, ``(B, N)``; O(B N M D)."""
    with torch.no_grad(), torch.autocast(device_type=x.device.type, enabled=False):
        if backend == "keops":
            return argmax_keops(x, y, epsilon, log_column, cost)
        u, v, _, column, rooted = coordinates(x, y, epsilon, cost)
        shift = log_column + column
        rows, columns = tiles(u, v, memory)
        return torch.cat([_argmax_row(u[:, part], v, shift, rooted, columns) for part in rows], dim=1)


def _argmax_row(u: Tensor, v: Tensor, shift: Tensor, rooted: bool, columns: list[slice]) -> Tensor:
    best, index = tile(u, v[:, columns[0]], shift[:, columns[0]], rooted).max(dim=2)
    for part in columns[1:]:
        value, where = tile(u, v[:, part], shift[:, part], rooted).max(dim=2)
        better = value > best
        best, index = torch.where(better, value, best), torch.where(better, where + part.start, index)
    return index


class _Transport(torch.autograd.Function):
    """``sum_j 2^(row_i + tile_ij) z_j``, linear in ``z``; its adjoint swaps the sides."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, u: Tensor, v: Tensor, row: Tensor, column: Tensor, rooted: bool, memory: int | None
    ) -> Tensor:
        ctx.save_for_backward(u, v, row, column)
        ctx.options = rooted, memory
        out = []
        rows, columns = tiles(u, v, memory)
        for part in rows:
            total, mean = reduce_row(u[:, part], v, column, rooted, columns, z)
            assert mean is not None
            out.append((row[:, part] + total).exp2().unsqueeze(2) * mean)
        return torch.cat(out, dim=1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, v, row, column = ctx.saved_tensors
        return _Transport.apply(grad, v, u, column, row, *ctx.options), *[None] * 6  # type: ignore[no-untyped-call]
