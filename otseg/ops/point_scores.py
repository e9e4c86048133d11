"""The score ``-c(x, y) / epsilon`` of two sets of points, never stored: coordinates that give it tile by tile."""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from otseg.ops.unit import unit

#: The costs of points; those of :mod:`otseg.costs`, ``sqeuclidean`` being ``euclidean(squared=True)``.
PointCost: TypeAlias = Literal["sqeuclidean", "euclidean", "cosine"]
COSTS: tuple[PointCost, ...] = ("sqeuclidean", "euclidean", "cosine")
#: What computes the reductions: torch, tile by tile, or the optional KeOps.
Backend: TypeAlias = Literal["torch", "keops"]
BACKENDS: tuple[Backend, ...] = ("torch", "keops")
#: Temporaries of the size of a tile that a reduction and its gradient keep at once.
TEMPORARIES = 4


class Coordinates(NamedTuple):
    """``score_ij = row_i + column_j + <u_i, v_j>``, or ``-|u_i - v_j|`` instead of the product if ``rooted``."""

    u: Tensor  # (B, N, D)
    v: Tensor  # (B, M, D)
    row: Tensor  # (B, N)
    column: Tensor  # (B, M)
    rooted: bool


def coordinates(x: Tensor, y: Tensor, epsilon: Tensor, cost: PointCost) -> Coordinates:
    """Coordinates of a cost, in which every score is a sum of products (or its root); O((N + M) D).

    Args:
        x: ``(B, N, D)``.
        y: ``(B, M, D)``.
        epsilon: ``(B,)``, above 0.
        cost: Which cost.
    """
    scale = epsilon[:, None, None]
    if cost == "cosine":
        u, v = unit(x) / scale.sqrt(), unit(y) / scale.sqrt()
        half = -0.5 / epsilon[:, None]
        return Coordinates(u, v, half.expand(x.shape[:2]), half.expand(y.shape[:2]), False)
    center = y.detach().mean(dim=1, keepdim=True)  # points far from the origin lose no digits in the products
    if cost == "euclidean":
        u, v = (x - center) / scale, (y - center) / scale
        return Coordinates(u, v, u.new_zeros(u.shape[:2]), v.new_zeros(v.shape[:2]), True)
    scale = (2 / scale).sqrt()
    u, v = (x - center) * scale, (y - center) * scale
    return Coordinates(u, v, -0.5 * (u * u).sum(dim=2), -0.5 * (v * v).sum(dim=2), False)


def tile(u: Tensor, v: Tensor, shift: Tensor, rooted: bool) -> Tensor:
    """``shift_j + <u_i, v_j>``, or ``shift_j - |u_i - v_j|``; ``(B, n, m)``."""
    if not rooted:
        return torch.baddbmm(shift.unsqueeze(1), u, v.transpose(1, 2))
    return shift.unsqueeze(1) - distance(u, v)


def distance(u: Tensor, v: Tensor) -> Tensor:
    """``|u_i - v_j|``, ``(B, n, m)``, with a zero gradient where it is 0."""
    square = torch.baddbmm((v * v).sum(dim=2).unsqueeze(1), u, v.transpose(1, 2), alpha=-2)
    square = (square + (u * u).sum(dim=2).unsqueeze(2)).clamp(min=0)
    zero = square == 0
    return torch.where(zero, 0, torch.where(zero, 1, square).sqrt())


def tiles(u: Tensor, v: Tensor, memory: int | None) -> tuple[list[slice], list[slice]]:
    """Slices of rows and columns whose tiles fit into ``memory`` bytes, with the temporaries around them.

    By default 8 MiB for every thread of the CPU, whose share should stay in its cache, and 512 MiB on an accelerator.
    """
    if memory is None:
        memory = 2**23 * torch.get_num_threads() if u.device.type == "cpu" else 2**29
    entries = max(1, memory // (TEMPORARIES * u.element_size() * max(1, u.shape[0])))
    rows = min(u.shape[1], math.isqrt(entries))
    columns = min(v.shape[1], entries // rows)
    rows = min(u.shape[1], entries // columns)
    return list(_slices(u.shape[1], rows)), list(_slices(v.shape[1], columns))


def _slices(size: int, step: int) -> Iterator[slice]:
    return (slice(start, start + step) for start in range(0, size, step))
