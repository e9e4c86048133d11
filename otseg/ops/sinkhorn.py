"""The whole Sinkhorn loop of a batch, from potentials to potentials: what a fused kernel can take over."""

from collections.abc import Callable

import torch
from torch import Tensor

from otseg.ops._backend import LIBRARY, transformed
from otseg.ops.divergence import log_weight
from otseg.ops.softmin import softmin

#: Sweeps between two stopping tests; a test is the only place that waits for an accelerator.
TEST_EVERY = 10


def slope(rho: Tensor, epsilon: Tensor) -> Tensor:
    """``epsilon / rho``: 0 for an exact marginal, infinity for a free one; its gradient is finite everywhere."""
    relaxed = (rho > 0) & ~torch.isinf(rho)
    limit = torch.where(rho > 0, 0.0, torch.inf).to(rho)
    return torch.where(relaxed, epsilon / torch.where(relaxed, rho, 1), limit)


def damping(slope: Tensor) -> Tensor:
    """``tau = 1 / (1 + epsilon / rho)``: 1 for an exact marginal, 0 for a free one."""
    free = torch.isinf(slope)
    return torch.where(free, 0, 1 / (1 + torch.where(free, 0, slope)))


def sinkhorn_sweeps(
    score: Tensor,
    a: Tensor,
    b: Tensor,
    slope_a: Tensor,
    slope_b: Tensor,
    f: Tensor,
    max_iter: int,
    tol: float | None,
    translate: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Alternate soft-minima in the log domain; every quantity is in units of epsilon.

    One sweep updates ``g`` from ``f``, then ``f`` from ``g``, so that rows of the plan are right at the end. Between
    the two, a constant moves from ``g`` to ``f`` (translation invariance, Sejourne et al. 2022), the one direction in
    which damped iterations are slow: it costs O(N + K) and changes no plan of a balanced problem.

    A problem that has converged is frozen, so that its neighbors in the batch change nothing.

    What autograd or functorch records, and half precision, runs in :func:`reference_sweeps`; the rest is the op
    ``torch.ops.otseg.sinkhorn_sweeps``, which compiled kernels may take over.

    Args:
        score: ``-C / epsilon``, ``(B, N, K)``.
        a: Row marginal, ``(B, N)``.
        b: Column marginal, ``(B, K)``.
        slope_a: ``epsilon / rho_a``, ``(B,)``, see :func:`slope`.
        slope_b: ``epsilon / rho_b``, ``(B,)``.
        f: Row potentials to start from, over epsilon, ``(B, N)``.
        max_iter: Largest number of sweeps, at least 1.
        tol: Stop below this error; ``None`` runs every sweep without a test.
        translate: Whether to move the constant; pass False where every side is exact.

    Returns:
        ``f``, ``g`` (over epsilon), ``n_iter`` ``(B,)`` and ``error`` ``(B,)``: the L1 distance of the column
        marginal from its target ``b exp(-g / rho_b)``, relative to the mass of ``b``. Rows meet theirs by construction.
    """
    arguments = score, a, b, slope_a, slope_b, f
    if needs_formula(*arguments) or score.dtype not in (torch.float32, torch.float64):
        return reference_sweeps(*arguments, max_iter, tol, translate)
    return torch.ops.otseg.sinkhorn_sweeps(*arguments, max_iter, tol, translate)  # type: ignore[no-any-return]


def reference_sweeps(
    score: Tensor,
    a: Tensor,
    b: Tensor,
    slope_a: Tensor,
    slope_b: Tensor,
    f: Tensor,
    max_iter: int,
    tol: float | None,
    translate: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """:func:`sinkhorn_sweeps` in torch: differentiable, for every device, and what kernels are measured against."""
    log_a, log_b = log_weight(a), log_weight(b)
    f, g, n_iter, target = alternate(
        lambda f: softmin(score, f, log_a, 1),
        lambda g: softmin(score, g, log_b, 2),
        a, b, slope_a, slope_b, f, max_iter, tol, translate,
    )  # fmt: skip
    return f, g, n_iter, column_error(g, target, b, slope_b)


def alternate(
    to_columns: Callable[[Tensor], Tensor],
    to_rows: Callable[[Tensor], Tensor],
    a: Tensor,
    b: Tensor,
    slope_a: Tensor,
    slope_b: Tensor,
    f: Tensor,
    max_iter: int,
    tol: float | None,
    translate: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The loop of :func:`sinkhorn_sweeps`, whatever computes the soft-minima.

    Args:
        to_columns: Soft-minimum over rows, ``(B, N)`` to ``(B, K)``.
        to_rows: Soft-minimum over columns, ``(B, K)`` to ``(B, N)``.
        a: This and what follows is as in :func:`sinkhorn_sweeps`.
        b: ``(B, K)``.
        slope_a: ``(B,)``.
        slope_b: ``(B,)``.
        f: ``(B, N)``.
        max_iter: At least 1.
        tol: ``None`` runs every sweep.
        translate: Whether to move the constant.

    Returns:
        ``f``, ``g``, ``n_iter``, and the soft-minimum ``to_columns(f)``, without a gradient.
    """
    tau_a, tau_b = damping(slope_a)[:, None], damping(slope_b)[:, None]
    g = torch.zeros_like(b)
    n_iter = torch.full(b.shape[:1], max_iter, dtype=torch.int64, device=b.device)
    active = torch.ones_like(n_iter, dtype=torch.bool)
    for sweep in range(max_iter):
        target = to_columns(f)  # (B, K)
        if tol is not None and sweep and sweep % TEST_EVERY == 0:
            done = active & (column_error(g, target, b, slope_b) < tol)
            n_iter = torch.where(done, sweep, n_iter)
            active = active & ~done
            if not bool(active.any()):
                break
        new_g = tau_b * target
        if translate:
            new_g = new_g - _translation(f, new_g, a, b, slope_a, slope_b)[:, None]
        new_f = tau_a * to_rows(new_g)
        if tol is None:
            f, g = new_f, new_g
        else:
            f, g = torch.where(active[:, None], new_f, f), torch.where(active[:, None], new_g, g)
    else:
        with torch.no_grad():
            target = to_columns(f)
    return f, g, n_iter, target.detach()


def center(f: Tensor, g: Tensor, b: Tensor, exact: Tensor) -> tuple[Tensor, Tensor]:
    """Move a constant from ``g`` to ``f`` so that ``<b, g> = 0``, in the problems whose both sides are ``exact``.

    No plan depends on that constant; fixing it gives the potentials one value and one gradient.
    """
    constant = torch.where(exact, (b * g).sum(dim=1) / b.sum(dim=1), 0)[:, None]
    return f + constant, g - constant


def column_error(g: Tensor, target: Tensor, b: Tensor, slope_b: Tensor) -> Tensor:
    """L1 distance of the column marginal from ``b exp(-g / rho_b)``, relative to the mass of ``b``; ``(B,)``.

    The marginal needs no plan: it is ``b exp(g - target)``, with ``target`` the undamped update of ``g``.
    """
    with torch.no_grad():
        # The exponents are cut where the error is astronomical anyway, so that no infinity meets a zero mass.
        marginal = (g - target).clamp(max=80).exp()
        free = torch.isinf(slope_b)[:, None]  # nothing is asked of a free marginal
        wanted = (-torch.where(free, 0, slope_b[:, None]) * g).clamp(max=80).exp()
        gap = torch.where(free, 0, b * (marginal - wanted).abs())
        return gap.sum(dim=1) / b.sum(dim=1)


def _translation(f: Tensor, g: Tensor, a: Tensor, b: Tensor, slope_a: Tensor, slope_b: Tensor) -> Tensor:
    """The constant that moves from ``g`` to ``f`` so that both penalties agree on the total mass; ``(B,)``."""
    total = slope_a + slope_b
    # One side relaxed, none free; a slope below rounding is that of an exact side, and would only enlarge rounding.
    movable = (total > torch.finfo(total.dtype).eps) & ~torch.isinf(total)
    slope_a, slope_b = torch.where(movable, slope_a, 0), torch.where(movable, slope_b, 0)
    mass_a = torch.logsumexp(log_weight(a) - slope_a[:, None] * f, dim=1)
    mass_b = torch.logsumexp(log_weight(b) - slope_b[:, None] * g, dim=1)
    return torch.where(movable, (mass_a - mass_b) / torch.where(movable, total, 1), 0)


def needs_formula(*tensors: Tensor) -> bool:
    """Whether a transformation may ask how the result came about, so that it must be made of plain torch operations."""
    if transformed(*tensors):
        return True
    return torch.is_grad_enabled() and (torch.compiler.is_compiling() or any(x.requires_grad for x in tensors))


def _shapes(
    score: Tensor,
    a: Tensor,
    b: Tensor,
    slope_a: Tensor,
    slope_b: Tensor,
    f: Tensor,
    max_iter: int,
    tol: float | None,
    translate: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    n_iter = b.new_empty(b.shape[:1], dtype=torch.int64)
    return a.new_empty(a.shape), b.new_empty(b.shape), n_iter, b.new_empty(b.shape[:1])


LIBRARY.define(  # type: ignore[no-untyped-call]
    "sinkhorn_sweeps(Tensor score, Tensor a, Tensor b, Tensor slope_a, Tensor slope_b, Tensor f, int max_iter, "
    "float? tol, bool translate) -> (Tensor, Tensor, Tensor, Tensor)"
)
LIBRARY.impl("sinkhorn_sweeps", reference_sweeps, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
torch.library.register_fake("otseg::sinkhorn_sweeps", _shapes, lib=LIBRARY)
