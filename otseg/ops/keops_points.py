"""The reductions of points in KeOps, an optional package with compiled kernels for the CPU and CUDA.

KeOps compiles a kernel when a formula is first used (seconds, cached on disk), and prints while it does so and when it
is imported. Nothing here imports it before a reduction is asked for.
"""

from typing import Any

import torch
from torch import Tensor

from otseg import checks
from otseg.ops.point_scores import PointCost, coordinates


def softmin_keops(
    x: Tensor, y: Tensor, epsilon: Tensor, log_potential: Tensor, log_weight: Tensor, cost: PointCost = "sqeuclidean"
) -> Tensor:
    """:func:`otseg.ops.softmin_points.softmin_points` in KeOps, which differentiates it as often as needed."""
    u, v, row, column, rooted = coordinates(x, y, epsilon, cost)
    score = _lazy_score(u, v, log_potential + log_weight + column, rooted)
    total: Tensor = score.logsumexp(dim=2)
    return -(row + total.squeeze(2))


def transport_keops(
    x: Tensor,
    y: Tensor,
    epsilon: Tensor,
    log_row: Tensor,
    log_column: Tensor,
    z: Tensor,
    cost: PointCost = "sqeuclidean",
) -> Tensor:
    """:func:`otseg.ops.plan_points.transport_points` in KeOps."""
    with torch.no_grad():
        u, v, row, column, rooted = coordinates(x, y, epsilon, cost)
        total: Tensor = _lazy_score(u, v, log_column + column, rooted).logsumexp(dim=2)
        row = (log_row + row).unsqueeze(2) + total
    score = _lazy_score(u, v, log_column.detach() + column, rooted) - _lazy(total, 2)
    mean: Tensor = (score.exp() * _lazy(z, 1)).sum(dim=2)
    return row.exp() * mean


def argmax_keops(x: Tensor, y: Tensor, epsilon: Tensor, log_column: Tensor, cost: PointCost = "sqeuclidean") -> Tensor:
    """:func:`otseg.ops.plan_points.argmax_points` in KeOps."""
    with torch.no_grad():
        u, v, _, column, rooted = coordinates(x, y, epsilon, cost)
        index: Tensor = _lazy_score(u, v, log_column + column, rooted).argmax(dim=2)
        return index.squeeze(2).long()


def _lazy_score(u: Tensor, v: Tensor, shift: Tensor, rooted: bool) -> Any:
    """``shift_j + <u_i, v_j>`` or ``shift_j - |u_i - v_j|`` as a symbolic ``(B, N, M, 1)``."""
    # KeOps subtracts the running maximum: a finite number instead of minus infinity keeps it from being infinite.
    shift = shift.masked_fill(torch.isinf(shift), torch.finfo(shift.dtype).min / 4)
    rows, columns = _lazy(u, 2), _lazy(v, 1)
    score = -(rows - columns).norm2() if rooted else (rows | columns)
    return score + _lazy(shift.unsqueeze(2), 1)


def _lazy(value: Tensor, dim: int) -> Any:
    """A symbolic tensor of rows (``dim=2``: constant along columns) or of columns (``dim=1``)."""
    try:
        from pykeops.torch import LazyTensor
    except ImportError:
        checks.missing_extra("pykeops", "keops")
    return LazyTensor(value.contiguous().unsqueeze(dim))
