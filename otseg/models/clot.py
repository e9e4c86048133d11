"""CLOT: frames, segments and refined frames that learn from three transport plans in a loop."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg.costs import cosine, random_directions, sliced_pairwise
from otseg.models._frames import checked_features, fused_plan, initialize_prototypes
from otseg.models.base import SegmentationModel
from otseg.models.clot_config import CLOTConfig
from otseg.nn import MLP, FeatureDispatch, ParallelDecoder, Prototypes, cross_attention, pseudo_label_cross_entropy
from otseg.ops.unit import unit
from otseg.priors import LinearOrder
from otseg.result import OTResult
from otseg.solve import solve
from otseg.solvers import sinkhorn
from otseg.types import Batch


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What CLOT makes of a batch.

    Attributes:
        encoded: Output of the encoder, of length 1.
        frames: Frames F after dispatching, of length 1.
        segments: Segments S, of length 1; ``None`` without a decoder.
        refined: Frames F_R after cross-attention; ``None`` without a refinement.
    """

    encoded: Float[Tensor, "B N D"]
    frames: Float[Tensor, "B N D"]
    segments: Float[Tensor, "B M D"] | None
    refined: Float[Tensor, "B N D"] | None


class CLOT(SegmentationModel):
    r"""Closed loop optimal transport of Bueno-Benito and Dimiccoli.

    An MLP embeds every frame, and dispatching moves it toward the prototypes ``A`` that it resembles: ``F``. A
    parallel decoder turns the frames into segments ``S``, and cross-attention to the segments refines the frames:
    ``F_R = F + softmax(F S^T / (temperature sqrt(D))) S``. Each of the three is transported to the prototypes,

    .. math::

        T, T_S, T_R = \arg\min_P \; (1 - \alpha) \Big\langle C_{nk} + \mathrm{order} \Big|\frac{n}{N} -
        \frac{k}{K}\Big|,\, P \Big\rangle + \alpha\,\mathrm{GW}_r(P) + \varepsilon\,\mathrm{KL}(P \mid a b^\top)
        + \rho_b\,\mathrm{KL}(P^\top 1 \mid b),

    ``C`` the cosine cost, for ``T`` plus the sliced Wasserstein distance of frame and prototype, and every plan is
    the pseudo-label of its own embeddings: the loss is the sum of three cross-entropies of
    :math:`\mathrm{softmax}(\cos / \mathrm{temperature})`, without gradient into the plans. The segments' problem has
    no :math:`\mathrm{GW}_r`. Every component can be switched off in the config.

    Per step, the two problems of frames dominate: O(B N K) time per iteration of their solver; the decoder takes
    O(B M (M + N) D) for M segments, the sliced cost O(B N K P) for P directions.

    Args:
        config: Settings.

    Note:
        CLOT was published without training code, loss or settings; this is an assembly from its formulas and figure.
        Where they leave a choice, and where its released files differ:

        - Embeddings have length 1 wherever one is added to another (dispatching, refinement), so that neither
          swamps the other; the paper does not say. The attention's temperature is that of the loss, as its symbol.
        - The sign of the marginal penalty is that of ASOT; the paper's would reward imbalance.
        - Window of the segments: the published rule ``floor(radius M)`` is 0 for fewer than 25 segments, and the
          shortest window that is not off, one segment, would ask every segment to have the action of its neighbors.
        - The sliced cost of single points is a function of their Euclidean distance, see
          :func:`otseg.costs.sliced_pairwise`: it changes the scale of the cost, not the order of the actions.
        - The decoder's positions are shares of the sequence: no table of a largest length.
        - Solvers, priors, k-means and prototypes depart from ASOT's code as those of :class:`ASOT` do, and
          ``protocol="published"`` has the same meaning as there.

    Example:
        >>> model = CLOT(CLOTConfig(n_actions=5, n_features=48))
        >>> model.segment(torch.randn(1, 300, 48)).labels().shape
        torch.Size([1, 300])

    References:
        :cite:`buenobenito2025clot`; :cite:`xu2024asot` (the transport problem).
    """

    config_class: ClassVar[type] = CLOTConfig
    config: CLOTConfig
    directions: Tensor

    def __init__(self, config: CLOTConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.layers[-1]
        self.encoder = MLP((config.n_features, *config.layers))
        self.prototypes = Prototypes(config.n_actions, dim)
        if config.dispatch != "none":
            self.dispatch = FeatureDispatch("default" if config.dispatch == "paper" else "published")
        if config.decoder:
            self.decoder = ParallelDecoder(
                dim,
                config.n_actions if config.n_segments is None else config.n_segments,
                n_layers=config.decoder_layers,
                n_heads=config.decoder_heads,
                n_hidden=config.decoder_hidden,
                dropout=config.dropout,
            )
        if config.sliced != "none":
            # Drawn once and saved with the weights, so that the cost of a frame is the same at every step.
            self.register_buffer("directions", random_directions(config.n_projections, dim).float())

    @torch.no_grad()
    def prepare(self, batches: Iterable[Batch], *, generator: torch.Generator | None = None) -> None:
        """Set the prototypes by k-means on the encoded real frames, in order of time if an order is wanted."""
        frames = ((self._encode(batch.features), batch.mask) for batch in batches)
        initialize_prototypes(self.prototypes, frames, ordered=self.config.order > 0, generator=generator)

    def embed(self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None) -> Embeddings:
        """Frames, segments and refined frames."""
        return self._loop(self._encode(features), mask)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropies against the plans T, T_S and T_R: ``"frames"``, ``"segments"`` and ``"refined"``."""
        return self.losses(self.embed(batch.features, batch.mask), batch.mask)

    def losses(self, embeddings: Embeddings, mask: Bool[Tensor, "B N"]) -> dict[str, Tensor]:
        """The terms of the loss, of embeddings that are known already."""
        frames, segments, refined = embeddings.frames, embeddings.segments, embeddings.refined
        terms = {"frames": self._cross_entropy(frames, self.frame_plan(frames, mask, training=True), mask)}
        if segments is not None:
            real = torch.ones_like(segments[:, :, 0], dtype=torch.bool)
            terms["segments"] = self._cross_entropy(segments, self._segment_plan(segments), real)
        if refined is not None:
            terms["refined"] = self._cross_entropy(refined, self.refined_plan(refined, mask, training=True), mask)
        return terms

    @torch.no_grad()
    def segment(self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None) -> OTResult:
        """Plan of all frames, T_R or T (see ``inference`` of the config), under the settings of evaluation."""
        embeddings = self.embed(features, mask)
        if embeddings.refined is None or self.config.inference == "frames":
            return self.frame_plan(embeddings.frames, mask, training=False)
        return self.refined_plan(embeddings.refined, mask, training=False)

    def embed_frames(
        self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None
    ) -> tuple[Float[Tensor, "B N E"], Float[Tensor, "K E"]]:
        """The refined frames, or the frames (see ``inference`` of the config), and the prototypes."""
        embeddings = self.embed(features, mask)
        refined = None if self.config.inference == "frames" else embeddings.refined
        return unit(embeddings.frames if refined is None else refined), self.prototypes()

    def frame_plan(self, frames: Tensor, mask: Tensor | None, *, training: bool) -> OTResult:
        """The plan T of the frames, without gradient, under the settings of training or evaluation."""
        with torch.no_grad():
            prototypes = self.prototypes()
            cost = cosine(frames, prototypes)
            if self.config.sliced != "none":
                protocol = "default" if self.config.sliced == "paper" else self.config.sliced
                sliced = sliced_pairwise(frames, prototypes, directions=self.directions, mask=mask, protocol=protocol)
                cost = cost + sliced
            return self._fused(cost, mask, training)

    def refined_plan(self, refined: Tensor, mask: Tensor | None, *, training: bool) -> OTResult:
        """The plan T_R of the refined frames, without gradient."""
        with torch.no_grad():
            return self._fused(cosine(refined, self.prototypes()), mask, training)

    def _encode(self, features: Tensor) -> Tensor:
        return unit(self.encoder(checked_features(features, self.config.n_features)))

    def _loop(self, encoded: Tensor, mask: Tensor | None) -> Embeddings:
        config, prototypes = self.config, self.prototypes()
        frames = encoded
        if config.dispatch != "none":
            frames = unit(self.dispatch(encoded, prototypes, mask))
        segments = unit(self.decoder(frames, mask)) if config.decoder else None
        refined = None
        if config.refinement:
            source = prototypes.expand(len(frames), -1, -1) if segments is None else segments
            refined = cross_attention(frames, source, temperature=config.temperature, mask=mask)
        return Embeddings(encoded, frames, segments, refined)

    def _fused(self, cost: Tensor, mask: Tensor | None, training: bool) -> OTResult:
        config = self.config
        return fused_plan(
            cost,
            mask,
            alpha=config.alpha if training else config.alpha_eval,
            rho_b=config.rho_b if training else config.rho_b_eval,
            epsilon=config.epsilon if training else config.epsilon_eval,
            radius=config.radius,
            order=config.order,
            n_iter=config.n_iter,
            protocol=config.protocol,
        )

    def _segment_plan(self, segments: Tensor) -> OTResult:
        """The plan T_S: a linear problem."""
        config = self.config
        with torch.no_grad():
            share = 1 - config.alpha
            order = LinearOrder(share * config.order, protocol=config.protocol)
            return solve(
                share * cosine(segments, self.prototypes()),
                epsilon=config.epsilon,
                rho_b=config.rho_b,
                priors=(order,),
                solver=sinkhorn,
                max_iter=config.n_iter,
                tol=None,
                grad="none",
            )

    def _cross_entropy(self, embeddings: Tensor, result: OTResult, mask: Tensor) -> Tensor:
        logits = unit(embeddings) @ self.prototypes().mT / self.config.temperature
        return pseudo_label_cross_entropy(logits, result.plan, mask)
