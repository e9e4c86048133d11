"""Yardsticks that every learned segmentation must beat: they are functions, nothing in them is trained."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks


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
    sequences: Sequence[Float[Tensor, "_ D"]], n_actions: int, *, generator: torch.Generator | None = None
) -> list[Int[Tensor, " _"]]:
    """Clusters of the frames of all sequences by scikit-learn's k-means (best of 10 starts), whatever their time.

    Args:
        sequences: Features of every sequence, as a rule standardized.
        n_actions: Number of clusters, at most the number of frames.
        generator: Seeds the k-means.

    Returns:
        The cluster of every frame, one tensor per sequence.

    Example:
        >>> far, near = torch.ones(3, 2), torch.zeros(2, 2)
        >>> labels = kmeans_frames([torch.cat([far, near])], n_actions=2)[0]
        >>> (labels == labels[0]).tolist()
        [True, True, True, False, False]
    """
    checks.require(len(sequences) > 0, "sequences", "at least one sequence", "none")
    frames = torch.cat([checks.tensor(f"sequences[{i}]", x, "N D") for i, x in enumerate(sequences)])
    checks.number("n_actions", n_actions, 1, len(frames), integer=True)
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    from sklearn.cluster import KMeans  # only here: it takes as long to import as torch

    labels = KMeans(n_actions, n_init=10, random_state=seed).fit_predict(frames.cpu().double().numpy())
    return list(torch.split(torch.from_numpy(labels).long(), [len(x) for x in sequences]))
