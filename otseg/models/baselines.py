"""Yardsticks that every learned segmentation must beat: equal parts, and k-means of frames.

All baselines but :func:`uniform_split`, which needs no features, have one form: sequences, number of actions and a
generator to a list of labels, one tensor per sequence. They train on what they label and keep nothing. Each says the
scope of its labels: comparable among all sequences, or only inside of one (see :func:`otseg.models.link_videos`).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks
from otseg.models._sequences import kmeans, read_sequences, relative_time, split_like, with_time


def uniform_split(n_frames: int, n_actions: int) -> Int[Tensor, " N"]:
    r"""Equal parts in order: frame :math:`n` of :math:`N` gets action :math:`\lfloor n K / N \rfloor`.

    Args:
        n_frames: Number of frames N.
        n_actions: Number of actions K.

    Example:
        >>> uniform_split(5, 2)
        tensor([0, 0, 0, 1, 1])
    """
    checks.number("n_frames", n_frames, 1, integer=True)
    checks.number("n_actions", n_actions, 1, integer=True)
    return torch.arange(n_frames) * n_actions // n_frames


def kmeans_frames(
    sequences: Sequence[Float[Tensor, "_ D"]],
    n_actions: int,
    *,
    time_weight: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Int[Tensor, " _"]]:
    r"""Clusters of the frames of all sequences by scikit-learn's k-means (best of 10 starts).

    With ``time_weight`` :math:`w > 0` the points are
    :math:`(x_n, \; w \sqrt{12}\, s\, t_n)`, where :math:`t_n \in (0, 1)` is the time of the frame relative to the
    length of its sequence and :math:`s^2` the total variance of the features: at 1, time has the same variance as
    all features together. The scale of the features changes nothing.

    Labels are comparable among sequences. Time :math:`O(M K D)` per iteration for M frames in all, memory
    :math:`O(M D)`.

    Args:
        sequences: Features of every sequence, as a rule standardized.
        n_actions: Number of clusters, at most the number of frames.
        time_weight: Weight of time against the features, at least 0; 0 ignores time.
        generator: Seeds the k-means.

    Returns:
        The cluster of every frame, one tensor per sequence.

    Raises:
        ValueError: If a sequence is empty or not finite, or there are fewer frames than actions.

    Warns:
        sklearn.exceptions.ConvergenceWarning: If fewer than K frames differ.

    Example:
        >>> far, near = torch.ones(3, 2), torch.zeros(2, 2)
        >>> labels = kmeans_frames([torch.cat([far, near])], n_actions=2)[0]
        >>> (labels == labels[0]).tolist()
        [True, True, True, False, False]
    """
    checks.number("time_weight", time_weight, 0)
    frames = read_sequences(sequences, n_actions)
    points = torch.cat(frames)
    if time_weight > 0:
        points = with_time(points, relative_time(frames), time_weight)
    return split_like(kmeans(points, n_actions, generator), sequences)
