"""Barycenter of histograms on a fixed support: one histogram that is close to all, in entropic transport."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.ops.barycenter import barycenter_sweeps
from otseg.ops.divergence import log_weight
from otseg.solvers._weights import normalized
from otseg.solvers.gradients import recording
from otseg.types import GradMode


@dataclass(frozen=True, eq=False)
class HistogramBarycenter:
    """Barycenter of histograms on a fixed support.

    Attributes:
        histogram: Mass of every point of the support; its sum is that of each histogram.
        plan: Plan from every histogram to the barycenter; 0 on masked bins.
        n_iter: Sweeps done.
        error: Weighted mean of the L1 distances of the plans' column marginals from the barycenter, relative to the
            mass; a scalar.
        converged: Whether ``error`` fell below the tolerance; False where no tolerance was given.
    """

    histogram: Float[Tensor, " K"]
    plan: Float[Tensor, "B N K"]
    n_iter: int
    error: Float[Tensor, ""]
    converged: Bool[Tensor, ""]


def fixed_support_barycenter(
    histograms: Float[Tensor, "B N"],
    cost: Float[Tensor, "N K"] | Float[Tensor, "B N K"],
    *,
    epsilon: int | float | Float[Tensor, ""],
    weights: Float[Tensor, " B"] | None = None,
    mask: Bool[Tensor, "B N"] | None = None,
    max_iter: int = 1000,
    tol: float | None = 1e-4,
    grad: GradMode = "unroll",
) -> HistogramBarycenter:
    r"""Entropic Wasserstein barycenter of histograms, by iterative Bregman projections in the log domain.

    .. math::

        \min_{q,\, P_1, \dots, P_B} \; \sum_b w_b \big( \langle C_b, P_b\rangle - \varepsilon\,H(P_b) \big)
        \;\text{ with }\; P_b 1 = a_b,\; P_b^\top 1 = q, \qquad H(P) = -\textstyle\sum P (\log P - 1)

    One histogram for the whole batch. Each sweep costs O(BNK) time and memory, two exponentials per entry.

    Args:
        histograms: Mass of every bin, at least 0, of the same total in every histogram.
        cost: Cost from each bin to each point of the support, for all histograms or for each one.
        epsilon: Weight of the entropy, above 0, in units of the cost.
        weights: Weight of each histogram, at least 0; equal if ``None``. Only their ratios count.
        mask: True on real bins; all if ``None``. Histograms of different lengths are padded.
        max_iter: Largest number of sweeps, at least 1.
        tol: Stop when ``error`` is below this, tested every 10 sweeps; ``None`` runs all sweeps without a test.
        grad: ``"unroll"`` records every sweep: the gradient in histograms, cost, epsilon and weights is exact for the
            sweeps that were done, with O(BNK) memory for each. ``"none"`` records nothing.

    Returns:
        The barycenter; ``converged`` is False where ``tol`` was not reached or not given.

    Raises:
        TypeError: If an argument has the wrong type or dtype.
        ValueError: If a shape, a device or a value is wrong.

    Note:
        The entropy is relative to equal masses, as in the paper and in POT's ``ot.bregman.barycenter``, whereas
        :class:`otseg.Problem` takes it relative to ``a b^T``. Here ``b`` is the unknown, and the choice matters: this
        one blurs the barycenter, for a squared distance by about ``sqrt(epsilon)``.

    Example:
        >>> place = torch.arange(5.0)
        >>> ends = torch.tensor([[1.0, 0, 0, 0, 0], [0, 0, 0, 0, 1.0]])
        >>> result = fixed_support_barycenter(ends, (place[:, None] - place) ** 2, epsilon=0.1)
        >>> result.histogram.round(decimals=3)
        tensor([0., 0., 1., 0., 0.])

    References:
        :cite:`benamou2015iterative` (the projections); :cite:`agueh2011barycenters` (barycenters in transport).
    """
    checks.choice("grad", grad, ("none", "unroll"))
    checks.number("max_iter", max_iter, 1, integer=True)
    if tol is not None:
        checks.number("tol", tol, 0)
    histograms = checks.tensor("histograms", histograms, "B N")
    histograms = histograms if histograms.dtype in (torch.float32, torch.float64) else histograms.float()
    checks.require(len(histograms) > 0, "histograms", "at least one", "none")
    cost = _cost(cost, histograms)
    epsilon = _epsilon(epsilon, histograms)
    if mask is not None:
        checks.mask("mask", mask, "histograms", histograms)
        histograms, cost = histograms.masked_fill(~mask, 0), cost.masked_fill(~mask.unsqueeze(2), 0)
    _check_masses(histograms)
    checks.finite("cost", cost)
    weight = normalized(weights, histograms)
    with recording(grad == "unroll", cost.device):
        score = -cost / epsilon
        log_q, f, g, n_iter, error = barycenter_sweeps(score, histograms, weight, max_iter, tol)
        histogram = log_q.softmax(dim=0) * (weight @ histograms.sum(dim=1))
        plan = (score + (f + log_weight(histograms)).unsqueeze(2) + g.unsqueeze(1)).exp()
    converged = error < tol if tol is not None else torch.zeros_like(error, dtype=torch.bool)
    return HistogramBarycenter(histogram, plan, n_iter, error, converged)


def _cost(cost: Tensor, histograms: Tensor) -> Tensor:
    shared = isinstance(cost, Tensor) and cost.dim() == 2
    cost = checks.tensor("cost", cost, "N K" if shared else "B N K")
    cost = cost if cost.dtype in (torch.float32, torch.float64) else cost.float()
    checks.like("cost", cost, "histograms", histograms)
    expected = (*histograms.shape[-1 if shared else 0 :], cost.shape[-1])
    checks.shape("cost", cost, expected, "(N, K)" if shared else "(B, N, K)")
    checks.require(cost.numel() > 0, "cost", "non-empty", checks.describe(cost))
    return cost.expand(len(histograms), -1, -1)


def _epsilon(epsilon: int | float | Tensor, histograms: Tensor) -> int | float | Tensor:
    if not isinstance(epsilon, Tensor):
        checks.number("epsilon", epsilon, 0, open_low=True)
        return epsilon
    checks.tensor("epsilon", epsilon, "")
    positive = not checks.readable(epsilon) or bool(epsilon > 0)
    checks.require(positive, "epsilon", "above 0", epsilon.tolist() if not positive else "")
    return epsilon.to(histograms)


def _check_masses(histograms: Tensor) -> None:
    checks.finite("histograms", histograms)
    if not checks.readable(histograms):
        return
    least, mass = float(histograms.detach().min()), histograms.detach().sum(dim=1)
    checks.require(least >= 0, "histograms", "at least 0", f"a smallest entry of {least}")
    low, high = float(mass.min()), float(mass.max())
    fix = "Divide each by its sum."
    checks.require(low > 0, "histograms", "of positive mass", f"a mass of {low}", fix)
    same = high - low <= 1e-4 * high
    checks.require(same, "histograms", "of the same total mass", f"masses from {low:.6g} to {high:.6g}", fix)
