"""Newton's method on Sinkhorn's fixed point, where one side is small: from nearly solved to solved."""

import torch
from torch import Tensor

from otseg.checks import readable
from otseg.ops.divergence import log_weight
from otseg.ops.sinkhorn import column_error, damping
from otseg.ops.sinkhorn_gradient import schur
from otseg.ops.softmin import softmin


def newton_polish(
    score: Tensor, a: Tensor, b: Tensor, slope_a: Tensor, slope_b: Tensor, g: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    r"""Column potentials after ``steps`` safeguarded Newton steps, and the row potentials that belong to them.

    Eliminating ``f`` leaves :math:`g = \Phi(g)` with the ``K x K`` Jacobian :math:`\tau_a \tau_b B^\top A`. A step that
    does not lower the error of a problem is replaced by the plain sweep :math:`g \gets \Phi(g)`, and a problem that is
    solved to rounding is left alone. Three exponentials per entry and O(N K^2) products per step.

    Args:
        score: ``-C / epsilon``, ``(B, N, K)``.
        a: Row marginal, ``(B, N)``.
        b: Column marginal, ``(B, K)``.
        slope_a: ``epsilon / rho_a``, ``(B,)``.
        slope_b: ``epsilon / rho_b``, ``(B,)``.
        g: Column potentials to start from, over epsilon, ``(B, K)``.
        steps: Number of steps.

    Returns:
        ``f`` and ``g``, over epsilon.
    """
    log_a, log_b = log_weight(a), log_weight(b)
    tau_a, tau_b = damping(slope_a), damping(slope_b)

    def rows_of(g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        f = tau_a[:, None] * softmin(score, g, log_b, 2)
        target = softmin(score, f, log_a, 1)
        return f, target, column_error(g, target, b, slope_b)

    f, target, error = rows_of(g)
    for _ in range(steps):
        rows = (score + (g + log_b).unsqueeze(1)).softmax(dim=2)
        columns = (score + (f + log_a).unsqueeze(2)).softmax(dim=1)
        plain = tau_b[:, None] * target
        matrix = schur(rows, columns, tau_a * tau_b).transpose(1, 2)
        newton = g + torch.linalg.solve(matrix, (plain - g).double()).to(g.dtype)
        tried = rows_of(newton)
        better = tried[2] < error  # False where it is not finite
        next_g = torch.where(better[:, None], newton, plain)
        solved = error <= 8 * torch.finfo(error.dtype).eps
        all_tried = readable(better) and bool((better | solved).all())
        next_f, next_target, next_error = tried if all_tried else rows_of(next_g)
        kept = solved[:, None]
        f, g, target = (torch.where(kept, x, y) for x, y in ((f, next_f), (g, next_g), (target, next_target)))
        error = torch.where(solved, error, next_error)
    return f, g
