"""Alignment of two sequences, frame by frame: what VASOT adds to ASOT."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from otseg import checks
from otseg.costs.cosine import cosine
from otseg.priors import DenseStructure, GromovWasserstein
from otseg.priors._positions import frame_positions
from otseg.priors.window import window
from otseg.result import OTResult
from otseg.solve import solve
from otseg.solvers import mirror_descent


def align_frames(
    x: Float[Tensor, "B N D"],
    y: Float[Tensor, "B M D"],
    mask_x: Bool[Tensor, "B N"],
    mask_y: Bool[Tensor, "B M"],
    *,
    epsilon: float,
    alpha: float,
    radius: float,
    order: float = 0.0,
    unmatched: float = 0.5,
    max_iter: int = 25,
    tol: float | None = 1e-3,
) -> OTResult:
    r"""Balanced fused Gromov-Wasserstein transport between the frames of two sequences, without gradient.

    .. math::

        \min_T \; (1 - \alpha) \Big\langle 1 - \cos(x_i, y_j)
        + \mathrm{order} \Big|\tfrac{i + 1/2}{N} - \tfrac{j + 1/2}{M}\Big|,\, T \Big\rangle
        + \tfrac{\alpha}{2} \langle C^x T C^y, T \rangle + \varepsilon\,\mathrm{KL}(T \mid a b^\top)

    .. math::

        C^x_{ik} = \frac{N}{r_x} [0 < |i - k| \le r_x], \qquad C^y_{jl} = [|j - l| > r_y]

    so that frames near in time are matched to frames near in time. To both sequences a dummy frame is prepended, of
    index 0: its entries cost ``unmatched``, it is neither near nor far from any, and it has an equal share of the mass
    like every frame. It takes what resembles nothing. :func:`otseg.nn.alignment_loss` learns from the plan.

    O(B N M (N + M)) time per iteration and O(B (N + M)^2) memory: meant for the few hundred frames that training draws.

    Args:
        x: Embeddings of the first sequences' frames.
        y: Embeddings of the second ones'.
        mask_x: True on real frames of ``x``, at least one per sequence.
        mask_y: True on real frames of ``y``, at least one per sequence.
        epsilon: Weight of the entropy, above 0.
        alpha: Share of the Gromov term, in [0, 1].
        radius: Windows :math:`r_x, r_y` as fractions of each sequence's own length, at least one frame.
        order: Weight of the difference of relative times, at least 0.
        unmatched: Cost of an entry of a dummy frame, VASOT's zeta.
        max_iter: Largest number of iterations of the solver.
        tol: Stop a pair below this error of :func:`otseg.solvers.mirror_descent`; ``None`` runs all iterations.

    Returns:
        Result whose plan is ``(B, 1 + N, 1 + M)``; row and column 0 are the dummies'.

    Raises:
        ValueError: If a shape or a value is wrong.

    Note:
        In VASOT's released code :math:`C^y` is 1 on its diagonal, which charges a second frame for the same match
        as much as for a distant one; the dummy counts as the frame before the first; and an iteration ends with one
        Sinkhorn round, so that the rows do not have their mass. Here the diagonal is 0 like everything within the
        radius, the dummy is no one's neighbor, positions are midpoints, and the marginals are met. The paper's Gromov
        term is not halved; its iteration, like ASOT's, descends the halved one.

    Example:
        >>> frames = torch.eye(3)[[0, 0, 1, 1, 2, 2]].unsqueeze(0)
        >>> mask = torch.ones(1, 6, dtype=torch.bool)
        >>> result = align_frames(frames, frames[:, ::2], mask, mask[:, ::2], epsilon=0.01, alpha=0.3, radius=0.2)
        >>> result.plan[0, 1:, 1:].argmax(dim=1)
        tensor([0, 0, 1, 1, 2, 2])

    References:
        :cite:`ali2025vasot`, section 3 (video alignment).
    """
    checks.number("alpha", alpha, 0, 1)
    checks.number("radius", radius, 0, 1, open_low=True)
    checks.number("order", order, 0)
    checks.number("unmatched", unmatched)
    mask_x, mask_y = (checks.mask(*named) for named in (("mask_x", mask_x, "x", x), ("mask_y", mask_y, "y", y)))
    cost = cosine(x.detach(), y.detach())
    lag = (frame_positions(mask_x, cost).unsqueeze(2) - frame_positions(mask_y, cost).unsqueeze(1)).abs()
    cost = (cost + order * lag).masked_fill(~(mask_x.unsqueeze(2) & mask_y.unsqueeze(1)), 0)
    cost = pad(cost, (1, 0, 1, 0), value=unmatched)
    (reach_x, height), (reach_y, _) = (window(radius, "default", mask) for mask in (mask_x, mask_y))
    (near, _), (_, far) = _near_and_far(mask_x, reach_x), _near_and_far(mask_y, reach_y)
    frames = DenseStructure(near.to(cost) * height.to(cost)[:, None, None])
    real_x, real_y = (pad(mask, (1, 0), value=True) for mask in (mask_x, mask_y))
    return solve(
        (1 - alpha) * cost,
        real_x.to(cost) / real_x.sum(dim=1, keepdim=True),
        real_y.to(cost) / real_y.sum(dim=1, keepdim=True),
        epsilon=epsilon,
        mask=real_x,
        priors=[GromovWasserstein(alpha, frames, far.to(cost))],
        solver=mirror_descent,
        max_iter=max_iter,
        tol=tol,
        grad="none",
    )


def _near_and_far(mask: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of different real frames within the window, and those beyond it; the dummy, in front, is in none."""
    frame = torch.arange(mask.shape[1], device=mask.device)
    distance = (frame.unsqueeze(1) - frame).abs()
    real, beyond = mask.unsqueeze(2) & mask.unsqueeze(1), distance > reach[:, None, None]
    near, far = real & ~beyond & (distance > 0), real & beyond
    return pad(near, (1, 0, 1, 0)), pad(far, (1, 0, 1, 0))
