"""Temporally connected agglomeration: neighboring segments merge until the wanted number is left."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg.models._sequences import read_sequences


def ward_segments(
    sequences: Sequence[Float[Tensor, "_ D"]], n_actions: int, *, generator: torch.Generator | None = None
) -> list[Int[Tensor, " _"]]:
    r"""Each sequence as K segments: scikit-learn's Ward agglomeration in which only neighbors in time merge.

    In every step the two neighboring segments merge whose union raises the sum of squares least. An action is one
    segment here and does not come back.

    Each sequence is clustered on its own: **labels of different sequences are not comparable**; score them per video,
    or join them with :func:`otseg.models.link_videos` (with more segments than actions, where actions repeat).
    Time :math:`O(N (D + \log N))`, memory :math:`O(N D)` for a sequence of N frames.

    Args:
        sequences: Features of every sequence.
        n_actions: Number of segments of each sequence, at most its number of frames.
        generator: Not used, nothing is drawn; all baselines have one form.

    Returns:
        The segment of every frame, one tensor per sequence, numbered in time.

    Raises:
        ValueError: If a sequence is empty, not finite or shorter than K.

    Example:
        >>> x = torch.tensor([0.0, 0.1, 0.0, 5.0, 5.1, 0.0])[:, None]
        >>> ward_segments([x], 3)
        [tensor([0, 0, 0, 1, 1, 2])]

    References:
        :cite:`ward1963hierarchical`.
    """
    frames = read_sequences(sequences, n_actions, least=n_actions)
    return [_ward(x, n_actions).to(x.device) for x in frames]


def _ward(x: Tensor, n_segments: int) -> Tensor:
    n = len(x)
    if n_segments == 1 or n_segments == n:
        return torch.arange(n) * n_segments // n
    from scipy.sparse import diags  # only here: with scikit-learn they take as long to import as torch
    from sklearn.cluster import AgglomerativeClustering

    chain = diags([1.0, 1.0], [-1, 1], shape=(n, n))
    labels = AgglomerativeClustering(n_segments, connectivity=chain, linkage="ward").fit_predict(x.cpu().numpy())
    cuts = torch.from_numpy(labels).diff() != 0
    return torch.cat([torch.zeros(1, dtype=torch.int64), cuts.cumsum(0)])
