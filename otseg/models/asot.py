"""ASOT: an encoder and prototypes that learn from temporally consistent transport plans."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from otseg import checks
from otseg.costs.cosine import cosine
from otseg.models._frames import checked_features, fused_plan, initialize_prototypes
from otseg.models.alignment import align_frames
from otseg.models.base import SegmentationModel
from otseg.models.fused_config import FusedConfig
from otseg.nn import MLP, Prototypes, affinity_triplet_loss, alignment_loss, pseudo_label_cross_entropy
from otseg.priors import FeatureAffinity
from otseg.result import OTResult
from otseg.types import Batch, FrameStructure


@dataclass(frozen=True)
class ASOTConfig(FusedConfig):
    """Settings of :class:`ASOT`: those of :class:`FusedConfig`, which are the model of the paper, and its options.

    Attributes:
        structure: ``"features"`` relates the frames within the window the more, the more their embeddings resemble
            each other (FIS-OT); ``"window"`` relates them all alike.
        affinity: How much more at most, relative to the window, at least 0; for ``structure="features"``.
        bandwidth: Cosine distance at which frames stop to resemble each other, above 0; for FIS-OT's two parts.
        triplet: Weight of FIS-OT's triplet loss, at least 0; 0 is none.
        triplet_decay: Factor of that weight per epoch after the warm-up, in ``(0, 1]``.
        warmup: Epochs in which the training takes the window as structure, and the weight of the triplet loss
            rises from 0. For a training loop of your own, see :attr:`SegmentationModel.epoch`.
        align: Weight of VASOT's loss of the alignment between sequences of a batch, at least 0; 0 is none. Where the
            loss of the frames is a mean over sequences, as here, 0.5 is VASOT's balance of the two.
    """

    structure: Literal["window", "features"] = "window"
    affinity: float = 0.3  # src/asot.py of FIS-OT, comment for Breakfast; the line itself multiplies by 0
    bandwidth: float = 0.1  # run_bf.sh of FIS-OT
    triplet: float = 0.0  # run_bf.sh of FIS-OT: 0.3
    triplet_decay: float = 0.95  # fixed in the released code of FIS-OT
    warmup: int = 0  # run_bf.sh of FIS-OT: 5
    align: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("affinity", "triplet", "align"):
            checks.number(name, getattr(self, name), 0)
        checks.number("triplet_decay", self.triplet_decay, 0, 1, open_low=True)
        checks.number("bandwidth", self.bandwidth, 0, open_low=True)
        checks.number("warmup", self.warmup, 0, integer=True)
        checks.choice("structure", self.structure, ("window", "features"))
        if self.protocol == "published":
            same = self.structure == "window"
            checks.require(same, "structure", "'window' where protocol='published'", repr(self.structure))


class ASOT(SegmentationModel):
    r"""Action segmentation with optimal transport of Xu and Gould.

    An MLP embeds every frame, one prototype stands for every action. With the cosine cost :math:`C`, the plan of a
    sequence solves

    .. math::

        \min_P \; (1 - \alpha) \Big\langle C_{nk} + \mathrm{order} \Big|\frac{n}{N} - \frac{k}{K}\Big|,\, P \Big\rangle
        + \alpha\,\mathrm{GW}_r(P) + \varepsilon\,\mathrm{KL}(P \mid a b^\top) + \rho_b\,\mathrm{KL}(P^\top 1 \mid b)

    with exact frames and equal shares ``b`` (:class:`~otseg.priors.TemporalSmoothness` is :math:`\mathrm{GW}_r`,
    :class:`~otseg.priors.LinearOrder` the order). In training the plan is the pseudo-label of the frames: the
    encoder and the prototypes descend the cross-entropy of :math:`\mathrm{softmax}((1 - C) / \mathrm{temperature})`
    against it. To segment, the plan is solved again over all frames, with the settings of evaluation.

    Parts of two later methods are options. Of FIS-OT, ``structure="features"`` is
    :class:`~otseg.priors.FeatureAffinity` of the embeddings in place of the window, and ``triplet`` the weight of
    :func:`otseg.nn.affinity_triplet_loss`, whose ``mix`` is then learned. Of VASOT, ``align`` is the weight of
    :func:`otseg.nn.alignment_loss` between every sequence of a batch and the next one, the last and the first,
    with the settings of the training; two sequences are one pair, and a batch of one has none: the term is 0.

    Args:
        config: Settings.

    Note:
        The default departs from the released code where that depends on padding or on the rest of the batch, or is
        skewed: frames and actions are compared at the midpoints of their slots; radius, priors, step, k-means and loss
        see each sequence's own real frames; the solver descends the objective provably; prototypes are normalized at
        every use, and start in the order of their mean time. ``protocol="published"`` keeps the released code's
        solver and priors (positions from 0 over the padded length, window of ``int(N radius)`` frames, one step
        for the batch), but not its handling of prototypes and loss. Of FIS-OT the encoder's batch normalization is
        left out, of VASOT the draw of a random partner: the order of the sequences is shuffled in every epoch.

    Example:
        >>> model = ASOT(ASOTConfig(n_actions=5, n_features=48))
        >>> model.segment(torch.randn(1, 300, 48)).labels().shape
        torch.Size([1, 300])

    References:
        :cite:`xu2024asot`; :cite:`peng2026fisot` and :cite:`ali2025vasot` for the options.
    """

    config_class: ClassVar[type] = ASOTConfig
    config: ASOTConfig

    def __init__(self, config: ASOTConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = MLP((config.n_features, *config.layers))
        self.prototypes = Prototypes(config.n_actions, config.layers[-1])
        if config.triplet > 0:
            self.mix = torch.nn.Parameter(torch.zeros(()))  # logit of the temporal share

    @torch.no_grad()
    def prepare(self, batches: Iterable[Batch], *, generator: torch.Generator | None = None) -> None:
        """Set the prototypes by k-means on the embeddings of real frames, in order of time if an order is wanted."""
        frames = ((normalize(self.encoder(self._checked(batch.features)), dim=2), batch.mask) for batch in batches)
        initialize_prototypes(self.prototypes, frames, ordered=self.config.order > 0, generator=generator)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Named terms, weighted: ``"frames"`` (against the plan), and ``"triplet"`` and ``"align"`` if wanted."""
        embeddings = self.encoder(self._checked(batch.features))
        cost = cosine(embeddings, self.prototypes())
        config, mask = self.config, batch.mask
        affine = config.structure == "features" and self.epoch >= config.warmup
        structure = self._affinity(embeddings) if affine else None
        plan = self._plan(cost.detach(), mask, config.alpha, config.rho_b, config.epsilon, structure).plan
        terms = {"frames": pseudo_label_cross_entropy(-cost / config.temperature, plan, mask)}
        if config.triplet > 0:
            loss = affinity_triplet_loss(
                embeddings, mask, n_actions=config.n_actions, mix=self.mix.sigmoid(), bandwidth=config.bandwidth
            )
            terms["triplet"] = self._triplet_weight() * loss
        if config.align > 0:
            terms["align"] = config.align * self._alignment(embeddings, mask)
        return terms

    @torch.no_grad()
    def segment(self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None) -> OTResult:
        """Plan of all frames under the settings of evaluation."""
        embeddings = self.encoder(self._checked(features))
        cost = cosine(embeddings, self.prototypes())
        config = self.config
        structure = self._affinity(embeddings) if config.structure == "features" else None
        return self._plan(cost, mask, config.alpha_eval, config.rho_b_eval, config.epsilon_eval, structure)

    def embed_frames(
        self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None
    ) -> tuple[Float[Tensor, "B N E"], Float[Tensor, "K E"]]:
        """Directions of the encoded frames, and the prototypes."""
        return normalize(self.encoder(self._checked(features)), dim=2), self.prototypes()

    def _plan(
        self,
        cost: Tensor,
        mask: Tensor | None,
        alpha: float,
        rho_b: float,
        epsilon: float,
        structure: FrameStructure | None,
    ) -> OTResult:
        config = self.config
        return fused_plan(
            cost,
            mask,
            alpha=alpha,
            rho_b=rho_b,
            epsilon=epsilon,
            radius=config.radius,
            order=config.order,
            n_iter=config.n_iter,
            protocol=config.protocol,
            structure=structure,
        )

    def _affinity(self, embeddings: Tensor) -> FrameStructure:
        config = self.config
        return FeatureAffinity(embeddings.detach(), config.radius, config.affinity, config.bandwidth)

    def _triplet_weight(self) -> float:
        """The weight of this epoch: a linear rise, then a geometric fall."""
        config, after = self.config, self.epoch - self.config.warmup
        return config.triplet * (self.epoch / config.warmup if after < 0 else config.triplet_decay**after)

    def _alignment(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """The loss between every sequence and the next one, the last and the first; two sequences are one pair."""
        n, config = len(embeddings), self.config
        if n == 1:
            return embeddings.new_zeros(())
        pairs = 1 if n == 2 else n  # as VASOT has it: the other way round says much the same for twice the time
        x, mask_x = embeddings[:pairs], mask[:pairs]
        y, mask_y = embeddings.roll(-1, dims=0)[:pairs], mask.roll(-1, dims=0)[:pairs]
        plan = align_frames(
            x,
            y,
            mask_x,
            mask_y,
            epsilon=config.epsilon,
            alpha=config.alpha,
            radius=config.radius,
            order=config.order,
            max_iter=config.n_iter,
        ).plan
        return alignment_loss(x, y, plan, mask_x, mask_y, temperature=config.temperature)

    def _checked(self, features: Tensor) -> Tensor:
        return checked_features(features, self.config.n_features)
