"""Soft-minimum over the points of a set, tile by tile: the half step of Sinkhorn's iterations without a cost matrix."""

import math
from typing import Any, NoReturn

import torch
from torch import Tensor

from otseg import checks
from otseg.ops.keops_points import softmin_keops
from otseg.ops.point_scores import Backend, PointCost, coordinates, distance, tile, tiles

#: One unit of an exponent, in bits.
BITS = 1 / math.log(2)


def softmin_points(
    x: Tensor,
    y: Tensor,
    epsilon: Tensor,
    log_potential: Tensor,
    log_weight: Tensor,
    cost: PointCost = "sqeuclidean",
    backend: Backend = "torch",
    memory: int | None = None,
) -> Tensor:
    r"""``-log sum_j weight_j exp(log_potential_j - c(x_i, y_j) / epsilon)``, in units of epsilon.

    What :func:`otseg.ops.softmin.softmin` computes from a stored score. Tiles are reduced as they are made, with a
    running maximum, and made again for the gradient: O(B N M D) time, O(B (N + M) D) memory besides ``memory`` bytes
    for a tile. Differentiable twice, in every tensor.

    Args:
        x: Points that get a value, ``(B, N, D)``, finite.
        y: Points that are summed away, ``(B, M, D)``, finite.
        epsilon: ``(B,)``, above 0.
        log_potential: Potential of ``y`` over epsilon, ``(B, M)``, finite.
        log_weight: Log mass of ``y``, ``(B, M)``, minus infinity where it is 0 (not everywhere).
        cost: Which cost.
        backend: ``"torch"``, or ``"keops"`` if that is installed.
        memory: Bytes for tiles; ``None`` suits the device.

    Returns:
        ``(B, N)``, finite.

    Note:
        A term below the smallest normal number times the largest is replaced by that number: less than rounding, and
        ten times as fast where most terms underflow.
    """
    with torch.autocast(device_type=x.device.type, enabled=False):
        if backend == "keops":
            return softmin_keops(x, y, epsilon, log_potential, log_weight, cost)
        u, v, row, column, rooted = coordinates(x, y, epsilon, cost)
        shift = log_potential + log_weight + column
        total: Tensor = _LogSum.apply(*in_bits(u, v, rooted), shift * BITS, rooted, memory)  # type: ignore[no-untyped-call]
        return -(row + total / BITS)


def in_bits(u: Tensor, v: Tensor, rooted: bool) -> tuple[Tensor, Tensor]:
    """Coordinates of scores in bits: powers of 2 are faster than those of e."""
    scale = BITS if rooted else math.sqrt(BITS)
    return u * scale, v * scale


def reduce_row(
    u: Tensor, v: Tensor, shift: Tensor, rooted: bool, columns: list[slice], z: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """``log2 sum_j 2^tile_ij``, ``(B, n)``, and the average of ``z_j`` with these weights, ``(B, n, E)``.

    The running maximum of online softmax (:cite:`milakov2018online`, Algorithm 3): tiles are seen once.
    """
    top = u.new_full(u.shape[:2], torch.finfo(u.dtype).min)  # finite: a tile of zero masses is minus infinity
    total = torch.zeros_like(top)
    mean = None if z is None else u.new_zeros(*u.shape[:2], z.shape[2])
    for part in columns:
        terms = tile(u, v[:, part], shift[:, part], rooted)
        old, top = top, torch.maximum(top, terms.amax(dim=2))
        terms = _power(terms.sub_(top.unsqueeze(2)))
        fade = _power(old - top)
        total = total * fade + terms.sum(dim=2)
        if mean is not None and z is not None:
            mean = torch.baddbmm(mean * fade.unsqueeze(2), terms, z[:, part])
    return top + total.log2(), None if mean is None else mean / total.unsqueeze(2)


class _LogSum(torch.autograd.Function):
    """``log2 sum_j 2^tile_ij``; everything is in bits."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor, shift: Tensor, rooted: bool, memory: int | None) -> Tensor:
        rows, columns = tiles(u, v, memory)
        total = torch.cat([reduce_row(u[:, part], v, shift, rooted, columns)[0] for part in rows], dim=1)
        ctx.save_for_backward(u, v, shift, total)
        ctx.options = rooted, memory
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grads: tuple[Tensor, ...] = _LogSumGradient.apply(*ctx.saved_tensors, grad, *ctx.options)  # type: ignore[no-untyped-call]
        return *grads, None, None


class _LogSumGradient(torch.autograd.Function):
    """The gradient of :class:`_LogSum` as a function of its inputs, its output and the incoming gradient."""

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, v: Tensor, shift: Tensor, total: Tensor, grad: Tensor, rooted: bool, memory: int | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(u, v, shift, total, grad)
        ctx.options = rooted, memory
        out = torch.zeros_like(u), torch.zeros_like(v), torch.zeros_like(shift)
        rows, columns = tiles(u, v, memory)
        for i in rows:
            for j in columns:
                parts = _tile_gradient(u[:, i], v[:, j], shift[:, j], total[:, i], grad[:, i], rooted)
                for whole, where, part in zip(out, (i, j, j), parts, strict=True):
                    whole[:, where] += part
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        seconds: tuple[Tensor, ...] = _LogSumSecond.apply(*ctx.saved_tensors, *grads, *ctx.options)  # type: ignore[no-untyped-call]
        return *seconds, None, None


class _LogSumSecond(torch.autograd.Function):
    """The gradient of :class:`_LogSumGradient`, by automatic differentiation of one tile at a time."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> tuple[Tensor, ...]:
        inputs, grads, (rooted, memory) = args[:5], args[5:8], args[8:]
        out = tuple(torch.zeros_like(value) for value in inputs)
        rows, columns = tiles(inputs[0], inputs[1], memory)
        for i in rows:
            for j in columns:
                where = i, j, j, i, i  # u, v, shift, total, grad
                with torch.enable_grad():
                    u, v, shift, total, grad = parts = [
                        value[:, part].detach().requires_grad_() for value, part in zip(inputs, where, strict=True)
                    ]
                    outputs = _tile_gradient(u, v, shift, total, grad, rooted)
                incoming = [value[:, part] for value, part in zip(grads, (i, j, j), strict=True)]
                for whole, part, value in zip(out, where, torch.autograd.grad(outputs, parts, incoming), strict=True):
                    whole[:, part] += value
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> NoReturn:
        checks.fail("softmin_points", "differentiated twice at most", "a third derivative", error=RuntimeError)


def _tile_gradient(
    u: Tensor, v: Tensor, shift: Tensor, total: Tensor, grad: Tensor, rooted: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """What one tile adds to the gradients of ``u``, ``v`` and ``shift``."""
    gap = distance(u, v) if rooted else None
    terms = tile(u, v, shift, rooted) if gap is None else shift.unsqueeze(1) - gap
    weight = grad.unsqueeze(2) * _power(terms - total.unsqueeze(2))  # (B, n, m)
    from_shift = weight.sum(dim=1)
    if gap is None:
        return weight @ v, weight.transpose(1, 2) @ u, from_shift
    pull = torch.where(gap > 0, weight / torch.where(gap > 0, gap, 1), 0)
    from_u = pull @ v - pull.sum(dim=2, keepdim=True) * u
    return from_u, pull.transpose(1, 2) @ u - pull.sum(dim=1).unsqueeze(2) * v, from_shift


def _power(x: Tensor) -> Tensor:
    """``2^x``, at least the smallest normal number: smaller ones are slow to compute and count for nothing."""
    low = math.log2(torch.finfo(x.dtype).tiny)
    return x.clamp(min=low).exp2() if x.requires_grad else x.clamp_(min=low).exp2_()
