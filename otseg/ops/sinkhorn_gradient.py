"""Implicit gradient of Sinkhorn potentials: one small linear system per problem, whatever the number of sweeps."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from otseg.ops._backend import LIBRARY
from otseg.ops.conjugate_gradients import symmetric_solve
from otseg.ops.sinkhorn import needs_formula

#: The smaller side of a problem up to which its system is solved directly; conjugate gradients beyond.
DIRECT_UP_TO = 256
#: Logarithms of the masses of rows and columns, asked for only where they are needed.
Masses: TypeAlias = Callable[[], tuple[Tensor, Tensor]]


def implicit_potentials(
    score: Tensor, log_a: Tensor, log_b: Tensor, tau_a: Tensor, tau_b: Tensor, f: Tensor, g: Tensor
) -> tuple[Tensor, Tensor]:
    r"""The potentials ``f, g`` of a solved problem, with the derivatives that the optimality conditions imply.

    With everything in units of epsilon, the potentials are the fixed point of

    .. math::

        f_n = -\tau_a \log \sum_k b_k \exp(S_{nk} + g_k), \qquad g_k = -\tau_b \log \sum_n a_n \exp(S_{nk} + f_n)

    Their Jacobians are the plan with rows, and with columns, scaled to 1 (``A`` and ``B``). Backward solves
    ``(1 - tau_a tau_b A^T B) y = grad_g - tau_a A^T grad_f`` on the smaller side: directly in float64 for up to
    256 entries, by conjugate gradients beyond. It is made of differentiable operations, so that it can
    be differentiated again. O(B N K min(N, K)) time for the direct solve, O(B N K) memory.

    Where both sides are exact, a constant moves freely between ``f`` and ``g``; derivatives are right for whatever
    does not depend on it. A mass of exactly 0 gets no gradient.

    Args:
        score: ``S = -C / epsilon``, ``(B, N, K)``; minus infinity forbids an entry.
        log_a: ``(B, N)``, minus infinity where the mass is 0.
        log_b: ``(B, K)``.
        tau_a: Damping of the rows, ``(B,)``: 1 where exact, 0 where free.
        tau_b: Damping of the columns, ``(B,)``.
        f: Solution over epsilon, ``(B, N)``; no gradient flows into it.
        g: ``(B, K)``.

    Returns:
        ``f`` and ``g``, attached to the first five arguments.
    """
    return _Potentials.apply(score, log_a, log_b, tau_a, tau_b, f.detach(), g.detach())  # type: ignore[no-any-return, no-untyped-call]


class _Potentials(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        score: Tensor, log_a: Tensor, log_b: Tensor, tau_a: Tensor, tau_b: Tensor, f: Tensor, g: Tensor
    ) -> tuple[Tensor, Tensor]:
        return f.clone(), g.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs[:5], *output)

    @staticmethod
    def backward(ctx: Any, grad_f: Tensor, grad_g: Tensor) -> tuple[Tensor | None, ...]:
        wants_tau = any(ctx.needs_input_grad[3:5])
        arguments = (*ctx.saved_tensors, grad_f, grad_g, wants_tau)
        score = arguments[0]
        small = min(score.shape[1:]) <= DIRECT_UP_TO and score.dtype in (torch.float32, torch.float64)
        kernel = small and not needs_formula(*arguments[:-1])
        adjoint = torch.ops.otseg.sinkhorn_adjoint if kernel else reference_adjoint
        return *adjoint(*arguments), None, None


def reference_adjoint(
    score: Tensor,
    log_a: Tensor,
    log_b: Tensor,
    tau_a: Tensor,
    tau_b: Tensor,
    f: Tensor,
    g: Tensor,
    grad_f: Tensor,
    grad_g: Tensor,
    wants_tau: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the first five arguments of :func:`implicit_potentials`; those of ``tau`` are 0 if not wanted.

    In torch: differentiable, for every device, and what kernels of ``torch.ops.otseg.sinkhorn_adjoint`` are measured
    against.
    """
    into_row, into_column = score + (g + log_b).unsqueeze(1), score + (f + log_a).unsqueeze(2)
    rows, columns = into_row.softmax(dim=2), into_column.softmax(dim=1)  # A and B, (B, N, K)

    def log_mass() -> tuple[Tensor, Tensor]:
        return into_row.logsumexp(dim=2) + f + log_a, into_column.logsumexp(dim=1) + g + log_b

    x, y = _adjoint(rows, columns, tau_a, tau_b, grad_f, grad_g, log_mass)
    from_rows = (tau_a.unsqueeze(1) * x).unsqueeze(2) * rows
    from_columns = (tau_b.unsqueeze(1) * y).unsqueeze(1) * columns
    grad_tau_a, grad_tau_b = torch.zeros_like(tau_a), torch.zeros_like(tau_b)
    if wants_tau:
        grad_tau_a = -(x * into_row.logsumexp(dim=2)).sum(dim=1)
        grad_tau_b = -(y * into_column.logsumexp(dim=1)).sum(dim=1)
    grad_score = -(from_rows + from_columns).contiguous()
    return grad_score, -from_columns.sum(dim=2), -from_rows.sum(dim=1), grad_tau_a, grad_tau_b


def _adjoint(
    rows: Tensor, columns: Tensor, tau_a: Tensor, tau_b: Tensor, grad_f: Tensor, grad_g: Tensor, log_mass: Masses
) -> tuple[Tensor, Tensor]:
    """Solve ``x + tau_b B y = grad_f`` and ``y + tau_a A^T x = grad_g``, by eliminating the larger side."""
    if rows.shape[1] < rows.shape[2]:
        flipped = columns.transpose(1, 2), rows.transpose(1, 2)
        y, x = _adjoint(*flipped, tau_b, tau_a, grad_g, grad_f, lambda: log_mass()[::-1])
        return x, y
    tau = tau_a * tau_b
    right = grad_g - tau_a.unsqueeze(1) * _times(rows.transpose(1, 2), grad_f)
    if rows.shape[2] <= DIRECT_UP_TO:
        y = torch.linalg.solve(schur(rows, columns, tau), right.double()).to(right.dtype)
    else:
        y = _large_solve(rows, columns, tau, right, log_mass()[1])
    return grad_f - tau_b.unsqueeze(1) * _times(columns, y), y


def schur(rows: Tensor, columns: Tensor, tau: Tensor) -> Tensor:
    """``1 - tau A^T B``, ``(B, K, K)`` in float64, made regular.

    Exact sides share a constant: the columns of ``A^T B`` sum to 1, and adding ``1 / K`` everywhere picks one of the
    equivalent solutions. A plan that falls apart into blocks has more such constants: a ridge of a few units of
    rounding keeps their pivots away from 0 (what it multiplies cancels in every gradient but those of the masses).
    """
    product = (rows.transpose(1, 2) @ columns).double()
    size = product.shape[1]
    identity = torch.eye(size, dtype=product.dtype, device=product.device)
    constant = (tau == 1).double()[:, None, None] / size
    return (1 + 8 * torch.finfo(rows.dtype).eps) * identity - tau.double()[:, None, None] * product + constant


def _large_solve(rows: Tensor, columns: Tensor, tau: Tensor, right: Tensor, log_mass: Tensor) -> Tensor:
    """The same by conjugate gradients on the symmetric form ``1 - tau R^T R``, with ``R = sqrt(A B)``.

    ``A^T B = D R^T R D^-1``, with ``D^2`` the mass of the columns, which scales the unknowns well: that is the
    preconditioner. A column without mass is decoupled and goes to the right-hand side.
    """
    product = rows * columns
    root = torch.where(product > 0, torch.where(product > 0, product, 1).sqrt(), 0)  # no infinite slope at 0
    alive = torch.exp(log_mass) > 0
    scale = torch.where(alive, torch.where(alive, log_mass / 2, 0).exp(), 1)
    alone = torch.where(alive, 0, right)
    rest = right + tau.unsqueeze(1) * _times(rows.transpose(1, 2), _times(columns, alone))
    rest = torch.where(alive, rest, 0) / scale
    constant = torch.where(alive, scale, 0)
    constant = constant / torch.linalg.vector_norm(constant, dim=1, keepdim=True)
    exact = torch.eq(tau, 1).to(tau.dtype).unsqueeze(1)

    def matvec(x: Tensor) -> Tensor:
        chain = _times(root.transpose(1, 2), _times(root, x))
        image: Tensor = x - tau.unsqueeze(1) * chain + exact * constant * (constant * x).sum(dim=1, keepdim=True)
        return image

    return symmetric_solve(matvec, rest) * torch.where(alive, scale, 0) + alone


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    product: Tensor = matrix @ vector.unsqueeze(2)
    return product.squeeze(2)


def _shapes(
    score: Tensor,
    log_a: Tensor,
    log_b: Tensor,
    tau_a: Tensor,
    tau_b: Tensor,
    f: Tensor,
    g: Tensor,
    grad_f: Tensor,
    grad_g: Tensor,
    wants_tau: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    like_score, like_a, like_b, *like_tau = (x.new_empty(x.shape) for x in (score, log_a, log_b, tau_a, tau_b))
    return like_score, like_a, like_b, like_tau[0], like_tau[1]


LIBRARY.define(  # type: ignore[no-untyped-call]
    "sinkhorn_adjoint(Tensor score, Tensor log_a, Tensor log_b, Tensor tau_a, Tensor tau_b, Tensor f, Tensor g, "
    "Tensor grad_f, Tensor grad_g, bool wants_tau) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)
LIBRARY.impl("sinkhorn_adjoint", reference_adjoint, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
torch.library.register_fake("otseg::sinkhorn_adjoint", _shapes, lib=LIBRARY)
