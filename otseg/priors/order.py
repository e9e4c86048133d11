"""Rough order of actions: action ``k`` is expected around the ``k``-th part of the sequence."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.priors._positions import frame_positions, lengths, place_positions
from otseg.priors._terms import LinearTerm, check_per_problem, check_weight, per_problem
from otseg.types import PerProblem, ProtocolName


@dataclass(frozen=True, eq=False)
class LinearOrder(LinearTerm):
    r"""ASOT's temporal prior: the distance between relative positions, on midpoints.

    .. math:: D_{nk} = w \left| \frac{n + 1/2}{N} - \frac{k + 1/2}{K} \right|

    with :math:`n, k` from 0 and :math:`N` the real frames of the sequence. It ties the index of an action to its place
    in time, so the order of the prototypes matters.

    Args:
        weight: Factor :math:`w`, in units of the cost, at least 0; one value, or one per problem ``(B,)``.
        protocol: ``"published"`` uses :math:`|n / N - k / K|` with the padded length, as the released code does.

    Note:
        ``protocol="published"`` is zero at the *start* of every action's part, so that the first action owns 6 % and
        the last 15 % of the frames for ten actions; and it depends on padding.

    Example:
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> LinearOrder(weight=1.0).energy_and_grad(torch.zeros(1, 2, 2), mask)[1]
        tensor([[[0.0000, 0.5000],
                 [0.5000, 0.0000]]])

    References:
        :cite:`xu2024asot`, Eq. 11 (temporal prior).
    """

    weight: PerProblem
    protocol: ProtocolName = "default"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        checks.choice("protocol", self.protocol, ("default", "published"))

    def term(self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Tensor:
        """The weighted distance of every frame from every action."""
        frames, actions = plan.shape[1:]
        if self.protocol == "published":
            frame, action = place_positions(frames, plan, 0.0)[None], place_positions(actions, plan, 0.0)
        else:
            frame, action = frame_positions(mask, plan), place_positions(actions, plan)
        return per_problem(self.weight, plan) * (frame.unsqueeze(2) - action).abs()


@dataclass(frozen=True, eq=False)
class GaussianOrder(LinearTerm):
    r"""TOT's temporal prior: frames near the diagonal, with a Gaussian fall-off.

    .. math::

        D_{nk} = w\, \frac{d_{nk}^2}{2 \sigma^2}, \qquad
        d_{nk} = \left| \frac{n + 1/2}{N} - \frac{k + 1/2}{K} \right| \Big/ \sqrt{\frac{1}{N^2} + \frac{1}{K^2}}

    with :math:`n, k` from 0 and :math:`N` the real frames of the sequence. With :math:`w = \varepsilon` this is the
    divergence from a *reference plan*, :math:`\varepsilon\,\mathrm{KL}(P \mid Q)` with
    :math:`Q_{nk} \propto a_n b_k \exp(-d_{nk}^2 / 2 \sigma^2)` in place of
    :math:`\varepsilon\,\mathrm{KL}(P \mid a b^\top)`: Sinkhorn starts from the Gaussian instead of from the product.

    Args:
        weight: Factor :math:`w`, in units of the cost, at least 0; ``epsilon`` for TOT. One value, or one per problem
            ``(B,)``.
        sigma: Width :math:`\sigma` of the Gaussian, above 0; one value, or one per problem ``(B,)``. With many more
            frames than actions, :math:`d` counts actions: 1 is the length of an action that takes its equal share.
        protocol: ``"published"`` counts :math:`n / N - k / K`, indices from 0, as TOT's and UFSA's released code does.

    Note:
        The constant factor of the Gaussian (and the mass of :math:`Q`) is dropped. It adds a constant to the energy and
        changes no plan wherever a marginal is exact; where both are relaxed it would rescale the plan.
        ``protocol="published"`` is skewed: the first action's part is halved, the last one's grows by as much.

    Example:
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> GaussianOrder(weight=1.0, sigma=1.0).energy_and_grad(torch.zeros(1, 2, 2), mask)[1]
        tensor([[[0.0000, 0.2500],
                 [0.2500, 0.0000]]])

    References:
        :cite:`kumar2022tot` (temporal prior); :cite:`su2017opw` (its Gaussian :math:`P`).
    """

    weight: PerProblem
    sigma: PerProblem
    protocol: ProtocolName = "default"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_per_problem("sigma", self.sigma, positive=True)
        checks.choice("protocol", self.protocol, ("default", "published"))

    def term(self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Tensor:
        """The weighted squared distance of every frame from every action."""
        shift = 0.0 if self.protocol == "published" else 0.5
        offset = frame_positions(mask, plan, shift).unsqueeze(2) - place_positions(plan.shape[2], plan, shift)
        return gaussian_factor(self.weight, self.sigma, mask, plan.shape[2], plan) * offset.square()


@dataclass(frozen=True, eq=False)
class InverseDifferenceOrder(LinearTerm):
    r"""OPW's inverse difference moment: a reward for mass near the diagonal, with heavy tails.

    .. math:: D_{nk} = - w \Big/ \left( \left( \frac{n + 1/2}{N} - \frac{k + 1/2}{K} \right)^2 + 1 \right)

    with :math:`n, k` from 0 and :math:`N` the real frames of the sequence: between :math:`-w` on the diagonal and
    :math:`-w / 2` at the far corners. Order-preserving Wasserstein is this, with
    :class:`GaussianOrder` ``(weight=epsilon)``; its distance is :attr:`otseg.OTResult.value_linear`.

    Args:
        weight: Factor :math:`w`, OPW's :math:`\lambda_1`, in units of the cost, at least 0; one value, or one per
            problem ``(B,)``.

    Note:
        OPW counts :math:`n / N - k / K`, indices from 1, which is the same where :math:`N = K` and skewed elsewhere.

    Example:
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> InverseDifferenceOrder(weight=1.0).energy_and_grad(torch.zeros(1, 2, 2), mask)[1]
        tensor([[[-1.0000, -0.8000],
                 [-0.8000, -1.0000]]])

    References:
        :cite:`su2017opw` (inverse difference moment).
    """

    weight: PerProblem

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def term(self, plan: Float[Tensor, "B N K"], mask: Bool[Tensor, "B N"]) -> Tensor:
        """The weighted reward, negative."""
        offset = frame_positions(mask, plan).unsqueeze(2) - place_positions(plan.shape[2], plan)
        return -per_problem(self.weight, plan) / (offset.square() + 1)


def gaussian_factor(weight: PerProblem, sigma: PerProblem, mask: Tensor, places: Tensor | int, like: Tensor) -> Tensor:
    """``w / (2 sigma^2 (1 / N^2 + 1 / K^2))``, ``(B, 1, 1)``: what a squared difference of positions costs.

    Args:
        weight: Weight of the prior.
        sigma: Width of the Gaussian, in actions.
        mask: True on real frames, ``(B, N)``.
        places: Number of places: one for all, or floating-point of shape ``(B, 1)``.
        like: Plan, for dtype and device.
    """
    spread = lengths(mask).to(like.dtype).pow(-2) + places**-2
    return per_problem(weight, like) / (2 * per_problem(sigma, like, "sigma").square() * spread.unsqueeze(2))
