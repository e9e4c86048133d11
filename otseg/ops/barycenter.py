"""Iterative Bregman projections: the entropic barycenter of histograms, from score to potentials."""

import torch
from torch import Tensor

from otseg.ops.divergence import log_weight
from otseg.ops.sinkhorn import TEST_EVERY
from otseg.ops.softmin import softmin


def barycenter_sweeps(
    score: Tensor, a: Tensor, weight: Tensor, max_iter: int, tol: float | None
) -> tuple[Tensor, Tensor, Tensor, int, Tensor]:
    r"""Projects the plans ``a exp(f + g + score)`` on their rows, and on a column marginal that they share, in turn.

    The shared marginal is the weighted geometric mean of theirs, :math:`\log q = \sum_b w_b \log P_b^\top 1`.

    Args:
        score: Minus cost over epsilon, ``(B, N, K)``, finite.
        a: Histograms, ``(B, N)``, not all zero.
        weight: Weight of every histogram, ``(B,)``, of sum 1.
        max_iter: Largest number of sweeps, at least 1.
        tol: Stop below this error, tested every 10 sweeps; ``None`` runs every sweep without a test.

    Returns:
        ``log q`` ``(K,)``; ``f`` ``(B, N)`` and ``g`` ``(B, K)`` over epsilon; the number of sweeps; and the error, a
        scalar: the weighted mean of the L1 distances of the column marginals from ``q``, relative to the mass of
        ``a``. Rows meet theirs by construction.
    """
    log_a = log_weight(a)
    nothing = torch.zeros_like(score[:, 0])  # (B, K), log 1
    g, n_iter = nothing, max_iter
    for sweep in range(1, max_iter + 1):
        target = softmin(score, softmin(score, g, nothing, 2), log_a, 1)  # (B, K), minus the log marginal over exp(g)
        log_q = -(weight @ target)  # (K,)
        if tol is not None and sweep % TEST_EVERY == 0 and bool(_error(g - target, log_q, a, weight) < tol):
            n_iter = sweep
            break
        g = log_q + target
    f = softmin(score, g, nothing, 2)
    target = softmin(score, f, log_a, 1)
    log_q = -(weight @ target)
    return log_q, f, g, n_iter, _error(g - target, log_q, a, weight)


@torch.no_grad()
def _error(log_marginal: Tensor, log_q: Tensor, a: Tensor, weight: Tensor) -> Tensor:
    gap = (log_marginal.exp() - log_q.exp()).abs().sum(dim=1)  # (B,)
    return weight @ (gap / a.sum(dim=1))
