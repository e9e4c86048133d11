"""The number of actions, estimated without labels: prune by mass, merge, and judge every number on the way."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from otseg import checks
from otseg.costs import euclidean
from otseg.doors import gromov_ot
from otseg.models._sequences import kmeans, read_sequences, split_like
from otseg.result import OTResult

#: Padded frames that are solved together; only memory depends on it.
_FRAMES_AT_ONCE = 50_000


@dataclass(frozen=True, eq=False)
class ActionEstimate:
    """What :func:`estimate_n_actions` found.

    Attributes:
        n_actions: The estimate: where ``curve`` is least.
        curve: Criterion of every number of actions that was visited, in nats; less is better.
        labels: Action of every frame with the estimated number, one tensor per sequence.
        prototypes: Means of the actions with the estimated number, in the units of the features.
        n_died: Actions that died of too little mass; the others that left were merged.
        n_effective: Frames that were counted as independent.
        dim_effective: Features that were counted as independent.
    """

    n_actions: int
    curve: dict[int, float]
    labels: list[Int[Tensor, " _"]]
    prototypes: Float[Tensor, "K D"]
    n_died: int
    n_effective: float
    dim_effective: float


def estimate_n_actions(
    sequences: Sequence[Float[Tensor, "_ D"]],
    *,
    max_actions: int = 20,
    min_share: float = 0.01,
    alpha: float = 0.3,
    radius: float = 0.04,
    epsilon: float = 0.03,
    rho_b: float = 0.01,
    max_iter: int = 10,
    generator: torch.Generator | None = None,
) -> ActionEstimate:
    r"""Estimate how many actions the sequences share, from features or from the embeddings of a trained model.

    The path: k-means of all frames gives ``max_actions`` prototypes. Every sequence is solved with
    :func:`otseg.gromov_ot` on squared distances, with a weak ``rho_b``, so that actions may lose their mass; those
    below ``min_share`` of all frames die, the others move to the mean of their mass. Then the two actions merge whose
    union raises the sum of squares least (Ward), and so on down to two.

    The criterion: with :math:`R_K` the sum of squares of the frames around their actions, V the number of sequences
    and :math:`S_K` that of all their segments,

    .. math::

        J(K) = \frac{n_e d_e}{2} \log R_K + \log \binom{n_e - V}{S_K - V} + S_K \log K + d_e K

    a spherical Gaussian likelihood, the code lengths of where segments begin and of their names, and one nat per
    parameter (Akaike's penalty). Frames and features are not independent; both count by their effective numbers:
    :math:`n_e = M (1 - r) / (1 + r)` with the correlation r of neighboring residuals, and
    :math:`d_e = (\operatorname{tr} \Sigma)^2 / \operatorname{tr} \Sigma^2` of their covariance, both at the largest K.
    The scale of the features changes nothing.

    Time :math:`O(M K^2 (D + \mathrm{max\_iter}))` for M frames in all and K = ``max_actions``, memory
    :math:`O(M (D + K))`.

    Args:
        sequences: Features of every sequence, as a rule standardized, or embeddings, such as
            ``[model.encoder(x) for x in features]``.
        max_actions: Number to start from; at most as many as frames differ.
        min_share: Share of all frames below which an action dies, at least 0 and below ``1 / max_actions``.
        alpha: Share of temporal smoothness against the distance, see :func:`otseg.gromov_ot`.
        radius: Window of the smoothness.
        epsilon: Entropy, in units of the mean squared distance of a frame from the mean of all, halved.
        rho_b: Penalty that keeps the shares of the actions near equal, in the same units.
        max_iter: Iterations of every solve.
        generator: Seeds the k-means.

    Returns:
        The estimate, with its curve.

    Raises:
        ValueError: If a sequence is empty or not finite, or a setting is out of range.

    Note:
        otseg's own construction. The criterion has no tuned constant; that its penalty is Akaike's and not that of BIC
        was decided on synthetic activities. It finds actions that recur in several sequences and are apart by a few
        deviations of the noise; it **underestimates** where they are not, and where actions are rare. With few short
        recordings it **overestimates**: means of a few independent frames each fit their noise, and the penalty holds
        for many. Of three actions in synthetic recordings (8 features, ``max_actions=20``, 8 draws each) it found 3 in
        none of the draws of 3 recordings of 60 to 90 frames (``n_effective`` about 70; answers 4 to 17), in 3 of those
        of 3 times 200 to 300 frames (about 100), in 3 of those of 10 times 60 to 90 (about 140). Distrust an answer
        where ``n_effective`` is not many times ``max_actions``, and lower that if you can. It presumes that there are
        actions: the answer is at least 2, in pure noise too, unless all frames are equal.
        ``benchmarks/results/bench_n_actions.md`` has the figures, and those of simpler criteria.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> data = otseg.data.make_activity(8, 4, 8, difficulty=0.0, n_frames=(60, 90), generator=generator)
        >>> found = estimate_n_actions([s.features for s in data], max_actions=8, generator=generator)
        >>> found.n_actions, min(found.curve, key=found.curve.get)
        (4, 4)

    References:
        :cite:`akaike1974new`; :cite:`ward1963hierarchical`; :cite:`xu2024asot` for the transport problem.
    """
    checks.number("max_actions", max_actions, 1, integer=True)
    checks.number("min_share", min_share, 0)
    fix = "Lower min_share or max_actions."
    checks.require(
        min_share * max_actions < 1, "min_share", f"below 1 / max_actions = 1 / {max_actions}", min_share, fix
    )
    per_sequence = read_sequences(sequences, 1)
    frames = torch.cat(per_sequence)
    spread = (frames - frames.mean(dim=0)).square().sum(dim=1).mean()
    solve = partial(gromov_ot, alpha=alpha, radius=radius, epsilon=epsilon, rho_b=rho_b, max_iter=max_iter, grad="none")
    clusters = kmeans(frames, min(max_actions, len(torch.unique(frames, dim=0))), generator).to(frames.device)
    prototypes, mass = _means(torch.nn.functional.one_hot(clusters).to(frames), frames)
    curve: dict[int, float] = {}
    n_died = 0
    while True:
        plan = _plan(per_sequence, prototypes, spread, solve)
        share = plan.mean(dim=0)
        alive = (share >= min_share) & (share > 0)
        n_died += int((~alive).sum())
        prototypes, mass = _means(plan[:, alive], frames)
        n_actions = len(prototypes)
        if curve and n_actions == 1:
            break
        if not bool(alive.all()):
            continue  # the mass of the dead goes to others
        labels = split_like(plan.argmax(dim=1), sequences)
        residuals = [x - prototypes[k] for x, k in zip(per_sequence, labels, strict=True)]
        if not curve:
            n_e, d_e = _effective_numbers(residuals)
        curve[n_actions] = _criterion(labels, residuals, n_actions, n_e, d_e, 1e-9 * float(spread))
        if curve[n_actions] <= min(curve.values()):
            best = (n_actions, labels, prototypes)
        if n_actions <= 2:
            break
        prototypes = _merge_closest(prototypes, mass)
    n_actions, labels, prototypes = best
    return ActionEstimate(n_actions, curve, labels, prototypes, n_died, n_e, d_e)


def _criterion(
    labels: list[Tensor], residuals: list[Tensor], n_actions: int, n_e: float, d_e: float, floor: float
) -> float:
    """``J``, see :func:`estimate_n_actions`; ``floor`` is the least square of a frame, below which rounding decides."""
    squares = sum(max(float(x.square().sum()), floor * len(x)) for x in residuals)
    n_segments = sum(1 + int((x.diff() != 0).sum()) for x in labels)
    code = _log_binomial(n_e - len(labels), n_segments - len(labels)) + n_segments * math.log(n_actions)
    return n_e * d_e / 2 * (math.log(squares) if squares > 0 else 0.0) + code + d_e * n_actions


def _plan(sequences: list[Tensor], prototypes: Tensor, spread: Tensor, solve: Callable[..., OTResult]) -> Tensor:
    """Share of every frame that goes to every action, ``(M, K)``, of all sequences one after the other."""
    shares = []
    for group in _groups(sequences):
        lengths = torch.tensor([len(x) for x in group], device=prototypes.device)
        padded = pad_sequence(group, batch_first=True)
        mask = torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]
        cost = euclidean(padded, prototypes, squared=True) / torch.where(spread > 0, 2 * spread, 1)
        shares.append((solve(cost, mask=mask).plan * lengths[:, None, None])[mask])
    return torch.cat(shares)


def _groups(sequences: list[Tensor]) -> Iterator[list[Tensor]]:
    """Neighboring sequences, as many as are solved together."""
    group: list[Tensor] = []
    for x in sequences:
        if group and max(map(len, [*group, x])) * (len(group) + 1) > _FRAMES_AT_ONCE:
            yield group
            group = []
        group.append(x)
    yield group


def _means(weights: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the frames under every column of ``weights (M, K)``, and the columns' sums."""
    mass = weights.sum(dim=0)
    return weights.T @ frames / mass[:, None], mass


def _merge_closest(prototypes: Tensor, mass: Tensor) -> Tensor:
    """The prototypes after the merge that raises the sum of squares least; the pair's mean takes the first's place."""
    n = len(prototypes)
    both = mass[:, None] + mass
    rise = mass[:, None] * mass / both * torch.cdist(prototypes, prototypes).square()
    rise.fill_diagonal_(float("inf"))
    i, j = divmod(int(rise.argmin()), n)
    merged = prototypes.clone()
    merged[i] = (mass[i] * prototypes[i] + mass[j] * prototypes[j]) / both[i, j]
    return merged[torch.arange(n, device=merged.device) != j]


def _log_binomial(n: float, k: float) -> float:
    """Logarithm of n over k, of real numbers; its largest value where k is more than half of n."""
    k = min(k, n / 2)
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _effective_numbers(residuals: list[Tensor]) -> tuple[float, float]:
    """Independent frames, from one per sequence to all of them; and independent features."""
    n_frames = sum(map(len, residuals))
    products = sum(float((x[1:] * x[:-1]).sum()) for x in residuals)
    squares = sum(float(x[1:].square().sum() + x[:-1].square().sum()) / 2 for x in residuals)
    r = products / squares if squares > 0 else 0.0
    n_effective = n_frames * (1 - r) / (1 + r) if r > 0 else n_frames
    together = torch.cat(residuals)
    covariance = together.T @ together
    norm = float(covariance.square().sum())
    dim = float(covariance.trace()) ** 2 / norm if norm > 0 else 1.0
    return float(max(n_effective, len(residuals))), dim
