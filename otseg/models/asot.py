"""ASOT: an encoder and prototypes that learn from temporally consistent transport plans."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.costs.cosine import cosine
from otseg.models._frames import checked_features, fused_plan, initialize_prototypes
from otseg.models.base import SegmentationModel
from otseg.nn import MLP, Prototypes, pseudo_label_cross_entropy
from otseg.ops.unit import unit
from otseg.result import OTResult
from otseg.types import Batch, ProtocolName


@dataclass(frozen=True)
class ASOTConfig:
    """Settings of :class:`ASOT`; the defaults are those published for Breakfast.

    A pair such as ``alpha`` and ``alpha_eval`` holds the value for pseudo-labels in training and the value for
    segmenting. Sources: ``run_bf.sh`` of the released code, which runs the experiments of the paper; where that sets
    nothing, the defaults of its ``src/train.py``.

    Attributes:
        n_actions: Number of actions.
        n_features: Dimension of the features.
        layers: Sizes of the encoder's layers after the input; the last is the dimension of the embeddings.
        temperature: Temperature of the softmax that the loss compares with the plan, above 0.
        alpha: Share of temporal smoothness against the cost, in ``[0, 1]``.
        alpha_eval: The same when segmenting.
        radius: Window of the temporal smoothness, as a fraction of the sequence's length.
        order: Strength of the prior on the order of actions, relative to the cosine cost; 0 is none. The paper's rho.
        rho_b: Penalty that keeps the shares of the actions near equal; ``inf`` forces them. The paper's lambda.
        rho_b_eval: The same when segmenting.
        epsilon: Weight of the entropy, above 0.
        epsilon_eval: The same when segmenting.
        n_iter: Iterations of the solver.
        protocol: ``"published"`` solves as the released code does, see the note of :class:`ASOT`.
    """

    n_actions: int
    n_features: int = 64  # run_bf.sh
    layers: tuple[int, ...] = (128, 40)  # run_bf.sh: 64 128 40
    temperature: float = 0.1  # not a setting of the released code: fixed in src/asot.py
    alpha: float = 0.4  # run_bf.sh
    alpha_eval: float = 0.7  # run_bf.sh
    radius: float = 0.04  # run_bf.sh
    order: float = 0.20  # run_bf.sh, rho
    rho_b: float = 0.10  # run_bf.sh, lambda
    rho_b_eval: float = 0.01  # src/train.py
    epsilon: float = 0.07  # src/train.py
    epsilon_eval: float = 0.04  # src/train.py
    n_iter: int = 25  # src/train.py
    protocol: ProtocolName = "default"

    def __post_init__(self) -> None:
        checks.number("n_actions", self.n_actions, 1, integer=True)
        checks.number("n_features", self.n_features, 1, integer=True)
        checks.require(len(self.layers) > 0, "layers", "at least one size", self.layers)
        for i, size in enumerate(self.layers):
            checks.number(f"layers[{i}]", size, 1, integer=True)
        checks.number("n_iter", self.n_iter, 1, integer=True)
        for name in ("alpha", "alpha_eval"):
            checks.number(name, getattr(self, name), 0, 1)
        for name in ("order", "rho_b", "rho_b_eval"):
            checks.number(name, getattr(self, name), 0)
        checks.number("radius", self.radius, 0, 1, open_low=True)
        for name in ("temperature", "epsilon", "epsilon_eval"):
            checks.number(name, getattr(self, name), 0, open_low=True)
        checks.choice("protocol", self.protocol, ("default", "published"))


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

    Args:
        config: Settings.

    Note:
        The default departs from the released code where that depends on padding or on the rest of the batch, or is
        skewed: frames and actions are compared at the midpoints of their slots; radius, priors, step, k-means and loss
        see each sequence's own real frames; the solver descends the objective provably; prototypes are normalized at
        every use, and start in the order of their mean time. ``protocol="published"`` keeps the released code's
        solver and priors (positions from 0 over the padded length, window of ``int(N radius)`` frames, one step
        for the batch), but not its handling of prototypes and loss.

    Example:
        >>> model = ASOT(ASOTConfig(n_actions=5, n_features=48))
        >>> model.segment(torch.randn(1, 300, 48)).labels().shape
        torch.Size([1, 300])

    References:
        :cite:`xu2024asot`.
    """

    config_class: ClassVar[type] = ASOTConfig
    config: ASOTConfig

    def __init__(self, config: ASOTConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = MLP((config.n_features, *config.layers))
        self.prototypes = Prototypes(config.n_actions, config.layers[-1])

    @torch.no_grad()
    def prepare(self, batches: Iterable[Batch], *, generator: torch.Generator | None = None) -> None:
        """Set the prototypes by k-means on the embeddings of real frames, in order of time if an order is wanted."""
        frames = ((unit(self.encoder(self._checked(batch.features))), batch.mask) for batch in batches)
        initialize_prototypes(self.prototypes, frames, ordered=self.config.order > 0, generator=generator)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the frames against the plan: one term, ``"frames"``."""
        cost = cosine(self.encoder(self._checked(batch.features)), self.prototypes())
        config = self.config
        plan = self._plan(cost.detach(), batch.mask, config.alpha, config.rho_b, config.epsilon).plan
        return {"frames": pseudo_label_cross_entropy(-cost / config.temperature, plan, batch.mask)}

    @torch.no_grad()
    def segment(self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None) -> OTResult:
        """Plan of all frames under the settings of evaluation."""
        cost = cosine(self.encoder(self._checked(features)), self.prototypes())
        config = self.config
        return self._plan(cost, mask, config.alpha_eval, config.rho_b_eval, config.epsilon_eval)

    def _plan(self, cost: Tensor, mask: Tensor | None, alpha: float, rho_b: float, epsilon: float) -> OTResult:
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
        )

    def _checked(self, features: Tensor) -> Tensor:
        return checked_features(features, self.config.n_features)
