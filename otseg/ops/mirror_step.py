"""One fused mirror-descent update of a plan, with its rows projected on their marginal."""

import torch
from torch import Tensor

from otseg.ops.exponential import exp_in_place, recorded


def mirror_step(
    log_density: Tensor,
    gradient: Tensor,
    keep: Tensor,
    step: Tensor,
    a: Tensor,
    log_b: Tensor,
    tau_a: Tensor,
    support: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""``M = keep M - step G``, then a constant per row so that ``P = a b exp(M)`` has its marginal.

    With ``R = sum_k b_k exp(M_k)`` of the unprojected row, the constant is ``-tau_a log R``: rows of an exact marginal
    (``tau_a = 1``) sum to ``a``, relaxed rows (``tau_a < 1``) meet the optimality condition of their penalty.
    One exponential per entry. Frames with ``a = 0`` and actions with ``b = 0`` get no mass and finite densities.

    Args:
        log_density: ``M``, the log of ``P / (a b)``, ``(B, N, K)``, finite; fastest with frames contiguous.
        gradient: ``G``, ``(B, N, K)``, finite.
        keep: ``(B,)``, factor of the old log density.
        step: ``(B,)``, factor of the gradient.
        a: ``(B, N)``.
        log_b: ``(B, K)``, minus infinity where the mass is 0.
        tau_a: ``(B,)``, damping of the rows.
        support: ``(B, N, K)``, where the plan may have mass, somewhere in every row; everywhere if ``None``.

    Returns:
        The new ``M`` and the new plan ``P``.
    """
    # In place only on fresh tensors whose values no derivative needs.
    moved = (keep[:, None, None] * log_density).addcmul_(gradient, -step[:, None, None])
    weighted = moved + log_b[:, None]
    if support is not None:
        weighted = weighted.masked_fill(~support, float("-inf"))
    peak = weighted.detach().amax(dim=2, keepdim=True)  # finite: some action has mass
    shifted = weighted.sub_(peak)
    plan = shifted.exp_() if recorded(shifted) else exp_in_place(shifted)
    row = plan.sum(dim=2, keepdim=True)  # at least 1
    log_row = row.log() + peak
    tau = tau_a[:, None, None]
    growth = (1 - tau) * log_row
    growth = torch.where(a.unsqueeze(2) > 0, growth, growth.clamp(max=80))  # no infinity meets a zero mass
    mass = a.unsqueeze(2) * growth.exp() / row
    plan = plan * mass if plan.requires_grad else plan.mul_(mass)  # the derivative of exp needs its value
    return moved.sub_(tau * log_row), plan
