"""Gromov-Wasserstein between any structure of frames and any structure of actions."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.ops.divergence import dot
from otseg.priors._terms import check_symmetric, check_weight, fit_batch, per_problem
from otseg.types import FrameStructure, GromovLoss, PerProblem


@dataclass(frozen=True, eq=False)
class GromovWasserstein:
    r"""Half the Gromov-Wasserstein term of a structure of frames and one of actions.

    .. math::

        E(P) = \frac{w}{2} \sum_{ijkl} L(C^v_{ik}, C^a_{jl})\,P_{ij} P_{kl}, \qquad
        L(x, y) = x y \;\text{(product)} \quad\text{or}\quad (x - y)^2 \;\text{(square)}

    The gradients are :math:`w\, C^v P C^a` and, with the plan's own marginals :math:`p = P 1`, :math:`q = P^\top 1`
    (so that it is right where they are relaxed) and entrywise squares,

    .. math:: w \big(C^{v\,2} p\, 1^\top + 1\, (C^{a\,2} q)^\top - 2\, C^v P C^a\big)

    One product with the frame structure, one more of a single column for the square, and O(BNK) (O(BNK^2) where
    ``actions`` is given). Differentiable in the weight and in the tensors of both structures, twice in the plan.

    The *product* penalizes frames that are close (``C^v`` large) and whose actions are far apart (``C^a`` large): ASOT.
    The *square* is the classical term: both sides say the same thing, distances as a rule, and should match.

    Args:
        weight: Factor ``w``, at least 0; one value, or one per problem ``(B,)``.
        frames: Structure of the frames, :class:`otseg.types.FrameStructure`: :class:`TemporalWindow`,
            :class:`ShapedWindow`, :class:`BandKernel`, :class:`FeatureAffinity`, :class:`DenseStructure`,
            :class:`LowRankStructure`, or one of your own.
        actions: ``C^a``, ``(K, K)``, or ``(B, K, K)`` for one per problem; symmetric, of any sign. ``None``: different
            actions are 1 apart, :math:`C^a_{jl} = [j \ne l]`.
        loss: ``"product"`` or ``"square"``.

    Note:
        POT's ``alpha`` weighs the whole square term: its ``(1 - alpha) <M, P> + alpha GW`` is the cost
        ``(1 - alpha) M`` with ``weight = 2 alpha``.

    Example:
        >>> from otseg.priors import TemporalWindow
        >>> prior = GromovWasserstein(1.0, TemporalWindow(1))
        >>> mask = torch.ones(1, 4, dtype=torch.bool)
        >>> alternating = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]]) / 4
        >>> constant = torch.tensor([[[1.0, 0.0]] * 4]) / 4
        >>> prior.energy_and_grad(alternating, mask)[0], prior.energy_and_grad(constant, mask)[0]
        (tensor([0.7500]), tensor([0.]))

    References:
        :cite:`peyre2016gromov`, Prop. 1 (the expansion); :cite:`vayer2019optimal` (fused with a cost);
        :cite:`xu2024asot`, Eq. 5-7 (the product).
    """

    weight: PerProblem
    frames: FrameStructure
    actions: Float[Tensor, "K K"] | Float[Tensor, "B K K"] | None = None
    loss: GromovLoss = "product"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        kind = "a structure of frames (see otseg.types.FrameStructure)"
        fix = "Wrap a matrix in otseg.priors.DenseStructure." if isinstance(self.frames, Tensor) else ""
        fits = isinstance(self.frames, FrameStructure)
        checks.require(fits, "frames", kind, checks.describe(self.frames), fix, TypeError)
        if self.actions is not None:
            check_symmetric("actions", self.actions, "K K")
        checks.choice("loss", self.loss, ("product", "square"))

    @property
    def linear(self) -> bool:
        """False: the gradient depends on the plan."""
        return False

    def energy_and_grad(
        self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, "B N K"]]:
        """Energy and its gradient: both are quadratic in the plan, so the energy is half of ``<gradient, plan>``."""
        if plan.dtype not in (torch.float32, torch.float64):
            plan = plan.float()
        real = mask.unsqueeze(2)
        plan = plan * real
        with torch.autocast(device_type=plan.device.type, enabled=False):
            slope = self._times_actions(self.frames.apply(plan, mask), 1)
            if self.loss == "square":
                frame, action = plan.sum(dim=2, keepdim=True), plan.sum(dim=1, keepdim=True)
                frame = self.frames.apply_squared(frame, mask)  # (B, N, 1)
                slope = frame + self._times_actions(action, 2) - 2 * slope
            grad = per_problem(self.weight, plan) * slope * real
            return dot(grad, plan) / 2, grad

    def smoothness(self, a: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
        r"""``w c m`` with ``m = max_i (|C^v| a)_i`` and ``c = max |C^a|``; ``w c (2 m + c |a|_1 / 2)`` for the square.

        A step :math:`D` between plans with rows ``a`` has rows of sum 0, so what depends on frames alone does not
        curve, and a constant may be taken from :math:`C^{a\,2} \in [0, c^2]`: at most
        :math:`M_{ik} = c\,|C^v_{ik}|`, or :math:`2 c\,|C^v_{ik}| + c^2 / 2`, is left of :math:`L`. With
        :math:`|D_i|_1^2 \le 2 a_i \mathrm{KL}_i` (Pinsker) the curvature
        :math:`\frac{w}{2} \sum_{ik} M_{ik} |D_i|_1 |D_k|_1` is at most :math:`w \max_i (M a)_i \mathrm{KL}`.
        """
        a = a * mask
        with torch.autocast(device_type=a.device.type, enabled=False):
            bound = self.frames.row_bound(a, mask)
        one = a.new_ones(1, 1)
        largest = (one if self.actions is None else self.actions.to(a)).abs().amax(dim=(-2, -1))  # () or (B,)
        if self.loss == "square":
            bound = 2 * bound + largest * a.sum(dim=1) / 2
        return per_problem(self.weight, a).reshape(-1) * largest * bound

    def _times_actions(self, x: Tensor, power: int) -> Tensor:
        """``x C^a``, or ``x`` times its entrywise square; ``x`` is ``(B, N, K)`` or ``(B, 1, K)``."""
        if self.actions is None:
            return x.sum(dim=2, keepdim=True) - x
        actions = self.actions if self.actions.dim() == 3 else self.actions.unsqueeze(0)
        k = x.shape[2]
        got = checks.describe(actions)
        checks.require(fit_batch("actions", actions, x).shape[2] == k, "actions", f"of shape (K, K) with K = {k}", got)
        return x @ actions.to(x) ** power
