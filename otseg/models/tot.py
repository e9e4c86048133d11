"""TOT: an encoder and prototypes that learn from balanced transport toward a temporal order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otseg import checks
from otseg.costs.cosine import cosine
from otseg.decode.viterbi import viterbi
from otseg.doors import temporal_ot
from otseg.models._frames import checked_features, initialize_prototypes
from otseg.models.base import SegmentationModel
from otseg.nn import MLP, Prototypes, pseudo_label_cross_entropy, temporal_coherence_loss
from otseg.ops.unit import unit
from otseg.priors import GaussianOrder
from otseg.problem import Problem
from otseg.result import OTResult
from otseg.solve import solve
from otseg.types import Batch, ProtocolName


@dataclass(frozen=True)
class TOTConfig:
    """Settings of :class:`TOT`; the defaults are those of the released code, with its encoder's sizes for Breakfast.

    The settings that the paper tuned per data set are not public. Sources: ``arg_pars.py``, ``mlp.py`` and
    ``data_utils/*/update_argpars.py`` of the released code.

    Attributes:
        n_actions: Number of actions.
        n_features: Dimension of the features.
        layers: Sizes of the encoder's layers after the input; the last is the dimension of the embeddings.
        temperature: Temperature of the softmax in both losses, above 0.
        epsilon: Weight of the entropy, above 0.
        sigma: Width of the Gaussian order prior, above 0, in actions.
        coherence: Weight of the temporal coherence loss, at least 0; 0 is none.
        radius: How far in time frames count as near in that loss, as a fraction of the sequence's length.
        decode: ``"viterbi"`` segments by the best path through all actions in order, as the paper does; ``"plan"``
            by the transport plan, which gives every action an equal share of every sequence.
        protocol: ``"published"`` makes pseudo-labels as the released code does, see the note of :class:`TOT`.
    """

    n_actions: int
    n_features: int = 64  # features of Breakfast
    layers: tuple[int, ...] = (80, 40)  # mlp.py, 2 e and e, with e = 40 (data_utils/BF_utils/update_argpars.py)
    temperature: float = 0.1  # arg_pars.py, and TCN in mlp.py
    epsilon: float = 0.08  # arg_pars.py
    sigma: float = 1.5  # arg_pars.py
    coherence: float = 1.0  # ute/models/training_embed.py: the sum of both losses
    radius: float = 1 / 32  # mlp.py: 32 parts of the video
    decode: Literal["viterbi", "plan"] = "viterbi"
    protocol: ProtocolName = "default"

    def __post_init__(self) -> None:
        checks.number("n_actions", self.n_actions, 1, integer=True)
        checks.number("n_features", self.n_features, 1, integer=True)
        checks.require(len(self.layers) > 0, "layers", "at least one size", self.layers)
        for i, size in enumerate(self.layers):
            checks.number(f"layers[{i}]", size, 1, integer=True)
        for name in ("temperature", "epsilon", "sigma"):
            checks.number(name, getattr(self, name), 0, open_low=True)
        checks.number("coherence", self.coherence, 0)
        checks.number("radius", self.radius, 0, 1, open_low=True)
        checks.choice("decode", self.decode, ("viterbi", "plan"))
        checks.choice("protocol", self.protocol, ("default", "published"))


class TOT(SegmentationModel):
    r"""Joint representation learning and online clustering with temporal optimal transport, of Kumar et al.

    An MLP embeds every frame, one prototype stands for every action. With the cosine cost :math:`C` the
    pseudo-labels of a sequence are the plan

    .. math::

        \min_P \; \langle C, P \rangle + \varepsilon\,\mathrm{KL}(P \mid a b^\top \odot G_\sigma), \qquad
        P 1 = a, \; P^\top 1 = b

    with equal shares ``b`` and a Gaussian :math:`G_\sigma` around the diagonal (:func:`otseg.temporal_ot`). The encoder
    and the prototypes descend the cross-entropy of :math:`\mathrm{softmax}((1 - C) / \mathrm{temperature})` against
    it, plus ``coherence`` times :func:`otseg.nn.temporal_coherence_loss`. To segment, the best path under that softmax
    is taken that goes through all actions in order (:func:`otseg.decode.viterbi`), so a sequence needs a frame
    for each; the plan of the result is that path, with every frame's mass on its action.

    Args:
        config: Settings.

    Note:
        TOT's scores are products of vectors of any length, from sigmoid layers; here they are cosines, from the same
        encoder as the other models' (ReLU, linear last layer). Prototypes start from k-means, and are trained from the
        first step. The released code orders the actions by their mean time over all sequences before it decodes; here
        their order is their index, which the prior ties to time and k-means starts in the order of time. Its
        order prior and coherence loss are off unless asked for. In its pseudo-labels the sequences of a batch share one
        action marginal, Sinkhorn stops after 3 rounds, and positions count from 0: ``protocol="published"`` does so.
        By default every sequence is a problem of its own, solved to tolerance, with positions at midpoints.

    Example:
        >>> model = TOT(TOTConfig(n_actions=5, n_features=48))
        >>> model.segment(torch.randn(1, 300, 48)).labels().unique_consecutive()
        tensor([0, 1, 2, 3, 4])

    References:
        :cite:`kumar2022tot`.
    """

    config_class: ClassVar[type] = TOTConfig
    config: TOTConfig

    def __init__(self, config: TOTConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = MLP((config.n_features, *config.layers))
        self.prototypes = Prototypes(config.n_actions, config.layers[-1])

    @torch.no_grad()
    def prepare(self, batches: Iterable[Batch], *, generator: torch.Generator | None = None) -> None:
        """Set the prototypes by k-means on the embeddings of real frames, in order of time."""
        frames = ((unit(self._embedded(batch.features)), batch.mask) for batch in batches)
        initialize_prototypes(self.prototypes, frames, ordered=True, generator=generator)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Named terms, weighted: ``"frames"`` (against the plan) and, if wanted, ``"coherence"``."""
        embeddings, config = self._embedded(batch.features), self.config
        cost = cosine(embeddings, self.prototypes())
        pseudo_labels = _shared_plan if config.protocol == "published" else _plan
        plan = pseudo_labels(cost.detach(), batch.mask, config.epsilon, config.sigma).plan.reshape(cost.shape)
        terms = {"frames": pseudo_label_cross_entropy(-cost / config.temperature, plan, batch.mask)}
        if config.coherence > 0:
            loss = temporal_coherence_loss(embeddings, batch.mask, radius=config.radius, temperature=config.temperature)
            terms["coherence"] = config.coherence * loss
        return terms

    @torch.no_grad()
    def segment(self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None) -> OTResult:
        """Plan of all frames: the best path through the actions in order, or the transport plan."""
        cost = cosine(self._embedded(features), self.prototypes())
        config = self.config
        if config.decode == "plan":
            return _plan(cost, mask, config.epsilon, config.sigma)
        return _path(cost, mask, config.temperature)

    def embed_frames(
        self, features: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"] | None = None
    ) -> tuple[Float[Tensor, "B N E"], Float[Tensor, "K E"]]:
        """Directions of the encoded frames, and the prototypes."""
        return unit(self._embedded(features)), self.prototypes()

    def _embedded(self, features: Tensor) -> Tensor:
        embeddings: Tensor = self.encoder(checked_features(features, self.config.n_features))
        return embeddings


def _plan(cost: Tensor, mask: Tensor | None, epsilon: float, sigma: float) -> OTResult:
    """TOT's problem, every sequence on its own."""
    return temporal_ot(cost, epsilon=epsilon, sigma=sigma, mask=mask, grad="none")


def _shared_plan(cost: Tensor, mask: Tensor, epsilon: float, sigma: float) -> OTResult:
    """TOT's problem as in the released code: the sequences end to end as one, three rounds; ``(1, B N, K)``."""
    cost = cost + GaussianOrder(epsilon, sigma, protocol="published").energy_and_grad(cost, mask)[1]
    joined, mask = cost.flatten(0, 1).unsqueeze(0), mask.flatten().unsqueeze(0)
    return solve(joined, epsilon=epsilon, mask=mask, max_iter=3, tol=None, grad="none")


def _path(cost: Tensor, mask: Tensor | None, temperature: float) -> OTResult:
    """The best path through all actions in order, as a plan of the problem whose solution is the softmax."""
    problem = Problem.make(cost, epsilon=temperature, rho_b=0.0, mask=mask)
    n_actions = cost.shape[2]
    path = viterbi(-problem.cost / temperature, mask=problem.mask, transitions="ordered", order=range(n_actions))
    plan = problem.a.unsqueeze(2) * (path.unsqueeze(2) == torch.arange(n_actions, device=cost.device))
    one = torch.ones_like(path[:, 0])
    return OTResult(plan, problem, None, None, one, torch.zeros_like(plan[:, 0, 0]), one.bool())
