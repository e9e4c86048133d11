"""One Gaussian per action: its fit to labeled frames, and the score that it gives to every frame."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks

#: Shape of the covariance of an action: any, or independent features.
Covariance: TypeAlias = Literal["full", "diagonal"]


@dataclass(frozen=True, eq=False)
class Gaussians:
    r"""A Gaussian for every action.

    Attributes:
        means: Mean of every action.
        covariances: Covariance of every action; diagonal ones hold zeros off their diagonal and are stored as
            ``(K, D)``.
        floor: Variance :math:`v` that was added to every feature.
        seen: Whether the action had frames; one that had none scores ``-inf``.
    """

    means: Float[Tensor, "K D"]
    covariances: Float[Tensor, "K D D"] | Float[Tensor, "K D"]
    floor: float
    seen: Tensor

    @classmethod
    def fit(
        cls,
        frames: Float[Tensor, "M D"],
        labels: Int[Tensor, " M"],
        n_actions: int,
        *,
        covariance: Covariance = "full",
        floor: float = 1e-4,
        before: "Gaussians | None" = None,
    ) -> "Gaussians":
        r"""Mean and covariance of the frames of every action, with a floor: :math:`\Sigma_k = S_k + v I`.

        For frames blurred by noise of variance :math:`v` these maximize the expected likelihood, which is what
        :meth:`scores` gives; so a fit and a labeling by those scores never work against each other.
        Time :math:`O(M D^2 + K D^3)` and memory :math:`O(K D^2)`; :math:`O(M D)` and :math:`O(K D)` if diagonal.

        Args:
            frames: Features of all frames.
            labels: Action of every frame.
            n_actions: Number of actions.
            covariance: ``"full"`` or ``"diagonal"``.
            floor: Variance :math:`v` to add, above 0.
            before: Where actions without frames keep their Gaussian from.

        Example:
            >>> frames, labels = torch.tensor([[0.0], [2.0], [5.0]]), torch.tensor([0, 0, 1])
            >>> fit = Gaussians.fit(frames, labels, 2, floor=0.5)
            >>> fit.means.tolist(), fit.covariances.tolist()
            ([[1.0], [5.0]], [[[1.5]], [[0.5]]])
        """
        checks.choice("covariance", covariance, ("full", "diagonal"))
        checks.number("floor", floor, 0, open_low=True)
        dim = frames.shape[1]
        diagonal = covariance == "diagonal"
        if before is None:
            means = frames.new_zeros(n_actions, dim)
            unit = frames.new_ones(dim) if diagonal else torch.eye(dim, dtype=frames.dtype, device=frames.device)
            covariances = unit.expand(n_actions, *unit.shape).clone()
            seen = labels.new_zeros(n_actions, dtype=torch.bool)
        else:
            means, covariances, seen = before.means.clone(), before.covariances.clone(), before.seen.clone()
        for k in torch.unique(labels).tolist():
            own = frames[labels == k]
            means[k] = own.mean(dim=0)
            offsets = own - means[k]
            if diagonal:
                covariances[k] = offsets.square().mean(dim=0) + floor
            else:
                covariances[k] = offsets.T @ offsets / len(own)
                covariances[k].diagonal().add_(floor)
            seen[k] = True
        return cls(means, covariances, floor, seen)

    def scores(self, frames: Float[Tensor, "M D"]) -> Float[Tensor, "M K"]:
        r"""Expected log-density of every frame, blurred by noise of variance :math:`v`, under every action.

        .. math:: \log \mathcal N(x \mid \mu_k, \Sigma_k) - \tfrac{v}{2} \operatorname{tr} \Sigma_k^{-1}

        Time :math:`O(K (M D^2 + D^3))`, or :math:`O(K M D)` if diagonal; memory :math:`O(M (D + K))` beside them.

        Args:
            frames: Features.
        """
        per_action = []
        for mean, covariance, seen in zip(self.means, self.covariances, self.seen, strict=True):
            offsets = frames - mean
            if covariance.dim() == 1:
                distance = (offsets.square() / covariance).sum(dim=1)
                log_det, trace = covariance.log().sum(), (1 / covariance).sum()
            else:
                factor = torch.linalg.cholesky(covariance)
                distance = torch.linalg.solve_triangular(factor, offsets.T, upper=False).square().sum(dim=0)
                log_det = 2 * factor.diagonal().log().sum()
                trace = torch.cholesky_inverse(factor).diagonal().sum()
            constant = frames.shape[1] * math.log(2 * math.pi)
            score = -0.5 * (distance + log_det + self.floor * trace + constant)
            per_action.append(score.masked_fill(~seen, float("-inf")))
        return torch.stack(per_action, dim=1)


def variance_floor(frames: Float[Tensor, "M D"], share: float) -> float:
    """``share`` of the mean variance of a feature; ``share`` itself where all frames are equal."""
    variance = float(frames.var(dim=0, correction=0).mean())
    return share * variance if variance > 0 else share
