"""Viterbi training without transcripts: Gaussians and the best path take turns."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from otseg import checks
from otseg.decode.viterbi import viterbi
from otseg.models._sequences import kmeans, read_sequences, split_like
from otseg.models.baselines import uniform_split
from otseg.models.gaussians import Covariance, Gaussians, variance_floor


def gaussian_viterbi(
    sequences: Sequence[Float[Tensor, "_ D"]],
    n_actions: int,
    *,
    transitions: Literal["free", "ordered"] = "free",
    self_probability: float = 0.99,
    temperature: float = 10.0,
    covariance: Covariance = "diagonal",
    floor: float = 1e-2,
    max_iter: int = 30,
    generator: torch.Generator | None = None,
) -> list[Int[Tensor, " _"]]:
    r"""Segments by a hidden Markov model with Gaussian emissions, trained by its best paths (hard EM).

    Labels :math:`k` and Gaussians ascend in turn

    .. math::

        \sum_n \tfrac{1}{T} \Big( \log \mathcal N(x_n \mid \mu_{k_n}, \Sigma_{k_n})
        - \tfrac{v}{2} \operatorname{tr} \Sigma_{k_n}^{-1} \Big) + \log t_{k_{n-1} k_n}

    the Gaussians in closed form (``otseg.models.gaussians``), the labels by Viterbi; so the
    objective never falls, and the iteration ends when no label changes. ``"free"`` starts from k-means of the frames,
    ``"ordered"`` from equal parts; then all actions occur in every sequence, once, in the same order.

    Labels are comparable among sequences. Time per iteration :math:`O(M K (D + K))` for M frames in all
    (:math:`O(M K D^2)` with full covariances), memory :math:`O(M (D + K))` with the longest sequence's padding.

    Args:
        sequences: Features of every sequence, as a rule standardized.
        n_actions: Number of actions, at most the number of frames (``"ordered"``: of every sequence).
        transitions: Which action may follow which, see :func:`otseg.decode.viterbi`.
        self_probability: Probability of staying in an action, between 0 and 1; without effect if ``"ordered"``.
        temperature: Divides the log-densities, above 0: neighboring frames are not independent, and at T they count as
            if only one frame in T was seen. Larger values give longer segments; without effect if ``"ordered"``.
        covariance: ``"diagonal"``, or ``"full"`` for few features.
        floor: Variance :math:`v` that is added to every feature of every action, in units of the mean variance of a
            feature, above 0.
        max_iter: Largest number of turns.
        generator: Seeds the k-means.

    Returns:
        The action of every frame, one tensor per sequence.

    Raises:
        ValueError: If a sequence is empty, not finite or too short, or a setting is out of range.

    Example:
        >>> x = torch.tensor([0.0, 0.1, 0.0, 5.0, 5.1, 5.0, 5.1])[:, None]
        >>> gaussian_viterbi([x], 2, transitions="ordered")
        [tensor([0, 0, 0, 1, 1, 1, 1])]

    References:
        :cite:`juang1990segmental`.
    """
    checks.choice("transitions", transitions, ("free", "ordered"))
    checks.choice("covariance", covariance, ("full", "diagonal"))
    checks.number("self_probability", self_probability)
    inside = 0 < self_probability < 1
    checks.require(inside, "self_probability", "between 0 and 1, exclusive", self_probability)
    for name, value in (("floor", floor), ("temperature", temperature)):
        checks.number(name, value, 0, open_low=True)
    checks.number("max_iter", max_iter, 1, integer=True)
    ordered = transitions == "ordered"
    per_sequence = read_sequences(sequences, n_actions, least=n_actions if ordered else 0)
    frames = torch.cat(per_sequence)
    v = variance_floor(frames, floor)
    if ordered:
        labels = torch.cat([uniform_split(len(x), n_actions) for x in per_sequence]).to(frames.device)
    else:
        labels = kmeans(frames, n_actions, generator).to(frames.device)
    order = range(n_actions) if ordered else None
    gaussians = None
    for _ in range(max_iter):
        gaussians = Gaussians.fit(frames, labels, n_actions, covariance=covariance, floor=v, before=gaussians)
        found = decode_frames(gaussians.scores(frames) / temperature, per_sequence, order, self_probability)
        if torch.equal(found, labels):
            break
        labels = found
    return split_like(labels, sequences)


def decode_frames(
    scores: Float[Tensor, "M K"],
    sequences: Sequence[Float[Tensor, "_ D"]],
    order: Sequence[int] | None = None,
    self_probability: float = 0.5,
) -> Int[Tensor, " M"]:
    """The best path of every sequence, of all frames one after the other; free transitions if ``order`` is ``None``."""
    parts = split_like(scores, sequences)
    padded = pad_sequence(parts, batch_first=True)
    lengths = torch.tensor([len(part) for part in parts], device=scores.device)
    mask = torch.arange(padded.shape[1], device=scores.device) < lengths[:, None]
    transitions: Literal["free", "ordered"] = "free" if order is None else "ordered"
    found = viterbi(padded, mask=mask, transitions=transitions, order=order, self_probability=self_probability)
    return found[mask]
