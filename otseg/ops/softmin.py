"""Masked soft-minimum over one axis of a cost: the half step of every Sinkhorn iteration."""

import torch
from torch import Tensor

from otseg.ops.exponential import exp_in_place, recorded


def softmin(score: Tensor, log_potential: Tensor, log_weight: Tensor, dim: int) -> Tensor:
    r"""``-log sum_dim weight exp(score + log_potential)``, in units of epsilon.

    The score is ``-C / epsilon`` and the potential is divided by epsilon as well, so that no iteration divides a
    plan-sized tensor again. With ``dim=2`` this is the update of ``f / epsilon`` from ``g / epsilon``.

    Args:
        score: ``(B, N, K)``, finite.
        log_potential: Potential over epsilon of the side that is summed away: ``(B, N)`` or ``(B, K)``, finite.
        log_weight: Log marginal of that side, minus infinity where its mass is 0 (not everywhere).
        dim: Axis to sum over: 1 for frames, 2 for actions.

    Returns:
        ``(B, K)`` for ``dim=1``, ``(B, N)`` for ``dim=2``; finite.
    """
    shift = (log_potential + log_weight).unsqueeze(3 - dim)
    exponent = score + shift
    if recorded(exponent):
        return -torch.logsumexp(exponent, dim=dim)
    peak = exponent.amax(dim=dim, keepdim=True)  # finite: some entry has a weight
    return -(exp_in_place(exponent.sub_(peak)).sum(dim=dim).log_() + peak.squeeze(dim))
