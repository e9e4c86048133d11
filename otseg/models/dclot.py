"""D-CLOT: CLOT whose refined embeddings keep the encoder's neighborhoods, with prototypes that are re-estimated."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.models.base import SegmentationModel
from otseg.models.clot import CLOT, Embeddings
from otseg.models.clot_config import CLOTConfig
from otseg.nn.graph import neighbor_graph
from otseg.ops.unit import unit
from otseg.result import OTResult
from otseg.types import Batch

#: How D-CLOT re-estimates its prototypes, see :class:`DCLOTConfig`.
Reestimation: TypeAlias = Literal["kmeans", "barycenter"]


@dataclass(frozen=True)
class DCLOTConfig(CLOTConfig):
    """Settings of :class:`DCLOT`: those of :class:`CLOTConfig`, and its own, all of them otseg's choice.

    Attributes:
        prototypes: ``"kmeans"`` (D-CLOT) or ``"barycenter"`` (D-CLOT_B): how prototypes are re-estimated.
        refresh_every: Epochs between two estimates.
        graph: Weight of the regularizer, at least 0.
        n_neighbors: Edges of every frame.
        bandwidth: Scale of the cosine distance in the affinity of two frames.
        duration: Scale of their distance in time, as a fraction of the sequence.
    """

    prototypes: Reestimation = "kmeans"
    refresh_every: int = 5
    graph: float = 1.0
    n_neighbors: int = 8
    bandwidth: float = 0.1
    duration: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.require(self.refinement, "refinement", "on: the graph constrains refined frames", "false")
        checks.choice("prototypes", self.prototypes, ("kmeans", "barycenter"))
        checks.number("refresh_every", self.refresh_every, 1, integer=True)
        checks.number("graph", self.graph, 0)
        checks.number("n_neighbors", self.n_neighbors, 1, integer=True)
        checks.number("bandwidth", self.bandwidth, 0, open_low=True)
        checks.number("duration", self.duration, 0, open_low=True)


class DCLOT(SegmentationModel):
    r"""CLOT with a graph-constrained refinement and re-estimated prototypes, after Bueno-Benito and Dimiccoli.

    The loss of :class:`CLOT` and two terms that keep the local geometry of the encoder's output ``f``, a constant:

    .. math::

        \mathrm{graph} \cdot \Big[ \frac1n \sum_i \sum_{j \in N(i)} w_{ij} \big(\cos(r_i, r_j) - \cos(f_i, f_j)\big)^2
        + \frac{1}{M (M - 1)} \sum_{l \ne m} \big(\cos(s_l, s_m) - \cos(c_l, c_m)\big)^2 \Big]

    over the edges of a graph of neighbors in features and time (:func:`otseg.nn.neighbor_graph`) for the refined
    frames ``r``, and over all pairs of segments ``s`` with the centers
    :math:`c_m = \sum_n \phi_{nm} f_n / \sum_n \phi_{nm}` of the frames that attend to them, :math:`\phi` the
    attention of the refinement. Every few epochs prototypes are estimated anew from all training sequences: the
    centers of a k-means on the directions of the refined frames that starts at the present prototypes (D-CLOT), or
    the barycenters of the plans :math:`T_R` (D-CLOT_B), the minimizers of their cosine costs,

    .. math::  A_k = \frac{m_k}{|m_k|}, \qquad m_k = \sum_{bn} T_{R,bnk} \frac{r_{bn}}{|r_{bn}|}.

    Both keep the order of the actions. The graph costs O(N^2 D) time per sequence to find, O(N k D) to descend.

    Args:
        config: Settings.

    Note:
        Of the method only the abstract is public. The energy, the graph and all settings are derived here, and
        nothing says that they are the authors'. A Laplacian energy was not chosen since it is least where all frames
        are equal.

    Example:
        >>> model = DCLOT(DCLOTConfig(n_actions=5, n_features=48, prototypes="barycenter"))
        >>> model.segment(torch.randn(1, 300, 48)).labels().shape
        torch.Size([1, 300])

    References:
        :cite:`buenobenito2026dclot`; :cite:`buenobenito2025clot`.
    """

    config_class: ClassVar[type] = DCLOTConfig
    config: DCLOTConfig

    def __init__(self, config: DCLOTConfig) -> None:
        super().__init__()
        self.config = config
        self.clot = CLOT(config)

    def prepare(self, batches: Iterable[Batch], *, generator: torch.Generator | None = None) -> None:
        """Set the prototypes as :class:`CLOT` does."""
        self.clot.prepare(batches, generator=generator)

    @torch.no_grad()
    def refresh(self, batches: Iterable[Batch], epoch: int) -> None:
        """Estimate the prototypes anew, every ``refresh_every`` epochs."""
        if epoch % self.config.refresh_every:
            return
        training = self.training
        self.eval()
        if self.config.prototypes == "kmeans":
            refined = [self._refined(batch)[batch.mask] for batch in batches]
            self.clot.prototypes.refine(torch.cat(refined))
        else:
            self.clot.prototypes.weight.copy_(self._barycenters(batches))
        self.train(training)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of :class:`CLOT`, and ``"graph_frames"`` and ``"graph_segments"``."""
        embeddings = self.clot.embed(batch.features, batch.mask)
        terms = self.clot.losses(embeddings, batch.mask)
        config = self.config
        graph = neighbor_graph(
            embeddings.encoded,
            batch.mask,
            n_neighbors=config.n_neighbors,
            bandwidth=config.bandwidth,
            duration=config.duration,
        )
        assert embeddings.refined is not None
        terms["graph_frames"] = config.graph * graph.energy(embeddings.refined)
        if embeddings.segments is not None and embeddings.segments.shape[1] > 1:
            terms["graph_segments"] = config.graph * self._segment_energy(embeddings, batch.mask)
        return terms

    def segment(self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None) -> OTResult:
        """The plan of :class:`CLOT`."""
        return self.clot.segment(features, mask)

    def embed_frames(
        self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None
    ) -> tuple[Float[Tensor, "B N E"], Float[Tensor, "K E"]]:
        """The embeddings of :class:`CLOT`."""
        return self.clot.embed_frames(features, mask)

    def _refined(self, batch: Batch) -> Tensor:
        refined = self.clot.embed(batch.features, batch.mask).refined
        assert refined is not None
        return unit(refined)

    def _barycenters(self, batches: Iterable[Batch]) -> Tensor:
        """Mean directions of the refined frames, weighted by their plans; an action without mass keeps its own."""
        present = self.clot.prototypes()
        total = torch.zeros_like(present)
        for batch in batches:
            refined = self._refined(batch)
            plan = self.clot.refined_plan(refined, batch.mask, training=True).plan
            total += plan.flatten(0, 1).mT @ refined.flatten(0, 1)
        return torch.where((total == 0).all(dim=1, keepdim=True), present, unit(total))

    def _segment_energy(self, embeddings: Embeddings, mask: Tensor) -> Tensor:
        """Mean squared difference of the cosines of segments and of the frames that attend to them."""
        segments = embeddings.segments
        assert segments is not None
        with torch.no_grad():
            frames, scale = embeddings.frames, self.config.temperature * segments.shape[2] ** 0.5
            attention = torch.softmax(frames @ segments.mT / scale, dim=2) * mask.unsqueeze(2)  # (B, N, M)
            centers = unit(attention.mT @ embeddings.encoded)
            target = centers @ centers.mT
        n_segments = segments.shape[1]
        change = (segments @ segments.mT - target).square()  # segments have length 1: the diagonal is 0
        return change.sum(dim=(1, 2)).mean() / (n_segments * (n_segments - 1))
