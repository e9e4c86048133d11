"""Spectral clustering of the frames of every sequence, with affinities that fade with time."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks
from otseg.models._sequences import draw_seed, read_sequences


def spectral_frames(
    sequences: Sequence[Float[Tensor, "_ D"]],
    n_actions: int,
    *,
    bandwidth: float = 0.5,
    window: float = 0.2,
    max_frames: int = 5000,
    generator: torch.Generator | None = None,
) -> list[Int[Tensor, " _"]]:
    r"""Normalized cuts of every sequence by scikit-learn's spectral clustering.

    The affinity of two frames falls with the distance of their features and of their relative times t,

    .. math::  A_{ij} = \exp\Big(-\frac{\|x_i - x_j\|^2}{2 h^2 s^2} - \frac{(t_i - t_j)^2}{2 w^2}\Big)

    where :math:`s^2` is the mean squared distance of two frames of the sequence: scale changes nothing.

    Each sequence is clustered on its own: **labels of different sequences are not comparable**; score them per video,
    or join them with :func:`otseg.models.link_videos`. Time :math:`O(N^2 (D + K))` and memory :math:`O(N^2)` for a
    sequence of N frames, hence the limit ``max_frames``.

    Args:
        sequences: Features of every sequence.
        n_actions: Number of clusters of each sequence, at most its number of frames.
        bandwidth: Width h of the features, above 0.
        window: Width w of time as a fraction of the sequence, above 0; ``inf`` ignores time.
        max_frames: Longest sequence that is accepted; 5000 frames take 200 MB and about half a minute.
        generator: Seeds scikit-learn.

    Returns:
        The cluster of every frame, one tensor per sequence, numbered by the time of their first frames.

    Raises:
        ValueError: If a sequence is empty, not finite, shorter than K or longer than ``max_frames``.

    Example:
        >>> x = torch.tensor([0.0, 0.1, 0.0, 5.0, 5.1, 5.0, 5.1])[:, None]
        >>> spectral_frames([x], 2)
        [tensor([0, 0, 0, 1, 1, 1, 1])]

    References:
        :cite:`shi2000normalized`.
    """
    checks.number("bandwidth", bandwidth, 0, open_low=True)
    checks.number("window", window, 0, open_low=True)
    checks.number("max_frames", max_frames, 1, integer=True)
    frames = read_sequences(sequences, n_actions, least=n_actions)
    for i, x in enumerate(frames):
        fix = "Take every n-th frame, use ward_segments, or raise max_frames: memory grows with its square."
        ok = len(x) <= max_frames
        checks.require(ok, f"sequences[{i}]", f"of at most max_frames = {max_frames} frames", len(x), fix)
    return [_cuts(x, n_actions, bandwidth, window, draw_seed(generator)).to(x.device) for x in frames]


def _cuts(x: Tensor, n_actions: int, bandwidth: float, window: float, seed: int) -> Tensor:
    if n_actions == 1 or n_actions == len(x):
        return torch.arange(len(x)) * n_actions // len(x)
    from sklearn.cluster import SpectralClustering  # only here: it takes as long to import as torch

    squared = torch.cdist(x, x).square()
    mean = squared.mean()
    t = torch.arange(len(x), dtype=x.dtype, device=x.device) / len(x)
    exponent = torch.where(mean > 0, squared / mean, 0) / bandwidth**2 + (t[:, None] - t).square() / window**2
    cuts = SpectralClustering(n_actions, affinity="precomputed", random_state=seed)
    # The smallest affinity keeps the graph connected where all neighbors of a frame are far.
    labels = cuts.fit_predict(torch.exp(-exponent / 2).clamp(min=1e-12).cpu().numpy())
    return by_first_frame(torch.from_numpy(labels).long())


def by_first_frame(labels: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
    """The same clusters, numbered from 0 in the order in which they first occur."""
    _, inverse = torch.unique(labels, return_inverse=True)
    first = torch.full((int(inverse.max()) + 1,), len(labels)).scatter_reduce(
        0, inverse, torch.arange(len(labels)), "amin"
    )
    return first.argsort().argsort()[inverse]
